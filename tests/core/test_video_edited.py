"""What nobody edited is in the result as the source stores it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from edited_films import HOLE, edit, film, stored
from PIL import Image
from video_files import encode, encode_sound, message, noise, sound_of, turn

from vace_core.errors import ShapeError
from vace_core.media.edited import write_edited
from vace_core.media.planes import frame_of_planes
from vace_core.media.sources import open_footage
from vace_core.media.video import read_video
from vace_core.media.write import write_video

KINDS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mp4", "libx264", "yuv444p"),
    ("a.mkv", "libx264", "yuv420p10le"),
    ("a.mkv", "ffv1", "yuv422p"),
    ("a.mkv", "ffv1", "yuv422p10le"),
    ("a.mov", "prores_ks", "yuva444p10le"),
    ("a.mov", "png", "rgb24"),
    ("a.mkv", "ffv1", "gray"),
    ("a.mov", "rawvideo", "uyvy422"),
]


@pytest.mark.parametrize(("name", "codec", "pix_fmt"), KINDS)
def test_outside_of_the_edit_every_stored_level_is_the_same(tmp_path: Path, name: str, codec: str, pix_fmt: str):
    source = open_footage(film(tmp_path / name, codec, pix_fmt))
    frames, changed = edit(3)
    write_edited(
        tmp_path / "b.mkv", source, [(frames[:2], changed[:2]), (frames[2:], changed[2:])], begin=2, lossless=True
    )
    result = open_footage(tmp_path / "b.mkv")
    assert (result.count, result.fps, result.bits) == (6, source.fps, source.bits)
    before, after = stored(source.path), stored(tmp_path / "b.mkv")
    for index in range(6):
        for old, new in zip(before[index], after[index], strict=False):
            rows, columns = 48 // old.shape[0], 64 // old.shape[1]
            kept = torch.nn.functional.max_pool2d(changed[:1], (rows, columns))[0].numpy() == 0
            kept = kept if 2 <= index < 5 else np.ones_like(kept)
            assert np.array_equal(old[kept], new[kept])
    if pix_fmt != "gray":
        assert len(before[0]) == len(after[0])
    inside = (result.frame(3)[0][15, 20].int() - frames[0, 15, 20].int()).abs().max()
    assert inside <= 2


@pytest.mark.parametrize("levels", [0, 1, 2])
@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_a_gray_film_is_as_bright_with_an_edit_in_it(tmp_path: Path, pix_fmt: str, levels: int):
    """Whatever it states of its levels: nothing, that the ends are left free, or that all are used."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        stream.codec_context.color_range = levels
        kind, top = (np.uint8, 255) if pix_fmt == "gray" else (np.uint16, 1023)
        ramp = np.linspace(0, top, 64).round().astype(kind)[None].repeat(48, 0)
        frame = frame_of_planes([ramp], pix_fmt)
        frame.color_range = levels
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = open_footage(path)
    frames, changed = edit(1)
    write_edited(tmp_path / "b.mkv", source, [(frames, changed)], lossless=True)
    before, after = source.frame(0)[0], open_footage(tmp_path / "b.mkv").frame(0)[0]
    kept = changed[0] == 0
    assert (before.int() - after.int())[kept].abs().max() <= 1
    assert int(before[0, 4, 0]) == (16 if levels != 1 else 0)
    write_edited(tmp_path / "b.mp4", source, [(frames, changed)])
    assert (before.int() - open_footage(tmp_path / "b.mp4").frame(0)[0].int())[kept][:99].abs().max() <= 8


@pytest.mark.parametrize("chunked", [False, True])
def test_an_edit_of_numbers_keeps_more_than_eight_bits(tmp_path: Path, chunked: bool):
    source = open_footage(film(tmp_path / "a.mkv", "ffv1", "yuv444p10le"))
    _, changed = edit(6)
    ramp = torch.linspace(-0.6, 0.6, 64).view(1, 1, 1, 1, 64).expand(1, 3, 6, 48, 64)
    parts = [(ramp[:, :, n : n + 2], changed[None, None, n : n + 2]) for n in (0, 2, 4)]
    write_edited(tmp_path / "b.mkv", source, parts if chunked else [(ramp, changed)], lossless=True)
    (chunk,) = open_footage(tmp_path / "b.mkv").chunks(deep=True)
    assert (chunk.frames - ramp)[(..., *HOLE)].abs().max() * 511.5 < 1.5  # levels of ten bits


