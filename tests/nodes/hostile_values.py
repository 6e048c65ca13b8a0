"""What only links bring to a node: good things, and what other packs make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
from hostile import HALF, PATH
from torch import Tensor


def clip(frames: int = 5, height: int = 32, width: int = 48, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.randint(0, 256, (frames, height, width, channels), generator=generator).float() / 255


def mask(frames: int = 1, height: int = 32, width: int = 48) -> Tensor:
    values = torch.zeros(frames, height, width)
    values[:, :, : width // 2] = 1
    return values


class Drawn:
    """What is used of ComfyUI's curves."""

    def interp(self, place: float) -> float:
        return 1 - place


def _with(values: Tensor, one: float) -> Tensor:
    values = values.clone()
    values.view(-1)[0] = one
    return values


GOOD: dict[str, Callable[[Any], Any]] = {
    "clip": lambda _: clip(),
    "picture": lambda _: clip(1),
    "two pictures": lambda _: clip(2),
    "mask": lambda _: mask(),
    "latent": lambda _: {"samples": torch.zeros(1, 16, 2, 4, 6)},
    "conditioning": lambda _: [[torch.zeros(1, 1, 4096), {}]],
    "boxes": lambda _: [(1, 2, 20, 22)],
    "tracks": lambda _: {"track_path": torch.full((5, 2, 2), 16.0), "track_visibility": torch.ones(5, 2)},
    "paths": lambda _: PATH,
    "starter": lambda pack: pack.starter[0],
    "base": lambda pack: pack.starter[1],
    "adapter": lambda pack: pack.starter[2],
    "options": lambda pack: pack.run("VaceSamplingOptions", cfg_steps="2, 1")[0],
    "references": lambda pack: pack.run("VaceStackReferences", image=clip(1))[0],
    "stitch": lambda pack: pack.run("VaceCropVideo", images=clip(), mask=mask())[2],
    "unit": lambda pack: pack.run("VaceInpaintVideo", images=clip(), mask=mask(), fit="as it is")[0],
    "starter's unit": lambda pack: pack.run("VaceTextToVideo", width=48, height=32, length=5)[0],
    "strengths": lambda pack: pack.run("VaceStrength", over_steps="0:1 0.5:0", over_frames="0.5")[0],
    "conditions": lambda pack: pack.run("VaceAddCondition", vcu=GOOD["unit"](pack), strength=0.5)[0],
    "plan": lambda pack: pack.run("VacePlanWindows", length=5, fps=16.0, window=5, overlap=1)[0],
    "sigmas": lambda _: torch.tensor([1.0, 0.5, 0.0]),
    "curve": lambda _: Drawn(),
    "model": lambda pack: pack.native("model"),
    "clip model": lambda pack: pack.native("clip"),
    "vae": lambda pack: pack.native("vae"),
}

