"""Files as the tasks need them: clips and masks to be fitted, references, paths of boxes; and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ..checks.numbers import frame_named
from ..errors import InputError, ShapeError
from ..geometry import Box
from ..inputs import fitting
from ..inputs.all_frames import SAME_RATE
from ..inputs.box_paths import paths_from_json
from ..inputs.crops import crop_boxes
from ..inputs.fitted import Fitted, Source, Target, fit_clip
from ..inputs.layout import BoxKey, BoxPath
from ..inputs.mask_films import MaskFilm, is_long
from ..inputs.references import crop_subject, on_white
from ..media.cropped import Cropped
from ..media.footage import Footage
from ..media.pictures import read_image, read_mask, read_mask_levels
from ..media.ranges import Cut, StillFrame, frame_at, frame_range, named_frame
from ..media.reader import VideoReader
from ..media.sources import open_footage
from ..media.video import from_uint8
from .models import profile_of
from .options import ChannelName, CropName, EditPart, FitName, Part, Paths, References, Wanted


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """A file's clip, of which a part is taken.

    Attributes:
        film: All of it.
        begin: The first frame of the part.
        source: The part, to be fitted.
    """

    film: Footage
    begin: int
    source: Source

    @property
    def sound(self) -> Path | None:
        """The file whose sound goes with the result."""
        return self.film.path if isinstance(self.film, VideoReader) else None

    @property
    def seconds(self) -> float:
        """When the part begins."""
        return float(self.film.times[self.begin, 0])


def target_of(wanted: Wanted, part: Part | None = None, *, whole: bool = False) -> Target:
    """What clips are fitted to for the chosen model, and what was asked for; `whole` as for `Target`."""
    return Target(
        takes=profile_of(wanted).rule,
        length=wanted.length,
        fps=wanted.fps,
        height=wanted.height,
        width=wanted.width,
        all_frames=part is not None and part.fit is FitName.all_frames,
        any_length=True,
        whole=whole,
    )


def notes_of(fitted: Fitted, label: str, given: Given | None = None) -> list[tuple[str, str]]:
    """What came and how it was fitted, as rows of a table."""
    source, begin, taken, count = fitted.source, fitted.begin, fitted.plan.source_frames, fitted.source.shape[0]
    if given is not None:
        begin, count = begin + given.begin, given.film.count
    part = f"Frames {begin} to {begin + taken - 1} of {count}: " if taken < count else ""
    name = source.path.name if source.path else label
    rows = [f"{name}. {part}{fitting.report(fitted.plan)}", *source.notes, *fitted.notes]
    return [(label, row) for row in rows]


def warnings_of(fitted: Fitted, wanted: Wanted) -> list[str]:
    """What was lost in fitting that nobody asked for, and how it is kept."""
    thinned = None if wanted.fps else fitting.thinning(fitted.plan)
    return [] if thinned is None else [f"{thinned} To keep the rate, leave out --fit official."]


def open_film(path: Path, wanted: Wanted, *, tone_map: bool = False) -> Footage:
    """A video, an animation or numbered pictures; or a picture or "clip.mp4@3.2s" as one frame at the model's rate.

    Raises:
        InputError: as `open_footage` and `frame_at`.
    """
    path, when = named_frame(path)
    usual = profile_of(wanted).rule.fps
    film = open_footage(path, tone_map=tone_map)
    if when is not None:
        return StillFrame(film, frame_at(film, when), usual)
    if isinstance(film, VideoReader):
        return film
    if film.count == 1:
        return open_footage(path, fps=usual)
    return open_footage(path, fps=wanted.fps) if wanted.fps else film


def read_part(path: Path, wanted: Wanted, part: Part) -> Given:
    """The part of a file's clip that was named; nothing of it is decoded yet.

    Raises:
        InputError: as `open_film` and `frame_range`.
    """
    film = open_film(path, wanted, tone_map=part.tone_map)
    begin, end = frame_range(film, part.start, part.end)
    cut = Cut(film, begin, None if part.end is None else end)
    return Given(film=film, begin=begin, source=_source_of(cut, path))


def read_source(path: Path, wanted: Wanted) -> Source:
    """A file's clip, to be fitted; a file that is cut short is refused."""
    return _source_of(Cut(open_film(path, wanted), 0, None), path)


