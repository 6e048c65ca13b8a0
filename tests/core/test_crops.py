"""Boxes around a mask, and what was made of them put back."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from refused import refused

from vace_core.errors import InputError, ShapeError
from vace_core.geometry import Box
from vace_core.inputs import put_back as back
from vace_core.inputs.crops import crop_boxes, crop_masks
from vace_core.inputs.put_back import Edit, stitch
from vace_core.media import footage
from vace_core.media.sources import open_footage


def moving(frames: int = 9, height: int = 96, width: int = 160, step: int = 10) -> torch.Tensor:
    """A mask of 16 x 20 that goes right evenly."""
    masks = torch.zeros(frames, height, width, dtype=torch.bool)
    for n in range(frames):
        masks[n, 40:56, 10 + step * n : 30 + step * n] = True
    return masks


def test_one_box_holds_the_mask_in_all_frames_with_the_surrounding_asked_for():
    (box,) = crop_boxes(moving(), margin=0.0, step=16)
    assert box == Box(4, 40, 116, 56)  # columns 10 to 110, 100 of them, as 112; rows 40 to 56
    (wider,) = crop_boxes(moving(), margin=0.5, step=16)
    assert (wider.height, wider.width) == (32, 160)


@given(st.integers(2, 12), st.integers(-6, 8), st.floats(0, 1), st.sampled_from([8, 16, 32]))
def test_a_box_that_follows_holds_the_mask_in_every_frame_and_keeps_its_size(frames, step, margin, grid):
    masks = torch.zeros(frames, 96, 160, dtype=torch.bool)
    for n in range(frames):
        left = 70 + step * n // 2
        masks[n, 40 + n : 52 + n, left : left + 12] = True
    boxes = crop_boxes(masks, margin=margin, step=grid, follow=True)
    assert len(boxes) == frames
    assert len({(box.width, box.height) for box in boxes}) == 1
    for mask, box in zip(masks, boxes, strict=True):
        assert box.left >= 0 <= box.top
        assert box.right <= 160
        assert box.bottom <= 96
        assert mask.sum() == mask[box.top : box.bottom, box.left : box.right].sum()
        assert box.width % grid == 0
        assert box.height % grid == 0


def test_an_even_move_is_followed_evenly_to_the_last_frame():
    boxes = crop_boxes(moving(step=8), margin=0.25, step=8, follow=True)
    assert {after.left - before.left for before, after in pairwise(boxes)} == {8}
    assert {box.top for box in boxes} == {boxes[0].top}


def test_a_frame_without_a_mask_has_the_box_of_its_nearest():
    masks = moving(frames=7)
    masks[1:3] = False
    boxes = crop_boxes(masks, margin=0.0, step=8, follow=True)
    alone = torch.stack([masks[0], masks[0], masks[3], masks[3], *masks[4:]])
    assert boxes == crop_boxes(alone, margin=0.0, step=8, follow=True)


def test_a_frame_too_small_for_the_grid_is_taken_whole():
    masks = torch.zeros(1, 20, 50, dtype=torch.bool)
    masks[0, 5:15, 5:45] = True
    assert crop_boxes(masks, margin=1.0, step=16) == (Box(0, 0, 50, 20),)
    assert crop_boxes(masks[:, :, :40], margin=0.0, step=16) == (Box(0, 2, 40, 18),)


def test_masks_are_cut_out_box_by_box():
    masks = moving(frames=3)
    boxes = tuple(Box(10 + 10 * n, 40, 30 + 10 * n, 56) for n in range(3))
    assert crop_masks(masks, boxes).all()
    assert crop_masks(masks, boxes).shape == (3, 16, 20)
    assert torch.equal(crop_masks(masks, boxes[:1]), masks[:, 40:56, 10:30])
    assert torch.equal(crop_masks(masks[:1], boxes)[2], masks[0, 40:56, 30:50])


def test_nothing_to_crop_is_refused():
    with pytest.raises(InputError) as empty:
        crop_boxes(torch.zeros(3, 16, 16, dtype=torch.bool))
    assert refused(empty.value) == "nothing-to-generate"
    with pytest.raises(InputError) as margin:
        crop_boxes(moving(), margin=-0.1)
    assert refused(margin.value).startswith("number-range: needed=[0, inf)")


def test_what_is_stitched_is_in_its_box_inside_the_mask_and_the_rest_as_it_came():
    masks, source = moving(frames=3), torch.rand(1, 3, 3, 96, 160) * 2 - 1
    boxes = crop_boxes(masks, margin=0.5, step=16, follow=True)
    made = torch.rand(1, 3, 3, boxes[0].height, boxes[0].width) * 2 - 1
    result = stitch(made, source, masks, boxes)
    assert torch.equal(result[0][:, ~masks], source[0][:, ~masks])
    for n, box in enumerate(boxes):
        whole = source[0, :, n].clone()
        whole[:, box.top : box.bottom, box.left : box.right] = made[0, :, n]
        assert torch.equal(result[0, :, n][:, masks[n]], whole[:, masks[n]])


def test_a_stitch_of_another_size_is_scaled_to_its_box():
    masks, source = moving(frames=1), torch.zeros(1, 3, 1, 96, 160)
    (box,) = crop_boxes(masks, margin=0.5, step=16)
    ramp = torch.linspace(-1, 1, 2 * box.width).expand(1, 3, 1, 2 * box.height, 2 * box.width)
    result = stitch(ramp, source, masks, (box,))
    wanted = torch.linspace(-1, 1, 2 * box.width).view(box.width, 2).mean(1)
    columns = masks[0].any(0).nonzero().flatten()
    shown = result[0, 0, 0, 48, columns]
    assert torch.allclose(shown, wanted[columns - box.left], atol=0.02)


def test_a_soft_edge_lies_inside_the_mask_alone():
    masks, source = moving(frames=1), torch.full((1, 3, 1, 96, 160), -1.0)
    (box,) = crop_boxes(masks, margin=0.5, step=16)
    result = stitch(torch.ones(1, 3, 1, box.height, box.width), source, masks, (box,), feather=4)
    assert torch.equal(result[0][:, ~masks], source[0][:, ~masks])
    inside = result[0, 0, 0][masks[0]].view(16, 20)
    assert inside[8, 10] == 1.0
    assert -1.0 < inside[0, 10] < inside[1, 10] < inside[3, 10]


def test_a_stitch_of_another_length_is_refused():
    masks, source = moving(frames=3), torch.zeros(1, 3, 3, 96, 160)
    with pytest.raises(ShapeError) as error:
        stitch(torch.zeros(1, 3, 2, 32, 48), source, masks, crop_boxes(masks))
    assert refused(error.value) == "stitch-length: count=3, frames=2"


@pytest.mark.parametrize(
    ("room", "feather", "counts"),
    [
        (10**9, 0, [16, 4]),
        (5 * 32 * 48 * 12, 0, [5, 5, 5, 5]),
        (5 * 32 * 48 * 12 - 1, 2, [4, 4, 4, 4, 4]),
        (1, 1, [1] * 20),
    ],
)
def test_a_film_is_put_back_in_chunks_that_fit(monkeypatch, tmp_path, room, feather, counts):
    """In however many, every frame is in its place, and of its soft edge it has its own film."""
    (tmp_path / "film").mkdir()
    pictures = torch.arange(23, dtype=torch.uint8)[:, None, None, None].expand(23, 32, 48, 3)
    for n, picture in enumerate(pictures):
        Image.fromarray(picture.numpy().copy()).save(tmp_path / "film" / f"{n}.png")
    masks = torch.zeros(20, 32, 48, dtype=torch.uint8)
    masks[:, 8:24, 8:40] = 255
    edit = Edit(film=open_footage(tmp_path / "film"), begin=2, count=20, masks=masks)
    made = torch.arange(20.0).div(20).view(1, 1, 20, 1, 1).expand(1, 3, 20, 32, 48).contiguous()
    monkeypatch.setattr(footage, "CHUNK_BYTES", room)
    chunks = list(back.put_back(made, edit, feather=feather))
    assert [len(where) for _, where in chunks] == counts
    frames, where = torch.cat([one for one, _ in chunks], dim=2), torch.cat([one for _, one in chunks])
    assert torch.equal(where, masks > 127)
    assert torch.equal(frames[..., 16, 24], made[..., 16, 24])
    share = 1 / (feather + 1)
    edge = (
        made[..., 8, 24]
        if not feather
        else torch.lerp(pictures[2:22, 0, 0].T[None] / 127.5 - 1, made[..., 8, 24], share)
    )
    assert torch.allclose(frames[..., 8, 24], edge, atol=1e-6)


def test_a_mask_that_trembles_is_followed_calmly():
    masks = torch.zeros(25, 120, 200, dtype=torch.bool)
    for n in range(25):
        top = 40 + 8 * (n % 2)
        masks[n, top : top + 20, 20 + 4 * n : 50 + 4 * n] = True
    boxes = crop_boxes(masks, margin=0.2, step=8, follow=True)
    middle = boxes[8:-8]
    assert max(box.top for box in middle) - min(box.top for box in middle) <= 1
    assert {after.left - before.left for before, after in pairwise(middle)} == {4}


def test_a_picture_of_sixteen_bits_is_put_back_as_a_picture(tmp_path):
    Image.fromarray(torch.full((32, 48), 40000, dtype=torch.int32).numpy().astype("uint16")).save(tmp_path / "a.png")
    masks = torch.zeros(1, 32, 48, dtype=torch.uint8)
    masks[:, 8:24, 8:40] = 255
    edit = Edit(film=open_footage(tmp_path / "a.png"), begin=0, count=1, masks=masks)
    assert edit.film.bits == 16
    back.write_put_back(tmp_path / "b.png", torch.full((1, 3, 1, 32, 48), 0.5), edit)
    with Image.open(tmp_path / "b.png") as picture:
        assert (picture.getpixel((2, 2)), picture.getpixel((20, 16))) == ((156, 156, 156), (191, 191, 191))
