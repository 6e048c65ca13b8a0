"""Rows 8 and 9: masks of every shape, and inputs that do not fit together."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from .material import PATH, FakeVae, clip, conditioning, left_half
from .pack import Pack
from .row import Row, tally

FRAMES, HEIGHT, WIDTH = 5, 32, 48


def masks() -> dict[str, Tensor]:
    """The masks found in the wild, and some that nobody should make."""
    hard = (torch.rand(FRAMES, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    one = hard[:1]
    return {
        "[H, W]": one[0],
        "[1, H, W]": one,
        "[T, H, W]": hard,
        "[T, H, W, 1]": hard[..., None],
        "[T, 1, H, W]": hard[:, None],
        "[1, H, W, 1]": one[..., None],
        "black 64 x 64": torch.zeros(1, 64, 64),
        "black 64 x 64, [H, W]": torch.zeros(64, 64),
        "black": torch.zeros(FRAMES, HEIGHT, WIDTH),
        "white": torch.ones(1, HEIGHT, WIDTH),
        "short": hard[:3],
        "long": hard.repeat(2, 1, 1),
        "inverted": 1 - hard,
        "soft": hard * 0.6 + 0.2,
        "soft edge": torch.linspace(0, 1, WIDTH).expand(1, HEIGHT, WIDTH),
        "bool": hard > 0,
        "uint8 of 0 and 1": hard.to(torch.uint8),
        "half precision": hard.half(),
        "float64": hard.double(),
        "0..255": hard * 255,
        "-1..1": hard * 2 - 1,
        "not contiguous": hard.transpose(1, 2).contiguous().transpose(1, 2),
        "half size": hard[:, ::2, ::2],
        "double size": hard.repeat_interleave(2, 1).repeat_interleave(2, 2),
        "another shape": torch.ones(1, 32, 32),
        "turned": hard.transpose(1, 2),
        "an image": clip(FRAMES),
        "an RGBA image": clip(FRAMES, channels=4),
        "five dimensions": hard[None, None],
        "one dimension": hard[0, 0],
        "a number": torch.tensor(1.0),
        "no frames": hard[:0],
        "no width": hard[:, :, :0],
        "NaN": hard * float("nan"),
        "infinity": hard * float("inf"),
    }


JOBS = {
    "inpaint": ("VaceInpaintVideo", {}),
    "swap": ("VaceSwapAnything", {"references": clip(1)}),
    "gray in a mask": ("VaceControlVideo", {"kind": "gray"}),
    "general": ("VaceBuildVCU", {}),
    "compose": ("VaceComposeMasks", {}),
}


def mask_zoo(pack: Pack) -> dict[str, Any]:
    """Row 8: masks x tasks x fits; what was made is then put back, and the kept pixels are compared."""
    found, worst = [], 0.0
    for mask_name, mask in masks().items():
        for job, (node, rest) in JOBS.items():
            for fit in pack.part(("as it is", "starter"), 2):
                video = clip(FRAMES)
                fitted = {} if job == "compose" else {"images": video, "fit": fit}
                kind, got = pack.outcome(pack.run, node, **{**rest, **fitted, "mask": mask})
                found.append((f"{mask_name}, {job}, {fit}", kind, None if kind == "handled" else got))
                if kind == "handled" and job != "compose" and got[0].source is not None:
                    worst = max(worst, _changed(pack, got[0], video))
    return {**tally(found), "largest change outside the mask": worst}


def _changed(pack: Pack, vcu: Any, video: Tensor) -> float:
    """The largest difference of a kept pixel to the clip that came, after decoding and putting back."""
    made = clip(FRAMES, vcu.height, vcu.width, seed=9)
    latent = {"samples": FakeVae().encode(made)}
    kept = (vcu.masks[0, 0] == 0)[..., None].expand(-1, -1, -1, 3)
    results = (
        pack.run("VaceCompositeVideo", images=made, vcu=vcu)[0],
        pack.run("VaceDecodeVideo", samples=latent, vcu=vcu, vae=FakeVae())[0],
    )
    return max(float((one - video)[kept].abs().max()) if bool(kept.any()) else 0.0 for one in results)


def mismatches(pack: Pack) -> dict[str, Any]:
    """Row 9: random lengths, sizes, channels and kinds in every socket of every node with more than one."""
    draw = random.Random(0)
    vcus = [pack.run("VaceTextToVideo", width=w, height=32, length=n)[0] for w, n in ((48, 5), (32, 5), (48, 9))]
    vcus.append(pack.run("VaceInpaintVideo", images=clip(), mask=left_half(), fit="as it is")[0])
    vcus.append(pack.run("VaceSwapAnything", images=clip(), mask=left_half(), references=clip(2), fit="as it is")[0])
    stack = pack.run("VaceStackReferences", image=clip(1, 20, 30))[0]

    def usual(value: Any, *others: Any) -> Any:
        # Mostly what fits, so that one misfit at a time is tried too.
        return value if draw.random() < 0.7 else draw.choice(others)

    def image() -> Any:
        size = usual(5, 0, 1, 2, 4, 9), usual(32, 16, 31, 64), usual(48, 16, 33, 64)
        return clip(*size, seed=1, channels=usual(3, 4, 1, 2))

    def mask() -> Any:
        made = left_half(usual(5, 0, 1, 2, 9), usual(32, 16, 31, 64), usual(48, 16, 33, 64))
        return usual(made, made[..., None], made[:, None], None)

    def references() -> Any:
        return draw.choice((image(), stack))

    def vcu() -> Any:
        return draw.choice(vcus)

    def latent() -> Any:
        shape = 1, usual(16, 4), draw.choice((1, 2, 3, 4)), usual(4, 2), usual(6, 4)
        return {"samples": torch.zeros(shape)}

    nodes = {
        "VaceInpaintVideo": {"images": image, "mask": mask},
        "VaceSwapAnything": {"images": image, "mask": mask, "references": references},
        "VaceControlVideo": {"images": image, "mask": mask, "kind": lambda: draw.choice(("gray", "flow", "depth"))},
        "VaceBuildVCU": {"images": image, "mask": mask, "control": image, "references": references},
        "VaceExtendVideo": {"first": image, "last": image, "length": lambda: draw.choice((5, 9, 17))},
        "VaceJoinVideos": {"first": image, "last": image, "length": lambda: draw.choice((9, 17))},
        "VacePlaceKeyframes": {"images": image, "positions": lambda: "0, 4", "length": lambda: 9},
        "VaceAnimateAnything": {"pose": image, "references": references},
        "VaceReferenceAnything": {"image_1": image, "mask_1": mask, "image_2": image, "mask_2": mask,
                                  "width": lambda: 48, "height": lambda: 32, "length": lambda: 5},
        "VaceComposeMasks": {"mask": mask, "mask_2": mask, "images": image, "boxes": lambda: [(1, 2, 9, 9)],
                             "paths": lambda: draw.choice((None, PATH))},
        "VaceStackReferences": {"image": image, "mask": mask},
        "VaceComposeVCUs": {"vcu_1": vcu, "vcu_2": vcu, "vcu_3": vcu},
        "VaceCompositeVideo": {"images": image, "vcu": vcu, "feather": lambda: draw.choice((0, 3)),
                               "match_colour": lambda: draw.choice((False, True))},
        "VaceDecodeVideo": {"samples": latent, "vcu": vcu, "vae": FakeVae, "before": image, "after": image},
        "VaceApplyVCU": {"positive": conditioning, "negative": conditioning, "vae": FakeVae, "vcu": vcu},
    }  # fmt: skip
    found = []
    for number in range(150 if pack.quick else 600):
        node = list(nodes)[number % len(nodes)]
        values = {name: make() for name, make in nodes[node].items()}
        fit = {"fit": draw.choice(("as it is", "starter", "480p"))} if _has_fit(pack, node) else {}
        kind, got = pack.outcome(pack.run, node, **values, **fit)
        shapes = {name: tuple(v.shape) if isinstance(v, Tensor) else type(v).__name__ for name, v in values.items()}
        found.append((f"{number} {node} {shapes} {fit}", kind, None if kind == "handled" else got))
    return tally(found)


def _has_fit(pack: Pack, node: str) -> bool:
    return any(one.id == "fit" for one in pack.module.by_id[node].GET_SCHEMA().inputs)


def row_8(hosts: dict[str, dict[str, Any]]) -> Row:
    total, handled, said = (sum(one.get(key, 0) for one in hosts.values()) for key in ("cases", "handled", "said"))
    worst = max(one["largest change outside the mask"] for one in hosts.values())
    return Row(
        8,
        f"{handled + said} of {total}: {handled} handled, {said} refused in a sentence; kept pixels changed by "
        f"{worst:g}",
        handled + said == total and worst == 0,
        f"{len(masks())} kinds of mask x {len(JOBS)} nodes x 2 fits; kept pixels after VACE Composite Video and after "
        "VACE Decode Video against the clip that came, every bit.",
    )


def row_9(hosts: dict[str, dict[str, Any]]) -> Row:
    total, handled, said, cryptic = (
        sum(one.get(key, 0) for one in hosts.values()) for key in ("cases", "handled", "said", "cryptic")
    )
    return Row(
        9,
        f"{cryptic} of {total}: {handled} combinations fit, {said} were refused in a sentence",
        not cryptic,
        "Random lengths, sizes, channels and kinds in every socket of the 15 nodes with several (fixed seed).",
    )


HOSTED = {8: mask_zoo, 9: mismatches}
ROWS = {8: row_8, 9: row_9}
