"""The node with what is seldom set of sampling: guidance by steps, and presets for LoRA of few steps."""

from __future__ import annotations

from comfy_api.latest import io

from ..vace_core.sampling.phases import parse_scales, said_scales
from ..vace_core.sampling.presets import DISTILLED
from .comfy import host, sockets
from .comfy.node import Node
from .comfy.sockets import MoreOptions

OFF = "off"


class VaceSamplingOptions(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceSamplingOptions",
            "VACE Sampling Options",
            "Further options for VACE Sample Video: a preset for a LoRA of few steps (4 or 8 steps), and a cfg for "
            "each step, as with two samplers in a row.",
            inputs=[
                io.Combo.Input(
                    "distilled",
                    options=[OFF, *DISTILLED],
                    default=OFF,
                    tooltip="For Wan with a LoRA of few steps: its steps, shift and sampler as published, and cfg 1, "
                    "instead of those of VACE Sample Video. off = as set there.",
                ),
                io.String.Input(
                    "cfg_steps",
                    default="",
                    tooltip="The cfg of each step, instead of one for all: 6 x 2, 1 is 6 in the first two steps and, "
                    "at half the time, off in the rest. Empty = the same in every step.",
                ),
            ],
            outputs=[sockets.Options.Output(display_name="options", tooltip="For VACE Sample Video.")],
            aliases=["cfg schedule", "guidance", "few steps", "causvid", "lightx2v", "distilled", "lightning"],
        )

    @classmethod
    def execute(cls, distilled: str, cfg_steps: str) -> io.NodeOutput:
        made = MoreOptions(distilled=None if distilled == OFF else distilled, scales=parse_scales(cfg_steps))
        if made.distilled is None:  # said too: a node shows its last notes until it says something else
            scales = f"cfg {said_scales(made.scales)}" if made.scales else "nothing is changed"
            return host.output(cls, made, notes=[f"No preset, {scales}."])
        preset = DISTILLED[made.distilled]
        low, high = preset.strengths
        strength = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        return host.output(cls, made, notes=[f"LoRA, at a strength of {strength}: {preset.lora}."])
