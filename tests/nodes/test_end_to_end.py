"""Whole graphs through ComfyUI's own executor, on a tiny model in the layout of the starter."""

from __future__ import annotations

import gc
import json
import os

import numpy as np
import pytest
import torch
from graphs import chain, execute
from PIL import Image
from tiny_files import write_starter

WORDS = {"prompt": "a red circle", "negative_prompt": "", "fps": 8.0}
SIZE = {"width": 48, "height": 32, "length": 5}
FIT = {"fit": "starter"}
PATH = json.dumps({"version": 1, "paths": [{"keys": [
    {"time": 0.0, "x": 0.25, "y": 0.5, "width": 0.25, "height": 0.5},
    {"time": 1.0, "x": 0.75, "y": 0.5, "width": 0.25, "height": 0.5},
]}]})  # fmt: skip


@pytest.fixture(scope="module")
def starter(pack, comfy, tmp_path_factory):
    """The starter's folder, with tiny weights in place of the trained ones, and a picture in ComfyUI's input folder."""
    (comfy.folder / "input").mkdir(exist_ok=True)
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    Image.fromarray(picture).save(comfy.folder / "input" / "picture.png")
    folder = write_starter(tmp_path_factory.mktemp("starter"), pack.vace_core)
    module = pack.vace_core.starter.model
    before, module.WEIGHTS = module.WEIGHTS, folder
    yield folder
    module.WEIGHTS = before


def graph(seed=1, **nodes):
    """A graph around the node `task`: a picture, a clip of it, a mask of its left third, model, preview, result."""
    sampling = {"steps": 2, "cfg": 2.0, "shift": 3.0, "sampler": "unipc", "strength": 1.0}
    return chain(
        picture=("LoadImage", {"image": "picture.png"}),
        clip=("RepeatImageBatch", {"image": ("picture", 0), "amount": 5}),
        hole=("SolidMask", {"value": 1.0, "width": 16, "height": 32}),
        empty=("SolidMask", {"value": 0.0, "width": 48, "height": 32}),
        mask=(
            "MaskComposite",
            {"destination": ("empty", 0), "source": ("hole", 0), "x": 0, "y": 0, "operation": "add"},
        ),
        model=("VaceLoadStarter", {}),
        **nodes,
        preview=("VacePreviewVCU", {"vcu": ("task", 0), "columns": 4}),
        sample=(
            "VaceSampleVideo",
            {
                "model": ("model", 0),
                "vcu": ("task", 0),
                "seed": seed,
                "start_percent": 0.0,
                "end_percent": 1.0,
                **sampling,
            },
        ),
        decode=(
            "VaceDecodeVideo",
            {"samples": ("sample", 0), "vcu": ("task", 0), "vae": ("model", 0), "feather": 0, "match_colour": False},
        ),
        save=("SaveImage", {"images": ("decode", 0), "filename_prefix": "out"}),
    )


def inpainting(**changed):
    return graph(task=("VaceInpaintVideo", {"images": ("clip", 0), "mask": ("mask", 0), **FIT, **WORDS}), **changed)


def pictures(comfy, ran):
    assert (ran.success, ran.error) == (True, "")
    names = [one["filename"] for one in ran.outputs["save"]["images"]]
    return torch.from_numpy(np.stack([np.array(Image.open(comfy.folder / "output" / name)) for name in names]))


TASKS = {
    "text": ("VaceTextToVideo", {**SIZE, **WORDS}, 5),
    "reference": ("VaceReferenceToVideo", {"references": ("picture", 0), **SIZE, **WORDS}, 5),
    "inpaint": ("VaceInpaintVideo", {"images": ("clip", 0), "mask": ("mask", 0), **FIT, **WORDS}, 5),
    "outpaint": (
        "VaceOutpaintVideo",
        {"images": ("clip", 0), "left": 0.25, "right": 0.0, "top": 0.0, "bottom": 0.0, **FIT, **WORDS},
        5,
    ),
    "extend": ("VaceExtendVideo", {"first": ("picture", 0), "length": 9, "keep": 0, **FIT, **WORDS}, 9),
    "join": (
        "VaceJoinVideos",
        {"first": ("clip", 0), "last": ("clip", 0), "length": 13, "keep": 5, **FIT, **WORDS},
        13,
    ),
    "keyframes": (
        "VacePlaceKeyframes",
        {"images": ("picture", 0), "positions": "4", "length": 9, **FIT, **WORDS},
        9,
    ),
    **{
        kind: ("VaceControlVideo", {"images": ("clip", 0), "kind": kind, "mend": True, **FIT, **WORDS}, 5)
        for kind in ("gray", "scribble", "flow", "depth", "pose")
    },
    "layout": ("VaceLayoutToVideo", {"paths": PATH, "box_size": 0.25, **SIZE, **WORDS}, 5),
    "move": (
        "VaceMoveAnything",
        {"image": ("picture", 0), "paths": PATH, "box_size": 0.25, "length": 9, **FIT, **WORDS},
        9,
    ),
    "swap": (
        "VaceSwapAnything",
        {"images": ("clip", 0), "mask": ("mask", 0), "references": ("picture", 0), **FIT, **WORDS},
        5,
    ),
    "expand": (
        "VaceExpandAnything",
        {"image": ("picture", 0), "left": 0.25, "right": 0.25, "top": 0.0, "bottom": 0.0, "length": 9, **FIT, **WORDS},
        9,
    ),
    "animate": (
        "VaceAnimateAnything",
        {"pose": ("clip", 0), "references": ("picture", 0), "mend": False, **FIT, **WORDS},
        5,
    ),
    "reference anything": ("VaceReferenceAnything", {"image_1": ("picture", 0), **SIZE, **WORDS}, 5),
    "general": ("VaceBuildVCU", {"images": ("clip", 0), "mask": ("mask", 0), **FIT, **SIZE, **WORDS}, 5),
}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_to_a_video(comfy, starter, task):
    node, inputs, frames = TASKS[task]
    ran = execute(comfy, graph(task=(node, inputs)))
    made = pictures(comfy, ran)
    assert len(made) == frames
    assert made.float().std() > 5
    assert ran.outputs["preview"]["text"]


