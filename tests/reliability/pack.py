"""The pack in this process: in a real ComfyUI where one is named, else on the tests' stand-in of its API."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "nodes")]


@dataclass
class Pack:
    """The loaded pack.

    Attributes:
        module: Its package; `by_id` holds its nodes.
        comfy: ComfyUI's modules `nodes` and `execution` and its `folder`; None on the stand-in.
        folder: A temporary folder of this process.
        quick: Whether a part of the cases is enough.
        said: Every message with which something was refused, in order.
        code: The code of the last of them.
    """

    module: types.ModuleType
    comfy: types.SimpleNamespace | None
    folder: Path
    quick: bool = False
    said: list[str] = field(default_factory=list)
    code: str = ""

    def part(self, cases: Sequence[Any], every: int) -> Sequence[Any]:
        """All cases, or each n-th where a part is enough."""
        return cases[::every] if self.quick else cases

    def run(self, node_id: str, **values: Any) -> Any:
        """One node as ComfyUI runs it, with the defaults of its form for the rest."""
        node = self.module.by_id[node_id]
        defaults = {
            one.id: one.default for one in node.GET_SCHEMA().inputs if getattr(one, "default", None) is not None
        }
        with torch.inference_mode():
            return node.PREPARE_CLASS_CLONE({}).EXECUTE_NORMALIZED(**{**defaults, **values})

    def outcome(self, call: Callable[..., Any], *args: Any, **named: Any) -> tuple[str, Any]:
        """("handled", result), ("said", message) for an error of the library, or ("cryptic", what came instead)."""
        try:
            return "handled", call(*args, **named)
        except Exception as error:  # whatever a user would see
            if "VaceError" in [kind.__name__ for kind in type(error).__mro__]:
                self.said.append(str(error))
                self.code = error.code  # type: ignore[attr-defined]
                return "said", str(error)
            return "cryptic", f"{type(error).__name__}: {str(error)[:300]}"


def start(comfyui: Path | None, folder: Path, *, quick: bool = False) -> Pack:
    """Loads the pack, in `comfyui` if that is given."""
    import standin
    from boot import boot
    from conftest import load_pack

    comfy = boot(comfyui, folder) if comfyui else None
    if comfy is None:
        standin.install()
        sys.modules["node_helpers"] = _node_helpers()
    module = load_pack("vace_pack")
    if comfy is not None:
        comfy.nodes.NODE_CLASS_MAPPINGS.update(module.by_id)
    return Pack(module=module, comfy=comfy, folder=folder, quick=quick)


def tiny_starter(pack: Pack, spoiler: float | None = None) -> Any:
    """VACE_MODEL of the starter's layout with tiny weights, from VACE Load Starter; the folder stays in its place.

    Args:
        pack: Where it is loaded.
        spoiler: Written into every weight of its last layer, if given.
    """
    from safetensors.torch import load_file, save_file
    from tiny_files import LAYERS, write_starter

    folder = pack.folder / ("starter" if spoiler is None else f"starter {spoiler:g}")
    if not folder.is_dir():
        folder.mkdir()
        write_starter(folder, pack.module.vace_core)
        if spoiler is not None:
            weights = load_file(folder / "base.safetensors")
            weights["head.head.weight"].fill_(spoiler)
            save_file(weights, folder / "base.safetensors", metadata={"vace_layers": str(list(LAYERS))})
    pack.module.vace_core.starter.model.WEIGHTS = folder
    return pack.run("VaceLoadStarter")[0]


def _node_helpers() -> types.ModuleType:
    """The one function of ComfyUI's module that conditioning needs."""
    module = types.ModuleType("node_helpers")

    def conditioning_set_values(conditioning: Any, values: dict[str, Any], append: bool = False) -> Any:
        return [[text, {**said, **values}] for text, said in conditioning]

    module.conditioning_set_values = conditioning_set_values  # type: ignore[attr-defined]
    return module
