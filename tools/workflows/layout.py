"""Where the nodes of a workflow stand: in columns from left to right, in groups, without touching each other.

A frontend shows a whole graph when it opens one. So that its titles can be read then, it is as wide as it is high for
a screen: results stand below each other, and the note has the place where it makes the whole no larger. Where that is
not enough, neighbouring columns stand below each other, as few as it takes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, TypeAlias

from .forms import CORE_PACK, Form

if TYPE_CHECKING:
    from .graph_json import Graph, Link, Node

FIRST, LOOK = 0, 8
PLACES: dict[str, tuple[int, str]] = {
    "weights": (FIRST, "Model"),
    "model": (FIRST, "Model"),
    "load": (FIRST, "1 · Inputs"),
    "input": (1, "1 · Inputs"),
    "more": (2, "1 · Inputs"),
    "find": (3, "1 · Inputs"),
    "mask": (4, "1 · Inputs"),
    "draw": (5, "2 · VACE task"),
    "task": (6, "2 · VACE task"),
    "compose": (7, "2 · Composed"),
    "look": (LOOK, "3 · Preview"),
    "plan": (9, "4 · Generate"),
    "patch": (9, "Model"),
    "sample": (10, "4 · Generate"),
    "decode": (11, "5 · Result"),
    "save": (11, "5 · Result"),
    "show": (11, "5 · Result"),
    "measure": (12, "5 · Result"),
}
"""Column and group of each place. Of one column they stand in this order, from the top."""

LANE = 76
"""By how much columns are lower where links of the model pass above them."""

USUAL, WIDER = 240, 256  # without and with texts or pictures
TIMELINE = 480  # a time line is wide and low
GROUP_COLOUR = "#3f789e"
TITLE, SLOT, WIDGET, TALL, FOOT = 30, 20, 24, 100, 16
YIELDS = 20  # pixels of a text of several lines that it can do without
ROW, PACK, ISSUE = 4, 22, 24  # by which Nodes 2.0 draws more: each widget, the pack's name, a file that is missing
ALL, SCROLLED = 1000, 62  # what nodes say is scrolled in so many pixels where there is no more room
BETWEEN_COLUMNS, BETWEEN_NODES, BETWEEN_GROUPS = 36, 20, 50
INSIDE, HEAD = 12, 36  # of a group: around its nodes, and for its title
NOTE_LINE, NOTE_LETTER, NOTE_HEAD, NARROWEST, WIDEST = 15, 5.0, 50, 230, 1400
SCREEN = 1.68  # width of what is seen of a graph, by its height
SEEN = 2010  # pixels of its width where titles are still legible: a frontend shows them at 60 % of 1600 x 950
CLOSE = 46  # below the top of the first column: where links still pass above, though close to the title
BELOW = ("draw", "patch")  # what may stand below another group, and no higher
LOW = 10_000  # lower than any column begins
HIGHEST = 1050  # of the nodes of a column, for the groups around them and their titles come on top
BEHIND = 60  # pixels of the width that one link less behind nodes is worth
ROUGH = 16  # points of a link at which ways are compared


@dataclass(frozen=True)
class Arranged:
    """Title and box of each group, the note's box, and the upper left corner of all."""

    groups: list[tuple[str, tuple[int, int, int, int]]]
    note: tuple[int, int, int, int]
    left: int
    top: int


def width_of(form: Form) -> int:
    if form.node_id == "VacePlanWindows":
        return TIMELINE
    if form.room > 100:
        return 816 if form.room > 540 else 400 if form.room > 400 else WIDER
    return WIDER if any(one.tall for one in form.inputs) else USUAL


def height_of(form: Form) -> int:
    """As high as frontends draw the node, without its title."""
    sockets = sum(one.socket for one in form.inputs)
    widgets = sum(WIDGET for one in form.inputs if not one.socket and not one.tall)
    widgets += sum(WIDGET for one in form.inputs if one.seeds)
    widgets += sum(TALL for one in form.inputs if one.tall)
    return max(sockets, len(form.outputs), 1) * SLOT + widgets + form.room + FOOT


def arrange(graph: Graph) -> Arranged:
    """Gives every node its position: few columns joined, so that it fits on the screen, few links behind nodes."""
    for most in (ALL, SCROLLED):
        for node in graph.nodes:
            node.most = most
        found, size = _smallest(graph)
        if size <= SEEN:
            break
    return found


