"""Whole jobs against the official code: files, context, noise, schedule, solver, guidance, network, VAE.

`make_job_golden.py` says how the golden file was made. Both sides compute in float32 on the CPU, in another order.
Putting kept pixels back is left out, for the official code does not do it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import job_cases
import pytest
import tiny
import tiny_ltx
import torch
from job_cases import HEIGHT, JOBS, LTX_JOBS, NUM_FRAMES, PROMPT, WIDTH
from safetensors import safe_open
from safetensors.torch import load_file

from vace_core import pipeline, tasks
from vace_core.inputs import fitting
from vace_core.inputs.resizing import resize_frames
from vace_core.media.pictures import read_image
from vace_core.media.video import from_uint8, read_video
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx.family import LTX
from vace_core.models.wan.family import WAN
from vace_core.sampling.schedule import sigmas
from vace_core.sampling.solvers import SOLVERS
from vace_core.vcu import compose

GOLDEN = Path(__file__).parent / "golden" / "jobs.safetensors"
TOLERANCE = 2e-5
DECODED = 5e-5  # .006 of a level of 255: the decoder makes more of what latents differ by, in either code
# The official scheduler of LTX-Video keeps noise levels in single precision, so timesteps are up to 6e-5 apart.
LTX_TOLERANCE = 2e-4


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN)


def wan_unit(job, folder):
    """What the command makes of the same files and numbers."""
    size = {"num_frames": NUM_FRAMES, "height": HEIGHT, "width": WIDTH}
    if job.task == "control":
        clip = read_video(job_cases.write_control(folder))
        plan = fitting.plan(*clip.frames.shape[:3], WAN.presets["wan-480p"], fps=clip.fps, times=clip.times)
        unit = tasks.control(resize_frames(clip.frames, plan))
    elif job.task == "inpaint":
        unit = tasks.inpaint(job_cases.source(), job_cases.mask())
    elif job.task == "first frame":
        unit = tasks.extend(job_cases.source()[:, :, :1], num_frames=NUM_FRAMES)
    else:
        unit = tasks.text(**size)
    if job.references:
        unit = compose(unit, tasks.reference(references(job, folder), **size))
    return replace(unit, prompt=PROMPT, negative_prompt=job.negative)


def ltx_unit(job, folder):
    height, width = job_cases.LTX_HEIGHT, job_cases.LTX_WIDTH
    size = {"num_frames": NUM_FRAMES, "height": height, "width": width, "fps": job_cases.LTX_FPS}
    unit = tasks.text(**size)
    if job.task == "inpaint":
        masks = job_cases.mask(height, width)
        unit = tasks.inpaint(job_cases.source(height, width), masks, fps=job_cases.LTX_FPS)
    if job.references:
        unit = compose(unit, tasks.reference(references(job, folder), **size))
    return replace(unit, prompt=PROMPT)


def references(job, folder):
    return [from_uint8(read_image(path)[0]) for path in job_cases.write_references(folder, job.references)]


def noise_by_tokens(shape, seed):
    """The official pipeline for LTX-Video draws noise in the order of tokens."""
    batch, channels, *size = shape
    drawn = torch.randn(batch, math.prod(size), channels, generator=torch.Generator().manual_seed(seed))
    return drawn.transpose(1, 2).unflatten(2, size)


def same(got, wanted, tolerance=TOLERANCE):
    assert got.shape == wanted.shape
    assert float((got - wanted).abs().max()) <= tolerance


@torch.no_grad()
@pytest.mark.parametrize("name", JOBS)
def test_a_whole_job_with_wan_equals_the_official_one(name, golden, tmp_path):
    job, model = JOBS[name], tiny.model()
    options = replace(
        WAN.options, steps=job.steps, shift=job.shift, guidance_scale=job.guidance, solver=job.solver, seed=job.seed,
        strength=job.strength,
    )  # fmt: skip
    latents = pipeline.sample(model, wan_unit(job, tmp_path), options)
    same(latents, golden[f"{name}/latents"])
    same(model.vae.decode(golden[f"{name}/latents"])[job_cases.THINNED], golden[f"{name}/frames"])
    same(model.vae.decode(latents)[job_cases.THINNED], golden[f"{name}/frames"], DECODED)


@torch.no_grad()
@pytest.mark.parametrize("name", LTX_JOBS)
def test_a_whole_job_with_ltx_equals_the_official_one(name, golden, tmp_path, monkeypatch):
    monkeypatch.setattr(ltx, "SKIP_LAYERS", frozenset({job_cases.GUIDED}))
    monkeypatch.setattr(pipeline, "make_noise", noise_by_tokens)
    job, model = LTX_JOBS[name], tiny_ltx.model()
    assert job.guidance == LTX.options.guidance_scale
    options = replace(LTX.options, steps=job.steps, seed=job.seed)
    latents = pipeline.sample(model, ltx_unit(job, tmp_path), options)
    same(latents, golden[f"{name}/latents"], LTX_TOLERANCE)
    same(model.vae.decode(latents)[job_cases.THINNED], golden[f"{name}/frames"], LTX_TOLERANCE)


def test_the_command_of_the_official_code_has_our_settings():
    with safe_open(GOLDEN, "pt") as file:
        negative = file.metadata()["negative prompt"]
    found = WAN.options
    assert (found.negative_prompt, found.steps, found.shift, found.guidance_scale) == (negative, 50, 16.0, 5.0)
    assert (found.solver, found.seed) == ("unipc", 2025)
    assert WAN.pair_options == replace(found, shift=12.0)
    assert LTX.options.negative_prompt == "worst quality, inconsistent motion, blurry, jittery, distorted"


@pytest.mark.parametrize("solver", ["unipc", "dpm++"])
@pytest.mark.parametrize("shift", [1, 3, 5, 8, 12, 16])
def test_the_network_is_told_the_official_timesteps(solver, shift, golden):
    ours = SOLVERS[solver]
    told = [
        round(1000 * ours.told(sigma))
        for steps in range(1, 51)
        for sigma in sigmas(steps, shift, first=ours.first)[:-1]
    ]
    assert told == golden[f"timesteps/{solver}/{shift}"].tolist()
