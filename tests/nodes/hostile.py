"""Prompts as scripts and other packs send them: every node of the pack with good inputs, some of them replaced.

What travels through JSON stands in a prompt as it is. What only a link can bring (tensors of strange shapes, numbers
that are none, objects of other packs) is named, and `hostile_values` makes it, here or in a running ComfyUI.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PATH = json.dumps({"version": 1, "paths": [{"keys": [
    {"time": 0.0, "x": 0.25, "y": 0.5, "width": 0.25, "height": 0.5},
    {"time": 1.0, "x": 0.75, "y": 0.5, "width": 0.25, "height": 0.5},
]}]})  # fmt: skip
VALUE, SINK, NODE = "VaceTestValue", "VaceTestSink", "node"
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")

# Names out of hostile_values.GOOD
SOCKETS = {"IMAGE": "clip", "MASK": "mask", "LATENT": "latent", "CONDITIONING": "conditioning", "MODEL": "model",
           "CLIP": "clip model", "VAE": "vae", "VAE,VACE_MODEL": "starter", "CLIP,VACE_MODEL": "starter",
           "VACE_MODEL": "starter", "VACE_VCU": "unit", "VACE_ADAPTER": "adapter", "VACE_REFERENCES": "references",
           "VACE_REFERENCES,IMAGE": "picture", "VACE_STITCH": "stitch", "BBOX,BOUNDING_BOX": "boxes",
           "IMAGE,VIDEO": "clip", "TRACKS": "tracks",
           "VACE_STRENGTH": "strengths", "VACE_CONDITIONS": "conditions", "IMAGE,LATENT": "latent", "SIGMAS": "sigmas",
           "VACE_PLAN": "plan",
           "CURVE": "curve", "VACE_OPTIONS": "options"}  # fmt: skip
SINGLE = {"image", "image_1", "image_2", "image_3", "first", "last"}  # inputs for a picture
SIZES: dict[str, Any] = {"width": 48, "height": 32, "length": 9, "steps": 1, "paths": PATH, "desk": PATH,
                         "fit": "as it is",
                         "prompt": "a red circle", "positions": "0, -1"}  # fmt: skip
OWN: dict[tuple[str, str], Any] = {
    ("VacePlaceKeyframes", "images"): "two pictures",
    ("VaceAttachAdapter", "model"): "base",
    ("VaceAttachAdapter", "vcu"): "starter's unit",
    ("VaceSampleVideo", "vcu"): "starter's unit",
    ("VaceDecodeVideo", "before"): "picture",
    ("VaceDecodeVideo", "after"): "picture",
}
LEFT_OUT = {("VaceDecodeVideo", "before"), ("VaceDecodeVideo", "after"), ("VaceReferenceAnything", "mask_1"),
            ("VaceReferenceAnything", "mask_2"), ("VaceReferenceAnything", "mask_3"), ("VaceStackReferences", "mask"),
            ("VaceLoadModel", "low_noise_adapter"), ("VaceLoadModel", "adapter"), ("VaceSampleVideo", "start"),
            ("VaceSampleVideo", "sigmas"), ("VaceLoadModel", "loras"), ("VaceAttachAdapter", "loras"),
            ("VaceLoadLora", "loras"), ("VaceChooseModel", "loras")}  # fmt: skip
"""Left out of the good prompt, where they go with nothing else there; they come back as hostile ones."""

HALF = "\ud83d"  # what is left of an emoji that was cut
NUMBERS = (
    float("nan"),
    float("inf"),
    -float("inf"),
    0,
    -1,
    1,
    3,
    0.5,
    1e-30,
    1e30,
    -1e308,
    2**31,
    2**63,
    2**64,
    10**30,
)
TEXTS = ("", " ", "abc", HALF, f"a {HALF} b", "\0", "\x1b[31m", "\u202e[]", "\u4e2d\u6587\u2026 \u2212 \u00d7",
         "\U0001f3ac" * 300, "9" * 5000, "a" * 200_000, "../../etc/passwd", "C:\\x", "NaN", "null", "[]", "{}", "[[]]",
         "[" * 50_000, "0", "-1", '[{"x":1e400,"y":1},{"x":1,"y":1}]', '{"version":1,"paths":[{"keys":null}]}',
         f'{{"version":1,"{HALF}":2}}', f"0, {HALF}", "0, 0", ", ".join(["0"] * 2000), "1e3, 2", "\u0663, 4",
         '{"version":1,"paths":[{"keys":[{"time":0,"x":0,"y":0,"width":1,"height":1}],"label":"\u4e2d\u2026"}]}',
         "not a choice", "__import__('os')")  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, False, {}, {"a": 1}, {HALF: HALF}, {"__value__": []}, {"__value__": [1, 2]},
                           {"__value__": None}, {"__value__": {"samples": "x"}}, {"__value__": [["x", {}]]},
                           {"__value__": [[1, 2, float("nan"), 4]]})  # fmt: skip
LINKS: tuple[Any, ...] = ([], ["missing", 0], [NODE, 0], ["good", 99], ["good", -1], ["good", "x"], ["good", None],
                          ["good", 0.5], [None, 0], [1, 2, 3], [[], {}], ["good"], [HALF, 0],
                          ["good", 2**70])  # fmt: skip
EXTRA = (HALF, "", "extra", "cls", "self", "model ")  # names of inputs that no node has
BROKEN: tuple[dict[str, Any], ...] = ({"inputs": None}, {"inputs": []}, {"inputs": {}}, {"class_type": HALF},
                                      {"class_type": None}, {"inputs": {HALF: HALF}}, {"_meta": {"title": HALF}},
                                      {"is_changed": [HALF]})  # fmt: skip


@dataclass(frozen=True)
class Named:
    """A value that `hostile_values` makes."""

    name: str


@dataclass(frozen=True)
class Case:
    """One prompt about one node.

    Attributes:
        node_id: Of the node.
        inputs: By name: what JSON holds, or a `Named`.
        raw: What of the node's own entry is replaced: its class, its inputs.
    """

    node_id: str
    inputs: dict[str, Any]
    raw: dict[str, Any]

    def prompt(self) -> dict[str, Any]:
        """It as ComfyUI's API takes it."""
        nodes: dict[str, Any] = {"good": {"class_type": VALUE, "inputs": {"name": "clip"}}}
        inputs: dict[str, Any] = {}
        for key, value in self.inputs.items():
            if isinstance(value, Named):
                nodes[f"value {key}"] = {"class_type": VALUE, "inputs": {"name": value.name}}
                inputs[key] = [f"value {key}", 0]
            else:
                inputs[key] = value
        nodes[NODE] = {"class_type": self.node_id, "inputs": inputs, **self.raw}
        return {**nodes, "sink": {"class_type": SINK, "inputs": {"value": [NODE, 0]}}}


