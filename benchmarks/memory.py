"""Peak activations of the transformer with its adapter and of the VAE, and the adapter's share, on meta tensors.

    COMFYUI_PATH=/path/to/ComfyUI python benchmarks/memory.py

Live bytes are followed tensor by tensor; nothing is computed. Attention and RMS norm count as fused kernels, which
need no memory beside their result; weights and the workspace of kernels are not counted, the inputs are.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import measuring
import peers
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from vace_core.adapter import Attachment
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae

Network = TypeVar("Network", bound=nn.Module)

GIB = 2**30
MODELS = {"1.3B": (1536, 8960, 30, 15), "14B": (5120, 13824, 40, 8)}
CLIPS = {"480x832, 81 frames": (21, 60, 104), "720x1280, 81 frames": (21, 90, 160)}
VAE_CLIPS = {"480x832, 17 frames": (17, 480, 832), "720x1280, 17 frames": (17, 720, 1280)}
QUICK_VAE_CLIPS = {"32x32, 5 frames": (5, 32, 32)}
QUICK_MODELS, QUICK_CLIPS = {"toy": (256, 1536, 4, 2)}, {"64x64, 9 frames": (3, 8, 8)}


class FusedKernels(TorchFunctionMode):
    """Attention and RMS norm as on a GPU: one kernel, whose result is all the memory it takes."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (F.scaled_dot_product_attention, F.rms_norm, torch.rms_norm):
            # Both give what has the shape of their first input, for here all heads are of one width.
            return torch.empty_like(args[0] if args else kwargs["query"])
        return func(*args, **(kwargs or {}))


class LiveBytes(TorchDispatchMode):
    """Follows the storages that operations make; `peak` is the most that was alive at once."""

    def __init__(self, *inputs: Tensor):
        super().__init__()
        self.live = self.peak = 0
        self.seen: set[int] = set()
        for tensor in inputs:
            self._add(tensor)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        return result

    def ignore(self, module: nn.Module) -> None:
        """Weights are not activations."""
        for tensor in (*module.parameters(), *module.buffers()):
            self.seen.add(tensor.untyped_storage()._cdata)

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self.seen:
            return
        self.seen.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.live -= size


def peak(run: Callable[[], Tensor], modules: list[nn.Module], inputs: list[Tensor]) -> int:
    tracker = LiveBytes(*inputs)
    for module in modules:
        tracker.ignore(module)
    with torch.no_grad(), FusedKernels(), tracker:
        run()
    return tracker.peak


def on_meta(make: Callable[[], Network]) -> Network:
    with torch.device("meta"):
        return make().eval()


def measure(of: peers.DitSizes, dtype: torch.dtype) -> dict:
    """Peaks in bytes by name; FLOP, parameters and bytes of base and adapter."""
    meta: dict[str, Any] = {"device": "meta", "dtype": dtype}
    latents, context = torch.empty(1, 16, *of.latent, **meta), torch.empty(1, 96, *of.latent, **meta)
    text, padded = torch.empty(1, of.text, 4096, **meta), torch.empty(1, 512, 4096, **meta)
    sigma, level = torch.empty(1, device="meta"), torch.full((1,), 0.5)  # ours is told its noise level on the CPU
    base = on_meta(lambda: peers.our_dit(of)[0]).to(dtype)
    adapter = on_meta(lambda: peers.our_dit(of)[1]).to(dtype)
    with torch.no_grad():
        attached = [Attachment(adapter=adapter, context=adapter.embed(context))]
        prompt = base.prepare_text(text)
    peaks = {}
    for name, used in (("vace_core", attached), ("vace_core, base alone", [])):
        held = [latents, prompt.tokens, *(each.context for each in used)]
        peaks[name] = peak(lambda used=used: base(latents, level, prompt, used), [base, adapter], held)
    flop = [counted(lambda used=used: base(latents, level, prompt, used)) for used in ([], attached)]
    if (peer := peers.comfyui()) is not None:
        model = on_meta(lambda: peers.comfyui_dit(peer, of, dtype))  # some of it stays float32
        for name, b in (("ComfyUI", 1), ("ComfyUI, batched", 2)):
            args = [torch.empty(b, *x.shape[1:], **meta) for x in (latents, padded, context[:, None])]
            time = torch.empty(b, device="meta")
            run = lambda a=args, t=time: model(a[0], t, a[1], vace_context=a[2], vace_strength=[1.0])  # noqa: E731
            peaks[name] = peak(run, [model], args)
    if (peer := peers.diffusers()) is not None:
        model = on_meta(lambda: peers.diffusers_dit(peer, of)).to(dtype)
        scales = torch.ones(len(of.context_layers))
        run = lambda: model(latents, sigma, padded, control_hidden_states=context,  # noqa: E731
                            control_hidden_states_scale=scales, return_dict=False)  # fmt: skip
        peaks["diffusers"] = peak(run, [model], [latents, padded, context])
    parameters = [sum(p.numel() for p in model.parameters()) for model in (base, adapter)]
    return {"peak_bytes": peaks, "flop_base": flop[0], "flop_adapter": flop[1] - flop[0],
            "parameters_base": parameters[0], "parameters_adapter": parameters[1]}  # fmt: skip


