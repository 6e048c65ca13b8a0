"""Profiles: what a job would take is known, and said, before one file of its model is there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from model_files import base_weights
from refused import refused
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from vace_core.cli import app
from vace_core.cli.files import find_files
from vace_core.cli.models import options_of, read_sizes, stated_sizes
from vace_core.cli.options import Run, Wanted
from vace_core.cli.sizes import blank
from vace_core.errors import InputError
from vace_core.inputs.fitting import ResolutionPreset
from vace_core.models.devices import Memory, memory_size
from vace_core.models.wan.family import WAN
from vace_core.preview.plan import Job, check_plan, plan_job
from vace_core.starter.profiles import PROFILES

GIB = 2**30


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: object) -> dict:
    found = vace("text", "-p", "a dog", "--dry-run", "--json", *words)
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_says_size_length_and_sampling(name):
    profile, wanted = PROFILES[name], Wanted(profile=name)
    size, frames, fps = blank(wanted)
    assert (size, fps) == (profile.size, profile.rule.fps)
    assert frames == {"starter": 17, "ltx": 97}.get(name, 81)
    assert replace(options_of(wanted, Run()), negative_prompt="") == replace(profile.usual, negative_prompt="")
    profile.family.grid.check(frames, *size)


@pytest.mark.parametrize("name", PROFILES)
def test_one_side_alone_keeps_the_shape_of_the_profile(name):
    height, width = PROFILES[name].size
    step = PROFILES[name].rule.grid.step
    for asked, other in (({"width": 2 * width}, 0), ({"height": 2 * height}, 1)):
        found, _, _ = blank(Wanted(profile=name, **asked))
        assert found == (2 * height, 2 * width)
        smaller, _, _ = blank(Wanted(profile=name, **{side: number // 4 for side, number in asked.items()}))
        assert abs(smaller[other] - (height, width)[other] / 2) <= step / 2


@pytest.mark.parametrize(("name", "steps", "passes"), [("ltx", 40, 120), ("wan-14b-fast", 4, 4)])
def test_a_dry_run_needs_no_file(name, steps, passes):
    found = told("--profile", name, "--memory", "96GB", "--length", 9, "--width", 64, "--height", 64)
    assert found["model"] == name
    assert found["options"]["steps"] == steps
    assert found["cost"]["base_passes"] == passes
    assert found["plan"]["fits"]


def test_the_starters_sizes_are_those_of_its_files():
    files = find_files(Wanted(), Run())
    counted, stated = read_sizes(files, Run()), stated_sizes(PROFILES["starter"], Run())
    assert (stated.base, stated.context_blocks, stated.vae) == (counted.base, counted.context_blocks, counted.vae)
    assert stated.experts == counted.experts
    assert sum(stated.weights.values()) == sum(counted.weights.values())


def test_weights_of_published_models_are_as_large_as_they_were_published():
    sizes = {name: stated_sizes(PROFILES[name], Run()) for name in ("wan-1.3b-480p", "wan-14b-480p", "fun-pair")}
    small, large, pair = (sum(expert.total for expert in one.experts) / GIB for one in sizes.values())
    assert (small, large) == (pytest.approx(4.00, rel=0.01), pytest.approx(32.3, rel=0.01))
    assert pair == 2 * large


def test_adapters_have_the_blocks_that_were_published():
    blocks = {name: stated_sizes(PROFILES[name], Run()).context_blocks for name in PROFILES}
    large = dict.fromkeys(("wan-14b-480p", "wan-14b-720p", "wan-14b-fast", "fun-pair"), 8)
    assert {name: blocks[name] for name in ("wan-1.3b-480p", *large)} == {"wan-1.3b-480p": 15, **large}


def test_no_clip_is_hundreds_of_frames_long_that_nobody_asked_for():
    for family in (WAN, PROFILES["ltx"].family):
        for preset in family.presets.values():
            assert preset.usual(64, 64) < 100 < preset.longest(64, 64)
    free = ResolutionPreset(grid=WAN.grid, max_area=64, max_tokens=80, fps=8.0)
    assert free.usual(32, 32) == free.longest(32, 32)


@pytest.mark.parametrize(("text", "count"), [("12GB", 12 * 10**9), ("1.5 GiB", 3 * 2**29), ("800mb", 8 * 10**8),
                                             ("8", 8 * 10**9)])  # fmt: skip
def test_sizes_of_memory(text, count):
    assert memory_size(text) == count


@pytest.mark.parametrize("text", ["", "much", "-3GB", "0", "1e9", "12 GB of it"])
def test_what_is_no_size_of_memory_is_refused(text):
    with pytest.raises(InputError) as error:
        memory_size(text)
    assert error.value.code == "memory-unreadable"


def test_a_plan_that_does_not_fit_says_what_would():
    sizes = stated_sizes(PROFILES["wan-14b-720p"], Run())
    job, memory = Job(size=(81, 720, 1280), steps=50, passes=2), Memory(name="a card", total=6 * GIB, free=6 * GIB)
    found = plan_job(sizes, job, memory)
    assert not found.fits
    with pytest.raises(InputError) as error:
        check_plan(found, sizes, job)
    assert error.value.code == "memory-below-plan"
    choices = re.findall(r"(\d+) frames of (\d+) x (\d+)", str(error.value.fields["advice"]))
    assert choices
    for frames, width, height in choices:
        size = (int(frames), int(height), int(width))
        assert plan_job(sizes, replace(job, size=size), memory).fits


WRONG = {
    "unknown": (("--profile", "wan-99b"), 3, "profile-unknown: known=" + ", ".join(PROFILES) + ", name=wan-99b"),
    "memory": (("--memory", "lots", "--dry-run"), 3, "memory-unreadable: text=lots"),
    "of the CPU": (("--memory", "12GB", "--device", "cpu"), 3, "memory-of-cpu: memory=12GB"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_before_anything_is_read(name):
    words, code, said = WRONG[name]
    found = vace("text", *words)
    assert found.exit_code == code
    assert refused(found.exception) == said


def test_a_profile_without_files_runs_nothing_and_says_what_is_needed():
    found = vace("text", "--profile", "wan-14b-fast")
    assert found.exit_code == 3
    assert refused(found.exception).startswith("profile-without-files: ")
    assert "umt5_xxl" in found.stderr


def test_a_file_of_another_size_than_the_profile_is_refused(tmp_path: Path):
    path = tmp_path / "small.safetensors"
    save_file({name: value.contiguous() for name, value in base_weights().items()}, path)
    rest = ("--strength", "0", "--vae", path, "--text-encoder", "starter")
    found = vace("text", "--profile", "wan-14b-480p", "-m", path, *rest, "--dry-run")
    assert found.exit_code == 4
    assert refused(found.exception).startswith("profile-other-model: ")


def test_previews_take_the_size_of_a_profile(tmp_path: Path):
    out = tmp_path / "sheet.png"
    found = vace("preview", "text", "-p", "a dog", "--length", 9, "--profile", "ltx", "-o", out)
    assert found.exit_code == 0, found.stderr
    assert "9 frames of 768 x 512 pixels" in " ".join(found.stderr.split())
    assert out.is_file()
