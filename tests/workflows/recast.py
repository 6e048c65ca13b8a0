"""Brings prompts that need real weights or other packs to the starter: what is replaced, and by what.

The starter's files lie under the names of released ones (`starter_files.py`), so loaders load. Replaced are sizes,
settings and prompts, the video and picture that are chosen, and nodes whose own weights are not there: an example clip
gives what they would have found in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.workflows.forms import pack_forms
from tools.workflows.parts import CHOICE, STARTER

from .starter_files import clip_name, picture_name

FOUND: dict[str, dict[int, str]] = {
    "VHS_LoadVideo": {0: "images"},
    "DepthAnythingV2Preprocessor": {0: "depth"},
    "DWPreprocessor": {0: "pose"},
    "Sam2VideoSegmentation": {0: "mask"},
    "DA3Render": {0: "depth"},
    "SDPoseDrawKeypoints": {0: "pose"},
    "SAM3_TrackToMask": {0: "mask"},
}
"""Nodes that an example clip stands in for: which of its outputs is given in the place of each of theirs."""

FIT = {"fit": "starter"}
SIZE = {"width": 96, "height": 96, "length": 17, "fps": 8.0}
SAMPLING = {"steps": 4, "cfg": 2.0, "shift": 3.0, "sampler": "euler"}
SAMPLERS = {"VaceSampleVideo": ("steps", "cfg", "shift", "sampler"), "KSampler": ("steps", "cfg")}
GROWN = 2  # pixels: of a frame of 96
BOX = {"time": 0.0, "x": 0.5, "y": 0.448, "width": 0.958, "height": 0.583}
DRAWN = json.dumps({"version": 1, "objects": [{"action": "generate", "keys": [BOX]}]})


@dataclass(frozen=True, kw_only=True)
class Recast:
    """What a workflow is run on.

    Attributes:
        scene: The example clip in the place of the video.
        prompt: In words that the starter knows.
        picture: The example clip whose `source` is in the place of the picture.
        source: `objects` or `images`.
    """

    scene: str = ""
    prompt: str
    picture: str = ""
    source: str = "objects"


def replaced_in(prompt: Mapping[str, Any]) -> list[str]:
    """The types of the nodes that the example clip stands in for."""
    return [one["class_type"] for one in prompt.values() if one["class_type"] in FOUND]


def recast(prompt: Mapping[str, Any], with_: Recast) -> dict[str, Any]:
    """The prompt on the starter; nodes that nothing needs any more are left out."""
    made: dict[str, Any] = {}
    for number, node in prompt.items():
        made |= _node(number, node, with_)
    for node in made.values():
        node["inputs"] = {name: _link(value, prompt) for name, value in node["inputs"].items()}
    return needed(made)


def needed(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """What leads to a saved video."""
    wanted: set[str] = set()
    more = [number for number, node in prompt.items() if node["class_type"] == "SaveVideo"]
    while more:
        number = more.pop()
        if number not in wanted:
            wanted.add(number)
            more += [value[0] for value in prompt[number]["inputs"].values() if is_link(value)]
    return {number: node for number, node in prompt.items() if number in wanted}


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _node(number: str, node: Mapping[str, Any], with_: Recast) -> dict[str, Any]:
    kind, inputs = node["class_type"], dict(node["inputs"])
    if kind in FOUND:
        return {number: {"class_type": "VaceExampleClip", "inputs": {"scene": with_.scene, "length": SIZE["length"]}}}
    if kind == "VHS_VideoCombine":
        video = {"images": inputs["images"], "fps": inputs["frame_rate"]}
        saved = {"video": [f"{number}.1", 0], "filename_prefix": "video/vace", "format": "auto", "codec": "auto"}
        return {
            f"{number}.1": {"class_type": "CreateVideo", "inputs": video},
            f"{number}.2": {"class_type": "SaveVideo", "inputs": saved},
        }
    return {number: {**node, "inputs": {**inputs, **_changed(kind, inputs, with_)}}}


def _changed(kind: str, inputs: Mapping[str, Any], with_: Recast) -> dict[str, Any]:
    """The inputs that have other values on the starter."""
    if kind == "LoadVideo":
        return {"file": clip_name(with_.scene)}
    if kind == "LoadImage":
        return {"image": picture_name(with_.picture, with_.source)}
    if kind in SAMPLERS:
        return {name: SAMPLING[name] for name in SAMPLERS[kind]}
    if kind == "VaceComposeMasks":
        return {"grow": GROWN}
    if kind == CHOICE:
        return {"profile": STARTER}
    if kind not in pack_forms() or "prompt" not in inputs:
        return {}
    usual = {**SIZE, **FIT, "prompt": with_.prompt, "desk": DRAWN}
    return {name: value for name, value in usual.items() if name in inputs and not isinstance(inputs[name], list)}


def _link(value: Any, prompt: Mapping[str, Any]) -> Any:
    """A link to a node that was replaced leads to the output in its place."""
    if not is_link(value) or value[0] not in prompt:
        return value
    kind = prompt[value[0]]["class_type"]
    if kind not in FOUND:
        return value
    names = [name for name, _ in pack_forms()["VaceExampleClip"].outputs]
    return [value[0], names.index(FOUND[kind][value[1]])]
