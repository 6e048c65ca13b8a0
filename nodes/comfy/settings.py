"""What a model decides of tasks and sampling where a node leaves it to the model: fit, size, length, rate and steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from ...vace_core.errors import InputError
from ...vace_core.loading.assembly import family_in
from ...vace_core.loading.profiles import Profile
from ...vace_core.models.family import Family
from ...vace_core.sampling.options import SamplingOptions
from ...vace_core.starter.model import STARTER
from ...vace_core.starter.outside import outside
from ...vace_core.starter.profiles import PROFILES, profile_named
from ...vace_core.starter.scenes.text import SceneText
from ...vace_core.vcu import VideoConditionUnit
from . import host
from .chosen import AUTO, UNLINKED, ChosenModel
from .registry import COMFY_FAMILIES, NATIVE_VACE
from .sockets import FITS, LibraryModel, NativeModel

NUMBERS = ("width", "height", "length", "window", "fps")
CFG = -1.0
"""The cfg that means the model's own, for 0 is one of its own right."""


def usual(model: LibraryModel | NativeModel | ChosenModel) -> tuple[Family, SamplingOptions]:
    """The model family, and the default sampling options."""
    if isinstance(model, ChosenModel):
        return model.profile.family, model.profile.usual
    if isinstance(model, LibraryModel):
        return model.family, model.usual
    return NATIVE_VACE, NATIVE_VACE.options if model.low_noise is None else NATIVE_VACE.pair_options


def profile_of(model: LibraryModel | NativeModel | ChosenModel) -> Profile:
    """What is known of a model: what it was chosen by, or the defaults of its family."""
    if isinstance(model, (ChosenModel, LibraryModel)) and model.profile is not None:
        return model.profile
    if isinstance(model, LibraryModel) and isinstance(getattr(model.core, "text", None), SceneText):
        return STARTER
    return Profile.of(usual(model)[0])


def profile_by(name: Any) -> Profile:
    """The profile that an editor names, or the defaults of a family that it names by itself or by {"file"} of it.

    Raises:
        InputError: there is none.
        ModelError: there is no such file, or no model in it.
    """
    if isinstance(name, dict):
        return Profile.of(family_in(host.model_path(str(cast("dict[str, Any]", name).get("file")), *host.MODELS)))
    families = {one.family.name: one.family for one in COMFY_FAMILIES}
    known = isinstance(name, str) and name not in PROFILES and name in families
    return Profile.of(families[name]) if known else profile_named(str(name))


def unlike(profile: Profile, vcu: VideoConditionUnit, *, num_frames: int | None = None) -> str | None:
    """What a VCU asks for that a model was not trained on, in a sentence or two; None = nothing.

    Args:
        num_frames: Made of it in one pass; None = all.
    """
    count = vcu.num_frames if num_frames is None else num_frames
    if profile is STARTER:
        return outside(vcu, num_frames=count)
    return profile.beyond(count, vcu.height, vcu.width)


def longer(profile: Profile, vcu: VideoConditionUnit) -> str | None:
    """That a VCU is longer than what a model was trained to make in one pass; None = it is not."""
    count = min(vcu.num_frames, profile.length)
    if unlike(profile, vcu) == unlike(profile, vcu, num_frames=count):
        return None
    return (
        f"{vcu.num_frames} frames are more than the {count} of one pass: for VACE Plan Windows and VACE Sample Long "
        "Video."
    )


def with_settings(values: Mapping[str, Any], model: LibraryModel | NativeModel | ChosenModel | None) -> dict[str, Any]:
    """The values of a node, with the model's own where they say "auto" or 0. A fit is that of Wan without a model.

    Raises:
        InputError: a number is 0, and there is no model.
    """
    return with_profile(values, None if model is None else profile_of(model))


def with_profile(values: Mapping[str, Any], profile: Profile | None) -> dict[str, Any]:
    """The same by the profile of a model."""
    left = [name for name, value in values.items() if _is_left(name, value)]
    if profile is None:
        # A video with no rate is told elsewhere.
        missing = [name for name in left if name not in ("fps", "fit")]
        if missing:
            raise InputError(
                "auto-without-model",
                "{what} left to the model, and none is connected. A model is needed for that. Connect VACE Model to "
                "the input model of this node, or set a value.",
                what=f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'}",
            )
        return {name: value.replace(AUTO, UNLINKED) if name == "fit" else value for name, value in values.items()}
    own = {**numbers_of(profile), "window": profile.length}
    fit = next(name for name, rule in FITS.items() if rule == profile.rule)
    found = {name: values[name].replace(AUTO, fit) if name == "fit" else own[name] for name in left}
    return {**values, **found}


def numbers_of(profile: Profile) -> dict[str, Any]:
    """What a model takes where a node leaves it to the model: pixels, frames and frames per second."""
    height, width = profile.size
    return {"width": width, "height": height, "length": profile.length, "fps": profile.rule.fps}


def _is_left(name: str, value: Any) -> bool:
    if name == "fit":
        return isinstance(value, str) and value.startswith(AUTO)
    return name in NUMBERS and isinstance(value, (int, float)) and value == 0


def published(own: SamplingOptions, *, steps: int, cfg: float, shift: float, sampler: str) -> SamplingOptions:
    """A model's own options and what a node sets of them: 0 steps, a cfg of -1, a shift of 0 and auto set nothing.

    Raises:
        InputError: a cfg between -1 and 0.
    """
    if CFG < cfg < 0:
        raise InputError(
            "cfg-below-zero",
            "The cfg is {cfg}. A number of 0 or more is needed, or -1 for that of the model. Change it.",
            cfg=cfg,
        )
    made = own if shift == 0 else replace(own, shift=shift, shift_growth=0.0)
    return replace(
        made,
        steps=steps or own.steps,
        guidance_scale=own.guidance_scale if cfg == CFG else cfg,
        solver=own.solver if sampler == AUTO else sampler,
    )
