"""What the time line of VACE Plan Windows asks of the server: the plan before a run, and what a drag makes of it."""

from __future__ import annotations

from typing import Any

from ..vace_core.checks.numbers import check_number, check_whole
from ..vace_core.pipeline.windowed import Joining
from ..vace_core.preview.timeline import stretches
from ..vace_core.sampling.plan_changes import changed, move_border
from ..vace_core.sampling.windows import Plan
from .comfy.node import checked_values
from .comfy.routes import Answer, Route, register, table
from .comfy.settings import profile_by
from .plan import VacePlanWindows, unchanged

PREFIX = "/vace/plan"
LONGEST = 100_000  # frames


def windows(said: dict[str, Any]) -> Answer:
    """The plan that the widgets of the node say.

    With `move`, a border of it goes some frames further, as far as the plan lets it: `changes` is what is to be
    typed for that, `moved` the frames, `refused` the sentence of what stops it.
    """
    values = checked_values(VacePlanWindows, table("values", said.get("values")))
    _ = Joining(by=values["join_by"], anchor=values["anchor_colour"])
    model = said.get("model")
    plan = unchanged(values, None if model is None else profile_by(model), _clip(said.get("clip")))
    changes, more = values["changes"], {}
    if said.get("move") is not None:
        move = table("move", said["move"])
        number, frames = move.get("window"), move.get("frames")
        check_whole("window", number, least=0)
        check_whole("frames", frames, least=-LONGEST, most=LONGEST)
        changes, moved, refused = move_border(plan, changes, number, frames)
        more = {"changes": changes, "moved": moved, "refused": None if refused is None else str(refused)}
    return Answer(data={**_told(plan, changed(plan, changes)), **more})


ROUTES: dict[str, Route] = {"windows": windows}


def offer() -> bool:
    """Offers the route where a ComfyUI runs as a server."""
    return register(PREFIX, ROUTES)


def _told(before: Plan, plan: Plan) -> dict[str, Any]:
    """All that is drawn of a plan; `moved` are the frames by which its changes moved a border."""
    return {
        "frames": plan.num_frames,
        "fps": plan.fps,
        "group": plan.group,
        "loop": plan.loop,
        "windows": [
            {
                "begin": window.begin,
                "end": window.end,
                "overlap": window.overlap,
                "moved": window.begin - before.windows[number].begin,
                "seed": None if window.seed is None else str(window.seed),  # JavaScript rounds large numbers
                "strength": window.strength,
                "references": window.references,
            }
            for number, window in enumerate(plan.windows)
        ],
        "stretches": [{"begin": begin, "end": end, "prompt": prompt} for begin, end, prompt in stretches(plan)],
        "keyframes": [
            {"frame": frame, "picture": name} for frame, name in sorted(plan.keyframes_in(0, plan.num_frames).items())
        ],
    }


def _clip(said: Any) -> tuple[int, float] | None:
    if said is None:
        return None
    frames, fps = said if isinstance(said, list) and len(said) == 2 else (None, None)
    check_whole("length", frames, least=1)
    check_number("fps", fps, above=0)
    return frames, fps
