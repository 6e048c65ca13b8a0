"""Crop and stitch against the full frame: tokens, time, memory, and what the starter makes of its own world.

    python benchmarks/crop.py [--clips 6] [--steps 4] [--prompt] [--shares 0.01 0.04 0.16 0.5]

Held-out clips of the starter's world, 17 frames of 192 x 192, of which a square of some share of the frame, at some
place, is made again: by way of the full frame, and of a box around the mask; each at the pixels of the clip, and at
half of them, by which a whole frame is as large as the starter knows it. With --prompt also with one that names what
the model is shown: the background, and the objects that are seen in the box. PSNR is that of the hole against the
clip. The seam is the mean difference of neighbouring pixels across it, in levels of 255, beside that of the clip itself
in the same place. Memory is the most that tensors took at once in one step and the decoding, the model left out; time
is that of a job without a prompt, which is one pass of the model a step. A crop that is the whole frame is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import measuring
import torch
from measuring import RESULTS
from memory import LiveBytes
from torch import Tensor

from vace_core import tasks
from vace_core.geometry import Box, Grid
from vace_core.inputs.blending import BlendMode, seam_steps
from vace_core.inputs.crops import crop_boxes, crop_masks
from vace_core.inputs.fitted import Source, Target, fit_clip
from vace_core.inputs.put_back import stitch
from vace_core.inputs.resizing import resize_masks
from vace_core.pipeline import SamplingOptions, VaceModel, finish, sample
from vace_core.pipeline.composite import composite_vcu
from vace_core.starter.model import STARTER_OPTIONS, STARTER_PRESET, load_starter
from vace_core.starter.scenes.captions import caption
from vace_core.starter.scenes.clips import HELD_OUT, Bucket
from vace_core.starter.scenes.clips import clip as drawn
from vace_core.starter.scenes.render import SceneClip
from vace_core.vcu import VideoConditionUnit

SIDE, FRAMES, SHARES = 192, 17, (0.01, 0.04, 0.16, 0.5)
CLIPS = Bucket(num_frames=FRAMES, height=SIDE, width=SIDE)
ANY = Grid(frames=STARTER_PRESET.grid.frames, pixels=1, patch=1)
WAYS: dict[str, tuple[float | None, float]] = {
    "full frame": (None, 1.0),
    "full frame, half scale": (None, 0.5),
    "crop, margin 0.5": (0.5, 1.0),
    "crop, margin 1, half scale": (1.0, 0.5),
    "crop, margin 3, half scale": (3.0, 0.5),
}
"""Surrounding on each side of the mask, as a ratio of its own, or None = all of the frame; and the scale."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """What the model is given, where that lies in the frame, and what becomes of its frames."""

    vcu: VideoConditionUnit
    box: Box
    back: Callable[[Tensor], Tensor]


def hole(share: float, seed: int) -> Tensor:
    """`(1, H, W)` bool, a square at some place."""
    side = round(math.sqrt(share) * SIDE)
    top, left = torch.randint(0, SIDE - side + 1, (2,), generator=torch.Generator().manual_seed(seed)).tolist()
    where = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    where[0, top : top + side, left : left + side] = True
    return where


def shown(frames: Tensor, where: Tensor, box: Box, size: tuple[int, int]) -> Job:
    part = frames[..., box.top : box.bottom, box.left : box.right]
    target = Target(takes=ANY, height=size[0], width=size[1], all_frames=True, whole=True)
    fitted = fit_clip(Source(frames=part, fps=STARTER_PRESET.fps), target)
    masks = resize_masks(crop_masks(where, (box,)).float(), fitted.plan)
    vcu = tasks.inpaint(fitted.frames, masks, fps=STARTER_PRESET.fps)
    return Job(vcu=vcu, box=box, back=lambda made: stitch(made, frames, where, (box,)))


def box_of(where: Tensor, margin: float | None, scale: float) -> Box:
    if margin is None:
        return Box(0, 0, SIDE, SIDE)
    return crop_boxes(where, margin=margin, step=round(STARTER_PRESET.grid.step / scale))[0]


def prompt_of(clip: SceneClip, box: Box) -> str:
    """What is seen in the box, as the world's captions say it."""
    scene = clip.scene
    seen = [bool(mask[..., box.top : box.bottom, box.left : box.right].any()) for mask in clip.masks]
    objects = tuple(one for one, there in zip(scene.objects, seen, strict=True) if there)
    return caption(replace(scene, objects=objects))


