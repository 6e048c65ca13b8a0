"""Runs a prompt in this process, without ComfyUI: what a workflow asks for, and what it should give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from tools.workflows.forms import pack

from .recast import is_link
from .starter_files import FPS, example

Prompt = Mapping[str, Mapping[str, Any]]

CORE: dict[str, Callable[..., tuple[Any, ...]]] = {
    "ImageFromBatch": lambda image, batch_index, length: (image[batch_index : batch_index + length],),
    "ImageBatch": lambda image1, image2: (torch.cat([image1, image2]),),
    "LoadVideo": lambda file: (example(file.removesuffix(".mkv"), "images"),),
    "CreateVideo": lambda images, fps, audio=None: (images,),
    "GetVideoComponents": lambda video: (video, None, float(FPS)),
    "LoadImage": lambda image: (example(*image.removesuffix(".png").rsplit(", ", 1))[:1], torch.zeros(1, 64, 64)),
    "VaceLoadLora": lambda **_: (None,),
    "VaceLoadAdapter": lambda **_: (None,),
    "VaceLoadModel": lambda **_: (None,),
}
"""ComfyUI's own nodes that stand in front of a task, on the files of `starter_files.py`, and loaders, which a VCU does
not need where its size is set."""


class Here:
    """The nodes of a prompt, each computed when it is asked for, and once.

    Args:
        nodes: The pack's own, by their ids; None = on a stand-in of ComfyUI's API.

    Attributes:
        made: The outputs of the nodes that were computed.
    """

    def __init__(self, prompt: Prompt, nodes: Mapping[str, Any] | None = None) -> None:
        self.prompt, self.made = prompt, dict[str, tuple[Any, ...]]()
        self._nodes = nodes

    def outputs(self, number: str) -> tuple[Any, ...]:
        if number not in self.made:
            node = self.prompt[number]
            values = {name: self.value(one) for name, one in node["inputs"].items()}
            self.made[number] = _run(node["class_type"], values, self._nodes)
        return self.made[number]

    def value(self, given: Any) -> Any:
        """A constant, or the output that a link leads to."""
        if is_link(given):
            return self.outputs(given[0])[given[1]]
        return given["__value__"] if isinstance(given, dict) else given

    def scenes(self) -> list[str]:
        """The example clips that are shown or drawn, in the order of the prompt."""
        files = [node["inputs"].get("scene") or node["inputs"].get("file", "") for node in self.prompt.values()]
        return [file.removesuffix(".mkv") for file in files if file]

    def first(self, class_type: str) -> str:
        """The number of the first node of a type."""
        return next(number for number, node in self.prompt.items() if node["class_type"] == class_type)

    @property
    def unit(self) -> Any:
        """The VCU that the video is made of."""
        return self.input_of(self.finisher, "vcu")

    @property
    def finisher(self) -> str:
        """The type of the node that the frames come from."""
        kinds = [node["class_type"] for node in self.prompt.values()]
        return next(kind for kind in ("VaceDecodeVideo", "VaceSampleLongVideo") if kind in kinds)

    def input_of(self, class_type: str, name: str) -> Any:
        return self.value(self.prompt[self.first(class_type)]["inputs"][name])


def _run(class_type: str, values: dict[str, Any], nodes: Mapping[str, Any] | None) -> tuple[Any, ...]:
    if class_type in CORE:
        return CORE[class_type](**values)
    node = (nodes or pack().by_id)[class_type]
    with torch.inference_mode():
        made = node.PREPARE_CLASS_CLONE({}).EXECUTE_NORMALIZED(**values)
    assert made.result is not None, class_type
    return made.result
