"""What is run through a real ComfyUI: every workflow and blueprint, as it is or recast to the starter."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.workflows import templates_models
from tools.workflows.blueprints import OF_VACE
from tools.workflows.parts import LORA
from tools.workflows.shipped import AT_ONCE, PROMPTS, SUBGRAPHS, WITH_FILES, WITH_NEWER_CORE, WITH_PACKS

from .blueprint_prompt import flattened
from .checks import CHECKS, Measure, outside
from .recast import Recast, needed, recast, replaced_in

AS_IT_IS = "as it is"
REAL_FILES = "starter's files, loaded by the loaders of real models"
LTX_TITLE = "VACE Scribble (LTX-Video)"
NEWER = "0.33"
GREEN = "a green circle moves right on a gradient beige background"
THING = "a thing moves right on a plain gray background"

RECASTS: dict[str, Recast] = {
    "VACE Native Model with LoRA": Recast(
        picture="circle that moves right",
        source="images",
        prompt="a red circle moves right on a gradient beige background",
    ),
    "VACE Native Model with LoRA through KSampler": Recast(picture="face that moves right", prompt=THING),
    "VACE Adapter on a Native Model through KSampler": Recast(picture="ring, first part", prompt=THING),
    "VACE Adapter on a Wan Base": Recast(prompt="a blue star moves up on a plain mint background"),
    LTX_TITLE: Recast(
        scene="circle that moves right", prompt="a cyan circle moves right on a gradient mint background"
    ),
    "VACE Depth (controlnet_aux)": Recast(
        scene="circle that moves right", prompt="a blue circle moves right on a checkered mint background"
    ),
    "VACE Animate (DWPose)": Recast(
        scene="figure that walks", picture="figure that waves", prompt="a thing walks right on a plain gray background"
    ),
    "VACE Swap (SAM 2)": Recast(
        scene="circle that moves right",
        picture="face that moves right",
        prompt="a thing moves right on a gradient beige background",
    ),
    "VACE Inpaint (Box Editor)": Recast(scene="circle that moves right", prompt=GREEN),
}
RECASTS["VACE Depth (Depth Anything 3)"] = RECASTS["VACE Depth (controlnet_aux)"]
RECASTS["VACE Animate (SDPose)"] = RECASTS["VACE Animate (DWPose)"]
RECASTS["VACE Swap (SAM 3)"] = RECASTS["VACE Swap (SAM 2)"]

WITH_LORA = "with a LoRA"
"""How the workflow of LoRA is run a second time, on one that lies in ComfyUI's folder."""

BLUEPRINTS_LIKE = {
    "Control to Video": "VACE Scribble",
    "Depth to Video": "VACE Depth",
    "Extend Video": "VACE Extend",
    "Inpaint Video with Crop": "VACE Crop and Stitch",
    "Inpaint Video": "VACE Inpaint",
    "Outpaint Video": "VACE Outpaint",
    "Pose to Video": "VACE Pose",
    "Replace Anything with Crop": "VACE Swap Anything",
    "Replace Anything": "VACE Swap Anything",
}  # without the end of the name
"""The workflow that does what a blueprint does, where it is not VACE and its name."""
CROPPED = "VaceCropVideo"


@dataclass(frozen=True, kw_only=True)
class Run:
    """Something to run.

    Attributes:
        title: Of the workflow or blueprint.
        how: What is replaced in it.
        prompt: What is sent to the server.
        checks: What its video must show.
        same_as: The workflow that must give the same frames, if any.
        needs: The version of ComfyUI that it needs.
    """

    title: str
    how: str
    prompt: dict[str, Any]
    checks: tuple[Measure, ...]
    same_as: str = ""
    needs: str = ""

    @property
    def stamp(self) -> str:
        """Changes with what is run, so that old numbers are not taken for its own."""
        return hashlib.sha256(json.dumps(self.prompt, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        return self.title if self.how == AS_IT_IS else f"{self.title} ({self.how})"


def runs() -> Iterator[Run]:
    """All of them, those that others are compared with first."""
    for make in AT_ONCE:
        title = make().title
        yield Run(title=title, how=AS_IT_IS, prompt=frozen(title), checks=CHECKS[title])
    title = templates_models.lora().title
    yield Run(title=title, how=WITH_LORA, prompt=with_lora(frozen(title)), checks=CHECKS[title])
    for make in (*WITH_FILES, *WITH_PACKS, *WITH_NEWER_CORE):
        title = make().title
        prompt = frozen(title)
        replaced = replaced_in(prompt)
        yield Run(
            title=title,
            how=_how(title, replaced),
            prompt=recast(prompt, RECASTS[title]),
            checks=CHECKS[title],
            needs=NEWER if make in WITH_NEWER_CORE else "",
        )
    for path in sorted(SUBGRAPHS.glob("*.json")):
        name = path.stem.removesuffix(OF_VACE)
        like = BLUEPRINTS_LIKE.get(name, f"VACE {name}")
        blueprint = json.loads(path.read_text(encoding="utf-8"))
        prompt = around(blueprint, frozen(like))
        crops = CROPPED in kinds_of(prompt) and CROPPED not in kinds_of(frozen(like))
        yield Run(
            title=path.stem,
            how="as one node",
            prompt=prompt,
            checks=(outside(), *CHECKS[like]) if crops else CHECKS[like],
            same_as="" if crops else like,
        )


def with_lora(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt with the LoRA of `starter_files` in VACE Load LoRA."""
    made = copy.deepcopy(dict(prompt))
    for node in made.values():
        if node["class_type"] == "VaceLoadLora":
            node["inputs"]["lora"] = LORA["name"]
    return made


def kinds_of(prompt: Mapping[str, Any]) -> set[str]:
    return {node["class_type"] for node in prompt.values()}


def _how(title: str, replaced: list[str]) -> str:
    if title == LTX_TITLE:
        return "the starter in the place of LTX-Video"
    return f"an example clip in the place of {', '.join(replaced)}" if replaced else REAL_FILES


def frozen(title: str) -> dict[str, Any]:
    return json.loads((PROMPTS / f"{title}.json").read_text(encoding="utf-8"))


def around(blueprint: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt with the blueprint in it, between what stands around the same task in the workflow `like`."""
    (definition,) = blueprint["definitions"]["subgraphs"]
    kinds = {node["type"] for node in definition["nodes"]}
    by_kind = {node["class_type"]: number for number, node in like.items()}
    task = next(node for node in like.values() if node["class_type"] in kinds and "prompt" in node["inputs"])
    sampler = like[by_kind["VaceSampleVideo"]]
    made = copy.deepcopy(dict(like))
    given = {**sampler["inputs"], **task["inputs"]}
    if CROPPED in kinds and CROPPED in by_kind:
        given |= like[by_kind[CROPPED]]["inputs"]
    clip = given.get("images", given.get("first"))
    if clip is not None:
        made["clip"] = {"class_type": "CreateVideo", "inputs": {"images": clip, "fps": given["fps"]}}
        given["video"] = ["clip", 0]
    nodes, results = flattened(blueprint, given, "inside.")
    made[by_kind["SaveVideo"]]["inputs"]["video"] = results["video"]
    return needed(made | nodes)


def off(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what is to be shown: the adapter's strength is 0, and where words alone ask, they are gone."""
    made = copy.deepcopy(dict(prompt))
    kinds = {node["class_type"] for node in made.values()}
    for node in made.values():
        if "strength" in node["inputs"]:
            node["inputs"]["strength"] = 0.0
        for words in ("prompt", "prompts"):
            if "VaceTextToVideo" in kinds and words in node["inputs"]:
                node["inputs"][words] = ""
    return made