def fit_file(path: Path, wanted: Wanted) -> Fitted:
    """A file's whole clip, fitted as the official processor does, or as was asked for."""
    return fit_clip(read_source(path, wanted), target_of(wanted))


def puts_back(film: Footage, wanted: Wanted, asked: bool | None, *, usual: bool, official: bool = False) -> bool:
    """Whether what is generated goes back onto the original clip.

    Args:
        film: The original.
        wanted: The rate that was asked for.
        asked: What was asked for; None = nothing.
        usual: Whether it does where it can and nobody says.
        official: Whether the clip may be thinned out in time.

    Raises:
        InputError: it was asked for where the frames are not those of the clip.
    """
    resampled = film.count > 1 and wanted.fps is not None and abs(wanted.fps / film.fps - 1) >= SAME_RATE
    possible = not official and not resampled
    if asked and not possible:
        raise InputError(
            "put-back-resampled",
            "--put-back was given with --fit official or another --fps than the {fps:.4g} of {path}. Only its own "
            "frames can be put back. Leave one of them out.",
            fps=film.fps,
            path=film.path,
        )
    return asked if asked is not None else usual and possible


def read_still(path: Path, wanted: Wanted) -> Source:
    """A clip of one frame.

    Raises:
        InputError: a video came.
    """
    source = read_source(path, wanted)
    if source.shape[0] != 1:
        raise InputError(
            "several-images",
            "{path} has {frames} frames. A single image is needed here. Choose an image, or name a frame of it, as "
            "{path}@3.2s.",
            path=path,
            frames=source.shape[0],
        )
    return source


def read_mask_file(path: Path, given: Given, part: EditPart) -> Tensor:
    """The masks `(T, H, W)` uint8 of a part of a clip, above 127 = generate: of the file's whole clip, or of the part.

    Raises:
        InputError: as `read_mask_levels`.
    """
    count, (taken, *_) = open_footage(path).count, given.source.shape
    begin, end = (given.begin, given.begin + taken) if count == given.film.count > 1 else (0, None)
    return read_mask_levels(path, channel=part.mask_channel.value, begin=begin, end=end)


def mask_film(path: Path, given: Given, part: EditPart) -> MaskFilm | None:
    """The masks of a part of a clip as a film that is read as it is used; None where they are better held as a whole.

    They are held where they are few, have another size than the clip, or all of them are needed at once, for a crop.

    Raises:
        InputError: as `open_footage`.
    """
    film, (taken, *size) = open_footage(path), given.source.shape
    whole = film.count == given.film.count
    if part.crop is not None or part.mask_channel is ChannelName.alpha or not is_long(film):
        return None
    if [film.height, film.width] != size or not (whole or film.count == taken):
        return None
    return MaskFilm(film=film, begin=given.begin if whole else 0, count=taken)


def crop_source(source: Source, masks: Tensor | None, wanted: Wanted, part: EditPart) -> tuple[Source, tuple[Box, ...]]:
    """The boxes of a clip around its masks `(T, H, W)` uint8, as a clip of its own, and where they are.

    Raises:
        InputError: there is no mask, or the result is not put back.
    """
    if masks is None or not isinstance(source.frames, Footage):
        raise InputError(
            "crop-without-mask",
            "--crop was given without a mask, or where the result is not put back onto the clip. Both are needed: it "
            "is a box around the mask. Give --mask, and leave out --no-put-back, --fps and --fit official.",
        )
    step, follow = profile_of(wanted).rule.grid.step, part.crop is CropName.follow
    boxes = crop_boxes(masks > 127, margin=part.crop_margin, step=step, follow=follow)
    box = boxes[0]
    said = f"The model is shown a box of {box.width} x {box.height} pixels around the mask"
    said += ", which follows it." if len(boxes) > 1 else f", from {box.left}, {box.top} on."
    return replace(source, frames=Cropped(source.frames, boxes), notes=(*source.notes, said)), boxes


