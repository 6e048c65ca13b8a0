"""The networks behind the indicators, loaded from files by well-kept libraries; nothing is fetched.

A weights folder holds, under these names, what is to be measured with; what is not there is not measured.

| name | what it is |
|---|---|
| `dino/` | DINO ViT-B/16 in the format of transformers (facebook/dino-vitb16) |
| `clip-b32/` | CLIP ViT-B/32 in the format of transformers (openai/clip-vit-base-patch32) |
| `clip-l14/` | CLIP ViT-L/14 in the format of transformers (openai/clip-vit-large-patch14), with its tokenizer |
| `aesthetic.safetensors` | LAION's linear head for CLIP ViT-L/14 (sa_0_4_vit_l_14_linear) |
| `raft.safetensors` | RAFT (large) in torchvision's names (raft_large_C_T_V1, ported from raft-things) |
| `viclip.safetensors` | ViCLIP (ViClip-InternVid-10M-FLT) |
| `musiq.safetensors` | MUSIQ trained on SPAQ |
| `amt-s.safetensors` | AMT-S, for non-commercial use (CC BY-NC 4.0) |

Pickles are refused, as for all weights of this library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ModelError, WeightsError
from ..files.checkpoint import open_checkpoint
from ..files.replacing import reason

Embed: TypeAlias = Callable[[Tensor], Tensor]
"""Pictures `(N, 3, h, w)`, normalised as the network wants them → features `(N, D)`."""

Flow: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Two pictures `(1, 3, H, W)`, 0..255 → motion `(2, H, W)` in pixels, right and down."""

Interpolate: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Two pictures `(1, 3, H, W)`, 0..1 → the one half way between them."""

Compare: TypeAlias = Callable[[Tensor, str], tuple[Tensor, Tensor]]
"""Eight pictures `(8, 3, 224, 224)` and a prompt → features `(D,)` of both."""

BATCH = 16  # pictures at a time
RAFT_UPDATES, LEAST = 20, 128  # times the flow is refined; pixels of a side that networks of motion need


def library(name: str, what: str) -> Any:
    """A Python package that a network comes from.

    Raises:
        ModelError: it is not installed, or fails to be imported.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            "evaluation-library",
            "The Python package {name} cannot be imported ({error}). {what} is measured with it. Install it with: "
            "pip install transformers torchvision ftfy",
            name=name,
            what=what,
            error=reason(error),
        ) from error


def state_of(path: Path) -> dict[str, Tensor]:
    """All tensors of a file of weights, float32.

    Raises:
        WeightsError: it is missing, damaged or a pickle.
    """
    file = open_checkpoint(path)
    return {name: file.read(name).float() for name in file.tensors}


def filled(network: nn.Module, path: Path, state: Mapping[str, Tensor], what: str) -> nn.Module:
    """`network` with the weights of a file, ready to be asked.

    Raises:
        WeightsError: the file is of another model.
    """
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in state.items()}
    missing = sorted(name for name, shape in ours.items() if theirs.get(name) != shape)
    if missing:
        raise another_model(path, what, missing)
    network.load_state_dict(dict(state), strict=False)
    return network.eval().requires_grad_(False)


def another_model(path: Path, what: str, missing: list[str]) -> WeightsError:
    """The error for weights that do not fill a network."""
    return WeightsError(
        "metric-weights",
        "The weights {path} do not fit {what}: {count} of its tensors are missing or of another shape, such as "
        "{first}. The weights of that very model are needed. Choose another file.",
        path=path,
        what=what,
        count=len(missing),
        first=missing[0],
    )


