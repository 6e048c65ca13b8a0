"""The tasks that are composed of others: join two clips, and the *-anything tasks of the paper.

Arguments are as in `tasks`, and so are the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor
from torch.nn import functional

from ..checks.room import check_vcu_room
from ..errors import InputError
from ..inputs.layout import BoxPath, draw_layout
from ..inputs.references import cover, crop_subject
from ..vcu import VideoConditionUnit, compose
from .basic import check_longer, control, extend, gray, inpaint, outpaint, pose, reference, scribble

FOLLOWED = {"outlines": scribble, "brightness": gray}
"""What a style can take over of a clip, and the task that does."""


def join(
    first: Tensor, last: Tensor, *, num_frames: int, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """Join two clips: `first`, a generated transition, `last`; `num_frames` is the whole result.

    Give the end of the one clip and the start of the other, long enough to show how things move.
    """
    return extend(first, last, num_frames=num_frames, prompt=prompt, negative_prompt=negative_prompt, fps=fps)


def reference_anything(
    pictures: Sequence[Tensor],
    *,
    masks: Sequence[Tensor | None],
    num_frames: int,
    height: int,
    width: int,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """`reference` with each subject cut out of its image first.

    Args:
        pictures: As for `reference`.
        masks: For each image its subject, `(B, 1, 1, h, w)`, 1 = subject; None takes the whole image.
        num_frames: Length of the result, ≥ 1.
        height: Pixels, ≥ 1.
        width: Pixels, ≥ 1.

    Source: ali-vilab/VACE, annotators/composition.py (ReferenceAnythingAnnotator).
    """
    if len(pictures) != len(masks):
        raise InputError(
            "subjects-count",
            "There are {pictures} reference images and {masks} subject masks. One mask for each image is "
            "needed. Give as many, with None for an image that needs no cutting out.",
            pictures=len(pictures),
            masks=len(masks),
        )
    subjects = [
        picture if mask is None else crop_subject(picture, mask) for picture, mask in zip(pictures, masks, strict=True)
    ]
    return reference(
        subjects,
        num_frames=num_frames,
        height=height,
        width=width,
        prompt=prompt,
        negative_prompt=negative_prompt,
        fps=fps,
    )


def animate_anything(
    maps: Tensor, pictures: Sequence[Tensor], *, prompt: str = "", negative_prompt: str = "", fps: float = 16.0
) -> VideoConditionUnit:
    """The characters of `pictures` move as the skeletons of `maps`: `pose` and `reference`.

    Source: ali-vilab/VACE, annotators/composition.py (AnimateAnythingAnnotator).
    """
    moving = pose(maps, prompt=prompt, negative_prompt=negative_prompt, fps=fps)
    return _with_references(moving, pictures)


def swap_anything(
    source: Tensor,
    masks: Tensor,
    pictures: Sequence[Tensor],
    *,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """The subjects of `pictures` take the place of what `masks` cover in `source`: `inpaint` and `reference`.

    Source: ali-vilab/VACE, annotators/composition.py (SwapAnythingAnnotator).
    """
    painted = inpaint(source, masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)
    return _with_references(painted, pictures)


def stylize(
    source: Tensor,
    styles: Sequence[Tensor] = (),
    *,
    follow: str = "outlines",
    masks: Tensor | None = None,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """`source` in another style: the same shapes and motion, colours and textures of the prompt or of `styles`.

    Args:
        source: The clip.
        styles: Images in the style, `(B, 3, 1, h, w)` of any size; their middle fills the frame. None is fine.
        follow: A name of `FOLLOWED`: the outlines, which leave most to the style, or the brightness too.
        masks: Where: 1 = in the new style, 0 = kept. One frame counts for the whole clip. None = everywhere.
    """
    if follow not in FOLLOWED:
        raise InputError(
            "style-follows",
            'The style is to follow "{follow}" of the clip. One of {known} is needed. Choose one of these.',
            follow=follow,
            known=", ".join(FOLLOWED),
        )
    styled = FOLLOWED[follow](source, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=fps)
    if masks is not None:
        styled = compose(inpaint(source, masks, fps=fps), styled)
    pages = tuple(cover(picture, styled.height, styled.width) for picture in styles)
    return replace(styled, references=pages)


def move_anything(
    picture: Tensor,
    paths: Sequence[BoxPath],
    *,
    num_frames: int,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Animate `picture`: its objects follow moving boxes: `extend` and `layout`.

    The paths begin in the image, at frame 0, and arrive in the last frame. The original begins them one frame
    later, never arrives, and counts the frames after the image (81 by default, 82 in all).

    Args:
        picture: Frame 0.
        paths: Where the objects are, over the whole result.
        num_frames: Length of the result, ≥ 2.

    Source: ali-vilab/VACE, annotators/composition.py (MoveAnythingAnnotator).
    """
    still = extend(picture, num_frames=num_frames, prompt=prompt, negative_prompt=negative_prompt, fps=fps)
    boxes = draw_layout(paths, num_frames=num_frames, height=still.height, width=still.width)
    return compose(still, control(boxes.to(picture).expand(len(picture), -1, -1, -1, -1), fps=fps))


def expand_anything(
    picture: Tensor,
    pictures: Sequence[Tensor] = (),
    *,
    num_frames: int,
    left: float = 0.0,
    right: float = 0.0,
    top: float = 0.0,
    bottom: float = 0.0,
    step: int = 16,
    prompt: str = "",
    negative_prompt: str = "",
    fps: float = 16.0,
) -> VideoConditionUnit:
    """Outpaint and animate `picture` on a larger canvas: `outpaint`, extended in time, and `reference`.

    Args:
        picture: Frame 0, inside its new border.
        pictures: References, as for `reference`; none is fine.
        num_frames: Length of the result, ≥ 2.
        left: This and the next four as for `outpaint`.

    Source: ali-vilab/VACE, annotators/composition.py (ExpandAnythingAnnotator), with the mode firstframe.
    """
    canvas = outpaint(picture, left=left, right=right, top=top, bottom=bottom, step=step)
    check_longer(canvas.num_frames, num_frames)
    check_vcu_room(len(picture), num_frames, canvas.height, canvas.width, what="The canvas", clips=1)
    later = (0, 0, 0, 0, 0, num_frames - canvas.num_frames)
    moving = VideoConditionUnit(
        roles=functional.pad(canvas.roles, later),
        source=None if canvas.source is None else functional.pad(canvas.source, later),
        prompt=prompt,
        negative_prompt=negative_prompt,
        fps=fps,
    )
    return _with_references(moving, pictures) if pictures else moving


def _with_references(unit: VideoConditionUnit, pictures: Sequence[Tensor]) -> VideoConditionUnit:
    seen = reference(pictures, num_frames=unit.num_frames, height=unit.height, width=unit.width, fps=unit.fps)
    return compose(unit, seen)
