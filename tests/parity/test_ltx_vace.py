"""The adapter on LTX-Video against the official transformer, from a golden file of it.

`make_ltx_golden.py` says how the file was made. Tolerance: both compute in float32, in another order.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ltx_case
import pytest
import torch
from filling import relative
from safetensors.torch import load_file

from vace_core.adapter import Attachment
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx.family import LTX
from vace_core.sampling.guidance import guide
from vace_core.sampling.solvers import SOLVERS

GOLDEN = Path(__file__).parent / "golden" / "ltx_vace.safetensors"


@torch.no_grad()
@pytest.mark.parametrize("case", ltx_case.CASES)
def test_base_with_adapter_equals_the_official_one(case):
    strength, skipped = ltx_case.CASES[case]
    (base, adapter), inputs = ltx_case.models(), ltx_case.inputs()
    prompt = replace(base.prepare_text(inputs["text"], fps=ltx_case.FPS), skipped=frozenset(skipped))
    attachment = Attachment(adapter=adapter, context=adapter.embed(inputs["context"]), strength=strength)
    got = base(inputs["latents"], inputs["sigma"], prompt, [attachment])
    assert relative(got, load_file(GOLDEN)[case]) <= 1e-5


@torch.no_grad()
def test_a_whole_job_equals_the_official_one(monkeypatch):
    """Schedule, both kinds of guidance, rescaling and steps: the official transformer under the official scheduler."""
    monkeypatch.setattr(ltx, "SKIP_LAYERS", frozenset({ltx_case.GUIDED}))
    (base, adapter), inputs = ltx_case.models(), ltx_case.inputs()
    prompt, negative = (base.prepare_text(inputs[name], fps=ltx_case.FPS) for name in ("text", "negative"))
    options, noise = LTX.options, inputs["latents"]
    levels = replace(options, steps=ltx_case.STEPS).schedule(noise[0, 0].numel()).sigmas()
    denoise = guide(
        base,
        prompt,
        negative,
        guidance_scale=options.guidance_scale,
        stg_scale=options.stg_scale,
        rescale=options.rescale,
        attachments=[Attachment(adapter=adapter, context=adapter.embed(inputs["context"]))],
    )
    got = SOLVERS[options.solver].run(denoise, noise, levels, None)
    assert relative(got, load_file(GOLDEN)["job"]) <= 1e-5
