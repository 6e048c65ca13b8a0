"""Promises of the Video Condition Unit: what each pixel is for, and how two units become one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from official_rules import compose_official, kind_of
from refused import refused
from torch import Tensor

from vace_core.errors import InputError, ShapeError
from vace_core.vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit, compose

T, H, W = 3, 2, 4


def clip(seed: int, t: int = T, h: int = H, w: int = W) -> Tensor:
    """Pixels that are nowhere gray, so that a missing one shows."""
    return 0.1 + 0.9 * torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(seed))


def roles_of(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.uint8).reshape(1, 1, T, H, W)


def everywhere(role: int) -> Tensor:
    return torch.full((1, 1, T, H, W), role, dtype=torch.uint8)


SILENT = VideoConditionUnit(roles=everywhere(0))


def assert_same(got: VideoConditionUnit, wanted: VideoConditionUnit) -> None:
    """Equal for the model and for every later composition; unused pixels of a source may differ."""
    assert torch.equal(got.roles, wanted.roles)
    assert ((got.source is None), (got.control is None)) == ((wanted.source is None), (wanted.control is None))
    assert torch.equal(got.frames, wanted.frames)
    for bit, ours, theirs in ((KEEP, got.source, wanted.source), (FOLLOW, got.control, wanted.control)):
        used = ((got.roles & bit) != 0).expand(-1, 3, -1, -1, -1)
        assert not used.any() or torch.equal(ours[used], theirs[used])
    assert len(got.references) == len(wanted.references)
    assert all(torch.equal(a, b) for a, b in zip(got.references, wanted.references, strict=True))
    assert (got.prompt, got.negative_prompt, got.fps) == (wanted.prompt, wanted.negative_prompt, wanted.fps)


# Table 1 of the paper: F and M of each task, references in front


def test_text_is_gray_and_all_generated():
    frames, masks = SILENT.sequence()
    assert torch.equal(frames, torch.zeros(1, 3, T, H, W))
    assert torch.equal(masks, torch.ones(1, 1, T, H, W))


def test_references_come_first_in_order_and_are_kept():
    pictures = (clip(1, 1), clip(2, 1))
    frames, masks = replace(SILENT, references=pictures).sequence()
    assert torch.equal(frames, torch.cat([*pictures, torch.zeros(1, 3, T, H, W)], dim=2))
    assert masks.flatten(2)[0, 0].tolist() == [0.0] * (2 * H * W) + [1.0] * (T * H * W)


def test_a_control_is_shown_whole_and_all_generated():
    frames, masks = VideoConditionUnit(roles=everywhere(FOLLOW), control=clip(3)).sequence()
    assert torch.equal(frames, clip(3))
    assert torch.equal(masks, torch.ones(1, 1, T, H, W))


def test_a_masked_clip_is_gray_exactly_where_it_is_generated():
    masks = (clip(4)[:, :1] > 0.5).float()
    roles = torch.where(masks > 0, REPAINT, KEEP).to(torch.uint8)
    frames, seen = VideoConditionUnit(roles=roles, source=clip(5)).sequence()
    assert torch.equal(seen, masks)
    assert torch.equal(frames, clip(5) * (1 - masks))
    assert torch.equal((frames == 0).all(dim=1, keepdim=True), masks > 0)


def test_references_and_a_masked_clip_make_the_fourth_form():
    roles = everywhere(KEEP)
    roles[..., 2:] = REPAINT
    frames, masks = VideoConditionUnit(roles=roles, source=clip(6), references=(clip(7, 1),)).sequence()
    assert torch.equal(frames[:, :, :1], clip(7, 1))
    assert torch.equal(frames[:, :, 1:], clip(6) * (masks[:, :, 1:] == 0))


def test_sizes_and_counts():
    unit = VideoConditionUnit(roles=everywhere(0), references=(clip(1, 1), clip(2, 1)))
    assert (unit.num_frames, unit.height, unit.width, unit.num_references) == (T, H, W, 2)
    assert unit.masks.dtype == torch.float32


# Units by chance

calm = settings(max_examples=50, deadline=None)
ROLE = st.integers(0, 7)
PROMPTS = st.sampled_from(["", "a dog", "rain", "a dog; rain", "rain; rain", "; ", "; rain", "rain; "])


@st.composite
def units(draw: st.DrawFn) -> VideoConditionUnit:
    roles = roles_of(draw(st.lists(ROLE, min_size=T * H * W, max_size=T * H * W)))
    seed = draw(st.integers(0, 1000))
    has_source, has_control = draw(st.booleans()), draw(st.booleans())
    # A clip may be there and be used by no pixel.
    uses_source, uses_control = has_source and draw(st.booleans()), has_control and draw(st.booleans())
    if not uses_source:
        roles &= ~torch.tensor(KEEP, dtype=torch.uint8)
    if not uses_control:
        roles &= ~torch.tensor(FOLLOW, dtype=torch.uint8)
    return VideoConditionUnit(
        roles=roles,
        source=clip(seed) if has_source else None,
        control=clip(seed + 5000) if has_control else None,
        references=tuple(clip(seed + 9000 + n, 1) for n in range(draw(st.integers(0, 2)))),
        prompt=draw(PROMPTS),
        negative_prompt=draw(PROMPTS),
    )


@calm
@given(units())
def test_decoupling_splits_the_frames_without_loss(unit: VideoConditionUnit):
    inactive, reactive = unit.decouple()
    assert torch.equal(inactive + reactive, unit.frames)
    assert not inactive[(unit.masks > 0).expand_as(inactive)].any()
    assert not reactive[(unit.masks == 0).expand_as(reactive)].any()


@calm
@given(units())
def test_a_unit_that_says_nothing_changes_nothing(unit: VideoConditionUnit):
    assert_same(compose(unit, SILENT), unit)
    assert_same(compose(SILENT, unit), unit)


@settings(max_examples=200, deadline=None)
@given(units(), units(), units())
def test_how_units_are_grouped_makes_no_difference(a, b, c):
    assert_same(compose(compose(a, b), c), compose(a, compose(b, c)))
    assert_same(compose(a, b, c), compose(compose(a, b), c))


@calm
@given(units())
def test_composed_with_itself_a_unit_repeats_its_references_and_nothing_else(unit: VideoConditionUnit):
    twice = compose(unit, unit)
    assert_same(replace(twice, references=()), replace(unit, references=()))
    assert len(twice.references) == 2 * len(unit.references)


TEXTS = st.text(alphabet="ab; ", max_size=9)


def joined(*texts: str) -> str:
    return compose(*(replace(SILENT, prompt=text) for text in texts)).prompt


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_prompts_are_joined_by_the_same_laws_to_the_letter(a, b, c):
    assert joined(joined(a, b), c) == joined(a, joined(b, c)) == joined(a, b, c)
    assert joined(a, a) == a
    assert joined(a, "") == joined("", a) == a
    assert {part for part in joined(a, b).split("; ") if part} == {
        part for text in (a, b) for part in text.split("; ") if part
    }


@pytest.mark.parametrize("fps", [16.000001, 16 * (1 + 0.9e-4), 16 * (1 - 0.9e-4)])
def test_rates_that_differ_by_rounding_are_one(fps):
    other = replace(SILENT, fps=fps)
    assert (compose(SILENT, other).fps, compose(other, SILENT).fps) == (16.0, fps)


@pytest.mark.parametrize("fps", [16 * (1 + 1.1e-4), 16 * (1 - 1.1e-4), 15.99, 17.0])
def test_rates_that_differ_are_not_mixed(fps):
    with pytest.raises(InputError) as error:
        compose(SILENT, replace(SILENT, fps=fps))
    assert error.value.code == "units-fps"


@calm
@given(units(), units())
def test_a_pixel_is_kept_if_one_keeps_it_and_none_repaints_it(a, b):
    either = a.roles | b.roles
    kept = ((either & KEEP) != 0) & ((either & REPAINT) == 0)
    assert torch.equal(compose(a, b).masks == 0, kept)


@calm
@given(units(), units())
def test_the_first_source_and_the_last_control_win(a, b):
    both = compose(a, b)
    picks = (
        (both.masks == 0, (a.roles & KEEP) != 0, a.source, b.source),
        ((both.masks > 0) & ((both.roles & FOLLOW) != 0), (b.roles & FOLLOW) != 0, b.control, a.control),
    )
    for shown, by_winner, winner, other in picks:
        for where, pixels in ((shown & by_winner, winner), (shown & ~by_winner, other)):
            where = where.expand(-1, 3, -1, -1, -1)
            assert not where.any() or torch.equal(both.frames[where], pixels[where])


@calm
@given(units(), units())
def test_references_come_in_order_and_prompts_are_said_once(a, b):
    both = compose(a, b)
    assert [id(picture) for picture in both.references] == [id(picture) for picture in (*a.references, *b.references)]
    said = [part for part in both.prompt.split("; ") if part]
    assert set(said) == {part for text in (a.prompt, b.prompt) for part in text.split("; ") if part}


def test_prompts_are_joined_once_each_and_a_single_one_is_left_alone():
    dog, rain = (replace(SILENT, prompt=words, negative_prompt="blur") for words in ("a dog", "rain; a dog"))
    assert (compose(dog, rain).prompt, compose(dog, rain).negative_prompt) == ("a dog; rain", "blur")
    stutter = replace(SILENT, prompt="no; no; no")
    assert compose(SILENT, stutter, SILENT).prompt == "no; no; no"


# What is refused


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"roles": torch.zeros(1, 3, T, H, W, dtype=torch.uint8)},
            ShapeError,
            "roles-shape: dtype=torch.uint8, shape=(1, 3, 3, 2, 4)",
        ),
        (
            {"roles": everywhere(0).float()},
            ShapeError,
            "roles-shape: dtype=torch.float32, shape=(1, 1, 3, 2, 4)",
        ),
        (
            {"roles": everywhere(8)},
            InputError,
            "roles-values: value=8",
        ),
        (
            {"fps": 0.0},
            InputError,
            "fps-range: fps=0",
        ),
        (
            {"fps": float("nan")},
            InputError,
            "fps-range: fps=nan",
        ),
        (
            {"source": clip(1, T + 1)},
            ShapeError,
            "clip-mask-size: mask_shape=(1, 1, 3, 2, 4), name=source, shape=(1, 3, 4, 2, 4)",
        ),
        (
            {"roles": everywhere(KEEP)},
            InputError,
            "clip-missing: name=source, shape=(1, 3, 3, 2, 4)",
        ),
        (
            {"roles": everywhere(FOLLOW)},
            InputError,
            "clip-missing: name=control, shape=(1, 3, 3, 2, 4)",
        ),
        (
            {"references": (clip(1, 1), clip(2, 1, H + 1))},
            ShapeError,
            "reference-shape: needed=(1, 3, 1, 2, 4), number=2, shape=(1, 3, 1, 3, 4)",
        ),
        (
            {"source": torch.zeros(1, 4, T, H, W)},
            ShapeError,
            "frames-shape: name=source, shape=(1, 4, 3, 2, 4)",
        ),
        (
            {"control": torch.zeros(1, 3, T, H, W, dtype=torch.uint8)},
            InputError,
            "frames-dtype: dtype=torch.uint8, name=control",
        ),
        (
            {"source": torch.full((1, 3, T, H, W), float("nan"))},
            InputError,
            "frames-not-finite: name=source",
        ),
        (
            {"references": (torch.full((1, 3, 1, H, W), 255.0),)},
            InputError,
            "frames-values: high=255, low=255, name=reference 1",
        ),
    ],
)
def test_a_unit_that_cannot_be_is_refused(change, error, message):
    with pytest.raises(error) as caught:
        VideoConditionUnit(**{"roles": everywhere(0), **change})
    assert refused(caught.value) == message


def test_units_that_do_not_fit_together_are_refused():
    longer = VideoConditionUnit(roles=torch.zeros(1, 1, T + 1, H, W, dtype=torch.uint8))
    batch = VideoConditionUnit(roles=torch.zeros(2, 1, T, H, W, dtype=torch.uint8))
    cases = [
        (
            (SILENT, longer),
            ShapeError,
            "units-differ: first=3 frames of 4x2, second=4 frames of 4x2",
        ),
        (
            (SILENT, batch),
            ShapeError,
            "units-differ: first=a batch of 1, second=a batch of 2",
        ),
        (
            (SILENT, replace(SILENT, fps=25.0)),
            InputError,
            "units-fps: fps=16, second_fps=25",
        ),
        ((), InputError, "nothing-to-compose"),
    ]
    for given_units, error, message in cases:
        with pytest.raises(error) as caught:
            compose(*given_units)
        assert refused(caught.value) == message


# The official pair rules. Pixels and masks for every pair of kinds, from the annotator itself: ali-vilab/VACE at
# 48eb44f1c4be, vace/annotators/composition.py, CompositionAnnotator({}).forward, on three frames of one row of four
# pixels. The first unit's pixels are 10..21, the second's 50..61; gray is 0. An extension keeps frame 0 (the second:
# frames 0 and 2), an inpainting makes column 1 (the second: column 2), an outpainting makes column 3.
OFFICIAL = {
    ("frameref", "frameref"): ("10 11 12 13 0 0 0 0 58 59 60 61", "000011110000"),
    ("frameref", "inpainting"): ("10 11 12 13 54 55 0 57 58 59 0 61", "000000100010"),
    ("frameref", "outpainting"): ("10 11 12 13 54 55 56 0 58 59 60 0", "000000010001"),
    ("frameref", "depth"): ("10 11 12 13 54 55 56 57 58 59 60 61", "000011111111"),
    ("inpainting", "frameref"): ("10 0 12 13 0 0 0 0 18 0 20 21", "010011110100"),
    ("inpainting", "inpainting"): ("10 0 0 13 14 0 0 17 18 0 0 21", "011001100110"),
    ("inpainting", "outpainting"): ("10 0 12 0 14 0 16 0 18 0 20 0", "010101010101"),
    ("inpainting", "depth"): ("10 51 12 13 14 55 16 17 18 59 20 21", "010001000100"),
    ("outpainting", "frameref"): ("10 11 12 0 0 0 0 0 18 19 20 0", "000111110001"),
    ("outpainting", "inpainting"): ("10 11 0 0 14 15 0 0 18 19 0 0", "001100110011"),
    ("outpainting", "outpainting"): ("10 11 12 0 14 15 16 0 18 19 20 0", "000100010001"),
    ("outpainting", "depth"): ("10 11 12 53 14 15 16 57 18 19 20 61", "000100010001"),
    ("depth", "frameref"): ("10 11 12 13 0 0 0 0 18 19 20 21", "111111111111"),
    ("depth", "inpainting"): ("50 51 12 53 54 55 16 57 58 59 20 61", "001000100010"),
    ("depth", "outpainting"): ("50 51 52 13 54 55 56 17 58 59 60 21", "000100010001"),
    ("depth", "depth"): ("50 51 52 53 54 55 56 57 58 59 60 61", "111111111111"),
}
KINDS = {"frameref": "extension", "inpainting": "repaint", "outpainting": "repaint", "depth": "control"}
DIFFERENT = {  # where `compose` asks for something else, and what
    # An inpainting mask holds in the frames of an extension too.
    ("frameref", "inpainting"): ("10 11 0 13 54 55 0 57 58 59 0 61", "001000100010"),
    # The extension's own pixels are kept, and the repaint goes on in the other frames.
    ("inpainting", "frameref"): ("10 0 12 13 14 0 16 17 18 0 20 21", "010001000100"),
    ("outpainting", "frameref"): ("10 11 12 53 14 15 16 0 18 19 20 61", "000000010000"),
    ("depth", "frameref"): ("50 51 52 53 14 15 16 17 58 59 60 61", "000011110000"),
    # Nobody says anything about the border of an outpainting, so the other unit may keep its pixels there.
    ("inpainting", "outpainting"): ("10 0 12 13 14 0 16 17 18 0 20 21", "010001000100"),
    ("outpainting", "inpainting"): ("10 11 0 53 14 15 0 57 18 19 0 61", "001000100010"),
}


def official_unit(task: str, first: bool) -> VideoConditionUnit:
    pixels = (torch.arange(12.0).reshape(1, 1, 3, 1, 4) + (10 if first else 50)) / 100
    roles = torch.full((1, 1, 3, 1, 4), KEEP, dtype=torch.uint8)
    if task == "depth":
        return VideoConditionUnit(roles=roles * FOLLOW, control=pixels.expand(-1, 3, -1, -1, -1))
    if task == "frameref":
        roles[:, :, 1 : 3 if first else 2] = 0
    elif task == "inpainting":
        roles[..., 1 if first else 2] = REPAINT
    else:
        roles[..., 3] = 0
    return VideoConditionUnit(roles=roles, source=pixels.expand(-1, 3, -1, -1, -1))


def as_text(unit: VideoConditionUnit) -> tuple[str, str]:
    pixels = (unit.frames[0, 0] * 100).round().int().flatten().tolist()
    return " ".join(map(str, pixels)), "".join(map(str, unit.masks.int().flatten().tolist()))


@pytest.mark.parametrize("pair", OFFICIAL)
def test_the_official_rules_are_the_annotators(pair):
    first, second = official_unit(pair[0], True), official_unit(pair[1], False)
    assert (kind_of(first), kind_of(second)) == (KINDS[pair[0]], KINDS[pair[1]])
    assert as_text(compose_official(first, second)) == OFFICIAL[pair]


@pytest.mark.parametrize("pair", OFFICIAL)
def test_where_the_algebra_equals_the_official_rules_and_where_not(pair):
    got = as_text(compose(official_unit(pair[0], True), official_unit(pair[1], False)))
    assert got == DIFFERENT.get(pair, OFFICIAL[pair])
    assert pair not in DIFFERENT or DIFFERENT[pair] != OFFICIAL[pair]


def test_the_official_rules_join_prompts_and_references():
    first = replace(official_unit("frameref", True), prompt="a dog")
    second = replace(official_unit("depth", False), prompt="rain", references=(clip(1, 1, 1, 4),))
    both = compose_official(first, second)
    assert (both.prompt, both.num_references) == ("a dog; rain", 1)


@pytest.mark.parametrize("unit", [SILENT, compose(official_unit("inpainting", True), official_unit("depth", False))])
def test_the_official_rules_know_no_other_units(unit):
    with pytest.raises(InputError) as caught:
        kind_of(unit)
    assert refused(caught.value) == "official-rules"
