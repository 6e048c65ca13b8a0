"""Films in the format that another one is stored in: edits, borders, pieces, cuts and scaled clips, at every layout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from edited_films import edit, film, stored
from video_files import encode, encode_sound, message, noise, turn

from vace_core.errors import InputError, ShapeError
from vace_core.geometry import Box
from vace_core.media.bordered import chroma_step, write_bordered
from vace_core.media.colour import Colour
from vace_core.media.cropped import Cropped
from vace_core.media.edited import write_edited
from vace_core.media.extended import Copied, Made, times_of, write_extended
from vace_core.media.footage import Footage
from vace_core.media.ranges import Cut, StillFrame
from vace_core.media.reader import VideoReader
from vace_core.media.scaled import Scaled
from vace_core.media.sources import open_footage
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import check_video_target, write_frames, write_video


class Film(Footage):
    """Pictures in memory, with nothing as a film has it by itself."""

    def __init__(self, pictures: torch.Tensor, times: list[float], aspect: Fraction = Fraction(2)) -> None:
        self.path, self.fps, self._pictures = Path("film"), 10.0, pictures
        self.height, self.width = pictures.shape[1:3]
        self.times = torch.tensor([*pairwise(times)], dtype=torch.float64)
        self.colour, self.bits, self.aspect = Colour(matrix=9), 10, aspect
        self.alpha, self.sound, self.notes = True, True, ("It is a film.",)

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[torch.Tensor]:
        for index in indices:
            yield self._pictures[index].float() / 255 if deep else self._pictures[index]


STAMPS = [0.0, 0.1, 0.4, 0.5, 0.9, 1.0]  # of five frames


def as_stored(one: Footage) -> tuple[object, ...]:
    return one.path, one.colour, one.bits, one.alpha, one.sound, one.notes[:1]


def test_a_part_and_a_box_of_a_film_are_films_like_it():
    pictures = noise(5, 12, 16, 3)
    whole = Film(pictures, STAMPS)
    cut = Cut(whole, 2, None)
    assert as_stored(cut) == as_stored(whole)
    assert (cut.fps, cut.aspect, cut.height, cut.width, cut.count) == (10.0, 2, 12, 16, 3)
    assert cut.times.flatten().tolist() == pytest.approx([0, 0.1, 0.1, 0.5, 0.5, 0.6])
    assert torch.equal(next(cut.pictures([1])), pictures[3])
    assert torch.equal(next(cut.pictures([1], deep=True)), pictures[3] / 255)
    still = StillFrame(whole, 3, 5)
    assert (still.count, still.fps, still.times.tolist(), still.sound) == (1, 5, [[0, 0.2]], False)
    assert torch.equal(still.frame(0)[0], pictures[3])
    boxes = [Box(1, 2, 7, 10), *[Box(3, 4, 9, 12)] * 4]
    for given in (boxes, boxes[:1]):
        cropped = Cropped(whole, given)
        assert as_stored(cropped) == as_stored(whole)
        assert (cropped.height, cropped.width) == (given[0].height, given[0].width)
        assert (cropped.fps, cropped.aspect, cropped.times is whole.times) == (10.0, 2, True)
        box = given[-1]
        assert torch.equal(next(cropped.pictures([4])), pictures[4, box.top : box.bottom, box.left : box.right])


@pytest.mark.parametrize(
    ("size", "aspect", "like", "shape", "wide"),
    [((20, 40), 1, 1, (40, 40), (40, 80)), ((40, 20), 1, 1, (20, 40), (80, 40)), ((20, 20), 2, 1, (20, 20), (20, 40)),
     ((20, 20), 1, 2, (20, 20), (40, 20)), ((21, 21), 1, 1, (10, 14), (14, 14))],
)  # fmt: skip
def test_a_scaled_film_covers_the_other_and_is_cropped_to_its_centre(size, aspect, like, shape, wide):
    """`wide` is the size of the film before it is cropped."""
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    ramp = torch.stack([255 * y / size[0], 255 * x / size[1], torch.zeros_like(x)], dim=2).round().to(torch.uint8)
    source = Film(ramp[None], [0, 1], Fraction(aspect))
    found = Scaled(source, Film(noise(1, *shape, 3), [0, 1], Fraction(like)))
    assert as_stored(found) == as_stored(source)
    assert (found.height, found.width, found.aspect, found.fps) == (*shape, like, 10.0)
    lost = [f"{1 - there / all_of:.0%} of its {side}" for side, there, all_of in zip(("height", "width"), shape, wide,
            strict=True) if there < all_of]  # fmt: skip
    cropped = f", and {lost[0]} is cropped" if lost else ""
    came, needed = f"{size[1]} x {size[0]}", f"{shape[1]} x {shape[0]}"
    assert found.notes[1] == f"It is scaled from {came} to the {needed} pixels of the other clip{cropped}."
    rows, columns = (
        255 * (torch.arange(there) + 0.5 + (whole - there) // 2) / whole
        for there, whole in zip(shape, wide, strict=True)
    )
    for picture in (next(found.pictures([0])), next(found.pictures([0], deep=True)) * 255):
        assert picture.shape == (*shape, 3)
        assert (picture[2:-2, 2:-2, 0].float() - rows[2:-2, None]).abs().max() < 3
        assert (picture[2:-2, 2:-2, 1].float() - columns[None, 2:-2]).abs().max() < 3


def test_overshoots_of_scaling_stay_black_and_white():
    edge = torch.zeros(1, 20, 20, 3, dtype=torch.uint8)
    edge[:, :, 10:] = 255
    found = Scaled(Film(edge, [0, 1]), Film(noise(1, 50, 50, 3), [0, 1]))
    for picture in (next(found.pictures([0])).float(), next(found.pictures([0], deep=True)) * 255):
        assert (picture[:, :, 0].diff(dim=1) > -0.01).all()
        assert (picture.min(), picture.max()) == (0, 255)
    dark = Scaled(Film(edge // 3, [0, 1]), Film(noise(1, 50, 50, 3), [0, 1]))
    assert next(dark.pictures([0])).max() > 85


# --- pieces


def test_pieces_follow_each_other_and_sound_begins_where_its_film_does():
    whole = Film(noise(5, 12, 16, 3), STAMPS)
    made = Made(chunks=iter(()), count=3)
    times, start = times_of(whole, [made, Copied(film=whole, indices=range(1, 4)), Made(chunks=iter(()), count=2)])
    starts = [0, 0.1, 0.2, 0.3, 0.6, 0.7, 1.1, 1.2]
    assert times[:, 0].tolist() == pytest.approx(starts)
    assert times[:, 1].tolist() == pytest.approx([*starts[1:], 1.3])
    assert start == pytest.approx(0.1 - 0.3)
    times, start = times_of(whole, [Copied(film=whole, indices=[2, 3, 4])])
    assert (times.flatten().tolist(), start) == (pytest.approx([0, 0.1, 0.1, 0.5, 0.5, 0.6]), 0.4)
    other = Film(noise(5, 12, 16, 3), STAMPS)
    times, start = times_of(whole, [Copied(film=other, indices=[1, 1, 3])])
    assert (times[:, 0].tolist(), start) == (pytest.approx([0, 0.1, 0.2]), None)
    still = Film(noise(1, 12, 16, 3), [0, 4])
    assert times_of(whole, [Copied(film=still, indices=[0])])[0].tolist() == [[0, pytest.approx(0.1)]]


def written(path: Path, source: Footage, *pieces: Copied | Made) -> Footage:
    write_extended(path, source, pieces, lossless=True)
    return open_footage(path)


def test_frames_out_of_order_and_of_other_films_keep_ten_bits(tmp_path: Path):
    ramp = torch.linspace(-0.6, 0.6, 96).view(1, 1, 1, 1, -1).expand(1, 3, 4, 64, 96)
    for name, full in (("a", False), ("b", True)):
        write_video(tmp_path / f"{name}.mp4", ramp, fps=25, bits=10, crf=0, colour=Colour(full=full))
    first, second = open_footage(tmp_path / "a.mp4"), open_footage(tmp_path / "b.mp4")
    made = Made(chunks=iter([ramp[:, :, :1]]), count=1)
    found = written(tmp_path / "c.mkv", first, Copied(film=first, indices=[0, 0, 2]), made,
                    Copied(film=second, indices=[1, 2]))  # fmt: skip
    assert (found.count, found.bits, found.colour) == (6, 10, first.colour)
    (chunk,) = found.chunks(deep=True)
    assert (chunk.frames - ramp[:, :, :1])[..., 1:-1].abs().max() * 511.5 < 4.5  # levels of ten bits, thrice rounded
    assert (chunk.frames - ramp[:, :, :1]).abs().mean() * 511.5 < 0.9


@pytest.mark.parametrize("copied", [False, True])
def test_pieces_of_another_size_are_refused(tmp_path: Path, copied: bool):
    source = open_footage(film(tmp_path / "a.mp4", "libx264", "yuv420p"))
    other = Film(noise(2, 48, 62, 3), [0, 1, 2])
    piece = Copied(film=other, indices=[0]) if copied else Made(chunks=iter([torch.zeros(1, 3, 1, 46, 64)]), count=1)
    said = message(ShapeError, lambda: write_extended(tmp_path / "b.mp4", source, [piece]))
    assert said == f"pieces-size: path={source.path}, size={(48, 62) if copied else (46, 64)}, source=(48, 64)"


# --- borders


@pytest.mark.parametrize(
    ("pix_fmt", "step"),
    [("yuv444p", (2, 2)), ("yuv420p", (2, 2)), ("yuv422p", (2, 2)), ("yuv410p", (4, 4)), ("yuv411p", (2, 4)),
     ("gray", (2, 2))],
)  # fmt: skip
def test_a_chroma_sample_stands_for_what_its_layout_says(tmp_path: Path, pix_fmt: str, step: tuple[int, int]):
    assert chroma_step(open_footage(film(tmp_path / "a.mkv", "ffv1", pix_fmt, 1))) == step


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [("a.mov", "png", "rgba"), ("a.mov", "prores_ks", "yuva444p10le"), ("a.mkv", "ffv1", "yuv422p")],
)
def test_a_part_of_a_film_lies_where_it_is_meant_to_and_what_is_around_it_is_opaque(tmp_path, name, codec, pix_fmt):
    pictures = noise(6, 48, 64, 4)
    source = open_footage(encode(tmp_path / name, pictures, codec=codec, pix_fmt=pix_fmt, fps=10))
    frames = torch.tensor([200, 120, 40], dtype=torch.uint8).expand(4, 64, 96, 3)
    write_bordered(
        tmp_path / "b.mkv", source, [frames[:3], frames[3:]], size=(64, 96), place=(4, 24), begin=2, last=5, more=1,
        lossless=True,
    )  # fmt: skip
    found = open_footage(tmp_path / "b.mkv")
    assert (found.count, found.height, found.width, found.fps, found.alpha) == (4, 64, 96, 10.0, source.alpha)
    before, after = stored(source.path), stored(found.path)
    for index in range(3):
        for old, new in zip(before[index + 2], after[index], strict=True):
            top, left = 4 * old.shape[0] // 48, 24 * old.shape[1] // 64
            assert np.array_equal(new[top : top + old.shape[0], left : left + old.shape[1]], old)
    picture, alpha = found.frame(3)
    assert (picture[40:].int() - frames[3, 40:].int()).abs().max() <= 2
    assert (picture[:40].int() - frames[3, :40].int()).abs().max() <= 2  # no frame of the film is left for it
    if alpha is not None:
        assert alpha.unique().tolist() == [255]
        assert found.frame(0)[1][:4].unique().tolist() == [255]


def test_a_film_of_variable_rate_keeps_its_times_in_a_larger_frame_and_in_a_part(tmp_path: Path):
    ticks = [0, 1, 2, 6, 7, 8, 20, 21, 25]
    source = open_footage(encode(tmp_path / "a.mp4", noise(9, 32, 48, 3), ticks=ticks))
    write_bordered(tmp_path / "b.mp4", source, [noise(6, 48, 48, 3)], size=(48, 48), place=(0, 0), begin=3)
    write_edited(tmp_path / "c.mp4", source, [], first=3)
    for name in "bc":
        times = open_footage(tmp_path / f"{name}.mp4").times
        assert (times * 16 - (source.times[3:] * 16 - 6)).abs().max() < 0.01
    write_bordered(tmp_path / "d.mp4", source, [noise(7, 48, 48, 3)], size=(48, 48), place=(0, 0), begin=3, more=1)
    assert open_footage(tmp_path / "d.mp4").times.diff(dim=1).flatten().tolist() == [pytest.approx(1 / source.fps)] * 7


# --- edits


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_an_edit_brings_colour_into_a_gray_film_and_leaves_the_rest_gray(tmp_path: Path, pix_fmt: str):
    source = open_footage(film(tmp_path / "a.mkv", "ffv1", pix_fmt, 2))
    frames, changed = edit(2)
    write_edited(tmp_path / "b.mkv", source, [(frames, changed)], lossless=True)
    found, kept = open_footage(tmp_path / "b.mkv"), changed[0].numpy() == 0
    assert found.layout == ("yuv444p" if pix_fmt == "gray" else "yuv444p10le")
    before, after = stored(source.path), stored(found.path)
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old[0][kept], new[0][kept])
        for chroma in new[1:]:
            assert np.unique(chroma[kept]).tolist() == [128 if pix_fmt == "gray" else 512]
    assert (found.frame(1)[0][15, 20].int() - frames[1, 15, 20].int()).abs().max() <= 2


def test_pictures_of_sixteen_bits_and_bytes_in_them_stay_exact(tmp_path: Path):
    numbers = noise(3, 48, 64, 3).float() / 127.5 - 1
    numbers = (numbers * 0.97).permute(3, 0, 1, 2)[None]
    write_frames(tmp_path / "shots", numbers, bits=16)
    frames, changed = edit(3)
    write_edited(tmp_path / "b.mkv", open_footage(tmp_path / "shots"), [(frames, changed)], lossless=True)
    found, kept = open_footage(tmp_path / "b.mkv"), changed[0] == 0
    assert (found.bits, found.layout) == (16, "gbrp16le")
    ((_, before, _),), ((_, after, _),) = (
        open_footage(path).chunks(deep=True) for path in (tmp_path / "shots", found.path)
    )
    assert torch.equal(before[..., kept], after[..., kept])
    inside = (after[0, :, 1, 15, 20] + 1) / 2 * 65535
    assert inside.round().tolist() == [257 * 200, 257 * 120, 257 * 40]


@pytest.mark.parametrize(
    ("pix_fmt", "wanted"),
    [("yuv422p", "yuv440p"), ("yuv422p10le", "yuv440p10le"), ("yuv420p", "yuv420p"), ("yuv444p", "yuv444p")],
)
def test_a_quarter_turn_makes_columns_of_rows(tmp_path: Path, pix_fmt: str, wanted: str):
    path = film(tmp_path / "a.mp4", "libx264", pix_fmt, 2)
    path = turn(path, 0, 1 << 16, -1 << 16, 0)
    source = open_footage(path)
    assert (source.height, source.width) == (64, 48)
    write_edited(tmp_path / "b.mkv", source, [], lossless=True)
    assert open_footage(tmp_path / "b.mkv").layout == wanted
    for old, new in zip(stored(path), stored(tmp_path / "b.mkv"), strict=True):
        for one, other in zip(old, new, strict=False):
            assert np.array_equal(np.rot90(one, -1), other)


@pytest.mark.parametrize("size", [(47, 64), (48, 63), (47, 63), (17, 63), (63, 17), (63, 16)])
def test_a_pixel_at_the_odd_edge_changes_its_chroma_and_nothing_else(tmp_path: Path, size: tuple[int, int]):
    orange = torch.tensor([200, 120, 40], dtype=torch.uint8).expand(1, *size, 3)
    source = open_footage(encode(tmp_path / "a.mkv", orange, codec="ffv1", pix_fmt="yuv420p"))
    frames, changed = torch.full((1, *size, 3), 200, dtype=torch.uint8), torch.zeros(1, *size)
    changed[0, -1, -1] = 1
    write_edited(tmp_path / "b.mkv", source, [(frames, changed)], lossless=True)
    for old, new in zip(stored(source.path)[0], stored(tmp_path / "b.mkv")[0], strict=True):
        different = np.argwhere(old != new)
        assert different.tolist() == [[old.shape[0] - 1, old.shape[1] - 1]]
    last_before, last = (
        [int(plane[-1, -1]) for plane in stored(path)[0]] for path in (source.path, tmp_path / "b.mkv")
    )
    assert abs(last[0] - 188) <= 1  # 200 of 255
    for old, new in zip(last_before[1:], last[1:], strict=True):  # nearer to gray, beside what is kept
        assert abs(new - 128) < abs(old - 128)
    write_edited(tmp_path / "b.mp4", source, [])
    assert open_footage(tmp_path / "b.mp4").layout == "yuv444p"


def test_lossy_films_have_ten_bits_where_the_source_has_more_than_eight(tmp_path: Path):
    for pix_fmt, wanted in (("yuv422p", "yuv420p"), ("yuv422p10le", "yuv420p10le")):
        source = open_footage(film(tmp_path / "a.mkv", "ffv1", pix_fmt, 2))
        write_edited(tmp_path / "b.mp4", source, [])
        assert open_footage(tmp_path / "b.mp4").layout == wanted


def test_an_edit_says_where_it_counts_for_each_of_its_frames(tmp_path: Path):
    source = open_footage(film(tmp_path / "a.mp4", "libx264", "yuv420p"))
    frames, changed = edit(3)
    for wrong in (changed[:2], changed[:, :40], changed[:, :, :60]):
        said = message(ShapeError, lambda wrong=wrong: write_edited(tmp_path / "b.mp4", source, [(frames, wrong)]))
        assert said.startswith(f"edit-size: changed_shape={tuple(wrong.shape)}, count=3, ")


# --- room on the disk


def test_the_room_that_a_film_needs_is_asked_for_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A sixteenth of the bytes of its frames, a quarter without loss."""
    source = open_footage(film(tmp_path / "a.mp4", "libx264", "yuv420p"))
    pieces = [Copied(film=source, indices=range(1, 4))]
    frame = 3 * 48 * 64
    writers = {
        4 * frame // 16: lambda: write_edited(tmp_path / "b.mp4", source, [], first=1, last=5),
        3 * frame // 4: lambda: write_extended(tmp_path / "b.mkv", source, pieces, lossless=True),
        6 * frame // 4: lambda: write_bordered(
            tmp_path / "b.mkv", source, [noise(4, 48, 64, 3)], size=(48, 64), place=(0, 0), begin=1, last=5, more=2,
            lossless=True,
        ),
        1000: lambda: check_video_target(tmp_path / "b.mkv", lossless=True, pixels=1334),
    }  # fmt: skip
    for needed, write in writers.items():
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=needed - 1: SimpleNamespace(free=free))
        with pytest.raises(InputError) as error:
            write()
        assert (error.value.code, error.value.fields["needed"]) == ("disk-full", needed / 2**20)
        assert error.value.fields["free"] == (needed - 1) / 2**20
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=needed: SimpleNamespace(free=free))
        write()


