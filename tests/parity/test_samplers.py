"""The solvers against diffusers, on a curved toy flow in float64."""

from __future__ import annotations

import pytest
import torch

from vace_core.sampling.schedule import sigmas
from vace_core.sampling.solvers import SOLVERS, dpmpp_2m, euler, unipc

diffusers = pytest.importorskip("diffusers")


def velocity(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.sin(3 * x) + x * (sigma - 0.3) + 0.5 * sigma


def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return x - sigma * velocity(x, sigma)


def noise() -> torch.Tensor:
    return torch.randn(1, 4, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def run_theirs(scheduler, levels: list[float]) -> torch.Tensor:
    scheduler.set_timesteps(len(levels) - 1)
    scheduler.sigmas = torch.tensor(levels, dtype=torch.float64)
    x = noise()
    for timestep, sigma in zip(scheduler.timesteps, levels, strict=False):
        x = scheduler.step(velocity(x, sigma), timestep, x, return_dict=False)[0]
    return x


@pytest.mark.parametrize(("steps", "shift"), [(1, 5.0), (2, 5.0), (4, 5.0), (20, 5.0), (50, 16.0)])
def test_unipc_equals_diffusers(steps, shift):
    levels = sigmas(steps, shift, first=SOLVERS["unipc"].first)
    theirs = diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    assert (unipc(denoise, noise(), levels) - run_theirs(theirs, levels)).abs().max() <= 1e-12


@pytest.mark.parametrize(("steps", "shift"), [(1, 5.0), (3, 5.0), (20, 5.0), (50, 16.0)])
def test_dpmpp_equals_diffusers(steps, shift):
    levels = sigmas(steps, shift, first=0.999)
    theirs = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift, algorithm_type="dpmsolver++",
        euler_at_final=True, final_sigmas_type="zero",
    )  # fmt: skip
    # This scheduler rounds every sample to float32.
    assert (dpmpp_2m(denoise, noise(), levels) - run_theirs(theirs, levels)).abs().max() <= 1e-5


@pytest.mark.parametrize("steps", [1, 4, 20])
def test_euler_equals_diffusers(steps):
    levels = sigmas(steps, 5.0)
    theirs = diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0)
    # This scheduler always computes in float32.
    assert (euler(denoise, noise(), levels) - run_theirs(theirs, levels)).abs().max() <= 1e-5


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_every_solver_finds_the_picture_of_a_straight_flow_in_any_number_of_steps(name):
    picture = torch.full((1, 4, 1, 2, 2), 0.25, dtype=torch.float64)
    for steps in (1, 2, 7):
        levels = sigmas(steps, 3.0, first=SOLVERS[name].first)
        found = SOLVERS[name].run(lambda x, sigma: picture, noise()[:, :, :1, :2, :2], levels, None)
        assert torch.allclose(found, picture, atol=1e-12)


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_noise_level_one_needs_no_special_case(name):
    result = SOLVERS[name].run(denoise, noise(), sigmas(6, 5.0), None)
    assert torch.isfinite(result).all()
