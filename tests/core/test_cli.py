"""The command: exit codes, whole messages, files complete or not there, and results that scripts can read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest
import torch
from filling import fill
from refused import library_error, refused
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from vace_core.cli import app
from vace_core.cli.options import SolverName
from vace_core.media.pictures import read_image, write_image
from vace_core.media.video import read_video
from vace_core.media.write import write_video
from vace_core.models.wan.dit import WanDit, WanSizes, build_adapter, official_adapter_key
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.sampling.solvers import SOLVERS
from vace_core.starter.scenes.clips import HELD_OUT, Bucket
from vace_core.starter.scenes.clips import clip as scenes_clip

SIZES = WanSizes(width=128, ffn=256, layers=2, text_width=4096)
QUICK = ["--steps", "2", "--seed", "1"]
HOLE = (slice(8, 24), slice(8, 32))


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """A folder laid out like the starter, and vace.safetensors with base and adapter in one."""
    folder = tmp_path_factory.mktemp("model")
    base = fill(WanDit(SIZES)).state_dict()
    adapter = fill(build_adapter(SIZES, (0, 1)), 1).state_dict()
    adapter = {official_adapter_key(name): value for name, value in adapter.items()}
    save_file(half(base), folder / "base.safetensors")
    save_file(half(adapter), folder / "adapter.safetensors", {"vace_layers": "[0, 1]"})
    save_file(half(fill(WanVaeNetwork(width=8, blocks=1), 2).state_dict()), folder / "vae.safetensors")
    (folder / "one").mkdir()
    save_file(half(base | adapter), folder / "one" / "vace.safetensors")
    return folder


def half(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.half().contiguous() for name, value in weights.items()}


@pytest.fixture
def clip(tmp_path) -> Path:
    """17 frames of 48 x 32: a light bar that moves over a ramp."""
    frames = torch.linspace(-0.8, 0.4, 48).expand(1, 3, 17, 32, 48).clone()
    for index in range(17):
        frames[:, 0, index, :, 2 * index : 2 * index + 6] = 0.9
    write_video(tmp_path / "clip.mkv", frames, fps=8, lossless=True)
    return tmp_path / "clip.mkv"


@pytest.fixture
def mask(tmp_path) -> Path:
    picture = torch.full((1, 3, 1, 32, 48), -1.0)
    picture[:, :, 0, HOLE[0], HOLE[1]] = 1
    write_image(tmp_path / "mask.png", picture)
    return tmp_path / "mask.png"


@pytest.fixture
def photo(tmp_path) -> Path:
    write_image(tmp_path / "photo.png", torch.linspace(-0.7, 0.7, 64).expand(1, 3, 1, 64, 64))
    return tmp_path / "photo.png"


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_inpaint_writes_a_complete_file_and_keeps_every_kept_byte(model, clip, mask, tmp_path):
    out = tmp_path / "out.mkv"
    found = vace("inpaint", clip, "--mask", mask, "-m", model, "-p", "a red circle", "-o", out, "--lossless", *QUICK)

    assert (found.exit_code, found.stdout) == (0, f"{out}\n"), found.stderr
    before, after = read_video(clip), read_video(out)
    assert (after.frames.shape, after.fps) == ((17, 32, 48, 3), 8)
    changed = (before.frames != after.frames).any(dim=-1)
    assert not changed[:, : HOLE[0].start].any()
    assert not changed[:, :, HOLE[1].stop :].any()
    assert changed[:, HOLE[0], HOLE[1]].float().mean() > 0.9
    assert "17 frames of 48 x 32 pixels at 8 fps (2.12 s) go to the model unchanged." in one_line(found.stderr)
    assert "75.0% kept, 25.0% generated freely" in one_line(found.stderr)


def test_the_same_seed_gives_the_same_file_and_a_full_checkpoint_the_same_as_its_halves(model, clip, mask, tmp_path):
    halves = ("-m", model)
    whole = ("-m", model / "one", "--vae", model / "vae.safetensors", "--text-encoder", "starter", "--dtype", "float32")
    pictures = []
    for number, choice in enumerate((halves, halves, whole)):
        out = tmp_path / f"{number}.mkv"
        done = vace("inpaint", clip, "--mask", mask, *choice, "-p", "a red star", "-o", out, "--lossless", *QUICK)
        assert done.exit_code == 0, done.stderr
        pictures.append(read_video(out).frames)

    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[0], pictures[2])


def test_strength_zero_and_another_seed_change_the_result(model, clip, mask, tmp_path):
    pictures = []
    for number, change in enumerate(([], ["--strength", "0"], ["--seed", "2"])):
        out = tmp_path / f"{number}.mkv"
        done = vace("inpaint", clip, "--mask", mask, "-m", model, "-o", out, "--lossless", *QUICK, *change)
        assert done.exit_code == 0, done.stderr
        pictures.append(read_video(out).frames)

    assert not torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def test_feather_and_colours_change_only_what_is_made(model, clip, mask, tmp_path):
    out = tmp_path / "out.mkv"
    finish = ("--feather", "3", "--match-colour", "--lossless")
    done = vace("inpaint", clip, "--mask", mask, "-m", model, "-o", out, *finish, *QUICK)

    assert done.exit_code == 0, done.stderr
    changed = (read_video(clip).frames != read_video(out).frames).any(dim=-1)
    changed[:, HOLE[0], HOLE[1]] = False
    assert not changed.any()


TASKS = {
    "text": ["-p", "a red circle", "--length", "5"],
    "reference": ["--reference", "{photo}", "--length", "5"],
    "outpaint": ["{clip}", "--left", "0.25", "--right", "25%"],
    "extend": ["{clip}", "--keep", "5"],
    "join": ["{clip}", "{clip}", "--keep", "5"],
    "keyframes": ["0={photo}", "L={photo}"],
    "gray": ["{clip}"],
    "scribble": ["{clip}", "--mask", "{mask}", "--reference", "{photo}"],
    "flow": ["{clip}"],
    "stylize": ["{clip}", "--style", "{photo}", "--follow", "brightness"],
    "depth": ["{clip}"],
    "pose": ["{clip}"],
    "layout": ["--path", "0.2,0.5 0.8,0.5", "--path", "0.5,0.1 0.5,0.9", "--box", "0.2x0.3"],
    "move": ["{photo}", "--path", "0.2,0.5 0.8,0.5"],
    "animate": ["{clip}", "--reference", "{photo}"],
    "swap": ["{clip}", "--mask", "{mask}", "--reference", "{photo}"],
    "expand": ["{photo}", "--left", "0.5", "--reference", "{photo}", "--length", "5"],
}
SIZES_OF = {
    "outpaint": (13, 32, 64), "extend": (17, 48, 64), "expand": (5, 64, 96), "text": (5, 64, 64),
    "reference": (5, 64, 64),
}  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_every_task_previews_without_any_model(task, clip, mask, photo, tmp_path):
    words = [word.format(clip=clip, mask=mask, photo=photo) for word in TASKS[task]]
    out = tmp_path / "sheet.png"
    found = vace("preview", task, *words, "-o", out, "-m", "starter")

    assert (found.exit_code, found.stdout) == (0, f"{out}\n"), found.stderr
    assert read_image(out)[0].shape[1] >= 760


@pytest.mark.parametrize("task", ["outpaint", "join", "scribble", "stylize", "move", "animate", "text"])
def test_tasks_run(task, model, clip, mask, photo, tmp_path):
    words = [word.format(clip=clip, mask=mask, photo=photo) for word in TASKS[task]]
    out = tmp_path / "out.mp4"
    found = vace(task, *words, "-m", model, "-o", out, "--json", *QUICK)

    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["output"] == str(out)
    assert read_video(out).frames.shape == (told["frames"], told["height"], told["width"], 3)


def test_a_picture_is_inpainted_into_a_picture(model, photo, tmp_path):
    hole = torch.full((1, 3, 1, 64, 64), -1.0)
    hole[..., 16:32, 16:32] = 1
    write_image(tmp_path / "hole.png", hole)
    out = tmp_path / "out.png"
    found = vace("inpaint", photo, "--mask", tmp_path / "hole.png", "-m", model, "-o", out, *QUICK)

    assert found.exit_code == 0, found.stderr
    assert torch.equal(read_image(out)[0][32:], read_image(photo)[0][32:])


def test_a_dry_run_counts_and_writes_nothing(model, clip, mask, tmp_path):
    found = vace("inpaint", clip, "--mask", mask, "-m", model, "-p", "a star", "--dry-run", "--json", *QUICK)

    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert {*told} == {
        "task", "model", "family", "prompt", "negative_prompt", "frames", "width", "height", "fps", "references",
        "notes", "warnings", "options", "where_and_when", "lora", "cost", "plan",
    }  # fmt: skip
    assert (told["task"], told["frames"], told["width"], told["height"]) == ("inpaint", 17, 48, 32)
    assert told["options"] == {
        "steps": 2, "shift": 3.0, "guidance_scale": 2.0, "solver": "euler", "seed": 1, "strength": 1.0,
        "start_percent": 0.0, "end_percent": 1.0, "shift_growth": 0.0, "terminal": 0.0, "stg_scale": 0.0,
        "rescale": 0.0, "denoise": 1.0, "negative_prompt": "", "guidance_scales": [], "sigmas": [],
    }  # fmt: skip
    cost = told["cost"]
    assert (cost["tokens"], cost["base_passes"], cost["adapter_passes"]) == (30, 4, 4)
    weights = sum(value.numel() for value in WanDit(SIZES).state_dict().values())
    assert cost["weights"]["base"] == 4 * weights
    assert 0 < cost["adapter_share"] < 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "mask.png"]


FITS = {
    "as the model likes it": ([], (25, 96, 64, 25 / (39.5 / 16))),
    "its length": (["--length", "5"], (5, 96, 64, 5 / (39.5 / 16))),
    "its rate": (["--fps", "4"], (9, 96, 64, 9 / (39.5 / 16))),
    "the beginning, at a rate": (["--length", "9", "--fps", "8"], (9, 96, 64, 9 / (17.5 / 16))),
    "one side": (["--width", "48"], (25, 48, 32, 25 / (39.5 / 16))),
    "the other side": (["--height", "96"], (25, 128, 96, 25 / (39.5 / 16))),
    "both": (["--width", "32", "--height", "64"], (25, 32, 64, 25 / (39.5 / 16))),
}


@pytest.mark.parametrize("name", FITS)
def test_size_length_and_rate_are_those_asked_for_or_those_the_model_likes(name, model, tmp_path):
    options, wanted = FITS[name]
    write_video(tmp_path / "long.mkv", torch.zeros(1, 3, 40, 72, 96), fps=16, lossless=True)
    found = vace("gray", tmp_path / "long.mkv", "-m", model, "--fit", "official", "--dry-run", "--json", *options)

    assert found.exit_code == 0, found.stderr
    told = json.loads(found.stdout)
    assert (told["frames"], told["width"], told["height"]) == wanted[:3]
    assert told["fps"] == pytest.approx(wanted[3], rel=1e-4)


@pytest.mark.parametrize(("choice", "begin", "count"), [((), 0, 29), (("--only",), 12, 17)])
def test_an_extension_keeps_what_came_as_it_is(choice, begin, count, model, clip, tmp_path):
    out = tmp_path / "out.mkv"
    words = ("--keep", "5", "--length", "17", "--width", "48", "--height", "32", "--lossless", *choice)
    done = vace("extend", clip, "-m", model, "-o", out, *words, *QUICK)

    assert done.exit_code == 0, done.stderr
    before, after = read_video(clip).frames[begin:], read_video(out).frames
    assert len(after) == count
    assert torch.equal(after[: len(before)], before)
    assert "Frames 12 to 16 of 17" in one_line(done.stderr)
    assert f"output {count} frames of 48 x 32 at 8 fps: " in one_line(done.stderr)


FAULTS = {
    "depth": "! The depth control has colour. Depth is gray, near is light. Connect it without a colour map.",
    "pose": "of the pose control is of one colour. A pose is a skeleton on a plain background.",
    "animate": "of the pose control is of one colour. A pose is a skeleton on a plain background.",
}


@pytest.mark.parametrize("task", FAULTS)
def test_a_control_of_another_kind_is_said_before_a_model_is_opened(task, clip, photo):
    words = [word.format(clip=clip, photo=photo) for word in TASKS[task]]
    found = vace(task, *words, "-m", "no-such-model")

    assert found.exit_code == 4
    assert FAULTS[task] in one_line(found.stderr)


def test_a_dry_run_without_json_says_nothing_to_scripts(model, clip, mask):
    found = vace("inpaint", clip, "--mask", mask, "-m", model, "--dry-run")

    assert (found.exit_code, found.stdout) == (0, "")
    assert "30 tokens" in found.stderr


def test_default_names_are_never_taken_twice(model, clip, mask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = [vace("preview", "inpaint", clip, "--mask", mask).stdout for _ in range(2)]

    assert outputs == ["inpaint.png\n", "inpaint-2.png\n"]


def test_a_mask_of_another_size_is_scaled_and_that_is_said(clip, tmp_path):
    # The clip is 48 x 32 pixels.
    write_image(tmp_path / "small.png", torch.ones(1, 3, 1, 16, 24))
    said = vace("preview", "inpaint", clip, "--mask", tmp_path / "small.png", "-o", tmp_path / "sheet.png").stderr
    words = f"The mask {tmp_path / 'small.png'} of 24 x 16 was scaled to its clip's 48 x 32."
    assert "".join(words.split()) in "".join(said.split())  # a terminal breaks long paths


WRONG = {
    "no mask file": (
        3, ["inpaint", "{clip}", "--mask", "none.png"],
        "file-missing: path=none.png",
    ),
    "a mask of another shape": (
        3, ["inpaint", "{clip}", "--mask", "{photo}"],
        "mask-aspect: clip=clip {clip}, clip_height=32, clip_width=48, height=64, name=mask {photo}, width=64",
    ),
    "a size that does not fit": (
        3, ["inpaint", "{clip}", "--mask", "{mask}", "--width", "50", "--height", "32"],
        "size-for-model: choice=48 or 64, name=width, size=50, step=16",
    ),
    "a length that does not fit": (
        3, ["text", "--length", "6"],
        "length-for-model: choice=5 or 9, lengths=4n + 1, num_frames=6, some=1, 5, 9",
    ),
    "an ending that is not written": (
        3, ["text", "-o", "clip.avi"],
        "file-ending: known=.mp4, path=clip.avi, suffix=.avi",
    ),
    "no folder": (
        3, ["text", "-o", "nowhere/clip.mp4"],
        "folder-missing: folder=nowhere",
    ),
    "a shift of nothing": (
        3, ["text", "--shift", "0"],
        "number-range: needed=(0, inf), value=0.0, what=The shift",
    ),
    "a guidance that is no number": (
        3, ["text", "--cfg", "nan"],
        "number-range: needed=[0, inf), value=nan, what=The guidance scale (cfg)",
    ),
    "a seed that is too large": (
        3, ["text", "--seed", "18446744073709551616"],
        (
"number-range: needed=whole [0, 18446744073709551615], value=18446744073709551616, "
"what=The seed"
),
    ),
    "an adapter that acts nowhere": (
        3, ["text", "--start-percent", "0.8", "--end-percent", "0.2"],
        "adapter-never-acts: end_percent=0.2, start_percent=0.8",
    ),
    "an adapter that acts in no step": (
        3, ["text", "--start-percent", "0.55", "--end-percent", "0.6", "--steps", "4"],
        "adapter-never-acts: end_percent=0.6, start_percent=0.55, steps=4",
    ),
    "an edge with nothing beside it": (
        3, ["text", "--feather", "4"],
        "finish-without-source",
    ),
    "a device that is not there": (
        3, ["text", "--device", "abacus"],
        "device-unknown: device=abacus",
    ),
    "a path that is no path": (
        3, ["move", "{photo}", "--path", "0.2;0.5"],
        "not-two-numbers: example=0.2,0.5 0.8,0.5, option=--path, value=0.2;0.5",
    ),
    "a border that is no border": (
        3, ["outpaint", "{clip}", "--left", "wide"],
        "margin-unreadable: limit=4, name=left, value=wide",
    ),
    "a border in pixels without their unit": (
        3, ["outpaint", "{clip}", "--left", "25"],
        "margin-unreadable: limit=4, name=left, value=25",
    ),
    "a border that is no number": (
        3, ["outpaint", "{clip}", "--left", "nan"],
        "margin-unreadable: limit=4, name=left, value=nan",
    ),
    "a keyframe without index": (
        3, ["keyframes", "a.png"],
        "keyframe-unreadable: value=a.png",
    ),
    "a keyframe with a digit that is no number": (
        3, ["keyframes", "\u00b2={photo}"],
        "keyframe-unreadable: value=\u00b2={photo}",
    ),
    "two pictures for one frame": (
        3, ["keyframes", "0={photo}", "0={photo}"],
        "keyframes-twice",
    ),
    "two pictures for the last frame": (
        3, ["keyframes", "16={photo}", "L={photo}"],
        "keyframes-twice",
    ),
    "a clip where a picture is needed": (
        3, ["move", "{clip}", "--path", "0.2,0.5"],
        "several-images: frames=17, path={clip}",
    ),
    "nothing to extend": (
        3, ["extend"],
        "nothing-to-extend",
    ),
    "no reference": (
        3, ["animate", "{clip}"],
        "no-reference",
    ),
    "a mask for nothing": (
        3, ["reference", "--reference", "{photo}", "--subject", "{photo}", "--subject", "{photo}"],
        "subjects-count: masks=2, pictures=1",
    ),
    "a mask of another image": (
        3, ["reference", "-r", "{photo}", "-r", "{photo}", "--subject", "{photo}", "--subject", "{mask}"],
        "subject-mask-size: count=1, height=32, image={photo}, own_height=64, own_width=64, path={mask}, width=48",
    ),
    "a model without VAE": (
        3, ["text", "-m", "{model}/one", "--text-encoder", "starter"],
        "part-missing: option=--vae, path={model}/one, what=VAE",
    ),
    "a base without adapter": (
        3, ["text", "-m", "{model}/base.safetensors"],
        "part-missing: option=--adapter, path={model}/base.safetensors, what=VACE adapter",
    ),
    "no model": (
        4, ["text", "-m", "no-such-model", "--length", "1"],
        None,
    ),
    "a file that is no model": (
        4, ["inspect", "{folder}/broken.safetensors"],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_one_message_with_its_exit_code(name, model, clip, mask, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.safetensors").write_bytes(b"not a model at all")
    code, words, message = WRONG[name]
    places = {"clip": clip, "mask": mask, "photo": photo, "model": model, "folder": tmp_path}
    words = [word.format(**places) for word in words]
    before = sorted(tmp_path.iterdir())
    found = vace(*words, *([] if words[0] == "inspect" or "-m" in words else ["-m", model]))

    assert (found.exit_code, found.stdout) == (code, ""), found.stderr
    assert message is None or refused(found.exception) == message.format(**places)
    assert found.stderr.endswith(f"{library_error(found.exception)}\n")
    assert "Traceback" not in found.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_wrong_usage_is_exit_code_2(clip):
    assert vace("inpaint", clip).exit_code == 2
    assert vace("paint", clip).exit_code == 2
    assert vace("text", "--steps", "0").exit_code == 2
    assert vace("text", "--solver", "abacus").exit_code == 2


def test_debug_shows_where_an_error_comes_from(tmp_path):
    found = vace("--debug", "inspect", tmp_path / "none.mp4")

    assert found.exit_code == 3
    assert "Traceback" in found.stderr


def test_help_documents_the_exit_codes():
    assert "3 the input does not fit" in one_line(vace("--help").stdout)


def test_solvers_are_those_of_the_library():
    assert [name.value for name in SolverName] == list(SOLVERS)


def test_inspect_tells_models_and_clips(model, clip):
    told = json.loads(vace("inspect", model / "one", "--json").stdout)
    assert (told["kind"], told["width"], told["layers"], told["context_layers"]) == ("vace", 128, 2, [0, 1])
    told = json.loads(vace("inspect", clip, "--json").stdout)
    assert (told["frames"], told["width"], told["fits"]["wan-480p"]["height"]) == (17, 48, 32)


def test_inspect_tells_a_folder_of_images_from_a_model(model, tmp_path):
    for number in range(5):
        write_image(tmp_path / f"f_{number}.png", torch.zeros(1, 3, 1, 32, 48))
    told = json.loads(vace("inspect", tmp_path, "--json").stdout)
    assert (told["frames"], told["width"]) == (5, 48)
    with_picture = tmp_path / "with picture"
    shutil.copytree(model / "one", with_picture)
    write_image(with_picture / "sample_1.png", torch.zeros(1, 3, 1, 32, 48))
    assert json.loads(vace("inspect", with_picture, "--json").stdout)["kind"] == "vace"


def test_a_model_is_split_and_joined_into_what_it_was(model, tmp_path):
    base, adapter, whole = (tmp_path / f"{name}.safetensors" for name in ("b", "a", "w"))
    assert vace("split", model / "one", base, adapter).stdout == f"{base}\n{adapter}\n"
    assert vace("join-weights", base, adapter, whole).stdout == f"{whole}\n"
    told, again = (json.loads(vace("inspect", path, "--json").stdout) for path in (model / "one", whole))

    assert told["parameters"] == again["parameters"]


def test_words_are_those_of_the_starter():
    assert "circle" in json.loads(vace("words", "--json").stdout)


def test_the_demo_writes_videos_and_sheets(model, tmp_path):
    found = vace("demo", "-m", model, "-o", tmp_path / "demo")

    assert (found.exit_code, found.stdout) == (0, f"{tmp_path / 'demo'}\n"), found.stderr
    edits = ("moved", "removed", "replaced", "restyled")
    names = sorted(["before-after.png", "clip.mp4", *(f"{edit}.{kind}" for edit in edits for kind in ("mp4", "png"))])
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == names
    assert read_video(tmp_path / "demo" / "removed.mp4").frames.shape == (17, 384, 1152, 3)


@pytest.mark.parametrize("side", [96, 384])
def test_the_demo_shows_what_it_would_paint_over(model, tmp_path, side):
    """A camera that goes over a photograph."""
    photo = read_image(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")[0]
    pan = torch.stack([photo[3 * at : 3 * at + 480, at : at + 480] for at in range(17)]).permute(0, 3, 1, 2)
    clip = torch.nn.functional.interpolate(pan.float(), size=(side, side), mode="area")
    clip = clip.transpose(0, 1)[None] / 127.5 - 1
    write_video(tmp_path / "my clip.mp4", clip, fps=8)
    found = vace("demo", tmp_path / "my clip.mp4", "-m", model, "-o", tmp_path / "demo")

    assert (found.exit_code, found.stdout) == (0, f"{tmp_path / 'demo'}\n"), found.stderr
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["for-a-real-model.png"]
    assert "the starter would paint over what it does not know" in " ".join(found.stderr.split())
    assert f"vace inpaint '{tmp_path / 'my clip.mp4'}' --mask MASK.png" in found.stderr.replace("\n", "")


def test_the_demo_edits_a_clip_of_the_starters_world(model, tmp_path):
    drawn = scenes_clip(HELD_OUT, 1, Bucket(num_frames=17, height=96, width=96), calm=True)
    write_video(tmp_path / "own.mp4", drawn.frames, fps=8)
    found = vace("demo", tmp_path / "own.mp4", "-m", model, "-o", tmp_path / "demo")

    assert found.exit_code == 0, found.stderr
    assert len(list((tmp_path / "demo").iterdir())) == 9


def test_an_interrupted_job_leaves_no_file(model, clip, mask, tmp_path):
    # A shell that starts the tests in the background has them ignore this signal, and what they start too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    words = ["inpaint", clip, "--mask", mask, "-m", model, "-o", tmp_path / "out.mp4", "--steps", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "vace_core", *map(str, words)],
        cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stderr is not None
    lines = [process.stderr.readline()]
    while "100000 steps" not in lines[-1]:
        assert lines[-1], "".join(lines)
        lines.append(process.stderr.readline())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out) == (130, ""), err
    assert "Interrupted. No unfinished file is left." in err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "mask.png"]


def one_line(text: str) -> str:
    return " ".join(text.split())
