"""How the graphs look: few links pass behind nodes, as frontends draw them."""

from __future__ import annotations

import math

import pytest

from tools.workflows.graph_json import Link, Node, slots_of
from tools.workflows.layout import SLOT, TALL, TITLE, WIDGET, arrange
from tools.workflows.shipped import everything

POINTS = 60
GRAPHS = everything()
MOST = 7  # in one workflow


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.title)
def test_few_links_pass_behind_nodes(graph):
    assert len(passed(graph)) <= MOST


def test_hardly_any_link_does():
    assert sum(len(passed(graph)) for graph in GRAPHS) < 0.1 * sum(len(graph.links()) for graph in GRAPHS)


def passed(graph):
    """Origin, target and the node between them that the link is seen to pass behind."""
    arrange(graph)
    return [
        (link.node.title, target.title, node.title)
        for _, link, target, slot in graph.links()
        for node in graph.nodes
        if node not in (link.node, target) and any(_inside(point, node) for point in _curve(link, target, slot))
    ]


def _curve(link: Link, target: Node, slot: int):
    """As frontends draw it: it leaves and arrives level."""
    (x, y), (width, _) = link.node.position, link.node.size
    start, end = (x + width, y + (link.slot + 0.7) * SLOT), (target.position[0], _height(target, slot))
    reach = math.dist(start, end) / 4
    ways = (start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)
    for n in range(POINTS + 1):
        t = n / POINTS
        parts = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
        yield tuple(sum(part * way[axis] for part, way in zip(parts, ways, strict=True)) for axis in (0, 1))


def _height(node: Node, slot: int) -> float:
    """The height of an input: of its socket, or of the widget that it stands beside."""
    one, slots = slots_of(node.form)[slot], slots_of(node.form)
    if one.socket:
        return node.position[1] + (slot + 0.7) * SLOT
    y = max(sum(other.socket for other in slots), len(node.form.outputs), 1) * SLOT
    above = [other for other in node.form.inputs if not other.socket]
    for other in above[: above.index(one)]:
        y += TALL if other.tall else WIDGET
    return node.position[1] + y + WIDGET / 2


def _inside(point, node: Node) -> bool:
    (x, y), (width, height) = node.position, node.size
    return x < point[0] < x + width and y - TITLE < point[1] < y + height