def test_what_is_kept_comes_back_to_the_bit(comfy, starter):
    made = pictures(comfy, execute(comfy, inpainting()))
    source = torch.from_numpy(np.array(Image.open(comfy.folder / "input" / "picture.png")))
    assert torch.equal(made[:, :, 16:], source[:, 16:].expand(5, -1, -1, -1))
    assert not torch.equal(made[:, :, :16], source[:, :16].expand(5, -1, -1, -1))


def test_the_rest_of_a_clip_is_put_around_what_was_made(comfy, starter):
    extended = graph(
        long=("RepeatImageBatch", {"image": ("picture", 0), "amount": 12}),
        task=("VaceExtendVideo", {"first": ("long", 0), "length": 9, "keep": 5, **FIT, **WORDS}),
    )
    extended["decode"]["inputs"] |= {"before": ["task", 1], "after": ["task", 2]}
    made = pictures(comfy, execute(comfy, extended))
    source = torch.from_numpy(np.array(Image.open(comfy.folder / "input" / "picture.png")))
    assert len(made) == 12 + 4
    assert torch.equal(made[:12], source.expand(12, -1, -1, -1))


def test_one_seed_one_video_and_another_seed_another(comfy, starter):
    first, again, other = (pictures(comfy, execute(comfy, inpainting(seed=seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_nothing_runs_twice_that_need_not(comfy, starter):
    executor = execute(comfy, inpainting()).executor
    again = execute(comfy, inpainting(), executor)
    assert set(again.cached) == set(inpainting())
    assert set(execute(comfy, inpainting(seed=2), executor).cached) == set(inpainting()) - {"sample", "decode", "save"}


def test_a_replaced_file_is_read_again(comfy, starter):
    executor = execute(comfy, inpainting()).executor
    stat = (starter / "base.safetensors").stat()
    os.utime(starter / "base.safetensors", ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    assert not {"model", "sample", "decode"} & set(execute(comfy, inpainting(), executor).cached)


def test_cancelling_stops_within_a_step_and_leaves_nothing(comfy, starter):
    from comfy import model_management as management
    from comfy.utils import set_progress_bar_global_hook as listen

    wanted = pictures(comfy, execute(comfy, inpainting()))
    seen: list[tuple[int, int]] = []

    def hook(value, total, preview, **_):
        seen.append((value, total))
        management.throw_exception_if_processing_interrupted()
        if total == 2:
            management.interrupt_current_processing(True)

    listen(hook)
    try:
        stopped = execute(comfy, inpainting())
    finally:
        listen(None)
        management.interrupt_current_processing(False)
    assert (stopped.success, stopped.interrupted) == (False, True)
    assert seen[-1] == (1, 2)
    assert torch.equal(pictures(comfy, execute(comfy, inpainting())), wanted)


def test_refusals_reach_the_user_as_they_are(comfy, starter):
    wrong = inpainting()
    wrong["task"]["inputs"]["fit"] = "as it is"
    wrong["clip"]["inputs"]["amount"] = 6
    ran = execute(comfy, wrong)
    assert (ran.success, ran.failed_node) == (False, "task")
    assert "6 frames" in ran.error
    assert "4n + 1" in ran.error


def test_the_picture_to_draw_boxes_on_is_shown_before_there_are_any(comfy, starter):
    empty = graph(task=("VaceMoveAnything", {**TASKS["move"][1], "paths": "[]"}))
    outputs = execute(comfy, empty).outputs
    assert len(outputs["task"]["vace_picture"]) == 1
    assert "save" not in outputs
    assert "boxes" in outputs["task"]["text"][0]


def test_previews_show_the_video_after_every_step(comfy, starter):
    from comfy.utils import set_progress_bar_global_hook as listen

    shown = []
    listen(lambda value, total, preview, **_: shown.append(preview))
    try:
        task, inputs, _ = TASKS["swap"]
        execute(comfy, graph(task=(task, inputs)))
    finally:
        listen(None)
    sizes = {preview[1].size for preview in shown if preview is not None}
    assert sizes == {(96, 32)}  # the two latent frames of the video, side by side, and no reference


def test_many_runs_keep_nothing_alive(comfy, starter):
    def tensors():
        gc.collect()
        return sum(isinstance(one, torch.Tensor) for one in gc.get_objects())

    counts = []
    for seed in range(5):
        execute(comfy, inpainting(seed=seed))
        counts.append(tensors())
    assert counts[-1] == counts[-2] == counts[-3]
