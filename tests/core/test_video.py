"""Promises of video files: what comes in is said, and hostile files end in a sentence."""

from __future__ import annotations

import contextlib
import os
import random
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_files import EXACT, encode, encode_sound, message, noise

from vace_core.errors import InputError, ShapeError
from vace_core.inputs.fitting import plan
from vace_core.inputs.resizing import resize_frames, resize_masks
from vace_core.media.colour import Colour
from vace_core.media.pictures import read_mask, write_image
from vace_core.media.video import Clip, from_uint8, read_video, stand_for_bytes, to_uint8
from vace_core.models.wan.family import WAN

DATA = Path(os.environ.get("VACE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
real_files = pytest.mark.skipif(not (DATA / "test.mp4").exists(), reason="needs the shared sample files")


# --- bytes and numbers


def test_bytes_survive_numbers():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    frames = from_uint8(levels)
    assert (frames.shape, frames.dtype) == ((1, 3, 1, 16, 16), torch.float32)
    assert (frames.min().item(), frames.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_uint8(frames), levels)
    assert torch.equal(from_uint8(levels[0]), frames)


def test_numbers_are_rounded_to_the_nearest_byte_and_saturate():
    values = torch.tensor([-1.3, -1.0, -0.999, 0.0, 0.004, 0.999, 1.0, 1.9])
    frames = values.view(1, 1, 1, 1, -1).expand(-1, 3, -1, -1, -1)
    assert to_uint8(frames)[0, 0, :, 0].tolist() == [0, 0, 0, 128, 128, 255, 255, 255]


def test_frames_and_fitting_agree_on_the_range():
    levels = noise(5, 32, 48, 3)
    fit = plan(5, 32, 48, WAN.presets["wan-480p"], fps=16)
    assert torch.equal(from_uint8(levels), resize_frames(levels, fit))


BAD_VALUES = [
    (float("nan"), "frames-not-finite: index=3"),
    (float("inf"), "frames-not-finite: index=3"),
    (7.0, "frames-values: index=3, peak=7"),
]


@pytest.mark.parametrize(("value", "wrong"), BAD_VALUES)
def test_the_first_bad_frame_is_named(value: float, wrong: str):
    frames = torch.zeros(1, 3, 5, 4, 4)
    frames[0, 1, 3:, 2, 2] = value
    assert message(InputError, lambda: to_uint8(frames)) == wrong


def test_only_one_clip_at_a_time():
    assert message(ShapeError, lambda: to_uint8(torch.zeros(2, 3, 5, 4, 4))) == "frames-shape: shape=(2, 3, 5, 4, 4)"


# --- reading


@pytest.mark.parametrize("size", [(16, 24), (15, 23)])
def test_reading_is_exact(tmp_path: Path, size: tuple[int, int]):
    pictures = noise(6, *size, 3)
    path = encode(tmp_path / "a.mp4", pictures, **EXACT, fps=30000 / 1001)
    clip = read_video(path)
    assert torch.equal(clip.frames, pictures)
    assert torch.equal(read_video(str(path)).frames, pictures)
    assert (clip.fps, clip.notes) == (30000 / 1001, ())


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "libx264"), ("a.flv", "flv"), ("a.avi", "mpeg4"), ("a.mov", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_common_containers_are_read(tmp_path: Path, name: str, codec: str):
    shades = torch.linspace(40, 200, 12).to(torch.uint8)
    clip = read_video(encode(tmp_path / name, shades[:, None, None, None].expand(-1, 16, 16, 3), codec=codec, fps=25))
    assert (clip.frames.shape, clip.fps, clip.notes) == ((12, 16, 16, 3), 25.0, ())
    assert (clip.frames[:, 8, 8, 0].int() - shades.int()).abs().max() <= 3


def test_metadata_in_another_alphabet_is_no_obstacle(tmp_path: Path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["title"] = "shift-jis"
        stream = container.add_stream("ffv1", rate=16)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    assert b"shift-jis" in data
    (tmp_path / "a.mkv").write_bytes(data.replace(b"shift-jis", b"\x83V\x83t\x83gJIS"))
    assert read_video(tmp_path / "a.mkv").frames.shape == (1, 16, 16, 3)


def test_only_the_first_frames_are_read(tmp_path: Path):
    pictures = noise(9, 16, 16, 3)
    clip = read_video(encode(tmp_path / "a.mp4", pictures, **EXACT), max_frames=4)
    assert torch.equal(clip.frames, pictures[:4])
    assert clip.times.shape == (4, 2)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "colour_error", "alpha_error", "notes"),
    [
        ("a.mov", "png", "rgba", 0, 0, ()),
        ("a.mov", "prores_ks", "yuva444p10le", 4, 1, ("Its 12 bits per channel are reduced to 8.",)),
        ("a.webm", "libvpx-vp9", "yuva420p", 12, 6, ()),
    ],
)
def test_alpha_is_kept_apart(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, colour_error: int, alpha_error: int, notes: tuple[str, ...]
):
    pictures = torch.zeros(3, 32, 48, 4, dtype=torch.uint8)
    pictures[..., 0] = 180
    pictures[..., 3] = torch.linspace(20, 235, 48).to(torch.uint8)
    clip = read_video(encode(tmp_path / name, pictures, codec=codec, pix_fmt=pix_fmt))
    assert clip.alpha is not None
    assert (clip.frames.int() - pictures[..., :3].int()).abs().max() <= colour_error
    assert (clip.alpha.int() - pictures[..., 3].int()).abs().max() <= alpha_error
    assert clip.notes == (*notes, "It has transparency, which is kept apart; the colours are as stored.")


def test_opaque_alpha_is_no_alpha(tmp_path: Path):
    pictures = noise(3, 16, 16, 4)
    pictures[..., 3] = 255
    clip = read_video(encode(tmp_path / "a.mov", pictures, codec="png", pix_fmt="rgba"))
    assert torch.equal(clip.frames, pictures[..., :3])
    assert (clip.alpha, clip.notes) == (None, ())


def test_gif_and_numbered_pictures_are_videos(tmp_path: Path):
    pictures = noise(5, 16, 16, 3)
    images = [Image.fromarray(picture.numpy()) for picture in pictures]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=40)
    clip = read_video(tmp_path / "a.gif")
    assert (clip.frames.shape, clip.fps, clip.alpha) == ((5, 16, 16, 3), 25.0, None)
    for index, image in enumerate(images):
        image.save(tmp_path / f"frame_{index:03d}.png")
    assert torch.equal(read_video(tmp_path / "frame_%03d.png").frames, pictures)


