"""Every shipped workflow opens in every frontend with nothing missing, and sends the prompt that it promises.

The frontends know the pack's own nodes from the pack, the others' from a record of a real ComfyUI (`record_nodes.py`).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
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
BOXES = """(isDrawn) => app.graph._nodes.map((node) => {
  const { title, type, pos, size } = node;
  const drawn = isDrawn && document.querySelector(`[data-node-id="${node.id}"]`);
  return [title || type, ...pos, size[0], drawn ? drawn.offsetHeight - 30 : size[1]];
})"""
TITLE = 30  # pixels above a node's position
NOTE = """() => {
  const guides = /A real model|It needs|Several VACE/;
  const words = [...document.querySelectorAll("[data-node-id] p")].find((one) => guides.test(one.innerText));
  let behind = words;
  while (/, 0\\)$/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  return [words, behind].map((one, n) => {
    const { color, backgroundColor } = getComputedStyle(one);
    return (n ? backgroundColor : color).match(/[\\d.]+/g).slice(0, 3).map(Number);
  });
}"""
LEGIBLE = 4.5  # the contrast that WCAG 2 asks of texts at least
SAY = """([said, usually]) => {
  for (const node of app.graph._nodes) {
    const text = said[node.type] ?? usually;
    if (node.type.startsWith('Vace') && text) node.onExecuted?.({ text: [text] });
  }
}"""
SAID = {
    "VaceChooseModel": "The starter: a teaching model for moving shapes, which ships.\n"
    "It comes with this pack: no file is needed.\n"
    "Sets fit to 64 x 64, 17 frames at 8 fps; 20 steps of unipc, cfg 2, shift 3.\n"
    "17 frames of 64 x 64, device: main memory, 18.58 GiB to use; plan: fits: peak 61.7 MiB of 18.58 GiB (computed).",
    "VaceDecodeVideo": "17 frames of 64 x 64 at 8 fps. 75.8% was kept; largest difference to the source there: 0 of "
    "255.",
    "VaceLoadLora": "No LoRA.",
    **dict.fromkeys(("VaceLoadStarter", "VaceUseNativeModel", "VaceApplyVCU", "VaceComposeVCUs"), ""),
    "VaceSamplingOptions": "No preset, cfg 2 x 10, 1.",
    "VacePreviewVCU": "Nothing looks wrong.",
    "VaceSampleVideo": "20 steps of unipc, shift 3, cfg 2. Negative prompt: none",
}
"""What nodes say after a run of the templates."""
USUALLY = "images: 17 frames of 64 x 64 pixels at 8 fps (2.12 s) go to the model unchanged."
SLEEPING = (2, 4)  # the modes of nodes that do not run
ASKS_FOR_ALL = "1.27.10"  # names the files of sleeping nodes too
ARTISTS_CLIP = ("LoadVideo", "file")
NOISE = "Error fetching file size"  # what 1.27.10 says without a network


def record_of(kind: str) -> dict:
    version = COMFYUI.get(kind.split()[0], NEWEST)
    return json.loads((RECORDS / f"{version}.json").read_text())


@pytest.fixture(scope="module", params=kinds())
def gallery(request):
    """A frontend that knows all nodes of the workflows."""
    if missing() or not frontends():
        pytest.skip(missing() or "browser tests need a comfyui-frontend-package (see COMFYUI_FRONTENDS)")
    from browser.backend import LOADERS, Backend
    from browser.studio import Studio

    version, _, mode = request.param.partition(" ")
    own = {name: {"python_module": "custom_nodes.vace", **info} for name, info in _own_nodes().items()}
    backend = Backend(frontends()[version], nodes=LOADERS | record_of(request.param) | own)
    studio = Studio(backend, chromium(), nodes_2=mode != "classic", name=request.param)
    studio.page.evaluate(LISTEN)
    yield studio
    studio.close()
    backend.close()


def _own_nodes() -> dict:
    """In a thread: the pack is loaded with asyncio, whose loop in this one belongs to the browser."""
    from tools.workflows.forms import pack

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(pack).result().infos


def test_there_are_workflows():
    assert workflows()


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.stem)
def test_it_opens_whole_and_sends_what_it_promises(gallery, record, path):
    graph = json.loads(path.read_text())
    kinds_used = set(types_in(graph)) - WITHOUT_TYPE
    unknown = {name for name in kinds_used if not name.startswith("Vace")} - set(record_of(gallery.name))
    if unknown and gallery.name.split()[0] in COMFYUI:
        pytest.skip(f"needs a newer ComfyUI for {', '.join(sorted(unknown))}")
    gallery.errors.clear()
    gallery.load(graph)
    known = gallery.page.evaluate("() => Object.keys(LiteGraph.registered_node_types)")
    seen = gallery.page.evaluate(NODES)
    absent = [*gallery.page.evaluate("missing"), *(name for name in seen if name not in known)]
    said = [error for error in gallery.errors if NOISE not in error]
    complaints = gallery.complaints()
    gallery.press("Escape")
    prompt = gallery.prompt()
    nulls = [number for number, node in prompt.items() if not node["class_type"]]
    promised = json.loads((PROMPTS / path.name).read_text()) if path.parent.name == "workflows" else None
    equal = promised is None or (not nulls and _sent(prompt, promised) == _sent(promised))
    counted = {
        "opened": 1,
        "missing": len(absent),
        "null": len(nulls),
        "other prompt": not equal,
        "console errors": len(said),
        "files asked for": len(_files(graph, gallery.name)),
    }
    totals = record(gallery.name).setdefault("workflows", dict.fromkeys(counted, 0))
    for name, more in counted.items():
        totals[name] += int(more)
    assert absent == []
    assert nulls == []
    if promised is not None:
        assert _sent(prompt, promised) == _sent(promised)
    if path.parent.name == "workflows":
        assert _overlaps(gallery.page.evaluate(BOXES, gallery.nodes_2)) == []
        assert not gallery.nodes_2 or _contrast(*gallery.page.evaluate(NOTE)) >= LEGIBLE
        gallery.page.evaluate(SAY, [SAID, USUALLY])
        gallery.settle()
        assert gallery.page.locator(".vace-notes:visible").count() > 0
        assert _overlaps(gallery.page.evaluate(BOXES, gallery.nodes_2)) == [], "after a run"
    assert gallery.trouble() == []
    assert said == []
    _only_asks_for(complaints, _files(graph, gallery.name), all_named=gallery.name.startswith(ASKS_FOR_ALL))


def _files(graph: dict, kind: str) -> list[str]:
    """The model files that a frontend is to ask for, on a ComfyUI without any."""
    awake = [node for node in graph["nodes"] if node["mode"] not in SLEEPING or kind.startswith(ASKS_FOR_ALL)]
    return [file["name"] for node in awake for file in node["properties"].get("models", [])]


def _only_asks_for(complaints: list[str], files: list[str], *, all_named: bool) -> None:
    """Nothing lies over the graph but one question for these files, where there are any."""
    if not files:
        assert complaints == []
        return
    dialog, *inside = complaints
    assert [text for text in inside if text not in dialog] == []
    if all_named:
        assert [file for file in files if file not in dialog] == []
    else:
        found = [f"{len(files)} {what} found" for what in ("errors", "issues")]
        found += [f"{file} is missing" for file in files if len(files) == 1]
        assert any(words in dialog for words in found), (dialog, files)


def _sent(prompt: dict, promised: dict | None = None) -> dict:
    """What the server computes with; titles are for the eye.

    Of ComfyUI's own nodes only the inputs that were promised: newer versions have more, each with a default. The clip
    that the artist chooses is none of them.
    """
    sent = {}
    for number, node in prompt.items():
        known = (promised or {}).get(number, node)["inputs"]
        inputs = node["inputs"].items()
        own = node["class_type"].startswith("Vace")
        known = {name for name in known if (node["class_type"], name) != ARTISTS_CLIP}
        sent[number] = (node["class_type"], {name: value for name, value in inputs if own or name in known})
    return sent


def _contrast(*colours: list[float]) -> float:
    """Of two colours of 0..255, as WCAG 2 defines it."""
    linear = [[(c / 3294.6 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in one] for one in colours]
    dark, light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in linear)
    return (light + 0.05) / (dark + 0.05)


def _overlaps(boxes: list[list]) -> list[tuple[str, str]]:
    """Titles of nodes that lie over each other, of `[title, x, y, width, height]`."""
    found = []
    for n, (title, x, y, width, height) in enumerate(boxes):
        for other, x2, y2, width2, height2 in boxes[n + 1 :]:
            if x < x2 + width2 and x2 < x + width and y - TITLE < y2 + height2 and y2 - TITLE < y + height:
                found.append((title, other))
    return found
