"""The door for Python: a model by its name or file, the starter among them, ready to edit clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import InputError
from ..files.checkpoint import open_checkpoint
from ..loading.assembly import family_in, load_model
from ..loading.compiled import compile_blocks
from ..loading.detection import identify
from ..loading.inspect import find_pair, inspect
from ..loading.lora import Lora
from ..loading.opened import OpenModel
from ..loading.t5 import load_text
from ..models.attention import AUTO, check_attention, heads_of, layers_with
from ..models.devices import best_device, dtype_on
from ..models.wan.dit import HEAD_WIDTH
from .model import STARTER_OPTIONS, STARTER_PRESET, WEIGHTS, is_starter_folder, load_starter

STARTER_NAME = "starter"


def open_model(
    model: str | Path = STARTER_NAME,
    *,
    vae: str | Path | None = None,
    text_encoder: str | Path | None = None,
    adapter: str | Path | None = None,
    lora: Sequence[Lora | str] = (),
    preset: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    attention: str = AUTO,
    compiled: bool = False,
) -> OpenModel:
    """A model with the sizes, lengths and sampling options that it was published with.

    Args:
        model: "starter", or a checkpoint: a file or a folder; of a Wan 2.2 pair the folder or the high-noise file.
        vae: Its VAE, if not in that file or folder.
        text_encoder: Its text encoder, if not in that folder.
        adapter: Its VACE adapter, if not in that file.
        lora: LoRA files, merged in this order; as text "file", "file:0.8" with a strength, and for one network of a
            pair "file:high" or "file:0.8:low".
        preset: A name of `Family.presets`, such as "wan-720p". None = the first.
        device: Where it runs; None = the accelerator, if there is one.
        dtype: What the transformer is computed in; None = as stored, if the device supports it.
        attention: A name of `models.attention.ATTENTIONS`: "auto", "flash", "cudnn", "efficient", "sage", …
        compiled: Whether blocks are compiled, as by `loading.compiled.compile_blocks`.

    Raises:
        InputError: a part is missing, there is no such preset, a LoRA is for a network that is not there, or the
            attention does not run on the device.
        ModelError: a file is missing or damaged, the parts do not belong together, or a LoRA does not fit them.
    """
    place = best_device() if device is None else torch.device(device)
    path = WEIGHTS if str(model) == STARTER_NAME else Path(model)
    used = [Lora.parse(one) if isinstance(one, str) else one for one in lora]
    if is_starter_folder(path):
        check_attention(attention, place, dtype or torch.float32, HEAD_WIDTH)
        network = load_starter(place, dtype or torch.float32, folder=path, lora=used, ops=layers_with(attention))
        if compiled:
            compile_blocks(network)
        return OpenModel(model=network, takes=STARTER_PRESET, options=STARTER_OPTIONS)
    pair = find_pair(path)
    bases = [path] if pair is None else [pair.high_noise, pair.low_noise]
    family = family_in(bases[0])
    if preset is not None and preset not in family.presets:
        raise InputError(
            "preset-unknown",
            'The preset is "{preset}". One of {known} is needed for {family}. Choose one of these.',
            preset=preset,
            known=", ".join(family.presets),
            family=family.name,
        )
    for name, part, given in (("VAE", "vae", vae), ("text encoder", "text_encoder", text_encoder)):
        if given is None and not (path / part).is_dir():
            raise InputError(
                "part-missing",
                "The model {path} comes without a {what}. One is needed. Give its file or folder as {option}.",
                path=path,
                what=name,
                option=part,
            )
    holding = [base if inspect(base).kind == "vace" else None for base in bases] if adapter is None else [adapter]
    dtype = dtype or _dtype_of(bases[0], place)
    _check_attention(attention, bases[0], place, dtype)
    network = load_model(
        bases[0],
        vae=vae or path,
        text=load_text(text_encoder or path, kind=family.text),
        adapter=holding[0],
        low_noise=bases[1] if len(bases) > 1 else None,
        low_noise_adapter=holding[1] if len(holding) > 1 else None,
        dtype=dtype,
        device=place,
        ops=layers_with(attention),
        lora=used,
    )
    if compiled:
        compile_blocks(network)
    options = family.options if pair is None else family.pair_options
    return OpenModel(model=network, takes=family.presets[preset or next(iter(family.presets))], options=options)


def _check_attention(attention: str, path: str | Path, place: torch.device, dtype: torch.dtype | None) -> None:
    if attention == AUTO:
        return
    found = identify(open_checkpoint(path))
    sizes = found.family.base_sizes(found.weights)
    held = dtype or found.weights.dtype(found.parts.get("base", ()))
    check_attention(attention, place, held, sizes.width // heads_of(sizes))


def _dtype_of(path: str | Path, place: torch.device) -> torch.dtype | None:
    """What the transformer in a file is computed in at a place."""
    found = identify(open_checkpoint(path))
    return dtype_on(place, found.weights.dtype(found.parts.get("base", ())), found.family.dtypes)
