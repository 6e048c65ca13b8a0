"""What travels between the nodes, and the inputs that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...vace_core.inputs.fitting import FitRule
from ...vace_core.models.family import Family
from ...vace_core.pipeline import VaceModel
from ...vace_core.sampling.options import SamplingOptions
from ...vace_core.starter.model import STARTER_RULE
from .registry import COMFY_FAMILIES, NATIVE_VACE, tips

Vcu = io.Custom("VACE_VCU")
Model = io.Custom("VACE_MODEL")
Adapter = io.Custom("VACE_ADAPTER")
References = io.Custom("VACE_REFERENCES")
BoundingBox = io.Custom("BOUNDING_BOX")

FITS: dict[str, FitRule | None] = {
    **{name: rule for comfy in COMFY_FAMILIES for name, rule in comfy.fits.items()},
    "starter": STARTER_RULE,
    "as it is": None,
}
"""How a clip is brought to the size and length that a model takes."""

ANY_RATE = "fps"
"""The input that takes what comes with a video, also beyond what its widget offers."""

WIDEST = 4.0  # of what is added at a side, as a part of the picture's

SIDE = f"Pixels, {tips('side', '; ')}."


@dataclass(frozen=True, kw_only=True, eq=False)
class LibraryModel:
    """A model of this pack, moved between devices by ComfyUI.

    Attributes:
        core: What is run.
        vae: ComfyUI's handle of its VAE; None without ComfyUI.
        experts: The handle of its transformer with the adapter, and that of its low-noise ones if it has them.
        family: Which kind of base it is.
        usual: How it is sampled where nobody says.
    """

    core: VaceModel
    family: Family
    usual: SamplingOptions
    vae: Any | None = None
    experts: tuple[Any | None, ...] = (None, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class NativeModel:
    """ComfyUI's own models of Wan, with whatever was done to them before: LoRA, quantisation, compilation.

    Attributes:
        model: MODEL for all noise levels, or for the high ones.
        clip: CLIP that reads the prompts.
        vae: VAE.
        low_noise: MODEL for the low noise levels, if any.
        boundary: Noise level from which on `low_noise` takes over.
    """

    model: Any
    clip: Any
    vae: Any
    low_noise: Any | None = None
    boundary: float = 0.875


@dataclass(frozen=True, kw_only=True, eq=False)
class AdapterFile:
    """A file that holds an adapter; it is read where its base is known."""

    path: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceStack:
    """Reference pictures `(1, 3, 1, h, w)` in −1..1, subjects already cut out, in order."""

    pictures: tuple[Tensor, ...]


def usual(model: LibraryModel | NativeModel) -> tuple[Family, SamplingOptions]:
    """Which kind of base a model is, and how it is sampled where nobody says."""
    if isinstance(model, LibraryModel):
        return model.family, model.usual
    return NATIVE_VACE, NATIVE_VACE.options if model.low_noise is None else NATIVE_VACE.pair_options


def schema(
    node_id: str,
    display_name: str,
    description: str,
    *,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    category: str = "VACE",
    aliases: Sequence[str] = (),
    output_node: bool = False,
) -> io.Schema:
    """The form of a node. What older ComfyUIs do not know of it is left out."""
    newer = {"search_aliases": list(aliases), "has_intermediate_output": True}
    known = {field.name for field in fields(io.Schema)}
    return io.Schema(
        node_id=node_id,
        display_name=display_name,
        category=category,
        description=description,
        inputs=list(inputs),
        outputs=list(outputs),
        hidden=[io.Hidden.unique_id],
        is_output_node=output_node,
        **{name: value for name, value in newer.items() if name in known and value},
    )


def vcu_output() -> Any:
    return Vcu.Output(display_name="vcu", tooltip="What the model will be asked for. Look at it with VACE Preview VCU.")


def prompts() -> list[Any]:
    """The two texts that belong to every unit."""
    return [
        io.String.Input("prompt", multiline=True, default="", tooltip="What the result shows."),
        io.String.Input(
            "negative_prompt",
            multiline=True,
            default="",
            tooltip="What the result must not show. Empty = what the model comes with, as VACE Sample Video says; none "
            "= nothing at all.",
        ),
    ]


def strength() -> Any:
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=10.0,
        step=0.01,
        tooltip="How strongly the unit guides the model. 1 = as trained, 0 = not at all.",
    )


def guidance() -> list[Any]:
    """How strongly a unit guides the model, and when."""
    percent: dict[str, Any] = {"min": 0.0, "max": 1.0, "step": 0.001}
    return [
        strength(),
        io.Float.Input(
            "start_percent",
            default=0.0,
            tooltip="The unit guides from here on, 0..1 of the schedule.",
            **percent,
        ),
        io.Float.Input("end_percent", default=1.0, tooltip="The unit guides up to here.", **percent),
    ]


def fps(default: float = 16.0) -> Any:
    return io.Float.Input(
        ANY_RATE,
        default=default,
        min=0.1,
        max=240.0,
        step=0.01,
        tooltip="Frames per second of the video that comes in: link the fps of Get Video Components. Where none comes "
        f"in, of the result: {tips('fps', ', ')}.",
    )


def fit() -> Any:
    return io.Combo.Input(
        "fit",
        options=list(FITS),
        default="480p",
        tooltip=(
            "The size and length the model gets. 480p and 720p (for Wan) and LTX-Video keep the picture's shape and "
            "choose the largest size and length that the model takes, for the mask too; starter does so for the small "
            'built-in model. "as it is" changes nothing and refuses what the model cannot take.'
        ),
    )


def sizes(width: int = 832, height: int = 480, length: int = 81) -> list[Any]:
    """Size and length of a result for which no video came."""
    return [
        io.Int.Input("width", default=width, min=16, max=8192, step=16, tooltip=SIDE),
        io.Int.Input("height", default=height, min=16, max=8192, step=16, tooltip=SIDE),
        length_input(length),
    ]


def length_input(default: int = 81) -> Any:
    return io.Int.Input(
        "length",
        default=default,
        min=1,
        max=8192,
        step=4,
        tooltip=f"Frames of the result: {tips('length', ', ')}. 17, 49, 81 and 97 are both.",
    )


def references(*, optional: bool = False) -> Any:
    return io.MultiType.Input(
        "references",
        types=[References, io.Image],
        optional=optional,
        tooltip=(
            "Pictures of who or what appears, in this order: an IMAGE (every picture of a batch counts) or a stack "
            "made with VACE Stack References. Each is shown to the model whole, on white."
        ),
    )


def border(side: str, default: float) -> Any:
    return io.Float.Input(
        side,
        default=default,
        min=0.0,
        max=WIDEST,
        step=0.01,
        tooltip=f"What to add at the {side}, as a part of the picture's side: 0.25 adds a quarter.",
    )


def box_paths() -> list[Any]:
    """Boxes that move, drawn in the editor or coming from another pack's."""
    return [
        io.String.Input(
            "paths",
            default="[]",
            tooltip=(
                "The boxes and how they move, as JSON: drawn in the editor of this node, or linked from a path editor "
                "of another pack (a list of points x, y in pixels, or a list of such lists)."
            ),
        ),
        io.Float.Input(
            "box_size",
            default=0.25,
            min=0.01,
            max=1.0,
            step=0.01,
            tooltip="Only for points from another pack: the size of the box around a point, as a part of the picture.",
        ),
    ]
