"""One function per task: user inputs in, `VideoConditionUnit` out. `anything` has the tasks composed of these.

Clips are `frames` `(B, 3, T, H, W)` in −1..1, an image is a clip of one frame, `masks` are `(B, 1, T, H, W)` of
1 = generate and 0 = keep. Every task also takes `prompt` (what the result should show), `negative_prompt` (what it
should not) and `fps` (frames per second), and raises `ShapeError` and `InputError` as the VCU itself does.
Whether a model can take the length and the size is validated where the VCU is encoded; no task pads, cuts or resizes
a clip. References are the exception: they are letterboxed, as the model was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral

import torch
from torch import Tensor
from torch.nn import functional

from ..checks.numbers import check_whole
from ..checks.room import check_vcu_room
from ..errors import InputError, ShapeError
from ..inputs import controls
from ..inputs.layout import BoxPath, draw_layout
from ..inputs.masks import check as check_masks
from ..inputs.references import stack
from ..vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit, check_frames

LARGEST_RATIO = 4.0


def text(
    *, num_frames: int, height: int, width: int, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Text to video: everything is generated freely, from the prompt.

    Args:
        num_frames: Length of the result, ≥ 1.
        height: Pixels, ≥ 1.
        width: Pixels, ≥ 1.
    """
    roles = _nothing(1, num_frames, height, width)
    return VideoConditionUnit(roles=roles, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def reference(
    pictures: Sequence[Tensor],
    *,
    num_frames: int,
    height: int,
    width: int,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Reference to video: a clip generated freely, in which the faces or objects of `pictures` appear.

    Args:
        pictures: `(B, 3, 1, h, w)` each, of any size; they are letterboxed on white in the order given.
        num_frames: Length of the result, ≥ 1.
        height: Pixels, ≥ 1.
        width: Pixels, ≥ 1.
    """
    if not pictures:
        raise InputError(
            "no-reference", "No reference image was given. At least one is needed. Give one, or leave references out."
        )
    _check_size(1, num_frames, height, width)  # before the pictures are made as large
    references = stack(pictures, height, width)
    return VideoConditionUnit(
        roles=_nothing(len(references[0]), num_frames, height, width).to(references[0].device),
        references=references,
        prompt=prompt,
        negative_prompt=negative_prompt,
        fps=fps,
    )


def inpaint(
    source: Tensor, masks: Tensor, *, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Inpaint: the masked part of `source` is generated, the rest is kept. The part is filled with gray here.

    Args:
        source: The clip.
        masks: 1 = generate, 0 = keep. One frame counts for the whole clip.
    """
    # The source is there under the mask too, where a soft edge shows it.
    roles = torch.where(_hard(masks, source) > 0, KEEP | REPAINT, KEEP).to(torch.uint8)
    return VideoConditionUnit(roles=roles, source=source, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def outpaint(
    source: Tensor,
    *,
    left: float = 0.0,
    right: float = 0.0,
    top: float = 0.0,
    bottom: float = 0.0,
    step: int = 16,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Outpaint: `source` on a larger canvas; what it does not cover is generated. The VCU has the size of the canvas.

    The canvas is widened further to multiples of `step`, and what that adds is shared between the two sides in the
    ratio asked for. The new border has no role: a VCU composed with this one may keep pixels there.

    Args:
        source: The clip, or an image.
        left: What to add there: a float is a ratio of the width (0.25 = a quarter), an int is pixels.
        right: The same.
        top: A ratio of the height, or pixels.
        bottom: The same.
        step: What the canvas must be a multiple of, ≥ 1: that of the model. 1 keeps exactly to what was asked for.

    Raises:
        InputError: a negative or enormous amount, or nothing to add.
        ShapeError: a side to which nothing is added is no multiple of `step`.

    Source: ali-vilab/VACE, annotators/outpainting.py; `step` is its KEEP_PADDING_RATIO (1 in its configurations).
    """
    check_frames(source, "source clip")
    _, _, _, height, width = source.shape
    across = _margins("width", width, {"left": left, "right": right}, step)
    down = _margins("height", height, {"top": top, "bottom": bottom}, step)
    if not (any(across) or any(down)):
        raise InputError(
            "nothing-to-outpaint",
            "Nothing is added on any side. A border to fill is needed. Set left, right, top or bottom, such as 0.25.",
        )
    size = source.shape[2], height + sum(down), width + sum(across)
    check_vcu_room(len(source), *size, what="The canvas", clips=1)
    roles = torch.full_like(source[:, :1], KEEP, dtype=torch.uint8)
    return VideoConditionUnit(
        roles=functional.pad(roles, (*across, *down)),
        source=functional.pad(source, (*across, *down)),
        prompt=prompt,
        negative_prompt=negative_prompt,
        fps=fps,
    )


def extend(
    first: Tensor | None = None,
    last: Tensor | None = None,
    *,
    num_frames: int,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Extend: a clip that begins with `first`, ends with `last`, or both; the rest is generated.

    The original counts the frames to add (80 by default) and so gets 81 from a first frame, 82 from a first and a
    last one, and more from clips, which it then thins out to a length of 4n + 1. Here `num_frames` is the result.

    Args:
        first: The image or clip at the start.
        last: The image or clip at the end.
        num_frames: Length of the result, longer than what is given.

    Source: ali-vilab/VACE, annotators/frameref.py (firstframe, lastframe, firstlastframe, and the same with clips).
    """
    clips = {name: clip for name, clip in (("first clip", first), ("last clip", last)) if clip is not None}
    if not clips:
        raise InputError(
            "nothing-to-extend", "Neither a first nor a last clip was given. At least one is needed. Give one of them."
        )
    for name, clip in clips.items():
        check_frames(clip, name)
    check_longer(sum(clip.shape[2] for clip in clips.values()), num_frames)
    starts = dict.fromkeys(clips, 0) | ({} if last is None else {"last clip": num_frames - last.shape[2]})
    source, roles = _placed({name: (starts[name], clip) for name, clip in clips.items()}, num_frames)
    return VideoConditionUnit(roles=roles, source=source, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def keyframes(
    pictures: Mapping[int, Tensor], *, num_frames: int, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Keyframes: a clip that shows each image at its frame; the frames between are generated.

    Models read the mask of some frames only; `advice.warnings` names the keyframes that are not among them.

    Args:
        pictures: Frame → image. The first frame is 0, the last `num_frames` − 1.
        num_frames: Length of the result.
    """
    if not pictures:
        raise InputError(
            "no-keyframe", "No keyframe was given. At least one is needed. Give one, or use the text task."
        )
    for index, picture in sorted(pictures.items()):
        check_frames(picture, f"keyframe {index}")
        if not 0 <= index < num_frames:
            raise InputError(
                "keyframe-outside",
                "There is a keyframe at {index}, and the result has the frames 0 to {last}. Keyframes must "
                "lie among them. Move it, or set another length.",
                index=index,
                last=num_frames - 1,
            )
        if picture.shape[2] != 1:
            raise ShapeError(
                "keyframe-several",
                "The keyframe {index} has {frames} frames. A single image is needed. Give its frames as "
                "keyframes of their own, or use the extend task.",
                index=index,
                frames=picture.shape[2],
            )
    placed = {f"keyframe {index}": (index, picture) for index, picture in sorted(pictures.items())}
    source, roles = _placed(placed, num_frames)
    return VideoConditionUnit(roles=roles, source=source, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def control(
    frames: Tensor, *, masks: Tensor | None = None, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Control: a clip that follows a control video of any kind.

    Args:
        frames: The signal.
        masks: Where to follow it: 1 = follow, 0 = say nothing. One frame counts for the whole clip. None = everywhere.
            To keep the rest of a clip, compose with `inpaint` on the same masks; to follow another signal in another
            place, compose with that.
    """
    check_frames(frames, "control clip")
    roles = torch.full_like(frames[:, :1], FOLLOW, dtype=torch.uint8)
    if masks is not None:
        roles = torch.where(_hard(masks, frames) > 0, FOLLOW, 0).to(torch.uint8)
    return VideoConditionUnit(roles=roles, control=frames, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def gray(
    source: Tensor, *, masks: Tensor | None = None, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Colorize: a clip that follows the brightness of `source`. See `control` for `masks`."""
    frames = controls.gray(source)
    return control(frames, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def depth(
    maps: Tensor, *, masks: Tensor | None = None, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Depth: a clip that has the depth of `maps`: gray, near is light, far is dark. See `control` for `masks`."""
    return control(maps, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def scribble(
    source: Tensor,
    *,
    masks: Tensor | None = None,
    strength: float = 1.0,
    thickness: float = 1.0,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Scribble: a clip that has the outlines of `source`; arguments as for `controls.scribble` and `control`."""
    frames = controls.scribble(source, strength=strength, thickness=thickness)
    return control(frames, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def pose(
    maps: Tensor, *, masks: Tensor | None = None, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Pose: a clip in which people move as the skeletons of `maps`, drawn on black. See `control` for `masks`."""
    return control(maps, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def flow(
    source: Tensor, *, masks: Tensor | None = None, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Optical flow: a clip that moves as `source` does. See `control` for `masks`."""
    frames = controls.flow(source)
    return control(frames, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def layout(
    paths: Sequence[BoxPath],
    *,
    num_frames: int,
    height: int,
    width: int,
    masks: Tensor | None = None,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Layout: a clip in which objects stay in their moving boxes; arguments as for `draw_layout` and `control`."""
    frames = draw_layout(paths, num_frames=num_frames, height=height, width=width)
    return control(frames, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def _nothing(batch: int, num_frames: int, height: int, width: int, clips: int = 0) -> Tensor:
    """Roles of a VCU that says nothing, and that will have `clips` clips of its own."""
    _check_size(batch, num_frames, height, width, clips)
    return torch.zeros(batch, 1, num_frames, height, width, dtype=torch.uint8)


def _check_size(batch: int, num_frames: int, height: int, width: int, clips: int = 0) -> None:
    """Validate the size of a VCU."""
    sizes = (("length", num_frames, "frames"), ("height", height, "pixels"), ("width", width, "pixels"))
    for name, size, what in sizes:
        if size < 1:
            raise ShapeError(
                "size-too-small",
                "The {name} is {size} {what}. At least 1 is needed. Set the {name} to 1 or more.",
                name=name,
                size=size,
                what=what,
            )
    check_vcu_room(batch, num_frames, height, width, clips=clips)


def check_longer(given: int, num_frames: int) -> None:
    """Validate that a result is longer than the frames given, so that there is something to generate.

    Raises:
        ShapeError: it is not.
    """
    if given >= num_frames:
        raise ShapeError(
            "length-too-short",
            "The length is {length}, and {given} frames are given. At least one more is needed, to generate. Set the "
            "length to {least} or more, or give fewer frames.",
            length=num_frames,
            given=given,
            least=given + 1,
        )


def _hard(masks: Tensor, frames: Tensor) -> Tensor:
    """`masks`, checked, over the whole length of `frames`."""
    check_masks(masks)
    return masks.expand(-1, -1, frames.shape[2], -1, -1) if masks.shape[2] == 1 and frames.dim() == 5 else masks


def _placed(clips: Mapping[str, tuple[int, Tensor]], num_frames: int) -> tuple[Tensor, Tensor]:
    """Source and roles of a clip that keeps each of `clips` from its start on and is free elsewhere."""
    name, (_, like) = next(iter(clips.items()))
    b, _, _, h, w = like.shape
    roles = _nothing(b, num_frames, h, w, clips=1).to(like.device)
    source = like.new_zeros(b, 3, num_frames, h, w)
    for other, (start, clip) in clips.items():
        if clip.shape[0] != b or clip.shape[3:] != (h, w):
            raise ShapeError(
                "clips-differ",
                "The {name} is {width} x {height} pixels (batch {batch}), the {other} {other_width} x {other_height} "
                "(batch {other_batch}). Both need the same size. Resize one of them.",
                name=name,
                width=w,
                height=h,
                batch=b,
                other=other,
                other_width=clip.shape[4],
                other_height=clip.shape[3],
                other_batch=clip.shape[0],
            )
        source[:, :, start : start + clip.shape[2]] = clip
        roles[:, :, start : start + clip.shape[2]] = KEEP
    return source, roles


def _margins(side: str, size: int, wanted: Mapping[str, float], step: int) -> tuple[int, int]:
    """Pixels to add before and after, with what brings the canvas to a multiple of `step` shared between them."""
    before, after = (_pixels(name, amount, size) for name, amount in wanted.items())
    check_whole("The step", step, least=1)
    extra = -(size + before + after) % step
    if extra and not before + after:
        raise ShapeError(
            "margin-multiple",
            "The {side} is {size} pixels, nothing is added to it, and the canvas must be a multiple of {step}. "
            "{extra} more are needed. Add some {wanted}, or crop the clip to {cropped}.",
            side=side,
            size=size,
            step=step,
            extra=extra,
            wanted=" or ".join(wanted),
            cropped=size // step * step,
        )
    total = before + after + extra
    before = before * total // (before + after) if before else 0
    return before, total - before


def _pixels(name: str, amount: float, size: int) -> int:
    """What is added on one side: an int is pixels, a float a ratio of `size`."""
    if isinstance(amount, Integral):
        check_whole(f"{name} (pixels)", amount, least=0)
        return int(amount)
    if not 0 <= amount <= LARGEST_RATIO:
        raise InputError(
            "margin-ratio",
            "{name} is {amount:g}. A ratio of the side up to {limit:g}, or whole pixels, is needed. Change it.",
            name=name,
            amount=amount,
            limit=LARGEST_RATIO,
        )
    return max(int(amount * size), int(amount > 0))  # what was asked for is there, however small the clip is shown
