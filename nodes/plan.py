"""The node that cuts a clip of any length into windows, shown on the time line before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import torch
from comfy_api.latest import io

from ..vace_core.checks.numbers import check_number
from ..vace_core.errors import InputError, shortened
from ..vace_core.loading.profiles import Profile
from ..vace_core.models.wan.family import WAN
from ..vace_core.pipeline.windowed import Anchor, JoinBy, Joining
from ..vace_core.preview.timeline import draw_plan, plan_rows
from ..vace_core.sampling.plan_changes import changed
from ..vace_core.sampling.plan_text import plan_from_json, plan_to_json, spans_from_text
from ..vace_core.sampling.planning import plan_windows, usual_overlap
from ..vace_core.sampling.windows import Keyframe, Plan
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, settings, sockets
from .comfy.bridge import pictures_of
from .comfy.chosen import ZERO, ChosenModel
from .comfy.node import Node
from .comfy.settings import with_profile
from .comfy.sockets import LibraryModel, LongPlan, NativeModel

WINDOW = 81
SHOWN = 100  # lines of a plan below the node


class VacePlanWindows(Node):
    loads = False

    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VacePlanWindows",
            "VACE Plan Windows",
            "Cuts a clip of any length into windows that the model makes one by one, each of which begins with the "
            "last frames of the one before. Shows them on the time line, before anything is computed: prompts, hard "
            "cuts, keyframes, the frames that windows share.",
            category="VACE/Long",
            inputs=[
                _length(),
                sockets.fps(f"Frames per second, for times in seconds. With a VCU, that of the VCU. {ZERO}"),
                io.Int.Input(
                    "window",
                    default=WINDOW,
                    min=0,
                    max=8192,
                    tooltip="Frames of a window at most, 4n + 1 (LTX-Video 8n + 1): what the model makes in one pass. "
                    f"81 for Wan, 97 for LTX-Video, 17 for the starter. {ZERO}",
                ),
                io.Int.Input(
                    "overlap",
                    default=0,
                    min=0,
                    max=8192,
                    tooltip="Frames that a window shares with the one before, 4n + 1 (LTX-Video 8n + 1). 0 = a quarter "
                    "of the window.",
                ),
                io.String.Input(
                    "prompts",
                    multiline=True,
                    default="",
                    tooltip="Prompts for stretches, with a vertical bar between two: [0-4s] a man walks, bar, [4s, new "
                    "shot] he sits. Times in seconds, frames (80f) or timecodes; a new shot is a hard cut. Empty = the "
                    "prompt of the VCU everywhere.",
                ),
                io.Combo.Input(
                    "join_by",
                    options=list(get_args(JoinBy)),
                    default=Joining().by,
                    tooltip="What a window hands over to the next: latents, its last latents; pinned, its last frames, "
                    "held in every step; pixels, its last frames. Such windows are made one by one. overlap and "
                    "pyramid denoise all of them together, in the memory of all.",
                ),
                io.Combo.Input(
                    "anchor_colour",
                    options=list(get_args(Anchor)),
                    default=Joining().anchor,
                    tooltip="Corrects the colours of later windows. shared: by how the model changed the frames that "
                    "were handed over. first: those that keep nothing else are also drawn to the first window. auto: "
                    "first, where windows are made one by one. none: for a clip whose light is to change.",
                ),
                io.Boolean.Input("loop", default=False, tooltip="The end leads back to the beginning."),
                io.String.Input(
                    "keyframes",
                    default="",
                    tooltip="Frames of the whole clip that show one of pictures, as frame=picture: 0=1 80=2 -1=3. -1 "
                    "is the last frame: an end frame, held in the last window alone.",
                ),
                io.String.Input(
                    "changes",
                    multiline=True,
                    default="",
                    tooltip="Changes of single windows, a line each: 2: move +8, seed 9, strength 0.8, references 1 3. "
                    "move shifts the border before the window by so many frames, 4n (LTX-Video 8n).",
                ),
                io.String.Input(
                    "saved_plan",
                    multiline=True,
                    default="",
                    tooltip="A plan as this node's saved_plan or vace plan writes it (JSON), in place of all above but "
                    "join_by, anchor_colour and changes. Empty = as above.",
                ),
                sockets.Vcu.Input(
                    "vcu", optional=True, tooltip="The VCU of the whole clip, in place of length and fps."
                ),
                sockets.Model.Input(
                    "model",
                    optional=True,
                    tooltip="The model that makes the windows: it decides which lengths they may have. Without it, 4n "
                    "+ 1 as for Wan and the starter.",
                ),
                io.MultiType.Input(
                    "pictures",
                    types=[sockets.References, io.Image],
                    optional=True,
                    tooltip="What keyframes and references in changes name by number, 1 the first: an IMAGE or a stack "
                    "from VACE Stack References.",
                ),
            ],
            outputs=[
                sockets.Windows.Output(display_name="plan", tooltip="For VACE Sample Long Video."),
                io.String.Output(display_name="text", tooltip="The plan in words, a line for each window."),
                io.String.Output(
                    display_name="saved_plan",
                    tooltip="The plan as JSON: edit it and put it into saved_plan, here or with vace plan.",
                ),
                io.Int.Output(display_name="length", tooltip="Frames of the whole clip."),
                io.Int.Output(
                    display_name="window", tooltip="Frames of the longest window, for ComfyUI's own context windows."
                ),
                io.Int.Output(
                    display_name="overlap",
                    tooltip="The most frames that are shared, for ComfyUI's own context windows.",
                ),
            ],
            aliases=[
                "long video",
                "long take",
                "sliding window",
                "context window",
                "loop",
                "infinite video",
                "prompt schedule",
                "prompt travel",
                "storyboard",
                "timeline",
            ],
        )

    @classmethod
    def execute(
        cls,
        length: int,
        fps: float,
        window: int,
        overlap: int,
        prompts: str,
        join_by: JoinBy,
        anchor_colour: Anchor,
        loop: bool,
        keyframes: str,
        changes: str,
        saved_plan: str,
        vcu: VideoConditionUnit | None = None,
        model: LibraryModel | NativeModel | ChosenModel | None = None,
        pictures: Any | None = None,
    ) -> io.NodeOutput:
        values = {
            "length": length,
            "fps": fps,
            "window": window,
            "overlap": overlap,
            "prompts": prompts,
            "join_by": join_by,
            "anchor_colour": anchor_colour,
            "loop": loop,
            "keyframes": keyframes,
            "changes": changes,
            "saved_plan": saved_plan,
        }
        profile = None if model is None else settings.profile_of(model)
        whole = None if vcu is None else (vcu.shown_frames, vcu.fps)
        plan = changed(unchanged(values, profile, whole), changes)
        named = {} if pictures is None else {str(n): one for n, one in enumerate(pictures_of(pictures, "pictures"), 1)}
        made = LongPlan(plan=plan, joining=Joining(by=join_by, anchor=anchor_colour), pictures=named)
        text = "\n".join(
            f"{name}: {said}" for name, said in (*plan_rows(plan), ("joined by", said_joining(made.joining)))
        )
        return host.output(
            cls,
            made,
            text,
            plan_to_json(plan),
            plan.num_frames,
            max(plan.length(number) for number in range(len(plan))),
            max(one.overlap for one in plan.windows),
            notes=text.split("\n")[:SHOWN],
            images=torch.from_numpy(np.array(draw_plan(plan))).float()[None] / 255,
            more={"vace_plan": [{"values": values, "clip": whole, "model": profile and profile.name}]},
        )


def unchanged(values: Mapping[str, Any], profile: Profile | None, clip: tuple[int, float] | None) -> Plan:
    """The plan that the widgets of the node say, without its changes.

    Args:
        values: Of all widgets, by name.
        profile: What is known of the model that is connected, if one is.
        clip: Frames and rate of the VCU that is connected, if one is.

    Raises:
        InputError: a value that is none, or what `plan_windows` and `Plan.check_clip` refuse.
    """
    own = with_profile({"window": values["window"], "fps": values["fps"]}, profile)
    grid = WAN.grid if profile is None else profile.family.grid
    length, fps = (values["length"], own["fps"]) if clip is None else clip
    check_number("fps", fps, above=0)
    prompts, keyframes, loop = values["prompts"], values["keyframes"], values["loop"]
    if values["saved_plan"].strip():
        plan = _saved(values["saved_plan"], prompts=prompts, keyframes=keyframes, loop=loop)
        if clip is not None or profile is not None:
            plan.check_clip(*(clip or (plan.num_frames, plan.fps)), grid)
        return plan
    return plan_windows(
        length,
        fps=fps,
        grid=grid,
        window=own["window"],
        overlap=values["overlap"] or usual_overlap(own["window"], grid),
        spans=spans_from_text(prompts, num_frames=length, fps=fps) if prompts.strip() else (),
        keyframes=read_keyframes(keyframes),
        loop=loop,
    )


def said_joining(joining: Joining) -> str:
    """How windows are joined, and what that promises."""
    if not joining.streams:
        return f"{joining.by}: all windows of a shot together, in the memory of all; none can be made again alone"
    return f"{joining}: window by window, in the memory of one; each can be made again alone"


def read_keyframes(text: str) -> list[Keyframe]:
    """Keyframes as they are typed: "0=1 80=2 -1=3".

    Raises:
        InputError: they are not of this form.
    """
    found = list[Keyframe]()
    for part in text.replace(",", " ").split():
        frame, equals, picture = part.partition("=")
        digits = frame.removeprefix("-")
        if not (equals and picture and digits.isascii() and digits.isdigit() and len(digits) < 10):
            raise InputError(
                "keyframes-unreadable",
                'keyframes has "{value}". Frames and numbers of pictures, such as 0=1 -1=2, are needed. Change it.',
                value=shortened(part),
            )
        found.append(Keyframe(frame=int(frame), picture=picture))
    return found


def _saved(text: str, *, prompts: str, keyframes: str, loop: bool) -> Plan:
    """The saved plan.

    Raises:
        InputError: it cannot be read, or something else says another plan.
    """
    others = {"prompts": prompts.strip(), "keyframes": keyframes.strip(), "loop": loop}
    if said := [name for name, value in others.items() if value]:
        raise InputError(
            "saved-plan-and-options",
            "saved_plan is filled in, and {options} too, which would be another plan. One of the two is needed. Empty "
            "the others, or change the saved plan.",
            options=", ".join(said),
        )
    return plan_from_json(text)


def _length() -> Any:
    return io.Int.Input(
        "length",
        default=161,
        min=1,
        max=100_000,
        tooltip="Frames of the whole clip, any number. With a VCU, as it has.",
    )
