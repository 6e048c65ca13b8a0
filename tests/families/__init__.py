"""Families that the conformance suite is run for, each in a module or folder of its own."""

from __future__ import annotations

import importlib

from .case import Case

NAMES = (
    "wan",
    "ltx",
    "minimax",
)


def case(name: str) -> Case:
    """What the suite needs to know of a family."""
    return importlib.import_module(f"families.{name}").CASE