def measure_vae(width: int, dtype: torch.dtype, t: int, h: int, w: int) -> dict[str, tuple[int, int]]:
    """Peaks of encode and decode in bytes by name."""
    frames = torch.empty(1, 3, t, h, w, device="meta", dtype=dtype)
    latents = torch.empty(1, 16, (t - 1) // 4 + 1, h // 8, w // 8, device="meta", dtype=dtype)
    network = on_meta(lambda: WanVaeNetwork(width=width)).to(dtype)
    ours = WanVae(network)
    calls = {"vace_core": (network, ours.encode, ours.decode)}
    if (peer := peers.comfyui()) is not None:
        vae = on_meta(lambda: peers.comfyui_vae(peer, width)).to(dtype)
        calls["ComfyUI"] = (vae, vae.encode, vae.decode)
    if (peer := peers.diffusers()) is not None:
        other = on_meta(lambda: peer.AutoencoderKLWan(base_dim=width, z_dim=16)).to(dtype)
        calls["diffusers"] = (other, lambda x: other.encode(x).latent_dist.mean, lambda z: other.decode(z).sample)
    return {
        name: (peak(lambda e=encode: e(frames), [vae], [frames]), peak(lambda d=decode: d(latents), [vae], [latents]))
        for name, (vae, encode, decode) in calls.items()
    }


def counted(run: Callable[[], Tensor]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops()


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0])
    models, clips = (QUICK_MODELS, QUICK_CLIPS) if options.quick else (MODELS, CLIPS)
    results = {
        f"{model} {clip}": measure(peers.sizes(*shape, latent=latent), torch.bfloat16)
        for model, shape in models.items()
        for clip, latent in clips.items()
    }
    show_pass(results)
    width, clips = (8, QUICK_VAE_CLIPS) if options.quick else (96, VAE_CLIPS)
    vaes = {clip: measure_vae(width, torch.bfloat16, *size) for clip, size in clips.items()}
    names = list(next(iter(vaes.values())))
    rows = [[clip, *(f"{got[name][0] / GIB:.2f} / {got[name][1] / GIB:.2f}" for name in names)]
            for clip, got in vaes.items()]  # fmt: skip
    measuring.show("Peak activations of the VAE in bf16, encode / decode, GiB", ["clip", *names], rows)
    measuring.save("memory", {"pass": results, "vae": vaes}, options)


def show_pass(results: dict[str, dict]) -> None:
    names = list(next(iter(results.values()))["peak_bytes"])
    rows = [[job, *(f"{got['peak_bytes'][name] / GIB:.2f}" for name in names)] for job, got in results.items()]
    measuring.show("Peak activations of one pass in bf16, GiB", ["job", *names], rows)
    rows = []
    for job, got in results.items():
        base, adapter = got["flop_base"], got["flop_adapter"]
        own, more = got["parameters_base"], got["parameters_adapter"]
        cells = [f"{(base + adapter) / 1e12:.1f}", f"{adapter / (base + adapter):.1%}", f"+{adapter / base:.1%}"]
        rows.append([job, *cells, f"{more / 1e9:.2f} B", f"+{more / own:.1%}", f"{more * 2 / GIB:.2f}"])
    head = ["job", "one pass, TFLOP", "adapter's share", "over text to video", "its parameters", "over the base",
            "GiB in bf16"]  # fmt: skip
    measuring.show("What the adapter costs", head, rows)


if __name__ == "__main__":
    main()
