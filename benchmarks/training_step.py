"""One training step of a context adapter on a frozen base, beside a plain loop around diffusers' model.

python benchmarks/training_step.py
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measuring
import peers
import torch
from torch import Tensor, nn

from vace_core.models.wan import dit as wan
from vace_core.models.wan.keys import diffusers_key
from vace_core.training.engine import LOSSES, Draw, train
from vace_core.training.fit import noise_generator
from vace_core.training.objective import Objective
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned, save_memory

CONFIGS = {
    "tiny": (peers.sizes(256, 1536, 6, 3, latent=(5, 16, 16)), 4),
    "mid": (peers.sizes(512, 2048, 8, 4, latent=(3, 16, 16)), 2),
}
QUICK = (peers.sizes(256, 384, 4, 2, latent=(2, 4, 6)), 2)
OURS, THEIRS = "vace_core", "diffusers, a plain loop"
KEPT = {"kept": False, "computed again": True}
RATE, DECAY, CLIP = 1e-4, 1e-4, 1.0
OBJECTIVE = Objective()


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two that are compared.

    Attributes:
        losses: Number of a step → losses of its clips, as both draw them.
        trained: Weights that are trained, by their official names.
    """

    losses: Callable[[int], Tensor]
    trained: dict[str, nn.Parameter]


def inputs_of(of: peers.DitSizes, batch: int) -> SimpleNamespace:
    one = peers.dit_inputs(of)
    draws = torch.Generator().manual_seed(6)
    return SimpleNamespace(
        latents=torch.randn(batch, *one.latents.shape[1:], generator=draws),
        context=torch.randn(batch, *one.context.shape[1:], generator=draws),
        texts=[one.texts[0]] * batch,
        padded=torch.cat([one.padded[0]] * batch),
    )


def our_side(of: peers.DitSizes, weights: dict[str, Tensor], inputs: SimpleNamespace, saves: bool) -> tuple[Side, Any]:
    base, adapter = peers.our_dit(of)
    base.load_state_dict({name: weights[name] for name in base.state_dict()})
    adapter.load_state_dict({name: weights[wan.official_adapter_key(name)] for name in adapter.state_dict()})
    base.requires_grad_(False)
    if saves:
        save_memory(base.blocks, adapter.context_blocks)
    tuned = Tuned(base, adapter, dtype=torch.float32)

    def losses(step: int) -> Tensor:
        noisy, sigmas, wanted = OBJECTIVE.noised(inputs.latents, noise_generator(0, step))
        return OBJECTIVE.losses(tuned(noisy, sigmas, inputs.texts, 16.0, inputs.context), wanted, sigmas)

    trained = {wan.official_adapter_key(name): value for name, value in adapter.named_parameters()}
    return Side(losses=losses, trained=trained), tuned


def their_side(peer: SimpleNamespace, of: peers.DitSizes, weights, inputs: SimpleNamespace, saves: bool) -> Side:
    model = peers.diffusers_dit(peer, of)
    model.load_state_dict({diffusers_key(name): value for name, value in weights.items()})
    model.requires_grad_(False)
    if saves:
        model.train().enable_gradient_checkpointing()
    named = dict(model.named_parameters())
    trained = {name: named[diffusers_key(name)].requires_grad_() for name in weights if name.startswith("vace_")}

    def losses(step: int) -> Tensor:
        noisy, sigmas, wanted = OBJECTIVE.noised(inputs.latents, noise_generator(0, step))
        velocity = model(
            hidden_states=noisy, timestep=sigmas * 1000, encoder_hidden_states=inputs.padded,
            control_hidden_states=inputs.context, return_dict=False,
        )[0]  # fmt: skip
        return (velocity - wanted).square().flatten(1).mean(1)

    return Side(losses=losses, trained=trained)


def plain_loop(side: Side) -> Callable[[int], float]:
    """Steps as a short script makes them."""
    weights = list(side.trained.values())
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY, fused=True)

    def step(number: int) -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = side.losses(number).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, CLIP)
        optimiser.step()
        return float(loss.detach())

    return step


def gradients(side: Side) -> Tensor:
    """Of the first step, of all trained weights in one row."""
    weights = [side.trained[name] for name in sorted(side.trained)]
    found = torch.autograd.grad(side.losses(0).mean(), weights)
    return torch.cat([gradient.flatten() for gradient in found])


def measure(of: peers.DitSizes, batch: int, saves: bool, peer: SimpleNamespace, options) -> dict[str, Any]:
    weights, inputs = peers.dit_weights(of), inputs_of(of, batch)
    ours, tuned = our_side(of, weights, inputs, saves)
    theirs = their_side(peer, of, weights, inputs, saves)
    apart = measuring.distance(gradients(ours), gradients(theirs))
    seconds, their_losses = _in_turn(ours, tuned, plain_loop(theirs), options)
    losses = seconds.pop("losses")
    results = measuring.timings(seconds, OURS)
    results["compared"] = {
        "gradient_distance": apart,
        "largest_difference_of_losses": max(abs(a / b - 1) for a, b in zip(losses, their_losses, strict=False)),
    }
    return results


def _in_turn(ours: Side, tuned: nn.Module, theirs: Callable[[int], float], options) -> tuple[dict[str, Any], list]:
    """The engine at work; before each of its steps the other loop makes the same step."""
    clock = time.process_time if options.threads == 1 else time.perf_counter
    seconds: dict[str, Any] = {OURS: [], THEIRS: []}
    their_losses, since = list[float](), 0.0

    def losses_of(_: nn.Module, draw: Draw) -> Tensor:
        nonlocal since
        now = clock()
        if draw.step >= 2:  # a step ends where the next one begins; the first is not counted
            seconds[OURS].append(now - since)
        if draw.step <= options.rounds:
            their_losses.append(theirs(draw.step))
            if draw.step:
                seconds[THEIRS].append(clock() - now)
        since = clock()
        return ours.losses(draw.step)

    schedule = Schedule(
        steps=options.rounds + 2, learning_rate=RATE, weight_decay=DECAY, clip=CLIP, warmup=0, decay_from=1.0,
        batch=1, save_every=10**6,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        train(tuned, losses_of, schedule, folder=Path(folder))
        lines = (Path(folder) / LOSSES).read_text().splitlines()
    seconds["losses"] = [json.loads(line)["loss"] for line in lines]
    return seconds, their_losses


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0], config=list(CONFIGS), inside=list(KEPT))
    configs = {"quick": QUICK} if options.quick else {name: CONFIGS[name] for name in options.config}
    if (peer := peers.diffusers()) is None:
        return
    results = {
        name: {inside: measure(of, batch, KEPT[inside], peer, options) for inside in options.inside}
        for name, (of, batch) in configs.items()
    }
    rows = []
    for config, by_inside in results.items():
        for inside, got in by_inside.items():
            compared = got["compared"]
            for name in (OURS, THEIRS):
                cells = [config, inside, name, f"{got[name]['median_s']:.3f}", f"{got[name]['ours_over_this']:.3f}"]
                far = ["largest_difference_of_losses", "gradient_distance"] if name == OURS else []
                rows.append(cells + [f"{compared[key]:.1e}" for key in far] + [""] * (2 - len(far)))
    head = ["config", "inside of blocks", "", "s per step", "vace_core / this", "loss, diff", "gradient, l2 diff / l2"]
    measuring.show("One training step", head, rows)
    measuring.save("training_step", results, options)


if __name__ == "__main__":
    main()
