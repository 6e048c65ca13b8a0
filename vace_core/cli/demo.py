"""`vace demo`: what VACE does, seen in a minute on any computer, with nothing but the starter model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional
from typer import Argument, Option

from .. import tasks
from ..errors import InputError
from ..inputs.fitting import thinning
from ..inputs.layout import BoxKey, BoxPath
from ..inputs.masks import box, grow
from ..media.write import check_video_target, write_video
from ..starter.model import STARTER_PRESET
from ..starter.outside import outside
from ..starter.scene import Background, Keyframe, Scene, SceneObject
from ..starter.world import render
from ..tasks import anything
from ..vcu import VideoConditionUnit
from .console import errors_as_exit_codes, print_table, result, say
from .files import STARTER_NAME, find_files
from .inputs import fit_file
from .models import load, options_of
from .options import Run, Wanted
from .request import Request
from .run import generate_shown

ENLARGED = 4
MARGIN = 3  # pixels around the star, for a video's compression smears colours
SEAM = 2  # pixels in which what is made fades into what is kept
PLACE = Background(kind="plain", tint="gray")
ACROSS = (Keyframe(time=0, x=0.25, y=0.5, radius=0.18), Keyframe(time=1, x=0.75, y=0.5, radius=0.18))
STAR = SceneObject(shape="star", colour="red", motion="moves right", path=ACROSS)
CIRCLE = SceneObject(shape="circle", colour="blue", motion="moves right", path=ACROSS)


@errors_as_exit_codes()
def demo(
    clip: Annotated[Path | None, Argument(help="A clip of your own; one is drawn if none is given.")] = None,
    *,
    output: Annotated[Path, Option("--output", "-o", help="A folder; created if it does not exist.")] = Path(
        "vace-demo"
    ),
    seed: Annotated[int, Option(help="The same seed gives the same result.")] = 0,
    model: Annotated[str, Option("--model", "-m", help="The starter, or a folder laid out like it.")] = STARTER_NAME,
) -> None:
    """Edit a clip with the starter model: remove an object, replace it, move one."""
    wanted, how = Wanted(model=model), Run(seed=seed)
    given = None if clip is None else _given(clip, wanted)
    _make_folder(output)
    check_video_target(output / "clip.mp4", lossless=False)
    network = load(find_files(wanted, how), how)
    source, masks, fps = given or _drawn(output / "clip.mp4", wanted)
    for name, unit in _jobs(source, masks, fps).items():
        print_table([(name, unit.prompt)])
        made = generate_shown(network, unit, options_of(wanted, how), feather=SEAM, match_colour=_is_hole(unit))
        # Side by side: the clip, what the model gets of it, what it generates.
        shown = torch.cat([source, unit.frames, made], dim=4)
        write_video(output / f"{name}.mp4", _enlarged(shown), fps=fps)
        Request(vcu=unit, wanted=wanted).write_sheet(output / f"{name}.png")
    print_table([("done", "in each video, from the left: the clip, what the model gets of it, what it generates")])
    result(str(output))


def _drawn(path: Path, wanted: Wanted) -> tuple[Tensor, Tensor, float]:
    """A clip of the starter's world and the box around its star; read from the file that it is written to."""
    clip = render(Scene(background=PLACE, objects=(STAR,)))
    write_video(path, clip.frames, fps=STARTER_PRESET.fps)
    fitted = fit_file(path, wanted)
    return fitted.frames, grow(box(clip.masks), MARGIN), fitted.plan.fps


def _given(path: Path, wanted: Wanted) -> tuple[Tensor, Tensor, float]:
    """A clip with a mask in its middle."""
    fitted = fit_file(path, wanted)
    if fitted.plan.num_frames < 2:
        raise InputError(
            "demo-single-frame",
            "{path} has a single frame. The demo needs a clip. Choose a video, or leave it out.",
            path=path,
        )
    height, width = fitted.size
    masks = torch.zeros_like(fitted.frames[:, :1])
    masks[..., height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
    first = outside(tasks.inpaint(fitted.frames, masks, fps=fitted.plan.fps))
    for warning in filter(None, (first, thinning(fitted.plan))):
        say(f"! {warning}", "yellow")
    return fitted.frames, masks, fitted.plan.fps


def _jobs(source: Tensor, masks: Tensor, fps: float) -> dict[str, VideoConditionUnit]:
    begin, end = (
        BoxKey(time=key.time, x=key.y, y=key.x, width=2 * key.radius, height=2 * key.radius) for key in ACROSS
    )
    downwards = replace(STAR, motion="moves down")
    hole = tasks.inpaint(source, masks, fps=fps)
    moving = anything.move_anything(
        source[:, :, :1], [BoxPath(keys=(replace(begin, x=0.25), replace(end, x=0.25)))],
        num_frames=source.shape[2], fps=fps,
    )  # fmt: skip
    return {
        "removed": replace(hole, prompt=Scene(background=PLACE).caption),
        "replaced": replace(hole, prompt=Scene(background=PLACE, objects=(CIRCLE,)).caption),
        "moved": replace(moving, prompt=Scene(background=PLACE, objects=(downwards,)).caption),
    }


def _is_hole(unit: VideoConditionUnit) -> bool:
    """Whether something is kept in every frame, so that colours can be compared there."""
    return bool((unit.masks == 0).flatten(3).any(3).all())


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            "folder-not-made",
            "The folder {path} cannot be made ({error}). A writable place is needed. Choose another folder.",
            path=path,
            error=error.strerror,
        ) from error


def _enlarged(frames: Tensor) -> Tensor:
    pictures = functional.interpolate(frames[0].transpose(0, 1), scale_factor=ENLARGED, mode="nearest")
    return pictures.transpose(0, 1)[None].cpu()
