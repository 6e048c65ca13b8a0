"""A model that was chosen and is not loaded yet, and what other nodes take from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...vace_core.loading.profiles import Profile

AUTO = "auto"
"""In a choice: as the connected model takes it. In numbers that is 0."""

UNLINKED = "480p"
"""What a fit of auto means where no model is connected."""

AUTO_FITS = (AUTO, f"{AUTO}, all frames", f"{AUTO}, any length")
ZERO = "0 = as the connected model takes it."
DECIDES = (
    "The model that the VCU is for, such as that of VACE Model: it decides where fit is auto and where width, height, "
    "length or fps is 0. It is not loaded for that."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenModel:
    """A model that was chosen by its profile and is loaded when it is first used, once.

    Attributes:
        profile: What is known of it before.
        load: Loads it: a `LibraryModel`.
    """

    profile: Profile
    load: Callable[[], Any]

    @cached_property
    def loaded(self) -> Any:
        return self.load()
