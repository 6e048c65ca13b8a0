"""Options that many commands share: each written once, as a field of a group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated

from typer import Option

from ..sampling.guidance import PAIR_BOUNDARY
from .speed import Speed
from .windows import Windows


class SolverName(str, Enum):
    """The names of `sampler.SOLVERS`."""

    unipc = "unipc"
    euler = "euler"
    dpmpp_2m = "dpm++"


class DistilledName(str, Enum):
    """The names of `sampling.presets.DISTILLED`."""

    causvid_4 = "causvid-4"
    causvid_8 = "causvid-8"
    lightx2v_4 = "lightx2v-4"


class FitName(str, Enum):
    """How a clip is fitted in time."""

    all_frames = "all-frames"
    official = "official"


class ChannelName(str, Enum):
    """The names of `media.pictures.MaskChannel`."""

    auto = "auto"
    luma = "luma"
    alpha = "alpha"


class CropName(str, Enum):
    """How a crop around a mask stands in time."""

    steady = "steady"
    follow = "follow"


class FollowName(str, Enum):
    """What a style takes over of a clip."""

    outlines = "outlines"
    brightness = "brightness"


class BlendName(str, Enum):
    """The names of `inputs.blending.BlendMode`."""

    feather = "feather"
    multiband = "multiband"


class VaeDtypeName(str, Enum):
    """Numbers that a VAE can be computed in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class DtypeName(str, Enum):
    """Numbers that a transformer can be computed in."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


@dataclass(frozen=True, kw_only=True)
class Wanted(Windows):
    """The result asked for, and for which model: all that a preview needs."""

    prompt: Annotated[str, Option("--prompt", "-p", help="Prompt: what the video should show.")] = ""
    negative: Annotated[
        str | None, Option(help="Negative prompt. Default: the model's own; none = no negative prompt.")
    ] = None
    width: Annotated[
        int | None, Option(min=1, help="In pixels, of what the model works on. Default: from the input and the model.")
    ] = None
    height: Annotated[int | None, Option(min=1, help="In pixels; one side alone keeps the aspect ratio.")] = None
    length: Annotated[
        int | None,
        Option(
            min=1,
            help="Number of frames of the result: of a clip that is edited any number, from its start on; otherwise "
            "4n + 1, for LTX-Video 8n + 1. Made in one pass, however long, unless --windows or --prompts is given.",
        ),
    ] = None
    fps: Annotated[
        float | None,
        Option(min=0.1, max=1000, help="Frames per second of the result. A clip of another rate is resampled."),
    ] = None
    model: Annotated[
        str, Option("--model", "-m", help="'starter', or a checkpoint: a file or a folder.", rich_help_panel="Models")
    ] = "starter"
    profile: Annotated[
        str | None,
        Option(
            help="Sizes, length and sampling of a published model by name: wan-1.3b-480p, wan-14b-480p, wan-14b-720p, "
            "wan-14b-fast (4 steps, for a distilled LoRA), fun-pair, ltx, starter. Previews and dry runs then need no "
            "file. Default: what --model tells.",
            rich_help_panel="Models",
        ),
    ] = None
    text_encoder: Annotated[
        str | None,
        Option(
            help="File or folder of umT5 (Wan) or T5 (LTX-Video), or 'starter' for the starter's own text encoder.",
            rich_help_panel="Models",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Run(Speed):
    """How a job is done and where its result goes."""

    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            help=".mp4, .mkv if lossless, .png for one frame; or numbered .png: a folder (shots) or a pattern "
            "(shots/take_%04d.png). Default: by task.",
        ),
    ] = None
    preview: Annotated[
        Path | None, Option(help="Also write a contact sheet of the task, and of every --also, a .png.")
    ] = None
    dry_run: Annotated[
        bool, Option("--dry-run", help="Only report what the job would take: shapes, tokens, memory, plan.")
    ] = False
    json: Annotated[bool, Option("--json", help="Print the result as JSON on standard output.")] = False
    adapter: Annotated[
        Path | None, Option(help="VACE adapter (VACE module), if not in the model's file.", rich_help_panel="Models")
    ] = None
    low_noise: Annotated[
        Path | None,
        Option(
            help="The low-noise model of a pair (Wan 2.2); --model is then the high-noise one. Default: the one "
            "beside it. Both are held in main memory at once.",
            rich_help_panel="Models",
        ),
    ] = None
    boundary: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Noise level (sigma) below which the low-noise model takes over.",
            rich_help_panel="Models",
        ),
    ] = PAIR_BOUNDARY
    vae: Annotated[
        Path | None, Option(help="The model's VAE, if not in its file or folder.", rich_help_panel="Models")
    ] = None
    lora: Annotated[
        list[str] | None,
        Option(
            help="A LoRA: FILE, FILE:STRENGTH (lora.safetensors:0.8), and for one network of a pair FILE:high or "
            "FILE:0.8:low. May repeat.",
            rich_help_panel="Models",
        ),
    ] = None
    tile: Annotated[
        int | None,
        Option(
            min=64,
            help="VAE tiling: the side of a tile in pixels. Saves memory, most for LTX-Video.",
            rich_help_panel="Models",
        ),
    ] = None
    device: Annotated[str, Option(help="auto, cpu, cuda, cuda:1, xpu, mps, …", rich_help_panel="Models")] = "auto"
    memory: Annotated[
        str | None,
        Option(
            help="Memory of the device that may be used: 12GB, 11.5GiB. Weights that do not fit are streamed. Default: "
            "what is free. With --dry-run also for a card that is not there.",
            rich_help_panel="Models",
        ),
    ] = None
    vae_dtype: Annotated[
        VaeDtypeName,
        Option(help="Data type of the VAE. bfloat16 takes half the memory.", rich_help_panel="Models"),
    ] = VaeDtypeName.float32
    dtype: Annotated[
        DtypeName | None,
        Option(
            help="Data type of the transformer. Default: as stored, if the device supports it.",
            rich_help_panel="Models",
        ),
    ] = None
    steps: Annotated[int | None, Option(min=1, help="Denoising steps.", rich_help_panel="Sampling")] = None
    shift: Annotated[
        float | None,
        Option(
            help="Shift of the sigmas (flow shift), above 0. Default: 16 for Wan, 12 for pairs of Wan 2.2; for "
            "LTX-Video it grows with the clip.",
            rich_help_panel="Sampling",
        ),
    ] = None
    cfg: Annotated[
        float | None,
        Option(
            help="Guidance scale (CFG); 1 = off. Below 1 prompt and negative prompt are mixed; LTX-Video's "
            "official code turns guidance off there.",
            rich_help_panel="Sampling",
        ),
    ] = None
    cfg_steps: Annotated[
        str | None,
        Option(
            help="Instead of --cfg, the guidance scale of each step: '6 x 2, 1' is 6 in the first two steps and, at "
            "half the time, off in the rest.",
            rich_help_panel="Sampling",
        ),
    ] = None
    distilled: Annotated[
        DistilledName | None,
        Option(
            help="Steps, shift, cfg and solver as published for a LoRA of few steps, given as --lora; options typed "
            "beside it go before.",
            rich_help_panel="Sampling",
        ),
    ] = None
    stg: Annotated[
        float | None,
        Option(min=0, help="Spatio-temporal guidance (STG), for LTX-Video only; 0 = off.", rich_help_panel="Sampling"),
    ] = None
    rescale: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            help="With --stg, guidance rescale: how much of its change of contrast is undone; 0 and 1 = off.",
            rich_help_panel="Sampling",
        ),
    ] = None
    solver: Annotated[
        SolverName | None,
        Option(help="Sampler. Default: unipc, for LTX-Video and the starter euler.", rich_help_panel="Sampling"),
    ] = None
    seed: Annotated[int | None, Option(help="The same seed gives the same result.", rich_help_panel="Sampling")] = None
    strength: Annotated[
        float,
        Option(
            help="VACE strength: of the adapter's conditioning. 1 = as trained, 0 = off.", rich_help_panel="Sampling"
        ),
    ] = 1.0
    start_percent: Annotated[
        float,
        Option(min=0, max=1, help="The adapter acts from here on, 0..1 of the schedule.", rich_help_panel="Sampling"),
    ] = 0.0
    end_percent: Annotated[float, Option(min=0, max=1, help="It acts up to here.", rich_help_panel="Sampling")] = 1.0
    feather: Annotated[
        int,
        Option(min=0, help="Width in pixels of the result of the soft edge inside the mask.", rich_help_panel="Finish"),
    ] = 0
    blend: Annotated[
        BlendName,
        Option(
            help="How generated pixels meet kept ones: as they are but for --feather, or first brought to the kept "
            "side's levels, coarse bands further than fine ones (multiband).",
            rich_help_panel="Finish",
        ),
    ] = BlendName.feather
    match_colour: Annotated[
        bool,
        Option(
            "--match-colour", help="Match the colours of the generated part to the source.", rich_help_panel="Finish"
        ),
    ] = False
    lossless: Annotated[bool, Option("--lossless", help="Lossless video, as .mkv.", rich_help_panel="Finish")] = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a clip that is worked on, and how it is read."""

    start: Annotated[
        str | None,
        Option(
            help="Work on the clip from here: seconds (3.2), a frame (80f) or a timecode (00:00:03:05).",
            rich_help_panel="Clip",
        ),
    ] = None
    end: Annotated[str | None, Option(help="Up to here.", rich_help_panel="Clip")] = None
    fit: Annotated[
        FitName,
        Option(
            help="all-frames keeps every frame and the rate; official thins a long clip out in time, as the original "
            "does.",
            rich_help_panel="Clip",
        ),
    ] = FitName.all_frames
    tone_map: Annotated[
        bool,
        Option("--tone-map", help="Bring an HDR clip to standard dynamic range.", rich_help_panel="Clip"),
    ] = False


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """Whether the original comes back."""

    put_back: Annotated[
        bool | None,
        Option(
            "--put-back/--no-put-back",
            help="Write the original at its own size, with what is generated in it, beside it or around it; or only "
            "what the model worked on, at its size. Default: the former where pixels of a clip are kept and its rate "
            "stays.",
            rich_help_panel="Clip",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class KeptPart(Part, PutBack):
    """The part of a clip that is kept whole, and whether the original comes back."""


@dataclass(frozen=True, kw_only=True)
class EditPart(KeptPart):
    """The same of a clip that is edited."""

    crop: Annotated[
        CropName | None,
        Option(
            help="Show the model only a box around the mask, at the resolution of the clip or as --width says, and "
            "stitch it back: one box for all frames (steady) or one that follows the mask. Say in the prompt what is "
            "seen in the box.",
            rich_help_panel="Clip",
        ),
    ] = None
    crop_margin: Annotated[
        float,
        Option(
            min=0, help="With --crop, the surrounding on each side, as a ratio of the mask's.", rich_help_panel="Clip"
        ),
    ] = 0.5
    mask_channel: Annotated[
        ChannelName,
        Option(help="Where in its file the mask is: its brightness or its transparency.", rich_help_panel="Clip"),
    ] = ChannelName.auto


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Where a preview goes."""

    output: Annotated[Path | None, Option("--output", "-o", help="A .png. Default: by task.")] = None


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is added around an image."""

    left: Annotated[str, Option(help="A ratio (0.25, 25%) or pixels (64px).", rich_help_panel="Border")] = "0"
    right: Annotated[str, Option(rich_help_panel="Border")] = "0"
    top: Annotated[str, Option(rich_help_panel="Border")] = "0"
    bottom: Annotated[str, Option(rich_help_panel="Border")] = "0"


@dataclass(frozen=True, kw_only=True)
class References:
    """Images of what is to appear."""

    reference: Annotated[
        list[Path] | None, Option("--reference", "-r", help="A reference image of a subject; may repeat.")
    ] = None
    subject: Annotated[
        list[Path] | None, Option(help="A mask that cuts the subject out of its image; one for each reference image.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Boxes that move."""

    path: Annotated[
        list[str],
        Option(help="Path of a box: '0.2,0.5 0.8,0.5' (fractions of the frame), or .json of an editor. May repeat."),
    ]
    box: Annotated[str, Option(help="Width x height of the boxes, in fractions of the frame.")] = "0.25x0.25"
