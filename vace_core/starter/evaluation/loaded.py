"""The starter from its files, with or without an adapter, in the precision that an evaluation takes."""

from __future__ import annotations

from pathlib import Path

import torch

from ...loading.load import load_adapter, load_base, load_vae
from ...models.wan.dit import encode_masks
from ...pipeline import Expert, VaceModel
from ...training.precision import training_dtype
from ..scenes.text import SceneText


def load_scenes(base: Path, vae: Path, adapter: Path | None = None, *, dtype: torch.dtype | None = None) -> VaceModel:
    """The networks of a starter that may still be in training.

    Args:
        base: File of the base.
        vae: File of the VAE.
        adapter: File of the adapter; None = the base alone.
        dtype: What all are computed in; None = what the processor is fast at.

    Raises:
        WeightsError: a file is damaged, or holds something else.
        AdapterMismatchError: the adapter does not fit the base.
    """
    dtype = dtype or training_dtype()
    model = VaceModel(
        expert=Expert(base=load_base(base, dtype=dtype)),
        vae=load_vae(vae, dtype=dtype),
        text=SceneText(),
        encode_masks=encode_masks,
    )
    return model if adapter is None else model.attach(load_adapter(adapter, dtype=dtype))
