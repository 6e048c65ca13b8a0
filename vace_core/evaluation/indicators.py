"""The eight indicators, each behind one interface: a clip and its prompt in, a number out.

Which can be measured depends on the weights that are there. The others are named, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from ..errors import VaceError
from . import vbench
from .amt import load_amt
from .backbones import Compare, Embed, Flow, Interpolate, load_clip, load_dino, load_head, load_raft
from .musiq import load_musiq
from .viclip import load_viclip


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """A clip to be judged.

    Attributes:
        frames: `(T, H, W, 3)` uint8.
        fps: Frames per second.
        prompt: What it should show.
    """

    frames: Tensor
    fps: float
    prompt: str = ""


NOT_COMMERCIAL = ("imaging quality", "motion smoothness")
"""Indicators whose weights are published for non-commercial use."""

Indicator: TypeAlias = Callable[[Shown], float]
"""A clip → its value, 0..1 or nearly so, more is better.

Raises:
    InputError: the clip is too short for it.
"""


@dataclass(frozen=True, kw_only=True)
class Indicators:
    """What can be measured and what cannot.

    Attributes:
        measured: The indicators by name, in the order of the paper.
        missing: Why the others are not measured, by name.
        embed: Features of pictures for what references show, where DINO is there.
    """

    measured: Mapping[str, Indicator]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    embed: Embed | None = None


def subject(embed: Embed) -> Indicator:
    """Subject consistency, by DINO."""
    return lambda shown: vbench.frame_consistency(embed(vbench.dino_images(shown.frames)))


def background(embed: Embed) -> Indicator:
    """Background consistency, by CLIP ViT-B/32."""
    return lambda shown: vbench.frame_consistency(embed(vbench.clip_images(shown.frames)))


def flicker(shown: Shown) -> float:
    """Temporal flickering, without a network."""
    return vbench.flickering(shown.frames)


def smooth(interpolate: Interpolate) -> Indicator:
    """Motion smoothness, by a frame interpolator."""

    def indicator(shown: Shown) -> float:
        even = vbench.images(shown.frames[::2]) / 255
        middles = [interpolate(one[None], two[None])[0] for one, two in pairwise(even)]
        # Cut off behind the point, as VBench does; a clip that is too short is refused there.
        predicted = torch.stack(middles).mul(255).clamp(0, 255).to(torch.uint8) if middles else even
        return vbench.smoothness(shown.frames, predicted.permute(0, 2, 3, 1).cpu())

    return indicator


def moving(flow: Flow) -> Indicator:
    """Dynamic degree, by optical flow."""

    def indicator(shown: Shown) -> float:
        frames = vbench.images(vbench.flow_frames(shown.frames, shown.fps))
        speeds = [vbench.fastest(flow(one[None], two[None])) for one, two in pairwise(frames)]
        return vbench.dynamic(speeds, shorter_side=min(frames.shape[2:]), num_frames=len(frames))

    return indicator


def beautiful(embed: Embed, weight: Tensor, bias: Tensor) -> Indicator:
    """Aesthetic quality, by CLIP ViT-L/14 and LAION's head."""
    return lambda shown: vbench.aesthetic(embed(vbench.clip_images(shown.frames)), weight, bias)


def clean(score: Embed) -> Indicator:
    """Imaging quality, by MUSIQ: frame by frame, each at its own size."""

    def indicator(shown: Shown) -> float:
        pictures = vbench.quality_images(shown.frames)
        return vbench.imaging(torch.stack([score(picture[None]).flatten()[0] for picture in pictures]))

    return indicator


def prompted(compare: Compare) -> Indicator:
    """Overall consistency, by ViCLIP."""

    def indicator(shown: Shown) -> float:
        chosen = shown.frames[vbench.middle_frames(len(shown.frames))]
        return vbench.overall(*compare(vbench.clip_images(chosen, whole_levels=True), shown.prompt))

    return indicator


def open_indicators(
    weights: Path | None, device: torch.device | None = None, only: Collection[str] | None = None
) -> Indicators:
    """All that the files of a weights folder allow.

    A network is loaded once, whatever asks for it. What is not there, damaged or of another model is named in
    `missing`, and the rest is measured all the same.

    Args:
        weights: A folder as `backbones` says; None = measure without a network.
        device: Where the networks run; None = the CPU.
        only: The names of those that are asked for; None = all.
    """
    place = device or torch.device("cpu")
    folder = weights or Path()
    dino = cache(lambda: load_dino(folder / "dino", place))
    makers: dict[str, tuple[tuple[str, ...], Callable[[], Indicator]]] = {
        "aesthetic quality": (
            ("clip-l14", "aesthetic.safetensors"),
            lambda: beautiful(load_clip(folder / "clip-l14", place), *load_head(folder / "aesthetic.safetensors")),
        ),
        "background consistency": (("clip-b32",), lambda: background(load_clip(folder / "clip-b32", place))),
        "dynamic degree": (("raft.safetensors",), lambda: moving(load_raft(folder / "raft.safetensors", place))),
        "imaging quality": (("musiq.safetensors",), lambda: clean(load_musiq(folder / "musiq.safetensors", place))),
        "motion smoothness": (("amt-s.safetensors",), lambda: smooth(load_amt(folder / "amt-s.safetensors", place))),
        "overall consistency": (
            ("viclip.safetensors", "clip-l14"),
            lambda: prompted(load_viclip(folder / "viclip.safetensors", folder / "clip-l14", place)),
        ),
        "subject consistency": (("dino",), lambda: subject(dino())),
        "temporal flickering": ((), lambda: flicker),
    }
    measured: dict[str, Indicator] = {}
    missing: dict[str, str] = {}
    for name in vbench.BOUNDS:
        if only is not None and name not in only:
            continue
        needs, make = makers[name]
        absent = [need for need in needs if weights is None or not (folder / need).exists()]
        if absent:
            licence = ", published for non-commercial use only" if name in NOT_COMMERCIAL else ""
            missing[name] = f"no weights: {', '.join(absent)}{licence}"
            continue
        try:
            measured[name] = make()
        except VaceError as error:
            missing[name] = str(error)
    return Indicators(measured=measured, missing=missing, embed=dino() if "subject consistency" in measured else None)