def test_pixels_that_are_not_square_are_noted(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(2, 16, 16, 3), options={"aspect": "2:1"}, codec="mpeg4")
    notes = read_video(path).notes
    assert notes == ("Its pixels are not square (2); they are kept as they are stored.",)


# --- hostile files


def truncated(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def cannot_open(path: Path, reason: str) -> str:
    return f"video-unreadable: error={reason}, path={path}"


def test_files_that_are_no_videos(tmp_path: Path):
    invalid = "Invalid data found when processing input"
    for name, data in (("a.mp4", b"hello " * 99), ("b.mp4", bytes(4096))):
        path = tmp_path / name
        path.write_bytes(data)
        assert message(InputError, lambda path=path: read_video(path)) in (
            cannot_open(path, invalid),
            cannot_open(path, "Invalid argument"),  # taken for a format that is not on the list
        )
    no_header = truncated(encode(tmp_path / "c.mp4", noise(9, 32, 32, 3)), 0.8)
    assert message(InputError, lambda: read_video(no_header)) == cannot_open(no_header, invalid)


def test_playlists_open_no_other_files(tmp_path: Path):
    encode(tmp_path / "a.mp4", noise(3, 16, 16, 3))
    (tmp_path / "a.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")
    for name in ("a.ffconcat", "a.m3u8"):
        assert message(InputError, lambda name=name: read_video(tmp_path / name)).startswith("video-unreadable: ")


def test_a_cut_file_is_named(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(9, 32, 32, 3), container_options={"movflags": "faststart"})
    with pytest.raises(InputError) as error:
        read_video(truncated(path, 0.7))
    assert (error.value.code, error.value.fields["path"]) == ("video-cut-short", path)
    assert f"{error.value.fields['stated']:.2f}" == "0.56"
    whole = error.value.fields["count"]
    assert len(read_video(path, max_frames=whole).frames) == whole
    path = truncated(encode(tmp_path / "a.mkv", noise(9, 32, 32, 3), codec="ffv1", pix_fmt="bgr0"), 0.6)
    assert message(InputError, lambda: read_video(path)) == (
        f"video-cut-short: count=5, end=0.312, path={path}, stated=0.563"
    )
    assert len(read_video(path, max_frames=5).frames) == 5


def test_sound_without_pictures(tmp_path: Path):
    for name, codec in (("a.wav", "pcm_s16le"), ("a.mp4", "aac")):
        path = encode_sound(tmp_path / name, 0.2, 0.0, codec=codec)
        assert message(InputError, lambda path=path: read_video(path)) == f"video-without-picture: path={path}"


def test_a_video_without_frames(tmp_path: Path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=16)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        container.start_encoding()
    assert message(InputError, lambda: read_video(path)) == f"video-without-frames: path={path}"


def test_memory_is_refused_before_decoding(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(9, 64, 64, 3))
    assert message(InputError, lambda: read_video(path, max_bytes=9 * 64 * 64 * 3 - 1)) == (
        f"video-too-large: frames=9, height=64, limit=0.000103, path={path}, size=0.000103, width=64"
    )
    assert len(read_video(path, max_bytes=9 * 64 * 64 * 3).frames) == 9
    assert len(read_video(path, max_bytes=4 * 64 * 64 * 3, max_frames=4).frames) == 4


def test_a_header_that_claims_a_huge_size(tmp_path: Path):
    path = encode(tmp_path / "a.mkv", noise(3, 300, 400, 3), codec="ffv1", pix_fmt="bgr0")
    whole = path.read_bytes()
    texts = {
        8_000: f"video-too-large: frames=3, height=8000, limit=0.25, path={path}, size=0.5364, width=8000",
        65_535: f"video-cut-short: count=0, error=Invalid data found when processing input, path={path}",
    }
    for side, text in texts.items():
        data = whole
        for tag, size in ((b"\xb0\x82", 400), (b"\xba\x82", 300)):
            assert data.count(tag + struct.pack(">H", size)) == 1
            data = data.replace(tag + struct.pack(">H", size), tag + struct.pack(">H", side))
        path.write_bytes(data)
        assert message(InputError, lambda: read_video(path, max_bytes=1 << 28)) == text


def test_a_size_that_changes(tmp_path: Path):
    parts = [encode(tmp_path / f"{n}.h264", noise(3, n, n, 3), options={"bf": "0"}).read_bytes() for n in (32, 64)]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    assert message(InputError, lambda: read_video(tmp_path / "a.h264")) == (
        f"video-size-changes: first_height=32, first_width=32, frame=3, height=64, path={tmp_path / 'a.h264'}, width=64"
    )
    assert read_video(tmp_path / "a.h264", max_frames=3).frames.shape == (3, 32, 32, 3)


def test_frames_to_read_are_at_least_one(tmp_path: Path):
    assert message(InputError, lambda: read_video(tmp_path / "a.mp4", max_frames=0)) == (
        "number-range: needed=whole [1, inf), value=0, what=max_frames"
    )


@pytest.mark.parametrize("kind", ["mp4", "mkv", "gif", "png"])
def test_damaged_bytes_end_in_a_clip_or_a_sentence(tmp_path: Path, kind: str):
    path, pictures = tmp_path / f"a.{kind}", noise(5, 16, 16, 3)
    if kind == "png":
        write_image(path, from_uint8(pictures[0]))
    elif kind == "gif":
        images = [Image.fromarray(picture.numpy()) for picture in pictures]
        images[0].save(path, save_all=True, append_images=images[1:])
    else:
        encode(path, pictures)
    whole, pick = path.read_bytes(), random.Random(0)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(pick.choice([1, 4, 30])):
            data[pick.randrange(len(data))] = pick.randrange(256)
        path.write_bytes(data[: pick.choice([len(data), pick.randrange(1, len(data))])])
        for read in (lambda: read_video(path, max_bytes=1 << 24), lambda: read_mask(path)):
            with contextlib.suppress(InputError):
                assert read() is not None


# --- real files


@real_files
@pytest.mark.parametrize(
    ("name", "shape", "fps", "notes"),
    [
        (
            "test.mp4",
            (9, 720, 1280, 3),
            16.0,
            ("It states no colour matrix; BT.709 is taken, as players do at this size.",),
        ),
        ("test2.mp4", (9, 768, 512, 3), 25.0, ()),
    ],
)
def test_real_videos(name: str, shape: tuple[int, ...], fps: float, notes: tuple[str, ...]):
    clip = read_video(DATA / name, max_frames=9)
    assert (tuple(clip.frames.shape), clip.fps, clip.alpha, clip.notes) == (shape, fps, None, notes)
    assert clip.frames.float().std() > 20


@real_files
def test_a_real_clip_and_its_mask_go_through_fitting_together():
    clip, mask = read_video(DATA / "test.mp4", max_frames=2), read_mask(DATA / "mask_test.png")
    fit = plan(2, *clip.frames.shape[1:3], WAN.presets["wan-480p"], fps=clip.fps, times=clip.times)
    frames, masks = resize_frames(clip.frames, fit), resize_masks(mask, fit)
    assert (frames.shape, masks.shape) == ((1, 3, 1, 480, 832), (1, 1, 1, 480, 832))
    assert masks.mean().item() == pytest.approx(mask.mean().item(), abs=0.02)


@pytest.mark.parametrize(("pix_fmt", "bits"), [("gray", 8), ("gray10le", 10)])
def test_a_video_without_colours_is_gray(tmp_path: Path, pix_fmt: str, bits: int):
    clip = read_video(encode(tmp_path / "a.mkv", noise(3, 32, 48, 3), codec="ffv1", pix_fmt=pix_fmt))
    assert clip.frames.shape == (3, 32, 48, 3)
    assert torch.equal(clip.frames[..., 0], clip.frames[..., 2])
    said = [note for note in clip.notes if f"{bits} bits per channel are reduced to 8" in note]
    assert len(said) == (bits > 8), clip.notes


@pytest.mark.parametrize("most", [1, 2, 3, 9])
def test_as_many_frames_as_wanted_are_read(tmp_path: Path, most: int):
    pictures = noise(3, 32, 48, 3)
    path = encode(tmp_path / "a.mkv", pictures, codec="ffv1", pix_fmt="bgr0")
    assert torch.equal(read_video(path, max_frames=most).frames, pictures[:most])
    with pytest.raises(InputError, match="max_frames is 0"):
        read_video(path, max_frames=0)


def test_numbers_overshoot_by_half_a_range_at_most():
    frames = torch.zeros(1, 3, 1, 2, 2)
    for value, level in ((2.0, 255), (-2.0, 0)):
        frames[0, 0, 0, 0, 0] = value
        assert int(to_uint8(frames)[0, 0, 0, 0]) == level
    for value in (2.01, -2.01):
        frames[0, 0, 0, 0, 0] = value
        assert message(InputError, lambda: to_uint8(frames)) == "frames-values: index=0, peak=2.01"


def test_numbers_stand_for_bytes_where_all_that_are_asked_for_lie_on_their_levels():
    frames = from_uint8(noise(4, 8, 10, 3))
    assert stand_for_bytes(frames, [0, 0, 3])
    frames[0, 1, 2, 3, 4] += 1e-3 / 127.5
    assert stand_for_bytes(frames, [0, 1, 3])
    assert not stand_for_bytes(frames, [0, 2])


@pytest.mark.parametrize(("opaque", "found"), [(255, None), (254, 254)])
def test_a_clip_has_alpha_where_one_pixel_is_not_opaque(tmp_path: Path, opaque: int, found: int | None):
    pictures = noise(20, 8, 10, 4)
    pictures[..., 3] = 255
    pictures[18, 2, 3, 3] = opaque
    clip = read_video(encode(tmp_path / "a.mov", pictures, codec="png", pix_fmt="rgba"))
    assert (clip.alpha is None) == (found is None)
    if clip.alpha is not None:
        assert torch.equal(clip.alpha, pictures[..., 3])


def test_a_clip_of_which_nothing_else_is_said_is_television_of_eight_bits():
    clip = Clip(frames=noise(1, 4, 4, 3), alpha=None, fps=8.0, times=torch.tensor([[0.0, 0.125]]))
    assert (clip.colour, clip.aspect, clip.bits, clip.notes, clip.path) == (Colour(), 1, 8, (), None)
    assert Colour() == Colour(matrix=1, primaries=1, transfer=1, full=False)
