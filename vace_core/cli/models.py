"""A model as the command uses it: what it takes, how it is loaded, how large it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..errors import InputError
from ..files.checkpoint import Part, open_checkpoint
from ..inputs.fitting import ResolutionPreset
from ..loading.assembly import check_family, family_in, load_model, lora_changes
from ..loading.detection import Found, identify
from ..loading.load import vae_sizes
from ..loading.t5 import load_text
from ..models.devices import best_device, dtype_on
from ..models.family import Family
from ..models.text import TextEmbeds, TextEncoder, placed
from ..models.wan.family import WAN
from ..pipeline import VaceModel
from ..preview.cost import ModelSizes
from ..sampling.options import SamplingOptions
from ..sampling.phases import parse_scales
from ..sampling.presets import DISTILLED
from ..starter.model import SIDE, STARTER_OPTIONS, STARTER_PRESET
from ..starter.text import StarterText
from .files import STARTER_NAME, Files, family_of, is_pair, starter_folder
from .options import Run, Wanted


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a model takes, and its defaults.

    Attributes:
        family: Its model family.
        rule: The sizes and lengths it takes.
        size: `(H, W)` without an input that has a shape.
        options: Its default sampling options.
        pair_options: The same for two networks that share the noise levels.
    """

    family: Family
    rule: ResolutionPreset
    size: tuple[int, int]
    options: SamplingOptions
    pair_options: SamplingOptions

    @classmethod
    def of(cls, family: Family) -> Profile:
        """The defaults of a family's models."""
        rule = next(iter(family.presets.values()))
        return cls(
            family=family,
            rule=rule,
            size=family.size,
            options=family.options,
            pair_options=family.pair_options,
        )


STARTER = Profile(
    family=WAN, rule=STARTER_PRESET, size=(SIDE, SIDE), options=STARTER_OPTIONS, pair_options=STARTER_OPTIONS
)


def profile_of(wanted: Wanted) -> Profile:
    """The defaults of the chosen model, told from the header of its file; for a missing file, those of Wan."""
    if starter_folder(wanted.model):
        return STARTER
    family = family_of(wanted.model) or WAN
    return STARTER if wanted.text_encoder == STARTER_NAME and family is WAN else Profile.of(family)


def is_starter(wanted: Wanted) -> bool:
    """Whether the chosen model is the starter, laid out like it or read with its words."""
    return profile_of(wanted) is STARTER


def load(files: Files, run: Run) -> VaceModel:
    """The model in `files`; the VAE is computed in float32, as the original does it.

    Raises:
        InputError: there is no such device.
        ModelError: a file is missing or damaged, or the parts do not belong together.
    """
    device = device_of(run)
    family = family_in(files.base)
    # Before the text encoder is read, which takes longest.
    check_family(family, vae=files.vae, bases=files.bases[1:], adapters=files.adapters)
    check_lora(files, say=False)
    text = StarterText() if files.text is None else load_text(files.text, kind=family.text)
    return load_model(
        files.base,
        vae=files.vae,
        text=_Placed(text, device),
        adapter=files.adapter,
        low_noise=files.low_noise,
        low_noise_adapter=files.low_noise_adapter,
        boundary=run.boundary,
        dtype=_dtype(files, run),
        device=device,
        tile=run.tile,
        lora=files.lora,
    )


def check_lora(files: Files, *, say: bool = True) -> None:
    """Validate by their headers that the LoRA files fit the model; `say` what does not match.

    Raises:
        ModelError: one is missing or damaged, matches nothing in a network that it is for, or does not fit it.
        InputError: one is for a network of a pair, and there is none.
    """
    lora_changes(files.lora, files.bases, files.adapters, say=say)


