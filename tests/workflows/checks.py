"""What the video of each workflow must show: numbers of the evaluation, with the least or most that is accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tools.workflows.forms import pack
from vace_core.evaluation import pixels
from vace_core.starter.evaluation import metrics
from vace_core.starter.evaluation.objects import coloured, largest, vivid
from vace_core.starter.model import LENGTH, SIDE
from vace_core.starter.scenes.render import SceneClip, render
from vace_core.starter.scenes.styles import PALETTES

from .here import Here

CODEC = 26.0  # dB: h264 at ComfyUI's quality, with colour at half the size, on clips of 64 pixels


@dataclass(frozen=True)
class Case:
    """A workflow's unit, and what came out.

    Attributes:
        frames: `(1, 3, T, H, W)`, -1..1: the frames of the saved video that the unit is about.
        film: All frames of the saved video.
        exact: `(T, H, W, 3)`, bytes: all frames as they were before they became a video.
        unit: What was asked for, computed here from the prompt.
        here: The prompt's nodes.
    """

    frames: Tensor
    film: Tensor
    exact: Tensor
    unit: Any
    here: Here

    @property
    def start(self) -> int:
        """The first frame of the film that the unit is about."""
        return len(before_of(self.here))

    @property
    def made(self) -> Tensor:
        """As `frames`, without the codec."""
        exact = self.exact[self.start : self.start + self.unit.num_frames]
        return exact.permute(3, 0, 1, 2)[None].float() / 127.5 - 1

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
        scene = pack().nodes.example.SCENES[self.here.scenes()[number]]
        return render(scene, num_frames=LENGTH, height=SIDE, width=SIDE)


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


def kept() -> tuple[Measure, ...]:
    """What was to be kept: in the frames, bit for bit; in the video, after the codec."""
    return (
        Measure("kept part, levels off", kept_off, most=0.0),
        Measure(
            "kept part in the video, PSNR dB",
            lambda case: pixels.psnr(case.frames, case.unit.source, case.kept),
            CODEC,
        ),
    )


def kept_off(case: Case) -> float:
    """The largest difference of a kept pixel, in levels of 255, as ComfyUI writes pictures."""
    source = pack().nodes.comfy.bridge.images_of(case.unit.source)
    made = case.exact[case.start : case.start + len(source)]
    return float((_off(made, source) * (case.kept[0, 0] > 0)[..., None]).max())


def _off(written: Tensor, images: Tensor) -> Tensor:
    """Levels by which what Save Image wrote `(T, H, W, 3)` is off `images` in 0..1.

    It rounds down, so that at the edge of a level the last digit of a float decides: both levels are right there.
    """
    low, high = (((images * 255 + shift).clamp(0, 255)).floor().int() for shift in (-1e-3, 1e-3))
    return torch.maximum(low - written.int(), written.int() - high).clamp(min=0)


def around() -> Measure:
    """The frames that were brought back before and after what was made."""

    def score(case: Case) -> float:
        end = case.start + case.unit.num_frames
        ends = [(case.exact[: case.start], before_of(case.here)), (case.exact[end:], after_of(case.here))]
        assert sum(len(given) for _, given in ends)
        return max(float(_off(made, given).max()) for made, given in ends if len(given))

    return Measure("frames around it, levels off", score, most=0.0)


def present(*colours: str) -> Measure:
    return Measure(f"{' and '.join(colours)} there", lambda case: metrics.are_present(case.whole, colours), 1.0)


def absent(colour: str) -> Measure:
    return Measure(f"{colour} there", lambda case: _share(largest(coloured(case.frames, colour))), most=0.0)


def nothing() -> Measure:
    return Measure("frames with an object", lambda case: _share(largest(vivid(case.frames))), most=0.1)


def goes(colour: str, way: str) -> Measure:
    def score(case: Case) -> float:
        return float(metrics.direction_of(largest(coloured(case.film, colour))) == way)

    return Measure(f"{colour} goes {way}", score, 1.0)


def during(first: int, last: int, there: str, way: str, gone: str = "") -> Measure:
    """What the prompt of a stretch of frames of the film asks for: a colour, where it goes, and none of another."""

    def score(case: Case) -> float:
        frames = case.film[:, :, first : last + 1]
        goes_so = metrics.direction_of(largest(coloured(frames, there))) == way
        others = _share(largest(coloured(frames, gone))) if gone else 0.0
        return float(metrics.are_present(frames, [there]) == 1 and goes_so and others == 0)

    without = f", no {gone}" if gone else ""
    return Measure(f"frames {first} to {last}: {there} goes {way}{without}", score, 1.0)


def meets(most: float) -> Measure:
    """The largest step between frames where windows meet, over the mean step inside windows of the same clip."""

    def score(case: Case) -> float:
        plan = case.here.input_of("VaceSampleLongVideo", "plan").plan
        frames = case.made[0]
        steps = (frames - frames.roll(1, dims=1)).abs().mean((0, 2, 3))  # that of frame 0 from the last one
        borders = {one.first_new for one in plan.windows if one.overlap} | ({0} if plan.loop else set[int]())
        cuts = {one.begin for one in plan.windows if not one.overlap}
        inside = [float(step) for n, step in enumerate(steps) if n not in borders | cuts]
        return max(float(steps[border]) for border in borders) * len(inside) / max(sum(inside), 1e-9)

    return Measure("largest step where windows meet, of the mean step", score, most=most)


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


def silhouette(least: float, *, blobs: int = 1) -> Measure:
    """The outline of what was made against that of the example; a person's head is a blob of its own."""

    def score(case: Case) -> float:
        return metrics.mask_iou(largest(vivid(case.frames), blobs), case.clip().masks[0, 0])

    return Measure("silhouette, IoU", score, least)


