"""Turns nodes and links into the workflow that ComfyUI's frontend reads (version 0.4), and into its API prompt."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from typing import Any

from .core_nodes import CORE
from .forms import CORE_PACK, NEEDED, OURS, Form, pack_forms
from .layout import GROUP_COLOUR, arrange, height_of, width_of
from .other_packs import OTHERS

FIXED = "fixed"
MUTED = 2
NOTE_COLOURS = {"color": "#432", "bgcolor": "#332a18"}


@dataclass(frozen=True)
class Link:
    """An output of a node that an input is connected to."""

    node: Node
    slot: int

    @property
    def kind(self) -> str:
        return self.node.form.outputs[self.slot][1]


@dataclass(eq=False)
class Node:
    """A node of a graph.

    Attributes:
        place: Where it stands: a name of `layout.PLACES`.
        values: What its inputs are set to, by name: a value or a link.
        shown: What widgets show whose value is a link; their default where it is not here.
        models: Files that it needs, as {name, url, directory}.
        mode: 0 = runs, 2 = muted.
        position: Upper left corner, below the title, in pixels.
        most: Pixels that are left free at most for what it says.
    """

    number: int
    form: Form
    title: str
    place: str
    values: dict[str, Any]
    shown: dict[str, Any] = field(default_factory=dict)
    models: list[dict[str, str]] = field(default_factory=list)
    mode: int = 0
    colours: dict[str, str] = field(default_factory=dict)
    position: tuple[int, int] = (0, 0)
    most: int = 0

    def __getitem__(self, output: str) -> Link:
        names = [name for name, _ in self.form.outputs]
        return Link(self, names.index(output))

    @property
    def size(self) -> tuple[int, int]:
        return width_of(self.form), height_of(self.form)

    def value(self, name: str) -> Any:
        """What an input is set to, or its default; `NEEDED` where there is neither."""
        return self.values.get(name, next(one.default for one in self.form.inputs if one.name == name))


class Graph:
    """A workflow: add nodes, then take its JSON.

    Args:
        title: Its name, which is that of its file and what ComfyUI's users see.
        note: What it says of itself, in markdown.
    """

    def __init__(self, title: str, note: str = "") -> None:
        self.title, self.note, self.nodes = title, note, list[Node]()

    def add(
        self,
        node_id: str,
        place: str,
        *,
        title: str = "",
        models: list[dict[str, str]] | None = None,
        muted: bool = False,
        **values: Any,
    ) -> Node:
        """A new node; `values` set its inputs, links among them."""
        form = form_of(node_id)
        unknown = set(values) - {one.name for one in form.inputs}
        assert not unknown, f"{node_id} has no {unknown}"
        colours = {"color": "#323", "bgcolor": "#535"} if muted else {}
        node = Node(
            number=len(self.nodes) + 1,
            form=form,
            title=title or form.title,
            place=place,
            values=values,
            models=models or [],
            mode=MUTED if muted else 0,
            colours=colours,
        )
        self.nodes.append(node)
        return node

    def links(self) -> list[tuple[int, Link, Node, int]]:
        """Number, origin, target node and target slot of every link."""
        found = []
        for node in self.nodes:
            for slot, one in enumerate(slots_of(node.form)):
                origin = node.values.get(one.name)
                if isinstance(origin, Link):
                    found.append((len(found) + 1, origin, node, slot))
        return found

    def workflow(self) -> dict[str, Any]:
        """What the frontend loads."""
        plan = arrange(self)
        links = self.links()
        nodes = [node_json(node, *_ends_of(node, links), order) for order, node in enumerate(self.nodes)]
        if self.note:
            nodes.append(_note_json(len(nodes) + 1, self.note, plan.note))
        groups = [
            {"id": n, "title": title, "bounding": list(box), "color": GROUP_COLOUR, "font_size": 24, "flags": {}}
            for n, (title, box) in enumerate(plan.groups, start=1)
        ]
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"vace/{self.title}")),
            "revision": 0,
            "last_node_id": len(nodes),
            "last_link_id": len(links),
            "nodes": nodes,
            "links": [_link_json(*link) for link in links],
            "groups": groups,
            "config": {},
            "extra": {"ds": {"scale": 0.6, "offset": [60 - plan.left, 120 - plan.top]}},
            "version": 0.4,
        }

    def prompt(self) -> dict[str, Any]:
        """What the frontend sends to the server: the nodes that run, with their values."""
        return {
            str(node.number): {
                "inputs": prompt_inputs(node),
                "class_type": node.form.node_id,
                "_meta": {"title": node.title},
            }
            for node in self.nodes
            if not node.mode
        }


def form_of(node_id: str) -> Form:
    return next(forms[node_id] for forms in (pack_forms(), CORE, OTHERS) if node_id in forms)


def slots_of(form: Form) -> list[Any]:
    """The inputs in the order of their slots: those without widgets first, as the frontend makes them."""
    return sorted(form.inputs, key=lambda one: not one.socket)


def prompt_inputs(node: Node) -> dict[str, Any]:
    inputs = {}
    for one in node.form.inputs:
        value = node.value(one.name)
        if isinstance(value, Link):
            if node.mode or not value.node.mode:  # the frontend drops a link from a node that does not run
                inputs[one.name] = [str(value.node.number), value.slot]
        elif not one.socket:
            assert value is not NEEDED, f"{node.form.node_id}.{one.name} has no value"
            # As the frontend sends lists, which the server would take for links.
            inputs[one.name] = {"__value__": value} if isinstance(value, list) else value
        elif not one.optional and not node.mode:
            raise AssertionError(f"{node.form.node_id}.{one.name} is not connected")
    return inputs


def node_json(node: Node, arriving: dict[int, int], leaving: list[list[int]], order: int) -> dict[str, Any]:
    """A node as the frontend reads it.

    Args:
        arriving: The number of the link at each input's slot.
        leaving: The numbers of the links at each output's slot.
        order: When it runs.
    """
    inputs = []
    for slot, one in enumerate(slots_of(node.form)):
        shown: dict[str, Any] = {"name": one.name, "type": one.kind, "link": arriving.get(slot)}
        if one.optional:
            shown["shape"] = 7
        if not one.socket:
            shown["widget"] = {"name": one.name}
        inputs.append(shown)
    outputs = [
        {"name": name, "type": kind, "links": leaving[slot]} for slot, (name, kind) in enumerate(node.form.outputs)
    ]
    properties: dict[str, Any] = {
        "cnr_id": node.form.pack,
        **({"ver": node.form.version} if node.form.version else {}),
        "Node name for S&R": node.form.node_id,
    }
    if node.models:
        properties["models"] = node.models
    return {
        "id": node.number,
        "type": node.form.node_id,
        "pos": list(node.position),
        "size": list(node.size),
        "flags": {},
        "order": order,
        "mode": node.mode,
        **({} if _says_itself(node) else {"title": node.title}),
        "inputs": inputs,
        "outputs": outputs,
        "properties": properties,
        "widgets_values": widget_values(node),
        **node.colours,
    }


def _says_itself(node: Node) -> bool:
    """Whether the frontend knows the title, in the artist's language; of packs that are missing it knows none."""
    return node.title == node.form.title and node.form.pack in (OURS, CORE_PACK)


