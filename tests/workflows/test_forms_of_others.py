"""Nodes of ComfyUI and of other packs are used as they really are: their inputs, outputs and choices.

What they say of themselves is kept beside the checkout, as two answers of /object_info; without them these tests skip.
"""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from tools.workflows.core_nodes import CORE
from tools.workflows.forms import ROOT, from_info, pack_forms
from tools.workflows.graph_json import Graph, Link, prompt_inputs
from tools.workflows.other_packs import NEWER_CORE, PACK_NODES
from tools.workflows.shipped import WITH_FILES, WITH_NEWER_CORE, WITH_PACKS, at_once

SAID = ROOT.parent / "shared" / "data"
OLD, NEW = "object_info_with_packs.json", "object_info_033.json"
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
CHAINS = [
    *((make(), NEW) for make in WITH_NEWER_CORE),
    *((make(), OLD) for make in WITH_PACKS),
    *((make(), said) for make in WITH_FILES for said in (OLD, NEW)),
    *((graph, said) for graph in at_once() for said in (OLD, NEW)),
]


@cache
def infos(name):
    path = SAID / name
    if not path.is_file():
        pytest.skip(f"needs {name}")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("node_id", [*CORE, *PACK_NODES])
def test_a_form_is_that_of_the_real_node(node_id):
    """Order matters: graphs keep widgets by their place."""
    ours = {**CORE, **PACK_NODES}[node_id]
    real = from_info(infos(OLD)[node_id])
    shown = [(one.name, one.kind, one.socket, one.optional, one.tall, one.seeds) for one in ours.inputs]
    assert shown == [(one.name, one.kind, one.socket, one.optional, one.tall, one.seeds) for one in real.inputs]
    assert ours.outputs == real.outputs


@pytest.mark.parametrize("node_id", NEWER_CORE)
def test_a_form_is_that_of_the_newer_core(node_id):
    """Dynamic choices bring further inputs with them, named after a dot."""
    ours, info = NEWER_CORE[node_id], infos(NEW)[node_id]
    real = {one.name: one for one in from_info(info).inputs}
    assert [one.name for one in ours.inputs if "." not in one.name] == list(real)
    for one in ours.inputs:
        if "." in one.name:
            assert one.kind == _chosen(info, one.name, ours)[0]
        else:
            assert (one.kind, one.optional) == (real[one.name].kind, real[one.name].optional)
    assert list(ours.outputs) == list(zip(info["output_name"], info["output"], strict=True))


@pytest.mark.parametrize(("graph", "said"), CHAINS, ids=lambda one: getattr(one, "title", one))
def test_a_chain_fits_together(graph: Graph, said):
    real = infos(said)
    for node in graph.nodes:
        node_id = node.form.node_id
        if node_id in pack_forms() or node.mode:
            continue
        assert node_id in real, f"{node_id} is in no pack"
        inputs = prompt_inputs(node)
        for name, spec in _inputs(real[node_id], node).items():
            kind, options = _kind(spec)
            value = node.values.get(name)
            if isinstance(value, Link):
                name_of, came = real_output(real, value)
                assert fits(came, kind), f"{name_of} gives {came}, {node_id}.{name} takes {kind}"
            elif name in inputs and kind == "COMBO" and options and not _is_file(inputs[name]):
                assert inputs[name] in options, f"{node_id}.{name}"
        missing = [name for name in _inputs(real[node_id], node, optional=False) if name not in inputs]
        # What a newer version asks for as well has a default.
        assert all(len(_inputs(real[node_id], node)[name]) > 1 for name in missing), missing


def real_output(real, link: Link):
    form = link.node.form
    name, kind = form.outputs[link.slot]
    if form.node_id in real:
        kind = real[form.node_id]["output"][link.slot]
    return f"{form.node_id}.{name}", kind


def fits(came: str, wanted: str) -> bool:
    return "*" in (came, wanted) or bool(set(came.split(",")) & set(wanted.split(",")))


def _inputs(info, node, *, optional: bool = True):
    groups = ("required", "optional") if optional else ("required",)
    found = {name: spec for group in groups for name, spec in info["input"].get(group, {}).items()}
    for name, spec in list(found.items()):
        if spec[0] == DYNAMIC and node.value(name) not in (None, ""):
            key = node.value(name)
            option = next((one for one in spec[1]["options"] if one["key"] == key), None)
            assert option is not None, f"{name}: no choice {key}"
            for inner, said in option["inputs"].get("required", {}).items():
                found[f"{name}.{inner}"] = said
    return found


def _chosen(info, name, form):
    outer, inner = name.split(".")
    spec = next(group[outer] for group in info["input"].values() if outer in group)
    default = next(one.default for one in form.inputs if one.name == outer)
    option = next(one for one in spec[1]["options"] if one["key"] == default)
    return option["inputs"]["required"][inner]


def _kind(spec):
    if isinstance(spec[0], list):
        return "COMBO", spec[0]
    return spec[0], spec[1].get("options", []) if len(spec) > 1 else []


def _is_file(value) -> bool:
    """Files of the one who runs it are in nobody else's list."""
    return bool(re.search(r"\.(mp4|png|safetensors)$", str(value)))
