"""Pictures, animations and numbered pictures as footage: which frames they have, when, and how deep."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from video_files import message, noise

from vace_core.checks import room
from vace_core.errors import InputError
from vace_core.media.colour import BT709
from vace_core.media.footage import Footage
from vace_core.media.pictures import mask_of
from vace_core.media.sources import open_footage
from vace_core.media.stills import Folder, opened


def pictures(count: int, channels: int = 3) -> list[Image.Image]:
    return [Image.fromarray(noise(8, 10, channels, seed=n).numpy()) for n in range(count)]


def levels_of(film, deep: bool = False) -> list[torch.Tensor]:
    return list(film.pictures(range(film.count), deep=deep))


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_frames_of_an_animation_last_as_it_says_and_a_tenth_where_it_says_nothing(tmp_path: Path, name: str):
    first, *others = pictures(3)
    options = {"lossless": True} if name.endswith("webp") else {}
    first.save(tmp_path / name, save_all=True, append_images=others, duration=[50, 0, 200], **options)
    film = open_footage(tmp_path / name)
    assert film.times.tolist() == [pytest.approx(one) for one in ([0, 0.05], [0.05, 0.15], [0.15, 0.35])]
    assert (film.fps, film.count, film.bits) == (pytest.approx(3 / 0.35), 3, 8)
    assert film.notes == (f"It is an animated {name[2:].upper()}, which is read as a video.",)
    assert (film.height, film.width) == (8, 10)
    assert all(np.array_equal(one, other) for one, other in zip(levels_of(film), pictures(3), strict=True))


def test_frames_of_an_animation_without_durations_last_a_tenth(tmp_path: Path):
    first, *others = pictures(3)
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    assert open_footage(tmp_path / "a.gif").fps == pytest.approx(10)


def test_a_picture_in_front_of_an_animation_is_not_part_of_it(tmp_path: Path):
    front, *moving = pictures(3)
    front.save(tmp_path / "a.png", save_all=True, append_images=moving, default_image=True, duration=100)
    film = open_footage(tmp_path / "a.png")
    assert film.count == 2
    assert all(np.array_equal(one, other) for one, other in zip(levels_of(film), moving, strict=True))


@pytest.mark.parametrize(("fps", "seconds"), [(None, 0.04), (10, 0.1)])
def test_a_picture_is_a_film_of_one_frame(tmp_path: Path, fps: float | None, seconds: float):
    pictures(1)[0].save(tmp_path / "a.png")
    film = open_footage(tmp_path / "a.png", fps=fps)
    assert film.times.tolist() == [[0, pytest.approx(seconds)]]
    assert (film.fps, film.notes) == (pytest.approx(1 / seconds), ())


def named(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 3)).save(folder / name, format="PNG")
    return folder


def files_of(path: Path) -> list[str]:
    return [file.name for file in Folder(path)._files]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a_%d.png", ["a_1.png", "a_02.png", "a_0003.png", "a_10.png"]),
        ("a_%2d.png", ["a_02.png", "a_0003.png", "a_10.png"]),
        ("a_%04d.png", ["a_0003.png"]),
        ("b%d_x.png", ["b7_x.png"]),
    ],
)
def test_a_pattern_names_numbers_of_at_least_as_many_digits(tmp_path: Path, pattern: str, found: list[str]):
    named(tmp_path, "a_1.png", "a_02.png", "a_0003.png", "a_10.png", "b7_x.png", "c.png")
    assert files_of(tmp_path / pattern) == found


def test_of_a_folder_only_numbered_pictures_count(tmp_path: Path):
    folder = named(tmp_path / "shots", "a1.PNG", "a2.PNG", ".b1.png", "cover.png")
    (folder / "c1.txt").write_text("no picture")
    assert files_of(folder) == ["a1.PNG", "a2.PNG"]


def test_missing_numbers_are_counted(tmp_path: Path):
    film = open_footage(named(tmp_path / "shots", "a2.png", "a3.png", "a5.png", "a9.png"), fps=4)
    assert film.notes == ("Of its numbers 4 are missing; those that are there follow each other.",)
    assert film.times.tolist() == [[0, 0.25], [0.25, 0.5], [0.5, 0.75], [0.75, 1]]


def test_of_many_series_four_are_named(tmp_path: Path):
    named(tmp_path, *(f"{letter}1.png" for letter in "abcdef"))
    with pytest.raises(InputError) as error:
        open_footage(tmp_path)
    assert error.value.fields["count"] == 6
    assert error.value.fields["names"] == ", ".join(str(tmp_path / f"{letter}%d.png") for letter in "abcd")


@pytest.mark.parametrize("deep", [False, True])
def test_a_series_is_transparent_as_its_first_picture_is(tmp_path: Path, deep: bool):
    clear, solid = pictures(1, 4)[0], pictures(2)[1]
    for folder, order in (("clear", (clear, solid)), ("solid", (solid, clear))):
        (tmp_path / folder).mkdir()
        for n, picture in enumerate(order):
            picture.save(tmp_path / folder / f"a{n}.png")
    film = open_footage(tmp_path / "clear")
    _, second = levels_of(film, deep)
    assert film.alpha
    assert (second.shape, second[..., 3].unique().tolist()) == ((8, 10, 4), [1.0 if deep else 255])
    film = open_footage(tmp_path / "solid")
    assert not film.alpha
    assert [one.shape[2] for one in levels_of(film, deep)] == [3, 3]


def test_alpha_that_is_opaque_everywhere_is_none(tmp_path: Path):
    picture = pictures(1)[0].convert("RGBA")
    picture.save(tmp_path / "a.png")
    assert not open_footage(tmp_path / "a.png").alpha
    picture.putpixel((3, 2), (1, 2, 3, 254))
    picture.save(tmp_path / "a.png")
    assert open_footage(tmp_path / "a.png").alpha


def test_a_gray_picture_of_sixteen_bits_is_rounded_or_kept(tmp_path: Path):
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    film = open_footage(tmp_path / "a.png")
    assert film.bits == 16
    assert levels_of(film)[0][0, :, 1].tolist() == [0, 0, 1, 1, 128, 255]
    assert (levels_of(film, deep=True)[0][0] * 65535).round().tolist() == [[float(one)] * 3 for one in levels[0]]


@pytest.mark.parametrize("opaque", [False, True])
def test_colours_of_sixteen_bits_are_kept_and_alpha_where_there_is_any(tmp_path: Path, opaque: bool):
    levels = np.random.default_rng(0).integers(0, 65536, (8, 10, 4), dtype=np.uint16)
    levels[..., 3] = 65535 if opaque else levels[..., 3]
    coder = av.CodecContext.create("png", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = 10, 8, "rgba64be", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(levels, format="rgba64le").reformat(format="rgba64be")
    data = b"".join(bytes(packet) for packet in [*coder.encode(frame), *coder.encode(None)])
    (tmp_path / "a.png").write_bytes(data)
    film = open_footage(tmp_path / "a.png")
    (found,) = levels_of(film, deep=True)
    wanted = levels[..., :3] if opaque else levels
    assert film.bits == 16
    assert np.array_equal((found.double() * 65535).round().numpy(), wanted)


@pytest.mark.parametrize(("mode", "level"), [("F", 0.5), ("I", 65536), ("I", -1)])
def test_numbers_of_an_unknown_range_are_refused(tmp_path: Path, mode: str, level: float):
    Image.new(mode, (4, 3), level).save(tmp_path / "a.tiff")
    assert message(InputError, lambda: open_footage(tmp_path / "a.tiff")).startswith("image-unreadable: ")


def test_numbers_up_to_sixteen_bits_are_read(tmp_path: Path):
    Image.new("I", (4, 3), 65535).save(tmp_path / "a.tiff")
    assert levels_of(open_footage(tmp_path / "a.tiff"))[0].unique().tolist() == [255]


class Flat(Footage):
    """A film of one shade, of any size: the n-th frame has the level n."""

    def __init__(self, count: int, side: int, channels: int = 3) -> None:
        self.path, self.fps, self.height, self.width, self.channels = Path("flat"), 1.0, side, side, channels
        self.times = torch.arange(count)[:, None] + torch.tensor([0.0, 1.0], dtype=torch.float64)

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[torch.Tensor]:
        for index in indices:
            level = torch.tensor(index / 255 if deep else index, dtype=torch.float32 if deep else torch.uint8)
            yield level.expand(self.height, self.width, self.channels)


@pytest.mark.parametrize(
    ("film", "options", "places"),
    [
        (Flat(40, 2), {}, [(0, 16), (16, 16), (32, 8)]),
        (Flat(40, 2), {"size": 15}, [(0, 15), (15, 15), (30, 10)]),
        (Flat(40, 2), {"begin": 3, "end": 8, "size": 5}, [(0, 5)]),
        (Flat(40, 2), {"indices": [0, 0, 7], "size": 2}, [(0, 2), (2, 1)]),
        (Flat(6, 2048), {}, [(0, 4), (4, 2)]),  # 64 MiB of four bytes a pixel
        (Flat(2, 2048), {"deep": True}, [(0, 1), (1, 1)]),
        (Flat(5, 2049), {}, [(0, 3), (3, 2)]),
    ],
)
def test_chunks_are_of_sixteen_frames_or_of_what_64_mib_hold(film: Footage, options, places: list[tuple[int, int]]):
    chunks = list(film.chunks(**options))
    count = [one.frames.shape[2] if options.get("deep") else len(one.frames) for one in chunks]
    assert [(one.begin, n) for one, n in zip(chunks, count, strict=True)] == places


def test_chunks_hold_the_frames_that_were_asked_for_and_their_alpha():
    (chunk,) = Flat(9, 2, 4).chunks(2, 4)
    assert chunk.frames.flatten(1).tolist() == [[2] * 12, [3] * 12]
    assert chunk.alpha.flatten(1).tolist() == [[2] * 4, [3] * 4]
    (chunk,) = Flat(9, 2).chunks(2, 4, deep=True)
    assert chunk.alpha is None
    assert chunk.frames.shape == (1, 3, 2, 2, 2)
    assert chunk.frames[0, 1, :, 1, 0].tolist() == pytest.approx([2 / 127.5 - 1, 3 / 127.5 - 1])


@pytest.mark.parametrize(("begin", "end"), [(-1, 3), (3, 3), (4, 3), (0, 10), (9, None)])
def test_a_range_of_frames_that_is_not_there_is_refused(begin: int, end: int | None):
    last = 9 if end is None else end
    said = message(InputError, lambda: Flat(9, 2).checked(begin, end))
    assert said == f"range-outside: begin={begin}, count=9, last={last}, path=flat"
    assert Flat(9, 2).checked(0, None) == (0, 9)
    assert Flat(9, 2).checked(8, 9) == (8, 9)


@pytest.mark.parametrize(("width", "height", "fits"), [(5, 17_895_697, True), (6, 14_913_081, False)])
def test_pictures_up_to_what_pillow_takes_are_opened(tmp_path: Path, width: int, height: int, fits: bool):
    """89,478,485 pixels; nothing of them is decoded here."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    if fits:
        with opened(tmp_path / "a.png") as image:
            assert image.size == (width, height)
        return
    with pytest.raises(InputError) as error, opened(tmp_path / "a.png"):
        pass
    assert (error.value.code, error.value.fields["limit"]) == ("image-too-large", 89_478_485)


