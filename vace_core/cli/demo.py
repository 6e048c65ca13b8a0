"""`vace demo`: what VACE does, seen in a minute on any computer, with nothing but the starter model."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional
from typer import Argument, Option

from .. import tasks
from ..errors import InputError
from ..inputs.fitting import thinning
from ..inputs.layout import BoxKey, BoxPath
from ..inputs.masks import box, grow
from ..media.pictures import write_image
from ..media.video import from_uint8, to_uint8
from ..media.write import check_video_target, write_video
from ..starter.model import LENGTH, SIDE, STARTER_PRESET
from ..starter.outside import outside
from ..starter.profiles import profile_named
from ..starter.scenes.backdrops import Backdrop
from ..starter.scenes.captions import caption
from ..starter.scenes.paths import Keyframe
from ..starter.scenes.render import reference, render
from ..starter.scenes.scene import Scene, SceneObject
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
STYLE = "in candy mosaic style"
REAL, SHEET = "wan-14b-480p", "for-a-real-model.png"


def _still(x: float, y: float, radius: float, time: float = 0) -> Keyframe:
    return Keyframe(time=time, x=x, y=y, radius=radius)


# As large as training draws two things, and apart from each other.
PLACE = Backdrop(kind="hilly", colour="mint", second="slate", phase=(0.15, 0.6, 0.3, 0.5))
STAR = SceneObject(
    shape="star",
    colour="red",
    motion="moves right",
    path=(_still(0.28, 0.70, 0.27), _still(0.70, 0.70, 0.27, 1)),
    depth=0.7,
)
MOON = SceneObject(shape="moon", colour="purple", path=(_still(0.76, 0.20, 0.19),), depth=0.3)
HEART = replace(STAR, shape="heart", colour="pink")
RISING = replace(STAR, motion="moves up", path=(_still(0.28, 0.70, 0.27), _still(0.28, 0.30, 0.27, 1)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Clip:
    """What is edited.

    Attributes:
        frames: `(1, 3, T, H, W)`, -1..1.
        masks: `(1, 1, T, H, W)`, 1 = what is removed or replaced.
        fps: Frames per second.
        ways: Where its things are to go.
        words: What each edit should show.
    """

    frames: Tensor
    masks: Tensor
    fps: float
    ways: list[BoxPath]
    words: Mapping[str, str]


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
    """Edit a clip with the starter model: remove an object, replace it, move it, restyle it all.

    A clip of your own that does not look like the starter's world is not edited: you see what a real model would get.
    """
    wanted, how = Wanted(model=model), Run(seed=seed)
    given = None if clip is None else _given(clip, wanted)
    _make_folder(output)
    if clip is not None and given is None:
        _show_only(clip, output)
        return
    check_video_target(output / "clip.mp4", lossless=False)
    network = load(find_files(wanted, how), how)
    source = given or _drawn(output / "clip.mp4", wanted)
    shown, begun = {"before": source.frames}, time.monotonic()
    for name, unit in _jobs(source).items():
        print_table([(name, unit.prompt)])
        seam = SEAM if unit.source is not None else 0
        made = generate_shown(network, unit, options_of(wanted, how), feather=seam, match_colour=_is_hole(unit))
        # Side by side: the clip, what the model gets of it, what it generates.
        beside = torch.cat([source.frames, unit.frames, made], dim=4)
        write_video(output / f"{name}.mp4", _enlarged(beside), fps=source.fps)
        Request(vcu=unit, wanted=wanted).write_sheet(output / f"{name}.png")
        shown[name] = made
    each = (time.monotonic() - begun) / (len(shown) - 1)
    write_image(output / "before-after.png", _before_after(shown))
    told = "in each video, from the left: the clip, what the model gets of it, what it generates"
    print_table([("done", f"{each:.1f} s an edit; {told}"), ("look at", str(output / "before-after.png"))])
    result(str(output))


def _drawn(path: Path, wanted: Wanted) -> _Clip:
    """A clip of the starter's world and the box around its star; read from the file that it is written to."""
    clip = render(Scene(backdrop=PLACE, objects=(STAR, MOON)), num_frames=LENGTH, height=SIDE, width=SIDE)
    write_video(path, clip.frames, fps=STARTER_PRESET.fps)
    fitted = fit_file(path, wanted)
    words = {
        "removed": _told(MOON),
        "replaced": _told(HEART, MOON),
        "moved": _told(RISING, MOON),
        "restyled": f"{_told(STAR, MOON)}, {STYLE}",
    }
    return _Clip(
        frames=fitted.frames,
        masks=grow(box(clip.masks[:1]), MARGIN),
        fps=fitted.plan.fps,
        ways=[_way(RISING), replace(_way(MOON), order=1)],
        words=words,
    )


