"""One job in several processes: they come to what one comes to, and send each other what is computed beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import tiny
import tiny_ltx
import torch
from processes import Sent, started
from refused import refused

from vace_core import tasks
from vace_core.errors import InputError
from vace_core.pipeline import SamplingOptions, VaceModel, sample
from vace_core.pipeline.parallel.processes import joined
from vace_core.pipeline.parallel.sequence import check_divided
from vace_core.pipeline.parallel.spread import shared_out, spread
from vace_core.starter.model import STARTER_OPTIONS, load_starter

CPU = torch.device("cpu")
CLOSE = 1e-5
OPTIONS = SamplingOptions(steps=2, shift=3.0, guidance_scale=2.0, solver="unipc", negative_prompt="b")


def half(clip: torch.Tensor) -> Any:
    masks = torch.zeros_like(clip[:, :1])
    masks[..., : clip.shape[-1] // 2] = 1
    return tasks.inpaint(clip, masks, prompt="abc", negative_prompt="z")


def starter() -> tuple[VaceModel, Any, SamplingOptions]:
    return load_starter(), half(tiny.clip(5, 64, 64)), replace(STARTER_OPTIONS, steps=2)


def wan() -> tuple[VaceModel, Any, SamplingOptions]:
    return tiny.model(), half(tiny.clip(5, 48, 48)), OPTIONS


def ltx() -> tuple[VaceModel, Any, SamplingOptions]:
    options = replace(OPTIONS, solver="euler", stg_scale=1.0, rescale=0.5)
    return tiny_ltx.model(), half(tiny_ltx.clip(17, 32, 96)), options


def in_processes(make: Any, way: str) -> dict[str, Any]:
    """How far this process's latents are from those of one process alone, and what it sent."""
    model, unit, options = make()
    wanted = sample(model, unit, options)
    with joined(CPU) as processes, spread(model, processes, way=way) as there, Sent(processes.count) as sent:
        got = sample(there, unit, options)
    far = float((got - wanted).abs().max() / wanted.abs().max())
    assert sample(model, unit, options).equal(wanted)  # it is left as it was
    return {"far": far, "sent": sent.bytes}


@pytest.mark.parametrize("way", ["sequence", "guidance"])
@pytest.mark.parametrize("make", [starter, ltx])
def test_two_processes_come_to_what_one_comes_to(make, way):
    ends = started(2, lambda: in_processes(make, way))
    assert [end.status for end in ends] == [0, 0], ends[0].err + ends[1].err
    assert all(end.value["far"] <= CLOSE for end in ends), ends
    print(ends)
