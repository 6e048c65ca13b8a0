"""Where the nodes of a workflow stand: in columns from left to right, in groups, without touching each other.

A frontend shows a whole graph when it opens one. So that its titles can be read then, it is as wide as it is high for
a screen: results stand below each other, and the note has the place where it makes the whole no larger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from .forms import Form

if TYPE_CHECKING:
    from .graph_json import Graph, Node

FIRST, LOOK = 0, 7
PLACES: dict[str, tuple[int, str]] = {
    "weights": (FIRST, "Model"),
    "model": (FIRST, "Model"),
    "load": (FIRST, "1 · Inputs"),
    "input": (1, "1 · Inputs"),
    "more": (2, "1 · Inputs"),
    "find": (3, "1 · Inputs"),
    "mask": (4, "1 · Inputs"),
    "task": (5, "2 · VACE task"),
    "compose": (6, "2 · VACE task"),
    "look": (LOOK, "3 · Preview"),
    "plan": (8, "4 · Generate"),
    "patch": (8, "Model"),
    "sample": (9, "4 · Generate"),
    "decode": (10, "5 · Result"),
    "save": (10, "5 · Result"),
    "show": (10, "5 · Result"),
    "measure": (11, "5 · Result"),
}
"""Column and group of each place. Of one column they stand in this order, from the top."""

LANE = 90
"""By how much columns are lower where links of the model pass above them."""

USUAL, WIDER = 240, 256  # without and with texts or pictures
GROUP_COLOUR = "#3f789e"
TITLE, SLOT, WIDGET, TALL, FOOT = 30, 20, 24, 100, 16
BETWEEN_COLUMNS, BETWEEN_NODES, BETWEEN_GROUPS, SAID = 48, 20, 50, 44
INSIDE, HEAD = 12, 36  # of a group: around its nodes, and for its title
NOTE_LINE, NOTE_LETTER, NOTE_HEAD, NARROWEST, WIDEST = 15, 5.6, 50, 230, 1400
SCREEN = 1.684  # width of what is seen of a graph, by its height


@dataclass(frozen=True)
class Arranged:
    """Title and box of each group, the note's box, and the upper left corner of all."""

    groups: list[tuple[str, tuple[int, int, int, int]]]
    note: tuple[int, int, int, int]
    left: int
    top: int


def width_of(form: Form) -> int:
    if form.room > 100:
        return 840 if form.room > 540 else 400 if form.room > 400 else WIDER
    return WIDER if any(one.tall for one in form.inputs) else USUAL


def height_of(form: Form) -> int:
    """As high as frontends draw the node, without its title."""
    sockets = sum(one.socket for one in form.inputs)
    widgets = sum(WIDGET for one in form.inputs if not one.socket and not one.tall)
    widgets += sum(WIDGET for one in form.inputs if one.seeds)
    widgets += sum(TALL for one in form.inputs if one.tall)
    return max(sockets, len(form.outputs), 1) * SLOT + widgets + form.room + FOOT


def arrange(graph: Graph) -> Arranged:
    """Gives every node its position."""
    columns = _columns(graph)
    x = 0
    for number, nodes in columns.items():
        _stack(nodes, x, _top(graph, columns, number))
        x += max(node.size[0] for node in nodes) + BETWEEN_COLUMNS
    groups: dict[str, list[Node]] = {}
    for nodes in columns.values():
        for node in nodes:
            groups.setdefault(_group(graph, node), []).append(node)
    boxes = [(title, _around(nodes)) for title, nodes in groups.items()]
    note = _note(graph.note, [box for _, box in boxes])
    corners = [*(box for _, box in boxes), *([note] if graph.note else [])]
    return Arranged(groups=boxes, note=note, left=min(box[0] for box in corners), top=min(box[1] for box in corners))


def _columns(graph: Graph) -> dict[int, list[Node]]:
    """The nodes of each column, from the top."""
    found: dict[int, list[Node]] = {}
    order = {place: number for number, place in enumerate(PLACES)}
    for node in sorted(graph.nodes, key=lambda node: order[node.place]):
        found.setdefault(_column(graph, node), []).append(node)
    for nodes in found.values():
        nodes.sort(key=lambda node: node.place in ("model", "weights") and _column(graph, node) != FIRST)
    return dict(sorted(found.items()))