def good(node_id: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of a node with which it does its work."""
    found: dict[str, Any] = {}
    for key, (kind, said) in inputs_of(form).items():
        if (node_id, key) in LEFT_OUT:
            continue
        if kind in WIDGETS and not said.get("forceInput"):
            choices = said.get("options") or [""]
            usual = said.get("default", choices[0] if kind == "COMBO" else "")
            found[key] = SIZES.get(key, usual)
        elif key == "paths":
            found[key] = Named("paths")
        else:
            usual = "picture" if key in SINGLE else SOCKETS[kind]
            found[key] = Named(OWN.get((node_id, key), usual))
    return found


def inputs_of(form: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Type and options of every input, by name."""
    groups = (form["input"].get(group) or {} for group in ("required", "optional"))
    return {key: (spec[0], spec[1] if len(spec) > 1 else {}) for group in groups for key, spec in group.items()}


def cases(forms: Mapping[str, Any], names: tuple[str, ...], count: int, seed: int = 0) -> Iterator[Case]:
    """`count` prompts, the same for a seed; every node in turn, and each of its inputs.

    Args:
        forms: Of all nodes, as ComfyUI's object_info has them.
        names: Of the values that links can bring.
        count: How many.
        seed: Of the random choices.
    """
    draw = random.Random(seed)
    for number in range(count):
        node_id = sorted(forms)[number % len(forms)]
        form = inputs_of(forms[node_id])
        inputs, raw = good(node_id, forms[node_id]), dict[str, Any]()
        for _ in range(draw.choice((1, 1, 1, 2, 3)) if form else 0):
            key = draw.choice(list(form))
            what = draw.random()
            if what < 0.04:
                inputs.pop(key, None)
            elif what < 0.08:
                inputs[draw.choice(EXTRA)] = draw.choice((1, HALF, None, [NODE, 0]))
            else:
                inputs[key] = _replaced(draw, key, form[key], names)
        if draw.random() < (0.03 if form else 0.5):
            # Of a node without inputs whose "inputs" are no object ComfyUI 0.3.64 dies by itself, before any node runs.
            raw = draw.choice(BROKEN if form else BROKEN[2:])
        yield Case(node_id, inputs, raw)


def _replaced(draw: random.Random, key: str, form: tuple[str, dict[str, Any]], names: tuple[str, ...]) -> Any:
    """Something else for an input, more often than not something near what it takes."""
    kind, said = form
    if key == "steps":
        said = {"min": said["min"]}  # the most are allowed, and take minutes
    near: list[Any] = []
    if kind in ("INT", "FLOAT"):
        ends = [said[end] for end in ("min", "max") if said.get(end) is not None]
        near = [*NUMBERS, *ends, *ends, *(end + step for end in ends for step in (-1, 1, 0.5)), *ends]
    elif kind in ("STRING", "COMBO"):
        near = [*TEXTS, *(said.get("options") or ())]
    elif kind == "BOOLEAN":
        near = [True, False, "yes", 2]
    roll = draw.random()
    if near and roll < 0.5:
        return draw.choice(near)
    if roll < 0.75:
        return Named(draw.choice(names))
    return draw.choice((draw.choice(NUMBERS), draw.choice(TEXTS), draw.choice(OTHERS), draw.choice(LINKS)))
