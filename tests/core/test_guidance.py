"""Guidance: what is added up, on a model that only knows numbers."""

from __future__ import annotations

import pytest
import torch
from refused import refused

from vace_core.errors import InputError
from vace_core.sampling.guidance import guide, switch_experts
from vace_core.sampling.solvers import SOLVERS


class Numbers:
    """A base whose velocity is its text, one number for each cell."""

    sizes = None

    def prepare_text(self, text_embeds, *, fps):
        return text_embeds

    def __call__(self, latents, sigma, text, attachments=()):
        return text.expand_as(latents)


class Weakening(Numbers):
    def perturb(self, text):
        return text / 2


LATENTS = torch.zeros(1, 2, 1, 1, 2)
PROMPT, NEGATIVE = torch.tensor([1.0, 3.0]), torch.tensor([2.0, -1.0])


def velocity(model, **options):
    return -guide(model, PROMPT, NEGATIVE, **options)(LATENTS, 1.0)[0, 0, 0, 0]


def test_off_is_the_prompt_alone():
    assert velocity(Numbers(), guidance_scale=1.0).equal(PROMPT)


def test_away_from_the_negative_prompt():
    assert velocity(Numbers(), guidance_scale=3.0).equal(NEGATIVE + 3 * (PROMPT - NEGATIVE))


def test_away_from_the_weakened_model_too():
    assert velocity(Weakening(), guidance_scale=3.0, stg_scale=2.0).equal(NEGATIVE + 3 * (PROMPT - NEGATIVE) + PROMPT)


def test_spatio_temporal_guidance_alone():
    """The official pipeline fails here: it looks for the weakened prediction in a place that is not there."""
    assert velocity(Weakening(), guidance_scale=1.0, stg_scale=2.0).equal(2 * PROMPT)


@pytest.mark.parametrize("rescale", [0.3, 0.7])
def test_rescaling_gives_the_deviation_of_the_prompts_own_prediction_back(rescale):
    strong = NEGATIVE + 3 * (PROMPT - NEGATIVE) + PROMPT
    factor = rescale * float(PROMPT.repeat(2).std() / strong.repeat(2).std()) + 1 - rescale
    got = velocity(Weakening(), guidance_scale=3.0, stg_scale=2.0, rescale=rescale)
    assert torch.allclose(got, strong * factor)


@pytest.mark.parametrize("rescale", [0.0, 1.0])
def test_rescaling_by_nothing_and_by_one_is_off(rescale):
    """One is how the official command is told that there is to be none."""
    strong = NEGATIVE + 3 * (PROMPT - NEGATIVE) + PROMPT
    assert velocity(Weakening(), guidance_scale=3.0, stg_scale=2.0, rescale=rescale).equal(strong)


def test_clips_of_a_batch_are_rescaled_each_by_itself():
    class Louder(Weakening):
        def __call__(self, latents, sigma, text, attachments=()):
            return text.expand_as(latents) * torch.arange(1.0, len(latents) + 1).view(-1, 1, 1, 1, 1) ** 2

    denoise = guide(Louder(), PROMPT, NEGATIVE, guidance_scale=3.0, stg_scale=2.0, rescale=0.7)
    both = denoise(LATENTS.expand(2, -1, -1, -1, -1), 1.0)
    assert torch.equal(both[:1], denoise(LATENTS, 1.0))


def test_the_network_is_told_a_whole_timestep_and_the_step_is_the_true_one():
    class Asked(Numbers):
        def __call__(self, latents, sigma, text, attachments=()):
            levels.append(float(sigma))
            return super().__call__(latents, sigma, text)

    levels: list[float] = []
    for solver in ("unipc", "euler"):
        denoise = guide(Asked(), PROMPT, None, guidance_scale=1.0, told=SOLVERS[solver].told)
        assert torch.allclose(denoise(LATENTS, 0.98765), -0.98765 * PROMPT.expand_as(LATENTS))
    assert levels == pytest.approx([0.987, 0.98765])


def test_a_model_that_cannot_is_named():
    with pytest.raises(InputError) as error:
        velocity(Numbers(), guidance_scale=3.0, stg_scale=1.0)
    assert refused(error.value) == "stg-unknown"


def test_of_a_pair_the_high_one_is_asked_down_to_the_boundary_and_at_it():
    def expert(value):
        return lambda latents, sigma: latents + value

    pair = switch_experts(expert(1), expert(2), 0.875)
    assert [float(pair(LATENTS, sigma).max()) for sigma in (1.0, 0.876, 0.875, 0.874, 0.0)] == [1, 1, 1, 2, 2]
