"""Quantised weights that stay as their file stores them: the same numbers from fewer bytes, wherever they are."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from model_files import LAYERS, SIZES, float8, full_weights, scaled_float8, write_gguf
from pretended_card import Card
from safetensors.torch import save_file

from vace_core.adapter import Attachment
from vace_core.files import packed
from vace_core.loading.load import load_adapter, load_base
from vace_core.models.wan.keys import diffusers_key


def write_safetensors(make):
    def write(folder):
        save_file(make(full_weights()), folder / "a.safetensors")
        return folder / "a.safetensors"

    return write


def as_diffusers(weights):
    scales = {name: value for name, value in weights.items() if name.endswith(SCALE)}
    renamed = {f"{diffusers_key(name.removesuffix(SCALE))}{SCALE}": value for name, value in scales.items()}
    return renamed | {diffusers_key(name): value for name, value in weights.items() if name not in scales}


SCALE = ".scale_weight"
FILES = {
    "fp8": write_safetensors(float8),
    "fp8 scaled": write_safetensors(scaled_float8),
    "fp8 scaled, diffusers": write_safetensors(lambda weights: as_diffusers(scaled_float8(weights))),
    "gguf Q8_0": lambda folder: write_gguf(folder / "a.gguf", full_weights(), "Q8_0"),
    "gguf Q4_0": lambda folder: write_gguf(folder / "a.gguf", full_weights(), "Q4_0"),
}


@torch.no_grad()
def velocity(base, adapter, device="cpu"):
    generator = torch.Generator().manual_seed(5)
    sizes = ((1, 16, 2, 4, 4), (1, 96, 2, 4, 4), (1, 7, SIZES.text_width))
    latents, context, words = (torch.randn(size, generator=generator).to(device) for size in sizes)
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    return base(latents, torch.tensor([0.6]), base.prepare_text(words), [attachment]).cpu()


def models(path, **options):
    return load_base(path, **options), load_adapter(path, context_layers=LAYERS, **options)


def held(parts):
    return sum(weight.nbytes for part in parts for weight in part.parameters())


@pytest.mark.parametrize("kind", packed.BLOCKS)
def test_blocks_become_the_numbers_that_the_gguf_package_makes_of_them(monkeypatch, kind):
    form = gguf.GGMLQuantizationType[kind]
    block, width = gguf.GGML_QUANT_SIZES[form]
    blocks = np.random.default_rng(1).integers(0, 256, (5, 4, width), dtype=np.uint8)
    halves = {18: [0], 20: [0, 2], 22: [0], 24: [0, 2], 34: [0], 84: [80, 82], 110: [108], 144: [0, 2], 176: [0, 2]}
    for start in halves.get(width, [208]):
        blocks[..., start + 1] &= 0b10111011  # neither infinite nor no number
    rows = blocks.reshape(5, -1)
    wanted = gguf.quants.dequantize(rows, form)
    assert np.isfinite(wanted).all()
    monkeypatch.setattr(packed, "PIECE", 2 * 4 * block)
    got = packed.from_blocks(kind, torch.from_numpy(rows), torch.float32)
    assert got.equal(torch.from_numpy(wanted))


@pytest.mark.parametrize("case", FILES)
def test_a_model_kept_packed_computes_what_the_expanded_one_does(tmp_path, case):
    path = FILES[case](tmp_path)
    kept = models(path, dtype=torch.float32, keep_packed=True)
    expanded = models(path, dtype=torch.float32)
    assert velocity(*kept).equal(velocity(*expanded))
    assert held(kept) < held(expanded) / 3


def test_what_is_no_matrix_is_in_the_numbers_that_are_computed_in(tmp_path):
    save_file(scaled_float8(full_weights()), tmp_path / "a.safetensors")
    base, adapter = models(tmp_path, keep_packed=True)
    kinds = {name: weight.dtype for part in (base, adapter) for name, weight in part.named_parameters()}
    assert {dtype for name, dtype in kinds.items() if not name.endswith(".weight")} == {torch.bfloat16}
    assert kinds["patch_embedding.weight"] == kinds["context_embedder.weight"] == torch.bfloat16
    assert kinds["blocks.0.ffn.0.weight"] == kinds["after_proj.1.weight"] == torch.float8_e4m3fn
    assert velocity(base, adapter).isfinite().all()


@pytest.mark.parametrize("case", ["fp8 scaled", "gguf Q4_0"])
def test_a_card_takes_them_as_they_are_stored(tmp_path, case):
    kept = models(FILES[case](tmp_path), dtype=torch.float32, keep_packed=True)
    wanted = velocity(*kept)
    with Card(2**30) as card:
        for part in kept:
            part.to(card.device)
        assert card.copied == held(kept)
        assert velocity(*kept, card.device).equal(wanted)


def test_blocks_that_cannot_stay_are_expanded_and_that_is_said(tmp_path, monkeypatch, caplog):
    path = FILES["gguf Q8_0"](tmp_path)
    monkeypatch.delitem(packed.BLOCKS, "Q8_0")
    assert {weight.dtype for weight in load_base(path, keep_packed=True).parameters()} == {torch.bfloat16}
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["a.gguf stores weights as Q8_0"]