def test_a_film_that_is_turned_comes_upright_and_as_stored(tmp_path: Path):
    path = turn(film(tmp_path / "a.mp4", "libx264", "yuv420p"), 0, 1 << 16, -1 << 16, 0)
    source = open_footage(path)
    assert (source.height, source.width) == (64, 48)
    write_edited(tmp_path / "b.mkv", source, [], lossless=True)
    for old, new in zip(stored(path), stored(tmp_path / "b.mkv"), strict=True):
        for one, other in zip(old, new, strict=True):
            assert np.array_equal(np.rot90(one, -1), other)


@pytest.mark.parametrize("name", ["a.gif", "shots"])
def test_films_of_rgb_keep_every_byte(tmp_path: Path, name: str):
    images = [Image.fromarray(picture.numpy()) for picture in noise(4, 48, 64, 3)]
    if name == "a.gif":
        images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=40)
    else:
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            image.save(tmp_path / name / f"{index}.png")
    frames, changed = edit(4)
    write_edited(tmp_path / "b.mkv", open_footage(tmp_path / name), [(frames, changed)], lossless=True)
    kept = changed[0] == 0
    before, after = read_video(tmp_path / name), read_video(tmp_path / "b.mkv")
    assert torch.equal(before.frames[:, kept], after.frames[:, kept])
    assert torch.equal(after.frames[:, ~kept], frames[:, ~kept])


@pytest.mark.parametrize("bits", [8, 16])
def test_images_keep_their_transparency_without_loss(tmp_path: Path, bits: int):
    """Under an edit, too, and twice in a row."""
    levels = np.random.default_rng(bits).integers(0, 1 << bits, (3, 48, 64, 4), dtype=f"uint{bits}")
    (tmp_path / "shots").mkdir()
    for index, level in enumerate(levels):
        image = av.VideoFrame.from_ndarray(level, format="rgba" if bits == 8 else "rgba64le")
        coder = av.CodecContext.create("png", "w")
        coder.width, coder.height, coder.pix_fmt = 64, 48, "rgba" if bits == 8 else "rgba64be"
        data = b"".join(bytes(packet) for packet in [*coder.encode(image), *coder.encode(None)])
        (tmp_path / "shots" / f"{index}.png").write_bytes(data)
    frames, changed = edit(3)
    write_edited(tmp_path / "a.mkv", open_footage(tmp_path / "shots"), [(frames, changed)], lossless=True)
    write_edited(tmp_path / "b.mkv", open_footage(tmp_path / "a.mkv"), [], lossless=True)
    film = open_footage(tmp_path / "b.mkv")
    found = torch.stack(list(film.pictures(range(3), deep=True)))
    meant = torch.from_numpy(levels.astype(np.float32)) / ((1 << bits) - 1)
    assert torch.equal(found[..., 3], meant[..., 3])
    assert torch.equal(found[:, changed[0] == 0], meant[:, changed[0] == 0])


def test_a_part_keeps_its_rate_pixel_shape_and_sound(tmp_path: Path):
    path = encode_sound(tmp_path / "a.mp4", 2.0, 0.0, codec="aac", video_start=0)
    source = open_footage(path)
    write_edited(tmp_path / "b.mp4", source, [], first=10, last=30)
    result = open_footage(tmp_path / "b.mp4")
    assert (result.count, result.fps, result.sound, result.colour) == (20, 25.0, True, source.colour)
    odd = film(tmp_path / "c.mp4", "libx264", "yuv420p")
    wide = open_footage(encode(tmp_path / "d.mp4", noise(2, 16, 16, 3), options={"aspect": "2:1"}, codec="mpeg4"))
    write_edited(tmp_path / "e.mp4", wide, [])
    assert open_footage(tmp_path / "e.mp4").aspect == Fraction(2)
    assert open_footage(odd).sound is False


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("a.mp4", "libx264", "yuv420p"), ("a.mkv", "libx264", "yuvj420p"), ("a.avi", "mjpeg", "yuvj420p"),
     ("a.mkv", "mpeg2video", "yuv422p"), ("a.mkv", "libx264", "yuv444p"), ("a.mkv", "ffv1", "yuv420p")],
)  # fmt: skip
def test_what_nobody_edited_looks_the_same(tmp_path: Path, name: str, codec: str, pix_fmt: str):
    """Not only the stored levels: chroma also lies where it lay, twice in a row, and about so in H.264."""
    before = read_video(film(tmp_path / name, codec, pix_fmt)).frames
    write_edited(tmp_path / "b.mkv", open_footage(tmp_path / name), [], lossless=True)
    write_edited(tmp_path / "c.mkv", open_footage(tmp_path / "b.mkv"), [], lossless=True)
    assert torch.equal(read_video(tmp_path / "c.mkv").frames, before)
    write_edited(tmp_path / "d.mp4", open_footage(tmp_path / "c.mkv"), [], crf=0)
    if "420" in pix_fmt:
        assert (read_video(tmp_path / "d.mp4").frames.float() - before.float()).abs().mean() < 0.5