def _smallest(graph: Graph) -> tuple[Arranged, float]:
    """The graph with room for so much as its nodes say, and how wide the screen must be that shows it."""
    largest: list[tuple[float, _Way]] = []
    for ways in _ways(graph):
        fitting: list[tuple[float, _Way]] = []
        for way in ways:
            plan, size = _arranged(graph, way)
            if largest and _touch([box for _, box in plan.groups]):
                continue
            largest.append((size, way))
            if size <= SEEN:
                fitting.append((size + BEHIND * len(behind(graph, ROUGH)), way))
        if fitting:
            return _arranged(graph, min(fitting, key=lambda one: one[0])[1])
    return _arranged(graph, min(largest, key=lambda one: one[0])[1])


Columns: TypeAlias = dict[float, "list[Node]"]
"""Nodes from the top, by the number of their column; what was spread has halves."""


@dataclass(frozen=True)
class _Way:
    """Columns by number, how many of them are joined, and how low one begins at most."""

    columns: Columns
    joined: int
    lowest: int


def _ways(graph: Graph) -> Iterator[list[_Way]]:
    """Ways to place the nodes: none joined, then one pair of columns, then two, ..."""
    several = [_columns(graph)]
    for spread in (_spread, _above):
        several += [spread(columns) for columns in several]
    for count in range(max(map(len, several))):
        yield [
            _Way(_joined(columns, joined), count, lowest)
            for columns in several
            for joined in combinations(pairwise(columns), count)
            for lowest in (LOW, 2 * LANE, CLOSE)
        ]


def _spread(columns: Columns) -> Columns:
    """The same, where what is higher than the screen goes on in a column beside."""
    found: Columns = {}
    for number, nodes in columns.items():
        high = 0
        for node in nodes:
            high += node.size[1] + _grows(node) + TITLE + BETWEEN_NODES
            found.setdefault(number if high < HIGHEST else number + 0.5, []).append(node)
    return found


def _above(columns: Columns) -> Columns:
    """The same, where the model stands above the task rather than above the inputs."""
    task, (model, *others) = PLACES["task"][0], columns.get(FIRST, [None])
    if model is None or model.place != "model" or task not in columns or not others:
        return columns
    return {**columns, FIRST: others, task: [model, *columns[task]]}


def behind(graph: Graph, points: int) -> list[tuple[Node, Node, Node]]:
    """Origin, target and the node between them that a link is seen to pass behind; looked at in so many points."""
    return [
        (link.node, target, node)
        for _, link, target, slot in graph.links()
        for curve in [list(_curve(link, target, slot, points))]
        for node in graph.nodes
        if node not in (link.node, target) and any(_inside(point, node) for point in curve)
    ]


def _curve(link: Link, target: Node, slot: int, points: int) -> Iterator[tuple[float, float]]:
    """As frontends draw it: it leaves and arrives level."""
    (x, y), (width, _) = link.node.position, link.node.size
    start, end = (x + width, y + (link.slot + 0.7) * SLOT), (target.position[0], _level(target, slot))
    reach = math.dist(start, end) / 4
    ways = (start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)
    for n in range(points + 1):
        t = n / points
        parts = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
        yield (
            sum(part * way[0] for part, way in zip(parts, ways, strict=True)),
            sum(part * way[1] for part, way in zip(parts, ways, strict=True)),
        )


def _level(node: Node, slot: int) -> float:
    """The height of an input: of its socket, or of the widget that it stands beside."""
    slots = sorted(node.form.inputs, key=lambda one: not one.socket)
    one = slots[slot]
    if one.socket:
        return node.position[1] + (slot + 0.7) * SLOT
    y = max(sum(other.socket for other in slots), len(node.form.outputs), 1) * SLOT
    above = [other for other in node.form.inputs if not other.socket]
    for other in above[: above.index(one)]:
        y += TALL if other.tall else WIDGET
    return node.position[1] + y + WIDGET / 2


def _inside(point: tuple[float, float], node: Node) -> bool:
    (x, y), (width, height) = node.position, node.size
    return x < point[0] < x + width and y - TITLE < point[1] < y + height


