"""Widgets beyond their range, as links and scripts give them: ComfyUI 0.3.64 checks neither links nor choices."""

from __future__ import annotations

import pytest
import torch
from refusal import refusal


def clip(frames=5, height=32, width=48):
    return torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [float("nan"), float("inf"), -1.0, 4.5])
def test_borders_that_no_picture_has(run, side):
    assert refusal(run, "VaceOutpaintVideo", images=clip(), top=side) == (
        f"number-range: needed=[0, 4], value={side}, what=top"
    )


@pytest.mark.parametrize("side", [0.1, 0.25, 0.37, 0.5, 0.71, 1.0])
def test_a_border_costs_no_frames(run, side):
    vcu = run("VaceOutpaintVideo", images=clip(17, 64, 64), left=side, right=0.0, fit="starter")[0]
    assert vcu.num_frames == 17


def test_an_unknown_operation(run):
    mask = torch.ones(1, 8, 8)
    assert refusal(run, "VaceComposeMasks", mask=mask, mask_2=mask, operation="add") == (
        "not-an-option: name=operation, options=union, intersection, difference, value=add"
    )


@pytest.mark.parametrize("rate", [2**70, 10**30])
def test_a_rate_that_is_too_large_for_torch(run, rate):
    assert run("VaceInpaintVideo", images=clip(), mask=torch.ones(1, 32, 48), fps=rate)[0].fps == float(rate)