HOSTILE: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda _: None,
    "an object": lambda _: object(),
    "a class": lambda _: int,
    "bytes": lambda _: b"\xff\xfe",
    "half a character": lambda _: f"a {HALF} b",
    "words": lambda _: "\u4e2d\u6587\u2026",
    "NaN": lambda _: float("nan"),
    "infinity": lambda _: float("inf"),
    "a huge number": lambda _: 10**30,
    "a number beyond floats": lambda _: 10**400,
    "a number of 5000 digits": lambda _: 10**5000,
    "a negative number": lambda _: -7,
    "seven": lambda _: 7.0,
    "seven and a half": lambda _: 7.5,
    "a complex number": lambda _: 1j,
    "NumPy's seven": lambda _: np.int64(7),
    "NumPy's half": lambda _: np.float32(0.5),
    "NumPy's NaN": lambda _: np.float64("nan"),
    "NumPy's true": lambda _: np.bool_(True),
    "NumPy's array": lambda _: np.zeros((5, 32, 48, 3), np.float32),
    "a list of numbers": lambda _: [0.1, 0.2],
    "an empty list": lambda _: [],
    "an empty dict": lambda _: {},
    "a scalar": lambda _: torch.tensor(0.5),
    "no frames": lambda _: torch.zeros(0, 32, 48, 3),
    "no pixels": lambda _: torch.zeros(5, 0, 48, 3),
    "a picture without batch": lambda _: clip(1)[0],
    "two channels": lambda _: clip(channels=2),
    "opaque alpha": lambda _: torch.cat([clip(), torch.ones(5, 32, 48, 1)], dim=3),
    "alpha": lambda _: clip(channels=4),
    "one channel": lambda _: clip(channels=1),
    "channels first": lambda _: clip().movedim(-1, 1),
    "five dimensions": lambda _: clip()[None],
    "bytes of pixels": lambda _: (clip() * 255).to(torch.uint8),
    "values to 255": lambda _: clip() * 255,
    "values from -1": lambda _: clip() * 2 - 1,
    "NaN pixel": lambda _: _with(clip(), float("nan")),
    "infinite pixel": lambda _: _with(clip(), float("inf")),
    "half precision": lambda _: clip().half(),
    "bfloat16": lambda _: clip().bfloat16(),
    "double": lambda _: clip().double(),
    "complex pixels": lambda _: clip().to(torch.complex64),
    "sparse": lambda _: clip().to_sparse(),
    "without memory": lambda _: clip().to("meta"),
    "one pixel": lambda _: clip(1, 1, 1),
    "odd sizes": lambda _: clip(4, 31, 47),
    "long and narrow": lambda _: clip(1, 2, 4000),
    "other size": lambda _: clip(5, 64, 64),
    "other length": lambda _: clip(9),
    "black mask of Load Image": lambda _: torch.zeros(1, 64, 64),
    "empty mask": lambda _: torch.zeros(1, 32, 48),
    "mask without batch": lambda _: mask()[0],
    "mask with a channel": lambda _: mask(5)[:, None],
    "mask of three frames": lambda _: mask(3),
    "mask of another size": lambda _: mask(1, 64, 96),
    "mask of booleans": lambda _: mask() > 0,
    "mask of NaN": lambda _: _with(mask(), float("nan")),
    "mask to 255": lambda _: mask() * 255,
    "soft mask": lambda _: mask() * 0.3,
    "latent of pictures": lambda _: {"samples": torch.zeros(1, 4, 4, 6)},
    "latent of two videos": lambda _: {"samples": torch.zeros(2, 16, 2, 4, 6)},
    "longer latent": lambda _: {"samples": torch.zeros(1, 16, 5, 4, 6)},
    "larger latent": lambda _: {"samples": torch.zeros(1, 16, 2, 8, 8)},
    "latent of another model": lambda _: {"samples": torch.zeros(1, 128, 1, 1, 2)},
    "latent of NaN": lambda _: {"samples": torch.full((1, 16, 2, 4, 6), float("nan"))},
    "latent of nothing": lambda _: {"samples": None},
    "latent of words": lambda _: {"samples": "abc"},
    "latent of integers": lambda _: {"samples": torch.zeros(1, 16, 2, 4, 6, dtype=torch.int64)},
    "no conditioning": lambda _: [],
    "conditioning of words": lambda _: [["x", {}]],
    "conditioning without options": lambda _: [[torch.zeros(1, 1, 4096)]],
    "conditioning with other lists": lambda _: [[torch.zeros(1, 1, 4096), {"vace_frames": 3, "vace_strength": None}]],
    "a box": lambda _: (1, 2, 20, 22),
    "a box upside down": lambda _: [(20, 22, 1, 2)],
    "a box of NaN": lambda _: [(1, 2, float("nan"), 4)],
    "a far box": lambda _: [(-500_000, -500_000, 500_000, 500_000)],
    "boxes of words": lambda _: [{"x": "a", "y": HALF, "width": 1, "height": 1}],
    "boxes for three frames": lambda _: [[(1, 1, 2, 2)]] * 3,
    "tracks of NaN": lambda _: {"track_path": torch.full((5, 2, 2), float("nan"))},
    "tracks of no points": lambda _: {"track_path": torch.zeros(5, 0, 2)},
    "tracks in space": lambda _: {"track_path": torch.zeros(5, 2, 3)},
    "points": lambda _: json.dumps([{"x": 1, "y": 1}, {"x": 30, "y": 20}]),
    "a unit of another size": lambda pack: pack.run("VaceTextToVideo", width=64, height=64, length=9)[0],
    "a unit with a reference": lambda pack: pack.run(
        "VaceReferenceToVideo", references=clip(1), width=48, height=32, length=5
    )[0],
    "a unit at another rate": lambda pack: pack.run("VaceTextToVideo", width=48, height=32, length=5, fps=3.0)[0],
    "an adapter that is gone": lambda pack: pack.module.nodes.comfy.sockets.AdapterFile(
        path=pack.folder / "gone.safetensors"
    ),
    "an adapter that is text": lambda pack: pack.module.nodes.comfy.sockets.AdapterFile(
        path=pack.written("no weights")
    ),
    "the class of units": lambda pack: pack.module.vace_core.VideoConditionUnit,
}

NAMES = (*GOOD, *HOSTILE)
LINKED = tuple(name for name in NAMES if name != "a number of 5000 digits")
"""Without what ComfyUI's own history cannot write."""


class Values:
    """Makes values by name, each once.

    Args:
        module: The pack, with its nodes as `by_id`.
        folder: A folder that files may be written to.
        native: Makes ComfyUI's own "model", "clip" or "vae".
    """

    def __init__(self, module: ModuleType, folder: Any, native: Callable[[str], Any]) -> None:
        self.module, self.folder = module, folder
        self.native = cache(native)
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            with torch.inference_mode():
                self._made[name] = {**GOOD, **HOSTILE}[name](self)
        return self._made[name]

    def run(self, node_id: str, **values: Any) -> Any:
        """One node, with the defaults of its form for the rest."""
        node = self.module.by_id[node_id]
        usual = {
            one.id: one.default for one in node.define_schema().inputs if getattr(one, "default", None) is not None
        }
        return node.execute(**{**usual, **values})

    @property
    def starter(self) -> Any:
        if "the starter" not in self._made:
            self._made["the starter"] = self.run("VaceLoadStarter")
        return self._made["the starter"]

    def written(self, text: str) -> Any:
        path = self.folder / "text.safetensors"
        path.write_text(text)
        return path
