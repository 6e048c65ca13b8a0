"""What the desk's editor asks of the server: the contact sheet before a run, frames, selection and tracking."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import quote

from PIL import Image

from ..vace_core.checks.numbers import check_number, check_whole
from ..vace_core.errors import InputError, shown
from ..vace_core.inputs.desk.document import Point
from ..vace_core.inputs.desk.reading import clip_notes, object_from_json, point_of
from ..vace_core.inputs.desk.selecting import select
from ..vace_core.inputs.desk.tracker import span, track
from .comfy.bridge import pictures_of
from .comfy.fitted import notes_of
from .comfy.node import checked_values
from .comfy.routes import Answer, Route, register, table
from .comfy.settings import numbers_of, profile_by, with_profile
from .comfy.sockets import ReferenceStack
from .desk import VaceDesk, condition_of, drawn_of
from .desk_clips import fitted_clip, named_clip
from .preview import VacePreviewVCU, preview

PREFIX = "/vace/desk"
LONGEST = 1024  # pixels of the longer side of a frame that is shown


def sheet(said: dict[str, Any]) -> Answer:
    """The contact sheet that VACE Preview VCU shows of the desk's unit, both with the model that is named."""
    clip, settings = named_clip(said.get("clip")), table("settings", said.get("settings"))
    look = checked_values(VacePreviewVCU, {one: settings[one] for one in ("columns", "base") if one in settings})
    asked = {one: settings[one] for one in ("fps", "fit", "prompt", "negative_prompt") if one in settings}
    named = settings.get("profile")
    profile = None if named is None else profile_by(named)
    values = with_profile(
        checked_values(VaceDesk, {"fps": clip.fps, **asked, "desk": said.get("desk") or ""}),
        profile,
    )
    fitted = fitted_clip(clip, values["fit"], values["fps"])
    count, height, width = fitted.source.shape
    drawn = drawn_of(values["desk"], (count, height, width))
    if not drawn.objects:
        raise InputError(
            "desk-empty", "Nothing is drawn yet. At least one object is needed. Draw one with the tools on the left."
        )
    control, pictures = said.get("control"), said.get("pictures")
    made = condition_of(
        drawn,
        fitted,
        values["prompt"],
        values["negative_prompt"],
        _pictures(pictures),
        None if control is None else named_clip(control).images(),
    )
    picture, found = preview(made.vcu, look["columns"], look["base"], profile)
    files = _files_note({"clip": [said["clip"]], "control": [control], "pictures": pictures or []})
    notes = [*files, *notes_of(fitted), *clip_notes(drawn, width, height, count), *made.notes, *found]
    return Answer(body=_webp(picture), headers={"X-Vace-Notes": quote("\n".join(notes))})


def model(said: dict[str, Any]) -> Answer:
    """What a model takes where a node leaves it to the model, by the name of its profile or family."""
    return Answer(data=numbers_of(profile_by(said.get("model"))))


def clip(said: dict[str, Any]) -> Answer:
    """How large and long a clip is."""
    found = named_clip(said.get("clip"))
    count, height, width = found.size
    return Answer(data={"width": width, "height": height, "frames": count, "fps": found.fps})


def frame(said: dict[str, Any]) -> Answer:
    """One frame of a clip, which alone is decoded."""
    found, longest = named_clip(said.get("clip")), said.get("longest", LONGEST)
    number = said.get("frame", 0)
    count, height, width = found.size
    check_whole("frame", number, least=0, most=count - 1)
    check_whole("longest", longest, least=16, most=8192)
    picture = Image.fromarray(found.some(number, number + 1)[0].numpy())
    if max(picture.size) > longest:
        picture.thumbnail((longest, longest), Image.Resampling.BILINEAR)
    told = {"Frames": count, "Width": width, "Height": height, "Fps": found.fps}
    return Answer(body=_webp(picture), headers={f"X-Vace-{name}": str(value) for name, value in told.items()})


def selected(said: dict[str, Any]) -> Answer:
    """The object at some points of a frame, as strokes."""
    found, time = named_clip(said.get("clip")), said.get("time", 0.0)
    check_number("time", time, least=0, most=1)
    number = round(time * (found.size[0] - 1))
    box = said.get("box")
    strokes = select(
        found.some(number, number + 1)[0].numpy(),
        _points("inside", said.get("inside")),
        _points("outside", said.get("outside")),
        None if box is None else _box(box),
    )
    return Answer(data={"strokes": [{"kind": one.kind, "points": one.points} for one in strokes]})


def tracked(said: dict[str, Any]) -> Answer:
    """Keys that follow an object through a part of a clip."""
    found, one = named_clip(said.get("clip")), object_from_json(said.get("object"))
    begin, end = said.get("from", 0.0), said.get("to", 1.0)
    low, high = span(found.size[0], begin, end)
    keys = track(found.some(low, high + 1), one, found.size[0], begin, end)
    return Answer(data={"keys": [vars(key) for key in keys]})


ROUTES: dict[str, Route] = {
    "sheet": sheet,
    "model": model,
    "clip": clip,
    "frame": frame,
    "select": selected,
    "track": tracked,
}


def offer() -> bool:
    """Offers the routes where a ComfyUI runs as a server."""
    return register(PREFIX, ROUTES)


def _files_note(said: dict[str, list[Any]]) -> list[str]:
    """What is to be known where a node in the graph makes something else of a file, once it runs."""
    named = [name for name, some in said.items() if any(isinstance(one, dict) and one.get("changed") for one in some)]
    if not named:
        return []
    return [f"! Seen here as the file has it: {', '.join(named)}. A node between changes that in a run."]


def _pictures(said: Any) -> Any:
    """The pictures that an editor names, as references; None where it names none."""
    if not said:
        return None
    if not isinstance(said, list):
        raise InputError(
            "pictures-unnamed",
            "The pictures are {value}. A list of files is needed. Connect Load Image to pictures.",
            value=shown(said),
        )
    stacks = [pictures_of(named_clip(one).images(), "pictures") for one in said]
    return ReferenceStack(pictures=tuple(picture for stack in stacks for picture in stack))


def _points(name: str, said: Any) -> tuple[Point, ...]:
    listed = said if isinstance(said, list) else []
    points = tuple(point_of(name, point) for point in listed)
    for point in points:
        for number in point:
            check_number(f"A point {name}", number, least=0, most=1)
    return points


def _box(said: Any) -> tuple[float, float, float, float]:
    numbers = said if isinstance(said, list) else []
    if len(numbers) != 4:
        raise InputError(
            "desk-select-box-numbers",
            "The box is {value}. Four numbers are needed: left, top, right, bottom. Draw it again.",
            value=shown(said),
        )
    for number in numbers:
        check_number("A side of the box", number, least=-10, most=10)
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _webp(picture: Image.Image) -> bytes:
    """A picture without loss, and without much time."""
    held = io.BytesIO()
    picture.convert("RGB").save(held, "WEBP", lossless=True, quality=0, method=0)
    return held.getvalue()
