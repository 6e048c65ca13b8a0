"""Row 18: texts that nobody meant, in every widget that is parsed, and numbers beyond every range."""

from __future__ import annotations

import ast
import json
import random
import time
from typing import Any

from .material import PATH, clip, left_half
from .pack import ROOT, Pack, tiny_starter
from .row import Row, tally

SLOW = 5.0  # seconds that no text may take


def texts() -> list[str]:
    """Texts that are no paths, or paths of monsters."""
    key = {"time": 0.0, "x": 0.5, "y": 0.5, "width": 0.25, "height": 0.25}

    def own(**changed: Any) -> str:
        return json.dumps({"version": 1, "paths": [{"keys": [{**key, **changed}, {**key, "time": 1.0}]}]})

    strange = (
        float("nan"),
        float("inf"),
        -float("inf"),
        1e308,
        -1e308,
        10**400,
        -1,
        "0.5",
        "",
        None,
        True,
        [],
        {},
        [[]],
    )
    points = [json.dumps([{"x": value, "y": 1}, {"x": 2, "y": 2}]) for value in strange if value != 10**400]
    return [
        "", " ", "\0", "null", "true", "0", "-1", "1e999", '"text"', "[]", "{}", "[[]]", "[{}]", "[[[]]]", "{", "}",
        "[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "9" * 100_000,
        "[" + "9" * 100_000 + "]", '[{"x":' + "9" * 5000 + ',"y":1},{"x":2,"y":2}]', "NaN", "Infinity", "-Infinity",
        '[{"x":NaN,"y":1},{"x":1,"y":1}]', '[{"x":1e400,"y":1},{"x":1,"y":1}]', "\ud800", "\u202e[]", "[]" * 1000,
        "__import__('os').system('true')", "[__import__('os')]", "{{7*7}}", "${7*7}", "<script>alert(1)</script>",
        "'; DROP TABLE nodes; --", "../../etc/passwd", "a" * 2_000_000, "🎬" * 10_000, json.dumps([0] * 100_000),
        json.dumps([{"x": 1, "y": 1}] * 50_000), json.dumps([[{"x": 1, "y": 1}] * 2] * 5_000),
        json.dumps({"version": 2, "paths": []}), json.dumps({"version": 1}), json.dumps({"version": 1, "paths": None}),
        json.dumps({"version": 1, "paths": [None]}), json.dumps({"version": 1, "paths": [{"keys": None}]}),
        json.dumps({"version": 1, "paths": [{"keys": [key]}] * 1000}),
        json.dumps({"version": 1, "paths": [{"keys": [{**key, "time": n / 10_000} for n in range(10_000)]}]}),
        json.dumps({"version": 1, "paths": [{"keys": [key, key]}]}),
        json.dumps({"version": 1, "paths": [{"keys": [key], "unknown": 1}]}),
        json.dumps({"version": 1, "paths": [{"keys": [key], "__class__": "x"}]}),
        json.dumps({"version": 1, "paths": [{"keys": [key], "colour": [1, 2]}]}),
        json.dumps({"version": 1, "paths": [{"keys": [key], "colour": "red"}]}),
        *points, *(own(**{name: value}) for name in key for value in strange),
    ]  # fmt: skip


def mutated(count: int) -> list[str]:
    """A good text with a few characters changed, cut or doubled."""
    draw, found = random.Random(0), []
    for _ in range(count):
        text = list(PATH)
        for _ in range(draw.randint(1, 6)):
            place = draw.randrange(len(text))
            what = draw.randrange(3)
            if what == 0:
                text[place] = chr(draw.choice((draw.randrange(32, 127), draw.randrange(0, 0xD800))))
            elif what == 1:
                del text[place : place + draw.randint(1, 30)]
            else:
                text[place:place] = text[place : place + draw.randint(1, 30)]
            text = text or ["["]
        found.append("".join(text))
    return found


POSITIONS = ("", ",", "0", "0,", "0,0", "a", "0,1,2", "1e3, 2", "-99, 0", "0; 4", "0\n4", "٣, 4", "0x1, 2",
             "9" * 5000 + ", 1",
             "," * 100_000, "0 " * 100_000, "\0", "NaN, 1", "None, 0", "-0, 4", "1_0, 2", "1.0, 2")  # fmt: skip
BOXES = (None, [], "x", 5, [(1, 2)], [(1, 2, 3, float("nan"))], [(1, 2, 3, float("inf"))], [(1e300, 0, 1e301, 1)], [[]],
         [(0, 0, 10**400, 1)], [("0", 0, 1, 1)], {"x": 1}, {"x": 0, "y": 0, "width": -1, "height": 1}, [{}], [[{}]],
         [(0, 0, 1, 1)] * 20_000, [[[(0, 0, 1, 1)]]], [(True, 0, 1, 1)], [(5, 5, 1, 1)])  # fmt: skip
