"""The Video Condition Unit (VCU): the one input form of every task, and how several are composed.

A VCU says for every pixel what it is for. Frames and masks are derived from that, so that they cannot disagree: a
pixel to generate is gray because it is to be generated. Source: VACE, arXiv 2503.07598, section 3.1 and Table 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .errors import InputError, ShapeError

# What a pixel is for, as bits. No bit: nothing is said of it, and the pixel is generated freely.
KEEP = 1  # there is a source pixel, and it is kept
REPAINT = 2  # the pixel is generated all the same; what is under it shows through a soft edge alone
FOLLOW = 4  # there is a control pixel to follow where this pixel is generated

SAME_RATE = 1e-4  # rates that differ by less, relatively, are one: a clip of 1000 frames drifts by a tenth of a frame


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoConditionUnit:
    """Prompt, frames, masks and reference images of one job, validated once, here.

    Attributes:
        roles: `(B, 1, T, H, W)` uint8, what each pixel is for: any sum of `KEEP`, `REPAINT`, `FOLLOW`.
        source: `(B, 3, T, H, W)` in −1..1, the clip whose pixels are kept, or lie under generated ones. It
            counts where `KEEP` is set, repainted or not; elsewhere it may hold anything. None if that is nowhere.
        control: `(B, 3, T, H, W)` in −1..1, the signal to follow. It counts where `FOLLOW` is set; None if nowhere.
        references: Images `(B, 3, 1, H, W)` in −1..1 on white, in order, of the frame's size.
        prompt: What the result should show.
        negative_prompt: What it should not show; "" = the model's default, "none" = no negative prompt.
        fps: Frames per second of the result.
        padding: Frames at the end that are there for the model alone, whose lengths are 4n + 1 or the like; they are
            dropped after decoding.

    Raises:
        InputError: values out of range or not finite, nothing but padding, or pixels to keep or follow that were not
            given.
        ShapeError: tensors whose sizes do not agree.
    """

    roles: Tensor
    source: Tensor | None = None
    control: Tensor | None = None
    references: tuple[Tensor, ...] = ()
    prompt: str = ""
    negative_prompt: str = ""
    fps: float = 16.0
    padding: int = 0

    def __post_init__(self) -> None:
        _check_roles(self.roles)
        if not 0 <= self.padding < self.num_frames:
            raise InputError(
                "padding-range",
                "{padding} of {frames} frames are padding. At least one frame that is shown is needed. Set a smaller "
                "padding.",
                padding=self.padding,
                frames=self.num_frames,
            )
        for name, words in (("prompt", self.prompt), ("negative prompt", self.negative_prompt)):
            _check_text(words, name)
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(
                "fps-range",
                "The frame rate is {fps}. A number of frames per second above 0 is needed. Set fps, e.g. to 16.",
                fps=self.fps,
            )
        b, _, t, h, w = self.roles.shape
        for bit, name, frames in ((KEEP, "source", self.source), (FOLLOW, "control", self.control)):
            used = bool((self.roles & bit).any())
            if frames is not None:
                check_frames(frames, name)
                if frames.shape != (b, 3, t, h, w):
                    raise ShapeError(
                        "clip-mask-size",
                        "The {name} clip has shape {shape}, the mask {mask_shape}. Both need the same batch, "
                        "length, height and width. Resize or cut one of them.",
                        name=name,
                        shape=tuple(frames.shape),
                        mask_shape=tuple(self.roles.shape),
                    )
                if not used:  # a clip that counts nowhere is none, or it would turn up in a composition
                    object.__setattr__(self, name, None)
            elif used:
                raise InputError(
                    "clip-missing",
                    "The mask has pixels that use the {name} clip, but no {name} clip was given. A clip of shape "
                    "{shape} is needed. Give one, or generate these pixels freely.",
                    name=name,
                    shape=(b, 3, t, h, w),
                )
        for number, picture in enumerate(self.references, start=1):
            check_frames(picture, f"reference {number}")
            if picture.shape != (b, 3, 1, h, w):
                raise ShapeError(
                    "reference-shape",
                    "Reference {number} has shape {shape}. {needed} is needed. Fit it to the frame with "
                    "vace_core.inputs.references.letterbox.",
                    number=number,
                    shape=tuple(picture.shape),
                    needed=(b, 3, 1, h, w),
                )

    @property
    def masks(self) -> Tensor:
        """`(B, 1, T, H, W)` float, 1 = generate, 0 = keep."""
        return self._generated.float()

    @property
    def frames(self) -> Tensor:
        """`(B, 3, T, H, W)` in −1..1: the source where kept, the control where followed, 0 (gray) elsewhere."""
        followed = _pick(self._followed, self.control, None, self.roles)
        return _pick(self._kept, self.source, followed, self.roles).contiguous()

    @property
    def num_frames(self) -> int:
        return self.roles.shape[2]

    @property
    def shown_frames(self) -> int:
        """Frames of the result: those that are not padding."""
        return self.num_frames - self.padding

    @property
    def height(self) -> int:
        return self.roles.shape[3]

    @property
    def width(self) -> int:
        return self.roles.shape[4]

    @property
    def num_references(self) -> int:
        return len(self.references)

    @property
    def has_source(self) -> Tensor:
        """`(B, 1, T, H, W)` bool, where there is a source pixel, kept or not."""
        return (self.roles & KEEP) != 0

    def shown(self, frames: Tensor) -> Tensor:
        """`(B, C, T, H, W)`, of frames or masks of all frames those that are not padding."""
        return frames[:, :, : self.shown_frames]

    @property
    def _kept(self) -> Tensor:
        return (self.roles & (KEEP | REPAINT)) == KEEP

    @property
    def _generated(self) -> Tensor:
        return ~self._kept

    @property
    def _followed(self) -> Tensor:
        return self._generated & ((self.roles & FOLLOW) != 0)

    @property
    def inactive(self) -> Tensor:
        """The kept part of `frames`, `(B, 3, T, H, W)`, and gray (0) elsewhere. Source: VACE, section 3.2."""
        return _pick(self._kept, self.source, None, self.roles)

    @property
    def reactive(self) -> Tensor:
        """The generated part of `frames`, as `inactive`."""
        return _pick(self._followed, self.control, None, self.roles)

    def decouple(self) -> tuple[Tensor, Tensor]:
        """Concept decoupling: `(inactive, reactive)`, whose sum is `frames`."""
        return self.inactive, self.reactive

    def sequence(self) -> tuple[Tensor, Tensor]:
        """Frames and masks as in the paper's Table 1, references in front: `(B, 3, R+T, H, W)`, `(B, 1, R+T, H, W)`."""
        masks = self.masks
        keep = masks.new_zeros(masks.shape[0], 1, self.num_references, self.height, self.width)
        return torch.cat([*self.references, self.frames], dim=2), torch.cat([keep, masks], dim=2)


