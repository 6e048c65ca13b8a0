"""Strengths on ComfyUI's own VACE model, which knows one number for each context and computes all of its blocks.

A strength travels in CONDITIONING as the number that ComfyUI expects, with where and when it acts in its pockets. A
wrapper on the MODEL turns it into what it is in one call. Contexts that do nothing there are left out; where none does
anything, neither are the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from ...vace_core.errors import InputError
from ...vace_core.geometry import Grid
from ...vace_core.sampling.conditions import Condition
from ...vace_core.sampling.schedule import found_percent
from ...vace_core.sampling.strength import AS_TRAINED, Strength
from . import host
from .hooks import kept_in_windows
from .registry import NATIVE_VACE
from .where import Where, places_of

WRAPPER = "vace strength"


class Varying(float):
    """The overall strength of one context, and where and when it acts.

    Attributes:
        strength: The rest of it.
        places: As `where.places_of`.
    """

    strength: Strength
    places: Tensor | None

    def __new__(cls, overall: float, strength: Strength = AS_TRAINED, places: Tensor | None = None) -> Varying:
        made = super().__new__(cls, overall)
        made.strength, made.places = strength, places
        return made


def strength_in_conditioning(condition: Condition, grid: Grid) -> float:
    """The number for CONDITIONING, a `Varying` one where it is not the same everywhere.

    Raises:
        InputError: the blocks have strengths of their own.
    """
    strength = condition.strength
    if strength.blocks:
        raise InputError(
            "native-strength-blocks",
            "The strength has a factor for each block, but ComfyUI's own VACE model has one strength for all blocks. "
            "A model of this pack is needed for that. Use VACE Sample Video with VACE Load Model, or VACE Attach "
            "Adapter on a text-to-video MODEL.",
        )
    places = places_of(condition, grid)
    if places is None and not strength.steps:
        return strength.overall
    return Varying(strength.overall, strength, places)


def check_carried(where: Where, model: Any | None) -> None:
    """Validate that something turns varying strengths into what they are.

    Raises:
        InputError: there is a varying one, and no MODEL came; or one that ComfyUI's own model cannot have.
    """
    strengths = [strength_in_conditioning(one, NATIVE_VACE.grid) for one in where.conditions]
    if model is None and any(isinstance(one, Varying) for one in strengths):
        raise InputError(
            "native-strength-model",
            "The strength varies over steps, frames, places or references, which ComfyUI's own VACE model must be told "
            "in every step. The MODEL is needed too. Connect it to model, and the output model to the sampler; or use "
            "VACE Sample Video.",
        )


def varying(model: Any | None) -> Any | None:
    """A MODEL that turns varying strengths into what they are; the one given is not changed."""
    if model is None:
        return None
    clone = model.clone()
    if not host.has_wrapper(clone, "APPLY_MODEL", WRAPPER):  # one is for all contexts
        host.add_wrapper(clone, "APPLY_MODEL", WRAPPER, varied(percent_behind))
    return clone


def varied(percent_of: Callable[[Any, Tensor], float | None]) -> Callable[..., Any]:
    """What goes around one call of a MODEL (APPLY_MODEL), outside of what may be compiled.

    Args:
        percent_of: Of the model and its noise levels: how much (0..1) of the schedule is behind; None = nothing acts.
    """

    def around(
        executor: Any,
        x: Tensor,
        t: Tensor,
        c_concat: Any = None,
        c_crossattn: Any = None,
        control: Any = None,
        transformer_options: Any = None,
        **conds: Any,
    ) -> Any:
        base, options = executor.class_obj, transformer_options or {}
        given = conds.get("vace_strength")
        if given is None:
            return executor(x, t, c_concat, c_crossattn, control, options, **conds)
        percent = percent_of(base, t)
        acting = [n for n, one in enumerate(given) if percent is not None and _factor(one, percent) != 0]
        if len(acting) < len(given):
            conds["vace_context"] = conds["vace_context"][:, acting or [0]]
        window = options.get("context_window")
        conds["vace_strength"] = [_seen(given[n], percent, window, x, base) for n in acting] or [0.0]
        with _blocks(base, used=bool(acting)):
            return executor(x, t, c_concat, c_crossattn, control, options, **conds)

    return around


def percent_behind(base: Any, t: Tensor) -> float:
    """How much of the schedule of a MODEL is behind at its noise levels."""
    return found_percent(lambda percent: float(base.model_sampling.percent_to_sigma(percent)), float(t.max()))


def _factor(one: float | Tensor, percent: float) -> float:
    if not isinstance(one, Varying):
        return 1.0 if isinstance(one, Tensor) else one
    somewhere = one.places is None or bool(one.places.any())
    return float(one) * one.strength.at(percent) if somewhere else 0.0


def _seen(one: float | Tensor, percent: float | None, window: Any | None, x: Tensor, base: Any) -> float | Tensor:
    """A strength in one call: a number, or `(1, L, 1)` for the frames that the call is about."""
    assert percent is not None
    if not isinstance(one, Varying):
        return one
    factor = _factor(one, percent)
    if one.places is None:
        return factor
    places = one.places.to(x.device)
    if window is not None and getattr(window, "total_frames", places.shape[2]) == places.shape[2]:
        places = window.get_tensor(places, x.device, dim=2, **kept_in_windows(base))
    return places.reshape(1, -1, 1) * factor


@contextmanager
def _blocks(base: Any, *, used: bool) -> Generator[None, None, None]:
    """Around a call in which no context acts: the network meets none of its context blocks."""
    network = getattr(base.diffusion_model, "_orig_mod", base.diffusion_model)
    if used or not hasattr(network, "vace_layers_mapping"):
        yield
        return
    mapping = network.vace_layers_mapping
    network.vace_layers_mapping = {}
    try:
        yield
    finally:
        network.vace_layers_mapping = mapping
