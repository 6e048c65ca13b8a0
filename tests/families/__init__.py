"""Families that the conformance suite is run for, each in a module or folder of its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from vace_core.models import FAMILIES

from .case import Case

NAMES = (
    "wan",
    "ltx",
    "minimax",
)


def case(name: str) -> Case:
    """What the suite needs to know of a family."""
    return importlib.import_module(f"families.{name}").CASE


@contextmanager
def known() -> Iterator[None]:
    """The library knows all of them meanwhile."""
    new = [family for name in NAMES if (family := case(name).family) not in FAMILIES]
    FAMILIES.extend(new)
    yield
    for family in new:
        FAMILIES.remove(family)