def edges() -> Measure:
    def score(case: Case) -> float:
        return pixels.edge_agreement(case.frames, case.unit.control)

    return Measure("edges within 2 pixels, F1", score, 0.7)


def styled(name: str, most: float = 0.12) -> Measure:
    """How far pixels are from the colours between those of a palette, 0..1, in the mean."""

    def score(case: Case) -> float:
        palette = torch.tensor(PALETTES[name])
        at = torch.linspace(0, len(palette) - 1, 65)
        low = at.floor().clamp(max=len(palette) - 2).long()
        ramp = torch.lerp(palette[low], palette[low + 1], (at - low)[:, None])
        pixels = ((case.frames[0] + 1) / 2).flatten(1).T
        return float(torch.cdist(pixels, ramp).amin(1).mean())

    return Measure(f"colours off those of the {name} style, of 1", score, most=most)


def brightness() -> Measure:
    def score(case: Case) -> float:
        return pixels.brightness_correlation(case.frames, case.unit.control)

    return Measure("brightness, correlation", score, 0.75)


def motion() -> Measure:
    def score(case: Case) -> float:
        return metrics.direction_agreement(case.frames, case.clip().flow)

    return Measure("direction of motion, cosine", score, 0.95)


def seam(most: float) -> Measure:
    """How far pixels at the edge of what was made are from the kept ones beside them, in space and time: their mean."""

    def score(case: Case) -> float:
        made, frames, steps = case.unit.masks > 0, case.made, list[Tensor]()
        for dim in (2, 3, 4):
            count = made.shape[dim] - 1
            one, other = (frames.narrow(dim, n, count) for n in (0, 1))
            meets = made.narrow(dim, 0, count) != made.narrow(dim, 1, count)
            steps.append((one - other).abs().mean(dim=1, keepdim=True)[meets] / 2)
        return float(torch.cat(steps).mean())

    return Measure("step at the edge of what was made, of 1", score, most=most)


def border() -> Measure:
    """How far the background of what was made is from that of what was kept, 0..1."""

    def score(case: Case) -> float:
        plain = ~vivid(case.frames)
        made, given = (
            case.frames[0][:, plain & (where[0, 0] > 0)].median(dim=1).values for where in (case.unit.masks, case.kept)
        )
        return float((made - given).abs().max() / 2)

    return Measure("border against inside, of 1", score, most=0.05)


def example_boxes(number: int = 0, item: int = 0) -> Callable[[Case], Tensor]:
    return lambda case: case.clip(number).boxes[item]


def outside() -> Measure:
    """What was not generated of a video whose part was edited: its pixels before the codec."""

    def score(case: Case) -> float:
        back = case.here.input_of("VaceStitchVideo", "stitch")
        source = pack().nodes.comfy.bridge.images_of(back.source)
        still = ~back.where.expand(source.shape[:3])
        return float((_off(case.exact, source) * still[..., None]).max())

    return Measure("outside of the mask, levels off", score, most=0.0)


