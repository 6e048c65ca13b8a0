"""One choice of model: what it finds and says, and that one click makes every shipped workflow fit another model."""

from __future__ import annotations

import contextvars
import sys
import weakref
from types import ModuleType

import pytest
import torch
from graphs import chain, execute
from profile_files import FOLDERS, write_profiles
from refusal import refusal

from tools.workflows.parts import CHOICE
from tools.workflows.shipped import at_once
from vace_core.starter.profiles import PROFILES

AUTO = {"steps": 0, "cfg": -1.0, "shift": 0.0, "sampler": "auto"}
SMALL = {f"VACE {name}" for name in ("Inpaint", "Outpaint", "Extend", "Join Two Clips", "Keyframes", "Stylize")}
"""Workflows whose example stays small whatever the model; `test_workflows` says that none has a second choice."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_profiles(folder)
    return folder


@pytest.fixture
def folders(models, monkeypatch):
    """ComfyUI's model folders, with a file of each kind for every profile."""
    paths = {name: models / name for name in FOLDERS}
    module = ModuleType("folder_paths")
    module.folder_names_and_paths = paths
    module.get_filename_list = lambda name: sorted(path.name for path in paths[name].glob("*.safetensors"))
    module.get_full_path = lambda name, file: str(paths[name] / file) if (paths[name] / file).is_file() else None
    monkeypatch.setitem(sys.modules, "folder_paths", module)
    return paths


def test_without_files_the_starter_is_chosen_and_all_others_say_what_they_lack(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "folder_paths", None)
    made = run(CHOICE)
    assert made[0].profile.name == "starter"
    assert made.ui["text"][0].splitlines()[2].startswith("Sets fit to 96 x 96, 17 frames at 8 fps; 4 steps of euler")
    for name, profile in PROFILES.items():
        if profile.files:
            assert refusal(run, CHOICE, profile=name).startswith(f"profile-files-missing: count={len(profile.files)}, ")


@pytest.mark.parametrize("name", ["wan-14b-fast", "ltx"])
def test_files_are_found_settings_and_plan_said(run, folders, name):
    said = run(CHOICE, profile=name).ui["text"][0].splitlines()
    usual = PROFILES[name].usual
    assert said[0] == f"{PROFILES[name].title}."
    assert said[1].startswith("Files: ")
    assert f"{usual.steps} steps of {usual.solver}, cfg {usual.guidance_scale:g}, " in said[2]
    assert "fits: peak " in said[3] or "does not fit: peak " in said[3]


def test_all_that_is_left_to_the_model_is_the_models(run):
    """The same video as with the starter's own values, to the bit; the sampler passes the model on."""
    chosen, loaded = run(CHOICE)[0], run("VaceLoadStarter")[0]
    zeros = {"width": 0, "height": 0, "length": 0, "fps": 0.0}
    one = run("VaceTextToVideo", **zeros, model=chosen)[0]
    assert (one.width, one.height, one.num_frames, one.fps) == (96, 96, 17, 8.0)
    short = {"width": 64, "height": 64, "length": 5, "fps": 8.0, "prompt": "a red circle moves right"}
    vcu = run("VaceTextToVideo", **short)[0]
    sampled = run("VaceSampleVideo", model=chosen, vcu=vcu, **{**AUTO, "steps": 2})
    by_hand = {"steps": 2, "cfg": 2.0, "shift": 3.0, "sampler": "euler"}
    assert torch.equal(sampled[0]["samples"], run("VaceSampleVideo", model=loaded, vcu=vcu, **by_hand)[0]["samples"])
    assert sampled[1] is chosen.loaded
    assert "steps of euler, shift 3, cfg 2." in sampled.ui["text"][0]


def test_another_clip_for_the_plan_loads_nothing_again(pack, run):
    """ComfyUI asks for a fingerprint, lets go of what has changed, and runs the node: all in the context of a job."""
    node, held = pack.by_id[CHOICE], [run(CHOICE, images=torch.zeros(17, 64, 64, 3))[0]]
    loaded = held[0].loaded

    def queued(**values):
        node.fingerprint_inputs(profile="starter", images=None)
        held.clear()
        held.append(run(CHOICE, **values)[0])

    contextvars.copy_context().run(queued, images=torch.ones(5, 32, 32, 3))
    assert held[0].loaded is loaded
    there = weakref.ref(held[0])
    held.clear()
    assert there() is None


def test_other_files_are_another_model(pack, run, monkeypatch):
    first, same = run(CHOICE)[0], run(CHOICE)[0]
    monkeypatch.setattr(pack.nodes.choose.host, "stamps", lambda paths: [(str(path), 1, 1) for path in paths])
    assert same is first
    assert run(CHOICE)[0] is not first