NUMBERS = (float("nan"), float("inf"), -float("inf"), -1, 0, 1e-30, 1e30, 10**30, -(10**30), 2**63, 2**64)


def fuzzed(pack: Pack) -> dict[str, Any]:
    """Row 18."""
    size = {"width": 48, "height": 32, "length": 5}
    found: list[tuple[str, str, Any]] = []
    slowest = 0.0

    def case(name: str, node: str, **values: Any) -> None:
        nonlocal slowest
        before = time.monotonic()
        kind, got = pack.outcome(pack.run, node, **values)
        slowest = max(slowest, time.monotonic() - before)
        found.append((f"{node} {name}", kind, None if kind == "handled" else got))

    for number, text in enumerate(pack.part([*texts(), *mutated(300)], 4)):
        name = f"{number}: {text[:50]!r}"
        case(name, "VaceLayoutToVideo", paths=text, **size)
        if number % 3 == 0:
            case(name, "VaceMoveAnything", paths=text, image=clip(1), length=5)
            case(name, "VaceComposeMasks", paths=text, images=clip(1))
    for text in POSITIONS:
        case(repr(text[:50]), "VacePlaceKeyframes", images=clip(2), positions=text, length=9)
    for boxes in BOXES:
        case(str(boxes)[:50], "VaceComposeMasks", boxes=boxes, images=clip(1))
    for number in NUMBERS:
        for key in ("fps", "box_size"):
            case(f"{key}={number}", "VaceLayoutToVideo", paths='[{"x":1,"y":1},{"x":2,"y":2}]', **size, **{key: number})
        for key in ("left", "top"):
            case(f"{key}={number}", "VaceOutpaintVideo", images=clip(), **{key: number})
        case(f"fps={number} ", "VaceInpaintVideo", images=clip(), mask=clip()[..., 0], fps=number)
    for node, values in COMBOS.items():
        for one in pack.module.by_id[node].GET_SCHEMA().inputs:
            if one.id in ("fit", "kind", "sampler", "operation", "shape"):
                # ComfyUI 0.3.64 does not check the choices of nodes of this form.
                for text in ("", "unknown", "../..", "\0", "480P", 5, None):
                    made = {name: make(pack) for name, make in values.items()}
                    case(f"{one.id}={text!r}", node, **made, **{one.id: text})
    return {**tally(found), "slowest, s": round(slowest, 2)}


COMBOS: dict[str, dict[str, Any]] = {
    "VaceInpaintVideo": {"images": lambda _: clip(), "mask": lambda _: left_half()},
    "VaceExtendVideo": {"first": lambda _: clip(1), "length": lambda _: 9},
    "VaceControlVideo": {"images": lambda _: clip()},
    "VaceComposeMasks": {"mask": lambda _: left_half(), "mask_2": lambda _: left_half()},
    "VaceSampleVideo": {
        "model": tiny_starter,
        "vcu": lambda pack: pack.run("VaceTextToVideo", width=48, height=32, length=5)[0],
        "steps": lambda _: 1,
    },
}


def evaluations() -> int:
    """Uses of exec and eval, and lines with two statements: what the registry's publishing check looks for."""
    found = 0
    for path in (ROOT / "__init__.py", *(ROOT / "nodes").rglob("*.py"), *(ROOT / "vace_core").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [getattr(node.func, "id", "") for node in ast.walk(tree) if isinstance(node, ast.Call)]
        bodies = [getattr(node, part, None) for node in ast.walk(tree) for part in ("body", "orelse", "finalbody")]
        lines = [[one.lineno for one in body] for body in bodies if isinstance(body, list)]
        found += sum(name in ("exec", "eval") for name in calls) + sum(len(one) - len(set(one)) for one in lines)
    return found


def row_18(hosts: dict[str, dict[str, Any]]) -> Row:
    total, cryptic = (sum(one.get(key, 0) for one in hosts.values()) for key in ("cases", "cryptic"))
    slowest = max(one["slowest, s"] for one in hosts.values())
    uses = evaluations()
    return Row(
        18,
        f"{cryptic} of {total} unhandled, slowest {slowest:.1f} s; exec and eval: {uses}",
        not cryptic and not uses and slowest < SLOW,
        "Deep, huge, broken and strange JSON, positions, boxes and numbers in every widget and socket that is parsed, "
        "300 random mutations of a good text among them; sources searched for exec, eval and two statements on a line.",
    )


HOSTED = {18: fuzzed}
ROWS = {18: row_18}
