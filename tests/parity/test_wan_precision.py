"""In bfloat16, Wan is as near to float32 as the official network is; `make_wan_precision.py` measured that one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import wan_precision_case as case

from vace_core.adapter import Attachment

OFFICIAL = json.loads((Path(__file__).parent / "golden" / "wan_precision.json").read_text())["distance"]


def velocity(seed: int, dtype: torch.dtype) -> torch.Tensor:
    (base, adapter), inputs = case.models(seed), case.inputs(seed)
    base, adapter = base.to(dtype), adapter.to(dtype)
    attachment = Attachment(adapter=adapter, context=adapter.embed(inputs["context"]))
    return base(inputs["latents"], inputs["sigma"], base.prepare_text(inputs["text"]), [attachment])


@torch.no_grad()
@pytest.mark.parametrize("seed", case.SIGMAS)
def test_halves_are_as_near_to_float32_as_the_official_network(seed):
    wanted = velocity(seed, torch.float32)
    assert case.distance(velocity(seed, torch.bfloat16), wanted) <= 1.1 * OFFICIAL[str(seed)]


@torch.no_grad()
def test_float16_is_nearer_still():
    assert case.distance(velocity(0, torch.float16), velocity(0, torch.float32)) <= OFFICIAL["0"] / 4
