"""Masks: their algebra, their shapes, and the official augmentation pixel for pixel."""

from __future__ import annotations

import sys
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused
from torch import Tensor

from vace_core.errors import InputError, ShapeError, VaceError
from vace_core.geometry import Box
from vace_core.inputs import masks as m


@st.composite
def clips(draw, count: int = 1) -> tuple[Tensor, ...]:
    """`count` masks of one size, of a few rectangles each, so that shapes and not only noise are seen."""
    batch, frames, height, width = (draw(st.integers(1, most)) for most in (2, 4, 17, 19))
    made = []
    for _ in range(count):
        masks = torch.zeros(batch, 1, frames, height, width)
        for _ in range(draw(st.integers(0, 4))):
            b, f = draw(st.integers(0, batch - 1)), draw(st.integers(0, frames - 1))
            y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
            masks[b, 0, f, y : y + draw(st.integers(1, 9)), x : x + draw(st.integers(1, 9))] = 1
        made.append(masks)
    return tuple(made)


pixels = st.integers(0, 6)
quick = settings(max_examples=60, deadline=None, derandomize=True)


def inside(smaller: Tensor, larger: Tensor) -> bool:
    return bool((smaller <= larger).all())


def spot(height: int = 9, width: int = 11) -> Tensor:
    """One pixel, in the middle of one frame."""
    masks = torch.zeros(1, 1, 1, height, width)
    masks[..., height // 2, width // 2] = 1
    return masks


def blobs() -> Tensor:
    """Two frames of 60 x 90, in each an ellipse and a rectangle that do not touch."""
    y, x = np.mgrid[:60, :90]
    first = ((x - 30) ** 2 / 200 + (y - 25) ** 2 / 90 < 1) | ((abs(x - 55) < 6) & (abs(y - 40) < 4))
    second = ((x - 40) ** 2 / 200 + (y - 28) ** 2 / 90 < 1) | ((abs(x - 60) < 3) & (abs(y - 15) < 9))
    return torch.from_numpy(np.stack((first, second))).float()[None, None]


def counts_and_checksum(masks: Tensor) -> tuple[list[int], int]:
    frames = masks[0, 0].mul(255).byte().numpy()
    return [int((frame > 0).sum()) for frame in frames], zlib.crc32(frames.tobytes())


# The set algebra.


@quick
@given(clips(count=3))
def test_union_and_intersection_are_a_set_algebra(clip):
    a, b, c = clip
    assert torch.equal(m.union(a, m.union(b, c)), m.union(m.union(a, b), c))
    assert torch.equal(m.union(a, b, c), m.union(c, b, a))
    assert torch.equal(m.union(a, a), a)
    assert torch.equal(m.invert(m.union(a, b)), m.intersection(m.invert(a), m.invert(b)))
    assert torch.equal(m.intersection(a, m.union(b, c)), m.union(m.intersection(a, b), m.intersection(a, c)))
    assert torch.equal(m.difference(a, b), m.intersection(a, m.invert(b)))
    assert torch.equal(m.invert(m.invert(a)), a)


# Shapes.


@quick
@given(clips(), pixels, pixels)
def test_growing_contains_and_shrinking_is_contained(clip, less, more):
    (masks,) = clip
    less, more = sorted((less, more))
    assert inside(masks, m.grow(masks, less))
    assert inside(m.grow(masks, less), m.grow(masks, more))
    assert inside(m.shrink(masks, more), m.shrink(masks, less))
    assert inside(m.shrink(masks, less), masks)
    assert torch.equal(m.grow(masks, 0), masks)
    assert torch.equal(m.shrink(masks, 0), masks)
    assert torch.equal(m.shrink(masks, more), m.invert(m.grow(m.invert(masks), more)))
    assert inside(masks, m.shrink(m.grow(masks, more), more))


@quick
@given(clips(), pixels)
def test_growing_reaches_exactly_the_pixels_within_the_distance(clip, reach):
    (masks,) = clip
    frame = masks[0, 0, 0]
    y, x = torch.meshgrid(torch.arange(frame.shape[0]), torch.arange(frame.shape[1]), indexing="ij")
    wanted = torch.zeros_like(frame)
    for row, column in frame.nonzero().tolist():
        wanted[(y - row) ** 2 + (x - column) ** 2 <= reach**2] = 1
    assert torch.equal(m.grow(masks, reach)[0, 0, 0], wanted)


def test_growing_is_round():
    assert m.grow(spot(), 3).sum() == 29


def test_empty_stays_empty_and_full_stays_full():
    full = torch.ones(1, 1, 2, 8, 8)
    for change in (m.hull, m.box, lambda masks: m.grow(masks, 3), lambda masks: m.shrink(masks, 3)):
        assert torch.equal(change(full * 0), full * 0)
        assert torch.equal(change(full), full)
    assert torch.equal(m.soften(full, 3), full)


@quick
@given(clips())
def test_mask_hull_and_box_contain_each_other_in_this_order(clip):
    (masks,) = clip
    hull, box = m.hull(masks), m.box(masks)
    assert inside(masks, hull)
    assert inside(hull, box)
    assert torch.equal(m.box(hull), box)
    assert torch.equal(m.box(box), box)


@quick
@given(clips())
def test_the_bounding_box_is_that_of_the_boxes_of_all_frames(clip):
    (masks,) = clip
    found = m.bounding_box(masks)
    still = m.steady(m.box(masks), None).amax(dim=0, keepdim=True)
    if found is None:
        assert not masks.any()
        return
    assert still[..., found.top : found.bottom, found.left : found.right].shape[-2:] == (found.height, found.width)
    inner = still[..., found.top : found.bottom, found.left : found.right]
    assert inner.sum() == still.sum()
    assert all(edge.any() for edge in (inner[..., 0, :], inner[..., -1, :], inner[..., 0], inner[..., -1]))


def test_the_bounding_box_is_half_open():
    assert m.bounding_box(spot(9, 11)) == Box(5, 4, 6, 5)
    assert m.bounding_box(spot() * 0) is None


@quick
@given(clips(), pixels)
def test_the_blend_is_zero_outside_and_one_deep_inside(clip, ramp):
    (masks,) = clip
    blend = m.soften(masks, ramp)
    assert (blend[masks == 0] == 0).all()
    assert (blend[masks == 1] > 0).all()
    assert (blend[m.shrink(masks, ramp + 1) == 1] == 1).all()
    assert torch.equal(m.soften(masks, 0), masks)


def test_the_blend_is_a_straight_ramp():
    masks = torch.zeros(1, 1, 1, 1, 9)
    masks[..., 2:] = 1
    assert m.soften(masks, 3).flatten().tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1]