def test_the_default_loss_is_quality_eight(tmp_path: Path):
    write_video(tmp_path / "a.mp4", noise(2, 32, 48, 3), fps=16)
    assert b"crf=10.0" in (tmp_path / "a.mp4").read_bytes()
    write_edited(tmp_path / "b.mp4", open_footage(tmp_path / "a.mp4"), [], crf=23)
    assert b"crf=23.0" in (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_bytes_stay_bytes_in_a_film_of_more_bits(tmp_path: Path, bits: int):
    pictures = noise(2, 32, 48, 3)
    for given in (pictures, from_uint8(pictures)):
        write_video(tmp_path / "a.mkv", given, fps=16, lossless=True, bits=bits)
        assert torch.equal(read_video(tmp_path / "a.mkv").frames, pictures)
        (chunk,) = open_footage(tmp_path / "a.mkv").chunks(deep=True)
        found = (chunk.frames[0].permute(1, 2, 3, 0) + 1) / 2 * ((1 << bits) - 1)
        assert (found - pictures.float() / 255 * ((1 << bits) - 1)).abs().max() <= 0.52


@pytest.mark.parametrize("shape", [(2, 32, 48, 4), (0, 32, 48, 3), (2, 32, 48, 3, 1)])
def test_bytes_of_other_channels_or_none_are_refused(tmp_path: Path, shape: tuple[int, ...]):
    wrong = torch.zeros(shape, dtype=torch.uint8)
    said = message(ShapeError, lambda: write_video(tmp_path / "a.mp4", wrong, fps=16))
    assert said == f"pictures-shape: shape={shape}"
    assert message(ShapeError, lambda: write_video(tmp_path / "a.mp4", torch.zeros(3, 2, 32, 48), fps=16)) == (
        "frames-shape: shape=(3, 2, 32, 48)"
    )


def test_overshoots_of_numbers_saturate_in_sixteen_bits(tmp_path: Path):
    frames = torch.tensor([-1.3, -1.0, 0.0, 1.0, 1.9]).view(1, 1, 1, 1, -1).expand(1, 3, 1, 4, -1)
    write_frames(tmp_path / "shots", frames, bits=16)
    (chunk,) = open_footage(tmp_path / "shots").chunks(deep=True)
    assert ((chunk.frames[0, 1, 0, 2] + 1) / 2 * 65535).round().tolist() == [0, 0, 32768, 65535, 65535]
    write_video(tmp_path / "a.mkv", frames, fps=16, lossless=True, bits=10)
    (chunk,) = open_footage(tmp_path / "a.mkv").chunks(deep=True)
    assert ((chunk.frames[0, 1, 0, 2] + 1) / 2 * 1023).round().tolist() == [0, 0, 512, 1023, 1023]


def test_stamps_of_an_even_rate_change_nothing_and_late_frames_are_kept_late(tmp_path: Path):
    pictures, edges = noise(6, 32, 48, 3), torch.arange(7, dtype=torch.float64) / 16
    times = torch.stack([edges[:-1], edges[1:]], dim=1)
    write_video(tmp_path / "a.mp4", pictures, fps=16)
    write_video(tmp_path / "b.mp4", pictures, fps=16, times=times)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    times[2, 1] = times[3, 0] = times[3, 0] + 0.05 / 16
    write_video(tmp_path / "c.mp4", pictures, fps=16, times=times)
    with av.open(str(tmp_path / "c.mp4")) as container:
        stamps = sorted(float(one.pts * one.time_base) for one in container.demux(video=0) if one.size)
    assert stamps == pytest.approx(times[:, 0].tolist(), abs=1e-4)


def test_paths_may_be_texts_and_sound_comes_along(tmp_path: Path):
    write_frames(str(tmp_path / "shots"), noise(3, 16, 32, 3))
    write_video(str(tmp_path / "e.mp4"), noise(3, 32, 32, 3), fps=16)
    source = VideoReader(str(encode_sound(tmp_path / "a.mp4", 1.0, 0.0, codec="aac", video_start=0)))
    assert (source.count, open_footage(str(tmp_path / "shots")).count) == (25, 3)
    write_edited(str(tmp_path / "b.mp4"), source, [])
    write_bordered(str(tmp_path / "c.mp4"), source, [noise(25, 48, 32, 3)], size=(48, 32), place=(8, 0))
    write_extended(str(tmp_path / "d.mp4"), source, [Copied(film=source, indices=[0, 1])])
    films = [open_footage(str(tmp_path / f"{name}.mp4")) for name in "bcde"]
    assert [(film.count, film.sound) for film in films] == [(25, True), (25, True), (2, True), (3, False)]
    write_extended(tmp_path / "d.mp4", source, [Copied(film=source, indices=[0, 1])], sound=False)
    write_bordered(tmp_path / "c.mp4", source, [noise(25, 48, 32, 3)], size=(48, 32), place=(8, 0), sound=False)
    write_edited(tmp_path / "b.mp4", source, [], sound=False)
    assert not any(open_footage(tmp_path / f"{name}.mp4").sound for name in "bcd")
