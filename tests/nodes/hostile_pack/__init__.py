"""Put among the custom nodes of a ComfyUI under test: one node gives any value by its name, one takes any value."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[3]
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "nodes")]


class AnyType(str):
    """A type that fits every socket, as utility packs have it."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


ANY = AnyType("*")


def _native(name: str) -> Any:
    """ComfyUI's own MODEL, CLIP or VAE of tiny weights."""
    import native_parts

    made = {"model": native_parts.vace_model, "vae": native_parts.vae, "clip": lambda _: native_parts.Clip()}
    return made[name](_values().module.vace_core)


def _values() -> Any:
    if not _MADE:
        import tempfile

        from hostile_values import Values

        pack = next(
            module
            for module in list(sys.modules.values())
            if getattr(module, "comfy_entrypoint", None) and Path(module.__file__ or "").resolve().parent == ROOT
        )
        by_id = {node.define_schema().node_id: node for node in pack.nodes.NODES}
        module = SimpleNamespace(by_id=by_id, nodes=pack.nodes, vace_core=pack.vace_core)
        _MADE.append(Values(module, Path(tempfile.mkdtemp()), _native))
    return _MADE[0]


_MADE: list[Any] = []


class TestValue:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", (ANY,)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"name": ("STRING", {"default": ""})}}

    def make(self, name: str) -> tuple[Any]:
        return (_values()[name],)


class TestSink:
    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "tests", "take", (), True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"value": (ANY, {})}}

    def take(self, value: Any) -> dict[str, Any]:
        return {"ui": {}}


NODE_CLASS_MAPPINGS = {"VaceTestValue": TestValue, "VaceTestSink": TestSink}