# Time.


@quick
@given(clips(), st.integers(0, 5))
def test_steady_is_the_union_of_the_frames_around(clip, radius):
    (masks,) = clip
    held = m.steady(masks, radius)
    for index in range(masks.shape[2]):
        around = masks[:, :, max(index - radius, 0) : index + radius + 1]
        assert torch.equal(held[:, :, index], around.amax(dim=2))


def test_steady_without_a_radius_holds_the_union_of_the_clip():
    masks = torch.eye(4).reshape(1, 1, 4, 1, 4)
    assert m.steady(masks, None).eq(1).all()
    assert torch.equal(m.steady(masks, 100), m.steady(masks, None))


# The official augmentation. All numbers: MaskAugAnnotator of ali-vilab/VACE 48eb44f, run with OpenCV 5.0 and Pillow 13;
# the checksum is zlib.crc32 of the uint8 masks.


@pytest.mark.parametrize(
    ("mode", "counts", "checksum"),
    [
        ("original", [500, 508], 921429476),
        ("original_expand", [1398, 1443], 3225899637),
        ("hull", [735, 714], 2343152821),
        ("hull_expand", [1617, 1602], 3354255979),
        ("bbox", [1260, 1147], 3280643387),
        ("bbox_expand", [2142, 2035], 3836125792),
    ],
)
def test_augmentation_is_the_official_one(mode, counts, checksum):
    drawn = m.augment(blobs(), mode, expand_ratio=0.4, expand_iters=3, expand_lrtp=(0.5, 1, 0.25, 0.75), seed=7)
    assert counts_and_checksum(drawn) == (counts, checksum)


@pytest.mark.parametrize(
    ("mode", "seed", "counts", "checksum"),
    [
        ("original_expand", 3, [734, 825], 129793602),
        ("hull", 3, [735, 714], 2343152821),
        ("hull_expand", 3, [987, 993], 2157759591),
        ("bbox_expand", 3, [1512, 1426], 2552015828),
        ("random", 0, [1436, 1283], 2113634134),  # hull_expand
        ("random", 1, [500, 508], 921429476),  # original
        ("random", 3, [1260, 1147], 3280643387),  # bbox
        ("random", 5, [2142, 1591], 755464604),  # bbox_expand
        ("random", 9, [735, 714], 2343152821),  # hull
    ],
)
def test_what_is_drawn_from_the_seed_is_what_the_official_annotator_draws(mode, seed, counts, checksum):
    drawn = m.augment(blobs(), mode, expand_iters=None, expand_lrtp=None, seed=seed)
    assert counts_and_checksum(drawn) == (counts, checksum)


def test_the_hull_is_drawn_in_the_direction_the_official_annotator_draws():
    """A rare hull whose picture depends on it, by one pixel."""
    masks = torch.zeros(1, 1, 1, 32, 32)
    masks[..., [29, 22, 15], [0, 22, 31]] = 1
    assert [int(m.augment(masks, "hull", seed=seed).sum()) for seed in range(4)] == [62, 61, 61, 61]


