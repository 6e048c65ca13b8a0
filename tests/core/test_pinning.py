"""Pinned latents are the source's at the end, whatever the network says of them; and a job that begins from a clip."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from refused import refused

from vace_core import tasks
from vace_core.errors import InputError
from vace_core.models.ltx.dit import GRID as LTX_GRID
from vace_core.models.wan.dit import GRID
from vace_core.pipeline import SamplingOptions, generate, make_noise, sample
from vace_core.sampling.pinning import encode_source, kept_cells
from vace_core.sampling.schedule import NoiseSchedule
from vace_core.sampling.solvers import SOLVERS

OPTIONS = SamplingOptions(steps=4, shift=3.0, guidance_scale=2.0, seed=1)


@pytest.fixture(scope="module")
def model():
    return tiny.model()


@pytest.fixture(scope="module")
def unit():
    masks = torch.zeros(1, 1, 9, 32, 48)
    masks[:, :, 3:6, 8:20, 10:30] = 1
    return tasks.inpaint(tiny.clip(9), masks, prompt="a red fox")


def test_a_cell_is_kept_if_every_pixel_of_every_frame_is():
    masks = torch.zeros(1, 1, 9, 32, 48)
    masks[:, :, 5, 8, 16] = 1  # a single pixel, in the third latent frame
    cells = kept_cells(masks, GRID)
    assert cells.shape == (1, 1, 3, 4, 6)
    assert (~cells).nonzero().tolist() == [[0, 0, 2, 1, 2]]
    first = torch.zeros(1, 1, 9, 32, 32)
    first[:, :, 0, 0, 0] = 1
    assert (~kept_cells(first, GRID)).nonzero().tolist() == [[0, 0, 0, 0, 0]]
    assert (~kept_cells(first, LTX_GRID)).nonzero().tolist() == [[0, 0, 0, 0, 0]]
    assert kept_cells(first, LTX_GRID).shape == (1, 1, 2, 1, 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("references", [0, 2])
def test_pinned_latents_end_as_those_of_the_source(model, unit, solver, references):
    pictures = tuple(tiny.clip(1, seed=seed) for seed in range(references))
    vcu, options = replace(unit, references=pictures), replace(OPTIONS, solver=solver)
    source, cells = encode_source(vcu, model.vae), kept_cells(vcu.masks, GRID).expand(1, 16, 3, 4, 6)
    held, free = (sample(model, vcu, options, pin=pin) for pin in (True, False))
    assert (held - source)[cells].abs().max() <= 1e-5
    assert (free - source)[cells].abs().mean() > 0.1
    assert (held - free)[~cells].abs().max() > 0.01  # the network saw the source beside the hole


def test_kept_pixels_come_back_as_they_came_with_pinning_too(model, unit):
    result = generate(model, unit, OPTIONS, pin=True)
    kept = unit.masks.expand_as(result) == 0
    assert torch.equal(result[kept], unit.source[kept])


def test_the_source_is_carried_on_where_there_is_none(model):
    vcu = tasks.outpaint(tiny.clip(5, 32, 32), right=16)
    outside = ~vcu.has_source
    seen = {}
    vae = model.vae

    class Watched:
        grid, latent_channels = vae.grid, vae.latent_channels

        def encode(self, frames, **given):
            seen["frames"] = frames
            return vae.encode(frames, **given)

    encode_source(vcu, Watched())
    frames = seen["frames"]
    assert torch.equal(frames[..., :32], vcu.source[..., :32])
    assert torch.equal(frames[..., 32:], vcu.source[..., 31:32].expand(-1, -1, -1, -1, 16))
    assert outside[..., 32:].all()


def test_frames_without_a_source_pin_nothing(model):
    vcu = tasks.extend(tiny.clip(5), None, num_frames=13)
    cells = kept_cells(vcu.masks, GRID)
    assert cells[:, :, :2].all()
    assert not cells[:, :, 2:].any()
    held = sample(model, vcu, OPTIONS, pin=True)
    # The VAE reads no frame that comes later, so the known frames are encoded as they are alone.
    assert (held[:, :, :2] - model.vae.encode(tiny.clip(5))).abs().max() <= 1e-4


def test_without_a_source_there_is_nothing_to_pin(model):
    vcu = tasks.control(tiny.clip(5))
    for options in ({"pin": True}, {"options": replace(OPTIONS, denoise=0.5)}):
        with pytest.raises(InputError) as error:
            sample(model, vcu, options.pop("options", OPTIONS), **options)
        assert error.value.code == "pin-without-source"


def test_a_job_begins_from_the_source_with_noise(model, unit):
    changes = [
        (sample(model, unit, replace(OPTIONS, denoise=denoise, strength=0.0)) - encode_source(unit, model.vae))
        .abs()
        .mean()
        for denoise in (0.05, 0.4, 1.0)
    ]
    assert changes[0] < 0.5 * changes[1] < changes[2]


def test_a_job_begins_from_another_clip(model):
    """As image to image has it: a control to follow, and a clip to begin from."""
    vcu, other = tasks.control(tiny.clip(5)), tiny.clip(5, seed=8)
    soft = replace(OPTIONS, denoise=0.1)
    near = sample(model, vcu, soft, begin=other)
    latents = model.vae.encode(other)
    assert (near - latents).abs().mean() < 0.5 * (sample(model, vcu, OPTIONS) - latents).abs().mean()


def test_denoise_goes_through_the_last_part_of_the_schedule_in_all_its_steps():
    whole, part = NoiseSchedule(steps=20, shift=3.0).sigmas(), NoiseSchedule(steps=10, shift=3.0, denoise=0.5).sigmas()
    assert part == whole[-11:]
    assert len(NoiseSchedule(steps=10, shift=3.0, denoise=0.3).sigmas()) == 11


@pytest.mark.parametrize("wrong", [0.0, -0.5, 1.5, float("nan")])
def test_a_denoise_out_of_range_is_refused(wrong):
    with pytest.raises(InputError) as error:
        SamplingOptions(denoise=wrong)
    assert refused(error.value).startswith("number-range")


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("denoise", [0.3, 0.5])
def test_a_job_begins_from_its_clip_and_as_much_noise_as_its_first_level_says(unit, denoise: float, given: bool):
    """A network that changes nothing gives back what it began from."""
    still = tiny.model()
    for part in still.expert.base.head.parameters():
        torch.nn.init.zeros_(part)
    options = replace(OPTIONS, steps=2, denoise=denoise, solver="euler", guidance_scale=1.0)
    clip = tiny.clip(9, seed=5)
    found = sample(still, unit, options, begin=clip if given else None)
    source = still.vae.encode(clip) if given else encode_source(unit, still.vae)
    level = float(options.schedule(still.vae.grid.tokens(9, 32, 48, 0)).sigmas()[0])
    wanted = (1 - level) * source + level * make_noise(tuple(source.shape), options.seed)
    assert 0 < level < 1
    assert torch.allclose(found, wanted, atol=1e-5)
