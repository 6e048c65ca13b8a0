"""Networks that give no numbers: said in the step where it happens, not after all the others."""

from __future__ import annotations

import pytest
import tiny
import torch
from refused import refused

from vace_core import SamplingOptions, generate, tasks
from vace_core.errors import InputError
from vace_core.pipeline import finish, sample

SHORT = SamplingOptions(steps=4, guidance_scale=2.0, shift=3.0, seed=1)
VAE = "Run the VAE in bfloat16 or float32 (in ComfyUI: --bf16-vae or --fp32-vae), or choose another file of it"
MODEL = "Run the model in bfloat16 or float32, lower guidance and strength, or choose another file of it"


def message(step: str, cure: str) -> str:
    return f"not-finite: cure={cure}, step={step}"


def hole():
    masks = torch.zeros(1, 1, 5, 32, 48)
    masks[..., :24] = 1
    return masks


def refusal(call, *args) -> str:
    with pytest.raises(InputError) as error:
        call(*args)
    return refused(error.value)


@torch.no_grad()
def spoil(module) -> None:
    """One weight that is no number, in a layer that everything passes."""
    list(module.parameters())[-1].view(-1)[0] = float("nan")


def test_a_model_with_damaged_weights_stops_at_its_first_step():
    model, steps = tiny.model(), []
    spoil(model.expert.base)
    vcu = tasks.inpaint(tiny.clip(), hole())
    with pytest.raises(InputError) as error:
        sample(model, vcu, SHORT, on_step=lambda index, *_: steps.append(index))
    assert refused(error.value) == message("Step 1 of 4 of sampling", MODEL)
    assert steps == []


def test_a_vae_that_overflows_is_named_while_it_encodes():
    model = tiny.model()
    spoil(model.vae.network.encoder)
    assert refusal(generate, model, tasks.inpaint(tiny.clip(), hole()), SHORT) == message("Encoding", VAE)


@pytest.mark.parametrize("task", ["kept", "free"])
def test_a_vae_that_overflows_is_named_while_it_decodes(task):
    vae = tiny.vae()
    vcu = tasks.inpaint(tiny.clip(), hole())
    if task == "free":
        vcu = tasks.text(num_frames=5, height=32, width=48)
    spoil(vae.network.decoder)
    assert refusal(finish, vae, vcu, torch.zeros(1, 16, 2, 4, 6)) == message("Decoding", VAE)
