"""Every workflow and blueprint through a real ComfyUI, with its video looked at; and that the looking can fail."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tools.workflows.forms import pack_forms
from tools.workflows.shipped import RESULTS, SUBGRAPHS, at_once, everything

from .cases import AS_IT_IS, RECASTS, frozen, off, runs
from .checks import CHECKS, case_of, check, length_of
from .here import Here
from .run import fits, run, version_of
from .server import Server

VERSIONS = ("0.3.64", "0.33.0")
COMFYUI = os.environ.get("COMFYUI_PATH")
RUNS = list(runs())
TITLES = [graph.title for graph in at_once()]
KNOWN = {
    "VACE First and Last Frame": "circle that moves right",
    "VACE Keyframes": "star and triangle that pass",
}
"""Workflows whose true result is an example clip."""


def test_every_workflow_and_blueprint_is_run():
    assert {graph.title for graph in everything()} == set(CHECKS)
    assert {one.title for one in RUNS} == set(CHECKS) | {path.stem for path in SUBGRAPHS.glob("*.json")}
    assert len({one.name for one in RUNS}) == len(RUNS)
    assert set(RECASTS) == set(CHECKS) - set(TITLES)


def test_every_node_of_the_pack_is_run():
    ran = {node["class_type"] for one in RUNS for node in one.prompt.values()}
    assert set(pack_forms()) - ran == set()


class TestTheNumbers:
    """What is kept beside the page is of these very prompts, and all of it holds."""

    ROWS = json.loads(RESULTS.read_text(encoding="utf-8"))

    @pytest.mark.parametrize("version", VERSIONS)
    def test_they_are_of_every_run_as_it_is_now(self, version):
        stamps = {(row["workflow"], row["run"]): row["stamp"] for row in self.ROWS if row["comfyui"] == version}
        assert stamps == {(one.title, one.how): one.stamp for one in RUNS if fits(one, version)}

    def test_they_hold(self):
        assert [row["workflow"] for row in self.ROWS if not all(one["holds"] for one in row["checks"])] == []

    def test_without_the_adapter_one_of_them_does_not(self):
        rows = [row for row in self.ROWS if any("without" in one for one in row["checks"])]
        assert {(row["workflow"], row["run"]) for row in rows} == {
            (one.title, one.how) for one in RUNS if not one.same_as
        }
        assert [row["workflow"] for row in rows if all(one["holds without"] for one in row["checks"])] == []


class TestThatTheLookingCanFail:
    """What is no result is not taken for one."""

    @pytest.mark.parametrize("title", TITLES)
    def test_what_the_model_is_shown_is_not_yet_the_result(self, title):
        prompt = frozen(title)
        unit = Here(prompt).unit
        assert self.failed(title, prompt, unit.frames)

    @pytest.mark.parametrize("title", TITLES)
    def test_a_clip_of_something_else_is_not_the_result(self, title):
        """The same size, the words "a figure that waves"; kept pixels are put where they were."""
        prompt = frozen(title)
        unit = Here(prompt).unit
        inputs = {"scene": "figure that waves", "length": unit.num_frames}
        other = Here({"1": {"class_type": "VaceExampleClip", "inputs": inputs}})
        frames = other.outputs("1")[0].permute(3, 0, 1, 2)[None] * 2 - 1
        if unit.source is not None:
            frames = torch.where(unit.masks > 0, frames, unit.source)
        assert self.failed(title, prompt, frames)

    @pytest.mark.parametrize("title", KNOWN)
    def test_the_true_clip_is_the_result(self, title):
        prompt = frozen(title)
        inputs = {"scene": KNOWN[title], "length": 17}
        clip = Here({"1": {"class_type": "VaceExampleClip", "inputs": inputs}}).outputs("1")[0]
        frames = clip.permute(3, 0, 1, 2)[None] * 2 - 1
        assert not self.failed(title, prompt, frames)

    def test_a_kept_pixel_that_is_one_level_off_is_seen(self):
        title = "VACE Inpaint"
        prompt = frozen(title)
        case = case_of(prompt, Here(prompt).unit.source)
        right = pictures(case.unit.source)
        assert value_of(CHECKS[title], prompt, case.film, right) == 0
        wrong = right.clone()
        wrong[3, 0, 0, 1] += 1 if wrong[3, 0, 0, 1] < 255 else -1
        assert value_of(CHECKS[title], prompt, case.film, wrong) == 1

    def failed(self, title, prompt, frames):
        """The names of the numbers that do not hold for a film of these frames, the ends of the film around them."""
        here = Here(prompt)
        film = torch.zeros(1, 3, length_of(here), *frames.shape[3:]) - 1
        start = case_of(prompt, film).start
        film[:, :, start : start + frames.shape[2]] = frames
        rows = check(CHECKS[title], prompt, film, pictures(film))
        return [row["what"] for row in rows if not row["holds"] and row["what"] != "frames around it, levels off"]


def pictures(film):
    """A film `(1, 3, T, H, W)` as Save Image writes its frames."""
    return ((film[0].permute(1, 2, 3, 0) + 1) / 2 * 255 + 1e-4).clamp(0, 255).byte()


def value_of(measures, prompt, film, exact):
    return next(row["value"] for row in check(measures, prompt, film, exact) if row["what"] == "kept part, levels off")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if COMFYUI is None:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH")
    with Server(Path(COMFYUI), tmp_path_factory.mktemp("comfyui")) as running:
        yield running


@pytest.fixture(scope="module")
def others():
    """The frames of the workflows that ran, for those that must equal them."""
    return {}


@pytest.mark.parametrize("one", RUNS, ids=lambda one: one.name)
def test_it_makes_what_it_says(server, others, one):
    if not fits(one, version_of(server)):
        pytest.skip(f"needs ComfyUI {one.needs}")
    result = run(server, one, others=others)
    if one.how == AS_IT_IS:
        others[one.title] = result["exact"]
    assert [row for row in result["checks"] if not row["holds"]] == []


@pytest.mark.parametrize("title", ["VACE Swap Anything", "VACE Layout", "VACE Attach Adapter"])
def test_without_the_adapter_it_is_not_made(server, title):
    """The very graph with strength 0 must not pass."""
    one = next(one for one in RUNS if one.name == title)
    rows = run(server, replace(one, prompt=off(one.prompt)))["checks"]
    assert [row for row in rows if not row["holds"]]


def test_blueprints_are_offered(server):
    """By ComfyUIs from 0.3.67 on."""
    if [int(part) for part in version_of(server).split(".")] < [0, 3, 67]:
        pytest.skip("needs ComfyUI 0.3.67")
    offered = {one["name"] for one in server.get("/global_subgraphs").values() if "vace" in str(one["info"]).lower()}
    assert {path.stem for path in SUBGRAPHS.glob("*.json")} <= offered


def test_the_pack_loads_without_a_word_of_trouble(server):
    lines = server.log.read_text().splitlines()
    assert not [line for line in lines if "IMPORT FAILED" in line or "Traceback" in line]
