"""A clip is fitted alike by the command and by the nodes."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product

import pytest
import torch
from filling import fill
from safetensors.torch import save_file

from vace_core.media.video import Clip
from vace_core.models.ltx import dit as ltx

inputs = pytest.importorskip("vace_core.cli.inputs", reason="the command needs typer and rich")

SIZES = ((832, 480), (480, 832), (1280, 720), (1920, 1080), (640, 640), (100, 70), (64, 64), (1024, 430))
LENGTHS = (1, 5, 17, 49, 81, 100, 300)
BORDERS = ((0, 0, 0, 0), (0.1, 0, 0, 0), (0, 0.25, 0, 0), (0.5, 0.5, 0, 0), (0, 0, 0.3, 0), (0.25, 0.25, 0.25, 0.25))
FPS = 16.0


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """What the command is given as --model for each fit of the nodes."""
    folder = tmp_path_factory.mktemp("ltx")
    sizes = ltx.LtxSizes(width=64, ffn=256, layers=1, text_width=32)
    save_file(dict(fill(ltx.LtxDit(sizes)).state_dict()), folder / "ltx.safetensors")
    return {"480p": str(folder / "not there"), "LTX-Video": str(folder / "ltx.safetensors"), "starter": "starter"}


@pytest.mark.parametrize("fit", ["480p", "LTX-Video", "starter"])
def test_the_command_and_the_nodes_fit_alike(pack, models, fit):
    wanted = inputs.Wanted(model=models[fit])
    for (width, height), length, border in product(SIZES, LENGTHS, BORDERS):
        node = pack.nodes.comfy.fitted.plan_of(
            length, height, width, fit, FPS, pack.nodes.comfy.fitted.growth_of(*border)
        )
        growth = inputs.fitting.growth(*border)
        command = inputs.plan_of(clip_of(length, height, width), wanted, growth=growth)
        assert asdict(command) == asdict(node), (width, height, length, border)


def test_a_border_does_not_cost_frames_that_have_room(models):
    wanted = inputs.Wanted(model=models["480p"])
    assert inputs.plan_of(clip_of(81, 480, 832), wanted, growth=1.1).num_frames == 81


def clip_of(length: int, height: int, width: int) -> Clip:
    """A clip that takes no memory."""
    edges = torch.arange(length + 1, dtype=torch.float64) / FPS
    frames = torch.zeros(1, dtype=torch.uint8).expand(length, height, width, 3)
    return Clip(frames=frames, alpha=None, fps=FPS, times=torch.stack([edges[:-1], edges[1:]], dim=1))
