"""What travels between the nodes, and the inputs that several of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...vace_core.geometry import Box
from ...vace_core.inputs.blending import BLEND_MODES
from ...vace_core.inputs.fitting import ResolutionPreset
from ...vace_core.loading.lora import Lora
from ...vace_core.loading.profiles import Profile
from ...vace_core.models.family import Family
from ...vace_core.pipeline import VaceModel
from ...vace_core.pipeline.windowed import Joining
from ...vace_core.sampling.conditions import Condition
from ...vace_core.sampling.guidance import PAIR_BOUNDARY
from ...vace_core.sampling.options import SamplingOptions
from ...vace_core.sampling.windows import Plan
from ...vace_core.starter.model import STARTER_PRESET
from .chosen import AUTO, AUTO_FITS, DECIDES, ZERO
from .registry import COMFY_FAMILIES, tips

Vcu = io.Custom("VACE_VCU")
Model = io.Custom("VACE_MODEL")
Adapter = io.Custom("VACE_ADAPTER")
Loras = io.Custom("VACE_LORAS")
Options = io.Custom("VACE_OPTIONS")
References = io.Custom("VACE_REFERENCES")
Stitch = io.Custom("VACE_STITCH")
Strength = io.Custom("VACE_STRENGTH")
Conditions = io.Custom("VACE_CONDITIONS")
Windows = io.Custom("VACE_PLAN")
Sigmas = io.Custom("SIGMAS")
Curve = io.Custom("CURVE")  # of newer ComfyUIs
BoundingBox = io.Custom("BOUNDING_BOX")
Tracks = io.Custom("TRACKS")  # of newer ComfyUIs
Video = io.Custom("VIDEO")

ONLY_LINKED = {"forceInput": True}
"""Of an input whose type frontends have an editor for: where nothing is linked, they would send what that shows."""

_RULES = {**{name: rule for comfy in COMFY_FAMILIES for name, rule in comfy.fits.items()}, "starter": STARTER_PRESET}
ALL_FRAMES = {f"{name}, all frames": rule for name, rule in _RULES.items()}
"""The fits that keep every frame of a clip and its rate."""

ANY_LENGTH = {f"{name}, any length": rule for name, rule in _RULES.items()}
"""The same for clips that are longer than the model takes in one pass, and are made by windows."""

# Saved graphs hold a name: append, never change one.
FITS: dict[str, ResolutionPreset | None] = {**_RULES, "as it is": None, **ALL_FRAMES, **ANY_LENGTH}
"""How a clip is brought to the size and length that a model takes."""

ANY_RATE = "fps"
"""The input that takes what comes with a video, also beyond what its widget offers."""

LATENT_CHOICES = ("empty", "source", "pinned")
"""What ComfyUI's own samplers begin from."""

LATENT_TIP = "A latent of the VCU's size and length: empty, or as latent says."

WIDEST = 4.0  # the most that is added at a side, as a fraction of the image's

SIDE = f"In pixels, {tips('side', '; ')}. {ZERO}"


@dataclass(frozen=True, kw_only=True, eq=False)
class LibraryModel:
    """A model of this pack, moved between devices by ComfyUI.

    Attributes:
        core: What is run.
        vae: ComfyUI's handle of its VAE; None without ComfyUI.
        experts: The handle of its transformer with the adapter, and that of its low-noise ones if it has them.
        family: Its model family.
        usual: Its default sampling options.
        profile: What it was chosen by, if it was.
    """

    core: VaceModel
    family: Family
    usual: SamplingOptions
    vae: Any | None = None
    experts: tuple[Any | None, ...] = (None, None)
    profile: Profile | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class NativeModel:
    """ComfyUI's own models of Wan, with whatever was applied to them before: LoRA, quantisation, compilation.

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
    boundary: float = PAIR_BOUNDARY


@dataclass(frozen=True, kw_only=True, eq=False)
class AdapterFile:
    """A file that holds an adapter; it is read where its base is known."""

    path: Path


@dataclass(frozen=True, kw_only=True, eq=False)
class LoraStack:
    """LoRA files and how they are used, in the order in which they are merged."""

    loras: tuple[Lora, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class MoreOptions:
    """What is seldom set of sampling.

    Attributes:
        distilled: One of `sampling.presets.DISTILLED`, or None.
        scales: As `SamplingOptions.guidance_scales`.
    """

    distilled: str | None
    scales: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceStack:
    """Reference images `(1, 3, 1, h, w)` in −1..1, subjects already cut out, in order."""

    pictures: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionStack:
    """Further conditions of a job, in order."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class LongPlan:
    """The windows of a long clip.

    Attributes:
        plan: The windows.
        joining: How they are joined.
        pictures: `(1, 3, 1, h, w)` in −1..1: what the plan names, by name.
    """

    plan: Plan
    joining: Joining
    pictures: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class CropStitch:
    """Where a crop goes back to.

    Attributes:
        source: `(1, 3, T, H, W)` in −1..1, the video.
        where: `(T, H, W)` bool, or one frame for all: what is generated.
        boxes: One for each frame, or one for all.
    """

    source: Tensor
    where: Tensor
    boxes: tuple[Box, ...]


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
    """The schema of a node. Fields that an older ComfyUI does not know are left out."""
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
    return Vcu.Output(
        display_name="vcu",
        tooltip="VCU (Video Condition Unit): frames and masks that tell the "
        "model what to keep and what to generate. Look at it with VACE Preview VCU.",
    )