def read_sizes(files: Files, run: Run) -> ModelSizes:
    """What a job's cost depends on, from the headers of the files alone.

    Raises:
        ModelError: a file is missing or damaged.
    """
    base, vae = _open(files.base), _open(files.vae, "vae")
    adapter = files.adapter and _open(files.adapter)
    dtype = _dtype(files, run)
    parts = (
        ("base", base, "base", dtype),
        ("VAE", vae, "vae", torch.float32),
        ("adapter", adapter, "adapter", dtype),
        ("low-noise base", files.low_noise and _open(files.low_noise), "base", dtype),
        ("low-noise adapter", files.low_noise_adapter and _open(files.low_noise_adapter), "adapter", dtype),
        ("text", files.text and _open(files.text, "text_encoder"), "text", torch.bfloat16),
    )
    return ModelSizes(
        family=base.family,
        base=base.family.base_sizes(base.weights),
        context_blocks=0 if adapter is None else adapter.family.adapter_sizes(adapter.weights)[1],
        vae=vae_sizes(vae),
        weights={name: _bytes(found, part, held) for name, found, part, held in parts if found},
        bytes_per_number=(dtype or base.weights.dtype(base.parts.get("base", ()))).itemsize,
        tile=run.tile,
    )


def device_of(run: Run) -> torch.device:
    """The device asked for; "auto" is the accelerator where there is one.

    Raises:
        InputError: there is none of that name.
    """
    try:
        device = best_device() if run.device == "auto" else torch.device(run.device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            "device-unknown",
            'The device is "{device}", which is not available here. One that torch can use is needed. Choose '
            "auto or cpu.",
            device=run.device,
        ) from error
    return device


def options_of(wanted: Wanted, run: Run) -> SamplingOptions:
    """The sampling options: what was asked for, and the model's defaults or those of a preset for the rest.

    Raises:
        InputError: a value out of range, or two that contradict each other.
    """
    profile = profile_of(wanted)
    usual = profile.pair_options if is_pair(wanted, run) else profile.options
    if run.distilled is not None:
        if profile.family is not WAN:
            raise InputError(
                "distilled-other-family",
                "--distilled was given, but the model is {model}. Its presets are for LoRA of {needed}. Leave it out.",
                model=profile.family.base_name,
                needed=WAN.name,
            )
        usual = DISTILLED[run.distilled.value].options(usual)
    scales = parse_scales(run.cfg_steps or "")
    if scales and run.cfg is not None:
        raise InputError(
            "cfg-twice",
            "Both --cfg and --cfg-steps were given. One of them is needed: a scale for all steps, or one for each. "
            "Leave one out.",
        )
    return replace(
        usual,
        steps=usual.steps if run.steps is None else run.steps,
        shift=usual.shift if run.shift is None else run.shift,
        shift_growth=usual.shift_growth if run.shift is None else 0.0,  # what was typed is what is used
        guidance_scale=usual.guidance_scale if run.cfg is None else run.cfg,
        guidance_scales=scales,
        stg_scale=usual.stg_scale if run.stg is None else run.stg,
        rescale=usual.rescale if run.rescale is None else run.rescale,
        solver=usual.solver if run.solver is None else run.solver.value,
        seed=usual.seed if run.seed is None else run.seed,
        strength=run.strength,
        start_percent=run.start_percent,
        end_percent=run.end_percent,
        negative_prompt=usual.negative_prompt if wanted.negative is None else wanted.negative,
    )


@dataclass(frozen=True)
class _Placed:
    """A text encoder whose output goes where the transformer is."""

    text: TextEncoder
    device: torch.device

    @property
    def width(self) -> int | None:
        return self.text.width

    def encode(self, prompt: str) -> TextEmbeds:
        return placed(self.text.encode(prompt), self.device)


def _dtype(files: Files, run: Run) -> torch.dtype | None:
    """What the transformer is computed in; None = as stored. The starter is stored in halves to be small."""
    if run.dtype is not None:
        return getattr(torch, run.dtype.value)
    if files.is_starter:
        return torch.float32
    base = _open(files.base)
    return dtype_on(device_of(run), base.weights.dtype(base.parts.get("base", ())), base.family.dtypes)


def _open(path: Path, part: Part = "transformer") -> Found:
    return identify(open_checkpoint(path, part), part)


def _bytes(found: Found, part: str, dtype: torch.dtype | None) -> int:
    """What a part takes once it is loaded."""
    names = found.parts.get(part, ())
    return found.weights.count(names) * (dtype or found.weights.dtype(names)).itemsize
