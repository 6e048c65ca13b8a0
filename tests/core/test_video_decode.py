"""Decoded frames stand upright, have the colours their file states, and keep the time of each."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
import torch
from refused import refused
from video_files import EXACT, encode, noise, turn

from vace_core.errors import InputError
from vace_core.inputs.fitting import plan
from vace_core.media.colour import colour_of
from vace_core.media.reader import VideoReader
from vace_core.media.sources import open_footage
from vace_core.media.video import read_video
from vace_core.models.wan.family import WAN

PATCH = (200, 120, 40)
ORIENTATIONS = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)]
ORIENTATIONS += [(0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_videos_come_upright(tmp_path: Path, matrix: tuple[int, int, int, int]):
    pictures = noise(3, 6, 10, 3)
    path = turn(encode(tmp_path / "a.mp4", pictures, **EXACT), *(value << 16 for value in matrix))
    a, b, c, d = matrix
    places = {(a * x + c * y, b * x + d * y): pictures[0, y, x] for x in range(10) for y in range(6)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    clip = read_video(path)
    for (x, y), pixel in places.items():
        assert torch.equal(clip.frames[0, y - top, x - left], pixel)
    turned = () if matrix == ORIENTATIONS[0] else ("It is turned or mirrored upright, as the file marks it.",)
    assert clip.notes == turned


def test_a_portrait_phone_video_stands(tmp_path: Path):
    pictures = torch.zeros(2, 6, 10, 3, dtype=torch.uint8)
    pictures[:, 0, 0] = 255  # stored top left, shown top right
    clip = read_video(turn(encode(tmp_path / "a.mp4", pictures, **EXACT), 0, 1 << 16, -1 << 16, 0))
    assert clip.frames.shape == (2, 10, 6, 3)
    assert clip.frames[0, :, :, 0].nonzero().tolist() == [[0, 5]]


def test_an_odd_angle_is_not_applied(tmp_path: Path):
    pictures = noise(2, 6, 10, 3)
    clip = read_video(turn(encode(tmp_path / "a.mp4", pictures, **EXACT), 46341, 46341, -46341, 46341))
    assert torch.equal(clip.frames, pictures)
    assert clip.notes == ("It is marked as turned by an angle that is no quarter turn; that mark is ignored.",)


def test_variable_rate_keeps_the_time_of_each_frame(tmp_path: Path):
    ticks = [0, 1, 2, 6, 7, 8, 20, 21, 25]
    clip = read_video(encode(tmp_path / "a.mp4", noise(9, 16, 16, 3), **EXACT, ticks=ticks))
    assert (clip.times * 16).tolist() == [[a, b] for a, b in zip(ticks, [*ticks[1:], 26], strict=True)]
    assert clip.fps == pytest.approx(9 * 16 / 26)
    assert clip.notes == (
        "Its rate varies: a frame lasts 62 to 750 ms, 5.538 fps on average; the time of each frame is kept.",
    )


def test_one_missing_frame_is_a_variable_rate(tmp_path: Path):
    ticks = [*range(10), *range(11, 20)]
    clip = read_video(encode(tmp_path / "a.mp4", noise(19, 16, 16, 3), ticks=ticks))
    assert (clip.times[:, 0] * 16).tolist() == ticks


def test_a_frame_two_ticks_late_is_a_variable_rate(tmp_path: Path):
    ticks = [0, 17, 33, 52, 67, 83, 100]
    clip = read_video(
        encode(tmp_path / "a.mkv", noise(7, 16, 16, 3), codec="ffv1", pix_fmt="bgr0", fps=1000, ticks=ticks)
    )
    assert clip.times[:, 0].tolist() == pytest.approx([tick / 1000 for tick in ticks])


@pytest.mark.parametrize("fps", [24000 / 1001, 30, 48, 60])
def test_a_coarse_clock_is_no_variable_rate(tmp_path: Path, fps: float):
    clip = read_video(encode(tmp_path / "a.mkv", noise(33, 16, 16, 3), codec="ffv1", pix_fmt="bgr0", fps=fps))
    assert (clip.fps, clip.notes) == (fps, ())
    assert torch.equal(clip.times[:, 0], torch.arange(33, dtype=torch.float64) / fps)
    fit = plan(33, 16, 16, WAN.presets["wan-480p"], fps=clip.fps, times=clip.times)
    assert (fit.indices, fit.fps) == (tuple(range(33)), fps)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (2, 0.299, 0.114), (5, 0.299, 0.114), (6, 0.299, 0.114)]
)
def test_the_stated_colour_matrix_is_used(tmp_path: Path, matrix: int, red: float, blue: float, full: bool):
    path = patch(tmp_path / "a.mp4", 32, 32, red, blue, stated=matrix, full=full)
    pixel = read_video(path).frames[0, 16, 16]
    assert (pixel.int() - torch.tensor(PATCH)).abs().max() <= 1


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize(
    ("width", "height", "matrix", "red", "blue"),
    [
        (640, 480, 6, 0.299, 0.114),
        (480, 700, 6, 0.299, 0.114),
        (1040, 32, 1, 0.2126, 0.0722),
        (32, 720, 1, 0.2126, 0.0722),
    ],
)
def test_without_a_stated_matrix_the_size_decides(
    tmp_path: Path, width: int, height: int, matrix: int, red: float, blue: float, stated: bool
):
    path = patch(tmp_path / "a.mp4", width, height, red, blue, stated=matrix if stated else 2)
    clip = read_video(path)
    assert (clip.frames[0, height // 2, width // 2].int() - torch.tensor(PATCH)).abs().max() <= 2
    guessed = "It states no colour matrix; BT.709 is taken, as players do at this size."
    assert clip.notes == ((guessed,) if matrix == 1 and not stated else ())
    # Primaries and transfer, which no patch of one colour shows, go with the matrix; 6 is NTSC's.
    colour = open_footage(str(path)).colour
    assert (colour.primaries, colour.transfer) == ((1, 1) if matrix == 1 else (6, 6))


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ (smpte2084)"), (18, "HLG (arib-std-b67)")])
def test_a_video_of_high_dynamic_range_is_refused_with_the_command_that_converts_it(
    tmp_path: Path, transfer: int, name: str
):
    path = patch(tmp_path / "a.mp4", 32, 32, 0.2627, 0.0593, stated=9, transfer=transfer)
    with pytest.raises(InputError):
        VideoReader(path)
    with pytest.raises(InputError) as error:
        read_video(path)
    assert refused(error.value) == f"video-hdr: name=a.mp4, path={path}, stem=a, transfer={name}"
    said = str(error.value)
    assert 'ffmpeg -i "a.mp4" -vf "zscale=' in said
    assert said.endswith('"a-sdr.mp4"')


def patch(
    path: Path, width: int, height: int, red: float, blue: float, *, stated: int, full: bool = False, transfer: int = 2
) -> Path:
    """A frame of the colour `PATCH`, whose YUV levels come from the two weights of the matrix by its definition."""
    r, g, b = (level / 255 for level in PATCH)
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    levels = (y * 255, u * 255 + 128, v * 255 + 128) if full else (y * 219 + 16, u * 224 + 128, v * 224 + 128)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=16, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = stated, 2 if full else 1
        stream.codec_context.color_trc = transfer
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, level in zip(frame.planes, levels, strict=True):
            plane.update(bytes([round(level)]) * plane.buffer_size)
        frame.pts, frame.colorspace, frame.color_range = 0, stated, 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("matrix", "size", "stated", "wanted"),
    [
        (1, (32, 32), (2, 2), (1, 1, 1)), (7, (32, 32), (2, 2), (7, 7, 7)), (9, (32, 32), (2, 2), (9, 9, 14)),
        (5, (32, 288), (2, 2), (5, 5, 6)), (6, (32, 576), (2, 2), (6, 5, 6)), (6, (32, 480), (2, 2), (6, 6, 6)),
        (6, (32, 576), (1, 4), (6, 1, 4)), (1, (32, 32), (2, 13), (1, 1, 13)), (9, (32, 32), (12, 2), (9, 12, 14)),
        (2, (1024, 718), (2, 2), (5, 6, 6)), (2, (1026, 718), (2, 2), (1, 1, 1)), (2, (32, 720), (2, 2), (1, 1, 1)),
    ],
)  # fmt: skip
def test_what_a_film_does_not_state_of_its_colours_goes_with_what_it_states(matrix, size, stated, wanted):
    frame = av.VideoFrame(*size, "yuv420p")
    frame.colorspace = matrix
    found = colour_of(Path("a.mp4"), frame, stated, {})
    assert (found.matrix, found.primaries, found.transfer, found.full) == (*wanted, False)


@pytest.mark.parametrize(
    ("name", "levels", "full"),
    [("gray", 2, True), ("gray", 1, False), ("gray", 0, True), ("gray10le", 0, True), ("rgb24", 2, False),
     ("yuvj420p", 0, True), ("yuv420p", 2, True), ("yuv420p", 0, False)],
)  # fmt: skip
def test_levels_are_all_of_them_where_the_film_says_so(name: str, levels: int, full: bool):
    frame = av.VideoFrame(32, 32, name)
    frame.colorspace, frame.color_range = 1, levels
    found = colour_of(Path("a.mp4"), frame, (1, 1), {})
    assert (found.matrix, found.primaries, found.transfer, found.full) == (1, 1, 1, full)


@pytest.mark.parametrize(
    ("matrix", "name"), [(8, "YCgCo"), (10, "BT.2020 of constant luminance"), (14, "ICtCp"), (12, "matrix 12")]
)
def test_a_matrix_that_is_not_converted_is_named(matrix: int, name: str):
    frame = av.VideoFrame(32, 32, "yuv420p")
    frame.colorspace = matrix
    with pytest.raises(InputError) as error:
        colour_of(Path("a.mp4"), frame, (1, 1), {})
    assert (error.value.code, error.value.fields["colours"]) == ("video-colours", name)
