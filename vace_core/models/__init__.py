"""Base models. The list of them is all that has to change for another one to be known everywhere."""

from __future__ import annotations

from .family import Family
from .ltx.family import LTX
from .wan.family import WAN

FAMILIES: list[Family] = [WAN, LTX]
