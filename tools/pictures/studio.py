"""The real nodes on the starter's world, and what they take and give as images."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .sheet import COLUMNS

TESTS = Path(__file__).parents[2] / "tests"
KEPT, MADE = (245, 245, 245), (214, 62, 54)
WORDS = {"fit": "starter"}
KINDS = {"vae": "a VAE", "base": "a base without VACE", "adapter": "a VACE adapter"}
SIZE = {"width": 96, "height": 96, "length": 17, "fps": 8.0}


class Studio:
    """Runs nodes by their id, as ComfyUI does, on a stand-in of its API."""

    def __init__(self, weights: Path | None) -> None:
        sys.path[:0] = [str(TESTS / "nodes"), str(TESTS)]
        import standin
        from conftest import load_pack

        standin.install()
        self._pack = load_pack("vace_pack")
        if weights is not None:
            self._pack.vace_core.starter.model.WEIGHTS = weights

    @property
    def nodes(self) -> list[str]:
        return list(self._pack.by_id)

    def name(self, node_id: str) -> str:
        return self._pack.by_id[node_id].GET_SCHEMA().display_name

    def run(self, node_id: str, **values: Any) -> Any:
        """What the node gives, with the defaults of its form for what is not said."""
        node = self._pack.by_id[node_id]
        inputs = {one.id: one for one in node.GET_SCHEMA().inputs}
        assert values.keys() <= inputs.keys(), f"{node_id} has no {values.keys() - inputs.keys()}"
        defaults = {name: one.default for name, one in inputs.items() if one.default is not None}
        with torch.inference_mode():
            return node.PREPARE_CLASS_CLONE({}).EXECUTE_NORMALIZED(**{**defaults, **values})

    def clip(self, scene: str, length: int = 17) -> dict[str, Any]:
        """The outputs of VACE Example Clip by their names."""
        schema = self._pack.by_id["VaceExampleClip"].GET_SCHEMA()
        given = self.run("VaceExampleClip", scene=scene, length=length)
        return {one.display_name: given[n] for n, one in enumerate(schema.outputs)}

    @cached_property
    def starter(self) -> Any:
        return self.run("VaceLoadStarter")[0]

    def samples(self, vcu: Any, **options: Any) -> Any:
        usual = {"seed": 1, "steps": 4, "cfg": 2.0, "shift": 3.0, "sampler": "euler"}
        return self.run("VaceSampleVideo", model=self.starter, vcu=vcu, **{**usual, **options})[0]

    def decoded(self, vcu: Any, samples: Any) -> Any:
        return self.run("VaceDecodeVideo", samples=samples, vcu=vcu, vae=self.starter)

    def plain(self, samples: Any) -> Tensor:
        """IMAGE: latents decoded alone, nothing put back: a VCU that keeps nothing has nothing."""
        return self.decoded(self.run("VaceTextToVideo", **SIZE)[0], samples)[0]

    def facts(self) -> list[str]:
        """What is in the starter's files, a line for each."""
        core, lines = self._pack.vace_core, []
        for part in core.starter.model.PARTS:
            file = core.loading.inspect.inspect(core.starter.model.WEIGHTS / f"{part}.safetensors")
            lines.append(f"{file.path.name}: {KINDS[file.kind]}, {file.bytes / 1e6:.0f} MB. For {file.fits}.")
        return lines

    def profiles(self) -> list[str]:
        """What each profile decides, a line for each."""
        choose = self._pack.nodes.choose
        return [f"{name}: {choose.settings_note(one)}" for name, one in choose.PROFILES.items()]

    def made(self, vcu: Any, **options: Any) -> Tensor:
        """IMAGE: what the starter generates from a VCU."""
        return self.decoded(vcu, self.samples(vcu, **options))[0]


def images(tensor: Tensor, count: int = COLUMNS) -> list[Image.Image]:
    """An IMAGE as images: the first frame, the last, and evenly between."""
    levels = (tensor[..., :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return [Image.fromarray(levels[n]) for n in _places(len(levels), count)]


def masks(tensor: Tensor, count: int = COLUMNS) -> list[Image.Image]:
    """A MASK in black and white."""
    return images(tensor[..., None].expand(-1, -1, -1, 3), count)


def roles(vcu: Any, count: int = COLUMNS) -> list[Image.Image]:
    """What a VCU generates (red) and keeps (white)."""
    made = vcu.masks[0, 0].cpu().numpy()[..., None]
    levels = (made * np.array(MADE) + (1 - made) * np.array(KEPT)).round().astype(np.uint8)
    return [Image.fromarray(levels[n]) for n in _places(len(levels), count)]


def frames(tensor: Tensor, count: int = COLUMNS) -> list[Image.Image]:
    """Frames `(1, 3, T, H, W)` in −1..1 as images."""
    return images((tensor[0].movedim(0, -1) + 1) / 2, count)


def _places(length: int, count: int) -> list[int]:
    if length <= count:
        return list(range(length))
    return [round(n * (length - 1) / (count - 1)) for n in range(count)]
