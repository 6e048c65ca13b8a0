"""Turns a graph into a blueprint: a workflow of one node, whose definition holds the graph."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from .graph_json import Graph, Link, Node, node_json, slots_of
from .layout import arrange

ENTRIES, RESULTS = -10, -20  # what the frontend calls the two ends of a subgraph
END_WIDTH, END_ROW = 160, 20


@dataclass(frozen=True, eq=False)
class Entry:
    """An input of the one node, with a socket of its own or the widget that it stands for."""

    name: str
    kind: str
    widget: tuple[Node, str] | None = None


class Blueprint(Graph):
    """A graph that becomes one node.

    Args:
        title: The node's name, and that of the file.
        category: Where ComfyUI lists it.
        description: What it does.
    """

    def __init__(self, title: str, category: str, description: str) -> None:
        super().__init__(title)
        self.category, self.description = category, description
        self.entries, self.results = list[Entry](), list[tuple[str, Link]]()

    def entry(self, name: str, kind: str) -> Entry:
        """A socket of the one node; set inputs to it as to a link."""
        self.entries.append(Entry(name, kind))
        return self.entries[-1]

    def offer(self, node: Node, name: str) -> None:
        """Shows a widget of `node` on the one node, with the value that it is set to."""
        kind = next(one.kind for one in node.form.inputs if one.name == name)
        if name in node.values:
            node.shown[name] = node.values[name]
        self.entries.append(Entry(name, kind, widget=(node, name)))
        node.values[name] = self.entries[-1]

    def result(self, name: str, link: Link) -> None:
        self.results.append((name, link))

    def workflow(self) -> dict[str, Any]:
        definition = self._definition()
        return {
            "id": self._id("workflow"),
            "revision": 0,
            "last_node_id": len(self.nodes) + 1,
            "last_link_id": 0,
            "nodes": [self._outer(definition)],
            "links": [],
            "version": 0.4,
            "definitions": {"subgraphs": [definition]},
            "extra": {},
        }

    def _id(self, what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"vace/subgraphs/{self.title}/{what}"))

    def _outer(self, definition: dict[str, Any]) -> dict[str, Any]:
        inputs = [
            {
                "name": one.name,
                "type": one.kind,
                **({"widget": {"name": one.name}} if one.widget else {}),
                "link": None,
            }
            for one in self.entries
        ]
        promoted = [[str(one.widget[0].number), one.widget[1]] for one in self.entries if one.widget]
        tall = sum(one.name.endswith("prompt") for one in self.entries)
        return {
            "id": len(self.nodes) + 1,
            "type": definition["id"],
            "pos": [0, 0],
            "size": [420, 120 + 26 * len(self.entries) + 90 * tall],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": inputs,
            "outputs": [{"name": name, "type": link.kind, "links": []} for name, link in self.results],
            "properties": {"proxyWidgets": promoted, "cnr_id": "vace", "ver": "0.1.0"},
            "widgets_values": [],
            "title": self.title,
        }

    def _definition(self) -> dict[str, Any]:
        plan = arrange(self)
        links = self._links()
        right = max(node.position[0] + node.size[0] for node in self.nodes) + 80
        nodes = [self._inner(node, order, links) for order, node in enumerate(self.nodes)]
        return {
            "id": self._id("definition"),
            "version": 1,
            "state": {
                "lastGroupId": 0,
                "lastNodeId": len(nodes) + 1,
                "lastLinkId": len(links),
                "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": self.title,
            "inputNode": {"id": ENTRIES, "bounding": _end(plan.left, len(self.entries))},
            "outputNode": {"id": RESULTS, "bounding": _end(right, len(self.results))},
            "inputs": [
                {
                    "id": self._id(f"in/{one.name}"),
                    "name": one.name,
                    "type": one.kind,
                    "linkIds": [
                        link["id"] for link in links if (link["origin_id"], link["origin_slot"]) == (ENTRIES, n)
                    ],
                    "pos": [plan.left + END_WIDTH - 20, 20 + n * END_ROW],
                }
                for n, one in enumerate(self.entries)
            ],
            "outputs": [
                {
                    "id": self._id(f"out/{name}"),
                    "name": name,
                    "type": link.kind,
                    "linkIds": [one["id"] for one in links if (one["target_id"], one["target_slot"]) == (RESULTS, n)],
                    "pos": [right + 20, 20 + n * END_ROW],
                }
                for n, (name, link) in enumerate(self.results)
            ],
            "widgets": [],
            "nodes": nodes,
            "groups": [],
            "links": links,
            "extra": {},
            "category": self.category,
            "description": self.description,
        }

    def _links(self) -> list[dict[str, Any]]:
        ends: list[tuple[int, int, int, int, str]] = []
        for node in self.nodes:
            for slot, one in enumerate(slots_of(node.form)):
                origin = node.values.get(one.name)
                if isinstance(origin, Link):
                    ends.append((origin.node.number, origin.slot, node.number, slot, origin.kind))
                elif isinstance(origin, Entry):
                    ends.append((ENTRIES, self.entries.index(origin), node.number, slot, origin.kind))
        for slot, (_, link) in enumerate(self.results):
            ends.append((link.node.number, link.slot, RESULTS, slot, link.kind))
        names = ("origin_id", "origin_slot", "target_id", "target_slot", "type")
        return [{"id": n, **dict(zip(names, end, strict=True))} for n, end in enumerate(ends, start=1)]

    def _inner(self, node: Node, order: int, links: list[dict[str, Any]]) -> dict[str, Any]:
        arriving = {one["target_slot"]: one["id"] for one in links if one["target_id"] == node.number}
        leaving = [
            [one["id"] for one in links if (one["origin_id"], one["origin_slot"]) == (node.number, slot)]
            for slot in range(len(node.form.outputs))
        ]
        return node_json(node, arriving, leaving, order)


def _end(left: int, rows: int) -> list[int]:
    return [left, 0, END_WIDTH, 48 + rows * END_ROW]