def widget_values(node: Node) -> Any:
    """The values in the order of the widgets; a linked one keeps what it shows for when the link is cut."""
    values = []
    for one in node.form.inputs:
        if one.socket:
            continue
        value = node.value(one.name)
        if not isinstance(value, (int, float, str, list)):  # a link, or nothing at all
            value = node.shown.get(one.name, "" if one.default is NEEDED else one.default)
        values.append(value)
        if one.seeds:
            values.append(FIXED)
    return values


def _ends_of(node: Node, links: list[tuple[int, Link, Node, int]]) -> tuple[dict[int, int], list[list[int]]]:
    arriving = {slot: number for number, _, target, slot in links if target is node}
    leaving = [
        [number for number, origin, _, _ in links if origin.node is node and origin.slot == slot]
        for slot in range(len(node.form.outputs))
    ]
    return arriving, leaving


def _note_json(number: int, text: str, box: tuple[int, int, int, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "MarkdownNote",
        "pos": list(box[:2]),
        "size": list(box[2:]),
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "title": "About this workflow",
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [text],
        **NOTE_COLOURS,
    }


def _link_json(number: int, origin: Link, target: Node, slot: int) -> list[Any]:
    return [number, origin.node.number, origin.slot, target.number, slot, origin.kind]


def rounded(value: float, step: int = 10) -> int:
    return math.ceil(value / step) * step