def prompts() -> list[Any]:
    """The two prompts that belong to every VCU."""
    return [
        io.String.Input("prompt", multiline=True, default="", tooltip="The prompt: what the video should show."),
        io.String.Input(
            "negative_prompt",
            multiline=True,
            default="",
            tooltip="The negative prompt: what the video should not show. Empty = the model's default, which "
            "VACE Sample Video shows; none = no negative prompt.",
        ),
    ]


def strength() -> Any:
    return io.Float.Input(
        "strength",
        default=1.0,
        min=0.0,
        max=10.0,
        step=0.01,
        tooltip="How strongly the VCU guides the model (VACE strength). 1 = as trained, 0 = not at all.",
    )


def guidance() -> list[Any]:
    """How strongly a VCU guides the model, and when."""
    percent: dict[str, Any] = {"min": 0.0, "max": 1.0, "step": 0.001}
    return [
        strength(),
        io.Float.Input(
            "start_percent",
            default=0.0,
            tooltip="The VCU guides the model from here on, 0..1 of the sampling schedule.",
            **percent,
        ),
        io.Float.Input("end_percent", default=1.0, tooltip="The VCU guides the model up to here.", **percent),
    ]


def where() -> list[Any]:
    """Where and when a VCU guides the model, and what guides it beside that VCU."""
    return [
        Strength.Input(
            "strengths",
            optional=True,
            tooltip="Where and when the VCU guides the model: from VACE Strength. All strengths multiply.",
        ),
        Conditions.Input(
            "conditions",
            optional=True,
            tooltip="More VCUs at the same time, each with its own strength: from VACE Add Condition.",
        ),
    ]


def for_model() -> Any:
    return Model.Input("model", optional=True, tooltip=DECIDES)


def passed_model() -> Any:
    return Model.Output(display_name="model", tooltip="The model that came in, passed on to the next node.")


def latent() -> Any:
    return io.Combo.Input(
        "latent",
        options=list(LATENT_CHOICES),
        default=LATENT_CHOICES[0],
        optional=True,
        tooltip="What the latent holds. empty: nothing, as for a denoise of 1. source: the source video, for a lower "
        "denoise. pinned: that too, with a mask that holds kept latents to it in every step.",
    )


RATE = (
    "Frames per second of the input video: link the fps of Get Video Components. Without an input video, of the "
    f"result: {tips('fps', ', ')}. {ZERO}"
)


def fps(tooltip: str = RATE) -> Any:
    return io.Float.Input(ANY_RATE, default=16.0, min=0.0, max=240.0, step=0.001, tooltip=tooltip)


def blend() -> Any:
    return io.Combo.Input(
        "blend",
        options=list(BLEND_MODES),
        default="feather",
        optional=True,
        tooltip="How generated pixels meet kept ones. feather: as they are, but for the soft edge. multiband: first "
        "brought to the levels of the kept pixels beside the mask, light and colour further than detail.",
    )


def fit() -> Any:
    return io.Combo.Input(
        "fit",
        options=[*FITS, *AUTO_FITS],
        default=AUTO,
        tooltip=(
            "How the video is resized and cut for the model. 480p and 720p (for Wan) and LTX-Video keep the "
            "aspect ratio and choose the largest size and length that the model takes, for the mask too; starter "
            "does so for the small built-in model. They thin a long clip out in time, as the official code does; with "
            '"all frames" every frame and the rate are kept, and a clip that is too long for one pass is an error; '
            'with "any length" it is not: VACE Sample Long Video makes it by windows. "as it is" changes nothing, and '
            "stops with an error if the model cannot take it. auto is the fit of the model that is connected, 480p "
            "without one."
        ),
    )


def sizes(width: int = 832, height: int = 480, length: int = 81) -> list[Any]:
    """Size and length of a result without an input video."""
    return [
        io.Int.Input("width", default=width, min=0, max=8192, step=16, tooltip=SIDE),
        io.Int.Input("height", default=height, min=0, max=8192, step=16, tooltip=SIDE),
        length_input(length),
    ]


def length_input(default: int = 81, *, left: bool = True) -> Any:
    return io.Int.Input(
        "length",
        default=default,
        min=0 if left else 1,
        max=8192,
        step=None if left else 4,  # frontends count steps from min: of 4 from 0 on there is no length of 4n + 1
        tooltip=f"Number of frames: {tips('length', ', ')}. 17, 49, 81 and 97 are valid for all.{f' {ZERO}' * left}",
    )


def references(*, optional: bool = False) -> Any:
    return io.MultiType.Input(
        "references",
        types=[References, io.Image],
        optional=optional,
        tooltip=(
            "Reference images of who or what appears, in this order: an IMAGE (every image of a batch counts) or "
            "a stack from VACE Stack References. Each is shown to the model whole, on white."
        ),
    )


def border(side: str, default: float) -> Any:
    return io.Float.Input(
        side,
        default=default,
        min=0.0,
        max=WIDEST,
        step=0.01,
        tooltip=f"How much to add at the {side}, as a fraction of the image's side: 0.25 adds a quarter.",
    )
