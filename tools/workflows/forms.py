"""What the nodes of the workflows look like: their inputs, widgets and outputs, in the order that graphs keep them."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
OURS, CORE_PACK = "vace", "comfy-core"
NEEDED = object()


@dataclass(frozen=True, kw_only=True)
class Input:
    """An input of a node.

    Attributes:
        kind: Its type, as ComfyUI writes it.
        default: What its widget shows at first; `NEEDED` where there is no widget or no default.
        socket: Whether it is a socket without a widget.
        tall: Whether its widget is a text of several lines.
        seeds: Whether a second widget beside it says how it changes after a run.
    """

    name: str
    kind: str
    default: Any = NEEDED
    socket: bool = True
    optional: bool = False
    tall: bool = False
    seeds: bool = False


@dataclass(frozen=True, kw_only=True)
class Form:
    """A node: its inputs and outputs, and the pack that it comes from.

    Attributes:
        outputs: Name and type of each.
        pack: Its name in the registry.
        room: Pixels of height for what it shows: an image, a video, an editor.
        says: Pixels by which it grows for what it says of its work.
    """

    node_id: str
    title: str
    inputs: tuple[Input, ...]
    outputs: tuple[tuple[str, str], ...]
    pack: str = CORE_PACK
    version: str = "0.3.64"
    room: int = 0
    says: int = 0


def from_info(info: Mapping[str, Any], **said: Any) -> Form:
    """A form from what ComfyUI's /object_info says of a node."""
    inputs = [
        _input(name, spec, optional=group == "optional")
        for group in ("required", "optional")
        for name, spec in info["input"].get(group, {}).items()
    ]
    outputs = tuple(zip(info["output_name"], info["output"], strict=True))
    return Form(
        node_id=info["name"],
        title=info["display_name"] or info["name"],
        inputs=tuple(inputs),
        outputs=outputs,
        **said,
    )


def _input(name: str, spec: Sequence[Any], *, optional: bool) -> Input:
    kind, said = spec[0], spec[1] if len(spec) > 1 else {}
    options = kind if isinstance(kind, list) else said.get("options", [])
    kind = "COMBO" if isinstance(kind, list) else kind
    default = said.get("default", options[0] if options else NEEDED)
    return Input(
        name=name,
        kind=kind,
        default=default,
        socket=kind not in WIDGETS or bool(said.get("forceInput")),
        optional=optional,
        tall=bool(said.get("multiline")),
        # Frontends do so by the name alone too.
        seeds=bool(said.get("control_after_generate", kind == "INT" and name in ("seed", "noise_seed"))),
    )


@cache
def pack() -> ModuleType:
    """The pack on a stand-in of ComfyUI's API, with its nodes as `by_id`."""
    standin = _module("standin_for_workflows", ROOT / "tests" / "nodes" / "standin.py")
    with _in_place_of_comfyui(standin.modules()):
        module = _module("vace_pack_for_workflows", ROOT / "__init__.py", [str(ROOT)])
        extension = asyncio.run(module.comfy_entrypoint())
        module.by_id = {node.GET_SCHEMA().node_id: node for node in asyncio.run(extension.get_node_list())}
        module.infos = {node_id: node.GET_NODE_INFO_V1() for node_id, node in module.by_id.items()}
    return module


@contextmanager
def _in_place_of_comfyui(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """Only these names are given back: what else is imported meanwhile, torch for one, must not be imported twice."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _module(name: str, path: Path, folders: list[str] | None = None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


ROOMS = {
    "VacePreviewVCU": 260,
    "VaceMeasureVideo": 300,
    "VaceDesk": 556,
    "VaceMoveAnything": 420,
    "VaceLayoutToVideo": 420,
    "VaceStackReferences": 200,
    "VaceSampleVideo": 200,
    "VacePlanWindows": 160,
    "VaceSampleLongVideo": 200,
}
SAYS = {
    "VaceChooseModel": 224,
    "VaceDecodeVideo": 84,
    "VaceSampleVideo": 128,
    "VaceLoadAdapter": 70,
    "VacePreviewVCU": 36,
    "VaceMeasureVideo": 120,
    "VaceStrength": 200,
    "VaceExpandAnything": 78,
    "VacePlanWindows": 184,
    "VaceSampleLongVideo": 228,
    "VaceLoadLora": 46,
    "VaceSamplingOptions": 46,
    "VaceEncodePrompt": 46,
    **dict.fromkeys(("VaceLoadStarter", "VaceUseNativeModel", "VaceApplyVCU", "VaceComposeVCUs"), 0),
}
"""By how much nodes grow for what they say of their work, measured in frontend 1.58.1."""

USUALLY = 62
"""The same of all others: three lines."""


@cache
def pack_forms() -> dict[str, Form]:
    """The forms of the pack's own nodes."""
    return {
        node_id: from_info(
            info,
            pack=OURS,
            version="0.1.0",
            room=ROOMS.get(node_id, 0),
            says=SAYS.get(node_id, USUALLY),
        )
        for node_id, info in pack().infos.items()
    }
