"""What a file of weights is, told from its header: which model, of which size, what it fits and what it needs."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ..errors import AdapterMismatchError, WeightsError, shortened
from ..files import strict_json
from ..files.checkpoint import WEIGHTS, ShardedFile, open_checkpoint, read_json
from ..files.gguf_format import GgufFile
from ..files.tensors import TensorFile, damaged
from ..models.family import FileSizes
from .detection import Found, Kind, identify

Noise = Literal["high", "low"]

CONTEXT_LAYERS_KEY = "vace_layers"  # in config.json, and in the metadata of adapters that are written here
NOISE = re.compile(r"(?<![a-z])(high|low)(?=[^a-z]|noise|$)")
NOISE_KEYS = ("general.name", "modelspec.title")
EXPERT_FOLDERS = (("high_noise_model", "low_noise_model"), ("transformer", "transformer_2"))


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """What a file, an index of shards or a folder holds.

    Attributes:
        path: The file or index that was read.
        kind: "vace" is a base with its adapter in one; "base" and "adapter" are the halves.
        family: Of bases that it is or belongs to: "Wan 2.1".
        container: "safetensors", "sharded safetensors" or "gguf".
        naming: "official", or whose names the weights have: "diffusers", "transformers", "llama.cpp".
        prefix: What stands before those names, such as "model.diffusion_model."; usually nothing.
        storage: How most bytes are stored: "BF16", "F8_E4M3 scaled", "Q4_K", …
        bytes: Size of all tensors in the file.
        parameters: Number of weights of each part that is there: "base", "adapter", "vae", "text".
        width: Features of a token; None for a VAE and a text encoder, as are the next three.
        ffn: Features inside the feed-forward part.
        layers: Blocks of the base that is here, or that the adapter is known to be for; None if nothing tells.
        context_layers: Indices of the base's blocks that receive hints; None without an adapter, or if nothing tells.
        noise: Which of two experts it is (Wan 2.2), where the name of the file or its metadata says so.
        fits: What it can be used with.
        needs: What else a job needs.
    """

    path: Path
    kind: Kind
    family: str
    container: str
    naming: str
    prefix: str
    storage: str
    bytes: int
    parameters: Mapping[str, int]
    width: int | None = None
    ffn: int | None = None
    layers: int | None = None
    context_layers: tuple[int, ...] | None = None
    noise: Noise | None = None
    fits: str
    needs: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as a table that `json.dumps` accepts."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The files of a model in two experts, as Wan 2.2 is: one for high noise, one for low."""

    high_noise: Path
    low_noise: Path


def inspect(path: str | Path) -> ModelFile:
    """Tells what a file, an index of shards or a folder holds, without reading a single weight.

    Raises:
        WeightsError: there is nothing to read, or it is damaged.
        UnsupportedModelError: it is whole, and no model that is known here.
    """
    found = identify(open_checkpoint(path))
    if found.kind == "vae":
        return _describe(found, fits=found.family.vae_fits)
    if found.kind == "text":
        return _describe(found, fits=f"{found.readers} models")
    return _describe_transformer(found)


def find_pair(path: str | Path) -> Pair | None:
    """The two experts that `path` means; None where nothing says that there are two.

    They are subfolders as they were published; the only two files of a folder with "high" and "low" in their names; or
    a file or folder with "high" in its name and, beside it, one that has "low" there and the same name otherwise.
    The weights of the two are alike in names and shapes, so nothing but these names tells them apart.

    Raises:
        WeightsError: the model_index.json of a folder is damaged.
    """
    path = Path(path)
    # Some pipelines call the two of diffusers the other way round; the boundary is what tells that it wrote the folder.
    has_boundary = read_json(path / "model_index.json").get("boundary_ratio") is not None
    for high, low in EXPERT_FOLDERS if has_boundary else EXPERT_FOLDERS[:1]:
        if (path / high).is_dir() and (path / low).is_dir():
            return Pair(high_noise=path / high, low_noise=path / low)
    files = [file for file in sorted(path.glob("*")) if file.suffix in WEIGHTS]
    experts = {noise: [file for file in files if _noise_in(file.stem) == noise] for noise in ("high", "low")}
    if all(len(found) == 1 for found in experts.values()):
        return Pair(high_noise=experts["high"][0], low_noise=experts["low"][0])
    twin = NOISE.sub("low", path.name.lower())
    beside = [file for file in path.parent.glob("*") if file.name.lower() == twin]
    if _noise_in(path.name) == "high" and len(beside) == 1:
        return Pair(high_noise=path, low_noise=beside[0])
    return None


def context_layers_of(found: Found) -> tuple[int, ...] | None:
    """Which blocks of the base the adapter in a file gives hints to; None if neither file nor configuration tells.

    The names of the weights go before what the file says of itself, that before the config.json beside it, and that
    before what is usual.

    Raises:
        WeightsError: what is said does not fit the weights.
    """
    _, blocks = found.family.adapter_sizes(found.weights)
    layers = _layers(found)
    told = found.family.recorded_layers(found.weights)
    path = found.weights.file.path
    config = path.parent / "config.json"
    for where, said in (
        (path, list(told) if told else None),
        (path, _stated_layers(found)),
        (config, read_json(config).get(CONTEXT_LAYERS_KEY)),
    ):
        if said is not None:
            return _checked(said, blocks, layers, where)
    if layers is None:
        return None
    if blocks > layers:
        raise damaged(path, f"it has {blocks} context blocks for a base of {layers} blocks")
    return found.family.usual_layers(layers, blocks)


