"""Profiles: what there is to know of a published model before one of its files is there, by a name to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files.checkpoint import open_checkpoint
from ..inputs.fitting import ResolutionPreset
from ..models.family import Family
from ..models.ltx.dit import LtxSizes
from ..models.ltx.family import LTX
from ..models.ltx.vae import LtxVaeSizes
from ..models.wan.dit import WanSizes
from ..models.wan.family import WAN
from ..models.wan.vae import VaeSizes
from ..sampling.options import SamplingOptions
from ..sampling.presets import DISTILLED
from .detection import identify


@dataclass(frozen=True, kw_only=True)
class ProfileFile:
    """One file that a profile needs.

    Attributes:
        part: "base", "adapter", "low-noise base", "vae", "text" or "lora".
        what: In a sentence: "a Wan text-to-video base of width 5120 with its VACE adapter".
        released: The name of a published file of that kind. Of several that fit the likest is taken.
        folder: The folder of ComfyUI's models that it goes into.
        smaller: A published file of the same weights in fewer bits, which is named to those who have none.
    """

    part: str
    what: str
    released: str
    folder: str
    smaller: str = ""

    def __str__(self) -> str:
        return f"{self.smaller or self.released} in models/{self.folder} ({self.what})"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a model takes, its defaults, and its sizes where they are known without a file.

    Attributes:
        name: To choose it by; the family's name where nobody chose one.
        title: For people: "Wan 2.1 VACE 14B, 480p".
        family: Its model family.
        rule: The sizes and lengths it takes.
        trained: The most that its model was trained on; None = it is not known.
        size: `(H, W)` in pixels without an input that has a shape.
        options: Its default sampling options.
        pair_options: The same for two networks that share the noise levels.
        base: The sizes of its base; None = a file tells.
        context_blocks: Blocks of its adapter.
        vae: The sizes of its VAE.
        text_weights: Numbers that its text encoder holds; 0 = it has none of its own.
        is_pair: Whether it is two networks that share the noise levels.
        files: What belongs to it.
        caution: What to know before it is used; "" = nothing.
    """

    name: str
    title: str
    family: Family
    rule: ResolutionPreset
    trained: ResolutionPreset | None = None
    size: tuple[int, int]
    options: SamplingOptions
    pair_options: SamplingOptions
    base: Any = None
    context_blocks: int = 0
    vae: Any = None
    text_weights: int = 0
    is_pair: bool = False
    files: tuple[ProfileFile, ...] = ()
    caution: str = ""

    @classmethod
    def of(cls, family: Family) -> Profile:
        """The defaults of a family's models, of which a file tells the rest."""
        return cls(
            name=family.name,
            title=family.name,
            family=family,
            rule=next(iter(family.presets.values())),
            size=family.size,
            options=family.options,
            pair_options=family.pair_options,
        )

    @property
    def usual(self) -> SamplingOptions:
        """The sampling options of this model, be it one network or two."""
        return self.pair_options if self.is_pair else self.options

    @property
    def length(self) -> int:
        """Frames of a result of its own size where nobody says how many."""
        return self.rule.usual(*self.size)

    def beyond(self, num_frames: int, height: int, width: int) -> str | None:
        """What of a clip's size and length is more than the model was trained on, in a sentence; None = nothing."""
        if self.trained is None:
            return None
        area, most = self.trained.max_area, self.trained.longest(height, width)
        if height * width > area * BEYOND:
            found = f"{width} x {height} pixels, {height * width / area:.1f} times the most"
        elif num_frames > most * BEYOND:
            found = f"{num_frames} frames of {width} x {height}, where {most} are the most"
        else:
            return None
        return (
            f"The clip and the model do not belong together: the clip has {found} that {self.title} was trained on. "
            "Beyond that results get worse. Set fit to auto, or choose another model."
        )

    def check(self, path: str | Path) -> None:
        """Validate by its header that a transformer is one of this profile.

        Raises:
            ModelError: it is of another family or size; or it is missing or damaged.
        """
        found = identify(open_checkpoint(path))
        width = found.family.base_sizes(found.weights).width if "base" in found.parts else None
        if found.family is self.family and (self.base is None or width in (None, self.base.width)):
            return
        size = "" if width is None else f" of width {width}"
        raise ModelError(
            "profile-other-model",
            "{path} holds {found}. The profile {profile} needs {needed}. Choose the profile that belongs to this "
            "file, or leave it out.",
            path=path,
            found=found.title + size,
            profile=self.name,
            needed=self.family.base_name + ("" if self.base is None else f" of width {self.base.width}"),
        )


