"""The starter model: a small VACE that ships with the package and edits clips of its synthetic world on any CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ..errors import ModelError
from ..inputs.fitting import ResolutionPreset
from ..loading.assembly import lora_changes
from ..loading.load import load_adapter, load_base, load_vae
from ..loading.lora import Lora
from ..loading.profiles import Profile
from ..models import layers
from ..models.wan.dit import GRID, WanSizes, encode_masks
from ..models.wan.family import WAN
from ..models.wan.vae import VaeSizes
from ..pipeline import Expert, SamplingOptions, VaceModel
from .scenes.text import SceneText

WEIGHTS = Path(__file__).with_name("weights")
PARTS = ("vae", "base", "adapter")

SIDE, LENGTH = 96, 17
STARTER_PRESET = ResolutionPreset(
    grid=GRID, max_area=SIDE * SIDE, max_tokens=GRID.tokens(LENGTH, SIDE, SIDE), fps=8.0, usual_frames=LENGTH
)  # the size and length that most of the clips it was trained on have
STARTER_OPTIONS = SamplingOptions(steps=4, shift=3.0, guidance_scale=2.0, solver="euler", negative_prompt="")
STARTER = Profile(
    name="starter",
    title="The starter: a small model of drawn shapes, faces and people, which ships",
    family=WAN,
    rule=STARTER_PRESET,
    size=(SIDE, SIDE),
    options=STARTER_OPTIONS,
    pair_options=STARTER_OPTIONS,
    base=WanSizes(width=256, ffn=768, layers=8),
    context_blocks=4,
    vae=VaeSizes(width=16, blocks=1),
)


def load_starter(
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    folder: Path = WEIGHTS,
    ops: ModuleType | Any = layers,
    lora: Sequence[Lora] = (),
    adapter: Path | None = None,
) -> VaceModel:
    """The starter, ready to run: base, adapter, VAE and its own words.

    Args:
        device: Where the weights go.
        dtype: What they are computed in; they are stored in half precision.
        folder: Holds vae.safetensors, base.safetensors and adapter.safetensors.
        ops: Where the layers of base and adapter come from, as for `load_base`.
        lora: LoRA files, merged into base and adapter in this order.
        adapter: The file of another adapter in the place of its own.

    Raises:
        ModelError: a file is missing or damaged, or the adapter or a LoRA does not fit the base.
    """
    vae, base, own = (part_file(folder, part) for part in PARTS)
    adapter = own if adapter is None else adapter
    (changes,) = lora_changes(lora, [base], [adapter])
    network = load_base(base, dtype=dtype, device=device, ops=ops, changes=changes)
    model = VaceModel(
        expert=Expert(base=network),
        vae=load_vae(vae, dtype=dtype, device=device),
        text=SceneText(),
        encode_masks=encode_masks,
    )
    return model.attach(load_adapter(adapter, dtype=dtype, device=device, ops=ops, changes=changes))


def is_starter_folder(folder: Path) -> bool:
    """Whether `folder` has the layout that `load_starter` takes."""
    return all((folder / f"{part}.safetensors").is_file() for part in PARTS)


def part_file(folder: Path, part: str) -> Path:
    """The file of one of `PARTS`.

    Raises:
        ModelError: it is not there.
    """
    path = folder / f"{part}.safetensors"
    if not path.is_file():
        raise ModelError(
            "starter-file-missing",
            "The starter model lacks its file {path}. The three files vae, base and adapter (.safetensors) are "
            "needed. Install the package again, or choose another model.",
            path=path,
        )
    return path
