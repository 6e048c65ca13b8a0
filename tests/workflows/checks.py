"""What the video of each workflow must show: numbers of the evaluation, with the least or most that is accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vace_core.evaluation import metrics
from vace_core.evaluation.objects import coloured, largest, things
from vace_core.starter.world import SceneClip, render

from .forms import pack
from .here import Here

CODEC = 26.0  # dB: h264 at ComfyUI's quality, with colour at half the size, on clips of 64 pixels


@dataclass(frozen=True)
class Case:
    """A workflow's unit, and what came out.

    Attributes:
        frames: `(1, 3, T, H, W)`, -1..1: the frames of the saved video that the unit is about.
        film: All frames of the saved video.
        unit: What was asked for, computed here from the prompt.
        here: The prompt's nodes.
    """

    frames: Tensor
    film: Tensor
    unit: Any
    here: Here

    @property
    def kept(self) -> Tensor:
        return 1 - self.unit.masks

    @property
    def whole(self) -> Tensor:
        """The frames in which everything is made, or all if there is none."""
        made = self.unit.masks[0, 0].flatten(1).all(1)
        return self.frames[:, :, made] if bool(made.any()) else self.frames

    def clip(self, number: int = 0) -> SceneClip:
        """The truth of the n-th example clip."""
        nodes = [one for one in self.here.prompt.values() if one["class_type"] == "VaceExampleClip"]
        scene = pack().nodes.example.SCENES[nodes[number]["inputs"]["scene"]]
        return render(scene, num_frames=17, height=64, width=64)


@dataclass(frozen=True)
class Measure:
    """One number, and its bound: `least` or `most`."""

    name: str
    score: Callable[[Case], float]
    least: float | None = None
    most: float | None = None

    def holds(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def bound(self) -> str:
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


def kept() -> Measure:
    """What was to be kept, after the codec."""
    return Measure("kept part, PSNR dB", lambda case: metrics.psnr(case.frames, case.unit.source, case.kept), CODEC)


def present(*colours: str) -> Measure:
    return Measure(f"{' and '.join(colours)} there", lambda case: metrics.are_present(case.whole, colours), 1.0)


def absent(colour: str) -> Measure:
    return Measure(f"{colour} there", lambda case: _share(largest(coloured(case.frames, colour))), most=0.0)


def nothing() -> Measure:
    return Measure("frames with an object", lambda case: _share(largest(things(case.frames))), most=0.1)


def goes(colour: str, way: str) -> Measure:
    def score(case: Case) -> float:
        return float(metrics.direction_of(largest(coloured(case.film, colour))) == way)

    return Measure(f"{colour} goes {way}", score, 1.0)


def in_boxes(colour: str, boxes: Callable[[Case], Tensor], least: float = 0.5) -> Measure:
    """How well what has this colour fills its boxes."""
    return Measure(
        f"{colour} in its box, IoU",
        lambda case: metrics.box_iou(largest(coloured(case.frames, colour)), boxes(case)),
        least,
    )


def off(colour: str, boxes: Callable[[Case], Tensor], most: float = 0.1) -> Measure:
    return Measure(
        f"{colour} off its way, of the frame",
        lambda case: metrics.centre_error(largest(coloured(case.frames, colour)), boxes(case)),
        most=most,
    )


def silhouette(least: float = 0.5) -> Measure:
    """The outline of what was made against that of the example."""

    def score(case: Case) -> float:
        return metrics.mask_iou(largest(things(case.frames)), case.clip().masks[0, 0])

    return Measure("silhouette, IoU", score, least)


def edges() -> Measure:
    def score(case: Case) -> float:
        return metrics.edge_agreement(case.frames, case.unit.control)

    return Measure("edges within 2 pixels, F1", score, 0.5)


def brightness() -> Measure:
    def score(case: Case) -> float:
        return metrics.brightness_correlation(case.frames, case.unit.control)

    return Measure("brightness, correlation", score, 0.8)


def motion() -> Measure:
    def score(case: Case) -> float:
        return metrics.direction_agreement(case.frames, case.clip().flow)

    return Measure("direction of motion, cosine", score, 0.5)


def border() -> Measure:
    """How far the background of what was made is from that of what was kept, 0..1."""

    def score(case: Case) -> float:
        plain = ~things(case.frames)
        made, given = (
            case.frames[0][:, plain & (where[0, 0] > 0)].median(dim=1).values for where in (case.unit.masks, case.kept)
        )
        return float((made - given).abs().max() / 2)

    return Measure("border against inside, of 1", score, most=0.12)


def example_boxes(number: int = 0, item: int = 0) -> Callable[[Case], Tensor]:
    return lambda case: case.clip(number).boxes[item]


def drawn_boxes(item: int = 0) -> Callable[[Case], Tensor]:
    """The boxes that are drawn in the workflow's editor, in pixels of a frame of 64."""

    def boxes(case: Case) -> Tensor:
        node = next(one for one in case.here.prompt.values() if "paths" in one["inputs"])
        path = pack().vace_core.layout_json.paths_from_json(node["inputs"]["paths"])[item]
        ends = torch.tensor([[key.x, key.y, key.width, key.height] for key in (path.keys[0], path.keys[-1])]) * 64
        way = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, case.frames.shape[2])[:, None])
        return torch.cat([way[:, :2] - way[:, 2:] / 2, way[:, :2] + way[:, 2:] / 2], dim=1)

    return boxes