def compose(*units: VideoConditionUnit) -> VideoConditionUnit:
    """Compose several VCUs into one that asks for what all of them ask for.

    The rules, pixel by pixel:

    - a pixel that one VCU repaints is generated, whatever the others keep there;
    - otherwise a pixel that one VCU keeps is kept, whatever the others follow there;
    - of the source pixels that several VCUs have there, that of the first counts: kept, or under a generated pixel;
    - a generated pixel follows the control of the last VCU that has one there;
    - a pixel of which no VCU says anything is generated freely.

    References and prompts are appended in order; parts that a prompt already has are not repeated. A VCU that says
    nothing changes nothing, and how the VCUs are grouped makes no difference; their order does, as stated. The rate is
    that of the first; a relative difference below `SAME_RATE` is none. The padding is the longest of any.

    Raises:
        InputError: no VCU, or different frame rates.
        ShapeError: different sizes or lengths.
    """
    if not units:
        raise InputError(
            "nothing-to-compose", "There are no VCUs to compose. At least one is needed. Give one or more."
        )
    result = units[0]
    for unit in units[1:]:
        result = _compose_two(result, unit)
    return result


def _compose_two(first: VideoConditionUnit, second: VideoConditionUnit) -> VideoConditionUnit:
    check_alike(first, second)
    return replace(
        first,
        roles=first.roles | second.roles,
        source=_overlay(first.has_source, first.source, second.source),
        control=_overlay((second.roles & FOLLOW) != 0, second.control, first.control),
        references=first.references + second.references,
        prompt=_join(first.prompt, second.prompt),
        negative_prompt=_join(first.negative_prompt, second.negative_prompt),
        padding=max(first.padding, second.padding),
    )


