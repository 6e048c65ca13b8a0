"""The plan's route as far as a time line can tell, without the library: three windows, borders that move as typed.

What the real route answers is tested in tests/nodes/test_plan_routes.py, and under a hand in test_plan_in_comfyui.py.
"""

from __future__ import annotations

import re
from typing import Any

OVERLAP, GROUP = 5, 4
FARTHEST = 24  # frames that a border goes, at most
REFUSED = "The part does not say when it begins. Write the time before each prompt."
STOPPED = "A window of 5 frames has an overlap of 5. Set a longer window."
_MOVE = re.compile(r"^(\d+): move ([+-]\d+)(?:, )?(.*)$")


def moves(text: str) -> dict[int, int]:
    found = (_MOVE.match(line) for line in text.splitlines())
    return {int(one[1]): int(one[2]) for one in found if one}


def planned(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and answer."""
    values, move = asked["values"], asked.get("move")
    if "bad" in values["prompts"]:
        return 400, {"code": "spans-unreadable", "message": REFUSED}
    frames, fps = asked["clip"] or (values["length"], values["fps"])
    moved, more = moves(values["changes"]), {}
    if move:
        number, wanted = move["window"], move["frames"] + moved.get(move["window"], 0)
        before, moved[number] = moved.get(number, 0), max(min(wanted, FARTHEST), -FARTHEST)
        more = {"moved": moved[number] - before, "refused": None if moved[number] == wanted else STOPPED}
        more["changes"] = _written(values["changes"], number, moved[number])
    ends = [frames * n // 3 // GROUP * GROUP + 1 + moved.get(n, 0) for n in (1, 2)] + [frames]
    stretches = [{"begin": 0, "end": ends[0], "prompt": values["prompts"] or None}]
    stretches.append({"begin": ends[0], "end": frames, "prompt": "he sits down"})
    cut = values["overlap"] == 1  # with that, a hard cut stands before the last window
    windows = [
        {
            "begin": 0 if n == 0 else ends[n - 1] - (0 if cut and n == 2 else OVERLAP),
            "end": end,
            "overlap": 0 if n == 0 or (cut and n == 2) else OVERLAP,
            "moved": moved.get(n, 0),
            "seed": None,
            "strength": 1,
            "references": None,
        }
        for n, end in enumerate(ends)
    ]
    pairs = [one.split("=") for one in values["keyframes"].split()]
    keyframes = [{"frame": int(frame) % frames, "picture": name} for frame, name in pairs]
    whole = {"frames": frames, "fps": fps, "group": GROUP, "loop": values["loop"]}
    return 200, {**whole, "windows": windows, "stretches": stretches, "keyframes": keyframes, **more}


def _written(text: str, number: int, moved: int) -> str:
    lines = {int(line.split(":")[0]): line for line in text.splitlines() if line}
    found = _MOVE.match(lines.get(number, ""))
    rest = found[3] if found else lines.get(number, "").partition(": ")[2]
    said = ", ".join(one for one in (f"move {moved:+d}" if moved else "", rest) if one)
    lines[number] = f"{number}: {said}" if said else ""
    return "\n".join(filter(None, lines.values()))
