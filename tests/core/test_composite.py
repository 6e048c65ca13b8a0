"""Promises of compositing: kept means kept, to the bit; feathering and colour matching touch generated pixels only."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused
from torch import Tensor

from vace_core import tasks
from vace_core.errors import InputError, ShapeError
from vace_core.inputs.masks import soften
from vace_core.pipeline.composite import RING, composite, max_kept_error
from vace_core.vcu import compose


def clip(seed: int, t: int = 3, h: int = 40, w: int = 48, b: int = 1) -> Tensor:
    return torch.rand(b, 3, t, h, w, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6


def hole(t: int = 3, h: int = 40, w: int = 48) -> Tensor:
    masks = torch.zeros(1, 1, t, h, w)
    masks[..., 14:28, 16:34] = 1
    return masks


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6), st.booleans())
def test_kept_pixels_are_the_sources_to_the_bit(seed, feather, match_colour):
    masks = (torch.rand(1, 1, 3, 40, 48, generator=torch.Generator().manual_seed(seed)) > 0.8).float()
    result = composite(clip(1), clip(2), masks, blend=soften(masks, feather), match_colour=match_colour)
    kept = (masks == 0).expand_as(result)
    assert torch.equal(result[kept], clip(2)[kept])
    assert max_kept_error(result, clip(2), masks) == 0.0


def test_without_a_blend_the_mask_is_all_generated():
    result = composite(clip(1), clip(2), hole())
    assert torch.equal(result, torch.where(hole() > 0, clip(1), clip(2)))


def test_a_blend_mixes_inside_the_mask_and_ends_exactly():
    blend = soften(hole(), 3)
    result = composite(clip(1), clip(2), hole(), blend=blend)
    full, part = (blend == 1).expand_as(result), ((blend > 0) & (blend < 1)).expand_as(result)
    assert torch.equal(result[full], clip(1)[full])
    mixed = clip(2) + (clip(1) - clip(2)) * blend
    assert torch.allclose(result[part], mixed[part], atol=1e-6)
    assert not torch.equal(result[part], clip(1)[part])


def test_the_kept_error_is_the_largest_difference_where_kept():
    result = clip(2)
    result[..., 20, 20] += 0.3
    assert max_kept_error(result, clip(2), hole()) == 0.0
    result[0, 1, 2, 0, 0] -= 0.25
    assert max_kept_error(result, clip(2), hole()) == pytest.approx(0.25)
    assert max_kept_error(clip(1), clip(2), torch.ones(1, 1, 3, 40, 48)) == 0.0


def test_a_unit_and_its_composite_fit_together():
    unit = compose(tasks.inpaint(clip(2), hole()), tasks.depth(clip(3)))
    result = composite(clip(1), unit.source, unit.masks)
    assert torch.equal(result * (1 - unit.masks), unit.frames * (1 - unit.masks))


def test_a_half_precision_result_still_keeps_the_sources_precision():
    result = composite(clip(1).bfloat16(), clip(2), hole())
    assert result.dtype == torch.float32
    assert max_kept_error(result, clip(2), hole()) == 0.0


# Colours

GAIN, SHIFT = torch.tensor([0.8, 1.1, 0.9]).view(1, 3, 1, 1, 1), torch.tensor([0.1, -0.05, 0.02]).view(1, 3, 1, 1, 1)


def test_matched_colours_undo_a_tint():
    """A model that paints the right picture in the wrong colours gives the right picture."""
    truth = clip(1)
    result = composite(truth * GAIN + SHIFT, truth, hole(), match_colour=True)
    assert torch.allclose(result, truth, atol=1e-5)


def test_a_new_object_in_the_mask_does_not_shift_the_colours():
    truth, made = clip(1), clip(1)
    made[..., 14:28, 16:34] = torch.tensor([0.9, -0.8, -0.8]).view(1, 3, 1, 1, 1)
    result = composite(made * GAIN + SHIFT, truth, hole(), match_colour=True)
    assert torch.allclose(result, made, atol=1e-5)


def test_one_correction_for_the_whole_clip():
    """Frames that the model painted alike stay alike, though their surroundings differ."""
    made = clip(1)
    made[..., 14:28, 16:34] = 0.3
    result = composite(made, clip(2), hole(), match_colour=True)[..., 14:28, 16:34]
    assert float((result - result[:, :, :1, :1, :1]).abs().max()) < 1e-6


def test_colours_are_measured_beside_the_mask_only():
    truth, made = clip(1, h=80), clip(1, h=80) * GAIN + SHIFT
    made[..., 28 + RING :, :] = -0.9
    masks = hole(h=80)
    assert torch.allclose(composite(made, truth, masks, match_colour=True), truth, atol=1e-5)


def test_colours_are_measured_in_the_frames_beside_the_mask_only():
    truth, made = clip(1, t=7), clip(1, t=7) * GAIN + SHIFT
    masks = torch.zeros(1, 1, 7, 40, 48)
    masks[:, :, 3] = 1
    made[:, :, [0, 1, 5, 6]] = -0.9  # two frames away and more
    result = composite(made, truth, masks, match_colour=True)
    assert torch.allclose(result, truth, atol=1e-5)


@pytest.mark.parametrize("painted", [1.0, -1.0])
def test_matched_colours_stay_within_black_and_white(painted):
    truth = clip(1)
    made = truth * 0.7
    made[..., 14:28, 16:34] = painted
    result = composite(made, truth, hole(), match_colour=True)
    assert torch.equal(result[..., 20, 20], torch.full((1, 3, 3), painted))


def test_new_frames_are_matched_to_the_kept_frame_beside_them():
    truth = clip(1, t=5)
    masks = torch.ones(1, 1, 5, 40, 48)
    masks[:, :, 0] = 0
    result = composite(truth * GAIN + SHIFT, truth, masks, match_colour=True)
    assert torch.allclose(result, truth, atol=1e-5)


def test_pixels_that_were_only_copied_are_not_measured():
    truth = clip(1)
    made = truth * GAIN + SHIFT
    made[..., :8, :], made[..., :, :10] = truth[..., :8, :], truth[..., :, :10]
    assert torch.allclose(composite(made, truth, hole(), match_colour=True), truth, atol=1e-5)


def test_clips_of_a_batch_are_matched_each_by_itself():
    truth, masks = clip(1, b=2), torch.cat([hole(), hole()])
    made = torch.cat([truth[:1] * GAIN + SHIFT, truth[1:] * 0.7 - 0.1])
    assert torch.allclose(composite(made, truth, masks, match_colour=True), truth, atol=1e-5)


def test_a_flat_surrounding_shifts_colours_but_does_not_blow_them_up():
    made, source = torch.full((1, 3, 3, 40, 48), 0.2), torch.full((1, 3, 3, 40, 48), 0.1)
    made[..., 20, 20] = 0.5
    result = composite(made, source, hole(), match_colour=True)
    assert result[0, 0, 0, 20, 20] == pytest.approx(0.4)


def test_noise_on_a_flat_surrounding_does_not_pale_what_was_painted():
    noise = clip(1) * 0.02
    made, source = 0.2 + noise, 0.1 + clip(2) * 0.005
    made[..., 14:28, 16:34] = torch.tensor([-0.7, -0.6, 0.8]).view(1, 3, 1, 1, 1)
    result = composite(made, source, hole(), match_colour=True)
    wanted = made - (made - source)[..., :14, :].mean(dim=(2, 3, 4), keepdim=True)
    assert (result - wanted)[..., 14:28, 16:34].abs().max() < 0.01


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: composite(clip(1, t=2), clip(2), hole()),
            ShapeError,
            ("composite-size: shape=(1, 3, 2, 40, 48), source_shape=(1, 3, 3, 40, 48), what=generated clip"),
        ),
        (
            lambda: composite(clip(1), clip(2), hole(t=1)),
            ShapeError,
            "composite-size: shape=(1, 1, 1, 40, 48), source_shape=(1, 3, 3, 40, 48), what=mask",
        ),
        (
            lambda: composite(torch.full((1, 3, 3, 40, 48), float("nan")), clip(2), hole()),
            InputError,
            "frames-not-finite: name=generated clip",
        ),
        (
            lambda: max_kept_error(clip(1) + 9, clip(2), hole()),
            InputError,
            "frames-values: high=9.6, low=8.4, name=result",
        ),
        (
            lambda: composite(clip(1), clip(2), hole() * 0.5),
            InputError,
            "mask-values: high=0.5, low=0",
        ),
        (
            lambda: composite(clip(1), clip(2), hole(), blend=hole(t=1)),
            ShapeError,
            "blend-size: mask_shape=(1, 1, 3, 40, 48), shape=(1, 1, 1, 40, 48)",
        ),
        (
            lambda: composite(clip(1), clip(2), hole(), blend=hole() * 2),
            InputError,
            "blend-values: high=2, low=0",
        ),
        (
            lambda: composite(clip(1), clip(2), hole(), blend=hole() * 1.5 - 0.5),
            InputError,
            "blend-values: high=1, low=-0.5",
        ),
        (
            lambda: composite(clip(1), clip(2), hole(), blend=hole() * float("nan")),
            InputError,
            "blend-values: high=nan, low=nan",
        ),
        (
            lambda: composite(clip(1), clip(2), hole(), blend=(hole() * 0.5).index_fill(3, torch.tensor([0]), 0.25)),
            InputError,
            "blend-outside-mask: outside=144",
        ),
        (
            lambda: composite(torch.where(hole() > 0, clip(1), clip(2)), clip(2), hole(), match_colour=True),
            InputError,
            "colours-not-comparable: least=16, ring=12",
        ),
    ],
)
def test_what_cannot_be_composited_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert refused(caught.value) == message
