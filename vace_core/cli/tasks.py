"""One command for each task: files and numbers in, `Request` out. `__init__` turns each into `vace …`.

The first line of a docstring is the help of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from torch import Tensor
from typer import Argument, Option

from .. import tasks
from ..errors import InputError
from ..inputs.border import Border, sides_of
from ..inputs.control_checks import ControlKind
from ..inputs.fitted import Fitted, fit_clip, fit_pictures
from ..inputs.fitting import growth
from ..inputs.put_back import box_of
from ..media.ranges import StillFrame
from ..tasks import anything
from ..vcu import VideoConditionUnit, compose
from .editing import Work, work_on
from .extending import read_ends
from .film import rest_of
from .inputs import (
    Given,
    notes_of,
    puts_back,
    read_part,
    read_paths,
    read_references,
    read_still,
    target_of,
    warnings_of,
)
from .options import EditPart, FitName, FollowName, KeptPart, Part, Paths, PutBack, References, Sides, Wanted
from .request import Request
from .sizes import Borders, blank, borders, length, rate, step

ClipFile = Annotated[Path, Argument(help="A video or an image.", show_default=False)]
PictureFile = Annotated[Path, Argument(help="An image.", show_default=False)]
MapFile = Annotated[Path, Argument(help="The control video.", show_default=False)]
MaskFile = Annotated[Path, Option("--mask", help="Mask image or video: white = generate, black = keep.")]
WhereFile = Annotated[
    Path | None, Option("--mask", help="Mask: follow the control only in the white part; the rest of the clip is kept.")
]
Keep = Annotated[
    int | None,
    Option(
        min=1,
        help="Frames kept of each clip, 4n + 1 (LTX-Video 8n + 1). Default: half of the result, or a third for "
        "each of two clips.",
    ),
]
ALL, KEPT, EDIT, AS_USUAL = Part(), KeptPart(), EditPart(), PutBack()
Only = Annotated[
    bool,
    Option(
        "--only",
        help="Write only the frames that the model works on, kept and generated, without the rest of the clip.",
    ),
]


def text(wanted: Wanted) -> Request:
    """Text to video: generate a clip from a prompt."""
    size, num_frames, fps = blank(wanted)
    vcu = tasks.text(num_frames=num_frames, height=size[0], width=size[1], fps=fps)
    return _request(vcu, wanted)


def reference(pictures: References, wanted: Wanted) -> Request:
    """Reference to video: generate a clip with the subjects of reference images."""
    size, num_frames, fps = blank(wanted)
    found = read_references(pictures)
    vcu = tasks.reference(found, num_frames=num_frames, height=size[0], width=size[1], fps=fps)
    return _request(vcu, wanted, _seen(pictures, found))


def inpaint(clip: ClipFile, *, mask: MaskFile, part: EditPart = EDIT, wanted: Wanted) -> Request:
    """Inpaint: generate the masked part of a clip, keep the rest."""
    work = work_on(clip, mask, wanted, part)
    vcu = tasks.inpaint(work.fitted.frames, work.masks, fps=work.fitted.plan.fps)
    return _edited(vcu, wanted, work)


def outpaint(clip: ClipFile, *, sides: Sides, part: KeptPart = KEPT, wanted: Wanted) -> Request:
    """Outpaint: enlarge a clip and generate the border. Width and height are those of the clip inside it."""
    given = read_part(clip, wanted, part)
    border = borders(sides, *given.source.shape[1:])
    back = puts_back(given.film, wanted, part.put_back, usual=True, official=part.fit is FitName.official)
    source = fit_clip(given.source, target_of(wanted, part, whole=back), growth=growth(**border))
    vcu = tasks.outpaint(source.frames, **border, step=step(wanted), fps=source.plan.fps)
    request = _of_clip(vcu, wanted, source, given, notes_of(source, "clip", given))
    return replace(request, edit=_bordered(vcu, given, len(source.plan.shown), border) if back else None)


def extend(
    clip: Annotated[Path | None, Argument(help="What comes first: a video or an image.", show_default=False)] = None,
    *,
    last: Annotated[Path | None, Option(help="What comes last; alone, it is led up to.")] = None,
    keep: Keep = None,
    only: Only = False,
    back: PutBack = AS_USUAL,
    wanted: Wanted,
) -> Request:
    """Extend: generate what comes after a clip or image, before it, or between two."""
    around = read_ends(clip, last, keep, wanted, back)
    before, after = around.before, around.after
    ends = {name: end for name, end in (("first", before), ("last", after)) if end}
    vcu = tasks.extend(
        None if before is None else before.frames,
        None if after is None else after.frames,
        num_frames=length(wanted, next(iter(ends.values())).size),
        fps=rate(wanted, next((end.fps for end in ends.values() if end.fps), None)),
    )
    notes = [note for name, end in ends.items() for note in notes_of(end, name)]
    request = _request(vcu, wanted, notes)
    if (extension := around.extension(vcu, only=only)) is not None:
        film = extension.film
        return replace(request, edit=extension, sound=film.path if film.sound and not only else None)
    if only:
        return request
    sound = clip if before and before.fps else None
    return replace(request, sound=sound, before=rest_of(before), after=rest_of(after))


def join(
    first: ClipFile,
    second: Annotated[Path, Argument(help="The clip that follows.", show_default=False)],
    *,
    keep: Keep = None,
    only: Only = False,
    back: PutBack = AS_USUAL,
    wanted: Wanted,
) -> Request:
    """Join: generate the transition between two clips."""
    return extend(first, last=second, keep=keep, only=only, back=back, wanted=wanted)


def keyframes(
    pictures: Annotated[
        list[str], Argument(help="INDEX=IMAGE, such as 0=a.png 40=b.png; 0 is the first frame.", show_default=False)
    ],
    *,
    wanted: Wanted,
) -> Request:
    """Keyframes: generate a clip that shows images at given frames."""
    placed = [(index, read_still(path, wanted)) for index, path in map(_keyframe, pictures)]
    if len({index for index, _ in placed}) < len(placed):
        raise InputError(
            "keyframes-twice",
            "Two keyframes have the same index. One image for each frame is needed. Change one index.",
        )
    pictures_fitted = fit_pictures([picture for _, picture in placed], target_of(wanted))
    fitted = {index: picture for (index, _), picture in zip(placed, pictures_fitted, strict=True)}
    vcu = tasks.keyframes(
        {index: picture.frames for index, picture in fitted.items()},
        num_frames=length(wanted, pictures_fitted[0].size),
        fps=rate(wanted, None),
    )
    notes = [note for index, one in fitted.items() for note in notes_of(one, f"frame {index}")]
    return _request(vcu, wanted, notes)


def gray(
    clip: ClipFile, *, mask: WhereFile = None, pictures: References, part: EditPart = EDIT, wanted: Wanted
) -> Request:
    """Colorize: generate a clip that follows the brightness of another."""
    return _derived(clip, mask, pictures, wanted, part, tasks.gray)


def scribble(
    clip: ClipFile, *, mask: WhereFile = None, pictures: References, part: EditPart = EDIT, wanted: Wanted
) -> Request:
    """Scribble: generate a clip that follows the outlines of another."""
    return _derived(clip, mask, pictures, wanted, part, tasks.scribble)


def flow(
    clip: ClipFile, *, mask: WhereFile = None, pictures: References, part: EditPart = EDIT, wanted: Wanted
) -> Request:
    """Optical flow: generate a clip that moves as another does."""
    return _derived(clip, mask, pictures, wanted, part, tasks.flow)


def stylize(
    clip: ClipFile,
    *,
    style: Annotated[
        list[Path] | None, Option("--style", help="An image in the style; its middle fills the frame. May repeat.")
    ] = None,
    follow: Annotated[
        FollowName, Option(help="What is taken over: outlines, which leave most to the style, or brightness too.")
    ] = FollowName.outlines,
    mask: WhereFile = None,
    part: EditPart = EDIT,
    wanted: Wanted,
) -> Request:
    """Stylize: generate a clip again in another style, with its shapes and motion."""
    pictures = read_references(References(reference=style))
    work = work_on(clip, mask, wanted, part)
    masks, fps = None if mask is None else work.masks, work.fitted.plan.fps
    vcu = anything.stylize(work.fitted.frames, pictures, follow=follow.value, masks=masks, fps=fps)
    seen = [("style", f"{path.name}, its middle fills the frame") for path in style or []]
    return _edited(vcu, wanted, work, seen)


def depth(maps: MapFile, *, pictures: References, part: Part = ALL, wanted: Wanted) -> Request:
    """Depth: generate a clip that follows depth maps (gray, near is light)."""
    return _given(maps, pictures, wanted, part, "depth")


def pose(maps: MapFile, *, pictures: References, part: Part = ALL, wanted: Wanted) -> Request:
    """Pose: generate a clip that follows skeletons drawn on black."""
    return _given(maps, pictures, wanted, part, "pose")


def layout(*, paths: Paths, pictures: References, wanted: Wanted) -> Request:
    """Layout: generate a clip in which objects stay inside moving boxes."""
    size, num_frames, fps = blank(wanted)
    boxes = read_paths(paths, size)
    vcu = tasks.layout(boxes, num_frames=num_frames, height=size[0], width=size[1], fps=fps)
    vcu, seen = _with_references(vcu, pictures)
    return _request(vcu, wanted, [("paths", f"{len(boxes)} boxes that move"), *seen])


def move(photo: PictureFile, *, paths: Paths, wanted: Wanted) -> Request:
    """Move Anything: animate an image; its objects follow moving boxes."""
    still = fit_clip(read_still(photo, wanted), target_of(wanted).still())
    boxes = read_paths(paths, (still.plan.source_height, still.plan.source_width))
    vcu = anything.move_anything(
        still.frames, boxes, num_frames=length(wanted, still.size), fps=rate(wanted, still.fps)
    )
    return _request(vcu, wanted, notes_of(still, "picture"))


def animate(maps: MapFile, *, pictures: References, part: Part = ALL, wanted: Wanted) -> Request:
    """Animate Anything: the characters of reference images move as skeletons do."""
    _some(pictures)
    return pose(maps, pictures=pictures, part=part, wanted=wanted)


def swap(clip: ClipFile, *, mask: MaskFile, pictures: References, part: EditPart = EDIT, wanted: Wanted) -> Request:
    """Swap Anything: replace what a mask covers with the subjects of reference images."""
    found, work = read_references(_some(pictures)), work_on(clip, mask, wanted, part)
    vcu = anything.swap_anything(work.fitted.frames, work.masks, found, fps=work.fitted.plan.fps)
    return _edited(vcu, wanted, work, _seen(pictures, found))


def expand(
    photo: PictureFile, *, sides: Sides, pictures: References, back: PutBack = AS_USUAL, wanted: Wanted
) -> Request:
    """Expand Anything: outpaint and animate an image. Width and height are those of the image inside the canvas."""
    given, found = read_part(photo, wanted, ALL), read_references(pictures)
    picture = read_still(photo, wanted)
    border = borders(sides, *picture.shape[1:])
    goes_back = puts_back(given.film, wanted, back.put_back, usual=False)
    still = fit_clip(picture, target_of(wanted, whole=goes_back).still(), growth=growth(**border))
    canvas = tasks.outpaint(still.frames, **border, step=step(wanted))
    vcu = anything.expand_anything(
        still.frames,
        found,
        num_frames=length(wanted, (canvas.height, canvas.width)),
        **border,
        step=step(wanted),
        fps=rate(wanted, still.fps),
    )
    request = _request(vcu, wanted, [*notes_of(still, "picture"), *_seen(pictures, found)])
    return replace(request, edit=_bordered(vcu, given, 1, border) if goes_back else None)


TASKS: tuple[Callable[..., Request], ...] = (
    text, reference, inpaint, outpaint, extend, join, keyframes, gray, depth, scribble, pose, flow, layout, stylize,
    move, animate, swap, expand,
)  # fmt: skip


def _request(
    vcu: VideoConditionUnit,
    wanted: Wanted,
    notes: Sequence[tuple[str, str]] = (),
    *,
    control: ControlKind | None = None,
) -> Request:
    spoken = replace(vcu, prompt=wanted.prompt, negative_prompt=wanted.negative or "")
    return Request(vcu=spoken, wanted=wanted, notes=notes, control=control)


def _bordered(vcu: VideoConditionUnit, given: Given, count: int, border: Borders) -> Border:
    """The original of a VCU that shows it inside a border in its first frames."""
    film = given.film if given.film.count > 1 else StillFrame(given.film, 0, vcu.fps)
    seen = box_of(vcu.has_source[0, 0, 0])
    assert seen is not None
    more = 0 if count > 1 else vcu.shown_frames - count
    return Border(film=film, begin=given.begin, count=count, sides=sides_of(film, **border), seen=seen, more=more)


def _of_clip(
    vcu: VideoConditionUnit,
    wanted: Wanted,
    fitted: Fitted,
    given: Given,
    notes: Sequence[tuple[str, str]],
    control: ControlKind | None = None,
) -> Request:
    """A task on a part of a clip, whose result has the size of the model and the sound of the part."""
    plan = fitted.plan
    request = _request(replace(vcu, padding=plan.padding), wanted, notes, control=control)
    every = plan.shown == tuple(range(len(plan.shown)))
    return replace(
        request,
        sound=given.sound,
        sound_start=given.seconds,
        times=given.source.times[: len(plan.shown)] if every and given.source.times is not None else None,
        colour=given.film.colour,
        cautions=warnings_of(fitted, wanted),
        most=fitted.most,
    )


def _edited(vcu: VideoConditionUnit, wanted: Wanted, work: Work, more: Sequence[tuple[str, str]] = ()) -> Request:
    """A task that edits a part of a clip."""
    request = _of_clip(vcu, wanted, work.fitted, work.given, [*work.notes, *more])
    return replace(request, edit=work.edit, begin=work.fitted.frames if vcu.source is None else None)


def _derived(
    clip: Path,
    mask: Path | None,
    pictures: References,
    wanted: Wanted,
    part: EditPart,
    task: Callable[..., VideoConditionUnit],
) -> Request:
    """A control that is computed from the clip, everywhere or inside a mask."""
    work = work_on(clip, mask, wanted, part)
    frames, fps = work.fitted.frames, work.fitted.plan.fps
    if mask is None:
        vcu = task(frames, fps=fps)
    else:
        vcu = compose(tasks.inpaint(frames, work.masks, fps=fps), task(frames, masks=work.masks, fps=fps))
    vcu, seen = _with_references(vcu, pictures)
    return _edited(vcu, wanted, work, seen)


def _given(maps: Path, pictures: References, wanted: Wanted, part: Part, kind: ControlKind) -> Request:
    """A control that comes ready-made."""
    given = read_part(maps, wanted, part)
    signal = fit_clip(given.source, target_of(wanted, part))
    vcu, seen = _with_references(tasks.control(signal.frames, fps=signal.plan.fps), pictures)
    return _of_clip(vcu, wanted, signal, given, [*notes_of(signal, kind, given), *seen], control=kind)


def _with_references(vcu: VideoConditionUnit, pictures: References) -> tuple[VideoConditionUnit, list[tuple[str, str]]]:
    found = read_references(pictures)
    if found:
        seen = tasks.reference(found, num_frames=vcu.num_frames, height=vcu.height, width=vcu.width, fps=vcu.fps)
        vcu = compose(vcu, seen)
    return vcu, _seen(pictures, found)


def _seen(pictures: References, found: list[Tensor]) -> list[tuple[str, str]]:
    named = zip(pictures.reference or [], found, strict=True)
    return [("reference", f"{path.name}, {one.shape[4]} x {one.shape[3]}, letterboxed on white") for path, one in named]


def _some(pictures: References) -> References:
    if not pictures.reference:
        raise InputError(
            "no-reference", "No reference image was given. At least one is needed. Give it as --reference."
        )
    return pictures


def _keyframe(text: str) -> tuple[int, Path]:
    index, equals, path = text.partition("=")
    if not (equals and path and index.isdigit()):
        raise InputError(
            "keyframe-unreadable",
            'The keyframe is "{value}". An index and an image, such as 0=first.png, are needed. Change it.',
            value=text,
        )
    return int(index), Path(path)
