"""A full model in two files and back: not a bit is lost, and the halves are what they say."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from model_files import (
    adapter_weights,
    base_weights,
    full_weights,
    scaled_float8,
    vae_weights,
    write_gguf,
    write_shards,
    write_sparse,
)
from refused import refused
from safetensors.torch import load_file, save_file

from vace_core.errors import AdapterMismatchError, InputError, UnsupportedModelError, WeightsError
from vace_core.loading.inspect import inspect
from vace_core.loading.repack import join_model, split_model
from vace_core.models.wan.keys import diffusers_key

MARKER = {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}


def mixed():
    """Weights in three types, as files in the wild have them."""
    return {
        name: value.to((torch.float32, torch.bfloat16, torch.float16)[number % 3])
        for number, (name, value) in enumerate(full_weights().items())
    }


def same_bits(a, b):
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype
        and a[name].shape == b[name].shape
        and a[name].reshape(-1).view(torch.uint8).equal(b[name].reshape(-1).view(torch.uint8))
        for name in a
    )


@pytest.mark.parametrize(
    "make",
    [mixed, lambda: scaled_float8(full_weights()) | MARKER, lambda: scaled_float8(full_weights(), ".weight_scale")],
)
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_split_then_join_gives_the_same_bits(tmp_path, make, prefix):
    weights = make()
    full, base, adapter, again = (tmp_path / f"{name}.safetensors" for name in ("full", "base", "adapter", "again"))
    save_file({prefix + name: value for name, value in weights.items()}, full, metadata={"modelspec.title": "x"})
    split_model(full, base, adapter)
    assert inspect(base).kind == "base"
    assert inspect(adapter).kind == "adapter"
    assert inspect(adapter).context_layers == inspect(full).context_layers == (0, 2)
    markers = MARKER.keys() & weights.keys()
    assert load_file(base).keys() & load_file(adapter).keys() == markers
    join_model(base, adapter, again)
    assert same_bits(load_file(again), weights)
    assert inspect(again).storage == inspect(full).storage


def test_what_else_a_checkpoint_holds_stays_with_the_base(tmp_path):
    full, base, adapter, again = (tmp_path / f"{name}.safetensors" for name in ("full", "base", "adapter", "again"))
    vae = {f"vae.{name}": value for name, value in vae_weights().items()}
    weights = {f"model.diffusion_model.{name}": value for name, value in mixed().items()} | vae
    save_file(weights, full, metadata={"vace_layers": "[0, 2]"})
    split_model(full, base, adapter)
    assert load_file(adapter).keys() == adapter_weights().keys()
    assert load_file(base).keys() == {f"model.diffusion_model.{name}" for name in base_weights()} | vae.keys()
    join_model(base, adapter, again)
    assert same_bits(load_file(again), weights)
    assert inspect(again) == dataclasses.replace(inspect(full), path=again)


def test_shards_with_names_of_diffusers_come_out_under_official_names(tmp_path):
    write_shards(tmp_path / "transformer", {diffusers_key(name): value for name, value in full_weights().items()})
    split_model(tmp_path, tmp_path / "base.safetensors", tmp_path / "adapter.safetensors")
    assert same_bits(load_file(tmp_path / "base.safetensors"), base_weights())
    assert same_bits(load_file(tmp_path / "adapter.safetensors"), adapter_weights())


@pytest.mark.parametrize(
    ("base", "adapter"), [("out", "out"), ("full", "out"), ("out", "full"), ("out", "sub/../full")]
)
def test_outputs_that_would_destroy_one_another_are_refused(tmp_path, base, adapter):
    (tmp_path / "sub").mkdir()
    full, base, adapter = (tmp_path / f"{name}.safetensors" for name in ("full", base, adapter))
    save_file(full_weights(), full)
    before = full.read_bytes()
    with pytest.raises(InputError) as error:
        split_model(full, base, adapter)
    assert refused(error.value) == f"split-onto-itself: adapter_out={adapter}, base_out={base}, path={full}"
    assert full.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["full.safetensors"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("base.gguf", "file-ending"), ("base", "file-ending"), ("none/base.safetensors", "folder-missing")],
)
def test_nothing_is_written_where_one_of_the_files_cannot_be(tmp_path, name, code):
    full, base, adapter = (tmp_path / f"{name}.safetensors" for name in ("full", "base", "adapter"))
    for path, weights in ((full, full_weights()), (base, base_weights()), (adapter, adapter_weights())):
        save_file(weights, path)
    for act in (
        lambda: split_model(full, tmp_path / "out" / name, tmp_path / "out" / "a.safetensors"),
        lambda: join_model(base, adapter, tmp_path / "out" / name),
    ):
        (tmp_path / "out").mkdir(exist_ok=True)
        with pytest.raises(InputError) as error:
            act()
        assert error.value.code == code
        assert not list((tmp_path / "out").iterdir())


def test_shards_are_not_overwritten_by_their_own_halves(tmp_path):
    index = write_shards(tmp_path, full_weights())
    shard = tmp_path / "diffusion_pytorch_model-00001-of-00002.safetensors"
    with pytest.raises(InputError):
        split_model(index, tmp_path / "base.safetensors", shard)
    assert inspect(index).kind == "vace"


def test_a_joined_model_may_take_the_place_of_its_base(tmp_path):
    base, adapter = tmp_path / "base.safetensors", tmp_path / "adapter.safetensors"
    save_file(base_weights(), base)
    save_file(adapter_weights(), adapter)
    join_model(base, adapter, base)
    assert same_bits(load_file(base), full_weights())


def test_what_cannot_be_split_or_joined_is_named(tmp_path):
    base, full, out = tmp_path / "base.safetensors", tmp_path / "full.safetensors", tmp_path / "out.safetensors"
    save_file(base_weights(), base)
    save_file(full_weights(), full)
    with pytest.raises(WeightsError) as error:
        split_model(base, out, tmp_path / "other")
    assert refused(error.value) == f"weights-other-part: needed=a base together with its adapter, path={base}"
    with pytest.raises(WeightsError) as error:
        join_model(full, base, out)
    assert refused(error.value) == f"weights-other-part: needed=a base without adapter, path={full}"
    gguf = write_gguf(tmp_path / "a.gguf", full_weights())
    with pytest.raises(UnsupportedModelError) as error:
        split_model(gguf, out, tmp_path / "other")
    assert refused(error.value) == f"gguf-not-copied: path={gguf}"
    assert not out.exists()


def test_an_adapter_of_another_base_is_not_joined(tmp_path):
    base, adapter, out = (tmp_path / f"{name}.safetensors" for name in ("base", "adapter", "out"))
    save_file(base_weights(), base)
    shapes = {name: tuple(value.shape) for name, value in adapter_weights().items()}
    write_sparse(adapter, shapes | {f"vace_blocks.{index}.norm3.bias": (256,) for index in range(7)})
    with pytest.raises(AdapterMismatchError) as error:
        join_model(base, adapter, out)
    assert refused(error.value) == (
        f"adapter-width: adapter={adapter}, base={base}, base_blocks=4, base_ffn=384, "
        "base_width=256, ffn=384, least_blocks=7, width=256"
    )
    assert not out.exists()