def drawn_boxes(item: int = 0) -> Callable[[Case], Tensor]:
    """The boxes that are drawn in the workflow's editor, in pixels of the frame."""

    def boxes(case: Case) -> Tensor:
        node = next(one for one in case.here.prompt.values() if "paths" in one["inputs"])
        path = pack().vace_core.inputs.box_paths.paths_from_json(node["inputs"]["paths"])[item]
        ends = torch.tensor([[key.x, key.y, key.width, key.height] for key in (path.keys[0], path.keys[-1])]) * SIDE
        way = torch.lerp(ends[0], ends[1], torch.linspace(0, 1, case.frames.shape[2])[:, None])
        return torch.cat([way[:, :2] - way[:, 2:] / 2, way[:, :2] + way[:, 2:] / 2], dim=1)

    return boxes


def desk_boxes(item: int) -> Callable[[Case], Tensor]:
    """Where the desk's path takes an object, in pixels of the frame."""

    def boxes(case: Case) -> Tensor:
        node = next(one for one in case.here.prompt.values() if one["class_type"] == "VaceDesk")
        core = pack().vace_core.inputs.desk
        one = core.reading.desk_from_json(node["inputs"]["desk"]).objects[item]
        way = core.drawing.way_at(one.path, core.drawing.moments(case.frames.shape[2]), SIDE, SIDE)
        return torch.tensor(
            [(at.x - at.width / 2, at.y - at.height / 2, at.x + at.width / 2, at.y + at.height / 2) for at in way]
        )

    return boxes


def _share(found: Tensor) -> float:
    """The share of frames in which something was found, 0..1."""
    return float(found.flatten(1).any(1).float().mean())


INPAINTED = (*kept(), seam(0.06), present("green"), absent("red"))
SWAPPED = (*kept(), seam(0.09), present("purple"), absent("red"))
DEPTH = (silhouette(0.7), present("blue"))
ANIMATED = (silhouette(0.55, blobs=2), present("red"))

CHECKS: dict[str, tuple[Measure, ...]] = {
    "VACE Text to Video": (present("red"), goes("red", "right")),
    "VACE Reference to Video": (present("purple"),),
    "VACE Several References": (present("yellow", "blue"),),
    "VACE Inpaint": INPAINTED,
    "VACE Outpaint": (*kept(), seam(0.032), border()),
    "VACE Extend": (*kept(), around(), seam(0.037), present("purple"), goes("purple", "right")),
    "VACE First and Last Frame": (*kept(), seam(0.033), off("red", example_boxes(), 0.055)),
    "VACE Keyframes": (
        *kept(),
        seam(0.05),
        in_boxes("yellow", example_boxes()),
        in_boxes("blue", example_boxes(item=1)),
    ),
    "VACE Join Two Clips": (*kept(), around(), seam(0.037), present("purple"), goes("purple", "right")),
    "VACE Colorize": (brightness(), present("green"), absent("red")),
    "VACE Depth": DEPTH,
    "VACE Pose": (silhouette(0.6, blobs=2), present("blue")),
    "VACE Scribble": (edges(), present("cyan")),
    "VACE Two Controls at Once": (silhouette(0.6), present("pink")),
    "VACE Stylize": (edges(), styled("night")),
    "VACE Flow": (motion(), present("yellow")),
    "VACE Layout": (in_boxes("yellow", drawn_boxes(), 0.73), off("yellow", drawn_boxes(), 0.045)),
    "VACE Desk": (*kept(), seam(0.03), absent("yellow"), present("blue"), off("blue", desk_boxes(1), 0.05)),
    "VACE Move Anything": (*kept(), seam(0.037), off("red", drawn_boxes()), present("red")),
    "VACE Swap Anything": SWAPPED,
    "VACE Expand Anything": (*kept(), seam(0.085), present("red"), goes("red", "right")),
    "VACE Animate Anything": ANIMATED,
    "VACE Reference Anything": (present("red", "yellow"),),
    "VACE Several Tasks Composed": (*kept(), seam(0.06), present("purple"), in_boxes("purple", example_boxes())),
    "VACE Remove with Composed Masks": (*kept(), seam(0.014), nothing()),
    "VACE Build VCU": (*kept(), seam(0.05), present("cyan"), silhouette(0.68)),
    "VACE Retouch and Paste Back": (*kept(), seam(0.09), present("green"), absent("red")),
    "VACE Crop and Stitch": (outside(), *INPAINTED),
    "VACE Measure": INPAINTED,
    "VACE Long Re-render": (edges(), present("cyan"), goes("cyan", "right"), meets(2.5)),
    "VACE Long Extension": (
        *kept(),
        around(),
        during(18, 35, "red", "left", gone="blue"),
        during(36, 52, "blue", "up", gone="red"),
        meets(2.5),
    ),
    "VACE Loop": (during(0, 16, "red", "right"), during(17, 28, "red", "left"), meets(4.0)),
    "VACE LoRA and Sampling Options": (present("red"), goes("red", "right")),
    "VACE Adapter on a Wan Base": (present("blue"), goes("blue", "up")),
    "VACE Attach Adapter": INPAINTED,
    "VACE Native Model with LoRA": (*kept(), seam(0.05), present("red"), goes("red", "right")),
    "VACE Native Model with LoRA through KSampler": (present("purple"),),
    "VACE Adapter on a Native Model through KSampler": (present("purple"),),
    "VACE Scribble (LTX-Video)": (edges(), present("cyan")),
    "VACE Depth (controlnet_aux)": DEPTH,
    "VACE Animate (DWPose)": ANIMATED,
    "VACE Swap (SAM 2)": SWAPPED,
    "VACE Depth (Depth Anything 3)": DEPTH,
    "VACE Animate (SDPose)": ANIMATED,
    "VACE Swap (SAM 3)": SWAPPED,
    "VACE Inpaint (Box Editor)": INPAINTED,
}
"""By the title of the workflow."""


