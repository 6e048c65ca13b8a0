"""Where and when the conditions of a job act: the options for that, and what the library gets of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

from torch import Tensor
from typer import Option

from .. import tasks
from ..errors import InputError
from ..geometry import Box
from ..inputs.all_frames import SAME_RATE
from ..inputs.fitted import Fitted, Source, fit_clip, fit_control
from ..inputs.fitted_masks import fit_levels, is_alike
from ..inputs.put_back import Edit
from ..media.cropped import Cropped
from ..media.footage import Footage
from ..media.pictures import read_mask_levels
from ..media.ranges import Cut
from ..media.reader import VideoReader
from ..media.scaled import Scaled
from ..pipeline.parts import lengthened
from ..sampling.conditions import Condition
from ..sampling.options import SamplingOptions
from ..sampling.strength import AS_TRAINED, Strength
from ..sampling.strength_text import read_curve, read_factors
from ..sampling.windows import Plan
from ..vcu import VideoConditionUnit, compose
from .inputs import open_film, read_mask_file, read_part, target_of
from .models import profile_of
from .options import EditPart, Part, Run
from .request import Request

WHERE = "Where and when"
CONTROLS: dict[str, Callable[..., VideoConditionUnit]] = {
    "depth": tasks.depth,
    "pose": tasks.pose,
    "gray": tasks.gray,
    "scribble": tasks.scribble,
    "flow": tasks.flow,
}
"""What may follow --also: the first two come ready-made, the others are computed from a clip."""


@dataclass(frozen=True, kw_only=True)
class FullRun(Run):
    """How a job is done, where its result goes, and where and when its conditions act."""

    pin: Annotated[
        bool,
        Option(
            "--pin",
            help="Hold kept latents to the source in every step. Kept pixels are put back at the end in any case.",
            rich_help_panel=WHERE,
        ),
    ] = False
    denoise: Annotated[
        float,
        Option(
            help="Part of the schedule, above 0 to 1: below 1 the job begins from the clip with so much noise instead "
            "of from noise alone.",
            rich_help_panel=WHERE,
        ),
    ] = 1.0
    strength_steps: Annotated[
        str,
        Option(
            help='VACE strength over the schedule as place:factor, such as "0:1 0.5:1 0.6:0": 0 = its start, 1 = its '
            "end, straight lines between. All strengths multiply.",
            rich_help_panel=WHERE,
        ),
    ] = ""
    strength_frames: Annotated[
        str, Option(help="The same over the frames: 0 = the first, 1 = the last.", rich_help_panel=WHERE)
    ] = ""
    strength_blocks: Annotated[
        str,
        Option(
            help='A factor for each context block of the adapter, such as "1 1 0.5 0"; those behind the last that is '
            "not 0 are not computed.",
            rich_help_panel=WHERE,
        ),
    ] = ""
    strength_mask: Annotated[
        Path | None,
        Option(
            help="Mask image or video of the shape of the clip: full strength where white, none where black.",
            rich_help_panel=WHERE,
        ),
    ] = None
    reference_strength: Annotated[
        list[float] | None,
        Option(
            help="Factor on a reference image, in their order; may repeat, the last counts for those that follow.",
            rich_help_panel=WHERE,
        ),
    ] = None
    also: Annotated[
        list[str] | None,
        Option(
            help="A further control at the same time, as KIND=FILE: depth or pose with ready-made maps; gray, scribble "
            "or flow computed from a clip. May repeat. --strength is then that of the task alone.",
            rich_help_panel=WHERE,
        ),
    ] = None
    also_strength: Annotated[
        list[float] | None,
        Option(help="VACE strength of each --also, in their order. Default: 1.", rich_help_panel=WHERE),
    ] = None

    def sampled(self, options: SamplingOptions) -> SamplingOptions:
        """The sampling options with what is asked for here."""
        return replace(options, denoise=self.denoise, strength=1.0 if self.also else options.strength)

    def said(self) -> dict[str, Any]:
        """What is asked for here and is not the default, for JSON."""
        usual = FullRun()
        names = [name for name in FullRun.__annotations__ if name not in Run.__annotations__]
        found = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        return {name: str(value) if isinstance(value, Path) else value for name, value in found.items()}

    def rows(self) -> list[tuple[str, str]]:
        """The same as a row of a table; none where nothing is asked for."""
        said = (f"{name.replace('_', '-')} {_in_words(value)}" for name, value in self.said().items())
        return [("where and when", "; ".join(said))] if self.said() else []


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """What the library gets beside the VCU and the options: the arguments of `pipeline.generate` of these names."""

    strength: Strength
    also: tuple[Condition, ...] = ()
    pin: bool = False
    begin: Tensor | None = None


AS_IT_IS = Conditions(strength=AS_TRAINED)


def conditions_of(request: Request, job: FullRun, plan: Plan | None = None) -> Conditions:
    """Where and when the conditions of a request act.

    Args:
        request: What was asked for.
        job: How it is done.
        plan: The windows that it is made by; None = in one pass.

    Raises:
        InputError: something typed cannot be read or is out of range, or nothing is there that it could act on.
        ShapeError: a mask or a further control has another length than the clip.
    """
    vcu = request.vcu
    begins = job.denoise < 1 and request.begin is None
    if (job.pin and not request.keeps(plan)) or (begins and vcu.source is None):
        raise InputError(
            "where-without-source",
            "--pin or --denoise below 1 was given, but this task has no clip to hold or to begin from. A task with a "
            "source clip is needed, such as inpaint, or gray and scribble for --denoise. Leave it out.",
        )
    pages = tuple(job.reference_strength or ())
    if len(pages) > vcu.num_references:
        raise InputError(
            "reference-strengths",
            "There are {given} --reference-strength and {references} references. At most one for each is needed. "
            "Leave the others out.",
            given=len(pages),
            references=vcu.num_references,
        )
    strength = Strength(
        overall=job.strength if job.also else 1.0,
        steps=read_curve(job.strength_steps, "--strength-steps"),
        frames=read_curve(job.strength_frames, "--strength-frames"),
        blocks=read_factors(job.strength_blocks, "--strength-blocks"),
        space=None if job.strength_mask is None else _space(job.strength_mask, request),
        references=pages,
    )
    strength.on_tokens(
        vcu, profile_of(request.wanted).family.grid
    )  # what does not fit is said before anything is loaded
    return Conditions(strength=strength, also=_also(request, job), pin=job.pin, begin=request.begin)


def _in_words(value: Any) -> str:
    return ", ".join(str(one) for one in cast("list[Any]", value)) if isinstance(value, list) else str(value)


def _space(path: Path, request: Request) -> Tensor:
    """A mask file as `(1, 1, T, H, W)` in 0..1, fitted as the clip is where it has the shape of that."""
    if isinstance(request.edit, Edit) and request.edit.boxes is not None:
        raise InputError(
            "strength-mask-crop",
            "--strength-mask was given with --crop, which shows the model another part of the frame. Only one of the "
            "two is possible. Leave one out.",
        )
    if request.clip is None:
        levels = read_mask_levels(path)
    else:
        given, fitted = request.clip
        levels = fit_levels(read_mask_file(path, given, EditPart()), fitted)
    return levels.float()[None, None] / 255


def _also(request: Request, job: FullRun) -> tuple[Condition, ...]:
    files, strengths = job.also or [], job.also_strength or []
    if len(strengths) > len(files):
        raise InputError(
            "also-strengths",
            "There are {given} --also-strength and {also} --also. At most one for each is needed. Leave the others "
            "out.",
            given=len(strengths),
            also=len(files),
        )
    strengths = [*strengths, *[1.0] * (len(files) - len(strengths))]
    return tuple(
        Condition(vcu=_follows(text, request), strength=Strength(overall=strength))
        for text, strength in zip(files, strengths, strict=True)
    )


def _follows(text: str, request: Request) -> VideoConditionUnit:
    """The VCU of a request that follows another control instead; what it keeps is kept here too."""
    kind, equals, name = text.partition("=")
    if not equals or kind not in CONTROLS or not name:
        raise InputError(
            "also-unreadable",
            'The further control is "{value}". A kind and a file, such as pose=skeletons.mp4, are needed; kinds are '
            "{kinds}. Change it.",
            value=text,
            kinds=", ".join(CONTROLS),
        )
    follows = CONTROLS[kind](_control(Path(name), request), fps=request.vcu.fps)
    follows = lengthened(follows, request.vcu.num_frames, padding=request.vcu.padding)
    if request.vcu.source is None:
        return follows
    return replace(compose(request.vcu, follows), prompt="", negative_prompt="")


def _control(path: Path, request: Request) -> Tensor:
    """A further control `(1, 3, T, H, W)`, fitted as the clip is where it has the frames of that."""
    vcu = request.vcu
    like = replace(request.wanted, width=vcu.width, height=vcu.height, length=vcu.shown_frames, fps=vcu.fps)
    came = None if request.clip is None else request.clip[0].film
    mapped = isinstance(came, VideoReader) and came.tone_mapped is not None
    film, start = open_film(path, like, tone_map=mapped), None
    if request.clip is not None:
        given, fitted = request.clip
        boxes = request.edit.boxes if isinstance(request.edit, Edit) else None
        same_rate = abs(film.fps / given.film.fps - 1) < SAME_RATE
        whole = film.count == given.film.count
        if whole or (same_rate and film.count in (given.source.shape[0], fitted.source.shape[0])):
            begin = given.begin if whole else 0
            part = Cut(film, begin, begin + fitted.source.shape[0])
            return _fitted_alike(part, boxes, path, request, given.film, fitted)
        if boxes is not None:
            raise InputError(
                "also-crop",
                "The further control {path} has {count} frames, and {clip}, of which --crop shows a box, has {frames}. "
                "With --crop as many are needed. Make the control from this clip, or leave --crop out.",
                path=path,
                count=film.count,
                clip=given.film.path,
                frames=given.film.count,
            )
        if not same_rate and abs(film.seconds - given.film.seconds) <= 1 / min(film.fps, given.film.fps):
            start = str(given.seconds)  # of the whole clip, which it is as long as
    part_of = Part(start=start, tone_map=mapped)
    return fit_clip(read_part(path, like, part_of).source, target_of(like, part_of)).frames


def _fitted_alike(
    part: Footage, boxes: Sequence[Box] | None, path: Path, request: Request, clip: Footage, fitted: Fitted
) -> Tensor:
    """A control that has the frames of the part of the clip that is edited, fitted as that is."""
    vcu = request.vcu
    if boxes is not None:
        part = Cropped(part if _size(part) == _size(clip) else Scaled(part, clip), boxes)
    alike = boxes is not None or is_alike(_size(part), _size(clip), fitted.source.aspect)
    same = alike and fitted.size == (vcu.height, vcu.width)
    plan = replace(fitted.plan, height=vcu.height, width=vcu.width, whole=fitted.plan.whole and same)
    fitted = replace(fitted, plan=plan)
    control = Source(frames=part, fps=part.fps, times=part.times, aspect=float(part.aspect), path=path)
    return fit_control(control, fitted if request.stretches is None else fitted.stretch(0, vcu.shown_frames))


def _size(film: Footage) -> tuple[int, int]:
    return film.height, film.width
