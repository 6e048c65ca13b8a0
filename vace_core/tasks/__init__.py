"""Every task and composition of tasks as a function that returns a Video Condition Unit."""

from __future__ import annotations

from .basic import (
    control,
    depth,
    extend,
    flow,
    gray,
    inpaint,
    keyframes,
    layout,
    outpaint,
    pose,
    reference,
    scribble,
    text,
)

__all__ = [
    "control",
    "depth",
    "extend",
    "flow",
    "gray",
    "inpaint",
    "keyframes",
    "layout",
    "outpaint",
    "pose",
    "reference",
    "scribble",
    "text",
]
