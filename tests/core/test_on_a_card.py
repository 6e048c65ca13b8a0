"""Whole jobs on a card that is not there: they give what the CPU gives, mix no devices, and bring nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from card_steps import LEVEL, Steps, angles
from families import ltx, wan
from families.conformance import all_tasks
from pretended_card import Card

from vace_core import compose, pipeline, tasks
from vace_core.pipeline import Expert, VaceModel
from vace_core.sampling.solvers import SOLVERS

FAMILIES = {"wan": wan.CASE, "ltx": ltx.CASE}
TASKS = {name: list(all_tasks(case)) for name, case in FAMILIES.items()}
STEPS = 2


def networks(model: VaceModel) -> list[torch.nn.Module]:
    vae: Any = model.vae
    experts = [expert for expert in (model.expert, model.low_noise) if expert is not None]
    return [vae.network, *(part for expert in experts for part in (expert.base, expert.adapter) if part is not None)]


def check(case: Any, model: VaceModel, unit: Any, *, tables: int = 0, **changed: Any) -> None:
    """The frames of the card are those of the CPU, and its steps do no more than they must.

    Each brings the noise level for every pass, and `tables` bytes where a network has its first pass in it.
    """
    passes = 1 + (case.family.options.guidance_scale != 1) + bool(case.family.options.stg_scale)
    options = replace(case.family.options, steps=STEPS, **changed)
    wanted = pipeline.generate(model, unit, options)
    with Card(2**30) as card:
        steps = Steps(card)
        try:
            for network in networks(model):
                network.to(card.device)
            got = pipeline.generate(model, unit, options, on_step=steps)
        finally:
            for network in networks(model):
                network.to("cpu")
    assert torch.equal(got, wanted)
    assert steps.seen == [(passes * LEVEL + tables, 1)] * (STEPS - 1)


@pytest.fixture(scope="module")
def models():
    return {name: case.make_model() for name, case in FAMILIES.items()}


@pytest.mark.parametrize(("family", "task"), [(family, task) for family, names in TASKS.items() for task in names])
def test_every_task(models, family, task):
    case = FAMILIES[family]
    check(case, models[family], all_tasks(case)[task])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_solver(models, family, solver):
    case = FAMILIES[family]
    check(case, models[family], all_tasks(case)["inpaint"], solver=solver)


def test_a_pair_of_experts_with_adapters_of_their_own(models):
    model, case = models["wan"], wan.CASE
    other = Expert(base=case.make_base(), adapter=case.make_adapter())
    unit = all_tasks(case)["reference"]
    check(case, replace(model, low_noise=other, boundary=0.95), unit, tables=angles(case, unit))


def test_an_adapter_that_acts_in_a_part_of_the_steps(models):
    check(wan.CASE, models["wan"], all_tasks(wan.CASE)["control"], end_percent=0.5, strength=0.7)


def test_it_has_no_float64():
    with Card(2**20) as card, pytest.raises(TypeError, match="float64"):
        torch.zeros(1, dtype=torch.float64, device=card.device)


def test_a_reference_joins_a_clip_of_the_card():
    clip, picture = torch.rand(1, 3, 5, 16, 16) * 2 - 1, torch.rand(1, 3, 1, 16, 16) * 2 - 1
    masks = torch.zeros(1, 1, 5, 16, 16)
    masks[..., :8] = 1

    def made(device: Any) -> Any:
        unit = tasks.inpaint(clip.to(device), masks.to(device))
        lead = tasks.reference([picture.to(device)], num_frames=5, height=16, width=16)
        return compose(unit, lead)

    wanted = made("cpu")
    with Card(2**30) as card:
        unit = made(card.device)
        assert unit.roles.device.type == unit.references[0].device.type == torch.device(card.device).type
        assert torch.equal(unit.roles.to("cpu"), wanted.roles)