def _column(graph: Graph, node: Node) -> int:
    """Models that only what follows the preview needs stand below it; inputs without loaders before them come first."""
    if node.place in ("model", "weights") and not _is_first(graph):
        return LOOK
    places = [other.place for other in graph.nodes]
    if node.place == "input" and "load" not in places:
        return FIRST
    if node.place == "more" and "load" not in places and places.count("more") == 1:
        return FIRST
    return PLACES[node.place][0]


def _is_first(graph: Graph) -> bool:
    """Whether a task takes the model."""
    tasks = ("task", "compose", "look")
    return any(origin.node.place == "model" and target.place in tasks for _, origin, target, _ in graph.links())


def _group(graph: Graph, node: Node) -> str:
    return PLACES[node.place][1]


def _top(graph: Graph, columns: dict[int, list[Node]], number: int) -> int:
    """Where a column begins, so that links from the columns before it to those behind it pass above its nodes."""
    place = columns[number][0].place
    models = [node.position[1] for node in columns.get(LOOK, []) if node.place in ("model", "weights")]
    if models and place in ("patch", "sample"):
        return models[0] + LANE * (place == "patch")
    if number and PLACES[place][1] == PLACES["input"][1]:  # their group is beside those in the first column
        first = [node.position[1] for node in columns[FIRST] if PLACES[node.place][1] == PLACES["input"][1]]
        return first[0] if first else 0
    placed = {id(node) for other, nodes in columns.items() if other < number for node in nodes}
    ends = [
        (origin.node, target)
        for _, origin, target, _ in graph.links()
        if id(origin.node) in placed and _column(graph, target) > number
    ]
    if not ends or place == "decode":
        return 0
    if place == "plan":
        return 0
    if place == "look":
        return 2 * LANE if any(origin.place in ("task", "compose") for origin, _ in ends) else 0
    lowest = max(origin.position[1] for origin, _ in ends)
    return lowest + LANE * (2 if place == "compose" else 1)


def _stack(nodes: list[Node], x: int, y: int) -> None:
    for node in nodes[:1]:
        node.position = (x, y)
    for before, node in pairwise(nodes):
        other = PLACES[before.place][1] != PLACES[node.place][1]
        y = before.position[1] + before.size[1] + _said(before)
        node.position = (x, y + TITLE + BETWEEN_NODES + (BETWEEN_GROUPS if other else 0))


def _said(node: Node) -> int:
    """What a node writes below itself."""
    return SAID * node.form.notes


def _around(nodes: list[Node]) -> tuple[int, int, int, int]:
    left = min(node.position[0] for node in nodes) - INSIDE
    top = min(node.position[1] for node in nodes) - TITLE - HEAD
    right = max(node.position[0] + node.size[0] for node in nodes) + INSIDE
    low = max(node.position[1] + node.size[1] + _said(node) for node in nodes) + INSIDE
    return left, top, right - left, low - top


def _note(text: str, boxes: list[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    """Left of all, or below some neighbouring groups: where the whole stays largest on the screen."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, low = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    places = [(left - NARROWEST - BETWEEN_COLUMNS, top + TITLE, NARROWEST, _note_height(text, NARROWEST))]
    edges = sorted({box[0] for box in boxes})
    for start in edges:
        for end in sorted({box[0] + box[2] for box in boxes}):
            width = min(end - start, WIDEST)
            if width < NARROWEST:
                continue
            above = [box for box in boxes if box[0] < start + width + 10 and start < box[0] + box[2] + 10]
            y = max((box[1] + box[3] for box in above), default=top) + TITLE + BETWEEN_NODES // 2
            places.append((start, y, width, _note_height(text, width)))

    def size(place: tuple[int, int, int, int]) -> tuple[float, int, int]:
        x, y, width, height = place
        wide = max(right, x + width) - min(left, x)
        return max(wide, (max(low, y + height) - top) * SCREEN), x, y

    return min(places, key=size)


def _note_height(text: str, width: int) -> int:
    letters = max(int((width - 40) / NOTE_LETTER), 1)
    lines = sum(
        max(math.ceil(len(_seen(line)) / letters), 1) * (1 + 0.4 * line.startswith("#")) for line in text.splitlines()
    )
    return NOTE_HEAD + round(lines * NOTE_LINE)


def _seen(line: str) -> str:
    """A line of markdown without the addresses of its links."""
    parts = line.split("](")
    return "".join([parts[0], *(part.split(")", 1)[-1] for part in parts[1:])])
