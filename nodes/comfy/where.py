"""Where and when conditions act, as nodes get it: strengths, more conditions, pinned latents, a clip to begin from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ...vace_core.errors import InputError, ShapeError
from ...vace_core.geometry import Grid
from ...vace_core.models.family import Family
from ...vace_core.models.wan.family import WAN
from ...vace_core.sampling.conditions import Condition, conditions_of
from ...vace_core.sampling.pinning import behind_references, pinned_cells
from ...vace_core.sampling.strength import AS_TRAINED, Strength
from ...vace_core.vcu import VideoConditionUnit
from .bridge import frames_of, latents_of
from .sockets import LATENT_CHOICES, ConditionStack

EMPTY_LATENT, PINNED_LATENT = LATENT_CHOICES[0], LATENT_CHOICES[-1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Where:
    """What acts in one job, and what it begins from.

    Attributes:
        conditions: The VCU with its strength, and all further ones.
        pin: Whether kept latents are held to the source.
        frames: The clip to begin from, `(1, 3, T, H, W)`, if one came;
        latents: or its latents `(1, C, t, h, w)`, normalised.
    """

    conditions: tuple[Condition, ...]
    pin: bool = False
    frames: Tensor | None = None
    latents: Tensor | None = None

    @property
    def vcu(self) -> VideoConditionUnit:
        return self.conditions[0].vcu

    @property
    def units(self) -> list[VideoConditionUnit]:
        return [one.vcu for one in self.conditions]

    def needs_source(self, *, begins: bool) -> bool:
        """Whether the source is encoded as it is, for a job that begins from a clip or from noise alone."""
        return self.pin or (begins and self.frames is None and self.latents is None)


def all_conditions(
    vcu: VideoConditionUnit, strength: float, strengths: Strength | None, further: ConditionStack | None
) -> tuple[Condition, ...]:
    """The conditions of a job; the number is the strength of its VCU, which those of VACE Strength multiply.

    Raises:
        ShapeError: a further VCU is of another size, or has another number of references.
    """
    own = AS_TRAINED if strengths is None else strengths
    own = replace(own, overall=own.overall * strength)
    return tuple(conditions_of(vcu, own, () if further is None else further.conditions))


def started(start: Any | None, vcu: VideoConditionUnit, family: Family) -> tuple[Tensor | None, Tensor | None]:
    """What a job begins from: frames, or latents, or neither.

    Raises:
        InputError: neither IMAGE nor LATENT.
        ShapeError: it is not of the VCU's size and length.
    """
    if start is None:
        return None, None
    if isinstance(start, dict):
        latents = latents_of(start, family, family.grid.latent_frames(vcu.num_frames), vcu.num_references)
        _check_size(latents.shape[2:], vcu, tuple(family.grid.latent_size(vcu.num_frames, vcu.height, vcu.width)))
        return None, latents
    frames = with_padding(frames_of(start, "start"), vcu)
    _check_size(frames.shape[2:], vcu, tuple(vcu.roles.shape[2:]))
    return frames, None


def with_padding(frames: Tensor, vcu: VideoConditionUnit) -> Tensor:
    """A clip `(1, 3, T, H, W)` with the padding of a VCU where it was dropped, the last frame repeated."""
    if frames.shape[2] != vcu.shown_frames or not vcu.padding:
        return frames
    return torch.cat([frames, frames[:, :, -1:].expand(-1, -1, vcu.padding, -1, -1)], dim=2)


def _check_size(came: Any, vcu: VideoConditionUnit, needed: tuple[int, ...]) -> None:
    if tuple(came) != needed:
        raise ShapeError(
            "start-size",
            "The start is {came}, the VCU {needed} (frames x height x width). Both need the same. Fit the clip as the "
            "task was fitted, or connect the samples of a VCU of this size.",
            came=" x ".join(map(str, came)),
            needed=" x ".join(map(str, needed)),
        )


def places_of(condition: Condition, grid: Grid) -> Tensor | None:
    """`(1, 1, R+t, h, w)`: the factor of each token of a condition, by its place; None where all are 1."""
    vcu = condition.vcu
    places = condition.strength.on_tokens(vcu, grid)
    if places is None:
        return None
    t, h, w = grid.latent_size(vcu.num_frames, vcu.height, vcu.width)
    return places.view(1, 1, vcu.num_references + t, h // grid.patch, w // grid.patch)


def latent_of(choice: str, context: Tensor, source: Tensor | None, where: Where, family: Family) -> dict[str, Tensor]:
    """The LATENT that ComfyUI's own samplers begin from, with room for the references in front.

    Args:
        choice: One of `sockets.LATENT_CHOICES`: zeros; the source as it is; or that with a mask that holds kept
            latents to it.
        context: Of the first condition, which has the latents of the references.
        source: Latents of the source, where they are needed.
        where: What acts.
        family: Of the model.
    """
    if source is None:
        shape = (len(context), family.latent_channels, *context.shape[2:])
        return {"samples": torch.zeros(shape)}
    latents = family.latents.to_comfyui(behind_references(source, context).float().cpu())
    if choice != PINNED_LATENT:
        return {"samples": latents}
    return {"samples": latents, "noise_mask": (~pinned_cells(where.vcu, family.grid)).float().cpu()}


def check_start(start: Any | None, *, begins: bool) -> None:
    """Validate that a clip to begin from is begun from.

    Raises:
        InputError: the job begins from noise alone.
    """
    if start is not None and not begins:
        raise InputError(
            "start-without-denoise",
            "A start was connected, but denoise is 1: the job begins from noise alone, and nothing of the start would "
            "be seen. Denoise below 1, or sigmas that begin below 1, are needed. Lower denoise, or disconnect start.",
        )


def check_pinning(choice: str, family: Family) -> None:
    """Validate that ComfyUI's own model of a family holds latents as `pinned` does.

    Raises:
        InputError: it has another way, which adapters were not trained for.
    """
    if choice == PINNED_LATENT and family.name != WAN.name:
        raise InputError(
            "pinned-latent-family",
            "latent is {choice}, and the model is {family}, which ComfyUI tells that pinned latents have no noise: "
            "VACE adapters were not trained for that. Another choice is needed. Use {source}, or VACE Sample Video "
            "with pin.",
            choice=choice,
            family=family.name,
            source=LATENT_CHOICES[1],
        )