def check_fits(base: Found, adapter: Found) -> None:
    """Validate that an adapter is made for a base of these sizes, told from headers alone.

    Raises:
        AdapterMismatchError: it is made for another one.
        WeightsError: what is said of its context layers does not fit its weights.
    """
    sizes, (needed, blocks) = base.family.base_sizes(base.weights), adapter.family.adapter_sizes(adapter.weights)
    least = max(context_layers_of(adapter) or (blocks - 1,)) + 1
    if sizes.width != needed.width or (blocks > 0 and sizes.ffn != needed.ffn) or least > sizes.layers:
        raise AdapterMismatchError(
            "adapter-width",
            "{adapter} is made for a base of width {width} and ffn {ffn} with at least {least_blocks} blocks. {base} "
            "has width {base_width}, ffn {base_ffn} and {base_blocks} blocks. Choose the adapter that belongs to it.",
            adapter=adapter.weights.file.path,
            width=needed.width,
            ffn=needed.ffn,
            least_blocks=least,
            base=base.weights.file.path,
            base_width=sizes.width,
            base_ffn=sizes.ffn,
            base_blocks=sizes.layers,
        )


def _describe_transformer(found: Found) -> ModelFile:
    has_base, has_adapter = "base" in found.parts, "adapter" in found.parts
    family, layers = found.family, _layers(found)
    sizes = family.base_sizes(found.weights) if has_base else family.adapter_sizes(found.weights)[0]
    size = f"of width {sizes.width}" + (f" with {layers} blocks" if layers else "")
    fits = {
        "vace": f"bases and adapters {size}, besides those in it",
        "base": f"VACE adapters for bases {size}",
        "adapter": f"{family.base_name.split(' ', 1)[1]}s {size}",
    }
    return _describe(
        found,
        width=sizes.width,
        ffn=sizes.ffn,
        layers=layers,
        context_layers=context_layers_of(found) if has_adapter else None,
        fits=fits[found.kind],
        needs=_needs(found, sizes, size),
    )


def _needs(found: Found, sizes: FileSizes, size: str) -> tuple[str, ...]:
    family = found.family
    usual = "base" not in found.parts or sizes.text_width == family.text.released_width
    text = f"the {family.text.released} text encoder" if usual else f"a text encoder of width {sizes.text_width}"
    base = () if "base" in found.parts else (f"{family.base_name} {size}",)
    return (*base, family.vae_name, text)


def _describe(
    found: Found,
    *,
    width: int | None = None,
    ffn: int | None = None,
    layers: int | None = None,
    context_layers: tuple[int, ...] | None = None,
    fits: str,
    needs: tuple[str, ...] = (),
) -> ModelFile:
    weights = found.weights
    file = weights.file
    return ModelFile(
        path=file.path,
        kind=found.kind,
        family=found.family.name,
        container=_container(file),
        naming=weights.naming,
        prefix=weights.prefix,
        storage=weights.storage(weights.stored),
        bytes=sum(info.nbytes for info in file.tensors.values()),
        parameters={part: weights.count(names) for part, names in found.parts.items()},
        width=width,
        ffn=ffn,
        layers=layers,
        context_layers=context_layers,
        noise=noise_of(file),
        fits=fits,
        needs=needs,
    )


def _container(file: TensorFile) -> str:
    if isinstance(file, GgufFile):
        return "gguf"
    return "sharded safetensors" if isinstance(file, ShardedFile) else "safetensors"


def _layers(found: Found) -> int | None:
    family = found.family
    if "base" in found.parts:
        return family.base_sizes(found.weights).layers
    return family.released_layers.get(family.adapter_sizes(found.weights)[0].width)


def _stated_layers(found: Found) -> Any:
    """What the metadata of the file gives as context layers, None if nothing."""
    text = found.weights.file.metadata.get(CONTEXT_LAYERS_KEY)
    try:
        return None if text is None else strict_json.parse(text)
    except ValueError:
        return text


def are_context_layers(numbers: Sequence[Any], blocks: int, layers: int | None = None) -> bool:
    """Whether these can be the context layers of an adapter of `blocks` blocks for a base of `layers`, if known."""
    if not blocks:
        return not numbers
    ascending = all(type(number) is int for number in numbers) and sorted({*numbers, 0}) == list(numbers)
    return ascending and len(numbers) == blocks and numbers[0] == 0 and numbers[-1] < (layers or math.inf)


def _checked(said: Any, blocks: int, layers: int | None, where: Path) -> tuple[int, ...]:
    numbers = cast("list[Any]", said) if isinstance(said, list) else []
    if not are_context_layers(numbers, blocks, layers):
        below = f" below {layers}" if layers else ""
        raise WeightsError(
            "context-layers-config",
            "{where} gives {said} as {key}. The adapter has {blocks} context blocks, so "
            "{blocks} ascending numbers from 0{below} are needed. Use the configuration that belongs to this "
            "model.",
            where=where,
            said=shortened(said),
            key=CONTEXT_LAYERS_KEY,
            blocks=blocks,
            below=below,
        )
    return tuple(numbers)


def noise_of(file: TensorFile) -> Noise | None:
    """Which of two experts a file is, where its name, its folder's or its metadata says so; weights do not tell."""
    folder = file.path.parent.name
    texts = [file.path.stem, folder if folder in EXPERT_FOLDERS[0] else ""]
    for text in (*texts, *(file.metadata.get(key, "") for key in NOISE_KEYS)):
        if noise := _noise_in(text):
            return noise
    return None


def _noise_in(text: str) -> Noise | None:
    """Which one of "high" and "low" is a word of `text`; None if neither or both are."""
    words: set[Noise] = set(NOISE.findall(text.lower()))
    return words.pop() if len(words) == 1 else None
