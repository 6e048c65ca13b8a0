"""An adapter that was trained here is read by diffusers and by ComfyUI's own model, and gives our numbers there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import torch
from filling import fill, relative
from parity.test_wan_dit import LAYERS, SIZES, ask_theirs, inputs, their_name
from safetensors.torch import load_file, save_file

from vace_core.adapter import Attachment
from vace_core.loading.load import load_adapter
from vace_core.models.wan import dit as wan
from vace_core.models.wan.family import WAN
from vace_core.training.engine import train
from vace_core.training.objective import Objective
from vace_core.training.recipe import Data, Recipe, Tuning
from vace_core.training.run import results
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned, copy_base

# Run by the Python of ComfyUI: its folder, then a file of weights, inputs and our result.
IN_COMFYUI = """
import sys
folder, file = sys.argv[1:]
sys.path.insert(0, folder)
sys.argv = ["comfyui", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import torch
import comfy.ops
from comfy.ldm.wan.model import VaceWanModel
from safetensors.torch import load_file
held = load_file(file)
given = {name: held.pop(f"given.{name}") for name in ("latents", "context", "text", "sigma", "result")}
model = VaceWanModel(
    dim=256, ffn_dim=384, text_dim=64, num_heads=2, num_layers=4, vace_layers=2, vace_in_dim=96,
    dtype=torch.float32, operations=comfy.ops.disable_weight_init,
)
model.load_state_dict(held, strict=True)
with torch.no_grad():
    got = model(
        given["latents"], given["sigma"] * 1000, torch.nn.functional.pad(given["text"], (0, 0, 0, 492)),
        vace_context=given["context"][:, None], vace_strength=[1.0],
    )
error = float((got - given["result"]).abs().max() / given["result"].abs().max())
print("relative error", error)
sys.exit(error > 1e-4)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A base, and the file of an adapter that was trained on it for two steps."""
    folder = tmp_path_factory.mktemp("trained")
    base = fill(wan.WanDit(SIZES), seed=1).requires_grad_(False)
    adapter = wan.build_adapter(SIZES, LAYERS)
    copy_base(adapter, base)
    tuned = Tuned(base, adapter)
    latents, context, text, _ = inputs()

    def losses_of(module, draw):
        noisy, sigmas, wanted = Objective().noised(latents, torch.Generator().manual_seed(draw.number))
        return Objective().losses(module(noisy, sigmas, [text], 16.0, context), wanted, sigmas)

    schedule = Schedule(steps=2, learning_rate=0.02, warmup=0, decay_from=1.0, average=0.0)
    outcome = train(tuned, losses_of, schedule, folder=folder)
    recipe = Recipe(tuning=Tuning(stored="float32"), data=Data(examples=1), schedule=schedule)
    (name, (weights, metadata)), *_ = results(recipe, WAN, tuned, adapter, outcome).items()
    save_file(weights, folder / name, metadata)
    return base, folder / name


@torch.no_grad()
def ours(base, path):
    latents, context, text, sigma = inputs()
    adapter = load_adapter(path)
    prepared = base.prepare_text(text)
    result = base(latents, sigma, prepared, [Attachment(adapter=adapter, context=adapter.embed(context))])
    assert relative(result, base(latents, sigma, prepared)) > 1e-3  # it says something
    return result


@torch.no_grad()
def test_a_trained_adapter_equals_diffusers(trained):
    diffusers = pytest.importorskip("diffusers")
    base, path = trained
    theirs = diffusers.WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=128, in_channels=16, out_channels=16,
        text_dim=64, freq_dim=256, ffn_dim=384, num_layers=4, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", eps=1e-6, image_dim=None, added_kv_proj_dim=None, rope_max_seq_len=1024,
        pos_embed_seq_len=None, vace_layers=list(LAYERS), vace_in_channels=96,
    )  # fmt: skip
    official = dict(base.state_dict()) | load_file(path)
    theirs.load_state_dict({their_name(name): value for name, value in official.items()}, strict=True)
    latents, context, text, sigma = inputs()
    assert relative(ask_theirs(theirs.eval(), latents, context, text, sigma, [1.0, 1.0]), ours(base, path)) < 1e-4


def test_a_trained_adapter_equals_comfyuis_own_model(trained, tmp_path):
    if not (os.environ.get("COMFYUI_PATH") and os.environ.get("COMFYUI_PYTHON")):
        pytest.skip("needs a ComfyUI in COMFYUI_PATH and its Python in COMFYUI_PYTHON")
    base, path = trained
    given = dict(zip(("latents", "context", "text", "sigma"), inputs(), strict=True)) | {"result": ours(base, path)}
    held = dict(base.state_dict()) | load_file(path) | {f"given.{name}": value for name, value in given.items()}
    save_file({name: value.contiguous() for name, value in held.items()}, tmp_path / "held.safetensors")
    command = [
        os.environ["COMFYUI_PYTHON"],
        "-c",
        IN_COMFYUI,
        os.environ["COMFYUI_PATH"],
        tmp_path / "held.safetensors",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(os.environ["COMFYUI_PATH"]), timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
