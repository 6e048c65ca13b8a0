"""From a path to tensors: a file of any known format, shards with an index, or the folder that holds them.

Pickle files (.pth, .pt, .ckpt, .bin) are refused unopened: opening one can run whatever its maker put into it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from torch import Tensor

from ..errors import WeightsError, shortened
from . import strict_json
from .gguf_format import MAGIC, GgufFile
from .safetensors_format import SafetensorsFile
from .tensors import TensorFile, TensorInfo, damaged

Part = Literal["transformer", "vae", "text_encoder"]

WEIGHTS = (".safetensors", ".sft", ".gguf")
INDEX = ".safetensors.index.json"
PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl")
PICKLE_MAGICS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")
SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}\.safetensors")


def open_checkpoint(path: str | Path, part: Part = "transformer") -> TensorFile:
    """What `path` holds, known from headers alone; tensors are read one by one afterwards.

    Args:
        path: A .safetensors or .gguf file, an index of shards (.safetensors.index.json), or a folder with one of these.
        part: Which model, where a folder holds several in subfolders of these names (diffusers).

    Raises:
        WeightsError: nothing there, a choice of several, a pickle file, or a file that is damaged.
        UnsupportedModelError: weights of a type that cannot be read.
    """
    path = Path(path)
    try:
        return _open(find_file(path, part))
    except OSError as error:
        raise WeightsError(
            "weights-unreadable",
            "{path} cannot be read: {error}. A readable file or folder of weights is needed. Check the path "
            "and its permissions.",
            path=path,
            error=error.strerror or error,
        ) from error


def find_file(path: Path, part: Part = "transformer") -> Path:
    """The file or index that `path` means: itself, or the only one in the folder of `part`."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(
            "weights-missing",
            "There is no file at {path}. A .safetensors or .gguf file, or a folder with one, is needed. Check "
            "the path.",
            path=path,
        )
    if part == "transformer":
        _refuse_experts(path)
    folder = path / part if (path / part).is_dir() else path
    files = sorted(file for file in folder.iterdir() if file.is_file())
    found = [file for file in files if file.name.endswith((*WEIGHTS, INDEX)) and not _is_indexed(file)]
    if len(found) == 1:
        return found[0]
    pickles = [file for file in files if file.suffix in PICKLES]
    if not found and pickles:
        raise _pickled(pickles[0])
    raise WeightsError(
        "weights-ambiguous",
        "{folder} holds {listed}. One model is needed: a .safetensors or .gguf file, or an index of "
        "shards. Give the path of the file you mean.",
        folder=folder,
        listed=_listed(found),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file that holds a table; {} if there is no such file.

    Raises:
        WeightsError: it is not JSON, not a table, or absurdly large.
    """
    if not path.is_file():
        return {}
    try:
        found = strict_json.parse(path.read_bytes()) if path.stat().st_size <= strict_json.MAX_JSON else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise WeightsError(
            "weights-json",
            "{path} is not a JSON table. One as it was published with the weights is needed. Download it again.",
            path=path,
        )
    return cast("dict[str, Any]", found)


class ShardedFile:
    """Several safetensors files that an index makes one.

    Raises:
        WeightsError: a shard is missing or damaged, lacks what the index promises, or lies outside the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        places = read_json(path).get("weight_map")
        if not isinstance(places, dict):
            raise damaged(path, "it has no weight_map that says which shard holds which weight")
        places = cast("dict[str, Any]", places)
        shards: dict[str, SafetensorsFile] = {}
        for shard in places.values():
            if not isinstance(shard, str) or shard not in shards:  # a list or a table cannot even be looked up
                shards[shard] = SafetensorsFile(_shard_path(path, shard))
        self.paths = (path, *(shard.path for shard in shards.values()))
        self._shards = {name: shards[shard] for name, shard in places.items()}
        lost = [name for name, shard in self._shards.items() if name not in shard.tensors]
        if lost:
            raise damaged(path, f"{shortened(places[lost[0]])} does not hold {shortened(lost[0])}, as the index says")
        self.tensors: Mapping[str, TensorInfo] = {name: file.tensors[name] for name, file in self._shards.items()}
        self.metadata: Mapping[str, str] = next((shard.metadata for shard in shards.values()), {})

    def read(self, name: str) -> Tensor:
        return self._shards[name].read(name)

    def read_bytes(self, name: str) -> Tensor:
        return self._shards[name].read_bytes(name)


def _open(path: Path) -> TensorFile:
    if path.suffix.lower() in PICKLES:
        raise _pickled(path)
    if path.suffix.lower() == ".json":
        return ShardedFile(path)
    with path.open("rb") as file:
        magic = file.read(9)
    if magic.startswith(MAGIC):
        return GgufFile(path)
    # A safetensors file starts with the length of its header, which can be any bytes, and then has a brace.
    if magic.startswith(PICKLE_MAGICS) and magic[8:] != b"{":
        raise _pickled(path)
    if _is_indexed(path):
        raise WeightsError(
            "weights-shard",
            "{path} is one shard of several. All of them are needed. Choose {index} or the folder.",
            path=path,
            index=_index_of(path).name,
        )
    return SafetensorsFile(path)


def _pickled(path: Path) -> WeightsError:
    name = path.with_suffix(".safetensors").name
    return WeightsError(
        "weights-pickled",
        "{path} is a pickle file; opening one can run code hidden in it, so it was not opened. The same "
        "weights as .safetensors are needed. Download those, or convert the file once if you trust "
        'it:\n    import torch, safetensors.torch as st; weights = torch.load("{name}", "cpu", '
        "weights_only=True)\n    st.save_file({{k: v.contiguous() for k, v in weights.items()}}, "
        '"{target}")',
        path=path,
        name=path.name,
        target=name,
    )


def _refuse_experts(path: Path) -> None:
    for high, low in (("high_noise_model", "low_noise_model"), ("transformer", "transformer_2")):
        if (path / high).is_dir() and (path / low).is_dir():
            raise WeightsError(
                "weights-experts",
                "{path} holds two models, one for high noise and one for low. One of them is needed here. Give "
                "{high} or {low}.",
                path=path,
                high=path / high,
                low=path / low,
            )


def _shard_path(index: Path, shard: Any) -> Path:
    if not isinstance(shard, str) or not re.fullmatch(r"[^/\\:\0]+\.(safetensors|sft)", shard):
        raise damaged(index, f"it names the shard {shortened(shard)}, which is no safetensors file of its folder")
    path = index.parent / shard
    if not path.is_file():
        raise damaged(index, f"the shard {shortened(shard)} is not beside it")
    return path


def _index_of(shard: Path) -> Path:
    match = SHARD.fullmatch(shard.name)
    return shard.with_name(f"{match[1]}{INDEX}" if match else shard.name)


def _is_indexed(path: Path) -> bool:
    """Whether `path` is a shard whose index lies beside it."""
    index = _index_of(path)
    return index != path and index.is_file()


def _listed(files: list[Path]) -> str:
    more = [f"{len(files) - 5} more"] if len(files) > 5 else []
    return " and ".join([*(shortened(file.name) for file in files[:5]), *more]) if files else "no file of weights"
