"""Data construction: what is drawn and followed is as it was when it was looked at; what references show.

After a change that is meant, `python tests/core/test_construction_drawn.py` draws the pictures anew; look at each.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features
from torch import Tensor

from vace_core.errors import InputError
from vace_core.geometry import Box
from vace_core.inputs.tracking import alike, follow, look
from vace_core.media.video import from_uint8, to_uint8
from vace_core.training.construction.boxes import Found, Kept
from vace_core.training.construction.networks import depth_pictures
from vace_core.training.construction.pose import draw_person
from vace_core.training.construction.references import Changes, reference_of
from vace_core.training.construction.sheet import Seen, draw_sheet
from vace_core.training.construction.tracking import present, tracked

GOLDEN = Path(__file__).with_name("golden")
FLOW = 805, 925  # rows of the first sheet
FREETYPE = "2.14.3"  # draws letters a little differently in each version


def texture(seed: int, height: int, width: int) -> Tensor:
    """`(H, W, 3)` uint8: soft blots."""
    drawn = torch.rand(1, 3, height // 8 + 2, width // 8 + 2, generator=torch.Generator().manual_seed(seed))
    large = torch.nn.functional.interpolate(drawn, size=(height, width), mode="bicubic").clamp(0, 1)
    return (large[0].permute(1, 2, 0) * 255).to(torch.uint8)


def discs(count: int = 4, height: int = 60, width: int = 90) -> tuple[Tensor, Tensor]:
    """Frames `(T, H, W, 3)` in which a red disc goes right and a green one down, and their masks `(2, T, H, W)`."""
    y, x = torch.arange(height).view(1, -1, 1), torch.arange(width).view(1, 1, -1)
    time = torch.arange(count).view(-1, 1, 1)
    red = (x - 22 - 3 * time).square() + (y - 20).square() < 13**2
    green = (x - 68).square() + ((y - 18 - 4 * time) * 1.4).square() < 15**2
    ramps = torch.stack(torch.broadcast_tensors(y[0] + 60, x[0] + 80, x[0] // 2 + 2 * y[0]), 2)
    frames = ramps.byte().expand(count, -1, -1, -1).clone()
    frames[red], frames[green] = torch.tensor([225, 40, 30]).byte(), torch.tensor([20, 150, 40]).byte()
    return frames, torch.stack([red, green])


# What is drawn


def people() -> Image.Image:
    """A whole body, one without its left shoulder, and one of which all are as sure as is just not enough."""
    joints = np.array([(50, 20), (56, 14), (45, 15), (64, 18), (38, 19), (72, 42), (30, 44), (88, 66), (17, 70),
                       (80, 92), (24, 95), (64, 98), (40, 99), (70, 130), (36, 134), (67, 162), (31, 160)],
                      dtype=np.float32)  # fmt: skip
    picture = np.zeros((176, 320, 3), np.uint8)
    sure = np.full(17, 0.3, np.float32)
    draw_person(picture, joints, sure + 1e-6)
    sure[5] = 0.29
    draw_person(picture, joints + np.array((110, 3)), sure + 1e-6)
    draw_person(picture, joints * (1, -1) + np.array((215, 170)), np.full(17, 0.2999, np.float32))
    draw_person(picture, joints * (1, -1) + np.array((214.5, 171.5)), np.where(np.arange(17) % 4 == 2, 0.1, 0.9))
    return Image.fromarray(picture)


def whole_sheet() -> Image.Image:
    frames, masks = discs(7)
    frames = frames.repeat_interleave(2, 1).repeat_interleave(2, 2)
    masks = masks.repeat_interleave(2, 2).repeat_interleave(2, 3)
    masks[1, :3] = False
    shown = from_uint8(frames[:1])
    lines = ["7 frames, 180 x 120", "caption: " + "a long sentence about 狗 discs " * 30, "", "word" * 60]
    return draw_sheet(
        Seen(title="film-0001 狗", lines=lines, frames=frames, masks=masks, references=[shown, shown[..., :40, :]],
             labels=["red disc of a very long name", "green"], controls=[("depth", 255 - frames)])
    )  # fmt: skip


def large_sheet() -> Image.Image:
    down, right = torch.arange(230).view(-1, 1).expand(230, 410), torch.arange(410).expand(230, 410) // 2
    frames = torch.stack([torch.stack([down, right, torch.full_like(down, level)], 2) for level in (0, 99, 200)]).byte()
    masks = torch.zeros(8, 3, 230, 410, dtype=torch.bool)
    for number in range(7):  # the last has no mask
        masks[number, :, 20 + 25 * number :, 50 * number : 50 * number + 30] = True
    labels = ["", "b", "", "d", "", "", "g", "h"]
    return draw_sheet(Seen(title="dropped", lines=[], frames=frames, masks=masks, labels=labels, derived=False))


def tiny_sheet() -> Image.Image:
    frames, masks = discs(2, 24, 36)
    return draw_sheet(Seen(title="tiny", lines=["one line"], frames=frames[:1], masks=masks[:0]))


SHEETS: dict[str, Callable[[], Image.Image]] = {
    f"data_{make.__name__}": make for make in (whole_sheet, large_sheet, tiny_sheet)
}


def test_people_look_as_they_did_when_they_were_looked_at():
    with Image.open(GOLDEN / "data_people.png") as wanted:
        assert np.array_equal(np.asarray(people()), np.asarray(wanted.convert("RGB")))


@pytest.mark.skipif(features.version("freetype2") != FREETYPE, reason="letters of another FreeType")
@pytest.mark.parametrize("name", SHEETS)
def test_a_sheet_looks_as_it_did_when_it_was_looked_at(name: str):
    with Image.open(GOLDEN / f"{name}.png") as wanted:
        found, wanted = np.asarray(SHEETS[name]()).astype(int), np.asarray(wanted.convert("RGB"))
    assert found.shape == wanted.shape
    apart = np.abs(found - wanted).max(2)
    flow = slice(*FLOW) if name == "data_whole_sheet" else slice(0)
    assert apart[flow].max(initial=0) <= 2  # other machines round it otherwise
    apart[flow] = 0
    assert not apart.any()


def test_depth_goes_from_black_to_white_in_each_frame():
    depth = torch.tensor([[[0.0, 1.0], [3.0, 4.0]], [[-2.0, -2.0], [-2.0, -1.0]], [[5.0, 5.0], [5.0, 5.0]]])
    shown = depth_pictures(depth)
    assert shown.shape == (3, 2, 2, 3)
    assert shown[..., 2].flatten(1).tolist() == [[0, 64, 191, 255], [0, 0, 0, 255], [0, 0, 0, 0]]


# What is followed


def test_what_is_followed_is_as_it_was_when_it_was_looked_at():
    frames, truth = discs()
    boxes = [Box(9, 7, 36, 34), Box(52, 6, 84, 30)]
    found = follow(frames, boxes)
    assert ((found & truth).sum((2, 3)) / (found | truth).sum((2, 3))).min() > 0.9
    large = torch.nn.functional.interpolate(frames.permute(0, 3, 1, 2), scale_factor=6).permute(0, 2, 3, 1)
    scaled = follow(large[:2].contiguous(), [Box(*(6 * side for side in astuple(box))) for box in boxes])
    whole = follow(frames[:2, :40, :40].contiguous(), [Box(0, 0, 40, 40)])  # with nothing around it
    with Image.open(GOLDEN / "data_followed.png") as wanted:
        apart = np.asarray(followed(found, scaled, whole)) != np.asarray(wanted)
    assert apart.sum() <= 20  # pixels of all frames, on another processor


def followed(found: Tensor, scaled: Tensor, whole: Tensor) -> Image.Image:
    rows = [torch.cat([*one], 1) for one in (*found, *scaled[..., ::3, ::3], *whole)]
    width = max(row.shape[1] for row in rows)
    padded = [torch.nn.functional.pad(row, (0, width - row.shape[1])) for row in rows]
    return Image.fromarray(torch.cat(padded).byte().mul(255).numpy()).convert("1")


def test_each_is_followed_both_ways_from_its_own_frame():
    def numbered(frames: Tensor, boxes: list[Box]) -> Tensor:
        """True as often as the frame's own number says, from the box's left on; the box itself in the first."""
        masks = torch.zeros(len(boxes), *frames.shape[:3], dtype=torch.bool)
        for mask, box in zip(masks, boxes, strict=True):
            for part, frame in zip(mask, frames, strict=True):
                part[box.left, : int(frame[0, 0, 0])] = True
        return masks

    frames = torch.arange(1, 6).byte().view(5, 1, 1, 1).expand(5, 8, 8, 3)
    found = [Found(box=Box(2, 0, 3, 1), frame=3), Found(box=Box(0, 0, 1, 1)), Found(box=Box(4, 0, 5, 1), frame=3),
             Found(box=Box(6, 0, 7, 1), frame=4)]  # fmt: skip
    masks = tracked(numbered, frames, found)
    assert masks.shape == (4, 5, 8, 8)
    assert masks.sum((2, 3)).tolist() == [[1, 2, 3, 4, 5]] * 4
    assert masks.any(3).any(1).int().argmax(1).tolist() == [2, 0, 4, 6]
    assert tracked(numbered, frames, []).shape == (0, 5, 8, 8)


def test_an_object_is_there_where_enough_of_it_is_seen():
    mask = torch.zeros(4, 10, 20, dtype=torch.bool)
    mask[0, 0, 0] = mask[1, :2, 0] = mask[2] = True
    assert present(mask, Kept(visible=0.005)) == 0.75  # one pixel of 200 is enough
    assert present(mask, Kept(visible=0.0051)) == 0.5


def test_looks_are_shares_of_colours():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = (100, 200, 30)
    half, all_of_it = look(picture, np.arange(16).reshape(4, 4) < 8), look(picture, np.ones((4, 4), bool))
    assert half.shape == (8, 8, 8)
    assert half.sum() == pytest.approx(1)
    assert (half[3, 6, 0], half[2, 6, 0], half[3, 6, 7], half[3, 5, 1]) == pytest.approx(
        (1 / 8, 1 / 16, 1 / 16, 1 / 32)
    )
    assert alike(half, half) == pytest.approx(1)
    assert alike(half, all_of_it) == pytest.approx(0.5)
    assert look(picture, np.zeros((4, 4), bool)).sum() == 0


# References


def test_a_reference_is_of_the_frame_that_shows_most_of_the_object_whole():
    frames = torch.full((4, 60, 60, 3), 200, dtype=torch.uint8)
    mask = torch.zeros(4, 60, 60, dtype=torch.bool)
    sides = [(20, 44, 20, 44), (10, 40, 10, 44), (0, 60, 10, 50), (5, 55, 5, 55)]
    for place, (top, bottom, left, right) in enumerate(sides):
        mask[place, top:bottom, left:right] = True
        frames[place, top:bottom, left:right] = torch.tensor([200, 30 if place < 3 else 250, 30]).byte()
    plain = reference_of(frames, mask, None, random.Random(0))
    assert plain.shape == (1, 3, 1, 30, 34)  # the third touches the edges, the fourth has another colour
    assert to_uint8(plain)[0, 0, 0].tolist() == [200, 30, 30]
    assert reference_of(frames[:1], mask[:1], None, random.Random(0)).shape == (1, 3, 1, 24, 24)
    assert reference_of(frames[2:3], mask[2:3], None, random.Random(0)).shape == (1, 3, 1, 60, 40)
    assert reference_of(frames, mask, None, random.Random(0), found=3).shape == (1, 3, 1, 50, 50)
    mask[0, 43] = False  # 23 pixels high
    assert reference_of(frames[:1], mask[:1], None, random.Random(0)) is None
    face = reference_of(
        frames[1:2], mask[1:2], Changes(scale=0, light=0, colour=0, mirror=0), random.Random(0), face=True
    )
    assert to_uint8(face).shape == (1, 50, 54, 3)  # 0.3 of 34 pixels around it, and never turned
    assert to_uint8(face)[0, 0, 0].tolist() == [200, 200, 200]


@pytest.mark.parametrize("edge", [np.s_[:1, 20:50], np.s_[-1:, 20:50], np.s_[20:50, :1], np.s_[20:50, -1:]])
def test_an_object_at_any_edge_is_not_whole(edge):
    frames = torch.full((2, 60, 60, 3), 90, dtype=torch.uint8)
    mask = torch.zeros(2, 60, 60, dtype=torch.bool)
    mask[:, 15:45, 15:45] = True
    mask[(1, *edge)] = True
    assert reference_of(frames, mask, None, random.Random(0)).shape[3:] == (30, 30)


def changed(**most: float) -> Tensor:
    picture = torch.full((1, 40, 60, 3), 255, dtype=torch.uint8)
    picture[0, 4:36, 6:54] = texture(1, 32, 48)
    mask = torch.zeros(1, 40, 60, dtype=torch.bool)
    mask[0, 4:36, 6:54] = True
    none = {"turn": 0.0, "scale": 0.0, "light": 0.0, "colour": 0.0, "mirror": 0.0}
    return to_uint8(reference_of(picture, mask, Changes(**none | most), random.Random(5)))[0].int()


def test_every_change_of_a_reference_does_what_it_is_called():
    plain = changed()
    assert torch.equal(plain, texture(1, 32, 48).int().clamp(max=254))
    assert torch.equal(changed(mirror=1.0), plain.flip(1))
    dice = random.Random(5)
    spread, contrast, light = dice.uniform(0.5, 1.5), dice.uniform(0.7, 1.3), dice.uniform(0.7, 1.3)
    gray = plain.float().mean(2, keepdim=True)
    wanted = (gray + (plain - gray) * spread).clamp(0, 254)
    assert (changed(colour=0.5) - wanted).abs().max() <= 1
    wanted = (((plain - 128) * contrast + 128) * light).clamp(0, 254)
    assert (changed(light=0.3) - wanted).abs().max() <= 1
    dice.random()
    angle, scale = np.radians(dice.uniform(-20, 20)), dice.uniform(0.6, 1.4)
    height, width = changed(scale=0.4).shape[:2]
    assert (height, width) == (round(32 * scale), round(48 * scale))
    turned = changed(turn=20.0)
    across, down = 48 * np.cos(angle) + 32 * abs(np.sin(angle)), 48 * abs(np.sin(angle)) + 32 * np.cos(angle)
    assert turned.shape[:2] == (round(down), round(across))
    assert turned[0, 0].tolist() == turned[-1, -1].tolist() == [255, 255, 255]
    assert (turned[turned.shape[0] // 2, turned.shape[1] // 2] - plain[16, 24]).abs().max() < 30


def test_changes_are_those_that_are_documented():
    assert astuple(Changes()) == (8.0, 0.15, 0.12, 0.12, 0.5)
    Changes(turn=180, scale=0.9, light=0.9, colour=0.9, mirror=1)
    Changes(turn=0, scale=0, light=0, colour=0, mirror=0)
    for name, most in (("turn", 180), ("scale", 0.9), ("light", 0.9), ("colour", 0.9), ("mirror", 1)):
        for wrong in (-0.01, most + 0.01):
            with pytest.raises(InputError):
                Changes(**{name: wrong})


if __name__ == "__main__":
    for case, make in SHEETS.items():
        make().save(GOLDEN / f"{case}.png", optimize=True)
    people().save(GOLDEN / "data_people.png", optimize=True)
    clip, _ = discs()
    sides = [Box(9, 7, 36, 34), Box(52, 6, 84, 30)]
    big = torch.nn.functional.interpolate(clip.permute(0, 3, 1, 2), scale_factor=6).permute(0, 2, 3, 1)
    followed(
        follow(clip, sides),
        follow(big[:2].contiguous(), [Box(*(6 * side for side in astuple(box))) for box in sides]),
        follow(clip[:2, :40, :40].contiguous(), [Box(0, 0, 40, 40)]),
    ).save(GOLDEN / "data_followed.png", optimize=True)
