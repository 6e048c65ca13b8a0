"""Promises of the algebra on finished pixels: what composing units means for the video that comes out."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from official_rules import compose_official
from torch import Tensor

from vace_core import tasks
from vace_core.context import encode_context
from vace_core.errors import VaceError
from vace_core.models.wan.dit import encode_masks
from vace_core.pipeline import finish
from vace_core.pipeline.composite import composite_vcu
from vace_core.vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit, compose

T, H, W = 5, 16, 32
SILENT = tasks.text(num_frames=T, height=H, width=W)
VAE = tiny.vae()
LATENTS = torch.randn(1, 16, 2, H // 8, W // 8, generator=torch.Generator().manual_seed(0))


def clip(seed: int, t: int = T, h: int = H, w: int = W) -> Tensor:
    return tiny.clip(t, h, w, seed=seed)


def flat(value: float, t: int = T, h: int = H, w: int = W) -> Tensor:
    return torch.full((1, 3, t, h, w), value)


def mask_of(seed: int, kind: str) -> Tensor:
    """A box that moves, frames as a whole, or pixels by chance."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "pixels":
        return (torch.rand(1, 1, T, H, W, generator=generator) > 0.6).float()
    if kind == "frames":
        return (torch.rand(1, 1, T, 1, 1, generator=generator) > 0.5).float().expand(1, 1, T, H, W).contiguous()
    masks = torch.zeros(1, 1, T, H, W)
    for frame in range(T):
        top, left = (int(torch.randint(side // 2, (), generator=generator)) for side in (H, W))
        masks[:, :, frame, top : top + H // 2, left : left + W // 2] = 1
    return masks


def by_chance(seed: int) -> VideoConditionUnit:
    generator = torch.Generator().manual_seed(seed)
    roles = torch.randint(8, (1, 1, T, H // 4, W // 4), generator=generator, dtype=torch.uint8)
    roles = roles.repeat_interleave(4, dim=3).repeat_interleave(4, dim=4)
    return VideoConditionUnit(roles=roles, source=clip(seed), control=clip(seed + 1))


BUILD = {
    "silent": lambda seed, kind: SILENT,
    "silent, with clips": lambda seed, kind: replace(SILENT, source=clip(seed), control=clip(seed + 1)),
    "inpaint": lambda seed, kind: tasks.inpaint(clip(seed), mask_of(seed, kind)),
    "outpaint right": lambda seed, kind: tasks.outpaint(clip(seed, w=W - 16), right=16, step=1),
    "outpaint left": lambda seed, kind: tasks.outpaint(clip(seed, w=W - 16), left=16, step=1),
    "extend": lambda seed, kind: tasks.extend(clip(seed, 2), num_frames=T),
    "extend back": lambda seed, kind: tasks.extend(None, clip(seed, 1), num_frames=T),
    "keyframes": lambda seed, kind: tasks.keyframes({seed % T: clip(seed, 1)}, num_frames=T),
    "control": lambda seed, kind: tasks.control(clip(seed), masks=mask_of(seed, kind)),
    "depth": lambda seed, kind: tasks.depth(clip(seed)),
    "by chance": lambda seed, kind: by_chance(seed),
}
UNITS = st.builds(
    lambda task, seed, kind: BUILD[task](seed, kind),
    st.sampled_from(sorted(BUILD)),
    st.integers(0, 10_000),
    st.sampled_from(["box", "frames", "pixels"]),
)
FEATHERS = st.sampled_from([0, 1, 3, 6])


def finished(unit: VideoConditionUnit, feather: int, match_colour: bool) -> Tensor | str:
    """The video, or why there is none."""
    try:
        return finish(VAE, unit, LATENTS, feather=feather, match_colour=match_colour)
    except VaceError as error:
        return str(error)


def assert_one_video(a: VideoConditionUnit, b: VideoConditionUnit, feather: int, match_colour: bool) -> None:
    """Equal in what the model sees and in what comes out."""
    assert torch.equal(a.masks, b.masks)
    for ours, theirs in zip(a.decouple(), b.decouple(), strict=True):
        assert torch.equal(ours, theirs)
    ours, theirs = (finished(unit, feather, match_colour) for unit in (a, b))
    assert ours == theirs if isinstance(ours, str) or isinstance(theirs, str) else torch.equal(ours, theirs)


@settings(max_examples=50, deadline=None)
@given(UNITS, UNITS, UNITS, FEATHERS, st.booleans())
def test_how_units_are_grouped_makes_no_difference_to_the_video(a, b, c, feather, match_colour):
    assert_one_video(compose(compose(a, b), c), compose(a, compose(b, c)), feather, match_colour)


@settings(max_examples=30, deadline=None)
@given(UNITS, st.booleans(), FEATHERS, st.booleans())
def test_a_unit_that_says_nothing_changes_nothing_of_the_video(unit, carries, feather, match_colour):
    silent = BUILD["silent, with clips"](7, "box") if carries else SILENT
    assert_one_video(compose(silent, unit), unit, feather, match_colour)
    assert_one_video(compose(unit, silent), unit, feather, match_colour)


@settings(max_examples=25, deadline=None)
@given(UNITS, FEATHERS, st.booleans())
def test_composed_with_itself_a_unit_makes_the_same_video(unit, feather, match_colour):
    assert_one_video(compose(unit, unit), unit, feather, match_colour)


@settings(max_examples=60, deadline=None)
@given(UNITS, UNITS, UNITS, st.sampled_from([0, 2, 5]))
def test_in_their_order_the_first_source_is_kept_or_shows_through(a, b, c, feather):
    """Pixel by pixel, written out: the first unit that has a source pixel gives it, unless nobody has one."""
    unit, made = compose(a, b, c), clip(99)
    if unit.source is None:
        assert not any(bool(one.has_source.any()) for one in (a, b, c))
        return
    result = composite_vcu(made, unit, feather=feather)
    source, open_ = torch.zeros_like(made), torch.ones_like(a.has_source)
    for one in (a, b, c):
        if one.source is not None:
            source = torch.where(one.has_source & open_, one.source, source)
        open_ = open_ & ~one.has_source
    kept = ~open_ & (torch.stack([one.roles & REPAINT for one in (a, b, c)]).amax(dim=0) == 0)
    assert torch.equal(unit.masks == 0, kept)
    assert torch.equal(result[kept.expand_as(result)], source[kept.expand_as(result)])
    if feather == 0:
        assert torch.equal(result[~kept.expand_as(result)], made[~kept.expand_as(result)])
    else:  # under the mask, between what was made and the source that is there
        under = (~kept & ~open_).expand_as(result)
        low, high = torch.minimum(made, source), torch.maximum(made, source)
        assert bool(((result >= low - 1e-6) & (result <= high + 1e-6))[under].all())


@settings(max_examples=8, deadline=None)
@given(UNITS, UNITS, UNITS)
def test_how_units_are_grouped_makes_no_difference_to_the_context(a, b, c):
    one, other = compose(compose(a, b), c), compose(a, compose(b, c))
    assert torch.equal(encode_context(one, VAE, encode_masks), encode_context(other, VAE, encode_masks))


# A source of .6, .8 made in the right half, a soft edge of 6 pixels: what shows in a row of a frame that was not
# composed with anything else.
MASKS = torch.zeros(1, 1, T, H, W)
MASKS[..., W // 2 :] = 1
SOFT = [0.6] * (W // 2) + [0.6 + 0.2 * step / 7 for step in range(1, 7)] + [0.8] * (W // 2 - 6)
FIRSTS = {
    "inpaint": lambda: tasks.inpaint(flat(0.6), MASKS),
    "outpaint": lambda: tasks.outpaint(flat(0.6, w=W // 2), right=W // 2, step=1),
}
OTHERS = {
    "nothing": lambda: SILENT,
    "keyframes": lambda: tasks.keyframes({0: flat(-0.5, 1)}, num_frames=T),
    "extend": lambda: tasks.extend(flat(-0.5, 1), num_frames=T),
    "a unit that says nothing but carries a clip": lambda: replace(SILENT, source=flat(-0.5)),
    "depth": lambda: tasks.depth(flat(0.3)),
}


@pytest.mark.parametrize(("first", "other"), product(FIRSTS, OTHERS))
def test_a_soft_edge_shows_the_source_under_the_mask_whatever_the_unit_was_composed_with(first, other):
    one, two = FIRSTS[first](), OTHERS[other]()
    for unit in (compose(one, two), compose(two, one)):
        result = composite_vcu(flat(0.8), unit, feather=6)
        assert torch.allclose(result[:, :, 1:], torch.tensor(SOFT).expand(1, 3, T - 1, H, W), atol=1e-6)


def test_in_the_border_of_an_outpainting_a_soft_edge_carries_the_edge_of_the_picture_on():
    picture, made = clip(1, h=H - 8, w=W - 8), clip(2)
    unit = tasks.outpaint(picture, left=8, bottom=8, step=1)
    result = composite_vcu(made, unit, feather=3)
    for away in range(1, 9):
        share = min(away / 4, 1)
        left, below = picture[..., 0], picture[..., -1, :]
        assert torch.allclose(result[..., : H - 8, 8 - away], left.lerp(made[..., : H - 8, 8 - away], share))
        assert torch.allclose(result[..., H - 9 + away, 8:], below.lerp(made[..., H - 9 + away, 8:], share))
    share = 2**0.5 / 4
    corner = picture[..., -1, 0].lerp(made[..., H - 8, 7], share)
    assert torch.allclose(result[..., H - 8, 7], corner)


def test_new_frames_have_no_soft_edge():
    result = composite_vcu(flat(0.8), tasks.extend(flat(0.6, 2), num_frames=T), feather=6)
    assert torch.equal(result, torch.cat([flat(0.6, 2), flat(0.8, T - 2)], dim=2))


@pytest.mark.parametrize("other", ["depth", "extend"])
@pytest.mark.parametrize("swapped", [False, True])
def test_under_a_mask_the_official_rules_leave_the_source_too(other, swapped):
    pair = [FIRSTS["inpaint"](), OTHERS[other]()]
    unit = compose_official(*reversed(pair)) if swapped else compose_official(*pair)
    made = unit.masks > 0
    assert bool(unit.has_source[made].all())
    assert bool((unit.source[made.expand(1, 3, -1, -1, -1)] == 0.6).all())


def test_a_clip_that_no_pixel_uses_is_none():
    unit = replace(SILENT, source=clip(1), control=clip(2))
    assert (unit.source, unit.control) == (None, None)
    used = VideoConditionUnit(
        roles=torch.full_like(SILENT.roles, KEEP | REPAINT | FOLLOW), source=clip(1), control=clip(2)
    )
    assert torch.equal(used.source, clip(1))
    assert torch.equal(used.control, clip(2))
