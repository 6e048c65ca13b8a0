"""LoRA against diffusers: its own conversion of the names, merged into its own networks."""

from __future__ import annotations

import pytest
import tiny_ltx
import torch
from filling import relative
from lora_files import RANK, dotted, factors, kohya, write
from model_files import SIZES, base_weights

from vace_core.loading.assembly import lora_changes
from vace_core.loading.load import load_base
from vace_core.loading.lora import Lora
from vace_core.models.ltx.keys import diffusers_key as ltx_name
from vace_core.models.wan.keys import diffusers_key as wan_name

diffusers = pytest.importorskip("diffusers")
conversion = pytest.importorskip("diffusers.loaders.lora_conversion_utils")

ATTENTION = [f"{kind}_attn.{one}" for kind in ("self", "cross") for one in "qkvo"]
WAN_LAYERS = [f"blocks.{index}.{one}" for index in range(SIZES.layers) for one in (*ATTENTION, "ffn.0", "ffn.2")]
LTX_LAYERS = [f"transformer_blocks.{index}.{one}" for index in range(tiny_ltx.SIZES.layers) for one in (
    "attn1.to_q", "attn1.to_k", "attn1.to_out.0", "attn2.to_v", "ff.net.0.proj", "ff.net.2")]  # fmt: skip
UP_DOWN = ("lora_up.weight", "lora_down.weight")
WAN_STYLES = {
    "kohya": (kohya, conversion._convert_musubi_wan_lora_to_diffusers),
    "official": (
        lambda layers: dotted(layers) | {"diffusion_model.blocks.1.ffn.0.diff_b": torch.full((SIZES.ffn,), 0.1)},
        conversion._convert_non_diffusers_wan_lora_to_diffusers,
    ),
    "lightx2v": (lambda layers: dotted(layers, ends=UP_DOWN, alpha=True),
                 conversion._convert_non_diffusers_wan_lora_to_diffusers),
    "diffusers": (lambda layers: dotted(layers, "transformer.", rename=wan_name), dict),
}  # fmt: skip


def shapes_of(weights):
    return {name: tuple(value.shape) for name, value in weights.items()}


@torch.no_grad()
def merge(theirs, converted):
    """What PEFT's merging does: `lora_B @ lora_A` into a layer's weight, the bias of `lora_B` into its own."""
    weights = dict(theirs.named_parameters())
    for name, value in converted.items():
        name = name.removeprefix("transformer.").removeprefix("diffusion_model.")
        if name.endswith(".lora_B.weight"):
            layer = name.removesuffix(".lora_B.weight")
            down = next(v for k, v in converted.items() if k.endswith(f"{layer}.lora_A.weight"))
            assert len(down) == RANK
            weights[f"{layer}.weight"] += value @ down
        elif name.endswith(".lora_B.bias"):
            weights[name.replace(".lora_B", "")] += value
        else:
            assert name.endswith(".lora_A.weight"), name


@torch.no_grad()
@pytest.mark.parametrize("style", WAN_STYLES)
def test_wan_with_a_lora_is_that_of_diffusers(tmp_path, style):
    weights, (make, convert) = base_weights(), WAN_STYLES[style]
    file = make(factors(shapes_of(weights), WAN_LAYERS))
    path = write(tmp_path / "base.safetensors", weights)
    lora = Lora(path=write(tmp_path / "lora.safetensors", file))
    ours = load_base(path, changes=lora_changes([lora], [path])[0])
    theirs = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=128, in_channels=16, out_channels=16,
        text_dim=SIZES.text_width, freq_dim=256, ffn_dim=SIZES.ffn, num_layers=SIZES.layers, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", eps=1e-6, rope_max_seq_len=1024,
    )  # fmt: skip
    theirs.load_state_dict({wan_name(name): value for name, value in weights.items()}, strict=True)
    merge(theirs.eval(), convert(file))
    for name, value in ours.state_dict().items():
        assert float((value - theirs.state_dict()[wan_name(name)]).abs().max()) < 1e-6, name
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 16, 2, 4, 6, generator=generator)
    words = torch.zeros(1, 512, SIZES.text_width)
    words[:, :7] = torch.randn(1, 7, SIZES.text_width, generator=generator)
    wanted = theirs(latents, torch.tensor([600.0]), words, return_dict=False)[0]
    got = ours(latents, torch.tensor([0.6]), ours.prepare_text(words[:, :7]))
    assert relative(got, wanted) < 1e-5


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["diffusion_model.", "transformer."])
def test_ltx_with_a_lora_is_that_of_diffusers(tmp_path, prefix):
    weights = dict(tiny_ltx.base().state_dict())
    rename = ltx_name if prefix == "transformer." else str
    file = dotted(factors(shapes_of(weights), LTX_LAYERS), prefix, rename=rename)
    path = write(tmp_path / "base.safetensors", weights)
    lora = Lora(path=write(tmp_path / "lora.safetensors", file))
    ours = load_base(path, changes=lora_changes([lora], [path])[0])
    theirs = diffusers.LTXVideoTransformer3DModel(
        num_attention_heads=4, attention_head_dim=16, cross_attention_dim=64, num_layers=4, caption_channels=32,
        in_channels=128, out_channels=128,
    )  # fmt: skip
    theirs.load_state_dict({ltx_name(name): value for name, value in weights.items()}, strict=True)
    convert = conversion._convert_non_diffusers_ltxv_lora_to_diffusers if prefix == "diffusion_model." else dict
    merge(theirs, convert(file))
    for name, value in ours.state_dict().items():
        assert float((value - theirs.state_dict()[ltx_name(name)]).abs().max()) < 1e-6, name
