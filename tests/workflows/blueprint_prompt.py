"""Takes a blueprint apart, as the frontend does before it sends a prompt: the nodes inside the one node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.workflows.blueprint_json import ENTRIES, RESULTS
from tools.workflows.graph_json import FIXED, form_of


def flattened(
    blueprint: Mapping[str, Any], given: Mapping[str, Any], prefix: str
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """The prompt's nodes of one blueprint, and where each of its outputs comes from.

    Args:
        blueprint: What its file holds.
        given: Values and links of its inputs, by name; the others are as the file says.
        prefix: Stands before the numbers of its nodes.
    """
    (inside,) = blueprint["definitions"]["subgraphs"]
    links = {one["id"]: one for one in inside["links"]}
    names = [one["name"] for one in inside["inputs"]]

    def value(link: Mapping[str, Any], stored: Any) -> Any:
        if link["origin_id"] == ENTRIES:
            return given.get(names[link["origin_slot"]], stored)
        return [f"{prefix}{link['origin_id']}", link["origin_slot"]]

    nodes: dict[str, Any] = {}
    for node in inside["nodes"]:
        inputs: dict[str, Any] = {}
        stored = _stored(node)
        for one in node["inputs"]:
            found = stored.get(one["name"])
            if one["link"] is not None:
                found = value(links[one["link"]], found)
            if found is not None:
                inputs[one["name"]] = found
        nodes[f"{prefix}{node['id']}"] = {
            "class_type": node["type"],
            "inputs": inputs,
            "_meta": {"title": node.get("title", form_of(node["type"]).title)},
        }
    results = {
        inside["outputs"][one["target_slot"]]["name"]: [f"{prefix}{one['origin_id']}", one["origin_slot"]]
        for one in inside["links"]
        if one["target_id"] == RESULTS
    }
    return nodes, results


def _stored(node: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a node's widgets by name."""
    values = iter(node["widgets_values"])
    found: dict[str, Any] = {}
    for one in node["inputs"]:
        if "widget" in one:
            found[one["name"]] = next(values)
            if one["name"] == "seed" and node["type"] == "VaceSampleVideo":
                assert next(values) == FIXED
    return found
