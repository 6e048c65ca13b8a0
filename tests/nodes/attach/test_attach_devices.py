"""A MODEL that ComfyUI spreads over several devices takes an adapter of its own to each of them."""

from __future__ import annotations

from unittest import mock

import native_parts
import pytest
import torch
from filling import relative

CLOSE = 1e-5  # prompt and negative prompt are computed in one batch on one device, and apart on two
SECOND = torch.device("cpu", 0)  # another name of the processor, and another device to ComfyUI


@pytest.fixture
def base(core, comfy):
    """MODEL as ComfyUI's loader gives it: it can be loaded again for another device."""
    model = native_parts.plain_model(core)
    if not hasattr(model, "deepclone_multigpu"):
        pytest.skip("this ComfyUI spreads no MODEL over devices")
    model.cached_patcher_init = (lambda disable_dynamic=False: native_parts.plain_model(core), ())
    return model


@pytest.fixture
def spread():
    """The MODEL on two devices, as MultiGPU CFG Split gives it."""
    import comfy.model_management
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    def call(model):
        two = mock.Mock(return_value=[torch.device("cpu"), SECOND])
        with mock.patch.object(comfy.model_management, "get_all_torch_devices", two):
            made = MultiGPUCFGSplitNode.execute(model, 2)[0]
        assert [one.load_device for one in made.additional_models["multigpu"]] == [SECOND]
        return made

    return call


def adapters_of(model):
    """Those of our adapters that belong to a MODEL."""
    named = model.additional_models.items()
    return [one.model for name, some in named if name.startswith("vace") for one in some]


def test_each_device_has_its_own_and_the_result_is_that_of_one(unit, attach, apply, sample, base, native, spread):
    attached, latent = attach(base, unit(), strength=0.7)
    two = spread(attached)
    (clone,) = two.additional_models["multigpu"]
    (first,), (second,) = adapters_of(two), adapters_of(clone)
    assert clone.additional_models["vace 1"][0].load_device == SECOND
    assert clone.model is not two.model
    assert first is not second
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(*both) and both[0].data_ptr() != both[1].data_ptr() for both in pairs)
    used = []
    for name, network in (("first", first), ("second", second)):
        network.after_proj[0].register_forward_pre_hook(lambda *_, name=name: used.append(name))
    texts = apply((unit(), 0.7))
    made = sample(two, texts, latent)
    assert sorted(used) == ["first"] * 3 + ["second"] * 3
    assert relative(made, sample(native, texts, latent)) < CLOSE
    assert relative(sample(attached, texts, latent), made) < CLOSE
    assert relative(sample(base, texts, latent), made) > 1e-3


def test_two_units_of_one_adapter(unit, attach, apply, sample, base, native, spread):
    attached, latent = attach(base, unit(), strength=0.7)
    attached, _ = attach(attached, unit(1), strength=1.3)
    two = spread(attached)
    assert len(adapters_of(two)) == len(adapters_of(two.additional_models["multigpu"][0])) == 1
    texts = apply((unit(), 0.7), (unit(1), 1.3))
    assert relative(sample(two, texts, latent), sample(native, texts, latent)) < CLOSE


def test_attached_to_what_is_spread_already(unit, attach, apply, sample, base, native, spread):
    attached, latent = attach(spread(base), unit())
    texts = apply((unit(), 1.0))
    assert relative(sample(attached, texts, latent), sample(native, texts, latent)) < CLOSE


def test_a_part_of_the_schedule(unit, attach, sample, base, texts, spread):
    part, latent = attach(base, unit(), end_percent=0.6)
    made, wanted = (sample(model, texts, latent, steps=4) for model in (spread(part), part))
    assert relative(made, wanted) < CLOSE


def test_a_model_moved_to_another_device_takes_its_adapter_along(unit, attach, apply, sample, base, native):
    """What Select Model Device does."""
    attached, latent = attach(base, unit())
    moved = attached.deepclone_multigpu(new_load_device=SECOND)
    (own,), (before,) = adapters_of(moved), adapters_of(attached)
    used = []
    own.after_proj[0].register_forward_pre_hook(lambda *_: used.append("own"))
    before.after_proj[0].register_forward_pre_hook(lambda *_: used.append("before"))
    texts = apply((unit(), 1.0))
    assert torch.equal(sample(moved, texts, latent), sample(native, texts, latent))
    assert used == ["own"] * 3
