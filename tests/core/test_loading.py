"""From files to models: what is loaded computes what was saved, whatever the format, and nothing else is read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from filling import relative
from model_files import (
    LAYERS,
    SIZES,
    adapter,
    adapter_weights,
    base,
    base_weights,
    float8,
    full_weights,
    scaled_float8,
    vae_network,
    vae_weights,
    write_gguf,
    write_shards,
    write_sparse,
)
from refused import refused
from safetensors.torch import save_file

from vace_core.adapter import Attachment
from vace_core.errors import InputError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.loading.detection import identify
from vace_core.loading.load import load_adapter, load_base, load_vae, vae_sizes
from vace_core.models.wan.keys import diffusers_key, diffusers_vae_key
from vace_core.models.wan.vae import VaeSizes, WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae

NOWHERE = torch.device("meta")


@torch.no_grad()
def velocity(base_model, adapter_model):
    """What a base with an adapter computes from fixed inputs."""
    generator = torch.Generator().manual_seed(5)
    dtype = next(base_model.parameters()).dtype
    latents = torch.randn(1, 16, 2, 4, 4, generator=generator).to(dtype)
    context = torch.randn(1, 96, 2, 4, 4, generator=generator).to(dtype)
    text = torch.randn(1, 7, SIZES.text_width, generator=generator)
    attachment = Attachment(adapter=adapter_model, context=adapter_model.embed(context), strength=0.7)
    return base_model(latents, torch.tensor([0.6]), base_model.prepare_text(text), [attachment]).float()


def loaded(path, **options):
    return load_base(path, **options), load_adapter(path, context_layers=LAYERS, **options)


def as_diffusers(weights):
    return {diffusers_key(name): value for name, value in weights.items()}


def write_prefixed(folder: Path) -> Path:
    weights = {f"model.diffusion_model.{name}": value for name, value in full_weights().items()}
    # What else a ComfyUI checkpoint holds is none of a transformer's business.
    save_file(weights | {"vae.x": torch.ones(1), "text_encoders.y": torch.ones(1)}, folder / "a.safetensors")
    return folder / "a.safetensors"


def write_one(weights):
    def write(folder: Path) -> Path:
        save_file({name: value.contiguous() for name, value in weights().items()}, folder / "a.safetensors")
        return folder / "a.safetensors"

    return write


def write_diffusers(folder: Path) -> Path:
    write_shards(folder / "transformer", as_diffusers(full_weights()))
    (folder / "transformer" / "config.json").write_text(json.dumps({"vace_layers": list(LAYERS)}))
    save_file({"x": torch.ones(1)}, folder / "other.safetensors")
    return folder


LOSSLESS = {
    "official": write_one(full_weights),
    "shards": lambda folder: write_shards(folder, full_weights()),
    "prefixed": write_prefixed,
    "diffusers in one file": write_one(lambda: as_diffusers(full_weights())),
    "diffusers folder": write_diffusers,
    "gguf of float32": lambda folder: write_gguf(folder / "a.gguf", full_weights(), "F32"),
    "gguf with five dimensions": lambda folder: write_gguf(
        folder / "a.gguf", full_weights(), "F32", five_dims="as they are"
    ),
}
MARKER = {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)}
# Relative error that the rounding itself brings to this model (fp8: 4 significant bits, Q8_0: 8).
LOSSY = {
    "fp8": (write_one(lambda: float8(full_weights())), 0.08),
    "fp8 scaled": (write_one(lambda: scaled_float8(full_weights()) | MARKER), 0.08),
    "fp8 scaled, other suffix": (write_one(lambda: scaled_float8(full_weights(), ".weight_scale")), 0.08),
    "fp8 scaled, with input scales": (
        write_one(lambda: scaled_float8(full_weights()) | {"blocks.0.ffn.0.scale_input": torch.tensor(9.0)}),
        0.08,
    ),
    "fp8 scaled, diffusers": (
        write_one(lambda: {_renamed(name): value for name, value in scaled_float8(full_weights()).items()}),
        0.08,
    ),
    "fp8 scaled, described layer by layer": (
        write_one(
            lambda: (
                scaled_float8(full_weights(), ".weight_scale")
                | {
                    "blocks.0.ffn.0.comfy_quant": torch.tensor(list(b'{"format": "float8_e4m3fn"}'), dtype=torch.uint8),
                }
            )
        ),
        0.08,
    ),
    "gguf Q8_0": (lambda folder: write_gguf(folder / "a.gguf", full_weights(), "Q8_0"), 0.02),
    "gguf Q5_1": (lambda folder: write_gguf(folder / "a.gguf", full_weights(), "Q5_1"), 0.1),
    "gguf F16": (lambda folder: write_gguf(folder / "a.gguf", full_weights(), "F16"), 0.002),
    "gguf BF16": (lambda folder: write_gguf(folder / "a.gguf", full_weights(), "BF16"), 0.01),
}


def _renamed(name: str) -> str:
    stem = name.removesuffix(".scale_weight")
    return diffusers_key(name) if stem == name else f"{diffusers_key(stem)}.scale_weight"


@pytest.fixture(scope="module")
def wanted():
    return velocity(base(), adapter())


@pytest.mark.parametrize("case", LOSSLESS)
def test_a_loaded_model_computes_exactly_what_the_saved_one_did(tmp_path, wanted, case):
    models = loaded(LOSSLESS[case](tmp_path), dtype=torch.float32)
    assert velocity(*models).equal(wanted)


@pytest.mark.parametrize("case", LOSSY)
def test_a_quantised_model_computes_nearly_what_the_saved_one_did(tmp_path, wanted, case):
    write, tolerance = LOSSY[case]
    path = write(tmp_path)
    got = velocity(*loaded(path, dtype=torch.float32))
    assert 0 < relative(got, wanted) < tolerance


def test_a_scale_is_what_float8_is_multiplied_by(tmp_path):
    weights = base_weights()
    weights["head.head.weight"] = torch.full((64, 256), 2.0).to(torch.float8_e5m2)
    weights["head.head.scale_weight"] = torch.tensor([0.25])
    save_file(weights, tmp_path / "a.safetensors")
    assert load_base(tmp_path, dtype=torch.float32).head.head.weight.unique().tolist() == [0.5]


@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (base_weights, torch.float32),
        (lambda: {name: value.half() for name, value in base_weights().items()}, torch.float16),
        (lambda: {n: v.bfloat16() if v.dim() == 2 else v for n, v in base_weights().items()}, torch.bfloat16),
        (lambda: float8(base_weights()), torch.bfloat16),
        (lambda: scaled_float8(base_weights()), torch.bfloat16),
    ],
)
def test_weights_come_as_most_of_the_file_is_or_bfloat16_if_quantised(tmp_path, make, dtype):
    save_file(make(), tmp_path / "a.safetensors")
    assert {weight.dtype for weight in load_base(tmp_path).parameters()} == {dtype}
    assert {weight.dtype for weight in load_base(tmp_path, dtype=torch.float64).parameters()} == {torch.float64}


def test_a_quantised_gguf_comes_as_bfloat16(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", base_weights())
    assert {weight.dtype for weight in load_base(path).parameters()} == {torch.bfloat16}


def test_device(tmp_path):
    save_file(base_weights(), tmp_path / "a.safetensors")
    assert {weight.device for weight in load_base(tmp_path, device="meta").parameters()} == {NOWHERE}


def test_loaded_models_are_frozen_ready_and_hold_each_weight_once(tmp_path):
    save_file(full_weights(), tmp_path / "a.safetensors")
    vae_path = tmp_path / "vae.safetensors"
    save_file(vae_weights(), vae_path)
    models = [*loaded(tmp_path / "a.safetensors"), load_vae(vae_path).network]
    for model in models:
        assert not model.training
        for weight in model.parameters():
            assert not weight.requires_grad
            assert weight.untyped_storage().nbytes() == weight.nbytes


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts what the system read, which Linux tells")
@pytest.mark.parametrize("load", [load_base, load_adapter], ids=["base", "adapter"])
@pytest.mark.parametrize("case", ["official", "shards", "prefixed", "diffusers folder", "gguf of float32"])
def test_one_part_of_a_full_model_costs_no_more_than_its_own_bytes(tmp_path, load, case):
    path = LOSSLESS[case](tmp_path)
    load(path)  # imports and the like
    before = bytes_read()
    model = load(path)
    read = bytes_read() - before
    weights = sum(weight.nbytes for weight in model.parameters())
    header = 400_000  # read once or twice, with the block sizes of buffers
    assert weights <= read <= weights + header
    assert header < sum(value.nbytes for value in full_weights().values()) - weights


def bytes_read() -> int:
    """How many bytes this process has read from files so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a file with a hole")
