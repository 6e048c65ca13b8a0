"""How the graphs look: few links pass behind nodes, as frontends draw them."""

from __future__ import annotations

import pytest

from tools.workflows.layout import arrange, behind
from tools.workflows.shipped import everything

POINTS = 60
GRAPHS = everything()
SHARE = 0.2  # sound goes from a video at the left to that at the right, behind all that is made of its frames
MOST = 13  # in one workflow: the largest shows its columns below each other, so that its titles are legible


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.title)
def test_few_links_pass_behind_nodes(graph):
    assert len(passed(graph)) <= MOST


def test_hardly_any_link_does():
    assert sum(len(passed(graph)) for graph in GRAPHS) < SHARE * sum(len(graph.links()) for graph in GRAPHS)


def passed(graph):
    """Origin, target and the node between them that the link is seen to pass behind."""
    arrange(graph)
    return [tuple(node.title for node in found) for found in behind(graph, POINTS)]
