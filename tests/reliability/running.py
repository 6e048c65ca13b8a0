"""Rows 11, 12, 14 and 15: cancelled, repeated, cached and reproduced runs."""

from __future__ import annotations

import copy
import gc
import hashlib
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .material import clip, left_half
from .pack import Pack, tiny_starter
from .row import Row

STEPS = 6
RUNS = 20
SAMPLING = {"steps": STEPS, "cfg": 2.0, "shift": 3.0, "sampler": "unipc", "seed": 1}


def cancelled(pack: Pack) -> dict[str, Any] | None:
    """Row 11: interrupted at every call of the bar, on our model and on ComfyUI's own."""
    if pack.comfy is None:
        return None
    import native_parts

    core = pack.module.vace_core
    ours = tiny_starter(pack)
    clip_, vae = native_parts.Clip(), native_parts.vae(core)
    native = pack.run("VaceUseNativeModel", model=native_parts.vace_model(core), clip=clip_, vae=vae)[0]
    found = {}
    for name, model, network in (
        ("our model", ours, ours.core.expert.base),
        ("ComfyUI's model", native, native.model.model.diffusion_model),
    ):
        found[name] = _cancelled(pack, model, network)
    return found


def _cancelled(pack: Pack, model: Any, network: nn.Module) -> dict[str, Any]:
    vcu = pack.run("VaceSwapAnything", images=clip(9), mask=left_half(), references=clip(1), fit="as it is")[0]

    def job() -> Tensor:
        samples = pack.run("VaceSampleVideo", model=model, vcu=vcu, **SAMPLING)[0]
        return pack.run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=model)[0]

    wanted, (events, calls) = job(), _counted(job, network)
    before, files = _state(model), _files(pack.folder)
    stops, late, unstopped, different = [], 0.0, 0, 0
    for event in range(events):
        stopped, after = _interrupted(job, network, event)
        unstopped += not stopped
        late = max(late, after * STEPS / max(calls, 1))
        stops.append(event)
        different += not torch.equal(job(), wanted) if event % 4 == 0 else 0
    return {
        "interrupts": len(stops),
        "calls of the network in a whole run": calls,
        "latency, steps": late,
        "not stopped": unstopped,
        "changed weights, hooks or patches": sum(before[key] != value for key, value in _state(model).items()),
        "files left": len(_files(pack.folder) - files),
        "next runs that differ": different + (not torch.equal(job(), wanted)),
    }


@contextmanager
def _bar(hook: Callable[..., None]) -> Iterator[None]:
    from comfy import model_management
    from comfy.utils import set_progress_bar_global_hook

    set_progress_bar_global_hook(hook)
    try:
        yield
    finally:
        set_progress_bar_global_hook(None)
        model_management.interrupt_current_processing(False)


def _counted(job: Callable[[], Tensor], network: nn.Module) -> tuple[int, int]:
    """Calls of the bar and of the network in a whole run."""
    events, calls = [], []
    handle = network.register_forward_pre_hook(lambda *_: calls.append(1))
    with _bar(lambda *_, **__: events.append(1)):
        job()
    handle.remove()
    return len(events), len(calls)


def _interrupted(job: Callable[[], Tensor], network: nn.Module, event: int) -> tuple[bool, int]:
    """Whether the run stops when it is interrupted at this call of the bar, and how often the network runs after."""
    from comfy import model_management

    seen, asked = 0, False
    calls = []

    def hook(*_: Any, **__: Any) -> None:
        nonlocal seen, asked
        # As the server's own hook does: it stops the job if the user asked for it, and tells the browser.
        model_management.throw_exception_if_processing_interrupted()
        if seen == event:
            asked = True
            model_management.interrupt_current_processing(True)
        seen += 1

    handle = network.register_forward_pre_hook(lambda *_: calls.append(1) if asked else None)
    try:
        with _bar(hook):
            job()
        # The last calls of the bar come after the last work: there is nothing left to stop.
        return not asked or not calls, len(calls)
    except model_management.InterruptProcessingException:
        return True, len(calls)
    finally:
        handle.remove()


