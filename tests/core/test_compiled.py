"""Compiled blocks: one for all of them, and for every prompt and strength."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import tiny
import tiny_ltx
import torch
from refused import refused
from torch._dynamo.testing import CompileCounter

from vace_core import tasks
from vace_core.errors import InputError
from vace_core.loading.compiled import compile_blocks
from vace_core.pipeline import SamplingOptions, sample
from vace_core.sampling.conditions import Condition
from vace_core.sampling.strength import Strength
from vace_core.starter.opened import open_model

OPTIONS = SamplingOptions(steps=2, shift=3.0, guidance_scale=2.0, solver="euler", negative_prompt="")
# A family, its options, and how often its blocks are compiled: those of LTX-Video with and without attention.
CASES = {
    "Wan": (tiny, tiny.clip(5, 32, 48), OPTIONS, 1),
    "LTX-Video": (tiny_ltx, tiny_ltx.clip(9, 32, 64), replace(OPTIONS, stg_scale=1.0), 2),
}


def unit(clip: torch.Tensor, prompt: str) -> Any:
    return tasks.inpaint(clip, torch.ones_like(clip[:, :1]), prompt=prompt)


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch):
    import vace_core.models.ltx.dit as ltx

    monkeypatch.setattr(ltx, "SKIP_LAYERS", frozenset({2}))  # of four
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("family", CASES)
def test_other_prompts_and_strengths_are_not_compiled_again(family):
    make, clip, options, kinds = CASES[family]
    plain, model, counter = make.model(), make.model(), CompileCounter()
    compile_blocks(model, backend=counter)
    jobs = [
        (unit(clip, "abc"), options),
        (unit(clip, "a longer prompt"), replace(options, negative_prompt="words")),
        (unit(clip, "abcd"), replace(options, strength=0.3)),
        (unit(clip, "e"), replace(options, end_percent=0.5)),
    ]
    for job in jobs:
        wanted = sample(plain, *job)
        assert torch.allclose(sample(model, *job), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))
        assert counter.frame_count == kinds
    more = Strength(overall=0.7, steps=((0.0, 1.0), (1.0, 0.2)), blocks=(1.0, 0.5))
    sample(model, *jobs[0], strength=more, also=[Condition(vcu=jobs[1][0])])
    assert counter.frame_count == kinds


def test_where_nothing_can_be_compiled_that_is_said():
    def none_there(*_: Any) -> Any:
        raise RuntimeError("No working C++ compiler found")

    model = tiny.model()
    compile_blocks(model, backend=none_there)
    with pytest.raises(InputError) as error:
        sample(model, unit(tiny.clip(5, 32, 48), "abc"), OPTIONS)
    assert refused(error.value).startswith("compile-failed: error=")
    assert "No working C++ compiler found" in str(error.value)


def test_a_model_is_opened_compiled():
    model = open_model(compiled=True, device="cpu").model
    assert {type(block.forward).__name__ for block in model.expert.base.blocks} == {"function"}
