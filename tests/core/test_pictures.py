"""Pictures and masks: read as they are meant, written as they came, and hostile files end in a sentence."""

from __future__ import annotations

import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from video_files import encode, message, noise

from vace_core.errors import InputError
from vace_core.inputs.fitting import plan
from vace_core.inputs.resizing import resize_masks
from vace_core.media.pictures import read_animation, read_image, read_mask, read_mask_levels, write_image
from vace_core.media.video import from_uint8
from vace_core.models.wan.family import WAN


def test_pictures_survive(tmp_path: Path):
    picture = noise(15, 17, 3)
    write_image(tmp_path / "a.png", from_uint8(picture))
    read, alpha = read_image(tmp_path / "a.png")
    assert torch.equal(read, picture)
    assert alpha is None


def test_written_files_are_readable_by_others(tmp_path: Path):
    write_image(tmp_path / "a.png", torch.zeros(1, 3, 1, 4, 4))
    (tmp_path / "b").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_pictures_come_upright(tmp_path: Path):
    picture = noise(4, 6, 3)
    image = Image.fromarray(picture.numpy())
    exif = image.getexif()
    exif[0x0112] = 6  # shown turned clockwise
    image.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "a.png")[0], picture.flip(0).transpose(0, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "I;16", "1", "CMYK"])
def test_every_kind_of_picture_is_read(tmp_path: Path, mode: str):
    gray = torch.arange(0, 256, 4, dtype=torch.uint8).view(8, 8)
    image = Image.fromarray(gray.numpy())
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(gray.numpy().astype(np.uint16) * 257).save(path)
    else:
        image.convert("RGB" if mode == "CMYK" else "L").convert(mode).save(path)
    picture, alpha = read_image(path)
    expected = (gray > 127).to(torch.uint8) * 255 if mode == "1" else gray
    assert (picture.shape, alpha) == ((8, 8, 3), None)
    if mode != "1":  # Pillow dithers when it makes such a picture
        assert torch.equal(picture, expected[..., None].expand(-1, -1, 3))


def test_alpha_of_pictures_is_kept_apart(tmp_path: Path):
    levels = noise(6, 5, 4)
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    picture, alpha = read_image(tmp_path / "a.png")
    assert torch.equal(picture, levels[..., :3])
    assert alpha is not None
    assert torch.equal(alpha, levels[..., 3])


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_bomb_is_refused_by_its_size(tmp_path: Path, side: int):
    path = tmp_path / "a.png"
    path.write_bytes(png(side, side, bytes(1000)))
    assert message(InputError, lambda: read_image(path)) == f"image-too-large: limit=89478485, path={path}"


def test_pictures_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"hello " * 99)
    (tmp_path / "b.png").write_bytes(png(64, 64, bytes(64)))
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "c.tif")
    reasons = {
        "a.png": f"cannot identify image file {str(tmp_path / 'a.png')!r}",
        "b.png": "image file is truncated (0 bytes not processed)",
        "c.tif": "it holds floating-point values of an unknown range",
    }
    for name, reason in reasons.items():
        text = message(InputError, lambda name=name: read_image(tmp_path / name))
        assert text == f"image-unreadable: error={reason}, path={tmp_path / name}"


# --- masks


def test_white_is_generate(tmp_path: Path):
    levels = torch.tensor([[0, 100, 127, 128, 200, 255]], dtype=torch.uint8)
    Image.fromarray(levels.numpy()).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert (mask.shape, mask.dtype) == ((1, 1, 6), torch.float32)
    assert mask.flatten().tolist() == [0, 0, 0, 1, 1, 1]


def test_a_video_is_a_mask_for_each_frame(tmp_path: Path):
    pictures = torch.zeros(5, 32, 48, 3, dtype=torch.uint8)
    for index in range(5):
        pictures[index, 8:24, 8 * index : 8 * index + 8] = 255
    mask = read_mask(encode(tmp_path / "a.mp4", pictures))
    assert torch.equal(mask, (pictures[..., 0] > 127).float())
    fit = plan(5, 32, 48, WAN.presets["wan-480p"], fps=16)
    assert torch.equal(resize_masks(mask, fit)[0, 0], mask)


@pytest.mark.parametrize("colour", [0, 255])
def test_paint_on_transparency_is_the_mask(tmp_path: Path, caplog: pytest.LogCaptureFixture, colour: int):
    levels = torch.full((6, 5, 4), colour, dtype=torch.uint8)
    levels[:, :, 3] = 0
    levels[2:4, 1:3, 3] = 255
    levels[0, 0, :3] = 77  # under full transparency
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, "vace"):
        mask = read_mask(tmp_path / "a.png")
    assert torch.equal(mask[0], (levels[..., 3] > 0).float())
    assert caplog.messages == [
        f"{tmp_path / 'a.png'}: a single colour on transparency, so the painted part is the mask."
    ]


