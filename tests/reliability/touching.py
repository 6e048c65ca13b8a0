"""Row 13: inputs hashed before and after each node."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .material import PATH, FakeVae, clip, conditioning, left_half
from .pack import Pack, tiny_starter
from .row import Row


def touching(pack: Pack) -> dict[str, Any]:
    """Row 13: every node that takes tensors, models, latents, conditioning or VCUs."""
    model = tiny_starter(pack)
    # Ours compares whole values: a VCU that is read must not change in any of its tensors.
    vcu = pack.run("VaceSwapAnything", images=clip(9), mask=left_half(), references=clip(2), fit="as it is")[0]
    other = pack.run("VaceControlVideo", images=clip(9, seed=3), kind="gray", fit="as it is")[0]
    stack = pack.run("VaceStackReferences", image=clip(1))[0]
    latent = {"samples": torch.zeros(1, 16, 3, 4, 6), "noise_mask": torch.ones(1, 1, 32, 48)}
    control = {"images": clip(), "mask": left_half(), "mend": True}
    jobs: list[tuple[str, dict[str, Any]]] = [
        ("VaceReferenceToVideo", {"references": clip(2), "width": 48, "height": 32, "length": 5}),
        ("VaceReferenceToVideo", {"references": clip(2, channels=4), "width": 48, "height": 32, "length": 5}),
        ("VaceReferenceToVideo", {"references": stack, "width": 48, "height": 32, "length": 5}),
        ("VaceInpaintVideo", {"images": clip(), "mask": left_half()}),
        ("VaceInpaintVideo", {"images": clip(), "mask": left_half()[0], "fit": "as it is"}),
        ("VaceInpaintVideo", {"images": clip(18, 64, 96), "mask": left_half(18, 32, 48), "fit": "starter"}),
        ("VaceOutpaintVideo", {"images": clip()}),
        ("VaceExtendVideo", {"first": clip(9), "last": clip(9), "length": 13}),
        ("VaceJoinVideos", {"first": clip(9), "last": clip(9), "length": 13}),
        ("VacePlaceKeyframes", {"images": clip(2), "length": 9}),
        *(("VaceControlVideo", {**control, "kind": kind}) for kind in ("gray", "scribble", "flow", "depth", "pose")),
        ("VaceControlVideo", {**control, "kind": "given scribble"}),
        ("VaceMoveAnything", {"image": clip(1), "paths": PATH, "length": 5}),
        ("VaceSwapAnything", {"images": clip(), "mask": left_half(), "references": stack}),
        ("VaceExpandAnything", {"image": clip(1), "length": 5, "references": clip(1)}),
        ("VaceAnimateAnything", {"pose": clip(), "references": clip(1), "mend": True}),
        ("VaceReferenceAnything", {"image_1": clip(1), "mask_1": left_half(), "width": 48, "height": 32, "length": 5}),
        ("VaceBuildVCU", {"images": clip(), "mask": left_half(), "control": clip(seed=4), "references": clip(1)}),
        ("VaceComposeMasks", {"mask": left_half(), "mask_2": left_half(5), "grow": 2, "hold": 1, "invert": True}),
        ("VaceComposeMasks", {"boxes": [(1, 2, 9, 9)], "images": clip(), "paths": PATH}),
        ("VaceStackReferences", {"image": clip(1), "mask": left_half(), "references": stack}),
        ("VaceComposeVCUs", {"vcu_1": vcu, "vcu_2": other}),
        ("VacePreviewVCU", {"vcu": vcu}),
        ("VaceSampleVideo", {"model": model, "vcu": vcu, "steps": 2, "shift": 3.0}),
        ("VaceApplyVCU", {"positive": conditioning(), "negative": conditioning(), "vae": FakeVae(), "vcu": vcu}),
        ("VaceDecodeVideo", {"samples": latent, "vcu": vcu, "vae": model, "feather": 3, "match_colour": True,
                             "before": clip(2), "after": clip(2)}),
        ("VaceCompositeVideo", {"images": clip(9, seed=7), "vcu": vcu, "feather": 3, "match_colour": True}),
    ]  # fmt: skip
    changed, failed, nodes, inputs = [], {}, set(), 0
    for node, values in jobs:
        before = {name: digest(value) for name, value in values.items()}
        kind, got = pack.outcome(pack.run, node, **values)
        if kind != "handled":
            failed[node] = got
        nodes.add(node)
        inputs += len(before)
        changed += [f"{node}.{name}" for name, value in values.items() if digest(value) != before[name]]
    return {"nodes": len(nodes), "inputs": inputs, "changed": changed, "did not run": failed}


def digest(value: Any) -> str:
    """The same for the same content, whatever it is made of; views that share memory count by what they show."""
    found = hashlib.sha256()
    _feed(found, value, set())
    return found.hexdigest()


def _feed(found: Any, value: Any, seen: set[int]) -> None:
    if isinstance(value, Tensor):
        found.update(f"{value.dtype}{tuple(value.shape)}{value.device}".encode())
        found.update(value.detach().float().cpu().contiguous().numpy().tobytes())
    elif isinstance(value, nn.Module):
        for name, part in sorted(value.state_dict().items()):
            found.update(name.encode())
            _feed(found, part, seen)
    elif isinstance(value, (str, int, float, bool, type(None))):
        found.update(repr(value).encode())
    elif id(value) in seen:
        found.update(b"again")
    elif isinstance(value, dict):
        for name in sorted(value, key=str):
            found.update(str(name).encode())
            _feed(found, value[name], seen | {id(value)})
    elif isinstance(value, (list, tuple)):
        found.update(f"{type(value).__name__}{len(value)}".encode())
        for one in value:
            _feed(found, one, seen | {id(value)})
    elif is_dataclass(value):
        for one in fields(value):
            _feed(found, getattr(value, one.name), seen | {id(value)})
    elif hasattr(value, "network"):
        _feed(found, value.network, seen)


def row_13(hosts: dict[str, dict[str, Any]]) -> Row:
    changed = [name for one in hosts.values() for name in one["changed"]]
    failed = [name for one in hosts.values() for name in one["did not run"]]
    inputs = sum(one["inputs"] for one in hosts.values())
    return Row(
        13,
        f"{len(changed)} of {inputs} inputs of {max(one['nodes'] for one in hosts.values())} nodes"
        + (f"; did not run: {', '.join(sorted(set(failed)))}" if failed else ""),
        not changed and not failed,
        "Tensors, masks, latents, conditioning, VCUs, reference stacks and a whole model, hashed before and after.",
    )


HOSTED = {13: touching}
ROWS = {13: row_13}