def test_an_adapter_is_taken_out_of_a_file_larger_than_memory(tmp_path):
    path, huge = tmp_path / "a.safetensors", 1 << 40
    small = adapter_weights() | {"head.modulation": torch.ones(1, 2, 256)}
    header, data = {"blocks.0.ffn.0.bias": {"dtype": "U8", "shape": [huge], "data_offsets": [0, huge]}}, huge
    for name, value in small.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [data, data := data + value.nbytes]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.seek(huge, 1)
        for value in small.values():
            file.write(value.numpy().tobytes())
    loaded = load_adapter(path, context_layers=LAYERS).state_dict()
    assert all(loaded[name].equal(value) for name, value in adapter().state_dict().items())


def test_the_vae_computes_what_it_did(tmp_path):
    frames = torch.randn(1, 3, 5, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    wanted = WanVae(vae_network()).encode(frames)
    (tmp_path / "vae").mkdir()
    path = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({diffusers_vae_key(name): value for name, value in vae_weights().items()}, path)
    for prefix in ("", "vae.", "first_stage_model."):
        save_file({prefix + name: value for name, value in vae_weights().items()}, tmp_path / f"{prefix}safetensors")
    for path in (tmp_path, tmp_path / "safetensors", tmp_path / "vae.safetensors",
                 tmp_path / "first_stage_model.safetensors"):  # fmt: skip
        vae = load_vae(path, tile=16)
        assert vae.tile == 16
        assert WanVae(vae.network).encode(frames).equal(wanted)


def test_sizes_of_a_vae_come_from_its_weights(tmp_path):
    with NOWHERE:
        shapes = {name: tuple(value.shape) for name, value in WanVaeNetwork(width=24, blocks=3).state_dict().items()}
    path = write_sparse(tmp_path / "a.safetensors", shapes)
    assert vae_sizes(identify(open_checkpoint(path))) == VaeSizes(width=24, blocks=3)


def test_the_vae_of_a_folder_with_two_experts_is_no_choice(tmp_path):
    for name in ("transformer", "transformer_2", "vae"):
        (tmp_path / name).mkdir()
    save_file(vae_weights(), tmp_path / "vae" / "a.safetensors")
    assert load_vae(tmp_path).network.width == 8


def test_context_layers(tmp_path):
    save_file(adapter_weights(), tmp_path / "a.safetensors")
    with pytest.raises(InputError) as error:
        load_adapter(tmp_path)
    assert refused(error.value) == f"context-layers-missing: blocks=2, path={tmp_path / 'a.safetensors'}, width=256"
    assert load_adapter(tmp_path, context_layers=(0, 9)).context_layers == (0, 9)
    (tmp_path / "config.json").write_text('{"vace_layers": [0, 3]}')
    assert load_adapter(tmp_path).context_layers == (0, 3)
    for wrong in ((0, 1, 2), (2, 0), (1, 2), ()):
        with pytest.raises(InputError) as error:
            load_adapter(tmp_path, context_layers=wrong)
        assert refused(error.value) == (
            f"context-layers-wrong: blocks=2, context_layers={wrong}, path={tmp_path / 'a.safetensors'}"
        )


def test_layers_are_made_by_the_ops_that_are_given_and_without_memory(tmp_path):
    made = []

    class Linear(torch.nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            made.append(self.weight.device)

    class Ops:
        LayerNorm, RMSNorm = torch.nn.LayerNorm, torch.nn.RMSNorm

    Ops.Linear = Linear
    save_file(full_weights(), tmp_path / "a.safetensors")
    models = loaded(tmp_path, ops=Ops)
    layers = [layer for model in models for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    assert {type(layer) for layer in layers} == {Linear}
    assert made == [NOWHERE] * len(layers)