def _told(*objects: SceneObject) -> str:
    return caption(Scene(backdrop=PLACE, objects=objects), plain=True)


def _way(item: SceneObject) -> BoxPath:
    return BoxPath(
        keys=tuple(
            BoxKey(time=key.time, x=key.x, y=key.y, width=2 * key.radius, height=2 * key.radius) for key in item.path
        )
    )


def _given(path: Path, wanted: Wanted) -> _Clip | None:
    """A clip with a mask in its middle; None where the starter was never taught such a clip, which is said."""
    fitted = fit_file(path, wanted)
    if fitted.plan.num_frames < 2:
        raise InputError(
            "demo-single-frame",
            "{path} has a single frame. The demo needs a clip. Choose a video, or leave it out.",
            path=path,
        )
    masks = _middle(fitted.frames)
    why = outside(tasks.inpaint(fitted.frames, masks, fps=fitted.plan.fps))
    if (warning := why or thinning(fitted.plan)) is not None:
        say(f"! {warning}", "yellow")
    if why is not None:
        return None
    begin, end = (BoxKey(time=time, x=0.5, y=y, width=0.5, height=0.5) for time, y in ((0, 0.5), (1, 0.7)))
    words = {"removed": "", "replaced": f"a {HEART.colour} {HEART.shape}", "moved": "", "restyled": STYLE}
    return _Clip(frames=fitted.frames, masks=masks, fps=fitted.plan.fps, ways=[BoxPath(keys=(begin, end))], words=words)


def _middle(frames: Tensor) -> Tensor:
    """`(1, 1, T, H, W)`, 1 = the middle half of every frame."""
    height, width = frames.shape[-2:]
    masks = torch.zeros_like(frames[:, :1])
    masks[..., height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
    return masks


def _show_only(path: Path, output: Path) -> None:
    """What a real model would get of a clip, where the starter would only paint over it."""
    real = Wanted(profile=REAL)
    fitted = fit_file(path, real)
    unit = tasks.inpaint(fitted.frames, _middle(fitted.frames), fps=fitted.plan.fps)
    sheet = output / SHEET
    Request(vcu=unit, wanted=real).write_sheet(sheet)
    print_table(
        [
            ("not edited", "the starter would paint over what it does not know"),
            ("look at", f"{sheet}: what a real model would get of this clip with the middle masked"),
            ("it would", "keep all around the mask as it is, and generate what is inside as the prompt says"),
        ]
    )
    files = {file.part: file.released for file in profile_named(REAL).files}
    say(
        f'vace inpaint {shlex.quote(str(path))} --mask MASK.png --prompt "..." -m {files["base"]} --vae {files["vae"]} '
        f"--text-encoder {files['text']}"
    )
    result(str(output))


def _jobs(clip: _Clip) -> dict[str, VideoConditionUnit]:
    frames, fps, words = clip.frames, clip.fps, clip.words
    heart = reference(HEART, *frames.shape[-2:])
    return {
        "removed": tasks.inpaint(frames, clip.masks, prompt=words["removed"], fps=fps),
        "replaced": anything.swap_anything(frames, clip.masks, [heart], prompt=words["replaced"], fps=fps),
        "moved": anything.move_anything(
            frames[:, :, :1], clip.ways, num_frames=frames.shape[2], prompt=words["moved"], fps=fps
        ),
        "restyled": anything.stylize(frames, follow="brightness", prompt=words["restyled"], fps=fps),
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


def _enlarged(frames: Tensor, scale: int = ENLARGED) -> Tensor:
    pictures = functional.interpolate(frames[0].transpose(0, 1), scale_factor=scale, mode="nearest")
    return pictures.transpose(0, 1)[None].cpu()


def _before_after(clips: Mapping[str, Tensor], columns: int = 5) -> Tensor:
    """`(1, 3, 1, h, w)`, -1..1: a row of frames for each clip, the clip as it came first."""
    font, label, gap = ImageFont.load_default(18), 110, 6
    rows: list[Image.Image] = []
    for name, frames in clips.items():
        chosen = [round(at * (frames.shape[2] - 1) / (columns - 1)) for at in range(columns)]
        pictures = to_uint8(_enlarged(frames[:, :, chosen], 2)).numpy()
        height, width = pictures.shape[1:3]
        row = Image.new("RGB", (label + columns * (width + gap), height + gap), "white")
        ImageDraw.Draw(row).text((gap, height // 2), name, "black", font, anchor="lm")
        for number, picture in enumerate(pictures):
            row.paste(Image.fromarray(picture), (label + number * (width + gap), gap))
        rows.append(row)
    return from_uint8(torch.from_numpy(np.concatenate([np.array(row) for row in rows])))
