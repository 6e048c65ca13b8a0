"""Of a film only what is asked for is decoded, exactly, and the part that was meant."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from refused import refused
from video_files import EXACT, encode, message, noise, turn

from vace_core.errors import InputError
from vace_core.media.pictures import read_image, read_mask
from vace_core.media.ranges import frame_range
from vace_core.media.reader import VideoReader
from vace_core.media.sources import open_footage
from vace_core.media.video import read_clip, read_video

B_FRAMES = {"g": "8", "bf": "3", "x264-params": "open-gop=1:b-adapt=0"}
FILES = [
    ("a.mp4", "libx264", B_FRAMES),
    ("a.mkv", "libx264", B_FRAMES),
    ("a.ts", "libx264", B_FRAMES),
    ("a.h264", "libx264", B_FRAMES),
    ("a.mp4", "libx265", {"x265-params": "keyint=8:bframes=3:open-gop=1:log-level=none"}),
    ("a.avi", "mpeg4", {"g": "8"}),
    ("a.webm", "libvpx", {"g": "8", "auto-alt-ref": "1", "lag-in-frames": "8"}),
    ("a.webm", "libvpx-vp9", {"g": "8"}),
    ("a.mkv", "ffv1", {}),
]


def moving(count: int, height: int = 64, width: int = 80) -> torch.Tensor:
    """A texture that moves, so that frames build on each other and every one is another."""
    texture = noise(height + count, width + count, 3)
    return torch.stack([texture[n : n + height, n : n + width] for n in range(count)])


@pytest.mark.parametrize(("name", "codec", "options"), FILES)
def test_a_frame_is_the_same_however_one_comes_to_it(tmp_path: Path, name: str, codec: str, options: dict[str, str]):
    path = encode(tmp_path / name, moving(30), codec=codec, options=options)
    film, whole = open_footage(path), read_video(path)
    assert film.count == len(whole.frames) == 30
    for begin, end in ((0, 3), (7, 9), (16, 30), (29, 30)):
        assert torch.equal(read_clip(film, begin, end).frames, whole.frames[begin:end]), (begin, end)
    indices = [0, 0, 5, 6, 13, 21, 21, 28]
    found = torch.cat([chunk.frames for chunk in film.chunks(indices=indices, size=3)])
    assert torch.equal(found, whole.frames[indices])


def test_a_range_decodes_only_its_part_of_the_file(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", moving(60), options=B_FRAMES)
    data = bytearray(path.read_bytes())
    film = VideoReader(path)
    wanted = read_clip(film, 40, 44).frames
    data[len(data) // 10 : len(data) // 3] = bytes(len(data) // 3 - len(data) // 10)  # nobody needs these
    path.write_bytes(data)
    assert torch.equal(read_clip(film, 40, 44).frames, wanted)


def test_frames_of_variable_rate_are_found_by_their_time(tmp_path: Path):
    ticks, pictures = [0, 1, 2, 6, 7, 8, 20, 21, 25], noise(9, 16, 16, 3)
    film = open_footage(encode(tmp_path / "a.mp4", pictures, **EXACT, ticks=ticks))
    begin, end = frame_range(film, 7 / 16, 20.5 / 16)
    assert (begin, end) == (4, 6)
    clip = read_clip(film, begin, end)
    assert torch.equal(clip.frames, pictures[4:6])
    assert (clip.times * 16).tolist() == [[0, 1], [1, 13]]


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        (None, None, (0, 50)),
        ("1", "1.4s", (25, 35)),
        (0.2, 0.4, (5, 10)),
        ("10f", "12 frames", (10, 12)),
        ("00:00:01:05", None, (30, 50)),
        ("0:01.2", "00:00:02.00", (30, 50)),
        (None, "50f", (0, 50)),
        ("1.01", "1.05", (25, 26)),
    ],
)
def test_a_part_is_named_by_seconds_frames_or_timecode(
    tmp_path: Path, start: str | float | None, end: str | float | None, frames: tuple[int, int]
):
    film = open_footage(encode(tmp_path / "a.mp4", torch.zeros(50, 16, 16, 3, dtype=torch.uint8), fps=25))
    assert frame_range(film, start, end) == frames


def test_a_timecode_counts_from_the_one_that_the_file_states(tmp_path: Path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30000, 1001))
        stream.width = stream.height = 16
        stream.pix_fmt, stream.metadata["timecode"] = "yuv420p", "01:00:00;00"
        for index in range(90):
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    film = open_footage(path)
    assert film.timecode == "01:00:00;00"
    assert frame_range(film, "01:00:01;10", "01:00:02;00") == (40, 60)
    said = message(InputError, lambda: frame_range(film, "00:00:01;10", None))
    assert "from timecode 01:00:00;00 on" in said


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("1", "0.5", "range-empty: "),
        ("1", "1", "range-empty: "),
        ("9", None, "time-outside: "),
        ("50f", None, "time-outside: "),
        (None, "51f", "time-outside: "),
        ("soon", None, "time-unreadable: when=soon"),
        ("00:00:00:25", None, "timecode-frames: code=00:00:00:25, frames=25, rate=25"),
    ],
)
def test_a_part_that_is_not_there_is_a_sentence(tmp_path: Path, start: str | None, end: str | None, said: str):
    film = open_footage(encode(tmp_path / "a.mp4", torch.zeros(50, 16, 16, 3, dtype=torch.uint8), fps=25))
    assert said in message(InputError, lambda: frame_range(film, start, end))
    assert message(InputError, lambda: read_clip(film, 4, 51)).startswith("range-outside: begin=4, count=50, last=51, ")


def test_a_frame_of_a_video_is_a_picture(tmp_path: Path):
    pictures = noise(9, 16, 24, 3)
    encode(tmp_path / "a.mp4", pictures, **EXACT)
    assert torch.equal(read_image(tmp_path / "a.mp4@0.25s")[0], pictures[4])
    assert torch.equal(read_image(f"{tmp_path / 'a.mp4'}@8f")[0], pictures[8])
    Image.fromarray(pictures[0].numpy()).save(tmp_path / "a@2s.png")
    assert torch.equal(read_image(tmp_path / "a@2s.png")[0], pictures[0])


def test_interlaced_video_is_refused_with_the_command_that_helps(tmp_path: Path):
    path = tmp_path / "a.mp4"
    encode(path, moving(5, 64, 64), options={"x264-params": "interlaced=1:tff=1"})
    with pytest.raises(InputError) as error:
        read_video(path)
    assert error.value.code == "video-interlaced"
    assert 'ffmpeg -i "a.mp4" -vf bwdif=mode=send_frame -crf 10 -c:a copy "a-progressive.mp4"' in str(error.value)


def test_so_is_what_becomes_interlaced_later_where_it_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Of a film of several parts the first may be of whole frames. What nobody looks at is kept as it is stored."""
    parts, path = (tmp_path / "a.ts", tmp_path / "b.ts"), tmp_path / "c.ts"
    encode(parts[0], moving(5), codec="mpeg2video")
    encode(parts[1], moving(5), codec="mpeg2video", options={"flags": "+ildct+ilme"})
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    film = VideoReader(path)
    assert film.count == 10
    assert read_clip(film, 0, 5).frames.shape == (5, 64, 80, 3)
    with pytest.raises(InputError) as error:
        read_clip(film, 2, 9)
    assert refused(error.value) == f"video-interlaced: frame=5, name=c.ts, path={path}, stem=c"
    assert len(list(film.raw(0, 10))) == 10
    (said,) = caplog.messages
    assert said == f"{path}, frame 5: Some of its frames are interlaced; what is kept of them stays so."


