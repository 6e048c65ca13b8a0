"""Nodes that say where and when a VCU guides the model, and what guides it at the same time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io

from ..vace_core.errors import InputError
from ..vace_core.preview.strength import strength_sheet
from ..vace_core.sampling.conditions import Condition
from ..vace_core.sampling.strength import AS_TRAINED, Curve, Strength
from ..vace_core.sampling.strength_text import read_curve, read_factors
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, sockets
from .comfy.bridge import masks_of, unseen_mask
from .comfy.node import Node
from .comfy.sockets import ConditionStack

CURVE_POINTS = 33  # of a curve that was drawn in ComfyUI's own editor


class VaceStrength(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        points = 'points of place:factor such as "0:1 0.5:1 0.6:0", straight lines between; empty = 1 everywhere'
        return sockets.schema(
            "VaceStrength",
            "VACE Strength",
            "Says where and when a VCU (Video Condition Unit) guides the model: in which steps, frames, blocks and "
            "places, and how strongly its reference images do. All factors multiply. Shows what was set as curves.",
            category="VACE/Combine",
            inputs=[
                sockets.strength(),
                io.String.Input(
                    "over_steps",
                    default="",
                    tooltip=f"Factors over the sampling schedule, 0 = its start, 1 = its end: {points}.",
                ),
                io.String.Input(
                    "over_frames",
                    default="",
                    tooltip=f"Factors over the frames, 0 = the first, 1 = the last: {points}.",
                ),
                io.String.Input(
                    "over_blocks",
                    default="",
                    tooltip='A factor for each context block of the adapter, such as "1 1 0.5 0". Those behind the '
                    "last that is not 0 are not computed. Empty = 1 for all.",
                ),
                io.String.Input(
                    "over_references",
                    default="",
                    tooltip='A factor for each reference image, in order, such as "1 0.5"; the last counts for those '
                    "that follow. Empty = 1 for all.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Full strength where white, none where black, soft between. Of the VCU's shape; one frame "
                    "counts for all.",
                ),
                sockets.Curve.Input(
                    "steps_curve",
                    optional=True,
                    tooltip="A curve from Curve Editor, in place of over_steps.",
                    extra_dict=sockets.ONLY_LINKED,
                ),
                sockets.Curve.Input(
                    "frames_curve",
                    optional=True,
                    tooltip="A curve from Curve Editor, in place of over_frames.",
                    extra_dict=sockets.ONLY_LINKED,
                ),
            ],
            outputs=[
                sockets.Strength.Output(
                    display_name="strengths",
                    tooltip="For the input strengths of VACE Sample Video, VACE Apply VCU, VACE Attach Adapter or VACE "
                    "Add Condition.",
                )
            ],
            aliases=[
                "strength curve",
                "timestep range",
                "strength schedule",
                "control weights",
                "block weights",
                "reference strength",
                "start percent",
                "end percent",
            ],
        )

    @classmethod
    def execute(
        cls,
        strength: float,
        over_steps: str,
        over_frames: str,
        over_blocks: str,
        over_references: str,
        mask: Any | None = None,
        steps_curve: Any | None = None,
        frames_curve: Any | None = None,
    ) -> io.NodeOutput:
        masks = masks_of(mask)
        made = Strength(
            overall=strength,
            steps=_curve(over_steps, steps_curve, "over_steps", "steps_curve"),
            frames=_curve(over_frames, frames_curve, "over_frames", "frames_curve"),
            blocks=read_factors(over_blocks, "over_blocks"),
            space=None if masks is None else masks[None, None],
            references=read_factors(over_references, "over_references"),
        )
        drawn = torch.from_numpy(np.array(strength_sheet(made))).float()[None] / 255
        varied = [name for name in ("steps", "frames", "blocks", "references") if getattr(made, name)]
        varied += ["places"] if made.space is not None else []
        said = f"Strength {strength:g}, {'over ' + ', '.join(varied) if varied else 'the same everywhere'}."
        return host.output(cls, made, images=drawn, notes=[said, *unseen_mask(mask)])


class VaceAddCondition(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceAddCondition",
            "VACE Add Condition",
            "Adds a VCU (Video Condition Unit) that guides the model at the same time as another, with a strength of "
            "its own: depth at 0.4 and pose at 1, say. Chain several of these nodes for several VCUs. Their prompts "
            "do not count, and pixels are kept by the first VCU alone.",
            category="VACE/Combine",
            inputs=[
                sockets.Vcu.Input(
                    "vcu",
                    tooltip="A VCU of the size and length of the first. Without reference images it is shown those of "
                    "the first.",
                ),
                sockets.strength(),
                *sockets.where(),
            ],
            outputs=[
                sockets.Conditions.Output(
                    display_name="conditions",
                    tooltip="For the input conditions of VACE Sample Video, VACE Apply VCU or VACE Attach Adapter.",
                )
            ],
            aliases=["multi control", "multi controlnet", "two controls", "combine tasks", "second control"],
        )

    @classmethod
    def execute(
        cls,
        vcu: VideoConditionUnit,
        strength: float,
        strengths: Strength | None = None,
        conditions: ConditionStack | None = None,
    ) -> io.NodeOutput:
        before = () if conditions is None else conditions.conditions
        own = AS_TRAINED if strengths is None else strengths
        own = replace(own, overall=own.overall * strength)
        stack = ConditionStack(conditions=(*before, Condition(vcu=vcu, strength=own)))
        said = ", ".join(f"{one.strength.overall:g}" for one in stack.conditions)
        return host.output(cls, stack, notes=[f"{len(stack.conditions)} more at strength {said}."])


def _curve(text: str, drawn: Any | None, name: str, drawn_name: str) -> Curve:
    """The curve that was typed, or the one that came from ComfyUI's own editor.

    Raises:
        InputError: both came.
    """
    if drawn is None:
        return read_curve(text, name)
    if text.strip():
        raise InputError(
            "curve-twice",
            "{name} is filled in and {drawn} is connected. One of the two is needed. Empty the text, or disconnect the "
            "curve.",
            name=name,
            drawn=drawn_name,
        )
    places = [n / (CURVE_POINTS - 1) for n in range(CURVE_POINTS)]
    return tuple((place, max(float(drawn.interp(place)), 0.0)) for place in places)
