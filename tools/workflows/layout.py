"""Where the nodes of a workflow stand: in columns from left to right, in groups, without touching each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .forms import Form

if TYPE_CHECKING:
    from .graph_json import Graph, Node

PLACES: dict[str, tuple[int, str]] = {
    "load": (0, "1 · Inputs"),
    "input": (1, "1 · Inputs"),
    "more": (2, "1 · Inputs"),
    "find": (3, "1 · Inputs"),
    "mask": (4, "1 · Inputs"),
    "task": (5, "2 · VACE task"),
    "compose": (6, "2 · VACE task"),
    "look": (7, "3 · Preview"),
    "model": (7, "Model"),
    "patch": (8, "Model"),
    "sample": (9, "4 · Generate"),
    "decode": (10, "5 · Result"),
    "save": (11, "5 · Result"),
    "show": (12, "5 · Result"),
}
"""Column and group of each place."""

PASSED = {"more": 120, "find": 180, "mask": 180, "look": 130}
"""By how much a column is lower that links pass above."""

BEFORE = {"sample": 60}
"""How much farther to the right a column begins, so that links that come down to it pass beside its group's title."""

ALONE = 400  # where the models begin
PATCHED = 120  # what patches a model is lower than the loaders, from whose first a link passes above it
GROUP_COLOUR = "#3f789e"
TITLE, SLOT, WIDGET, TALL, FOOT = 30, 20, 24, 110, 16
BETWEEN_COLUMNS, BETWEEN_NODES, BETWEEN_GROUPS, SAID = 60, 60, 70, 60
INSIDE, HEAD = 20, 50  # of a group: around its nodes, and for its title
NOTE_WIDTH, NOTE_LINE, NOTE_LETTERS = 440, 20, 58


@dataclass(frozen=True)
class Arranged:
    """Title and box of each group, the note's box, and the upper left corner of all."""

    groups: list[tuple[str, tuple[int, int, int, int]]]
    note: tuple[int, int, int, int]
    left: int
    top: int


def width_of(form: Form) -> int:
    if form.room:
        return 480 if form.room > 400 else 400
    tall = any(one.tall for one in form.inputs)
    return 380 if tall else 320


def height_of(form: Form) -> int:
    """As high as frontends draw the node, without its title."""
    sockets = sum(one.socket for one in form.inputs)
    widgets = sum(WIDGET for one in form.inputs if not one.socket and not one.tall)
    widgets += sum(WIDGET for one in form.inputs if one.seeds)
    widgets += sum(TALL for one in form.inputs if one.tall)
    return max(sockets, len(form.outputs), 1) * SLOT + widgets + form.room + FOOT


def arrange(graph: Graph) -> Arranged:
    """Gives every node its position."""
    columns = sorted({PLACES[node.place][0] for node in graph.nodes})
    x = 0
    groups: dict[str, list[Node]] = {}
    for column in columns:
        inside = [node for node in graph.nodes if PLACES[node.place][0] == column]
        x += BEFORE.get(inside[0].place, 0)
        _stack(inside, x, _top(graph, inside[0].place))
        x += max(node.size[0] for node in inside) + BETWEEN_COLUMNS
        for node in inside:
            groups.setdefault(PLACES[node.place][1], []).append(node)
    boxes = [(title, _around(nodes)) for title, nodes in groups.items()]
    note = _note(graph.note)
    return Arranged(groups=boxes, note=note, left=note[0], top=-TITLE - HEAD)


def _top(graph: Graph, place: str) -> int:
    """Where a column begins, so that links from the columns before it to those behind it pass above its nodes."""
    if place == "model":  # with no look above it
        return ALONE
    models = [node.position[1] for node in graph.nodes if node.place == "model"]
    if place in ("patch", "sample"):
        return min(models, default=0) + (PATCHED if place == "patch" else 0)
    column = PLACES[place][0]
    ends = [(PLACES[origin.node.place][0], PLACES[target.place][0]) for _, origin, target, _ in graph.links()]
    return PASSED.get(place, 0) if any(first < column < last for first, last in ends) else 0


def _stack(nodes: list[Node], x: int, y: int) -> None:
    before = None
    for node in nodes:
        if before is not None:
            other = PLACES[before.place][1] != PLACES[node.place][1]
            y += TITLE + BETWEEN_NODES + (SAID if before.form.notes else 0) + (BETWEEN_GROUPS if other else 0)
        node.position = (x, y)
        y += node.size[1]
        before = node


def _around(nodes: list[Node]) -> tuple[int, int, int, int]:
    left = min(node.position[0] for node in nodes) - INSIDE
    top = min(node.position[1] for node in nodes) - TITLE - HEAD
    right = max(node.position[0] + node.size[0] for node in nodes) + INSIDE
    low = max(node.position[1] + node.size[1] + (SAID if node.form.notes else 0) for node in nodes) + INSIDE
    return left, top, right - left, low - top


def _note(text: str) -> tuple[int, int, int, int]:
    lines = sum(1 + len(line) // NOTE_LETTERS + line.startswith("#") for line in text.splitlines())
    return -NOTE_WIDTH - 2 * BETWEEN_COLUMNS, 0, NOTE_WIDTH, 60 + lines * NOTE_LINE