def made_by(model: VaceModel, job: Job, prompt: str, seed: int, steps: int) -> dict[BlendMode, Tensor]:
    """The result by way of each blend, of one sampling and decoding."""
    vcu = replace(job.vcu, prompt=prompt) if prompt else job.vcu
    options = replace(options_for(steps), seed=seed, guidance_scale=STARTER_OPTIONS.guidance_scale if prompt else 1.0)
    canvases: list[Tensor] = []

    def seen(canvas: Tensor) -> Tensor:
        canvases.append(canvas.clone())
        return canvas

    banded = finish(model.vae, vcu, sample(model, vcu, options), blend_mode="multiband", correct=seen)
    return {"feather": job.back(composite_vcu(canvases[0], vcu)), "multiband": job.back(banded)}


def options_for(steps: int) -> SamplingOptions:
    return replace(STARTER_OPTIONS, steps=steps)


def psnr(result: Tensor, truth: Tensor, where: Tensor) -> float:
    error = ((result - truth) / 2).square()[where[None, None].expand_as(result)].mean()
    return -10 * math.log10(max(float(error), 1e-10))


def peak(model: VaceModel, job: Job) -> float:
    """MiB of tensors beside the model."""
    tracker = LiveBytes()
    for part in (model.expert.base, model.expert.adapter, model.vae, model.text):
        module = part if isinstance(part, torch.nn.Module) else getattr(part, "network", None)
        if isinstance(module, torch.nn.Module):
            tracker.ignore(module)
    with torch.no_grad(), tracker:
        latents = sample(model, job.vcu, options_for(1))
        finish(model.vae, job.vcu, latents)
    return tracker.peak / 2**20


def row_of(model: VaceModel, share: float, way: str, clips: int, steps: int, *, prompts: bool) -> dict[str, Any] | None:
    """What a way comes to for masks of some share; None = its box is the whole frame."""
    scores: dict[str, list[float]] = {}
    margin, scale = WAYS[way]
    for seed in range(clips):
        clip = drawn(HELD_OUT, seed, CLIPS)
        where = hole(share, seed).expand(FRAMES, -1, -1)
        box = box_of(where[:1], margin, scale)
        if margin is not None and box.height == box.width == SIDE:
            return None
        job = shown(clip.frames, where[:1], box, (round(box.height * scale), round(box.width * scale)))
        inside = where[None, None]
        begin = time.process_time()
        results = made_by(model, job, "", seed, steps)
        found = {"seconds": time.process_time() - begin, "hole": psnr(results["feather"], clip.frames, where)}
        found["own"] = 127.5 * seam_steps(clip.frames, inside)[0]
        for blend, result in results.items():
            found[blend] = 127.5 * seam_steps(result, inside)[0]
            kept = (result - clip.frames).abs()[~inside.expand_as(result)]
            assert not len(kept) or float(kept.max()) == 0, "a kept pixel has changed"
        if prompts:
            said = made_by(model, job, prompt_of(clip, job.box), seed, steps)
            found["hole, prompt"] = psnr(said["feather"], clip.frames, where)
        for name, value in found.items():
            scores.setdefault(name, []).append(value)
    vcu = job.vcu
    return {
        "mask": share,
        "way": way,
        "size": f"{vcu.width} x {vcu.height}",
        "tokens": STARTER_PRESET.grid.tokens(FRAMES, vcu.height, vcu.width),
        "peak": peak(model, job),
        **{name: sum(values) / len(values) for name, values in scores.items()},
        "clips": clips,
        "steps": steps,
        "each": {name: scores[name] for name in ("hole", "hole, prompt") if name in scores},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--steps", type=int, default=STARTER_OPTIONS.steps)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--prompt", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    path, model = RESULTS / "crop.json", load_starter()
    known = {(one["mask"], one["way"]): one for one in json.loads(path.read_text())} if path.exists() else {}
    for share in chosen.shares:
        for way in chosen.ways:
            if one := row_of(model, share, way, chosen.clips, chosen.steps, prompts=chosen.prompt):
                known[share, way] = one
                print(" | ".join(cells(one)), flush=True)
                path.write_text(json.dumps(list(known.values()), indent=1) + "\n")  # rows of other runs stay
    head = ["mask", "shown to the model", "size", "tokens", "time", "peak", "hole", "hole, with a prompt",
            "seam of the clip", "hard edge", "multiband", "clips, steps"]  # fmt: skip
    order = sorted(known.values(), key=lambda one: (one["mask"], list(WAYS).index(one["way"])))
    measuring.show("Crop and stitch against the full frame", head, [cells(one) for one in order])


def cells(one: dict[str, Any]) -> list[str]:
    prompted = f"{one['hole, prompt']:.1f} dB" if "hole, prompt" in one else "—"
    return [
        f"{one['mask']:.0%}", one["way"], one["size"], str(one["tokens"]), f"{one['seconds']:.2f} s",
        f"{one['peak']:.0f} MiB", f"{one['hole']:.1f} dB", prompted,
        *(f"{one[name]:.2f}" for name in ("own", "feather", "multiband")), f"{one['clips']}, {one['steps']}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
