"""A whole model from its files, whose parts are checked to belong together before the large ones are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ..errors import AdapterMismatchError, ModelError
from ..files.checkpoint import Part, open_checkpoint
from ..models import layers
from ..models.family import Family
from ..models.text import TextEncoder
from ..pipeline import Expert, VaceModel
from ..protocols import BaseModel
from ..sampling.guidance import PAIR_BOUNDARY
from .detection import Found, identify
from .inspect import Noise, check_fits, noise_of
from .load import find_part, load_adapter, load_base, load_vae
from .lora import Change, Lora
from .lora_match import changes_for, check_noise

NOISES: tuple[Noise, ...] = ("high", "low")  # of the networks of a pair


def load_model(
    base: str | Path,
    *,
    vae: str | Path,
    text: TextEncoder,
    adapter: str | Path | None = None,
    low_noise: str | Path | None = None,
    low_noise_adapter: str | Path | None = None,
    boundary: float = PAIR_BOUNDARY,
    dtype: torch.dtype | None = None,
    vae_dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    tile: int | None = None,
    ops: ModuleType | Any = layers,
    keep_packed: bool = False,
    lora: Sequence[Lora] = (),
) -> VaceModel:
    """A model of any known family, ready to run.

    Args:
        base: The transformer, or a file that holds it with its adapter or with everything but the text encoder.
        vae: The VAE; may be the same file.
        text: What reads the prompts.
        adapter: May be the same file; None = the base alone.
        low_noise: The second transformer of a pair, of which `base` is then the one for high noise.
        low_noise_adapter: Its adapter.
        boundary: Noise level from which on the second one takes over.
        dtype: Of the transformers and adapters; None = as stored.
        vae_dtype: Of the VAE; the official code computes it in float32.
        device: Where the weights go.
        tile: As for `load_vae`.
        ops: Where the layers of transformers and adapters come from, as for `load_base`.
        keep_packed: Whether they stay as they are stored, as for `load_base`.
        lora: LoRA files, merged into transformers and adapters in this order.

    Raises:
        ModelError: a file is missing or damaged, the parts do not belong together, or a LoRA does not fit them.
        InputError: adapters that are not as many as bases, or a LoRA for one network of a pair where there is no pair.
    """
    family = family_in(base)
    bases = [path for path in (base, low_noise) if path is not None]
    adapters = [path for path in (adapter, low_noise_adapter) if path is not None]
    check_family(family, vae=vae, bases=bases, adapters=adapters)
    changes = lora_changes(lora, bases, adapters)
    options: dict[str, Any] = {"dtype": dtype, "device": device, "ops": ops, "keep_packed": keep_packed}
    networks = [
        _load_base(path, text.width, {**options, "changes": own}) for path, own in zip(bases, changes, strict=True)
    ]
    model = VaceModel(
        expert=Expert(base=networks[0]),
        vae=load_vae(vae, dtype=vae_dtype, device=device, tile=tile),
        text=text,
        encode_masks=family.encode_masks,
        low_noise=Expert(base=networks[1]) if len(networks) > 1 else None,
        boundary=boundary,
    )
    if not adapters:
        return model
    return model.attach(
        *(load_adapter(path, **options, changes=own) for path, own in zip(adapters, changes, strict=False))
    )


def lora_changes(
    lora: Sequence[Lora], bases: Sequence[str | Path], adapters: Sequence[str | Path] = (), *, say: bool = True
) -> list[dict[str, tuple[Change, ...]]]:
    """What LoRA files change in each network of a model, told from headers alone; what does not match is said.

    Args:
        lora: The files, in the order in which they are merged.
        bases: The base, or those of a pair for high and for low noise.
        adapters: Those that belong to them, as many or none.
        say: Whether to say what does not match.

    Raises:
        ModelError: a file is missing or damaged, matches nothing in a network that it is for, or does not fit it.
        InputError: one is for a network of a pair, and there is none.
    """
    check_noise(lora, pair=len(bases) > 1, say=say)
    networks: list[dict[str, tuple[Change, ...]]] = []
    said: set[Path] = set() if say else {one.path for one in lora}
    for index, (noise, path) in enumerate(zip(NOISES, bases, strict=False)):
        here = [one for one in lora if one.noise in (None, noise)]
        halves = [(_found(path), "base"), *((_found(own), "adapter") for own in adapters[index : index + 1])]
        networks.append(changes_for(here, *halves, said=said) if here else {})
    return networks


def family_in(path: str | Path) -> Family:
    """The model family of the base model in a file, or of the adapter in it.

    Raises:
        ModelError: it is missing or damaged, or no model that is known.
    """
    return _found(path).family


def check_family(
    family: Family, *, vae: str | Path, bases: Sequence[str | Path] = (), adapters: Sequence[str | Path] = ()
) -> None:
    """Validate by their headers that files are parts of one model.

    Args:
        family: Of the model.
        vae: Holds its VAE.
        bases: Hold its transformer, or those of a pair for high and for low noise.
        adapters: Those that belong to them.

    Raises:
        AdapterMismatchError: an adapter for another model family, or for a base of another size.
        ModelError: another part of another kind, or a file that does not hold the part at all; or as `family_in`.
    """
    found = find_part(vae, "vae", family)
    if found.family is not family:
        raise ModelError(
            "vae-other-family",
            "{vae} holds {found}, and the model is {model}, which needs {needed}. Choose the VAE that "
            "belongs to this model.",
            vae=vae,
            found=found.title,
            model=family.base_name,
            needed=family.vae_name,
        )
    networks = [find_part(path, "base", family) for path in bases]
    for path, network in zip(bases, networks, strict=True):
        if (other := network.family) is not family:
            raise ModelError(
                "experts-differ",
                "{path} holds {found}, and the model for high noise is {needed}. Both must be of one family. "
                "Choose the two files of one pair.",
                path=path,
                found=other.base_name,
                needed=family.base_name,
            )
    _check_experts(networks)
    found_adapters = [find_part(path, "adapter", family) for path in adapters]
    for path, adapter in zip(adapters, found_adapters, strict=True):
        if (other := adapter.family) is not family:
            raise AdapterMismatchError(
                "adapter-other-family",
                "The adapter in {path} is made for {found}, and the model is {model}. An adapter for "
                "{needed} is needed. Choose the adapter that belongs to this model.",
                path=path,
                found=other.name,
                model=family.base_name,
                needed=family.name,
            )
    for network, adapter in zip(networks, found_adapters, strict=False):
        check_fits(network, adapter)


def _check_experts(networks: Sequence[Found]) -> None:
    """Validate that two networks are those of a pair, in their order; nothing but names tells that."""
    if len(networks) < 2:
        return
    high, low = (network.weights.file for network in networks)
    if high.path.samefile(low.path):
        raise ModelError(
            "experts-same",
            "{path} came both for high noise and for low. Two networks are needed for a pair. Choose the other one "
            "for low noise, or none.",
            path=low.path,
        )
    if (noise_of(high), noise_of(low)) == ("low", "high"):
        raise ModelError(
            "experts-swapped",
            "{high} came for high noise and {low} for low, and their names say the opposite. The network for high "
            "noise is needed first. Swap them.",
            high=high.path,
            low=low.path,
        )


def _load_base(path: str | Path, text_width: int | None, options: dict[str, Any]) -> BaseModel:
    found = _found(path)
    width = found.family.base_sizes(found.weights).text_width if "base" in found.parts else text_width
    if text_width not in (None, width):
        raise ModelError(
            "text-width",
            "The text encoder gives {text_width} numbers a token, and {path} reads {width}. Both need the "
            "same. Choose the text encoder that belongs to this model.",
            text_width=text_width,
            path=path,
            width=width,
        )
    return load_base(path, **options)


def _found(path: str | Path, part: Part = "transformer") -> Found:
    return identify(open_checkpoint(path, part), part)
