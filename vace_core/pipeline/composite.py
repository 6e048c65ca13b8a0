"""Kept pixels pasted back: generated pixels inside the mask, the source's own outside of it, bit for bit.

The model generates whole frames, and its kept pixels are only close. They are therefore taken from the source.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..inputs.blending import RING, BlendMode, check_blend_mode, multiband
from ..inputs.masks import carried_on, grow, soften, steady
from ..inputs.masks import check as check_masks
from ..vcu import VideoConditionUnit, check_frames

_LEAST = 16  # pixels to measure a mean and a spread on
_MOST_GAIN = 2.0


def composite_vcu(
    generated: Tensor,
    vcu: VideoConditionUnit,
    *,
    feather: int = 0,
    match_colour: bool = False,
    blend_mode: BlendMode = "feather",
) -> Tensor:
    """`frames` `(B, 3, T, H, W)`: `generated` with every pixel that the VCU keeps as it came.

    A soft edge blends generated pixels with the source under the mask. Where there is none, as in the border of an
    outpainting, the nearest source pixel of the frame is carried on; a frame that keeps nothing has no edge.

    Args:
        generated: `(B, 3, T, H, W)` in −1..1, what the model generated from the VCU, whole frames.
        vcu: The VCU.
        feather: Pixels of soft edge, inside the mask; 0 = a hard edge.
        match_colour: As for `composite`.
        blend_mode: "multiband" brings generated pixels to the levels beside the mask before they are blended, as
            `inputs.blending.multiband` does.

    Raises:
        ShapeError: `generated` is not of the VCU's size.
        InputError: the VCU has no source, there is no such blend, or as `composite`.
    """
    check_blend_mode(blend_mode)
    if vcu.source is None:
        raise InputError(
            "nothing-kept",
            "This VCU keeps no pixels, so there is nothing to put back. A VCU with a source video is needed. "
            "Use the images as they are.",
        )
    masks, source = vcu.masks, vcu.source
    if blend_mode == "multiband":
        generated, inside = _checked(generated, source, masks, "generated clip")
        generated, match_colour = _matched(generated, source, masks) if match_colour else generated, False
        # A pixel equal to the source in all channels was not decoded but copied, and tells nothing.
        known = ~inside & (generated != source).any(dim=1, keepdim=True)
        generated = multiband(generated, source, inside, known=known)
    blend = soften(masks, feather) if feather else None
    if blend is not None:
        mixed = (blend > 0) & (blend < 1)
        source = carried_on(source, vcu.has_source, mixed & ~vcu.has_source)
    return composite(generated, source, masks, blend=blend, match_colour=match_colour)


def composite(
    generated: Tensor, source: Tensor, masks: Tensor, *, blend: Tensor | None = None, match_colour: bool = False
) -> Tensor:
    """`frames` `(B, 3, T, H, W)`: `generated` where the mask is 1, `source` where it is 0, unchanged to the bit.

    Args:
        generated: `(B, 3, T, H, W)` in −1..1, what the model generated, whole frames.
        source: The same size: what is kept. Under a blend it also shows through inside the mask.
        masks: `(B, 1, T, H, W)`, 1 = generated, 0 = kept.
        blend: `(B, 1, T, H, W)` in 0..1, how much of `generated` to show: 1 = all, and 0 wherever the mask is 0.
            `masks.soften` makes one. None = 1 in the whole mask, a hard edge. Where the source has nothing under the
            mask, it must be 1; `composite_vcu` knows where that is.
        match_colour: Match the generated part to the source. The model generates kept pixels too: those within
            12 pixels or one frame of the mask tell how its colours differ from the source's: one mean and one spread
            per channel over the whole clip, so that nothing flickers. The same shift and gain (0.5 to 2, and 1 where
            the surroundings are flat) are applied to the generated part. Since both are measured on the same pixels,
            what the model painted plays no part.

    Raises:
        ShapeError: sizes that do not agree.
        InputError: values out of range or not numbers, a blend that would change kept pixels, or no kept pixels
            beside the mask to compare colours on.
    """
    generated, inside = _checked(generated, source, masks, "generated clip")
    if match_colour:
        generated = _matched(generated, source, masks)
    if blend is not None:
        _check_blend(blend, masks)
        # lerp gives its end point exactly at 1, which start + weight * difference does not.
        generated = torch.lerp(source, generated, blend.to(source))
    return torch.where(inside, generated, source)


def max_kept_error(result: Tensor, source: Tensor, masks: Tensor) -> float:
    """The largest difference of a kept pixel to the source, 0..2; 0.0 after `composite`, and where nothing is kept.

    Raises:
        ShapeError: sizes that do not agree.
        InputError: values out of range or not numbers.
    """
    result, inside = _checked(result, source, masks, "result")
    return float((result - source).abs().masked_fill_(inside, 0).max())


def can_match(masks: Tensor) -> bool:
    """Whether masks `(B, 1, T, H, W)` keep enough beside them to match colours on, in every clip of a batch."""
    return all(_enough(where) for where in _beside(masks))


def not_comparable() -> InputError:
    """What is raised where colours are to be matched and too little is kept to compare them on."""
    return InputError(
        "colours-not-comparable",
        "Fewer than {least} kept pixels within {ring} pixels or one frame of the mask were generated by the model too, "
        "so its colours cannot be compared with the source's. That many are needed. Let the mask leave more of the "
        "clip, decode that margin around it, or turn colour matching off (leave out --match-colour).",
        least=_LEAST,
        ring=RING,
    )


def _beside(masks: Tensor) -> Tensor:
    return (steady(grow(masks, RING), 1) > 0) & (masks == 0)


def _enough(where: Tensor) -> bool:
    return int(where.sum()) >= _LEAST


def _matched(generated: Tensor, source: Tensor, masks: Tensor) -> Tensor:
    """`generated` with the colours that `source` has beside the mask, −1..1."""
    # A pixel equal to the source in all channels was not decoded but copied, and tells nothing.
    beside = _beside(masks) & (generated != source).any(dim=1, keepdim=True)
    clips: list[Tensor] = []
    for made, kept, where in zip(generated, source, beside, strict=True):
        if not _enough(where):
            raise not_comparable()
        ours, theirs = (clip[:, where[0]].double() for clip in (made, kept))
        gain = _gain(ours, theirs)
        shift = theirs.mean(dim=1) - gain * ours.mean(dim=1)
        shape = (-1, 1, 1, 1)
        clips.append((made * gain.to(made).view(shape) + shift.to(made).view(shape)).clamp(-1, 1))
    return torch.stack(clips)


def _gain(ours: Tensor, theirs: Tensor) -> Tensor:
    """By how much `theirs` varies more than `ours`, for each channel of `(C, N)` pixels.

    Believed as far as both agree on which pixels are lighter: on a flat background they vary by noise alone, and the
    ratio of two noises would pale or blow up whatever was painted in the middle.
    """
    a, b = (pixels - pixels.mean(dim=1, keepdim=True) for pixels in (ours, theirs))
    energy = (a.square().mean(dim=1), b.square().mean(dim=1))
    agreement = (a * b).mean(dim=1).clamp(min=0).square() / (energy[0] * energy[1]).clamp(min=1e-12)
    ratio = (energy[1] / energy[0].clamp(min=1e-12)).sqrt().clamp(1 / _MOST_GAIN, _MOST_GAIN)
    return 1 + agreement.clamp(max=1) * (ratio - 1)


def _checked(frames: Tensor, source: Tensor, masks: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """`frames` like `source`, and where they count."""
    check_frames(frames, name)
    check_frames(source, "source clip")
    check_masks(masks)
    b, _, t, h, w = source.shape
    for shape, needed, what in ((frames.shape, (b, 3, t, h, w), name), (masks.shape, (b, 1, t, h, w), "mask")):
        if shape != needed:
            raise ShapeError(
                "composite-size",
                "The {what} has shape {shape}, the source clip {source_shape}. Both need the same batch, length, "
                "height and width. Give those of the same VCU.",
                what=what,
                shape=tuple(shape),
                source_shape=tuple(source.shape),
            )
    return frames.to(source), masks > 0


def _check_blend(blend: Tensor, masks: Tensor) -> None:
    if blend.shape != masks.shape:
        raise ShapeError(
            "blend-size",
            "The blend has shape {shape}, the mask {mask_shape}. Both need the same. Make the blend "
            "from this mask, with vace_core.inputs.masks.soften.",
            shape=tuple(blend.shape),
            mask_shape=tuple(masks.shape),
        )
    low, high = (float(value) for value in torch.aminmax(blend))
    if not (low >= 0 and high <= 1):
        raise InputError(
            "blend-values",
            "The blend holds values from {low:g} to {high:g}. Values from 0 (source) to 1 (generated) are "
            "needed. Make it with vace_core.inputs.masks.soften.",
            low=low,
            high=high,
        )
    outside = int(((masks == 0) & (blend > 0)).sum())
    if outside:
        raise InputError(
            "blend-outside-mask",
            "The blend is above 0 on {outside} pixels that are kept. It must be 0 wherever the mask is 0, so "
            "that kept pixels stay as they are. Feather inwards, as vace_core.inputs.masks.soften does, or "
            "grow the mask.",
            outside=outside,
        )
