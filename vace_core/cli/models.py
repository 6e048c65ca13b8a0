"""Which files a model is made of, what it likes to be fed, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..checkpoint import open_checkpoint
from ..cost import ModelSizes, VaeSizes
from ..detection import Found, adapter_sizes, base_sizes, identify
from ..errors import InputError
from ..fitting import PRESETS, FitRule
from ..loading import load_adapter, load_base, load_vae
from ..model_file import inspect
from ..models.wan import fold_masks
from ..pipeline import Expert, SamplingOptions, VaceModel
from ..starter.model import (
    SIDE,
    STARTER_OPTIONS,
    STARTER_RULE,
    WEIGHTS,
    is_starter_folder,
    load_starter,
    part_file,
)
from ..starter.text import StarterText
from ..text import TextEncoder
from ..umt5 import load_umt5
from .options import Run, Wanted

STARTER_NAME = "starter"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a model likes to be fed.

    Attributes:
        rule: The sizes and lengths it takes.
        size: `(H, W)` where nothing came that has a shape.
        options: How it is sampled where nobody says.
    """

    rule: FitRule
    size: tuple[int, int]
    options: SamplingOptions

    def longest(self, height: int, width: int) -> int:
        """The most frames of this size."""
        grid = self.rule.grid
        return grid.pixel_frames(max(self.rule.max_tokens // grid.tokens(1, height, width), 1))


WAN = Profile(rule=PRESETS["wan-480p"], size=(480, 832), options=SamplingOptions())
STARTER = Profile(rule=STARTER_RULE, size=(SIDE, SIDE), options=STARTER_OPTIONS)


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where the parts of a model are.

    Attributes:
        base: The transformer.
        adapter: None = the base alone.
        vae: The VAE.
        text: The text encoder; None = the starter's words.
        starter: The folder, where it is the starter or laid out like it.
    """

    base: Path
    adapter: Path | None
    vae: Path
    text: Path | None
    starter: Path | None = None


def profile_of(wanted: Wanted) -> Profile:
    """What the chosen model likes, told without opening it."""
    return STARTER if _starter_folder(wanted.model) or wanted.text_encoder == STARTER_NAME else WAN


def find_files(wanted: Wanted, run: Run) -> Files:
    """The files of the chosen model.

    Raises:
        InputError: a part is neither in the model's folder nor given.
        ModelError: a file is missing or damaged.
    """
    if folder := _starter_folder(wanted.model):
        vae, base, adapter = (part_file(folder, part) for part in ("vae", "base", "adapter"))
        return Files(base=base, adapter=run.adapter or adapter, vae=run.vae or vae, text=None, starter=folder)
    path = Path(wanted.model)
    adapter = run.adapter or (path if inspect(path).kind == "vace" else None)
    if adapter is None and run.strength != 0:
        raise _missing(path, "VACE adapter", "--adapter")
    vae = run.vae or (path if (path / "vae").is_dir() else None)
    if vae is None:
        raise _missing(path, "VAE", "--vae")
    text = wanted.text_encoder or (path if (path / "text_encoder").is_dir() else None)
    if text is None:
        raise _missing(path, "text encoder", "--text-encoder")
    return Files(base=path, adapter=adapter, vae=vae, text=None if text == STARTER_NAME else Path(text))


def load(files: Files, run: Run) -> VaceModel:
    """The model in `files`; the VAE is computed in float32, as the original does it.

    Raises:
        InputError: there is no such device.
        ModelError: a file is missing or damaged, or the parts do not belong together.
    """
    device, dtype = device_of(run), _dtype(run)
    if files.starter is not None and run.adapter is None and run.vae is None:
        model = load_starter(device, dtype or torch.float32, folder=files.starter)
        return replace(model, text=_Placed(model.text, device))
    text = StarterText() if files.text is None else load_umt5(files.text)
    model = VaceModel(
        expert=Expert(base=load_base(files.base, dtype=dtype, device=device)),
        vae=load_vae(files.vae, dtype=torch.float32, device=device),
        text=_Placed(text, device),
        fold_masks=fold_masks,
    )
    if files.adapter is None:
        return model
    return model.attach(load_adapter(files.adapter, dtype=dtype, device=device))


def read_sizes(files: Files, run: Run) -> ModelSizes:
    """What a job's cost depends on, from the headers of the files alone.

    Raises:
        ModelError: a file is missing or damaged.
    """
    base, vae = identify(open_checkpoint(files.base)), identify(open_checkpoint(files.vae, "vae"))
    adapter = None if files.adapter is None else identify(open_checkpoint(files.adapter))
    dtype = _dtype(run) or (torch.float32 if files.starter else base.weights.dtype(base.parts.get("base", ())))
    counts = {"base": _numbers(base, "base") * dtype.itemsize, "VAE": _numbers(vae, "vae") * 4}
    if adapter is not None:
        counts["adapter"] = _numbers(adapter, "adapter") * dtype.itemsize
    if files.text is not None:
        counts["text"] = inspect(files.text).parameters.get("text", 0) * 2
    return ModelSizes(
        base=base_sizes(base.weights),
        context_blocks=0 if adapter is None else adapter_sizes(adapter.weights)[1],
        vae=VaeSizes.of({name: vae.weights.shape(name) for name in vae.weights.stored}),
        weights=counts,
        bytes_per_number=dtype.itemsize,
    )


def device_of(run: Run) -> torch.device:
    """The device asked for; "auto" is the GPU where there is one.

    Raises:
        InputError: there is none of that name.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if run.device == "auto" else run.device
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f'The device is "{run.device}", which is not available here. One that torch can use is needed. '
            "Choose auto or cpu."
        ) from error
    return device


def options_of(wanted: Wanted, run: Run) -> SamplingOptions:
    """The sampling options: what was asked for, and what the model likes for the rest."""
    usual = profile_of(wanted).options
    return SamplingOptions(
        steps=usual.steps if run.steps is None else run.steps,
        shift=usual.shift if run.shift is None else run.shift,
        guidance_scale=usual.guidance_scale if run.cfg is None else run.cfg,
        solver=usual.solver if run.solver is None else run.solver.value,
        seed=usual.seed if run.seed is None else run.seed,
        strength=run.strength,
        start_percent=run.start,
        end_percent=run.end,
    )


@dataclass(frozen=True)
class _Placed:
    """A text encoder whose output goes where the transformer is."""

    text: TextEncoder
    device: torch.device

    def encode(self, prompt: str) -> Tensor:
        return self.text.encode(prompt).to(self.device)


def _starter_folder(model: str) -> Path | None:
    if model == STARTER_NAME:
        return WEIGHTS
    return Path(model) if is_starter_folder(Path(model)) else None


def _dtype(run: Run) -> torch.dtype | None:
    return None if run.dtype is None else getattr(torch, run.dtype.value)


def _numbers(found: Found, part: str) -> int:
    return found.weights.count(found.parts.get(part, ()))


def _missing(path: Path, what: str, option: str) -> InputError:
    return InputError(f"The model {path} comes without a {what}. One is needed. Give its file or folder as {option}.")
