"""What a card does with the library, in under 8 minutes: the CPU's frames, then time and memory at real sizes.

    python benchmarks/gpu.py                  # all parts on the first CUDA card
    python benchmarks/gpu.py --quick          # toy sizes on whatever there is, to see that the script runs

Needs torch, numpy, OpenCV, safetensors and einops, and no weights: those of 1.3B and 14B are random. Peers take part
where they are installed: diffusers, and ComfyUI where COMFYUI_PATH names a checkout. A part that would begin after the
time is over is left out and says so; so does a row that runs out of memory.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import measuring
import peers
import torch
import torch.nn.functional as F
from families import ltx, wan
from families.conformance import all_tasks
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from vace_core import pipeline
from vace_core.adapter import Attachment
from vace_core.files.packed import Packing
from vace_core.loading.compiled import compile_expert
from vace_core.loading.lora import Added
from vace_core.loading.placing.measure import bytes_from_sizes
from vace_core.loading.placing.placed import PlacedBase, Placement
from vace_core.loading.placing.plan import PlacingPlan
from vace_core.models import layers
from vace_core.models.devices import Memory
from vace_core.models.wan import dit
from vace_core.models.wan.family import WAN
from vace_core.models.wan.vae import VaeSizes, WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.pipeline import Expert
from vace_core.preview.cost import ModelSizes
from vace_core.preview.plan import Job, plan_job
from vace_core.sampling.guidance import guide

GIB = 2**30
SECONDS = 7.5 * 60
SIGMA, GUIDANCE, TEXT = 0.7, 5.0, 60
MODELS = {"1.3B": peers.sizes(1536, 8960, 30, 15), "14B": peers.sizes(5120, 13824, 40, 8)}
CLIPS = {"480p": (81, 480, 832), "720p": (81, 720, 1280)}
TOY = peers.sizes(256, 384, 4, 2)
TOY_CLIP = {"toy": (5, 32, 48)}
# How far frames of −1..1 of the card may be from the CPU's, in the mean: float32 in another order, and bfloat16.
MOST = {torch.float32: 1e-4, torch.bfloat16: 0.05}
LIMIT = 12 * 10**9  # bytes of the card that a streamed 14B is given
ROOM = 0.95  # of these that its plan counts with: torch's pieces of memory are not full
RANK = 32  # of the LoRA
BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION)


@dataclass
class Bench:
    """The card, the clock, and what was found.

    Attributes:
        device: Where everything runs.
        quick: Whether sizes are those of toys.
        ends: When no further row begins, by `time.monotonic`.
        rows: By part: cells of a table.
        failed: What is wrong, as opposed to slow.
    """

    device: torch.device
    quick: bool
    ends: float
    rows: dict[str, list[list[str]]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def add(self, part: str, *cells: str) -> None:
        self.rows.setdefault(part, []).append(list(cells))
        print(f"{part}: " + "; ".join(cells), flush=True)

    def over(self, part: str, *cells: str) -> bool:
        if time.monotonic() < self.ends:
            return False
        self.add(part, *cells, "left out: the time is over")
        return True

    def timed(self, part: str, cells: Sequence[str], run: Callable[[], Any], repeats: int = 3) -> float | None:
        """Adds a row: the median of seconds, and the bytes at most beside what was there; None if it does not run."""
        if self.over(part, *cells):
            return None
        try:
            with torch.no_grad():
                run()
                before = self._reset()
                seconds = [self._once(run) for _ in range(1 if self.quick else repeats)]
        except torch.OutOfMemoryError:
            self.add(part, *cells, "out of memory")
            return None
        finally:
            self.empty()
        peak = self._peak() - before
        self.add(part, *cells, f"{statistics.median(seconds):.3f}", f"{peak / GIB:.2f}" if peak else "")
        return statistics.median(seconds)

    def _once(self, run: Callable[[], Any]) -> float:
        self.wait()
        start = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - start

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _reset(self) -> int:
        if self.device.type != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)

    def _peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else 0

    def empty(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def on(bench: Bench, networks: Sequence[nn.Module], dtype: torch.dtype) -> Generator[None, None, None]:
    """Networks on the card, and afterwards back as they were."""
    for network in networks:
        network.to(bench.device, dtype)
    try:
        yield
    finally:
        for network in networks:
            network.to("cpu", torch.float32)


def tasks(bench: Bench) -> None:
    """Every task of both families, whole jobs: frames of the card against those of the CPU."""
    for name, case in {"Wan": wan.CASE, "LTX-Video": ltx.CASE}.items():
        model, options = case.make_model(), replace(case.family.options, steps=2)
        vae: Any = model.vae
        networks: list[Any] = [vae.network, model.expert.base, model.expert.adapter]
        for task, unit in list(all_tasks(case).items())[:: 4 if bench.quick else 1]:
            wanted = pipeline.generate(model, unit, options)
            for dtype in MOST if bench.device.type != "cpu" else [torch.float32]:
                with on(bench, networks, dtype):
                    got = pipeline.generate(model, unit, options)
                far = float((got.float().cpu() - wanted).abs().mean())
                bench.add("tasks", name, task, str(dtype).removeprefix("torch."), f"{far:.1e}")
                if not far <= MOST[dtype]:
                    bench.failed.append(f"{task} of {name} in {dtype} is {far:.1e} away from the CPU's frames.")


def random_weights(network: nn.Module) -> nn.Module:
    for weight in network.parameters():
        weight.requires_grad_(False).normal_(0, 0.02)
    return network.eval()


def latent_size(clip: tuple[int, int, int]) -> tuple[int, int, int]:
    return dit.GRID.latent_size(*clip)


@dataclass
class Asked:
    """What a step of one size is asked."""

    latents: Tensor
    context: Tensor
    texts: list[Tensor]


def asked_of(bench: Bench, clip: tuple[int, int, int]) -> Asked:
    size, device = latent_size(clip), bench.device
    return Asked(
        latents=torch.randn(1, dit.LATENTS.channels, *size, device=device),
        context=torch.randn(1, dit.LATENTS.vace_in_channels, *size, device=device),
        texts=[torch.randn(1, TEXT, 4096, device=device) for _ in range(2)],
    )


def ours(bench: Bench, of: peers.DitSizes) -> tuple[Any, Any]:
    with torch.device(bench.device):
        base = random_weights(dit.WanDit(of.wan).to(torch.bfloat16))
        adapter = random_weights(dit.build_adapter(of.wan, of.context_layers).to(torch.bfloat16))
    return base, adapter


def our_step(base: Any, adapter: Any, asked: Asked) -> Callable[[], Tensor]:
    """One step with prompt and negative prompt, as the sampler calls it."""
    with torch.no_grad():
        texts = [base.prepare_text(text, fps=16.0) for text in asked.texts]
        attachments = [Attachment(adapter=adapter, context=adapter.embed(asked.context))]
    step = guide(base, *texts, guidance_scale=GUIDANCE, attachments=attachments)
    return lambda: step(asked.latents, SIGMA)


def diffusers_step(peer: Any, bench: Bench, of: peers.DitSizes, asked: Asked) -> Callable[[], Tensor]:
    with torch.device(bench.device):
        model: Any = random_weights(peers.diffusers_dit(peer, of).to(torch.bfloat16))
    latents, context = asked.latents.bfloat16(), asked.context.bfloat16()
    texts = [F.pad(text, (0, 0, 0, dit.TEXT_TOKENS - TEXT)).bfloat16() for text in asked.texts]
    level = torch.tensor([SIGMA * 1000], device=bench.device)

    def ask(text: Tensor) -> Tensor:
        return model(
            hidden_states=latents, timestep=level, encoder_hidden_states=text, control_hidden_states=context,
            return_dict=False,
        )[0].float()  # fmt: skip

    return lambda: peers.guided(asked.latents, *(ask(text) for text in texts))


def comfyui_step(peer: Any, bench: Bench, of: peers.DitSizes, asked: Asked) -> Callable[[], Tensor]:
    with torch.device(bench.device):
        model: Any = random_weights(peers.comfyui_dit(peer, of, torch.bfloat16))
    latents, context = asked.latents.bfloat16(), asked.context.bfloat16()[:, None]
    texts = [F.pad(text, (0, 0, 0, dit.TEXT_TOKENS - TEXT)).bfloat16() for text in asked.texts]
    level = torch.tensor([SIGMA * 1000], device=bench.device)

    def ask(text: Tensor) -> Tensor:
        return model(latents, level, text, vace_context=context, vace_strength=[1.0]).float()

    return lambda: peers.guided(asked.latents, *(ask(text) for text in texts))


def steps(bench: Bench) -> None:
    """One step with guidance, base and adapter, in bfloat16; the peers with the same sizes."""
    others: Mapping[str, tuple[Any, Callable[..., Callable[[], Tensor]]]] = {
        "diffusers": (peers.diffusers(), diffusers_step),
        "ComfyUI": (peers.comfyui() if bench.device.type == "cuda" else None, comfyui_step),
    }
    for model, of in ({"toy": TOY} if bench.quick else MODELS).items():
        for clip, size in (TOY_CLIP if bench.quick else CLIPS).items():
            asked, repeats = asked_of(bench, size), 3 if model == "1.3B" and clip == "480p" else 1
            base, adapter = ours(bench, of)
            mine = bench.timed("steps", [model, clip, "vace_core"], our_step(base, adapter, asked), repeats)
            if clip != "720p":
                if not bench.quick:
                    compile_expert(Expert(base=base, adapter=adapter))
                bench.timed("steps", [model, clip, "vace_core, compiled"], our_step(base, adapter, asked), repeats)
                torch.compiler.reset()
            del base, adapter
            for name, (peer, make) in others.items():
                if peer is None or bench.over("steps", model, clip, name):
                    continue
                theirs = bench.timed("steps", [model, clip, name], make(peer, bench, of, asked), repeats)
                if mine and theirs:
                    bench.add("ratios", model, clip, f"vace_core / {name}", f"{mine / theirs:.2f}")


def attention(bench: Bench) -> None:
    """Kernels of torch, for the tokens of a clip among themselves and to the text, whose padding is a bias."""
    clip = TOY_CLIP["toy"] if bench.quick else CLIPS["480p"]
    heads = 2 if bench.quick else MODELS["14B"].wan.width // dit.HEAD_WIDTH
    tokens = dit.GRID.tokens(*clip)

    def vectors(count: int) -> Tensor:
        return torch.randn(1, heads, count, dit.HEAD_WIDTH, device=bench.device, dtype=torch.bfloat16)

    q, text = vectors(tokens), vectors(TEXT + 1)
    bias = torch.zeros(1, 1, 1, TEXT + 1, device=bench.device, dtype=torch.bfloat16)
    bias[..., -1] = 6.1
    for what, (k, mask) in {"itself": (q, None), "text": (text, bias), "text, no bias": (text, None)}.items():

        def run(k: Tensor = k, mask: Tensor | None = mask) -> Tensor:
            return F.scaled_dot_product_attention(q, k, k, attn_mask=mask)

        bench.timed("attention", [what, "as torch chooses"], run)
        for backend in BACKENDS if bench.device.type == "cuda" else ():
            try:
                with sdpa_kernel(backend):
                    bench.timed("attention", [what, backend.name], run)
            except RuntimeError as error:
                bench.add("attention", what, backend.name, f"not there: {str(error)[:60]}")


def in_main_memory(of: peers.DitSizes) -> tuple[Any, Any]:
    """As `ours`, beside the card: the same random numbers again and again, for 14B of them take minutes."""
    with torch.device("meta"):
        networks: list[Any] = [dit.WanDit(of.wan), dit.build_adapter(of.wan, of.context_layers)]
    largest = max(weight.numel() for network in networks for weight in network.parameters())
    numbers = torch.randn(largest).mul_(0.02).bfloat16()
    for network in networks:
        network.to(torch.bfloat16).to_empty(device="cpu").requires_grad_(False).eval()
        for weight in network.parameters():
            weight.copy_(numbers[: weight.numel()].view_as(weight))
    return networks[0], networks[1]


def plan_for(of: peers.DitSizes, clip: tuple[int, int, int], free: int) -> PlacingPlan:
    """How the planner has a model share so many bytes with a job, its transformer apart from all else."""
    expert = bytes_from_sizes(WAN, of.wan, len(of.context_layers), torch.bfloat16)
    sizes = ModelSizes(
        family=WAN, base=of.wan, context_blocks=len(of.context_layers), vae=VaeSizes(), weights={}, experts=(expert,)
    )
    memory = Memory(name="card", total=free, free=free)
    return replace(plan_job(sizes, Job(size=clip, passes=2), memory).plan, stays=False)


@contextmanager
def limited(bench: Bench, most: int | None) -> Generator[None, None, None]:
    """A card of so many bytes."""
    if bench.device.type != "cuda" or most is None:
        yield
        return
    total = torch.cuda.get_device_properties(bench.device).total_memory
    torch.cuda.set_per_process_memory_fraction(min(most / total, 1.0), bench.device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)


def streaming(bench: Bench) -> None:
    """Weights that come from main memory as they are used: equal to those on the card, and a model larger than it."""
    models = {"toy": (TOY, None)} if bench.quick else {"1.3B": (MODELS["1.3B"], None), "14B": (MODELS["14B"], LIMIT)}
    clip = TOY_CLIP["toy"] if bench.quick else CLIPS["480p"]
    for name, (of, most) in models.items():
        if bench.over("streaming", name):
            continue
        (base, adapter), asked = in_main_memory(of), asked_of(bench, clip)
        plan = PlacingPlan(stays=False, share=0.0) if most is None else plan_for(of, clip, int(most * ROOM))
        with limited(bench, most):
            placement = Placement(plan, bench.device)
            there: Any = PlacedBase(Expert(base=base, adapter=adapter), placement)
            step = our_step(there, adapter, asked)
            bench.timed("streaming", [name, f"{plan.share:.0%} of the blocks stay"], step, 1)
            with torch.no_grad():
                got = step()
            placement.clear()
        if most is None:  # small enough to be there whole
            for network in (base, adapter):
                network.to(bench.device)
            whole = our_step(base, adapter, asked)
            bench.timed("streaming", [name, "all on the card"], whole, 1)
            with torch.no_grad():
                same = torch.equal(got, whole())
            bench.add("streaming", name, "equal", str(same))
            if not same:
                bench.failed.append(f"{name} streamed differs from {name} on the card.")
        elif placement.plan != plan:
            bench.failed.append(f"{name} did not fit into {most / GIB:.1f} GiB as planned.")
        del base, adapter, there, step
        bench.empty()


def lora(bench: Bench) -> None:
    """A LoRA of rank 32 on the largest weight of a block: merged, and added to float8 when that is used."""
    rows, columns = (TOY if bench.quick else MODELS["14B"]).wan.ffn, (TOY if bench.quick else MODELS["14B"]).wan.width
    added = Added(factors=(torch.randn(rows, RANK) * 0.1, torch.randn(RANK, columns) * 0.1), scale=0.5)
    weight, x = torch.randn(rows, columns) * 0.02, torch.randn(64, columns)
    stored = weight.to(torch.float8_e4m3fn)

    def merge(device: torch.device) -> Callable[[], Tensor]:
        there, kept = added.to(device), weight.to(device)
        return lambda: there.onto(kept.clone())

    def use(device: torch.device) -> Callable[[], Tensor]:
        layer = layers.Linear(columns, rows, bias=False, device="meta")
        layers.keep_packed(layer, stored.to(device), Packing(change=added.to(device).onto))
        given = x.to(device)
        return lambda: layer(given)

    for what, make in {"merged into a weight": merge, "added to float8 as it is used": use}.items():
        run = make(bench.device)
        bench.timed("LoRA", [what, f"{rows} x {columns}"], run)
        with torch.no_grad():
            far = measuring.distance(run().cpu(), make(torch.device("cpu"))())
        bench.add("LoRA", what, "from the CPU's", f"{far:.1e}")
        if not far <= MOST[torch.float32]:
            bench.failed.append(f"A LoRA {what} is {far:.1e} away from the CPU's.")


def vae(bench: Bench) -> None:
    """A clip encoded and decoded, whole and in tiles."""
    size = TOY_CLIP["toy"] if bench.quick else CLIPS["480p"]
    width = 8 if bench.quick else 96
    pixels = torch.rand(1, 3, *size) * 2 - 1
    latents = torch.randn(1, dit.LATENTS.channels, *latent_size(size), device=bench.device)
    peer = peers.diffusers()
    for dtype in (torch.bfloat16, torch.float32) if bench.device.type == "cuda" else (torch.float32,):
        name = str(dtype).removeprefix("torch.")
        with torch.device(bench.device):
            network: Any = random_weights(WanVaeNetwork(width=width).to(dtype))
        whole, tiled = WanVae(network), WanVae(network, tile=256)
        bench.timed("VAE", [name, "encode", "vace_core"], lambda whole=whole: whole.encode(pixels), 1)
        bench.timed("VAE", [name, "decode", "vace_core"], lambda whole=whole: whole.decode(latents), 1)
        bench.timed("VAE", [name, "decode", "vace_core, tiles"], lambda tiled=tiled: tiled.decode(latents), 1)
        if peer is None:
            continue
        with torch.device(bench.device):
            other: Any = random_weights(peer.AutoencoderKLWan(base_dim=width, z_dim=16).to(dtype))
        theirs = pixels.to(bench.device, dtype)
        bench.timed("VAE", [name, "encode", "diffusers"], lambda o=other, x=theirs: o.encode(x), 1)
        stored = latents.to(dtype)
        bench.timed("VAE", [name, "decode", "diffusers"], lambda o=other, z=stored: o.decode(z), 1)


PARTS = {
    "tasks": tasks, "steps": steps, "attention": attention, "VAE": vae, "streaming": streaming, "LoRA": lora,
}  # fmt: skip
HEADS = {
    "tasks": ["family", "task", "precision", "mean difference from the CPU's frames, of −1..1"],
    "steps": ["model", "clip", "who", "s a step", "GiB beside the weights"],
    "ratios": ["model", "clip", "", "ratio"],
    "attention": ["to", "kernel", "s", "GiB"],
    "VAE": ["precision", "", "who", "s", "GiB"],
    "streaming": ["model", "", "s a step", "GiB beside what stays"],
    "LoRA": ["", "weight", "s", "GiB"],
}


def card_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="toy sizes on any device; saves nothing")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which no further row begins")
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.quick:
        print("No CUDA card is there. This needs one; --quick runs toy sizes anywhere.")
        return 2
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bench = Bench(device=device, quick=options.quick, ends=time.monotonic() + options.seconds)
    for part in options.parts:
        PARTS[part](bench)
    title = f"{card_of(device)}, torch {torch.__version__}"
    for part, rows in bench.rows.items():
        measuring.show(f"{part}: {title}", HEADS[part], [row + [""] * (len(HEADS[part]) - len(row)) for row in rows])
    if not options.quick:
        measuring.RESULTS.mkdir(exist_ok=True)
        text = json.dumps({"card": title, "rows": bench.rows}, indent=1)
        (measuring.RESULTS / "gpu.json").write_text(text + "\n")
    for line in bench.failed:
        print(f"Failed: {line}")
    return len(bench.failed) > 0


if __name__ == "__main__":
    raise SystemExit(main())