def test_a_matrix_that_is_not_converted_is_refused(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", moving(2), options={"x264-params": "colormatrix=YCgCo"})
    assert message(InputError, lambda: read_video(path)).startswith("video-colours: colours=YCgCo, ")


# --- more than eight bits


def ten_bits(path: Path, levels: tuple[int, int, int], *, full: bool, layout: str = "yuv420p10le") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=16)
        stream.width, stream.height, stream.pix_fmt = 32, 32, layout
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 2 if full else 1
        frame = av.VideoFrame(32, 32, layout)
        for plane, level in zip(frame.planes, levels, strict=True):
            plane.update(np.full(plane.buffer_size // 2, level, np.uint16).tobytes())
        frame.pts, frame.colorspace, frame.color_range = 0, 1, 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("layout", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
def test_ten_bits_are_kept_by_the_definition_of_their_matrix(tmp_path: Path, full: bool, layout: str):
    r, g, b = 0.7031, 0.4401, 0.2007
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    u, v = (b - y) / 1.8556, (r - y) / 1.5748
    exact = (y * 1023, u * 1023 + 512, v * 1023 + 512)
    exact = exact if full else ((y * 219 + 16) * 4, (u * 224 + 128) * 4, (v * 224 + 128) * 4)
    levels = tuple(round(level) for level in exact)
    film = open_footage(ten_bits(tmp_path / "a.mkv", levels, full=full, layout=layout))
    assert (film.bits, film.colour.full) == (10, full)
    (chunk,) = film.chunks(deep=True)
    pixel = (chunk.frames[0, :, 0, 16, 16] + 1) / 2 * 1023
    assert (pixel - torch.tensor([r, g, b]) * 1023).abs().max() < 1.2  # the rounding of Y, U and V alone
    assert (film.frame(0)[0][16, 16].double() - torch.tensor([r, g, b]) * 255).abs().max() < 1.6


def test_eight_bits_are_the_same_numbers_either_way(tmp_path: Path):
    film = open_footage(encode(tmp_path / "a.mp4", moving(3)))
    (deep,), (shallow,) = film.chunks(deep=True), film.chunks()
    assert torch.allclose((deep.frames[0].permute(1, 2, 3, 0) + 1) * 127.5, shallow.frames.float(), atol=1e-4)


# --- folders


def numbered(folder: Path, pictures: torch.Tensor, first: int = 1) -> Path:
    folder.mkdir()
    for index, picture in enumerate(pictures, first):
        Image.fromarray(picture.numpy()).save(folder / f"shot_{index}.png")
    return folder


def test_a_folder_of_numbered_pictures_is_a_film(tmp_path: Path):
    pictures = noise(12, 8, 10, 3)
    folder = numbered(tmp_path / "shots", pictures)
    clip = read_video(folder)
    assert torch.equal(clip.frames, pictures)  # 2 before 10
    assert (clip.fps, clip.notes) == (25.0, ("Pictures state no frame rate; 25 fps is assumed.",))
    assert open_footage(folder, fps=24).fps == 24
    (folder / "shot_4.png").unlink()
    assert "Of its numbers 1 are missing; those that are there follow each other." in read_video(folder).notes
    Image.new("RGB", (9, 8)).save(folder / "shot_4.png")
    assert message(InputError, lambda: read_video(folder)).startswith(
        "series-size: first_height=8, first_width=10, height=8, "
    )
    Image.new("L", (10, 8)).save(folder / "mask_1.png")
    assert message(InputError, lambda: read_video(folder)).startswith("series-several: count=2, ")
    assert read_mask(folder / "mask_%d.png").shape == (1, 8, 10)


def test_a_folder_without_pictures_is_said(tmp_path: Path):
    assert message(InputError, lambda: read_video(tmp_path)) == f"series-missing: path={tmp_path}"


def test_sixteen_bits_of_a_png_are_kept(tmp_path: Path):
    levels = np.random.default_rng(0).integers(0, 65536, (8, 10, 3), dtype=np.uint16)
    with av.open(str(tmp_path / "a_%02d.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 10, 8, "rgb48be"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb48le")))
        container.mux(stream.encode(None))
    film = open_footage(tmp_path / "a_%02d.png")
    (chunk,) = film.chunks(deep=True)
    assert film.bits == 16
    numbers = (chunk.frames[0, :, 0].permute(1, 2, 0) + 1) / 2 * 65535
    assert torch.equal(numbers.round().int(), torch.from_numpy(levels.astype(np.int32)))
    assert len(read_video(tmp_path / "a_%02d.png").frames) == 1


# --- masks


def test_a_mask_is_the_brightness_or_the_alpha_as_asked(tmp_path: Path):
    levels = torch.zeros(4, 4, 4, dtype=torch.uint8)
    levels[:, 2:, :3] = 255
    levels[1:, :, 3] = 255
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    assert torch.equal(read_mask(tmp_path / "a.png", channel="alpha")[0], (levels[..., 3] > 0).float())
    assert torch.equal(read_mask(tmp_path / "a.png", channel="luma")[0], (levels[..., 0] > 0).float())
    path = encode(tmp_path / "a.mp4", noise(3, 16, 16, 3))
    assert message(InputError, lambda: read_mask(path, channel="alpha")) == f"mask-without-alpha: path={path}"


def test_the_mask_of_a_part_is_read_alone(tmp_path: Path):
    pictures = (noise(9, 16, 16, 1) > 127).to(torch.uint8).mul(255).expand(-1, -1, -1, 3)
    path = encode(tmp_path / "a.mp4", pictures, **EXACT)
    assert torch.equal(read_mask(path, begin=3, end=5), (pictures[3:5, ..., 0] > 0).float())


def test_frames_are_asked_for_in_rising_order_and_those_that_are_there(tmp_path: Path):
    film = VideoReader(encode(tmp_path / "a.mkv", noise(4, 16, 16, 3), codec="ffv1", pix_fmt="bgr0"))
    for wrong in ([2, 1], [-1, 0], [0, 4], [], [0, 2, 1]):
        said = message(InputError, lambda wrong=wrong: list(film.pictures(wrong)))
        assert said == f"frames-outside: count=4, frames={wrong}, last=3, path={film.path}"
    assert len(list(film.pictures([0, 0, 3]))) == 3


def test_what_a_header_states_is_known_before_anything_is_decoded(tmp_path: Path):
    for name, promised in (("a.mp4", 9), ("a.mkv", 9), ("a.h264", 0)):
        film = VideoReader(encode(tmp_path / name, noise(9, 32, 48, 3)))
        assert (film.promised, film.stored_size, film.sound, film.timecode) == (promised, (32, 48), False, None)


def test_pixels_that_are_not_square_turn_with_the_picture(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(2, 16, 32, 3), options={"aspect": "4:1"}, codec="mpeg4")
    assert VideoReader(path).aspect == 4
    film = VideoReader(turn(path, 0, 1 << 16, -1 << 16, 0))
    assert (film.aspect, film.height, film.width) == (Fraction(1, 4), 32, 16)


def test_a_picture_of_the_cover_is_not_the_film(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        video, cover = container.add_stream("libx264", rate=25), container.add_stream("mjpeg", rate=25)
        cover.disposition = av.stream.Disposition.attached_pic
        cover.width = cover.height = 16
        video.width = video.height = 32
        cover.pix_fmt, video.pix_fmt = "yuvj420p", "yuv420p"
        for stream, side, count in ((cover, 16, 1), (video, 32, 3)):
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(np.full((side, side, 3), 99, np.uint8), format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
        container.mux(video.encode(None))
    assert read_video(path).frames.shape == (3, 32, 32, 3)


def test_frames_that_build_on_others_which_are_not_there_are_left_out(tmp_path: Path):
    """A stream that somebody cut anywhere begins with them."""
    path, pieces = encode(tmp_path / "a.ts", moving(24), options={"g": "8", "bf": "0", "sc_threshold": "0"}), []
    with av.open(str(path)) as container:
        pieces = [(one.pts, one.is_keyframe, bytes(one)) for one in container.demux(video=0) if one.size]
        start = next(n for n, (_, key, _) in enumerate(pieces) if key and n)
    whole = read_video(path).frames
    with av.open(str(path)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for n, packet in enumerate(source.demux(video=0)):
            if packet.size and n >= start - 3:
                packet.stream = stream
                target.mux(packet)
    clip = read_video(tmp_path / "b.mkv")
    assert "Its first 3 frames build on others that are not in the file; they are left out." in clip.notes
    assert torch.equal(clip.frames, whole[start:])


@pytest.mark.parametrize("begin", [5, 17])
def test_what_lies_before_the_beginning_of_a_cut_without_encoding_is_decoded_and_not_shown(tmp_path: Path, begin: int):
    """Such a cut keeps the packets from a keyframe on, and an edit list hides the frames before its beginning."""
    whole, cut = tmp_path / "a.mp4", tmp_path / "b.mp4"
    encode(whole, moving(30), options={"g": "12", "bf": "2"})
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        step = packets[0].duration
        for packet in packets[begin // 12 * 12 :]:
            packet.pts, packet.dts, packet.stream = packet.pts - begin * step, packet.dts - begin * step, stream
            target.mux(packet)
    with av.open(str(cut)) as container:
        assert next(container.demux(video=0)).pts < 0  # or this shows nothing
    film, shown = open_footage(cut), read_video(whole).frames[begin:]
    assert (film.count, film.notes) == (len(shown), ())
    assert torch.equal(read_clip(film).frames, shown)
    for index in (0, 3, len(shown) - 2):
        assert torch.equal(film.frame(index)[0], shown[index])


def test_between_two_frames_that_are_far_apart_nothing_is_decoded(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", moving(60), options=B_FRAMES)
    film, data = VideoReader(path), bytearray(path.read_bytes())
    wanted = [one.clone() for one in film.pictures([1, 2, 55])]
    data[len(data) * 2 // 5 : len(data) // 2] = bytes(len(data) // 2 - len(data) * 2 // 5)
    path.write_bytes(data)
    assert all(map(torch.equal, film.pictures([1, 2, 55]), wanted))


def test_a_film_that_was_read_holds_none_of_its_frames(tmp_path: Path):
    reader = VideoReader(encode(tmp_path / "clip.mp4", noise(5, 32, 48, 3)))
    assert (len(list(reader.pictures(range(5)))), reader.height, reader.bits, reader.alpha) == (5, 32, 8, False)
    held = [vars(value) if hasattr(value, "__dict__") else value for value in vars(reader).values()]
    assert "VideoFrame" not in repr(held)