def test_no_other_model_stays_in_memory_while_one_is_read(pack, run, monkeypatch):
    node, held = pack.by_id[CHOICE], [run(CHOICE)[0]]

    def queued():
        node.fingerprint_inputs(profile="starter", images=None)
        monkeypatch.setattr(pack.nodes.choose.host, "stamps", lambda paths: [(str(path), 1, 1) for path in paths])
        before = weakref.ref(held.pop())
        held.append(run(CHOICE)[0])
        return before()

    assert contextvars.copy_context().run(queued) is None


def test_comfyui_keeps_the_model_over_another_clip(comfy, pack, monkeypatch):
    made, kind = [], pack.nodes.choose.ChosenModel
    monkeypatch.setattr(pack.nodes.choose, "ChosenModel", lambda **said: made.append(said) or kind(**said))
    executor = None
    for scene in ("circle that moves right", "figure that walks"):
        ran = execute(
            comfy,
            chain(
                clip=("VaceExampleClip", {"scene": scene, "length": 5}),
                model=(CHOICE, {"profile": "starter", "images": ("clip", 0)}),
                task=("VaceTextToVideo", {"width": 0, "height": 0, "length": 0, "fps": 0.0, "prompt": "",
                                          "negative_prompt": "", "model": ("model", 0)}),
                look=("VacePreviewVCU", {"vcu": ("task", 0), "columns": 8, "model": ("model", 0)}),
            ),
            executor,
        )  # fmt: skip
        assert ran.success, ran.error
        assert "model" not in ran.cached
        executor = ran.executor
    assert len(made) == 1


def test_what_is_set_in_a_node_is_used(run):
    model = run(CHOICE)[0]
    vcu = run("VaceTextToVideo", width=48, height=0, length=9, fps=0.0, model=model)[0]
    assert (vcu.width, vcu.height, vcu.num_frames, vcu.fps) == (48, 96, 9, 8.0)


def test_without_a_model_no_number_can_be_left_to_it_and_a_fit_is_that_of_wan(run):
    assert refusal(run, "VaceTextToVideo", width=0) == "auto-without-model: what=width is"
    assert refusal(run, "VaceTextToVideo", width=0, height=0) == "auto-without-model: what=width and height are"
    given = {"images": torch.zeros(5, 720, 1280, 3), "mask": torch.ones(720, 1280), "fps": 16.0}
    auto, wan = (run("VaceInpaintVideo", **given, fit=fit)[0] for fit in ("auto", "480p"))
    assert auto.frames.shape == wan.frames.shape
    assert auto.frames.shape[4] == 832


def test_a_clip_that_does_not_belong_to_the_model_is_said_before_anything_runs(run, folders):
    small, starter = run(CHOICE, profile="wan-1.3b-480p")[0], run(CHOICE)[0]
    vcu = run("VaceTextToVideo", width=1280, height=720, length=5)[0]
    assert (
        "1280 x 720 pixels, 2.3 times the most that Wan 2.1 VACE 1.3B" in run("VacePreviewVCU", vcu=vcu, model=small)[2]
    )
    assert "1280 x 720 pixels are far from 96 x 96" in run("VacePreviewVCU", vcu=vcu, model=starter)[2]
    assert run("VacePreviewVCU", vcu=vcu, model=small)[3] is small


@pytest.mark.parametrize(
    ("profile", "length", "once"), [("starter", 41, 17), ("wan-1.3b-480p", 161, 81), ("starter", 17, None)]
)
def test_a_clip_that_goes_by_windows_is_not_outside_of_what_the_model_was_taught(run, folders, profile, length, once):
    model = run(CHOICE, profile=profile)[0]
    vcu = run("VaceTextToVideo", width=0, height=0, length=length, fps=0.0, prompt="a red circle", model=model)[0]
    said = run("VacePreviewVCU", vcu=vcu, model=model)[2].split("\n")
    more = f"{length} frames are more than the {once} of one pass: for VACE Plan Windows and VACE Sample Long Video."
    assert said == ["" if once is None else more]


@pytest.mark.parametrize("name", PROFILES)
def test_one_click_makes_a_workflow_one_of_another_model(pack, run, folders, name):
    """The profile is the only value that changes; the VCU that comes out is one that the model takes."""
    from tests.workflows.here import Here

    grid = PROFILES[name].family.grid
    graphs = [graph for graph in at_once() if graph.title in SMALL]
    assert len(graphs) == len(SMALL)
    model = run(CHOICE, profile=name)
    for graph in graphs:
        prompt = graph.prompt()
        (choice,) = (number for number, node in prompt.items() if node["class_type"] == CHOICE)
        prompt[choice]["inputs"]["profile"] = name
        here = Here(prompt, pack.by_id)
        here.made[choice] = model.result
        vcu = here.input_of("VacePreviewVCU", "vcu")
        grid.check(vcu.num_frames, vcu.height, vcu.width)
