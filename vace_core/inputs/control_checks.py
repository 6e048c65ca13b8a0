"""Common mistakes in control videos made elsewhere: found by statistics, fixed where that is certain.

`frames` are `(B, 3, T, H, W)`, -1..1, RGB, as in `controls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from .controls import Images, check_float_frames, gray, opencv_images
from .masks import opencv

ControlKind = Literal["depth", "pose", "scribble", "flow", "layout", "gray"]


def check_control(frames: Tensor, kind: ControlKind) -> list[str]:
    """What looks wrong with a control video of this kind, in plain words; an empty list if nothing does.

    These are statistics of up to eight frames, so they hint and do not prove.

    Raises:
        InputError: an unknown kind, or values outside -1..1.
    """
    return [fault.warning for fault in _faults(frames, kind)]


def fix_control(frames: Tensor, kind: ControlKind) -> tuple[Tensor, list[str]]:
    """`frames` with what can be fixed fixed, and a note on every change.

    Fixed are: depth so clean that it can pass for a gray image (blurred by about 3 pixels), the pure black behind a
    pose (lifted to #202020), light lines on dark (inverted), colour in a gray control (removed). Frames without such
    a fault come back untouched. What cannot be mended, `check_control` on the result still says.

    Raises:
        InputError: an unknown kind, or values outside -1..1.
    """
    notes: list[str] = []
    for fault in _faults(frames, kind):
        if fault.mend is not None:
            frames = fault.mend(frames)
            notes.append(fault.note)
    return frames, notes


class _Fault(NamedTuple):
    warning: str
    note: str = ""
    mend: Callable[[Tensor], Tensor] | None = None


def _faults(frames: Tensor, kind: ControlKind) -> list[_Fault]:
    if kind not in _CHECKS:
        raise InputError(
            "control-kind",
            'The control kind is "{kind}". Known kinds are {known}. Choose one of them.',
            kind=kind,
            known=", ".join(_CHECKS),
        )
    check_float_frames(frames)
    return list(_CHECKS[kind](opencv_images(frames[:, :, :: -(-frames.shape[2] // 8)])))


def _check_depth(images: Images) -> Iterator[_Fault]:
    textured, hard = _textured(images), _hard(images)
    if _colour(images) > 8:
        yield _Fault("The depth control has colour. Depth is gray, near is light. Connect it without a colour map.")
    elif textured > 0.1:
        yield _Fault(
            f"The depth control has fine texture on {textured:.0%} of its pixels, like a photo. Depth is smooth. "
            "Connect the depth map, not the video it was made from."
        )
    elif hard > 0.2:
        yield _Fault(
            f"The depth control has hard edges: {hard:.0%} of its contrast is in steps of one pixel. Depth this clean "
            "can pass for a gray picture to colour in. Sanitise it, or blur it by about 3 pixels.",
            "Blurred the depth control by about 3 pixels.",
            _blur,
        )


def _check_pose(images: Images) -> Iterator[_Fault]:
    plain, black = _plain(images), float((images.max(axis=-1) <= 8).mean())
    if plain < 0.5:
        yield _Fault(
            f"Only {plain:.0%} of the pose control is of one colour. A pose is a skeleton on a plain background. "
            "Connect what a pose detector draws, not the video itself."
        )
    elif np.median(images) > 127:
        yield _Fault("The pose control has a light background. The model knows a dark one. Draw the pose on black.")
    elif black > 0.5:
        yield _Fault(
            f"{black:.0%} of the pose control is pure black, which can leave dark squares in the picture. "
            "A little light is needed there. Sanitise it, or lift the black to #202020.",
            "Lifted the black of the pose control to #202020.",
            _lift,
        )


def _check_scribble(images: Images) -> Iterator[_Fault]:
    paper = float(np.median(images))
    blank = float((np.abs(images - paper) < 16).mean())
    if blank < 0.6:
        yield _Fault(
            f"Only {blank:.0%} of the scribble control is blank. Scribbles are thin dark lines on white. "
            "Connect lines, not the video they were drawn from."
        )
    elif _colour(images) > 8:
        yield _Fault("The scribble control has colour. Scribbles are black on white. Turn it gray.")
    elif paper < 64:
        yield _Fault(
            "The scribble control has light lines on dark. Dark lines on white are needed. Sanitise it, or invert it.",
            "Inverted the scribble control: its lines are now dark on white.",
            torch.neg,
        )


def _check_flow(images: Images) -> Iterator[_Fault]:
    if np.median(images.max(axis=-1)) < 64:
        yield _Fault(
            "The flow control is dark where nothing moves. On the Middlebury wheel, which the model knows, still is "
            "white. Draw the flow on that wheel."
        )
    elif _colour(images) < 1 and images.min() < 240:
        yield _Fault("The flow control has no colour. Its colours are the directions. Connect coloured flow.")


def _check_layout(images: Images) -> Iterator[_Fault]:
    white = float((images.min(axis=-1) > 207).mean())
    if white < 0.5:
        yield _Fault(
            f"Only {white:.0%} of the layout control is white. A layout is the outlines of boxes on white. "
            "Draw it on white."
        )


def _check_gray(images: Images) -> Iterator[_Fault]:
    if _colour(images) > 1:
        yield _Fault(
            "The gray control has colour. Gray pictures are needed. Sanitise it, or turn it gray.",
            "Turned the gray control gray.",
            gray,
        )


_CHECKS: dict[str, Callable[[Images], Iterator[_Fault]]] = {
    "depth": _check_depth,
    "pose": _check_pose,
    "scribble": _check_scribble,
    "flow": _check_flow,
    "layout": _check_layout,
    "gray": _check_gray,
}


def _colour(images: Images) -> float:
    """Mean difference between a pixel's largest and smallest channel, 0..255. Photos measured: 11 to 57."""
    return float((images.max(axis=-1) - images.min(axis=-1)).mean())


def _light(images: Images) -> NDArray[np.float32]:
    return images.mean(axis=-1, dtype=np.float32)


def _textured(images: Images) -> float:
    """The part of pixels that stand out from their neighbours by more than 3 levels, 0..1."""
    cv2 = opencv()
    return float(np.mean([np.abs(image - cv2.GaussianBlur(image, None, 1.0)) > 3 for image in _light(images)]))


def _hard(images: Images) -> float:
    """The part of all contrast between neighbours that lies in steps of more than 15 % of black to white, 0..1."""
    light = _light(images)
    steps = np.concatenate([np.abs(np.diff(light, axis=axis)).ravel() for axis in (1, 2)])
    return float(steps[steps > 0.15 * 255].sum() / max(steps.sum(), 1e-6))


def _plain(images: Images) -> float:
    """The part of pixels that have the most common colour, in bins of 32 levels, 0..1."""
    bins = (images >> 5).astype(np.int64) @ np.array((64, 8, 1))
    return float(np.bincount(bins.ravel()).max() / bins.size)


def _blur(frames: Tensor) -> Tensor:
    # A Gaussian of sigma 1.5 is 3.5 pixels wide at half its height, and leaves no step above 15 % of the range.
    cv2 = opencv()
    flat = frames.flatten(0, 2).cpu().numpy()
    soft = np.stack([cv2.GaussianBlur(channel, None, 1.5, borderType=cv2.BORDER_REPLICATE) for channel in flat])
    return torch.from_numpy(soft).reshape(frames.shape).to(frames.device)


def _lift(frames: Tensor) -> Tensor:
    # All of what is darker, so that no black rim stays around the limbs; their own colours are left alone.
    floor = 0x20 / 127.5 - 1
    return torch.where(frames.amax(dim=1, keepdim=True) < floor, floor, frames)