def load_dino(path: Path, device: torch.device) -> Embed:
    """DINO's class token, at any size; positions are resized as the original does.

    Source: facebookresearch/dino, vision_transformer.py.
    """
    model = _pretrained("ViTModel", path, "DINO", add_pooling_layer=False).to(device)
    embeddings = model.embeddings

    def positions(tokens: Tensor, height: int, width: int) -> Tensor:
        # The original adds a tenth of a patch, which moves the grid a little; transformers does not.
        table, side = embeddings.position_embeddings, embeddings.patch_size
        count = round((table.shape[1] - 1) ** 0.5)
        if tokens.shape[1] == table.shape[1] and height == width:
            return table
        grid = table[:, 1:].reshape(1, count, count, -1).permute(0, 3, 1, 2)
        scale = tuple((length // side + 0.1) / count for length in (height, width))
        resized = functional.interpolate(grid, scale_factor=scale, mode="bicubic")
        return torch.cat((table[:, :1], resized.flatten(2).transpose(1, 2)), dim=1)

    embeddings.interpolate_pos_encoding = positions

    def embed(pictures: Tensor) -> Tensor:
        return model(pictures.to(device), interpolate_pos_encoding=True).last_hidden_state[:, 0].float().cpu()

    return _in_batches(embed)


def load_clip(path: Path, device: torch.device) -> Embed:
    """CLIP's features of pictures."""
    model = _pretrained("CLIPVisionModelWithProjection", path, "CLIP").to(device)
    return _in_batches(lambda pictures: model(pictures.to(device)).image_embeds.float().cpu())


def load_head(path: Path) -> tuple[Tensor, Tensor]:
    """Weight `(1, D)` and bias `(1,)` of the aesthetic head."""
    state = state_of(path)
    missing = [name for name in ("weight", "bias") if name not in state]
    if missing or state["weight"].ndim != 2 or len(state["weight"]) != 1:
        raise another_model(path, "LAION's linear head", missing or ["weight"])
    return state["weight"], state["bias"]


def padding_to(height: int, width: int, cell: int) -> tuple[int, int, int, int]:
    """Pixels left, right, above and below up to whole cells: centred as RAFT and AMT pad.

    Both compare places at an eighth of the size and at four sizes, of which the coarsest needs two: 128 pixels a side.
    """
    across, down = (max(-side % cell, LEAST - side) for side in (width, height))
    return across // 2, across - across // 2, down // 2, down - down // 2


def load_raft(path: Path, device: torch.device) -> Flow:
    """RAFT's motion between two pictures, which are padded to whole cells of eight pixels."""
    models = library("torchvision.models.optical_flow", "Dynamic degree")
    network = filled(models.raft_large(weights=None, progress=False), path, state_of(path), "RAFT").to(device)

    @torch.no_grad()
    def flow(before: Tensor, after: Tensor) -> Tensor:
        height, width = before.shape[2:]
        left, _, top, _ = pads = padding_to(height, width, 8)
        both = [functional.pad(one.to(device) / 127.5 - 1, pads, mode="replicate") for one in (before, after)]
        found = network(*both, num_flow_updates=RAFT_UPDATES)[-1]
        return found[0, :, top : top + height, left : left + width].float().cpu()

    return flow


def _pretrained(kind: str, path: Path, what: str, **options: Any) -> Any:
    """A model of transformers out of a local folder, of which every weight is in the files."""
    transformers = library("transformers", what)
    if not path.is_dir():
        raise WeightsError(
            "metric-folder",
            "There is no folder {path}. A folder with config.json and model.safetensors is needed for {what}. "
            "Download it with its publisher's tools first.",
            path=path,
            what=what,
        )
    try:
        model, found = getattr(transformers, kind).from_pretrained(
            path, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise WeightsError(
            "metric-folder-unread",
            "The folder {path} cannot be read as {what} ({error}). config.json and model.safetensors of that model "
            "are needed. Download it again.",
            path=path,
            what=what,
            error=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error
    missing = sorted(found["missing_keys"]) + [str(key[0]) for key in found.get("mismatched_keys", ())]
    if missing:
        raise another_model(path, what, missing)
    return model.float().eval().requires_grad_(False)


def _in_batches(embed: Embed) -> Embed:
    @torch.no_grad()
    def batched(pictures: Tensor) -> Tensor:
        return torch.cat([embed(some) for some in pictures.split(BATCH)])

    return batched