def test_the_chroma_of_an_edit_lies_as_that_of_the_film(tmp_path: Path):
    """A clip that is put back onto itself; with chroma half a pixel beside it, it was four times as far off."""
    wave = np.sin(np.linspace(0, 40, 192))
    picture = np.stack([127 + 90 * np.roll(wave, shift) for shift in (0, 20, 50)], axis=1)
    frames = torch.from_numpy(picture.round().astype(np.uint8)).expand(2, 128, 192, 3)
    source = open_footage(encode(tmp_path / "a.mp4", frames, options={"crf": "1"}))
    before = read_video(source.path).frames
    write_edited(tmp_path / "b.mkv", source, [(before, torch.ones(2, 128, 192))], lossless=True)
    gap = (read_video(tmp_path / "b.mkv").frames.float() - before.float()).abs()
    assert gap.mean() < 1.5


@pytest.mark.parametrize("codec", ["mpeg4", "ffv1"])
def test_pixels_that_are_not_square_stay_so_without_loss(tmp_path: Path, codec: str):
    path = encode(tmp_path / "a.mp4", noise(3, 32, 64, 3), options={"aspect": "16:11"}, codec="mpeg4")
    if codec == "ffv1":
        frames = read_video(path).frames
        write_video(tmp_path / "rgb.mkv", frames, fps=16, lossless=True, aspect=Fraction(16, 11))
        path = tmp_path / "rgb.mkv"
    for name in ("b.mkv", "c.mkv", "d.mp4"):
        write_edited(tmp_path / name, open_footage(path), [], lossless=name != "d.mp4")
        path = tmp_path / name
        assert (open_footage(path).aspect, open_footage(path).count) == (Fraction(16, 11), 3)


@pytest.mark.parametrize(
    ("code", "fps", "kept"),
    [("01:00:00:12", 24, True), ("10:59:59;29", 30000 / 1001, True), ("01:00:00:24", 24, False), ("1:00", 24, False),
     ("01:00:00;12", 25, False), ("01:00:00:00", 8, False)],
)  # fmt: skip
def test_a_whole_film_keeps_its_timecode(tmp_path: Path, code: str, fps: float, kept: bool):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["timecode"] = code
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width = stream.height = 32
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode(None))
    path = tmp_path / "a.mkv"
    for name in ("b.mkv", "c.mp4", "d.mp4"):
        write_edited(tmp_path / name, open_footage(path), [], lossless=name == "b.mkv")
        path = tmp_path / name
        assert (open_footage(path).timecode, open_footage(path).count) == (code if kept else None, 5)
    write_edited(tmp_path / "part.mp4", open_footage(path), [], first=1)
    assert open_footage(tmp_path / "part.mp4").timecode is None


def test_lossy_results_change_little_where_nothing_was_edited(tmp_path: Path):
    source = open_footage(film(tmp_path / "a.mp4", "libx264", "yuv420p"))
    write_edited(tmp_path / "b.mp4", source, [edit(6)], crf=0)
    before, after = stored(source.path), stored(tmp_path / "b.mp4")
    kept = edit(1)[1][0].numpy() == 0
    assert all(np.array_equal(old[0][kept], new[0][kept]) for old, new in zip(before, after, strict=True))


def test_an_edit_of_another_size_or_length_is_a_sentence(tmp_path: Path):
    source = open_footage(film(tmp_path / "a.mp4", "libx264", "yuv420p"))
    said = message(ShapeError, lambda: write_edited(tmp_path / "b.mp4", source, [edit(6, (48, 48))]))
    assert said.startswith("edit-size: ")
    said = message(ShapeError, lambda: write_edited(tmp_path / "b.mp4", source, [edit(6)], begin=1))
    assert said.startswith("edit-too-long: ")
    assert "last=6" in said
    assert not (tmp_path / "b.mp4").exists()


def test_the_sound_of_a_part_begins_with_its_first_frame(tmp_path: Path):
    path = encode_sound(tmp_path / "a.mp4", 2.0, 0.0, codec="aac", video_start=0)
    write_edited(tmp_path / "b.mkv", open_footage(path), [], first=10, last=30, lossless=True)
    whole, part = sound_of(path)[0], sound_of(tmp_path / "b.mkv")[0, ::2]
    part = part / -float(np.iinfo(part.dtype).min)
    assert np.abs(part[2048:30000] - whole[17640 + 2048 : 17640 + 30000]).max() < 2e-3
