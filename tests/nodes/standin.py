"""A stand-in for the part of `comfy_api.latest` that the nodes use, for where no ComfyUI is.

It knows forms and what a node returns, nothing else. Wherever a ComfyUI is, `test_forms` compares its forms with the
real ones.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar


class Hidden(str, Enum):
    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"


class Input:
    """An input: its type, and what a form says of it under the names that frontends know."""

    NAMES: ClassVar = {"display_mode": "display", "force_input": "forceInput"}

    def __init__(
        self, kind: str, id: str, *, optional: bool = False, extra_dict: dict[str, Any] | None = None, **said: Any
    ) -> None:
        said |= extra_dict or {}
        self.kind, self.id, self.optional = kind, id, optional
        self.default, self.min, self.max = (said.get(name) for name in ("default", "min", "max"))
        self.options = said.get("options")
        self.said = {self.NAMES.get(name, name): value for name, value in said.items() if value is not None}

    def get_io_type(self) -> str:
        return self.kind


class Output:
    def __init__(self, kind: str, *, display_name: str, tooltip: str) -> None:
        self.kind, self.display_name, self.tooltip = kind, display_name, tooltip


def kind(io_type: str, **always: Any) -> Any:
    """A type of sockets or widgets; `always` is said of every input."""

    class Kind:
        Input = staticmethod(lambda id, **said: Input(io_type, id, **{**always, **said}))
        Output = staticmethod(lambda **said: Output(io_type, **said))

    Kind.io_type = io_type  # type: ignore[attr-defined]
    return Kind


def _multi(id: str, *, types: list[Any], **said: Any) -> Input:
    return Input(",".join(one.io_type for one in types), id, **said)


@dataclass
class Schema:
    node_id: str
    display_name: str
    category: str
    description: str
    inputs: list[Input]
    outputs: list[Output]
    hidden: list[Hidden] = field(default_factory=list)
    is_output_node: bool = False


class NodeOutput:
    def __init__(self, *args: Any, ui: Any = None, block_execution: str | None = None) -> None:
        self.args, self.ui, self.block_execution = args, ui, block_execution

    @property
    def result(self) -> tuple[Any, ...] | None:
        return self.args or None

    def __getitem__(self, index: int) -> Any:
        return self.args[index]


class ComfyNode:
    hidden: Any = None

    @classmethod
    def GET_SCHEMA(cls) -> Schema:
        return cls.define_schema()  # type: ignore[attr-defined]

    @classmethod
    def GET_NODE_INFO_V1(cls) -> dict[str, Any]:
        schema = cls.GET_SCHEMA()
        inputs: dict[str, dict[str, Any]] = {"required": {}}
        for one in schema.inputs:
            inputs.setdefault("optional" if one.optional else "required", {})[one.id] = (one.kind, one.said)
        hidden = [*schema.hidden, *([Hidden.prompt, Hidden.extra_pnginfo] if schema.is_output_node else [])]
        inputs["hidden"] = {one.name: (one.value,) for one in hidden}
        return {
            "input": inputs,
            "input_order": {group: list(some) for group, some in inputs.items()},
            "output": [one.kind for one in schema.outputs],
            "output_name": [one.display_name for one in schema.outputs],
            "output_tooltips": [one.tooltip for one in schema.outputs],
            "name": schema.node_id,
            "display_name": schema.display_name,
            "category": schema.category,
            "description": schema.description,
            "output_node": schema.is_output_node,
        }

    @classmethod
    def PREPARE_CLASS_CLONE(cls, hidden: dict[str, Any]) -> Any:
        return type(cls.__name__, (cls,), {"hidden": SimpleNamespace(unique_id=hidden.get("unique_id"))})

    @classmethod
    def EXECUTE_NORMALIZED(cls, **values: Any) -> NodeOutput:
        return cls.execute(**values)  # type: ignore[attr-defined]


class PreviewImage:
    """Notes the pictures where ComfyUI would write them to its temporary folder."""

    def __init__(self, image: Any, *, cls: Any) -> None:
        self.images = list(image)

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.images, "animated": (False,)}


class ComfyExtension:
    pass


def modules() -> dict[str, ModuleType]:
    """The stand-in as modules, by name."""
    io = SimpleNamespace(
        Custom=kind,
        Image=kind("IMAGE"),
        Mask=kind("MASK"),
        Latent=kind("LATENT"),
        Conditioning=kind("CONDITIONING"),
        Model=kind("MODEL"),
        Clip=kind("CLIP"),
        Vae=kind("VAE"),
        BBOX=kind("BBOX"),
        Int=kind("INT"),
        Float=kind("FLOAT"),
        Boolean=kind("BOOLEAN"),
        String=kind("STRING", multiline=False),
        Combo=kind("COMBO", multiselect=False),
        MultiType=SimpleNamespace(Input=_multi),
        Hidden=Hidden,
        Schema=Schema,
        ComfyNode=ComfyNode,
        NodeOutput=NodeOutput,
    )
    package, latest = ModuleType("comfy_api"), ModuleType("comfy_api.latest")
    latest.io, latest.ui = io, SimpleNamespace(PreviewImage=PreviewImage)  # type: ignore[attr-defined]
    latest.ComfyExtension = ComfyExtension  # type: ignore[attr-defined]
    package.latest = latest  # type: ignore[attr-defined]
    return {"comfy_api": package, "comfy_api.latest": latest}


def install() -> None:
    """Puts the stand-in where the nodes look for ComfyUI's."""
    sys.modules.update(modules())