@pytest.mark.parametrize(
    ("job", "needed"),
    [
        (lambda: next(Flat(40, 64).chunks(size=3)), 2 * 64 * 64 * 4 * 3),
        (lambda: next(Flat(2, 64).chunks()), 2 * 64 * 64 * 4 * 2),
        (lambda: next(Flat(9, 64).chunks(indices=[1], deep=True)), 2 * 64 * 64 * 16),
        (lambda: mask_of(Flat(9, 64), begin=2, end=5), max(6 * 3 * 64 * 64, 2 * 64 * 64 * 4 * 3)),
    ],
)
def test_room_is_asked_for_before_a_chunk_or_a_mask_is_made(job, needed: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "SMALL", 0)
    monkeypatch.setattr(room, "free_bytes", lambda: needed)
    job()
    monkeypatch.setattr(room, "free_bytes", lambda: needed - 1)
    with pytest.raises(InputError) as error:
        job()
    assert error.value.code == "out-of-room"


def test_the_mask_of_a_film_takes_six_bytes_a_pixel(monkeypatch: pytest.MonkeyPatch):
    """Where its chunks are smaller than that."""
    monkeypatch.setattr(room, "SMALL", 0)
    monkeypatch.setattr(room, "free_bytes", lambda: 6 * 99 * 16 * 16)
    assert mask_of(Flat(99, 16)).shape == (99, 16, 16)
    monkeypatch.setattr(room, "free_bytes", lambda: 6 * 99 * 16 * 16 - 1)
    with pytest.raises(InputError):
        mask_of(Flat(99, 16))


def test_pictures_state_nothing_but_what_they_show(tmp_path: Path):
    pictures(1)[0].save(tmp_path / "a1.png")
    for path in (tmp_path, tmp_path / "a1.png", tmp_path / "a%d.png"):
        film = open_footage(path)
        assert (film.colour, film.bits, film.aspect, film.alpha) == (BT709, 8, 1, False)
        assert (film.sound, film.timecode, film.count, film.seconds) == (False, None, 1, pytest.approx(0.04))
    assert (Flat(1, 2).bits, Flat(1, 2).alpha, Flat(1, 2).notes) == (8, False, ())