def test_growth_by_direction_is_the_official_one():
    """The longest step is a pixel shorter to the left and top, as in the official kernel."""
    masks = torch.zeros(1, 1, 1, 100, 160)
    masks[..., 30:51, 40:81] = 1
    all_sides = m.augment(masks, "original_expand", expand_lrtp=(1, 1, 1, 1))
    some_sides = m.augment(masks, "original_expand", expand_lrtp=(0.5, 1, 0, 0.25))
    assert (m.bounding_box(all_sides), all_sides.sum()) == (Box(35, 25, 91, 56), 1736)
    assert (m.bounding_box(some_sides), some_sides.sum()) == (Box(35, 30, 91, 51), 1176)


def test_hull_and_box_of_an_l_shape_are_the_official_ones():
    masks = torch.zeros(1, 1, 1, 90, 110)
    masks[..., 20:81, 20:31] = 1
    masks[..., 70:81, 20:101] = 1
    assert [shape.sum() for shape in (masks, m.hull(masks), m.box(masks))] == [1441, 3156, 4941]


def test_a_shadow_is_taken_along_by_growing_downwards_only():
    found = m.bounding_box(m.augment(blobs(), "bbox_expand", expand_ratio=1, expand_iters=1, expand_lrtp=(0, 0, 0, 1)))
    before = m.bounding_box(m.box(blobs()))
    assert before is not None
    assert found is not None
    assert (found.left, found.right, found.top) == (before.left, before.right, before.top)
    assert found.bottom > before.bottom


def test_the_draw_is_one_for_the_clip():
    """Equal frames stay equal, whatever the seed draws."""
    masks = blobs()[:, :, :1].expand(-1, -1, 5, -1, -1)
    for seed in range(12):
        drawn = m.augment(masks, "random", expand_iters=None, expand_lrtp=None, seed=seed)
        assert torch.equal(drawn, drawn[:, :, :1].expand_as(drawn))


@quick
@given(clips(), st.sampled_from(m.AUGMENT_MODES), st.integers(0, 99))
def test_augmentation_only_ever_adds(clip, mode, seed):
    (masks,) = clip
    drawn = m.augment(masks, mode, expand_lrtp=None, expand_iters=None, seed=seed)
    assert inside(masks, drawn)
    assert torch.equal(drawn.amax(dim=(-2, -1)), masks.amax(dim=(-2, -1)))


# What is refused, and in which words.


def refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return refused(caught.value)


def test_only_hard_masks_with_one_channel_are_taken():
    half, wide = torch.full((1, 1, 1, 2, 2), 0.5), torch.zeros(1, 3, 1, 2, 2)
    by_one = [lambda masks, change=change: change(masks, 1) for change in (m.grow, m.shrink, m.soften, m.steady)]
    augment = lambda masks: m.augment(masks, "original")  # noqa: E731
    for function in (m.invert, m.hull, m.box, m.bounding_box, m.union, augment, *by_one):
        with pytest.raises(ShapeError) as caught:
            function(wide)
        assert refused(caught.value) == "mask-shape: shape=(1, 3, 1, 2, 2)"
        assert refusal(lambda function=function: function(half)) == "mask-values: high=0.5, low=0.5"
        assert refusal(lambda function=function: function(half > 1)) == "mask-dtype: dtype=torch.bool"


def test_numbers_out_of_range_are_refused():
    masks = spot()
    assert refusal(lambda: m.grow(masks, -1)) == "number-range: needed=[0, inf), value=-1, what=Grow (pixels)"
    assert refusal(lambda: m.shrink(masks, -2)) == "number-range: needed=[0, inf), value=-2, what=Shrink (pixels)"
    assert refusal(lambda: m.soften(masks, -3)) == "number-range: needed=[0, inf), value=-3, what=Soften (pixels)"
    assert refusal(lambda: m.steady(masks, -4)) == "number-range: needed=[0, inf), value=-4, what=Steady (frames)"
    assert refusal(lambda: m.augment(masks, "bbox_expand", expand_ratio=float("nan"))) == (
        "number-range: needed=[0, inf), value=nan, what=expand_ratio"
    )
    assert refusal(lambda: m.augment(masks, "bbox_expand", expand_iters=0)) == (
        "number-range: needed=whole [1, inf), value=0, what=expand_iters"
    )
    assert refusal(lambda: m.augment(masks, "bbox_expand", expand_lrtp=(0, 0, 0, 2))) == (
        "expand-lrtp: expand_lrtp=(0, 0, 0, 2)"
    )


def test_an_unknown_mode_is_named():
    assert refusal(lambda: m.augment(spot(), "blob")) == (
        "mask-mode: known=original, original_expand, hull, hull_expand, bbox, bbox_expand, random, mode=blob"
    )


def test_masks_of_different_sizes_do_not_mix():
    assert refusal(lambda: m.union(spot(9, 11), spot(9, 12))) == (
        "masks-differ: other_shape=(1, 1, 1, 9, 12), shape=(1, 1, 1, 9, 11)"
    )
    assert refusal(m.intersection) == "no-mask"


def test_without_opencv_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(VaceError) as caught:
        m.grow(spot(), 1)
    assert refused(caught.value) == "opencv-not-installed"