BEYOND = 1.1
"""How much more than it was trained on a model takes without harm."""

WAN_VAE = ProfileFile(part="vae", what=WAN.vae_name, released="wan_2.1_vae.safetensors", folder="vae")
UMT5 = ProfileFile(
    part="text", what=f"the {WAN.text.released} text encoder", released="umt5_xxl_fp16.safetensors",
    folder="text_encoders", smaller="umt5_xxl_fp8_e4m3fn_scaled.safetensors",
)  # fmt: skip
SMALL = WanSizes(width=1536, ffn=8960, layers=30)
UMT5_XXL, T5_XXL = 5_680_910_336, 4_762_310_656  # weights of the encoders
LARGE = WanSizes(width=5120, ffn=13824, layers=40)


def _transformer(what: str, released: str, part: str = "base") -> ProfileFile:
    return ProfileFile(part=part, what=what, released=released, folder="diffusion_models")


def _wan(name: str, title: str, base: WanSizes, blocks: int, preset: str, released: Sequence[str]) -> Profile:
    sizes = {"wan-480p": (480, 832), "wan-720p": (720, 1280)}
    what = f"{WAN.base_name} of width {base.width} with its VACE adapter"
    parts = zip(("base", "low-noise base"), released, strict=False)
    noise = (", for high noise", ", for low noise") if len(released) > 1 else ("",)
    return Profile(
        name=name,
        title=title,
        family=WAN,
        rule=WAN.presets[preset],
        trained=WAN.presets["wan-480p" if base is SMALL else "wan-720p"],
        size=sizes[preset],
        options=WAN.options,
        pair_options=WAN.pair_options,
        base=base,
        context_blocks=blocks,
        vae=VaeSizes(),
        text_weights=UMT5_XXL,
        is_pair=len(released) > 1,
        files=(
            *(_transformer(what + for_, file, part) for for_, (part, file) in zip(noise, parts, strict=True)),
            WAN_VAE,
            UMT5,
        ),
    )


WAN_14B = _wan("wan-14b-480p", "Wan 2.1 VACE 14B, 480p", LARGE, 8, "wan-480p", ("wan2.1_vace_14B_fp16.safetensors",))
FAST = DISTILLED["lightx2v-4"]

PUBLISHED = (
    _wan(
        "wan-1.3b-480p", "Wan 2.1 VACE 1.3B, 480p", SMALL, 15, "wan-480p", ("wan2.1_vace_1.3B_fp16.safetensors",)
    ),
    WAN_14B,
    _wan("wan-14b-720p", "Wan 2.1 VACE 14B, 720p", LARGE, 8, "wan-720p", ("wan2.1_vace_14B_fp16.safetensors",)),
    replace(
        WAN_14B,
        name="wan-14b-fast",
        title="Wan 2.1 VACE 14B, 480p, 4 steps with a distilled LoRA",
        options=FAST.options(WAN.options),
        pair_options=FAST.options(WAN.pair_options),
        files=(
            *WAN_14B.files,
            ProfileFile(
                part="lora",
                what="a LoRA distilled for few steps without guidance",
                released="Wan21_T2V_14B_lightx2v_cfg_step_distill_lora_rank32.safetensors",
                folder="loras",
            ),
        ),
        caution="This profile is for a LoRA distilled for few steps; without one, 4 steps give a blur.",
    ),
    _wan(
        "fun-pair", "Wan 2.2 VACE-Fun A14B, two experts", LARGE, 8, "wan-480p",
        ("wan2.2_fun_vace_high_noise_14B_bf16.safetensors", "wan2.2_fun_vace_low_noise_14B_bf16.safetensors"),
    ),
    Profile(
        name="ltx",
        title="VACE-LTX-Video 0.9",
        family=LTX,
        rule=LTX.presets["ltx"],
        trained=LTX.presets["ltx"],
        size=LTX.size,
        options=LTX.options,
        pair_options=LTX.pair_options,
        base=LtxSizes(width=2048, ffn=8192, layers=28),
        context_blocks=14,  # every second block, as with Wan 1.3B; the header of a file says what it has
        vae=LtxVaeSizes(),
        text_weights=T5_XXL,
        files=(
            _transformer(
                f"{LTX.base_name} with its VACE adapter and {LTX.vae_name}", "ltx-video-2b-v0.9.safetensors"
            ),
            ProfileFile(
                part="text", what=f"the {LTX.text.released} text encoder", released="t5xxl_fp16.safetensors",
                folder="text_encoders",
            ),
        ),
    ),
)  # fmt: skip
"""All that need files; `starter.profiles` has the one that ships too."""