def read_references(given: References) -> list[Tensor]:
    """The reference pictures, each with its subject alone where there is a mask for it.

    Raises:
        InputError: not as many subject masks as pictures, or one that is empty.
        ShapeError: one is of another size than its picture.
    """
    pictures, subjects = given.reference or [], given.subject or []
    if subjects and len(subjects) != len(pictures):
        raise InputError(
            "subjects-count",
            "There are {pictures} --reference and {masks} --subject. One mask for each image is needed, or "
            "none. Give as many.",
            pictures=len(pictures),
            masks=len(subjects),
        )
    found = [_read_reference(path) for path in pictures]
    if not subjects:
        return found
    return [_cut_out(*one) for one in zip(found, pictures, subjects, strict=True)]


def read_keyframe(text: str) -> tuple[str, Path]:
    """Frame, as `frame_named` reads it, and image of "0=first.png".

    Raises:
        InputError: it is no such text.
    """
    frame, equals, path = text.partition("=")
    try:
        if not (equals and path):
            raise ValueError
        frame_named(frame, 0)
    except ValueError:
        raise InputError(
            "keyframe-unreadable",
            'The keyframe is "{value}". A frame and an image, such as 0=first.png or L=last.png, are needed. Change '
            "it.",
            value=text,
        ) from None
    return frame, Path(path)


def read_paths(
    given: Paths, seen: tuple[float, float, float, float], picture: tuple[float, float] | None = None
) -> list[BoxPath]:
    """The paths of boxes that were typed or lie in JSON files.

    Args:
        given: What was typed.
        seen: Left, top, width and height of the frame in the picture that points in pixels refer to.
        picture: Width and height of that picture; None = the frame is all of it.

    Raises:
        InputError: a text is neither, or a number is out of range.
    """
    box, (left, top, width, height) = _pair(given.box, "x", "--box", "0.25x0.25"), seen
    found: list[BoxPath] = []
    for text in given.path:
        if text.lower().endswith(".json"):
            pixels, whole = (box[0] * width, box[1] * height), _read_text(Path(text))
            found += paths_from_json(whole, size=(width, height), box=pixels, origin=(left, top), picture=picture)
        else:
            points = [_pair(point, ",", "--path", "0.2,0.5 0.8,0.5") for point in text.split()]
            last = max(len(points) - 1, 1)
            keys = [BoxKey(time=n / last, x=x, y=y, width=box[0], height=box[1]) for n, (x, y) in enumerate(points)]
            found.append(BoxPath(keys=tuple(keys)))
    return found


def _source_of(film: Footage, path: Path) -> Source:
    notes = [*film.notes, *([f"Its {film.bits} bits per channel are reduced to 8."] if film.bits > 8 else [])]
    if film.alpha:
        notes.append("It has transparency, which the model does not see; the colours are as stored.")
    return Source(frames=film, fps=film.fps, times=film.times, aspect=float(film.aspect), path=path, notes=tuple(notes))


def _read_reference(path: Path) -> Tensor:
    picture, alpha = read_image(path)
    frames = from_uint8(picture)
    return frames if alpha is None else on_white(frames, alpha.float()[None, None, None] / 255)


def _cut_out(picture: Tensor, image: Path, path: Path) -> Tensor:
    """The subject of an image that a mask in a file marks; of several it is named which does not fit."""
    mask = read_mask(path)
    (count, height, width), size = mask.shape, picture.shape[3:]
    if (count, height, width) != (1, *size):
        raise ShapeError(
            "subject-mask-size",
            "The subject mask {path} has {count} frames of {width} x {height} pixels, its image {image} is {own_width} "
            "x {own_height}. One frame of the size of the image is needed. Make the mask from this image.",
            path=path,
            count=count,
            width=width,
            height=height,
            image=image,
            own_width=size[1],
            own_height=size[0],
        )
    if not bool(mask.any()):
        raise InputError(
            "subject-mask-empty",
            "The subject mask {path} is white nowhere. White on the subject of {image} is needed. Paint it, or leave "
            "--subject out.",
            path=path,
            image=image,
        )
    return crop_subject(picture, mask[None, None])


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            "paths-unreadable",
            "The paths {path} cannot be read ({error}). A JSON file of box paths is needed. Check the name.",
            path=path,
            error=error,
        ) from error


def _pair(text: str, between: str, option: str, example: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(between))
    except ValueError:
        raise InputError(
            "not-two-numbers",
            '{option} has "{value}". Two numbers as in "{example}" are needed. Change it.',
            option=option,
            value=text,
            example=example,
        ) from None
    return first, second