def test_brightness_wins_where_both_vary(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    levels = torch.zeros(4, 4, 4, dtype=torch.uint8)
    levels[:, 2:, :3] = 255
    levels[..., 3] = 255
    levels[0, :, 3] = 0
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, "vace"):
        mask = read_mask(tmp_path / "a.png")
    assert mask[0].tolist() == [[0, 0, 1, 1]] * 4
    assert caplog.messages == [
        f"{tmp_path / 'a.png'}: brightness and transparency both vary; the mask is the brightness."
    ]


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif"])
def test_an_animated_picture_is_a_video_and_never_one_picture_in_silence(tmp_path: Path, name: str):
    pictures = torch.zeros(3, 16, 24, 3, dtype=torch.uint8)
    for index in range(3):
        pictures[index, :, 8 * index : 8 * index + 8] = 255
    images = [Image.fromarray(picture.numpy()) for picture in pictures]
    lossless = {"lossless": True} if name == "a.webp" else {}
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=[100, 50, 250], **lossless)
    said = message(InputError, lambda: read_image(tmp_path / name))
    assert said == f"image-animated: count=3, path={tmp_path / name}"
    clip = read_animation(tmp_path / name)
    assert clip is not None
    assert torch.equal(clip.frames, pictures)
    assert clip.times.tolist() == [pytest.approx(pair) for pair in ([0, 0.1], [0.1, 0.15], [0.15, 0.4])]
    assert (clip.fps, clip.alpha) == (pytest.approx(7.5), None)
    assert clip.notes[0].startswith("It is an animated ")
    assert read_mask(tmp_path / name).shape == (3, 16, 24)


def test_a_picture_that_does_not_move_is_no_animation(tmp_path: Path):
    write_image(tmp_path / "a.png", torch.zeros(1, 3, 1, 4, 4))
    assert read_animation(tmp_path / "a.png") is None
    Image.new("RGB", (4, 4)).save(tmp_path / "a.gif")
    assert read_image(tmp_path / "a.gif")[0].shape == (4, 4, 3)


def test_further_pages_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("RGB", (4, 4))])
    assert read_image(tmp_path / "a.tif")[0].shape == (4, 4, 3)
    assert caplog.messages == [f"{tmp_path / 'a.tif'}: it has 2 pages; the first is read."]


def test_no_picture_starts_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    path = (tmp_path / "a.eps").rename(tmp_path / "a.png")
    # Pillow asks for Ghostscript by its name.
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "gs"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'started'}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    assert message(InputError, lambda: read_image(path)).startswith("image-unreadable: ")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(("alpha", "painted"), [(127, False), (128, True)])
def test_a_pixel_is_painted_that_is_more_opaque_than_not(tmp_path: Path, alpha: int, painted: bool):
    """Where all that is painted has one colour, the transparency is the mask."""
    levels = np.full((8, 10, 4), 255, np.uint8)
    levels[:, 5:, 3] = 0
    levels[0, 0] = (0, 0, 0, alpha)
    Image.fromarray(levels).save(tmp_path / "a.png")
    found = read_mask_levels(tmp_path / "a.png")[0]
    assert (int(found[0, 0]), int(found[0, 9])) == ((0, 255) if painted else (alpha, 0))


def test_a_mask_of_pictures_says_what_is_guessed_and_is_opaque_where_it_is(tmp_path: Path, caplog):
    """The first 16 frames that are read, a chunk of their own, have nothing transparent."""
    folder = tmp_path / "mask"
    folder.mkdir()
    for n in range(18):
        levels = np.full((8, 10, 4), 255, np.uint8)
        levels[:, 5:, 3] = 255 if 0 < n < 17 else 0
        Image.fromarray(levels).save(folder / f"{n:02}.png")
    with caplog.at_level(logging.INFO, "vace"):
        found = read_mask_levels(folder, begin=1)
    assert found[:16].unique().tolist() == [255]
    assert found[16, 0].tolist() == [255] * 5 + [0] * 5
    assert f"{folder}: Pictures state no frame rate; 25 fps is assumed." in caplog.messages


@pytest.mark.parametrize(("other", "painted"), [(16, True), (17, False)])
def test_paint_is_one_colour_though_a_lossy_codec_changed_it(tmp_path: Path, other: int, painted: bool):
    for shade in (0, 255 - other):
        levels = np.full((8, 10, 4), (shade, 90, 120, 0), np.uint8)
        levels[2:4, :5, 3] = 255
        levels[2, 3, 0] += other
        Image.fromarray(levels).save(tmp_path / "a.png")
        assert bool(read_mask_levels(tmp_path / "a.png")[0, 3, 2] == 255) == painted


def test_where_nothing_is_painted_nothing_is_generated(tmp_path: Path):
    levels = np.full((8, 10, 4), 255, np.uint8)
    levels[:, 5:, :3] = 0
    levels[..., 3] = 0
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert not read_mask(tmp_path / "a.png").any()


@pytest.mark.parametrize("least", [255, 254])
def test_the_alpha_of_a_frame_of_a_film_counts_where_it_is_not_opaque(tmp_path: Path, least: int):
    levels = noise(2, 8, 10, 4)
    levels[..., 3] = 255
    levels[1, 3, 4, 3] = least
    encode(tmp_path / "a.mov", levels, codec="png", pix_fmt="rgba")
    picture, alpha = read_image(f"{tmp_path / 'a.mov'}@1f")
    assert torch.equal(picture, levels[1, ..., :3])
    assert (alpha is None) if least == 255 else torch.equal(alpha, levels[1, ..., 3])


def test_brightness_is_that_of_the_eye(tmp_path: Path):
    colours = np.array([[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]], np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert read_mask_levels(tmp_path / "a.png").flatten().tolist() == [76, 150, 29, 255]


def test_paths_may_be_texts(tmp_path: Path):
    write_image(str(tmp_path / "a.png"), torch.zeros(1, 3, 1, 4, 4))
    assert read_image(str(tmp_path / "a.png"))[0].shape == (4, 4, 3)
    assert read_mask(str(tmp_path / "a.png")).shape == (1, 4, 4)
    assert read_animation(str(tmp_path / "a.png")) is None
    first, *others = (Image.fromarray(noise(4, 6, 3, seed=n).numpy()) for n in range(3))
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    clip = read_animation(str(tmp_path / "a.gif"))
    assert clip is not None
    assert len(clip.frames) == 3
