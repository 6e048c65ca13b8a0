"""LTX-Video's files: told by their headers, loaded, split and joined, and run by the command."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import tiny_ltx
import torch
from filling import fill
from model_files import scaled_float8, text_encoder, vae_weights, write_gguf, write_sparse
from refused import refused
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from vace_core.adapter import Attachment
from vace_core.cli import app
from vace_core.errors import UnsupportedModelError, WeightsError
from vace_core.loading.inspect import inspect
from vace_core.loading.load import load_adapter, load_base, load_vae
from vace_core.loading.repack import join_model, split_model
from vace_core.models import FAMILIES
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx import keys as ltx_keys
from vace_core.models.ltx.vae import LtxVaeNetwork

SIZES = ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32)
LAYERS = (0, 2)
UNREAD = {f"vae.per_channel_statistics.{name}": torch.ones(128) for name in ("mean-of-stds", "channel")}
RELEASED = tuple(range(28))


def base_weights():
    return dict(fill(ltx.LtxDit(SIZES), 1).state_dict())


def adapter_weights():
    weights = fill(ltx.build_adapter(SIZES, LAYERS), 2).state_dict()
    return {ltx_keys.official_adapter_key(name, LAYERS): value for name, value in weights.items()}


def checkpoint():
    """As the released file is: transformer with its context blocks, and the VAE, each behind a prefix."""
    transformer = {f"model.diffusion_model.{k}": v for k, v in (base_weights() | adapter_weights()).items()}
    vae = {f"vae.{name}": value for name, value in tiny_ltx.vae_network(8).state_dict().items()}
    return {name: value.contiguous() for name, value in (transformer | vae | UNREAD).items()}


@pytest.fixture
def path(tmp_path):
    metadata = {"config": json.dumps({"transformer": {"context_num_layers": list(LAYERS)}})}
    save_file(checkpoint(), tmp_path / "ltx-video-2b-v0.9.safetensors", metadata)
    return tmp_path / "ltx-video-2b-v0.9.safetensors"


def released_shapes(blocks=28):
    sizes = ltx.LtxSizes(width=2048, ffn=8192, layers=28)
    with torch.device("meta"):
        base, adapter = ltx.LtxDit(sizes), ltx.build_adapter(sizes, range(blocks))
    named = {ltx_keys.official_adapter_key(k, range(blocks)): v for k, v in adapter.state_dict().items()}
    return {name: tuple(value.shape) for name, value in (base.state_dict() | named).items()}


def test_the_released_sizes_are_told_by_header(tmp_path):
    found = inspect(write_sparse(tmp_path / "a.safetensors", released_shapes()))
    assert (found.kind, found.width, found.ffn, found.layers) == ("vace", 2048, 8192, 28)
    assert found.context_layers == RELEASED
    # The number of the public LTXV 2B without its VAE.
    assert found.parameters["base"] == 1_923_385_472
    assert found.needs == ("the LTX-Video 0.9 VAE", "the T5-XXL text encoder")


def test_an_adapter_alone_knows_its_base_and_its_layers(tmp_path):
    found = inspect(write_sparse(tmp_path / "a.safetensors", {
        name: shape for name, shape in released_shapes(3).items() if name.startswith(ltx_keys.ADAPTER_NAMES)
    }))  # fmt: skip
    assert (found.kind, found.layers, found.context_layers) == ("adapter", 28, (0, 1, 2))
    assert found.fits == "LTX-Video bases of width 2048 with 28 blocks"
    assert found.needs[0] == "an LTX-Video base of width 2048 with 28 blocks"


@torch.no_grad()
def test_a_loaded_model_computes_exactly_what_the_saved_one_did(path):
    generator = torch.Generator().manual_seed(5)
    latents, context = (torch.randn(1, channels, 2, 2, 2, generator=generator) for channels in (128, 384))
    text = torch.randn(1, 7, SIZES.text_width, generator=generator)

    def velocity(base, adapter):
        attachment = Attachment(adapter=adapter, context=adapter.embed(context), strength=0.7)
        return base(latents, torch.tensor([0.6]), base.prepare_text(text, fps=25.0), [attachment])

    wanted = velocity(fill(ltx.LtxDit(SIZES), 1), fill(ltx.build_adapter(SIZES, LAYERS), 2))
    adapter = load_adapter(path)
    assert adapter.context_layers == LAYERS
    assert velocity(load_base(path), adapter).equal(wanted)
    frames = tiny_ltx.clip()
    assert load_vae(path).encode(frames).equal(tiny_ltx.LtxVae(tiny_ltx.vae_network(8)).encode(frames))


def test_scaled_float8_comes_back(tmp_path):
    save_file(scaled_float8(base_weights()), tmp_path / "a.safetensors")
    assert inspect(tmp_path).storage == "F8_E4M3 scaled"
    assert {weight.dtype for weight in load_base(tmp_path).parameters()} == {torch.bfloat16}


def test_split_then_join_gives_the_same_file(path, tmp_path):
    """The released file holds the VAE too, which goes with the base."""
    base, adapter, again = (tmp_path / f"{name}.safetensors" for name in ("base", "adapter", "again"))
    split_model(path, base, adapter)
    assert (inspect(base).kind, inspect(adapter).kind) == ("base", "adapter")
    assert inspect(adapter).context_layers == LAYERS
    assert load_file(adapter).keys() == adapter_weights().keys()
    frames = tiny_ltx.clip()
    assert load_vae(base).encode(frames).equal(load_vae(path).encode(frames))
    join_model(base, adapter, again)
    wanted, got = checkpoint(), load_file(again)
    assert got.keys() == wanted.keys()
    assert all(value.equal(wanted[name]) for name, value in got.items())
    assert inspect(again).parameters == inspect(path).parameters


def test_the_command_splits_and_joins(path, tmp_path):
    base, adapter, again = (tmp_path / f"{name}.safetensors" for name in ("base", "adapter", "again"))
    for words in (("split", path, base, adapter), ("join-weights", base, adapter, again)):
        done = CliRunner().invoke(app, [*map(str, words)])
        assert done.exit_code == 0, done.stderr
    wanted, got = checkpoint(), load_file(again)
    assert got.keys() == wanted.keys()
    assert all(value.equal(wanted[name]) for name, value in got.items())


def test_gguf_is_not_split(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", base_weights() | adapter_weights())
    done = CliRunner().invoke(app, ["split", *map(str, (path, tmp_path / "b.safetensors", tmp_path / "c.safetensors"))])
    assert done.exit_code == 4
    assert refused(done.exception) == f"gguf-not-copied: path={path}"
    assert [file.name for file in tmp_path.iterdir()] == ["a.gguf"]


def test_a_later_model_is_named(tmp_path):
    metadata = {"config": json.dumps({"transformer": {"causal_temporal_positioning": True}})}
    save_file(base_weights(), tmp_path / "a.safetensors", metadata)
    with pytest.raises(UnsupportedModelError) as error:
        inspect(tmp_path)
    assert refused(error.value) == (
        f"model-unsupported: known=Wan 2.1 and LTX-Video 0.9, path={tmp_path / 'a.safetensors'}, "
        "what=an LTX-Video model of version 0.9.5 or later, which places frames in time in "
        "another way"
    )


@pytest.mark.parametrize("said", ["", "[", "[]", '{"transformer": 3}', "null"])
def test_metadata_that_say_nothing_are_no_hindrance(tmp_path, said):
    save_file(base_weights(), tmp_path / "a.safetensors", {"config": said})
    assert inspect(tmp_path).kind == "base"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"transformer_blocks.0.ff.net.0.proj.weight": (8,)}, "its weight transformer_blocks.0.ff.net.0.proj.weight is "
         "of shape (8,)"),
        ({"transformer_blocks.0.attn1.to_q.weight": (2048, 1)}, "its weight transformer_blocks.0.attn1.to_q.weight "
         "does not fit a model of width 2048"),
        ({f"transformer_blocks.{index}.x": (0,) for index in range(257)}, "it claims 257 blocks"),
        ({f"transformer_context_blocks.{index}.x": (0,) for index in range(300)}, "it claims 300 context blocks"),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused(tmp_path, changes, reason):
    path = write_sparse(tmp_path / "a.safetensors", released_shapes(2) | changes)
    with pytest.raises(WeightsError) as error:
        inspect(path)
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"


def test_an_adapter_without_the_first_block_is_refused(tmp_path):
    weights = {name.replace("context_blocks.0.", "context_blocks.1."): value for name, value in
               adapter_weights().items()}  # fmt: skip
    weights["transformer_context_blocks.0.ff.net.0.proj.weight"] = torch.ones(256, 64)
    weights["transformer_context_blocks.0.attn1.to_q.weight"] = torch.ones(64, 64)
    save_file(weights, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError) as error:
        load_adapter(tmp_path)
    assert error.value.code == "weights-keys"


def test_a_vae_that_is_not_whole(tmp_path):
    state = LtxVaeNetwork(width=8).state_dict()
    save_file({name: value for name, value in state.items() if "up_blocks.3" not in name}, tmp_path / "a.safetensors")
    with pytest.raises(WeightsError) as error:
        load_vae(tmp_path)
    assert (error.value.code, error.value.fields["count"]) == ("weights-keys", 190)


def test_every_text_encoder_has_its_family():
    wan, ltx_family = FAMILIES
    assert (wan.text.tables, ltx_family.text.tables) == (True, False)


def dry(*words):
    return CliRunner().invoke(app, [*map(str, words), "--dry-run", "--json"])


def test_the_command_takes_everything_from_one_folder(path, tmp_path):
    (tmp_path / "text_encoder").mkdir()
    shapes = text_encoder(2, 1, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    write_sparse(tmp_path / "text_encoder" / "model.safetensors", shapes)
    done = dry("text", "-m", path, "-p", "a fox")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["frames"], told["height"], told["width"], told["fps"]) == (97, 512, 768, 25.0)
    assert told["options"]["solver"] == "euler"
    assert told["options"]["stg_scale"] == 1.0
    assert told["cost"]["tokens"] == 4992
    assert told["cost"]["base_passes"] == 3 * 40
    assert told["cost"]["adapter_passes"] == 3 * 40


def test_the_command_refuses_a_vae_of_another_model(path, tmp_path):
    save_file(vae_weights(), tmp_path / "wan.safetensors")
    still = ("--length", "1", "--width", "32", "--height", "32")
    vae = ("--vae", tmp_path / "wan.safetensors", "--text-encoder", "starter")
    done = CliRunner().invoke(app, [*map(str, ("text", *still, "-m", path, *vae, "-o", tmp_path / "a.png"))])
    assert done.exit_code == 4
    assert refused(done.exception) == (
        "vae-other-family: found=the Wan 2.1 VAE, model=an LTX-Video base, needed=the LTX-Video "
        f"0.9 VAE, vae={tmp_path / 'wan.safetensors'}"
    )


LIBRARY = Path(__file__).parents[2] / "vace_core"


def named(path):
    """What a module imports, and every name in its code."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom | ast.alias):
            yield from (str(part) for part in (getattr(node, "module", ""), getattr(node, "name", "")))
        elif isinstance(node, ast.Name | ast.Attribute | ast.arg):
            yield next(str(getattr(node, part)) for part in ("id", "attr", "arg") if hasattr(node, part))


