"""One command for each task: files and numbers in, `Request` out. `__init__` turns each into `vace …`.

The first line of a docstring is the help of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from .. import tasks
from ..checks.numbers import frame_named
from ..errors import InputError
from ..inputs.fitted import Fitted, fit_clip, fit_pictures
from ..inputs.fitting import growth
from ..inputs.layout import BoxPath, said_of_paths
from ..pipeline.parts import placed
from ..sampling.windows import Plan, Window
from ..tasks import anything
from ..vcu import VideoConditionUnit
from .clip_requests import bordered, derived, edited, of_clip, ready_made, seen, with_references
from .editing import Work, work_on
from .extending import chain_of, read_chain, read_ends, silent
from .film import rest_of
from .inputs import (
    notes_of,
    puts_back,
    read_keyframe,
    read_part,
    read_paths,
    read_references,
    read_still,
    target_of,
)
from .models import profile_of
from .options import EditPart, FitName, FollowName, KeptPart, Part, Paths, PutBack, References, Sides, Wanted
from .request import Request, request_of
from .sizes import blank, borders, length, rate, step

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
    return _blank(
        lambda count: tasks.text(num_frames=count, height=size[0], width=size[1], fps=fps), num_frames, wanted
    )


def reference(pictures: References, wanted: Wanted) -> Request:
    """Reference to video: generate a clip with the subjects of reference images."""
    size, num_frames, fps = blank(wanted)
    found = read_references(pictures)

    def make(count: int) -> VideoConditionUnit:
        return tasks.reference(found, num_frames=count, height=size[0], width=size[1], fps=fps)

    return replace(_blank(make, num_frames, wanted), notes=seen(pictures, found))


def inpaint(clip: ClipFile, *, mask: MaskFile, part: EditPart = EDIT, wanted: Wanted) -> Request:
    """Inpaint: generate the masked part of a clip, keep the rest."""
    work = work_on(clip, mask, wanted, part)
    return edited(lambda work: tasks.inpaint(work.fitted.frames, work.masks, fps=work.fps), wanted, work)


def outpaint(clip: ClipFile, *, sides: Sides, part: KeptPart = KEPT, wanted: Wanted) -> Request:
    """Outpaint: enlarge a clip and generate the border. Width and height are those of the clip inside it."""
    given = read_part(clip, wanted, part)
    border = borders(sides, *given.source.shape[1:])
    back = puts_back(given.film, wanted, part.put_back, usual=True, official=part.fit is FitName.official)
    source = fit_clip(given.source, target_of(wanted, part, whole=back), growth=growth(**border))

    def make(source: Fitted) -> VideoConditionUnit:
        return tasks.outpaint(source.frames, **border, step=step(wanted), fps=source.plan.fps)

    request = of_clip(make, wanted, source, given, notes_of(source, "clip", given))
    return replace(request, edit=bordered(request.vcu, given, len(source.plan.shown), border) if back else None)


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
    ends = [end for end in (before, after) if end is not None]
    size, fps = ends[0].size, rate(wanted, next((end.fps for end in ends if end.fps), None))
    count = length(wanted, size)
    kept = around.kept_in(count)

    def whole() -> VideoConditionUnit:
        clips = [None if end is None else end.frames for end in (before, after)]
        return tasks.extend(*clips, num_frames=count, fps=fps)

    def parts(begin: int, end: int) -> VideoConditionUnit:
        return placed(tasks.text(num_frames=end - begin, height=size[0], width=size[1], fps=fps), begin, kept)

    unheard = [] if only else silent(around.films, around.main or around.films[0])
    request = replace(request_of(whole, parts, count, wanted), notes=around.notes(), cautions=unheard)
    if (extension := around.extension(count, fps, only=only)) is not None:
        film = extension.film
        return replace(request, edit=extension, sound=film.path if film.sound and not only else None)
    if only:
        return request
    sound = clip if before and before.fps else None
    return replace(request, sound=sound, before=rest_of(before), after=rest_of(after))


def join(
    first: ClipFile,
    second: Annotated[Path, Argument(help="The clip that follows.", show_default=False)],
    more: Annotated[
        list[Path] | None, Argument(help="Clips that follow that; every transition is a window.", show_default=False)
    ] = None,
    *,
    keep: Keep = None,
    only: Only = False,
    back: PutBack = AS_USUAL,
    wanted: Wanted,
) -> Request:
    """Join: generate the transition between two clips, or between each two of several."""
    if not more:
        return extend(first, last=second, keep=keep, only=only, back=back, wanted=wanted)
    if only:
        raise InputError(
            "only-of-several",
            "--only was given with {count} clips, between which the transitions lie apart. Two clips are needed for "
            "it. Leave it out, or join two clips.",
            count=2 + len(more),
        )
    links = read_chain([first, second, *more], keep, wanted, back)
    first_end = links[0].before
    assert first_end is not None
    (height, width), fps = first_end.size, rate(wanted, first_end.fps)
    count, grid = length(wanted, (height, width)), profile_of(wanted).rule.grid
    vcu = tasks.text(num_frames=count * len(links), height=height, width=width, fps=fps)
    for number, link in enumerate(links):
        vcu = placed(vcu, -number * count, link.kept_in(count))
    windows = tuple(Window(begin=n * count, end=(n + 1) * count) for n in range(len(links)))
    plan = Plan(num_frames=vcu.num_frames, fps=fps, group=grid.frames, shortest=grid.shortest[0], windows=windows)
    chain, notes = chain_of(links, count, fps), [note for link in links for note in link.notes()]
    sound = chain.film.path if chain.film.sound else None
    unheard = silent([clip.film for clip in chain.clips], chain.film)
    return replace(_whole(vcu, wanted, notes), plan=plan, edit=chain, sound=sound, cautions=unheard)


def keyframes(
    pictures: Annotated[
        list[str],
        Argument(
            help="FRAME=IMAGE, such as 0=a.png 40=b.png L=c.png; 0 is the first frame, L the last.", show_default=False
        ),
    ],
    *,
    wanted: Wanted,
) -> Request:
    """Keyframes: generate a clip that shows images at given frames."""
    named = [read_keyframe(text) for text in pictures]
    each = fit_pictures([read_still(path, wanted) for _, path in named], target_of(wanted))
    count = length(wanted, each[0].size)
    fitted = {frame_named(text, count): one for (text, _), one in zip(named, each, strict=True)}
    if len(fitted) < len(each):
        raise InputError(
            "keyframes-twice", "Two keyframes are at one frame. One image for each frame is needed. Change one of them."
        )
    stills = {frame: one.frames for frame, one in fitted.items()}
    vcu = tasks.keyframes(stills, num_frames=count, fps=rate(wanted, None))
    notes = [note for frame, one in fitted.items() for note in notes_of(one, f"frame {frame}")]
    return _whole(vcu, wanted, notes)


def gray(
    clip: ClipFile, *, mask: WhereFile = None, pictures: References, part: EditPart = EDIT, wanted: Wanted
) -> Request:
    """Colorize: generate a clip that follows the brightness of another."""
    return derived(clip, mask, pictures, wanted, part, tasks.gray)


def scribble(
    clip: ClipFile, *, mask: WhereFile = None, pictures: References, part: EditPart = EDIT, wanted: Wanted
) -> Request:
    """Scribble: generate a clip that follows the outlines of another."""
    return derived(clip, mask, pictures, wanted, part, tasks.scribble)


def flow(
    clip: ClipFile, *, mask: WhereFile = None, pictures: References, part: EditPart = EDIT, wanted: Wanted
) -> Request:
    """Optical flow: generate a clip that moves as another does."""
    return derived(clip, mask, pictures, wanted, part, tasks.flow, looks_back=1)


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

    def make(work: Work) -> VideoConditionUnit:
        masks = None if mask is None else work.masks
        return anything.stylize(work.fitted.frames, pictures, follow=follow.value, masks=masks, fps=work.fps)

    return edited(make, wanted, work, [("style", f"{path.name}, its middle fills the frame") for path in style or []])


def depth(maps: MapFile, *, pictures: References, part: Part = ALL, wanted: Wanted) -> Request:
    """Depth: generate a clip that follows depth maps (gray, near is light)."""
    return ready_made(maps, pictures, wanted, part, "depth")


def pose(maps: MapFile, *, pictures: References, part: Part = ALL, wanted: Wanted) -> Request:
    """Pose: generate a clip that follows skeletons drawn on black."""
    return ready_made(maps, pictures, wanted, part, "pose")


def layout(*, paths: Paths, pictures: References, wanted: Wanted) -> Request:
    """Layout: generate a clip in which objects stay inside moving boxes."""
    size, num_frames, fps = blank(wanted)
    boxes = read_paths(paths, (0, 0, size[1], size[0]))
    vcu = tasks.layout(boxes, num_frames=num_frames, height=size[0], width=size[1], fps=fps)
    found = read_references(pictures)
    return _whole(with_references(vcu, found), wanted, [*_moving(boxes, vcu), *seen(pictures, found)])


def move(photo: PictureFile, *, paths: Paths, wanted: Wanted) -> Request:
    """Move Anything: animate an image; its objects follow moving boxes."""
    still = fit_clip(read_still(photo, wanted), target_of(wanted).still())
    boxes = read_paths(paths, still.plan.seen, (still.plan.source_width, still.plan.source_height))
    vcu = anything.move_anything(
        still.frames, boxes, num_frames=length(wanted, still.size), fps=rate(wanted, still.fps)
    )
    return _whole(vcu, wanted, [*notes_of(still, "picture"), *_moving(boxes, vcu)])


def animate(maps: MapFile, *, pictures: References, part: Part = ALL, wanted: Wanted) -> Request:
    """Animate Anything: the characters of reference images move as skeletons do."""
    _some(pictures)
    return pose(maps, pictures=pictures, part=part, wanted=wanted)


def swap(clip: ClipFile, *, mask: MaskFile, pictures: References, part: EditPart = EDIT, wanted: Wanted) -> Request:
    """Swap Anything: replace what a mask covers with the subjects of reference images."""
    found, work = read_references(_some(pictures)), work_on(clip, mask, wanted, part)

    def make(work: Work) -> VideoConditionUnit:
        return anything.swap_anything(work.fitted.frames, work.masks, found, fps=work.fps)

    return edited(make, wanted, work, seen(pictures, found))


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
    request = _whole(vcu, wanted, [*notes_of(still, "picture"), *seen(pictures, found)])
    return replace(request, edit=bordered(vcu, given, 1, border) if goes_back else None)


TASKS: tuple[Callable[..., Request], ...] = (
    text, reference, inpaint, outpaint, extend, join, keyframes, gray, depth, scribble, pose, flow, layout, stylize,
    move, animate, swap, expand,
)  # fmt: skip


def _blank(make: Callable[[int], VideoConditionUnit], num_frames: int, wanted: Wanted) -> Request:
    """A task in which every frame is like the others; `make` gives the VCU of so many."""
    return request_of(lambda: make(num_frames), lambda begin, end: make(end - begin), num_frames, wanted)


def _whole(vcu: VideoConditionUnit, wanted: Wanted, notes: Sequence[tuple[str, str]]) -> Request:
    """A task whose VCU is held as a whole."""
    return replace(request_of(lambda: vcu, None, vcu.shown_frames, wanted), notes=notes)


def _moving(boxes: Sequence[BoxPath], vcu: VideoConditionUnit) -> list[tuple[str, str]]:
    """Rows on boxes that move."""
    return [("paths", row) for row in said_of_paths(boxes, vcu.num_frames)]


def _some(pictures: References) -> References:
    if not pictures.reference:
        raise InputError(
            "no-reference", "No reference image was given. At least one is needed. Give it as --reference."
        )
    return pictures
