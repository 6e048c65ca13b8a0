"""ComfyUI's own module on given weights and inputs, in a process of its own: COMFYUI, IN, OUT and SIZES are given."""

from __future__ import annotations

import json
import sys

import torch
from safetensors.torch import load_file, save_file

UNKNOWN = 3  # exit status: this ComfyUI has no such module


@torch.no_grad()
def main(comfyui: str, given: str, out: str, sizes: str) -> None:
    sys.path.insert(0, comfyui)
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    try:
        from comfy.ldm.minimax.model import MiniMaxH3Model
    except ImportError:
        sys.exit(UNKNOWN)
    import comfy.ops

    tensors = load_file(given)
    latents, states, tags, sigmas = (tensors.pop(f"given.{name}") for name in ("latents", "states", "tags", "sigmas"))
    network = MiniMaxH3Model(**json.loads(sizes), dtype=torch.float32, operations=comfy.ops.disable_weight_init)
    network.load_state_dict(tensors, strict=True)
    network.eval().requires_grad_(False)
    audio, payload = torch.zeros(1, 32, 2, 0), {"text_token_tags": tags}
    made = [network([latents, audio], sigma[None] * 1000, states, minimax_payload=payload)[0] for sigma in sigmas]
    save_file({"velocities": torch.cat(made)}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