def _share(found: Tensor) -> float:
    """The share of frames in which something was found, 0..1."""
    return float(found.flatten(1).any(1).float().mean())


CHECKS: dict[str, tuple[Measure, ...]] = {
    "VACE Text to Video": (present("red"), goes("red", "right")),
    "VACE Reference to Video": (present("purple"),),
    "VACE Several References": (present("yellow", "blue"),),
    "VACE Inpaint": (kept(), present("green"), absent("red")),
    "VACE Outpaint": (kept(), border()),
    "VACE Extend": (kept(), present("purple"), goes("purple", "right")),
    "VACE First and Last Frame": (kept(), off("red", example_boxes())),
    "VACE Keyframes": (kept(), in_boxes("yellow", example_boxes()), in_boxes("blue", example_boxes(item=1))),
    "VACE Join Two Clips": (kept(), present("purple"), goes("purple", "right")),
    "VACE Colorize": (brightness(), present("green"), absent("red")),
    "VACE Depth": (silhouette(), present("blue")),
    "VACE Pose": (silhouette(), present("blue")),
    "VACE Scribble": (edges(), present("cyan")),
    "VACE Flow": (motion(), present("yellow")),
    "VACE Layout": (in_boxes("yellow", drawn_boxes()), off("yellow", drawn_boxes())),
    "VACE Move Anything": (kept(), off("red", drawn_boxes()), present("red")),
    "VACE Swap Anything": (kept(), present("yellow"), absent("red")),
    "VACE Expand Anything": (kept(), present("red"), goes("red", "right")),
    "VACE Animate Anything": (silhouette(), present("red")),
    "VACE Reference Anything": (present("red", "yellow"),),
    "VACE Several Tasks Composed": (kept(), present("purple"), in_boxes("purple", example_boxes())),
    "VACE Remove with Composed Masks": (kept(), nothing()),
    "VACE Build VCU": (kept(), present("cyan"), silhouette()),
    "VACE Retouch and Paste Back": (kept(), present("green")),
    "VACE Adapter on a Wan Base": (present("blue"), goes("blue", "up")),
}
"""By the title of the workflow."""


def check(title: str, prompt: dict[str, Any], film: Tensor) -> list[dict[str, Any]]:
    """The numbers of a workflow's video.

    Args:
        title: Of the workflow.
        prompt: What was run.
        film: `(1, 3, T, H, W)`, -1..1: the frames of the saved video.
    """
    case = case_of(prompt, film)
    rows = []
    for measure in CHECKS[title]:
        value = measure.score(case)
        rows.append({"what": measure.name, "value": value, "bound": measure.bound, "holds": measure.holds(value)})
    return rows


def case_of(prompt: dict[str, Any], film: Tensor) -> Case:
    here = Here(prompt)
    unit, start = here.input_of("VaceDecodeVideo", "vcu"), len(before_of(here))
    return Case(frames=film[:, :, start : start + unit.num_frames], film=film, unit=unit, here=here)


def before_of(here: Here) -> Any:
    """The frames that are put in front of the result: what the model is not shown."""
    inputs = here.prompt[here.first("VaceDecodeVideo")]["inputs"]
    before = here.value(inputs["before"]) if "before" in inputs else None
    return () if before is None else before


def length_of(here: Here) -> int:
    """Frames of the film that is to be saved."""
    inputs = here.prompt[here.first("VaceDecodeVideo")]["inputs"]
    ends = [here.value(inputs[name]) for name in ("before", "after") if name in inputs]
    unit = here.input_of("VaceDecodeVideo", "vcu")
    return unit.num_frames + sum(len(end) for end in ends if end is not None)
