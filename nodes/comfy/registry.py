"""The families that nodes offer: one line each."""

from __future__ import annotations

from ...vace_core.models.family import Family
from .families import ComfyFamily
from .family_ltx import COMFY_LTX
from .family_wan import COMFY_WAN

COMFY_FAMILIES: list[ComfyFamily] = [COMFY_WAN, COMFY_LTX]

NATIVE_VACE: Family = next(comfy.family for comfy in COMFY_FAMILIES if comfy.native_vace)
"""The family whose models in ComfyUI know VACE by themselves."""


def comfy_family(family: Family) -> ComfyFamily:
    """What ComfyUI needs to know of a family."""
    return next(comfy for comfy in COMFY_FAMILIES if comfy.family is family)


def tips(name: str, between: str) -> str:
    """What the tooltip of an input says of each family, in a sentence without its full stop."""
    return between.join(comfy.tips[name] for comfy in COMFY_FAMILIES)