def _arranged(graph: Graph, way: _Way) -> tuple[Arranged, float]:
    """The graph placed so, and how wide the screen must be that shows it."""
    x, columns = 0, way.columns
    for number, nodes in columns.items():
        top = _top(graph, columns, number)
        _stack(nodes, x, top if nodes[0].place in BELOW else min(top, way.lowest))
        x += max(node.size[0] for node in nodes) + BETWEEN_COLUMNS
    groups: dict[str, list[Node]] = {}
    for nodes in columns.values():
        for node in nodes:
            groups.setdefault(_group(graph, node), []).append(node)
    boxes = [(title, _around(nodes)) for title, nodes in groups.items()]
    note = _note(graph.note, [box for _, box in boxes])
    corners = [*(box for _, box in boxes), *([note] if graph.note else [])]
    left, top = min(box[0] for box in corners), min(box[1] for box in corners)
    wide, high = max(box[0] + box[2] for box in corners) - left, max(box[1] + box[3] for box in corners) - top
    return Arranged(groups=boxes, note=note, left=left, top=top), max(wide, high * SCREEN)


def _joined(columns: Columns, joined: Collection[tuple[float, float]]) -> Columns:
    """The columns, where those of each pair stand below each other under the number of the first."""
    first = dict[float, float]()
    for before, number in joined:
        first[number] = first.get(before, before)
    found: Columns = {}
    for number, nodes in columns.items():
        found.setdefault(first.get(number, number), []).extend(nodes)
    return found


def _touch(boxes: list[tuple[int, int, int, int]]) -> bool:
    return any(
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
        for one, other in combinations(boxes, 2)
    )


def _columns(graph: Graph) -> Columns:
    """The nodes of each column, from the top."""
    found: Columns = {}
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
    tasks = ("draw", "task", "compose", "look")
    return any(origin.node.place == "model" and target.place in tasks for _, origin, target, _ in graph.links())


def _group(graph: Graph, node: Node) -> str:
    return PLACES[node.place][1]


def _top(graph: Graph, columns: Columns, number: float) -> int:
    """Where a column begins, so that links from the columns before it to those behind it pass above its nodes."""
    place = columns[number][0].place
    models = [node.position[1] for node in columns.get(LOOK, []) if node.place in ("model", "weights")]
    if models and place in ("patch", "sample"):
        return models[0] + LANE * (place == "patch")
    task = columns.get(PLACES["task"][0], [])
    if task and task[0].place == "model" and (columns[number] is task or PLACES[place][1] == PLACES["task"][1]):
        return 0 if columns[number] is task else task[0].size[1] + _grows(task[0]) + TITLE + HEAD + 2 * INSIDE
    if number and PLACES[place][1] == PLACES["input"][1]:  # their group is beside those in the first column
        first = [node.position[1] for node in columns[FIRST] if PLACES[node.place][1] == PLACES["input"][1]]
        return first[0] if first else 0
    at = {id(node): other for other, nodes in columns.items() for node in nodes}
    ends = [
        (origin.node, target) for _, origin, target, _ in graph.links() if at[id(origin.node)] < number < at[id(target)]
    ]
    if not ends or place == "decode":
        return 0
    if place == "plan":
        return 0
    if place == "look":
        return 2 * LANE if any(origin.place in ("draw", "task", "compose") for origin, _ in ends) else 0
    lowest = max(origin.position[1] for origin, _ in ends)
    return lowest + LANE * (2 if place == "compose" else 1)


def _stack(nodes: list[Node], x: int, y: int) -> None:
    for node in nodes[:1]:
        node.position = (x, y)
    for before, node in pairwise(nodes):
        other = PLACES[before.place][1] != PLACES[node.place][1]
        y = before.position[1] + before.size[1] + _grows(before)
        node.position = (x, y + TITLE + BETWEEN_NODES + (BETWEEN_GROUPS if other else 0))


def _grows(node: Node) -> int:
    """By how much a node gets higher than it is as opened: in Nodes 2.0, and for what it says of its work."""
    form, texts = node.form, sum(one.tall for one in node.form.inputs)
    rows = 0 if texts or form.room else ROW * sum(not one.socket for one in form.inputs)
    rows += ISSUE * bool(node.models)
    opened = rows + (0 if texts or form.room or form.pack == CORE_PACK else PACK)
    says = form.says if form.room else min(form.says, node.most)  # a picture beside it is not scrolled
    return max(opened, rows + says - texts * YIELDS)


def _around(nodes: list[Node]) -> tuple[int, int, int, int]:
    left = min(node.position[0] for node in nodes) - INSIDE
    top = min(node.position[1] for node in nodes) - TITLE - HEAD
    right = max(node.position[0] + node.size[0] for node in nodes) + INSIDE
    low = max(node.position[1] + node.size[1] + _grows(node) for node in nodes) + INSIDE
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