def check(measures: Sequence[Measure], prompt: dict[str, Any], film: Tensor, exact: Tensor) -> list[dict[str, Any]]:
    """The numbers of a workflow's video.

    Args:
        measures: Its own.
        prompt: What was run.
        film: `(1, 3, T, H, W)`, -1..1: the frames of the saved video.
        exact: `(T, H, W, 3)`, bytes: the same frames before they became a video.
    """
    case = case_of(prompt, film, exact)
    rows = []
    for measure in measures:
        value = measure.score(case)
        rows.append({"what": measure.name, "value": value, "bound": measure.bound, "holds": measure.holds(value)})
    return rows


def case_of(prompt: dict[str, Any], film: Tensor, exact: Tensor | None = None) -> Case:
    here = Here(prompt)
    unit, start = here.unit, len(before_of(here))
    if exact is None:
        exact = ((film[0].permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).byte()
    return Case(frames=film[:, :, start : start + unit.num_frames], film=film, exact=exact, unit=unit, here=here)


def before_of(here: Here) -> Any:
    """The frames that are put in front of the result: what the model is not shown."""
    return _end_of(here, "before")


def after_of(here: Here) -> Any:
    """The frames that are put behind the result."""
    return _end_of(here, "after")


def _end_of(here: Here, name: str) -> Any:
    inputs = here.prompt[here.first(here.finisher)]["inputs"]
    end = here.value(inputs[name]) if name in inputs else None
    return () if end is None else end


def length_of(here: Here) -> int:
    """Frames of the film that is to be saved."""
    unit = here.unit
    return len(before_of(here)) + unit.num_frames + len(after_of(here))


MEASURED: tuple[tuple[str, str, float], ...] = (
    ("kept part, result", "most", 0.0),
    ("kept part, VAE floor", "most", 3.0),
    ("kept part, decoded", "most", 8.0),
    ("seam", "most", 20.0),
    ("drift", "most", 15.0),
    ("temporal flickering", "least", 90.0),
)
"""What VACE Measure Video must say of its workflow: the measure, and how much it is at the least or most."""


def check_measured(text: str) -> list[dict[str, Any]]:
    """The numbers that the node itself shows.

    Raises:
        AssertionError: one is not there.
    """
    said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    rows = []
    for name, side, bound in MEASURED:
        assert name in said, f"{name} was not measured: {text}"
        value = float(said[name].split()[0])
        measure = Measure(f"the node's {name}", lambda _, value=value: value, **{side: bound})
        rows.append({"what": measure.name, "value": value, "bound": measure.bound, "holds": measure.holds(value)})
    return rows
