"""What every solver does, whatever its formula: it asks once a step, tells every step, and ends at the picture."""

from __future__ import annotations

import pytest
import torch

from vace_core.sampling.schedule import sigmas
from vace_core.sampling.solvers import SOLVERS

NOISE = torch.randn(1, 2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
TARGET = torch.linspace(-1, 1, NOISE.numel()).view_as(NOISE)


@pytest.fixture(params=SOLVERS)
def solver(request):
    return SOLVERS[request.param]


def test_it_asks_once_a_step_and_tells_each_with_what_was_made(solver):
    asked, told = [], []

    def denoise(latents, sigma):
        asked.append(sigma)
        return TARGET + sigma

    levels = sigmas(4, 3.0, first=solver.first)
    solver.run(denoise, NOISE, levels, lambda index, total, denoised: told.append((index, total, denoised)))
    assert asked == levels[:-1]
    assert [one[:2] for one in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert all(torch.equal(denoised, TARGET + sigma) for (_, _, denoised), sigma in zip(told, asked, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_network_that_knows_the_picture_gives_it(solver, steps):
    levels = sigmas(steps, 3.0, first=solver.first)
    made = solver.run(lambda latents, sigma: TARGET, NOISE, levels, None)
    assert torch.allclose(made, TARGET, atol=1e-5)


def test_raising_in_a_step_stops_it(solver):
    def stop(index, total, denoised):
        if index == 1:
            raise KeyboardInterrupt

    asked = []
    with pytest.raises(KeyboardInterrupt):
        solver.run(lambda latents, sigma: asked.append(sigma) or TARGET, NOISE, sigmas(4, 3.0), stop)
    assert len(asked) == 2