def _state(model: Any) -> dict[str, Any]:
    """What cancelling must not change: weights, hooks, patches and wrappers."""
    if hasattr(model, "core"):
        networks = [model.core.expert.base, model.core.expert.adapter, model.core.vae.network]
        patchers = [one for one in model.patchers if one is not None]
    else:
        networks, patchers = [model.model.model], [model.model]
    found: dict[str, Any] = {}
    for number, network in enumerate(networks):
        digest = hashlib.sha256()
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
        found[f"weights {number}"] = digest.hexdigest()
        found[f"hooks {number}"] = sum(
            len(one._forward_hooks) + len(one._forward_pre_hooks) + len(one._backward_hooks)
            for one in network.modules()
        )
        found[f"gradients {number}"] = sum(one.grad is not None for one in network.parameters())
    for number, patcher in enumerate(patchers):
        found[f"patches {number}"] = (len(patcher.patches), len(patcher.object_patches), str(patcher.wrappers))
        found[f"options {number}"] = str(sorted(patcher.model_options))
    return found


def _files(folder: Path) -> set[str]:
    return {str(one) for part in ("temp", "output") for one in (folder / part).rglob("*") if one.is_file()}


def leaks(pack: Pack) -> dict[str, Any] | None:
    """Row 12: a whole graph, executed by ComfyUI, a new seed each time."""
    if pack.comfy is None:
        return None
    from test_end_to_end import graph

    _picture(pack)
    tiny_starter(pack)
    task = ("VaceInpaintVideo", {"images": ("clip", 0), "mask": ("mask", 0), "fit": "starter",
                                 "prompt": "a dog", "negative_prompt": "", "fps": 8.0})  # fmt: skip
    tensors, memory, executor = [], [], None
    tracemalloc.start()
    for seed in range(RUNS):
        ran = _executed(pack, graph(seed=seed, task=task), executor)
        executor = ran.executor
        executor.history_result = {}
        gc.collect()
        tensors.append(sum(isinstance(one, Tensor) for one in gc.get_objects()))
        memory.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return {
        "runs": RUNS,
        "tensors after runs 3 and last": [tensors[2], tensors[-1]],
        "growth, tensors": tensors[-1] - tensors[2],
        "growth, bytes": memory[-1] - memory[2],
    }


def _picture(pack: Pack) -> None:
    from PIL import Image

    (pack.folder / "input").mkdir(exist_ok=True)
    pixels = (clip(1)[0] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels).save(pack.folder / "input" / "picture.png")


def _executed(pack: Pack, prompt: dict[str, Any], executor: Any | None = None) -> Any:
    from graphs import execute

    ran = execute(pack.comfy, prompt, executor)
    if not ran.success:
        raise RuntimeError(ran.error)
    return ran


def caching(pack: Pack) -> dict[str, Any] | None:
    """Row 14: the same graph again, one value changed, and every file replaced under its name."""
    if pack.comfy is None:
        return None
    from test_end_to_end import inpainting

    _picture(pack)
    tiny_starter(pack)
    everything = set(inpainting())
    executor = _executed(pack, inpainting()).executor

    def ran(prompt: dict[str, Any]) -> set[str]:
        # ComfyUI notes in a prompt what it found of the files, so that each run needs a prompt of its own.
        return everything - set(_executed(pack, copy.deepcopy(prompt), executor).cached)

    cases: dict[str, tuple[set[str], set[str]]] = {"the same again": (ran(inpainting()), set())}
    rest = {"sample", "decode", "save"}
    cases["another seed"] = (ran(inpainting(seed=2)), rest)
    cases["the first seed again"] = (ran(inpainting()), rest)
    worded = inpainting()
    worded["task"]["inputs"]["prompt"] = "a green square"
    cases["another prompt"] = (ran(worded), {"task", "preview", *rest})
    for part in ("vae", "base", "adapter"):
        path = pack.module.vace_core.starter.model.WEIGHTS / f"{part}.safetensors"
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
        cases[f"{part} replaced"] = (ran(worded), {"model", *rest})
    path = pack.folder / "input" / "picture.png"
    path.write_bytes(path.read_bytes() + b"\0")
    cases["picture replaced"] = (ran(worded), {"picture", "clip", "task", "preview", *rest})
    cases["the same at last"] = (ran(worded), set())
    return {
        "cases": len(cases),
        "stale": sum(len(due - did) for did, due in cases.values()),
        "needless": sum(len(did - due) for did, due in cases.values()),
        "ran": {name: sorted(did) for name, (did, _) in cases.items()},
    }


