"""Every shipped workflow opens in every frontend with nothing missing, and sends the prompt that it promises.

The frontends know the pack's own nodes from the pack, the others' from a record of a real ComfyUI (`record_nodes.py`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from browser.found import chromium, frontends, kinds, missing
from browser.record_nodes import RECORDS, types_in, workflows

pytest.importorskip("torch")
PROMPTS = Path(__file__).parents[1] / "workflows" / "prompts"
COMFYUI = {"1.27.10": "0.3.64"}  # the ComfyUI that a frontend came with
NEWEST = "0.33.0"
WITHOUT_TYPE = {"MarkdownNote", "Note", "Reroute", "PrimitiveNode"}  # known to frontends alone

LISTEN = """() => app.registerExtension({
  name: 'Tests.Missing',
  afterConfigureGraph: (missing) => { window.missing = (missing ?? []).map((one) => one.type ?? one); },
})"""
NODES = """() => {
  const all = (graph) => graph.nodes ?? graph._nodes;
  const inside = (graph) => all(graph).flatMap((node) => (node.subgraph ? inside(node.subgraph) : [node]));
  return inside(app.rootGraph ?? app.graph).map(({ type }) => type);
}"""
BOXES = """() => app.graph._nodes.map(({ title, type, pos, size }) => [title || type, ...pos, ...size])"""
TITLE = 30  # pixels above a node's position


def record_of(kind: str) -> dict:
    version = COMFYUI.get(kind.split()[0], NEWEST)
    return json.loads((RECORDS / f"{version}.json").read_text())


@pytest.fixture(scope="module", params=kinds())
def gallery(request):
    """A frontend that knows all nodes of the workflows."""
    if missing() or not frontends():
        pytest.skip(missing() or "browser tests need a comfyui-frontend-package (see COMFYUI_FRONTENDS)")
    from browser.backend import Backend
    from browser.studio import Studio

    from tests.workflows.forms import pack

    version, _, mode = request.param.partition(" ")
    own = {name: {"python_module": "custom_nodes.vace", **info} for name, info in pack().infos.items()}
    backend = Backend(frontends()[version], nodes=record_of(request.param) | own)
    studio = Studio(backend, chromium(), nodes_2=mode != "classic", name=request.param)
    studio.page.evaluate(LISTEN)
    yield studio
    studio.close()
    backend.close()


def test_there_are_workflows():
    assert workflows()


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.stem)
def test_it_opens_whole_and_sends_what_it_promises(gallery, record, path):
    graph = json.loads(path.read_text())
    kinds_used = set(types_in(graph)) - WITHOUT_TYPE
    unknown = {name for name in kinds_used if not name.startswith("Vace")} - set(record_of(gallery.name))
    if unknown and gallery.name.split()[0] in COMFYUI:
        pytest.skip(f"needs a newer ComfyUI for {', '.join(sorted(unknown))}")
    gallery.load(graph)
    known = gallery.page.evaluate("() => Object.keys(LiteGraph.registered_node_types)")
    seen = gallery.page.evaluate(NODES)
    absent = [*gallery.page.evaluate("missing"), *(name for name in seen if name not in known)]
    prompt = gallery.prompt()
    nulls = [number for number, node in prompt.items() if not node["class_type"]]
    promised = json.loads((PROMPTS / path.name).read_text()) if path.parent.name == "workflows" else None
    equal = promised is None or _sent(prompt, promised) == _sent(promised)
    totals = record(gallery.name).setdefault("workflows", {"opened": 0, "missing": 0, "null": 0, "other prompt": 0})
    for name, more in (("opened", 1), ("missing", len(absent)), ("null", len(nulls)), ("other prompt", not equal)):
        totals[name] += int(more)
    assert absent == []
    assert nulls == []
    if promised is not None:
        assert _sent(prompt, promised) == _sent(promised)
    if not gallery.nodes_2 and path.parent.name == "workflows":  # in Nodes 2.0 the page lays nodes out
        assert _overlaps(gallery.page.evaluate(BOXES)) == []
    assert gallery.trouble() == []


def _sent(prompt: dict, promised: dict | None = None) -> dict:
    """What the server computes with; titles are for the eye.

    Of ComfyUI's own nodes only the inputs that were promised: newer versions have more, each with a default.
    """
    sent = {}
    for number, node in prompt.items():
        known = (promised or {}).get(number, node)["inputs"]
        inputs = node["inputs"].items()
        own = node["class_type"].startswith("Vace")
        sent[number] = (node["class_type"], {name: value for name, value in inputs if own or name in known})
    return sent


def _overlaps(boxes: list[list]) -> list[tuple[str, str]]:
    """Titles of nodes that lie over each other, of `[title, x, y, width, height]`."""
    found = []
    for n, (title, x, y, width, height) in enumerate(boxes):
        for other, x2, y2, width2, height2 in boxes[n + 1 :]:
            if x < x2 + width2 and x2 < x + width and y - TITLE < y2 + height2 and y2 - TITLE < y + height:
                found.append((title, other))
    return found
