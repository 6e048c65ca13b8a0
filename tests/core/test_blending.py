"""Seams: what is generated is brought to the levels beside it, and no kept pixel changes."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from refused import refused

from vace_core import tasks
from vace_core.errors import InputError
from vace_core.geometry import Box
from vace_core.inputs.blending import multiband, seam_steps
from vace_core.inputs.put_back import stitch
from vace_core.pipeline import finish
from vace_core.pipeline.composite import composite_vcu

SIZE = (48, 64)


def smooth(seed: int = 0, frames: int = 2) -> torch.Tensor:
    """A soft picture in −0.6..0.6."""
    noise = torch.rand(frames, 3, 6, 8, generator=torch.Generator().manual_seed(seed)) * 1.2 - 0.6
    return torch.nn.functional.interpolate(noise, SIZE, mode="bicubic").clamp(-0.6, 0.6).transpose(0, 1)[None]


def hole(frames: int = 2) -> torch.Tensor:
    masks = torch.zeros(1, 1, frames, *SIZE)
    masks[..., 12:34, 20:50] = 1
    return masks


def mean_error(result: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((result - wanted).abs()[hole().bool().expand(-1, 3, -1, -1, -1)].mean())


@pytest.mark.parametrize("feather", [0, 8])
@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.3, -0.2, 0.05)])
def test_a_shift_of_colour_is_undone_and_what_is_kept_stays(shift, feather):
    truth, masks = smooth(), hole()
    under = torch.where(masks > 0, torch.zeros(()), truth)  # another object, which is never seen
    vcu = tasks.inpaint(under, masks)
    made = truth + torch.tensor(shift).view(1, 3, 1, 1, 1)
    result = composite_vcu(made, vcu, blend_mode="multiband")
    assert torch.equal(result[(masks == 0).expand(-1, 3, -1, -1, -1)], truth[(masks == 0).expand(-1, 3, -1, -1, -1)])
    assert mean_error(result, truth) < 0.02 + 0.02 * float(np.abs(shift).max())
    soft = composite_vcu(made, vcu, feather=feather, blend_mode="multiband")
    assert torch.equal(soft[..., :12, :], truth[..., :12, :])


def test_light_that_drifts_is_followed_along_the_edge():
    truth, masks = smooth(), hole() > 0
    drift = torch.linspace(-0.2, 0.2, SIZE[1])
    result = multiband(truth + drift, truth, masks)
    assert mean_error(result, truth) < 0.15 * mean_error(truth + drift, truth)


def test_what_was_not_generated_tells_nothing():
    truth, masks = smooth(), hole()
    made = torch.where(masks > 0, truth + 0.2, truth)  # only the hole was decoded
    assert torch.equal(composite_vcu(made, tasks.inpaint(truth, masks), blend_mode="multiband"), made)
    everything = torch.ones_like(masks) > 0
    assert torch.equal(multiband(truth + 0.2, truth, everything), truth + 0.2)


def test_a_crop_is_brought_to_the_levels_of_its_surroundings():
    truth, where = smooth(), hole()[0, 0] > 0
    box = Box(8, 4, 60, 44)
    made = (truth + 0.15)[..., box.top : box.bottom, box.left : box.right]
    result = stitch(made, truth, where, [box], blend_mode="multiband")
    assert torch.equal(result[:, :, ~where], truth[:, :, ~where])
    assert mean_error(result, truth) < 0.02


def test_a_seam_is_measured_against_what_lies_beside_it():
    truth, inside = smooth(), hole() > 0
    across, beside = seam_steps(truth, inside)
    assert 0.7 < across / beside < 1.4
    raised = seam_steps(torch.where(inside, truth + 0.3, truth), inside)
    assert raised[0] == pytest.approx(0.3, abs=2 * across)
    assert raised[1] == beside
    with pytest.raises(InputError) as error:
        seam_steps(truth, torch.ones_like(inside))
    assert refused(error.value) == "no-seam"


def test_clips_of_a_batch_are_blended_each_by_itself():
    sources, masks = torch.cat([smooth(1), smooth(2)]), torch.cat([hole(), hole().roll(8, 3)])
    made = torch.cat([sources[:1] + 0.2, sources[1:] - 0.1])
    both = composite_vcu(made, tasks.inpaint(sources, masks), blend_mode="multiband")
    for one in (slice(1), slice(1, 2)):
        alone = composite_vcu(made[one], tasks.inpaint(sources[one], masks[one]), blend_mode="multiband")
        assert torch.equal(both[one], alone)


def test_a_blend_that_is_not_there_is_refused():
    with pytest.raises(InputError) as error:
        composite_vcu(smooth(), tasks.inpaint(smooth(), hole()), blend_mode="poisson")  # type: ignore[arg-type]
    assert refused(error.value) == "blend-unknown: known=feather, multiband, mode=poisson"


def test_a_blend_needs_something_that_is_kept():
    vcu = tasks.text(num_frames=1, height=16, width=16)
    with pytest.raises(InputError) as error:
        finish(tiny.vae(), vcu, torch.zeros(1, 16, 1, 2, 2), blend_mode="multiband")
    assert refused(error.value) == "finish-without-source"


POINTS = ((0, 0), (0, 9), (3, 3), (6, 12), (-1, -1))  # of a hole, its last corner the last
CARRIED = [  # looked at: near the edge as beside it, further in the coarse part alone
    ((10, 16, 20, 30), False, [0.1311, 0.0194, 0.0940, -0.0068, -0.2128]),
    ((0, 0, 13, 17), False, [0.1795, 0.1537, 0.1803, 0.1443, 0.1254]),
    ((10, 16, 20, 30), True, [0.1365, 0.1456, 0.1373, 0.1527, 0.1648]),
]


@pytest.mark.parametrize(("hole_at", "partly", "wanted"), CARRIED)
def test_what_is_carried_on_under_the_mask_is_what_it_was_when_it_was_looked_at(hole_at, partly, wanted):
    """A slope of light and fine detail; of the third only what lies left of four columns of the hole is known."""
    top, left, height, width = hole_at
    detail = torch.rand(1, 3, 1, 40, 56, generator=torch.Generator().manual_seed(4)) * 0.4 - 0.2
    made, inside = detail + torch.linspace(-0.3, 0.3, 56), torch.zeros(1, 1, 1, 40, 56, dtype=torch.bool)
    inside[..., top : top + height, left : left + width] = True
    known = ~inside & (torch.arange(56) < left + 4) if partly else None
    added = multiband(made, torch.zeros_like(made), inside, known=known) - made
    assert not added[~inside.expand_as(added)].any()
    found = added[0, 1, 0, top : top + height, left : left + width]
    assert [float(found[row, column]) for row, column in POINTS] == pytest.approx(wanted, abs=2e-4)


def test_steps_are_measured_in_both_directions_of_rows_and_columns():
    inside = torch.zeros(1, 1, 1, 1, 7, dtype=torch.bool)
    inside[..., 3] = True
    picture = torch.tensor([0.0, 0.1, 0.3, 0.7, 0.6, 0.2, 0.5]).expand(1, 3, 1, 1, 7)
    for result, where in ((picture, inside), (picture.transpose(3, 4), inside.transpose(3, 4))):
        across, beside = seam_steps(result, where)
        assert (across, beside) == (pytest.approx((0.4 + 0.1) / 2), pytest.approx((0.2 + 0.4) / 2))
    inside[..., 1] = True  # its kept neighbours have no kept one beside them, or the frame ends
    assert seam_steps(picture, inside) == (pytest.approx(0.1), pytest.approx(0.4))