def reproducible(pack: Pack) -> dict[str, Any]:
    """Row 15: the same twice with every solver, and the VAE in tiles and windows against whole frames."""
    model = tiny_starter(pack)
    vcu = pack.run("VaceInpaintVideo", images=clip(9, 64, 96), mask=left_half(1, 64, 96), fit="as it is")[0]
    same = {}
    for solver in pack.part([*pack.module.vace_core.sampling.solvers.SOLVERS], 3):
        values = {**SAMPLING, "steps": 3, "sampler": solver}
        first, again = (pack.run("VaceSampleVideo", model=model, vcu=vcu, **values)[0]["samples"] for _ in range(2))
        same[solver] = float((first - again).abs().max())
    vae, stream = model.core.vae, pack.module.vace_core.models.wan.vae_stream
    frames = vcu.frames
    latents = vae.encode(frames)
    decoded = vae.decode(latents)
    tiled = {}
    for tile in pack.part((64, 32, 16), 3):
        other = stream.WanVae(vae.network, tile=tile)
        tiled[f"encode, tiles of {tile}"] = float((other.encode(frames) - latents).abs().max())
        tiled[f"decode, tiles of {tile}"] = float((other.decode(latents) - decoded).abs().max())
    box = pack.module.vace_core.geometry.Box(16, 16, 48, 48)
    window = vae.decode(latents, window=box)
    tiled["decode, a window"] = float((window - decoded[..., 16:48, 16:48]).abs().max())
    return {"same settings twice": same, "in pieces against whole": tiled}


def row_11(hosts: dict[str, dict[str, Any]]) -> Row:
    parts = [one for host in hosts.values() for one in host.values() if isinstance(one, dict)]
    late = max(one["latency, steps"] for one in parts)
    left = sum(one["changed weights, hooks or patches"] for one in parts)
    files, different, unstopped = (
        sum(o[k] for o in parts) for k in ("files left", "next runs that differ", "not stopped")
    )
    return Row(
        11,
        f"{sum(one['interrupts'] for one in parts)} interrupts: latency {late:.1f} steps, {unstopped} not stopped; "
        f"changed weights, hooks, patches {left}; files left {files}; next runs that differ {different}",
        late <= 1 and not (left or files or different or unstopped),
        "Interrupted at every call of the progress bar, while encoding, at each step and while decoding, on our model "
        "and on ComfyUI's; state compared by hash, and runs after it to the bit.",
    )


def row_12(hosts: dict[str, dict[str, Any]]) -> Row:
    tensors = max(one["growth, tensors"] for one in hosts.values())
    size = max(one["growth, bytes"] for one in hosts.values())
    return Row(
        12,
        f"after run 3 of {RUNS}: {tensors:+d} tensors, {size / 2**20:+.2f} MB",
        tensors <= 0 and size < 2**20,
        "A whole graph, a new seed each time, executed by ComfyUI; live tensors and memory that Python allocated.",
    )


def row_14(hosts: dict[str, dict[str, Any]]) -> Row:
    cases, stale, needless = (sum(one[key] for one in hosts.values()) for key in ("cases", "stale", "needless"))
    return Row(
        14,
        f"{cases} re-runs: stale {stale}, needless {needless}",
        not stale and not needless,
        "The same graph again, other seeds and prompts, and each file of the model and the image replaced under its "
        "name; which nodes ran is compared with which had to.",
    )


def row_15(hosts: dict[str, dict[str, Any]]) -> Row:
    same = max(value for one in hosts.values() for value in one["same settings twice"].values())
    tiled = max(value for one in hosts.values() for value in one["in pieces against whole"].values())
    return Row(
        15,
        f"same settings {same:g}; in tiles and windows at most {tiled:.1e} of −1..1",
        same == 0 and tiled <= 2e-5,
        "Every solver twice; the VAE in tiles of 16, 32 and 64 pixels, both ways, and in a window, against the whole.",
    )


HOSTED = {11: cancelled, 12: leaks, 14: caching, 15: reproducible}
ROWS = {11: row_11, 12: row_12, 14: row_14, 15: row_15}
