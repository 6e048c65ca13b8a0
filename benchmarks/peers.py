"""The same networks in vace_core, diffusers and ComfyUI, with the same weights in each; who is absent says so."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measuring  # noqa: F401  (first, for the import path)
import torch
import torch.nn.functional as F
from filling import fill
from torch import Tensor

from vace_core.adapter import Attachment, ContextAdapter
from vace_core.models.wan import dit as wan
from vace_core.models.wan.keys import diffusers_key, diffusers_vae_key
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.sampling.guidance import guide

GUIDANCE = 5.0
SIGMA = 0.7


@dataclass(frozen=True, kw_only=True)
class DitSizes:
    """A base, its adapter and the clip they work on.

    Attributes:
        wan: Sizes of the base.
        context_layers: Base blocks with a hint.
        latent: `(t, h, w)`.
        text: Real text tokens; the peers pad to 512.
    """

    wan: wan.WanSizes
    context_layers: tuple[int, ...]
    latent: tuple[int, int, int] = (5, 32, 32)
    text: int = 60


def sizes(width: int, ffn: int, layers: int, blocks: int, **more) -> DitSizes:
    """Evenly spaced hints, as ComfyUI takes for granted."""
    base = wan.WanSizes(width=width, ffn=ffn, layers=layers)
    return DitSizes(wan=base, context_layers=wan.default_context_layers(layers, blocks), **more)


def comfyui() -> SimpleNamespace | None:
    """ComfyUI's Wan classes from the checkout that COMFYUI_PATH names, on the CPU with torch's own attention."""
    path = os.environ.get("COMFYUI_PATH")
    if not path or not (Path(path) / "comfy" / "ldm" / "wan").is_dir():
        print("ComfyUI: skipped, COMFYUI_PATH does not name a checkout.")
        return None
    arguments, sys.argv = sys.argv, [sys.argv[0], "--cpu", "--use-pytorch-cross-attention"]
    sys.path.append(path)
    try:
        import comfy.options  # pyright: ignore[reportMissingImports]

        comfy.options.enable_args_parsing()
        import comfy.ops  # pyright: ignore[reportMissingImports]
        from comfy.ldm.wan.model import VaceWanModel  # pyright: ignore[reportMissingImports]
        from comfy.ldm.wan.vae import WanVAE  # pyright: ignore[reportMissingImports]
    finally:
        sys.argv = arguments
    return SimpleNamespace(ops=comfy.ops.disable_weight_init, VaceWanModel=VaceWanModel, WanVAE=WanVAE)


def diffusers() -> SimpleNamespace | None:
    try:
        from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
        from diffusers.utils.logging import set_verbosity_error
    except ImportError as error:
        print(f"diffusers: skipped, {error}.")
        return None
    set_verbosity_error()
    return SimpleNamespace(AutoencoderKLWan=AutoencoderKLWan, WanVACETransformer3DModel=WanVACETransformer3DModel)


def dit_inputs(of: DitSizes) -> SimpleNamespace:
    """Latents, context latents, and two prompts as the text encoder gives them, without padding."""
    generator = torch.Generator().manual_seed(5)
    texts = [torch.randn(1, of.text, of.wan.text_width, generator=generator) for _ in range(2)]
    return SimpleNamespace(
        latents=torch.randn(1, wan.LATENTS.channels, *of.latent, generator=generator),
        context=torch.randn(1, wan.LATENTS.vace_in_channels, *of.latent, generator=generator),
        texts=texts,
        padded=[F.pad(text, (0, 0, 0, wan.TEXT_TOKENS - text.shape[1])) for text in texts],
    )


def dit_weights(of: DitSizes) -> dict[str, Tensor]:
    """Random weights by official name, exactly representable in bf16 so that both precisions have the same ones."""
    base = fill(wan.WanDit(of.wan), seed=1).state_dict()
    adapter = fill(wan.build_adapter(of.wan, of.context_layers), seed=2).state_dict()
    official = base | {wan.official_adapter_key(name): value for name, value in adapter.items()}
    return {name: value.bfloat16().float() for name, value in official.items()}


def our_dit(of: DitSizes) -> tuple[wan.WanDit, ContextAdapter]:
    return wan.WanDit(of.wan), wan.build_adapter(of.wan, of.context_layers)


def comfyui_dit(peer: SimpleNamespace, of: DitSizes, dtype: torch.dtype) -> Any:
    width = of.wan.width
    return peer.VaceWanModel(
        dim=width, ffn_dim=of.wan.ffn, num_heads=width // wan.HEAD_WIDTH, num_layers=of.wan.layers,
        text_dim=of.wan.text_width, vace_layers=len(of.context_layers), vace_in_dim=wan.LATENTS.vace_in_channels,
        operations=peer.ops, dtype=dtype,
    )  # fmt: skip


def comfyui_vae(peer: SimpleNamespace, width: int) -> Any:
    return peer.WanVAE(dim=width, z_dim=16, temperal_downsample=[False, True, True])


def diffusers_dit(peer: SimpleNamespace, of: DitSizes) -> Any:
    return peer.WanVACETransformer3DModel(
        num_attention_heads=of.wan.width // wan.HEAD_WIDTH, text_dim=of.wan.text_width, ffn_dim=of.wan.ffn,
        num_layers=of.wan.layers, vace_layers=list(of.context_layers), vace_in_channels=wan.LATENTS.vace_in_channels,
    )  # fmt: skip


def our_step(of: DitSizes, weights: dict[str, Tensor], dtype: torch.dtype, inputs: SimpleNamespace):
    """One step as the sampler calls it, with the adapter and without; what is embedded once for a job is ready."""
    base, adapter = our_dit(of)
    base.load_state_dict({name: weights[name] for name in base.state_dict()}, assign=True)
    adapter.load_state_dict(
        {name: weights[wan.official_adapter_key(name)] for name in adapter.state_dict()}, assign=True
    )
    base, adapter = base.to(dtype).eval(), adapter.to(dtype).eval()
    with torch.no_grad():
        texts = [base.prepare_text(text) for text in inputs.texts]
        attachment = Attachment(adapter=adapter, context=adapter.embed(inputs.context))
    steps = [guide(base, *texts, guidance_scale=GUIDANCE, attachments=used) for used in ([attachment], [])]
    return tuple(lambda step=step: step(inputs.latents, SIGMA) for step in steps)


def comfyui_steps(peer: SimpleNamespace, of: DitSizes, weights, dtype, inputs) -> dict[str, Callable[[], Tensor]]:
    """One step with two calls, and with one call of both as a batch, which ComfyUI does where memory allows."""
    model = comfyui_dit(peer, of, dtype).eval()
    model.load_state_dict(weights)
    latents, context = inputs.latents.to(dtype), inputs.context.to(dtype)[:, None]
    texts = [text.to(dtype) for text in inputs.padded]

    @torch.no_grad()
    def ask(texts: list[Tensor]) -> Tensor:
        b = len(texts)
        return model(
            latents.expand(b, -1, -1, -1, -1), torch.full((b,), SIGMA * 1000), torch.cat(texts),
            vace_context=context.expand(b, -1, -1, -1, -1, -1), vace_strength=[1.0],
        ).float()  # fmt: skip

    return {
        "ComfyUI": lambda: guided(inputs.latents, ask(texts[:1]), ask(texts[1:])),
        "ComfyUI, batched": lambda: guided(inputs.latents, *ask(texts).split(1)),
    }


def diffusers_step(peer: SimpleNamespace, of: DitSizes, weights, dtype, inputs) -> Callable[[], Tensor]:
    """One step as its pipeline does it. What `from_pretrained` keeps in float32 is in float32 here too."""
    model = diffusers_dit(peer, of).eval()
    model.load_state_dict({diffusers_key(name): value for name, value in weights.items()}, assign=True)
    kept = set(model._keep_in_fp32_modules)
    for name, parameter in model.named_parameters():
        if not kept & set(name.split(".")):
            parameter.data = parameter.data.to(dtype)
    timestep = torch.tensor([SIGMA * 1000])

    @torch.no_grad()
    def ask(text: Tensor) -> Tensor:
        return model(
            hidden_states=inputs.latents.to(dtype), timestep=timestep, encoder_hidden_states=text.to(dtype),
            control_hidden_states=inputs.context.to(dtype), return_dict=False,
        )[0].float()  # fmt: skip

    return lambda: guided(inputs.latents, *(ask(text) for text in inputs.padded))


def guided(latents: Tensor, velocity: Tensor, away: Tensor) -> Tensor:
    """What `guidance.guide` makes of the two velocities."""
    return latents - SIGMA * (away + GUIDANCE * (velocity - away))


def vaes(dtype: torch.dtype, width: int) -> dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]]:
    """Encode to raw latents and decode from them, by name; all with the same weights."""
    weights = fill(WanVaeNetwork(width=width), seed=3).state_dict()
    weights = {name: value.bfloat16().float() for name, value in weights.items()}
    network = WanVaeNetwork(width=width)
    network.load_state_dict(weights)
    ours = WanVae(network.to(dtype))
    space = wan.LATENTS
    pairs = {"vace_core": (lambda x: space.process_out(ours.encode(x)), lambda z: ours.decode(space.process_in(z)))}
    if (peer := comfyui()) is not None:
        comfy = comfyui_vae(peer, width).to(dtype).eval()
        comfy.load_state_dict(weights)
        pairs["ComfyUI"] = (
            lambda x: comfy.encode(x.to(dtype)),
            lambda z: comfy.decode(z.to(dtype)).float().clamp_(-1, 1),
        )
    if (peer := diffusers()) is not None:
        other = peer.AutoencoderKLWan(base_dim=width, z_dim=16).eval()
        other.load_state_dict({diffusers_vae_key(name): value for name, value in weights.items()})
        other = other.to(dtype)
        pairs["diffusers"] = (
            lambda x: other.encode(x.to(dtype)).latent_dist.mode(),
            lambda z: other.decode(z.to(dtype)).sample.float(),
        )
    return pairs
