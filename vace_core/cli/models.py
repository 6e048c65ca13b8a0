"""A model as the command uses it: what it takes, how it is loaded, how large it is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from ..checks.room import is_short_of_memory
from ..errors import InputError
from ..files.checkpoint import Part, open_checkpoint
from ..loading.assembly import check_family, family_in, load_model, lora_changes
from ..loading.compiled import compile_blocks
from ..loading.detection import Found, identify
from ..loading.load import vae_sizes
from ..loading.placing.measure import bytes_from_files, is_packed
from ..loading.placing.placed import placed
from ..loading.placing.plan import PlacingPlan
from ..loading.profiles import Profile
from ..loading.t5 import load_text
from ..models.attention import layers_with
from ..models.devices import best_device, dtype_on
from ..models.family import Family
from ..models.text import TextEmbeds, TextEncoder
from ..models.text import placed as placed_text
from ..models.wan.family import WAN
from ..pipeline import VaceModel
from ..preview.cost import ModelSizes
from ..preview.stated import sizes_of
from ..sampling.options import SamplingOptions
from ..sampling.phases import parse_scales
from ..sampling.presets import DISTILLED
from ..starter.model import STARTER
from ..starter.profiles import profile_named
from ..starter.scenes.text import SceneText
from .files import STARTER_NAME, Files, family_of, is_pair, starter_folder
from .options import Run, Wanted

Made = TypeVar("Made")

ON_THE_CPU = PlacingPlan()
"""All networks are there, as they always are in main memory."""


def profile_of(wanted: Wanted) -> Profile:
    """The profile that was chosen, or what the header of the model's file tells; for a missing file, those of Wan.

    Raises:
        InputError: there is no profile of that name.
    """
    if wanted.profile is not None:
        return profile_named(wanted.profile)
    if starter_folder(wanted.model):
        return STARTER
    family = family_of(wanted.model) or WAN
    return STARTER if wanted.text_encoder == STARTER_NAME and family is WAN else Profile.of(family)


def check_named(wanted: Wanted) -> None:
    """Accepts a model whose file is there, or of which a profile says what it is like.

    Raises:
        ModelError: there is no such file.
    """
    path = Path(wanted.model)
    if wanted.profile is None and starter_folder(wanted.model) is None and not path.exists():
        open_checkpoint(path)


def is_starter(wanted: Wanted) -> bool:
    """Whether the chosen model is the starter, laid out like it or read with its words."""
    return profile_of(wanted) is STARTER


@contextmanager
def ready(
    files: Files, run: Run, plan: PlacingPlan = ON_THE_CPU, prompts: Sequence[str] = ()
) -> Generator[VaceModel, None, None]:
    """The model in `files`, at work where the plan says.

    Args:
        files: Of the model.
        run: How the job is done.
        plan: What is on the device when.
        prompts: The only ones that will be read; the text encoder is gone before the other networks come. Without any
            it stays.

    Raises:
        InputError: there is no such device.
        ModelError: a file is missing or damaged, or the parts do not belong together; or memory ran out.
    """
    device, family = device_of(run), family_in(files.base)
    # Before the text encoder is read, which takes longest.
    _check(files, family)
    text = tried(plan.text, device, lambda where: _read(_text(files, family, where), prompts))
    if device.type == "cpu":
        yield _loaded(files, run, text, device, plan)
        return
    model = tried(plan.stays, device, lambda where: _loaded(files, run, text, where, plan))
    with placed(model, plan, device, family) as there:
        yield there


def tried(on_device: bool, device: torch.device, make: Callable[[torch.device], Made]) -> Made:
    """What `make` makes on a device if that is wanted and has the memory, else on the CPU."""
    if on_device:
        try:
            return make(device)
        except Exception as error:
            if device.type == "cpu" or not is_short_of_memory(error):
                raise
    return make(torch.device("cpu"))


def load(files: Files, run: Run) -> VaceModel:
    """The model in `files`, whole on its device. Raises as `ready`."""
    family, device = family_in(files.base), device_of(run)
    _check(files, family)
    return _loaded(files, run, _text(files, family, torch.device("cpu")), device, ON_THE_CPU)


def _check(files: Files, family: Family) -> None:
    check_family(family, vae=files.vae, bases=files.bases, adapters=files.adapters)
    check_lora(files, say=False)


def _text(files: Files, family: Family, device: torch.device) -> TextEncoder:
    return SceneText() if files.text is None else load_text(files.text, kind=family.text, device=device)


def _loaded(files: Files, run: Run, text: TextEncoder, device: torch.device, plan: PlacingPlan) -> VaceModel:
    model = load_model(
        files.base,
        vae=files.vae,
        text=_Placed(text, device_of(run)),
        adapter=files.adapter,
        low_noise=files.low_noise,
        low_noise_adapter=files.low_noise_adapter,
        boundary=run.boundary,
        dtype=_dtype(files, run),
        vae_dtype=getattr(torch, run.vae_dtype.value),
        device=device,
        tile=run.tile if plan.tile is None else plan.tile,
        ops=layers_with(run.attention.value),
        keep_packed=plan.keep_packed,
        lora=files.lora,
    )
    if run.compile:
        compile_blocks(model)
    return model


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
    low_noise = files.low_noise and _open(files.low_noise)
    low_noise_adapter = files.low_noise_adapter and _open(files.low_noise_adapter)
    dtype, packed = _dtype(files, run), keeps_packed(files, run)
    held = dtype or base.weights.dtype(base.parts.get("base", ()))
    vae_dtype: torch.dtype = getattr(torch, run.vae_dtype.value)
    pairs = [(base, adapter), *([(low_noise, low_noise_adapter)] if low_noise else [])]
    changes = lora_changes(files.lora, files.bases, files.adapters, say=False) if packed else ((),) * len(pairs)
    parts = (
        ("base", base, "base", dtype),
        ("VAE", vae, "vae", vae_dtype),
        ("adapter", adapter, "adapter", dtype),
        ("low-noise base", low_noise, "base", dtype),
        ("low-noise adapter", low_noise_adapter, "adapter", dtype),
        ("text", files.text and _open(files.text, "text_encoder"), "text", torch.bfloat16),
    )
    return ModelSizes(
        family=base.family,
        base=base.family.base_sizes(base.weights),
        context_blocks=0 if adapter is None else adapter.family.adapter_sizes(adapter.weights)[1],
        vae=vae_sizes(vae),
        weights={name: _bytes(found, part, kind) for name, found, part, kind in parts if found},
        bytes_per_number=held.itemsize,
        vae_bytes_per_number=vae_dtype.itemsize,
        tile=run.tile,
        experts=tuple(
            bytes_from_files(*pair, held, keep_packed=packed, changed=changed)
            for pair, changed in zip(pairs, changes, strict=True)
        ),
        keep_packed=packed,
    )


def stated_sizes(profile: Profile, run: Run) -> ModelSizes:
    """The same from a profile, of which no file need be there."""
    usual = torch.bfloat16 if profile.text_weights else torch.float32
    chosen = getattr(torch, run.dtype.value) if run.dtype else usual
    dtype: torch.dtype = chosen if run.dtype else dtype_on(device_of(run), chosen, profile.family.dtypes) or chosen
    return sizes_of(profile, dtype=dtype, vae_dtype=getattr(torch, run.vae_dtype.value), tile=run.tile)


def dtype_of(files: Files | None, run: Run, sizes: ModelSizes) -> torch.dtype:
    """What the transformer is computed in, where a profile tells it or its files do."""
    chosen = getattr(torch, run.dtype.value) if run.dtype else None
    if chosen is not None or files is None:
        return chosen or (torch.bfloat16 if sizes.bytes_per_number == 2 else torch.float32)
    base = _open(files.base)
    return _dtype(files, run) or base.weights.dtype(base.parts.get("base", ()))


def keeps_packed(files: Files, run: Run) -> bool:
    """Whether quantised weights stay as they are stored: on a device other than the CPU, where memory is short."""
    if device_of(run).type == "cpu" and run.memory is None:
        return False
    paths = (files.base, files.adapter, files.low_noise, files.low_noise_adapter)
    return any(is_packed(_open(path), part) for path in paths if path for part in ("base", "adapter"))


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
    usual = profile.pair_options if is_pair(wanted, run) else profile.usual
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
        return placed_text(self.text.encode(prompt), self.device)


@dataclass(frozen=True)
class _Read:
    """Prompts that were read by a text encoder that is gone."""

    embeds: Mapping[str, TextEmbeds]
    width: int | None

    def encode(self, prompt: str) -> TextEmbeds:
        return self.embeds[prompt]


def _read(text: TextEncoder, prompts: Sequence[str]) -> TextEncoder:
    if not prompts:
        return text
    cpu = torch.device("cpu")
    return _Read({prompt: placed_text(text.encode(prompt), cpu) for prompt in prompts}, text.width)


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