def test_nothing_but_the_list_of_models_knows_it():
    knows = {
        str(path.relative_to(LIBRARY))
        for path in LIBRARY.rglob("*.py")
        if any("ltx" in name.lower() for name in named(path)) and path.parent.name != "ltx"
    }
    assert knows == {"models/__init__.py", "loading/profiles.py"}  # the latter names published models


@pytest.mark.parametrize(
    "module", ["adapter", "context", "protocols", "sampling/guidance", "sampling/solvers", "pipeline/__init__"]
)
def test_the_seams_know_no_base(module):
    parts = {part for name in named(LIBRARY / f"{module}.py") for part in re.split("[._]", name.lower())}
    assert not parts & {"wan", "ltx"}


@torch.no_grad()
def test_an_adapter_without_blocks_is_its_embedding_alone(tmp_path):
    adapter = fill(ltx.build_adapter(SIZES, ()), 3)
    save_file({ltx_keys.official_adapter_key(name, ()): value for name, value in adapter.state_dict().items()},
              tmp_path / "a.safetensors")  # fmt: skip
    found = load_adapter(tmp_path / "a.safetensors", dtype=torch.float32, context_layers=())
    assert (found.width, found.context_layers) == (SIZES.width, ())
    context = torch.randn(1, 384, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found.embed(context), adapter.embed(context))