def check_alike(first: VideoConditionUnit, second: VideoConditionUnit) -> None:
    """Validate that two VCUs can be composed: the same size, length and frame rate.

    Raises:
        InputError: different frame rates.
        ShapeError: different sizes or lengths.
    """
    if first.roles.shape != second.roles.shape:
        alike = first.roles.shape[2:] == second.roles.shape[2:]
        first_has, second_has = (
            f"a batch of {len(unit.roles)}" if alike else f"{unit.num_frames} frames of {unit.width}x{unit.height}"
            for unit in (first, second)
        )
        raise ShapeError(
            "units-differ",
            "The first VCU has {first}, the second {second}. VCUs need the same batch, length and size to be "
            "composed. Build both alike.",
            first=first_has,
            second=second_has,
        )
    if abs(first.fps / second.fps - 1) >= SAME_RATE:
        raise InputError(
            "units-fps",
            "The first VCU runs at {fps:.7g} frames per second, the second at {second_fps:.7g}. They need "
            "the same rate to be composed. Build both with the same fps.",
            fps=first.fps,
            second_fps=second.fps,
        )


def check_frames(frames: Tensor, name: str) -> None:
    """Validate `(B, 3, T, H, W)` floating-point frames in −1..1.

    Raises:
        ShapeError: another number of dimensions or channels, or nothing in it.
        InputError: integers, values that are not finite, or values out of range.
    """
    if frames.dim() != 5 or frames.shape[1] != 3 or not frames.numel():
        raise ShapeError(
            "frames-shape",
            "The {name} has shape {shape}. (batch, 3, frames, height, width) is needed. Reorder its "
            "dimensions, or drop its alpha channel.",
            name=name,
            shape=tuple(frames.shape),
        )
    if not frames.is_floating_point():
        raise InputError(
            "frames-dtype",
            "The {name} holds {dtype} values. Floating-point values from -1 to 1 are needed. Divide 0..255 by "
            "127.5 and subtract 1.",
            name=name,
            dtype=frames.dtype,
        )
    low, high = (float(value) for value in torch.aminmax(frames))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(
            "frames-not-finite",
            "The {name} holds values that are not numbers (NaN or infinite). Values from -1 to 1 are needed. "
            "Fix the step that made it; half precision overflowing is the usual cause.",
            name=name,
        )
    if low < -1.001 or high > 1.001:
        raise InputError(
            "frames-values",
            "The {name} holds values from {low:.4g} to {high:.4g}. Values from -1 (black) to 1 (white) are "
            "needed. Divide 0..255 by 127.5 and subtract 1, or double 0..1 and subtract 1.",
            name=name,
            low=low,
            high=high,
        )


def _check_roles(roles: Tensor) -> None:
    if roles.dim() != 5 or roles.shape[1] != 1 or not roles.numel() or roles.dtype != torch.uint8:
        raise ShapeError(
            "roles-shape",
            "The roles have shape {shape} and type {dtype}. (batch, 1, frames, height, width) in uint8 is "
            "needed. Build the VCU with a function of vace_core.tasks.",
            shape=tuple(roles.shape),
            dtype=roles.dtype,
        )
    if int(roles.max()) > (KEEP | REPAINT | FOLLOW):
        raise InputError(
            "roles-values",
            "The roles hold the value {value}. Sums of KEEP 1, REPAINT 2 and FOLLOW 4 are needed. Build the "
            "VCU with a function of vace_core.tasks.",
            value=int(roles.max()),
        )


def _check_text(words: object, name: str) -> None:
    if not isinstance(words, str):
        raise InputError(
            "text-type",
            'The {name} is {value!r:.60} ({type}). A text is needed. Give one, or "" for none.',
            name=name,
            value=words,
            type=type(words).__name__,
        )


def _pick(where: Tensor, frames: Tensor | None, otherwise: Tensor | None, like: Tensor) -> Tensor:
    """`frames` where `where`, else `otherwise`; a clip that is missing is gray, which takes no memory of its own."""
    if otherwise is None:
        b, _, t, h, w = like.shape
        otherwise = torch.zeros(1, 1, 1, 1, 1, device=like.device).expand(b, 3, t, h, w)
    return otherwise if frames is None else torch.where(where, frames, otherwise)


def _overlay(where: Tensor, upper: Tensor | None, below: Tensor | None) -> Tensor | None:
    """`upper` where `where`, else `below`; either may be missing."""
    if upper is None or below is None:
        return below if upper is None else upper
    return torch.where(where, upper, below)


def _join(first: str, second: str) -> str:
    """`first` to the letter, and those parts of `second` that are not in it. A text that says nothing adds nothing."""
    said, more = (dict.fromkeys(part for part in text.split("; ") if part) for text in (first, second))
    new = [part for part in more if part not in said]
    if not first or (new and not said):
        return second
    return "; ".join([first, *new])
