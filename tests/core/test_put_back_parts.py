"""What is put back, number by number: where it lies, of which frames, and what is written around it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from vace_core.geometry import Box
from vace_core.inputs import put_back as back
from vace_core.inputs.blending import RING, multiband
from vace_core.inputs.border import Border, sides_of
from vace_core.inputs.crops import crop_boxes
from vace_core.inputs.extension import Chain, Extension
from vace_core.inputs.put_back import Edit, blended, box_of, is_series, stitch
from vace_core.inputs.resizing import resize_part
from vace_core.media import footage
from vace_core.media.extended import Copied
from vace_core.media.footage import Footage
from vace_core.media.sources import open_footage
from vace_core.media.video import to_uint8


def film(folder: Path, count: int = 6, height: int = 8, width: int = 10, first: int = 0) -> Footage:
    """Numbered pictures: their number, from `first` on, in red, rows and columns in green and blue."""
    folder.mkdir()
    for n in range(count):
        picture = torch.zeros(height, width, 3, dtype=torch.uint8)
        picture[..., 0] = 10 * (first + n)
        picture[..., 1], picture[..., 2] = torch.arange(height)[:, None] * 9, torch.arange(width) * 7
        Image.fromarray(picture.numpy()).save(folder / f"{n:02}.png")
    return open_footage(folder)


def ramps(count: int, height: int, width: int) -> Tensor:
    """`(1, 3, T, H, W)`, another number for each place."""
    axes = [torch.linspace(-0.9, 0.8, max(n, 2))[:n] for n in (count, height, width)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def numbers(chunks) -> Tensor:
    return torch.cat(list(chunks))


def copied(source: Footage, *indices: int) -> Copied:
    return Copied(film=source, indices=indices)


# A border


def bordered(source: Footage, made: Tensor, *, seen: Box, sides=(4, 6, 2, 2), **more: int) -> Tensor:
    border = Border(film=source, begin=more.pop("begin", 1), count=more.pop("count", 3), sides=sides, seen=seen, **more)
    return numbers(border.finished(made))


def as_shown(made: Tensor, frame: int, box: tuple[float, ...], size: tuple[int, int]) -> Tensor:
    return to_uint8(resize_part(made[0, :, frame], box, size)[None, :, None])[0]


def test_a_border_is_what_was_made_around_the_film(tmp_path):
    source, made = film(tmp_path / "film"), ramps(5, 6, 10)
    border = Border(film=source, begin=1, count=3, sides=(4, 6, 2, 2), seen=Box(2, 1, 7, 5), more=2)
    assert border.shape == (5, 12, 20)
    assert border.said == "the original with 4 px left, 6 right, 2 on top and 2 below it"
    found = numbers(border.finished(made))
    assert found.shape == (5, 12, 20, 3)
    kept = torch.cat([chunk.frames for chunk in source.chunks(1, 4)])
    assert torch.equal(found[:3, 2:10, 4:14], kept)
    for n in range(5):
        wanted = as_shown(made, n, (0.0, 0.0, 10.0, 6.0), (12, 20))
        if n < 3:
            wanted[2:10, 4:14] = kept[n]
        assert torch.equal(found[n], wanted)


@pytest.mark.parametrize(
    ("seen", "size", "short", "box"),
    [
        (Box(2, 1, 7, 5), (5, 9), (0, 1, 0, 1), (0.0, 0.0, 10.0, 6.0)),
        (Box(1, 0, 6, 4), (5, 9), (1, 0, 1, 0), (0.0, 0.0, 10.0, 6.0)),
        (Box(4, 2, 9, 6), (8, 14), (0, 0, 0, 0), (2.0, 1.0, 12.0, 7.0)),
        (Box(3, 2, 7, 5), (6, 10), (0, 0, 0, 0), (1.4, 1.25, 9.4, 5.75)),
        (Box(1, 0, 5, 3), (4, 6), (1, 2, 1, 0), (0.4, 0.25, 8.4, 4.75)),
    ],
)
def test_a_canvas_that_is_a_little_short_is_carried_on_at_its_edges(tmp_path, seen, size, short, box):
    made = ramps(1, *size)
    found = bordered(film(tmp_path / "film", 1), made, seen=seen, begin=0, count=1)
    wanted = as_shown(pad(made[0], (*short, 0, 0), "replicate")[None], 0, box, (12, 20))
    outside = torch.ones(12, 20, dtype=torch.bool)
    outside[2:10, 4:14] = False
    assert (found[0].int() - wanted)[outside].abs().max() <= 1


def test_a_border_is_written_in_chunks_that_fit(tmp_path, monkeypatch):
    source, made = film(tmp_path / "film"), ramps(6, 6, 10)
    whole = bordered(source, made, seen=Box(2, 1, 7, 5), more=3)
    monkeypatch.setattr(footage, "CHUNK_BYTES", 2 * 12 * 20 * 12)
    border = Border(film=source, begin=1, count=3, sides=(4, 6, 2, 2), seen=Box(2, 1, 7, 5), more=3)
    chunks = list(border.finished(made))
    assert [len(chunk) for chunk in chunks] == [2, 1, 2, 1]
    assert torch.equal(torch.cat(chunks), whole)


def test_a_border_fades_into_the_carried_on_edge(tmp_path):
    source = film(tmp_path / "film", 1)
    border = Border(film=source, begin=0, count=1, sides=(4, 0, 0, 3), seen=Box(4, 0, 14, 8))
    made = torch.full((1, 3, 1, 11, 14), 0.5)
    (soft,) = border.finished(made, feather=3)
    came = next(source.chunks(0, 1)).frames[0]
    edge = came[5, 0].float() / 127.5 - 1
    for away, share in ((1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)):
        wanted = ((torch.lerp(edge, torch.full((3,), 0.5), share) + 1) * 127.5).round()
        assert (soft[0, 5, 4 - away].float() - wanted).abs().max() <= 1
    (corner,) = border.finished(made, blend_mode="multiband")
    assert torch.equal(corner[0, :8, 4:], came)
    assert not torch.equal(corner, soft)


def test_margins_are_ratios_of_the_sides(tmp_path):
    source = film(tmp_path / "film", 1)
    assert sides_of(source, 0.25, 0.35, 0.3, 0.0) == (2, 4, 2, 0)
    assert sides_of(source, 0.0, 0.0, 0.0, 0.5) == (0, 0, 0, 4)
    assert sides_of(source, 0.36, 0.04, 0.06, 0.2) == (4, 2, 2, 2)  # what was asked for is there, however little


# New frames between films


def test_an_extension_is_what_was_made_between_what_is_copied(tmp_path):
    first, last, made = film(tmp_path / "a"), film(tmp_path / "b", 4, first=9), ramps(9, 4, 5)
    both = Extension(film=first, before=copied(first, 0, 1, 5), after=copied(last, 0, 3), kept=(2, 3), new=4)
    assert (both.around, both.shape) == ((3, 2), (9, 8, 10))
    assert both.said == "3 as they came, 4 new, 2 as they came"
    found = numbers(both.finished(made))
    assert found[:, 0, 0, 0].tolist()[:3] + found[:, 0, 0, 0].tolist()[7:] == [0, 10, 50, 90, 120]
    for n in range(4):
        assert torch.equal(found[3 + n], as_shown(made, 2 + n, (0.0, 0.0, 5.0, 4.0), (8, 10)))
    only = Extension(film=first, before=None, after=copied(last, 1), kept=(0, 1), new=8)
    assert (only.around, only.said) == ((0, 1), "8 new, 1 as they came")
    assert len(only.pieces(made)) == 2
    alone = Extension(film=first, before=copied(first, 2), after=None, kept=(1, 0), new=8)
    assert (alone.around, alone.said) == ((1, 0), "1 as they came, 8 new")
    assert len(numbers(alone.finished(made))) == 9


def test_a_chain_has_new_frames_between_each_two(tmp_path, monkeypatch):
    clips = tuple(film(tmp_path / name, 3, first=10 * n) for n, name in enumerate("ab"))
    made = ramps(14, 8, 10)
    chain = Chain(film=clips[0], clips=(copied(clips[0], 0, 1), copied(clips[1], 2), copied(clips[0], 1)),
                  length=7, kept=((2, 1), (1, 3)))  # fmt: skip
    assert (chain.new, chain.shape) == ((4, 3), (11, 8, 10))
    assert chain.said == "3 clips as they came, 3 and 4 new frames between each two"
    monkeypatch.setattr(footage, "CHUNK_BYTES", 3 * 8 * 10 * 12)
    found = numbers(chain.finished(made))
    reds = found[:, 0, 0, 0].tolist()
    assert [reds[0], reds[1], reds[6], reds[10]] == [0, 10, 120, 10]
    assert torch.equal(found[[2, 3, 4, 5, 7, 8, 9]], to_uint8(made[:, :, [2, 3, 4, 5, 8, 9, 10]]))


# An edit


def test_the_frames_of_an_edit(tmp_path):
    source, made = film(tmp_path / "film"), ramps(3, 8, 10)
    edit = Edit(film=source, begin=2, count=3)
    assert (edit.span, edit.shape) == ((0, 6), (6, 8, 10))
    assert edit.said == "the original with the edit put back, generated in frames 2 to 4"
    assert edit.seen(1) == Box(0, 0, 10, 8)
    assert edit.mask(1, 3).shape == (2, 8, 10)
    assert edit.mask(0, 3).all()
    came = torch.cat([chunk.frames for chunk in source.chunks()])
    wanted = came.clone()
    wanted[2:5] = to_uint8(made)
    assert torch.equal(numbers(edit.finished(made)), wanted)
    cut = Edit(film=source, begin=2, count=3, cuts=True)
    assert (cut.span, cut.shape) == ((2, 5), (3, 8, 10))
    assert torch.equal(numbers(cut.finished(made)), wanted[2:5])
    single = Edit(film=film(tmp_path / "one", 1), begin=0, count=1)
    assert single.said == "the original with the edit put back"
    pair = Edit(film=film(tmp_path / "two", 2), begin=1, count=1)
    assert pair.said == "the original with the edit put back, generated in frames 1 to 1"


def test_masks_and_boxes_of_an_edit_are_of_each_frame_or_of_all(tmp_path):
    source = film(tmp_path / "film")
    masks = torch.zeros(3, 8, 10, dtype=torch.uint8)
    masks[0, 1:3, 1:3], masks[1, 3:6, 4:6], masks[2, 7, 9] = 128, 255, 127
    boxes = (Box(0, 0, 4, 4), Box(3, 2, 7, 6), Box(6, 4, 10, 8))
    edit = Edit(film=source, begin=1, count=3, masks=masks, boxes=boxes)
    assert [edit.seen(n) for n in range(3)] == list(boxes)
    assert edit.mask(0, 3).sum((1, 2)).tolist() == [4, 6, 0]
    assert torch.equal(edit.mask(1, 2), edit.mask(0, 3)[1:2])
    made = ramps(3, 4, 4)
    found = numbers(edit.finished(made))
    came = torch.cat([chunk.frames for chunk in source.chunks()])
    came[1, 1:3, 1:3], came[2, 3:6, 4:6] = to_uint8(made)[0, 1:3, 1:3], to_uint8(made)[1, 1:4, 1:3]
    assert torch.equal(found, came)
    one = Edit(film=source, begin=1, count=3, masks=masks[:1], boxes=boxes[:1])
    assert [one.seen(n) for n in (0, 2)] == [boxes[0]] * 2
    assert one.mask(0, 3).sum((1, 2)).tolist() == [4, 4, 4]


def test_bands_compare_only_what_the_model_was_shown():
    """What lies in the box beside the mask, up to the width of the ring."""
    generator = torch.Generator().manual_seed(2)
    source, made = (torch.rand(1, 3, 2, 60, 80, generator=generator) * 2 - 1 for _ in range(2))
    where = torch.zeros(2, 60, 80, dtype=torch.bool)
    where[0, 26:34, 30:50], where[1, 20:30, 34:54] = True, True
    boxes = [Box(16, 10, 64, 52), Box(26, 12, 70, 40)]
    parts = [made[:, :, n, box.top : box.bottom, box.left : box.right] for n, box in enumerate(boxes)]
    for n, (box, part) in enumerate(zip(boxes, parts, strict=True)):
        found = stitch(part[:, :, None], source[:, :, n : n + 1], where[n : n + 1], [box], blend_mode="multiband")
        inside, known = where[n][None, None, None], torch.zeros(1, 1, 1, 60, 80, dtype=torch.bool)
        known[..., box.top : box.bottom, box.left : box.right] = True
        wanted = multiband(made[:, :, n : n + 1], source[:, :, n : n + 1], inside, known=known)
        wanted = torch.where(inside, wanted, source[:, :, n : n + 1])
        assert torch.allclose(found, wanted, atol=1e-5)
        far = made[:, :, n : n + 1].clone()
        beyond = torch.ones(60, 80, dtype=torch.bool)
        rows, columns = where[n].any(1).nonzero()[[0, -1], 0], where[n].any(0).nonzero()[[0, -1], 0]
        beyond[int(rows[0]) - RING : int(rows[1]) + 1 + RING, int(columns[0]) - RING : int(columns[1]) + 1 + RING] = (
            False
        )
        far[..., beyond] = 5.0  # is never looked at
        again = blended(far, source[:, :, n : n + 1], where[n : n + 1], feather=0, blend_mode="multiband", seen=[box])
        assert torch.allclose(torch.where(inside, again, source[:, :, n : n + 1]), wanted, atol=1e-5)


def test_bands_are_those_of_the_film_frame_by_frame(tmp_path, monkeypatch):
    source = film(tmp_path / "film", 4, 40, 60)
    masks = torch.zeros(1, 40, 60, dtype=torch.uint8)
    masks[:, 10:24, 20:40] = 255
    box = (Box(4, 2, 56, 36),)
    edit = Edit(film=source, begin=1, count=3, masks=masks, boxes=box)
    came = torch.cat([chunk.frames for chunk in source.chunks(1, 4, deep=True)], dim=2)
    made = came[:, :, :, 2:36, 4:56] * 0.8 + torch.tensor([0.3, 0.0, -0.2]).view(1, 3, 1, 1)
    wanted = stitch(made, came, masks > 127, box, blend_mode="multiband")
    monkeypatch.setattr(footage, "CHUNK_BYTES", 2 * 40 * 60 * 12)
    found = torch.cat([frames for frames, _ in back.put_back(made, edit, blend_mode="multiband")], dim=2)
    inside = (masks > 127)[None, None].expand_as(found)
    assert (found - wanted)[inside].abs().max() < 2e-5
    assert (found - came)[inside].abs().max() < 0.25  # brought to the levels of the film


def test_places():
    where = torch.zeros(5, 7, dtype=torch.bool)
    assert box_of(where) is None
    where[1, 2] = where[3, 5] = True
    assert box_of(where) == Box(2, 1, 6, 4)
    assert [is_series(Path(name)) for name in ("a/out", "a/%03d.png", "a.b/c.mp4")] == [True, True, False]


# Crops


def test_sides_of_boxes_at_the_limits():
    def side(height: int, margin: float, step: int, frame: int = 100) -> Box:
        masks = torch.zeros(1, frame, frame, dtype=torch.bool)
        masks[0, 30 : 30 + height, 40:50] = True
        return crop_boxes(masks, margin=margin, step=step)[0]

    assert side(16, 0.0, 16) == Box(37, 30, 53, 46)
    assert side(17, 0.0, 16) == Box(37, 22, 53, 54)
    assert side(8, 0.5, 16) == Box(29, 26, 61, 42)
    assert side(20, 0.5, 10) == Box(35, 20, 55, 60)
    assert (side(40, 1.0, 16).top, side(40, 1.0, 16).bottom) == (0, 100)  # 120, which is more than there is
    masks = torch.zeros(2, 100, 100, dtype=torch.bool)
    masks[:, 30:46, 40:56] = True
    one, two = crop_boxes(masks, margin=0.0, step=16), crop_boxes(masks, margin=0.0, step=16, follow=True)
    assert one == (Box(40, 30, 56, 46),)
    assert two == (Box(32, 22, 64, 54),) * 2  # a pixel more for places between pixels
    assert crop_boxes(masks) == crop_boxes(masks, margin=0.5, step=16, follow=False) == (Box(32, 22, 64, 54),)


def test_a_box_follows_as_slowly_as_documented():
    masks = torch.zeros(30, 60, 300, dtype=torch.bool)
    for n in range(30):
        left = 60 if n < 15 else 180
        masks[n, 20:30, left : left + 20] = True
    lefts = [box.left for box in crop_boxes(masks, margin=0.0, step=8, follow=True)]
    share = torch.tensor([left - lefts[0] for left in lefts]).double() / (lefts[-1] - lefts[0])
    away = torch.arange(-14.5, 15)
    wanted = torch.special.ndtr(away / 6.0)
    assert (share - wanted)[8:22].abs().max() < 0.03
