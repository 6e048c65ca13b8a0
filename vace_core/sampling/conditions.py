"""The conditions of one job, each with its strength, and whether anything reads them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import InputError, ShapeError
from ..vcu import FOLLOW, VideoConditionUnit
from .options import SamplingOptions
from .schedule import NoiseSchedule
from .strength import AS_TRAINED, Strength

log = logging.getLogger("vace")


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """A VCU with a strength of its own. A VCU has one control for each pixel; two controls at once are two of these.

    Attributes:
        vcu: Of the size of the first one, and with as many references; without any, it gets those of the first.
        strength: Where and when it acts.
    """

    vcu: VideoConditionUnit
    strength: Strength = AS_TRAINED


def conditions_of(vcu: VideoConditionUnit, strength: Strength, also: Sequence[Condition]) -> list[Condition]:
    """All conditions of a job, the first one first.

    Raises:
        ShapeError: one is of another size than the first, or has another number of references.
    """
    return [Condition(vcu=vcu, strength=strength), *(_of_one_size(vcu, other) for other in also)]


def _of_one_size(first: VideoConditionUnit, other: Condition) -> Condition:
    """A further condition, with references in as many places as the first has.

    Raises:
        ShapeError: it is of another size, or has another number of references.
    """
    vcu = other.vcu if other.vcu.references else replace(other.vcu, references=first.references)
    if vcu.roles.shape != first.roles.shape or vcu.num_references != first.num_references:
        raise ShapeError(
            "conditions-differ",
            "The conditions are {first} with {first_references} references and {other} with {other_references}. All "
            "need the same frames, height, width and number of references. Fit them to one size, and give each the "
            "same number of references.",
            first=tuple(first.roles.shape),
            first_references=first.num_references,
            other=tuple(vcu.roles.shape),
            other_references=vcu.num_references,
        )
    return replace(other, vcu=vcu)


def check_adapter(vcu: VideoConditionUnit, options: SamplingOptions, *, attached: bool) -> None:
    """Validate that a VCU's conditions are read; log a warning where they are not because the strength is 0.

    Raises:
        InputError: there is no adapter to read them.
    """
    said = _conditions(vcu)
    if not said or (attached and options.strength):
        return
    if options.strength:
        raise InputError(
            "no-adapter",
            "The VCU has {what}, but the model has no adapter, and only an adapter reads them. A VACE "
            "adapter is needed. Attach one, or set the strength to 0 to generate from the prompt alone.",
            what=said,
        )
    log.warning("the strength is 0, so the model reads the prompt alone: it sees nothing of the VCU's %s", said)


def check_steps(options: SamplingOptions, schedule: NoiseSchedule) -> None:
    """Validate that an adapter acts in at least one step of `schedule`.

    Raises:
        InputError: it acts in none.
    """
    acting = options.adapter.sigma_range(schedule.at)
    if options.strength and not any(level in acting for level in schedule.sigmas()[:-1]):
        raise InputError(
            "adapter-never-acts",
            "None of the {steps} steps lies between {start_percent:g} and {end_percent:g} of the schedule, "
            "where the adapter acts. At least one is needed. Set start and end further apart, use more "
            "steps, or set the strength to 0 to sample without the adapter.",
            steps=options.steps,
            start_percent=options.start_percent,
            end_percent=options.end_percent,
        )


def _conditions(vcu: VideoConditionUnit) -> str:
    """The parts of a VCU that an adapter reads, in words; "" if none."""
    count = vcu.num_references
    there = (
        (f"{count} reference{'s' if count > 1 else ''}", count > 0),
        ("pixels to keep", bool((vcu.masks == 0).any())),
        ("a control to follow", bool(((vcu.roles & FOLLOW) != 0).any())),
    )
    *first, last = [words for words, is_there in there if is_there] or [""]
    return f"{', '.join(first)} and {last}" if first else last
