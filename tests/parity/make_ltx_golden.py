"""Writes tests/parity/golden/ltx_vace.safetensors: what the official VACE transformer for LTX-Video computes.

Run with Python 3.11, torch and diffusers 0.42.1 beside `pip install --no-deps vace==1.0.0 ltx-video==0.1.2`:
`python tests/parity/make_ltx_golden.py`. Weights and inputs are those of `tests/ltx_case.py`, in float32 on the CPU.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import ltx_case  # noqa: E402
import ltx_video  # noqa: E402
from ltx_video.schedulers.rf import RectifiedFlowScheduler  # noqa: E402
from ltx_video.utils.skip_layer_strategy import SkipLayerStrategy  # noqa: E402

# The package's own __init__ imports its demos and annotators; only its transformer is wanted.
for name in ("vace", "vace.models", "vace.models.ltx", "vace.models.ltx.models"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(Path(ltx_video.__file__).parents[1] / name.replace(".", "/"))]
from vace.models.ltx.models.transformers.transformer3d import VaceTransformer3DModel  # noqa: E402


def padded(text):
    """A prompt padded to 9 tokens, and the mask of the padding, as the official code has them."""
    spare = 9 - text.shape[1]
    mask = torch.tensor([[1] * text.shape[1] + [0] * spare])
    return torch.cat([text, torch.ones(1, spare, text.shape[2])], dim=1), mask


def asker(model, inputs):
    """One call of the official model: tokens, prompts, noise level, strength, blocks skipped by each in the batch."""
    t, h, w = inputs["latents"].shape[2:]
    axes = torch.arange(t) * 8 / ltx_case.FPS, torch.arange(h) * 32.0, torch.arange(w) * 32.0
    places = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)[None]
    context = inputs["context"].flatten(2).transpose(1, 2)

    def ask(tokens, prompts, sigma, strength, skipped):
        embeds, masks = (torch.cat(parts) for parts in zip(*map(padded, prompts), strict=True))
        layers = [[float(layer not in blocks) for blocks in skipped] for layer in range(ltx_case.SIZES.layers)]
        return model(
            tokens, places.expand(len(prompts), -1, -1), source_latents=context[..., :256],
            source_mask_latents=context[..., 256:], encoder_hidden_states=embeds, encoder_attention_mask=masks,
            timestep=sigma.expand(len(prompts))[:, None], skip_layer_mask=torch.tensor(layers),
            skip_layer_strategy=SkipLayerStrategy.AttentionSkip, context_scale=strength, return_dict=False,
        )[0]  # fmt: skip

    return ask


def job(ask, inputs, latents):
    """All steps of the official pipeline with its scheduler: guidance 3, spatio-temporal 1, rescaled by 0.7."""
    scheduler = RectifiedFlowScheduler(shifting="SD3", target_shift_terminal=0.1)
    scheduler.set_timesteps(ltx_case.STEPS, samples_shape=latents.shape)
    prompts = [inputs["negative"], inputs["text"], inputs["text"]]
    for level in scheduler.timesteps:
        away, own, weak = ask(latents.expand(3, -1, -1), prompts, level, 1.0, ((), (), (ltx_case.GUIDED,))).split(1)
        velocity = away + 3.0 * (own - away) + 1.0 * (own - weak)
        velocity = velocity * (0.7 * own.std() / velocity.std() + 0.3)
        latents = scheduler.step(velocity, level, latents, return_dict=False)[0]
    return latents


@torch.no_grad()
def main() -> None:
    inputs = ltx_case.inputs()
    ask, latents = (
        asker(ltx_case.official(VaceTransformer3DModel), inputs),
        inputs["latents"].flatten(2).transpose(1, 2),
    )
    results = {
        name: ask(latents, [inputs["text"]], inputs["sigma"], strength, (skipped,))
        for name, (strength, skipped) in ltx_case.CASES.items()
    }
    results["job"] = job(ask, inputs, latents)
    size = inputs["latents"].shape[2:]
    results = {name: value.transpose(1, 2).unflatten(2, size).contiguous() for name, value in results.items()}
    path = ROOT / "tests" / "parity" / "golden" / "ltx_vace.safetensors"
    save_file(
        results, path, {"origin": "vace 1.0.0 with ltx-video 0.1.2", "made by": "tests/parity/make_ltx_golden.py"}
    )


if __name__ == "__main__":
    main()
