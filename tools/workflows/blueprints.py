"""The main tasks as one node each: subgraphs that ComfyUI offers among its own blueprints."""

from __future__ import annotations

from collections.abc import Callable

from .blueprint_json import Blueprint
from .graph_json import Node
from .parts import AUTO, SAMPLING

OF_VACE = " (VACE)"
"""Ends the name of every blueprint, which begins with what it does, as those of ComfyUI do: what begins with the words
typed stands first in the node search. Templates begin with VACE, for frontends lose the unsaved edits of a template
that shares its name with a blueprint."""

SAMPLED = ("seed", "steps", "cfg", "shift")
INPAINTING = "Video generation and editing/Inpaint video"
EVERY_FRAME = f"{AUTO}, all frames"  # a stitch needs as many as there were


def inpaint() -> Blueprint:
    does = "Generates the masked part of a video and keeps the rest exactly."
    one = Blueprint(f"Inpaint Video{OF_VACE}", INPAINTING, does)
    clip, mask = _video(one), one.entry("mask", "MASK")
    task = one.add("VaceInpaintVideo", "task", images=clip["images"], mask=mask, fps=clip["fps"])
    return _made(one, task, clip)


def swap() -> Blueprint:
    does = "Replaces what the mask covers with the person or object of a reference image."
    one = Blueprint(f"Replace Anything{OF_VACE}", INPAINTING, does)
    clip, mask, pictures = _video(one), one.entry("mask", "MASK"), one.entry("references", "VACE_REFERENCES,IMAGE")
    task = one.add("VaceSwapAnything", "task", images=clip["images"], mask=mask, references=pictures, fps=clip["fps"])
    return _made(one, task, clip)


def inpaint_cropped() -> Blueprint:
    does = "Generates the masked part of a video. The model is shown a box around the mask, so that cost follows it."
    one = Blueprint(f"Inpaint Video with Crop{OF_VACE}", INPAINTING, does)
    clip, cut = _cropped(one)
    task = one.add("VaceInpaintVideo", "task", images=cut["images"], mask=cut["mask"], fps=clip["fps"], fit=EVERY_FRAME)
    return _made(one, task, clip, cut=cut)


def swap_cropped() -> Blueprint:
    does = "Replaces what the mask covers with a reference image. The model is shown a box around the mask."
    one = Blueprint(f"Replace Anything with Crop{OF_VACE}", INPAINTING, does)
    clip, cut = _cropped(one)
    given = {"mask": cut["mask"], "references": one.entry("references", "VACE_REFERENCES,IMAGE")}
    task = one.add("VaceSwapAnything", "task", images=cut["images"], **given, fps=clip["fps"], fit=EVERY_FRAME)
    return _made(one, task, clip, cut=cut)


def outpaint() -> Blueprint:
    does = "Makes the frame of a video larger and generates the new border."
    one = Blueprint(f"Outpaint Video{OF_VACE}", "Video generation and editing/Outpaint video", does)
    clip = _video(one)
    task = one.add("VaceOutpaintVideo", "task", images=clip["images"], fps=clip["fps"])
    return _made(one, task, clip, "left", "right", "top", "bottom")


def extend() -> Blueprint:
    does = "Generates what comes after a clip; the result is the whole video."
    one = Blueprint(f"Extend Video{OF_VACE}", "Video generation and editing/Extend video", does)
    clip = _video(one)
    task = one.add("VaceExtendVideo", "task", first=clip["images"], fps=clip["fps"])
    return _made(one, task, None, "length", "keep", ends=True)


def move() -> Blueprint:
    does = "Animates an image: the objects in your boxes move along with them."
    one = Blueprint(f"Move Anything{OF_VACE}", "Video generation and editing/Image to video", does)
    task = one.add("VaceMoveAnything", "task", image=one.entry("image", "IMAGE"))
    return _made(one, task, None, "paths", "length", "fps")


def reference() -> Blueprint:
    does = "Generates a video with the people or objects of your reference images."
    one = Blueprint(f"Reference to Video{OF_VACE}", "Video generation and editing/Image to video", does)
    task = one.add("VaceReferenceToVideo", "task", references=one.entry("references", "VACE_REFERENCES,IMAGE"))
    return _made(one, task, None, "width", "height", "length", "fps")


def control() -> Blueprint:
    does = "Generates a video that follows another: its brightness, outlines, optical flow, depth or poses."
    return _controlled("Control", does, "kind")


def depth() -> Blueprint:
    does = (
        "Generates a video with the depth of another: connect the depth video that a node such as Depth Anything makes."
    )
    return _controlled("Depth", does, kind="depth")


def pose() -> Blueprint:
    does = (
        "Generates a video with the poses of another: connect the video of skeletons that a node such as DWPose makes."
    )
    return _controlled("Pose", does, kind="pose")


BLUEPRINTS: tuple[Callable[[], Blueprint], ...] = (
    inpaint,
    swap,
    inpaint_cropped,
    swap_cropped,
    outpaint,
    extend,
    move,
    reference,
    control,
    depth,
    pose,
)


def _video(one: Blueprint) -> Node:
    return one.add("GetVideoComponents", "input", video=one.entry("video", "VIDEO"))


def _controlled(name: str, does: str, *offered: str, **values: str) -> Blueprint:
    one = Blueprint(f"{name} to Video{OF_VACE}", "Video generation and editing/Video to video", does)
    clip = _video(one)
    task = one.add("VaceControlVideo", "task", images=clip["images"], fps=clip["fps"], **values)
    return _made(one, task, clip, *offered)


def _cropped(one: Blueprint) -> tuple[Node, Node]:
    """The clip, and a box around the mask in it."""
    clip, mask = _video(one), one.entry("mask", "MASK")
    return clip, one.add("VaceCropVideo", "task", images=clip["images"], mask=mask)


def _made(
    one: Blueprint, task: Node, clip: Node | None, *offered: str, ends: bool = False, cut: Node | None = None
) -> Blueprint:
    """Sampler, decoder and video, with the widgets that users need offered on the one node."""
    model = one.entry("model", "VACE_MODEL")
    left = {"fit": AUTO, "width": 0, "height": 0, "length": 0, "model": model}
    names = {spec.name for spec in task.form.inputs}
    task.values = {**{name: value for name, value in left.items() if name in names}, **task.values}
    seen = one.add("VacePreviewVCU", "look", vcu=task["vcu"], model=model)
    sampled = one.add("VaceSampleVideo", "sample", model=model, vcu=seen["vcu"], **{**SAMPLING, "seed": 0})
    rest = {"before": task["before"], "after": task["after"]} if ends else {}
    made = one.add("VaceDecodeVideo", "decode", samples=sampled["samples"], vcu=seen["vcu"], vae=model, **rest)
    sound = {} if clip is None else {"audio": clip["audio"]}
    images = made["images"]
    if cut is not None:
        images = one.add("VaceStitchVideo", "decode", images=images, stitch=cut["stitch"])["images"]
    video = one.add("CreateVideo", "save", images=images, fps=made["fps"], **sound)
    for name in ("prompt", "negative_prompt", *offered, *(("fit",) if "fit" in names else ())):
        one.offer(task, name)
    if cut is not None:
        for name in ("margin", "follow", "resolution"):
            one.offer(cut, name)
    for name in SAMPLED:
        one.offer(sampled, name)
    one.result("video", video["VIDEO"])
    one.result("images", images)
    one.result("report", made["report"])
    return one
