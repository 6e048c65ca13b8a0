"""No edit of a template is lost: copied, undone, seen again from another tab, taken into a subgraph, reloaded.

Every template in every frontend and mode, on a real ComfyUI. Frontends keep drafts by the name of a workflow, and a
blueprint of the same name once took the place of a draft. So the server offers its own blueprints here, and those of
the pack. Needs a ComfyUI in COMFYUI_PATH (and its Python in COMFYUI_PYTHON) that does so, from 0.3.67 on.
"""

from __future__ import annotations

import json
import os
from itertools import chain, pairwise
from pathlib import Path

import pytest
from browser.found import chromium, frontends, kinds, missing

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("templates need a ComfyUI in COMFYUI_PATH", allow_module_level=True)
if missing() or not frontends():
    pytest.skip(missing() or "needs a comfyui-frontend-package (see COMFYUI_FRONTENDS)", allow_module_level=True)

from browser.server import PACK, Server
from browser.studio import PATIENCE, Editor, Studio

TEMPLATES = sorted((PACK / "workflows").glob("*.json"), key=lambda path: path.stem)
TOGETHER = 12  # tabs that are open when the page is reloaded
ONE_BY_ONE = "1.27.10"  # the page is reloaded after each template: whether other tabs come back is not asked
EVENTS = ("copy", "undo and redo", "other tab", "subgraph", "reload")
ACTION = "(command) => app.extensionManager.command.execute(command)"
VIEW = (1100, 700)

OPEN = "([graph, name]) => app.loadGraphData(graph, true, true, name, { openSource: 'template' })"
TABS = """() => {
  const { openWorkflows, activeWorkflow } = app.extensionManager.workflow;
  return [activeWorkflow.filename, openWorkflows.length];
}"""
# Type, title, place, widgets and wires of every node, those in subgraphs too, or of those with these ids, or of this
# pack alone. Places are from the leftmost and highest of them: a copy and what comes out of a subgraph lie elsewhere as
# a whole. Frontends write nodes of packs that are not there as they were read: wires that changed since are not kept.
SEEN = """(which) => {
  const inside = (graph) =>
    (graph.nodes ?? graph._nodes).flatMap((node) => node.subgraph ? inside(node.subgraph) : [node]);
  const isMeant = ({ id, type }) => !which || (which === 'ours' ? type.startsWith('Vace') : which.includes(id));
  const nodes = inside(app.rootGraph ?? app.graph).filter(isMeant);
  const corner = [0, 1].map((side) => Math.min(...nodes.map(({ pos }) => pos[side])));
  const isKept = ({ serialize, options, value }) =>
    serialize !== false && options?.serialize !== false && Object(value) !== value;
  return nodes.map((node) => ({
    type: node.type,
    title: node.title,
    place: corner.map((from, side) => Math.round(node.pos[side] - from)),
    values: (node.widgets ?? []).filter(isKept).map(({ name, value }) => [name, value]),
    wires: (node.type in LiteGraph.registered_node_types ? node.inputs ?? [] : []).flatMap(({ name }, slot) => {
      const from = node.getInputNode(slot);
      return from && nodes.includes(from) ? [[name, from.title, node.getInputLink(slot).origin_slot]] : [];
    }),
  })).map((node) => JSON.stringify(node)).sort();
}"""
# Moves the nth node of ours, gives it another value and another title, as one step to undo.
EDIT = """([n, word]) => {
  const takes = ({ type, value }) => type === 'customtext' || typeof value === 'number';
  const ours = app.graph._nodes.filter(({ type, widgets }) => type.startsWith('Vace') && (widgets ?? []).some(takes));
  const node = ours[n % ours.length];
  const widgets = node.widgets.filter(takes);
  const widget = widgets[n % widgets.length];
  const { value, options: { min = 0, max = 2 ** 31, step2 = 1 } } = widget;
  app.canvas.emitBeforeChange?.();
  node.pos = [node.pos[0] + 31 + n, node.pos[1] + 17];
  node.title = word;
  if (typeof value === 'string') widget.value = `${value} ${word}`;
  else widget.value = value + step2 <= max ? value + step2 : Math.max(value - step2, min);
  widget.callback?.(widget.value, app.canvas, node);
  app.canvas.emitAfterChange?.();
  if (widget.value === value) throw new Error(`${node.type}.${widget.name} kept its value ${value}`);
}"""
EDITS = 3
CHECK = "() => app.extensionManager.workflow.activeWorkflow.changeTracker.checkState()"
FOCUS = """() => {
  const drawnOn = ['VaceDesk', 'VaceLayoutToVideo', 'VaceMoveAnything'];
  const isFed = (one) => one.inputs.some(({ name }, slot) => name === 'paths' && one.isInputConnected(slot));
  const node = app.graph._nodes.find((one) => drawnOn.includes(one.type) && !isFed(one));
  if (node) [app.canvas.ds.scale, app.canvas.ds.offset] = [0.6, [60 - node.pos[0], 120 - node.pos[1]]];
  app.canvas.setDirty(true, true);
  return Boolean(node);
}"""
# The ids of those that a frontend can copy, which leaves out those of packs that are not there, and of their copies.
COPY = """() => {
  const before = new Set(app.graph._nodes);
  const known = app.graph._nodes.filter(({ type }) => type in LiteGraph.registered_node_types);
  app.canvas.deselectAll();
  app.canvas.selectItems(known);
  app.canvas.copyToClipboard();
  app.canvas.pasteFromClipboard();
  return [known, app.graph._nodes.filter((node) => !before.has(node))].map((nodes) => nodes.map(({ id }) => id));
}"""
REMOVE = "(ids) => ids.forEach((id) => app.graph.remove(app.graph.getNodeById(id)))"
INTO_SUBGRAPH = """() => {
  app.canvas.deselectAll();
  app.canvas.selectItems(app.graph._nodes.filter(({ type }) => type.startsWith('Vace')));
  return app.graph.convertToSubgraph(app.canvas.selectedItems).node.id;
}"""
OUT_OF_SUBGRAPH = "(id) => app.graph.unpackSubgraph(app.graph.getNodeById(id))"
READY = "() => window.app?.graph?._nodes.length && window.LiteGraph?.registered_node_types?.VaceMoveAnything"
DRAFT = """(word) => [localStorage, sessionStorage].some((store) =>
  Object.keys(store).some((key) => store.getItem(key).includes(word)))"""


@pytest.fixture(scope="module", params=kinds())
def real(request):
    version, _, mode = request.param.partition(" ")
    server = Server(Path(os.environ["COMFYUI_PATH"]), frontend=frontends()[version])
    nodes_2 = mode != "classic"
    studio = Studio(server, chromium(), nodes_2=nodes_2, name=request.param, view=VIEW, persist=True)
    yield server, studio
    studio.close()
    server.close()


class Hand:
    """Edits templates, and counts the edits before each event and those that were gone after it."""

    def __init__(self, studio: Studio, checked: dict[str, int], lost: dict[str, int]) -> None:
        self.studio, self.page = studio, studio.page
        self.checked, self.lost = checked, lost
        self.left: dict[str, tuple[list[str], int]] = {}
        """What each tab showed when it was left, and how many edits were the last."""
        self.gone: list[tuple[str, str, list[str]]] = []

    def see(self, which: list[int] | str | None = None) -> list[str]:
        return self.page.evaluate(SEEN, which)

    def do(self, command: str) -> None:
        self.page.evaluate(ACTION, command)

    def check(self, event: str, edits: int, wanted: list[str], found: list[str]) -> None:
        self.checked[event] += edits
        if found != wanted:
            self.lost[event] += edits
            self.gone.append((event, self.name, [*set(wanted) - set(found), "but", *set(found) - set(wanted)]))

    def edit(self, event: str) -> tuple[list[list[str]], int]:
        """What there is before edits, after three of them, and after another by mouse, where one can draw; how many."""
        number = EVENTS.index(event)
        seen = [self.see()]
        self.page.evaluate(EDIT, [number, f"{event}, {self.name}"])
        self.page.evaluate(CHECK)
        seen.append(self.see())
        if self.page.evaluate(FOCUS):
            self.studio.settle()
            editor = Editor(self.studio, self.page.locator(".vace-paths:visible").first)
            editor.element.locator(".vp-catcher").focus()
            if editor.outlines():
                self.studio.press("n")
            editor.drag((0.1 + 0.15 * number, 0.2), (0.2 + 0.15 * number, 0.6))
            self.page.evaluate(CHECK)
            seen.append(self.see())
        assert all(before != after for before, after in pairwise(seen))
        return seen, EDITS + len(seen) - 2

    def work_on(self, path: Path) -> None:
        self.name = path.stem
        self.page.evaluate(OPEN, [json.loads(path.read_text()), path.stem])
        self.page.wait_for_timeout(100)
        self.page.keyboard.press("Escape")
        self.copy(*self.edit("copy"))
        self.undo(*self.edit("undo and redo"))
        self.subgraph(*self.edit("subgraph"))
        self.other_tab(*self.edit("other tab"))
        seen, edits = self.edit("reload")
        # Frontends write drafts half a second after a change.
        self.page.wait_for_function(DRAFT, arg=f"reload, {path.stem}", timeout=PATIENCE)
        self.left[path.stem] = (seen[-1], edits)

    def copy(self, seen: list[list[str]], edits: int) -> None:
        known, new = self.page.evaluate(COPY)
        self.check("copy", edits, self.see(known), self.see(new))
        self.page.evaluate(REMOVE, new)
        self.page.evaluate(CHECK)
        assert self.see() == seen[-1]

    def undo(self, seen: list[list[str]], edits: int) -> None:
        for deed, wanted in (("Undo", reversed(seen[:-1])), ("Redo", seen[1:])):
            found = []
            for _ in seen[1:]:
                self.do(f"Comfy.{deed}")
                found.append(self.see())
            self.check("undo and redo", edits, list(chain(*wanted)), list(chain(*found)))

    def subgraph(self, seen: list[list[str]], edits: int) -> None:
        """There its wires end at the border, and its places are others."""
        parts, ours = ("type", "title", "values"), self.see("ours")
        number = self.page.evaluate(INTO_SUBGRAPH)
        self.check("subgraph", edits, _only(parts, seen[-1]), _only(parts, self.see()))
        self.page.evaluate(OUT_OF_SUBGRAPH, number)
        self.page.evaluate(CHECK)
        parts = (*parts, "wires")
        whole, again = _only(parts, seen[-1]) + ours, _only(parts, self.see()) + self.see("ours")
        self.check("subgraph", edits, whole, again)

    def other_tab(self, seen: list[list[str]], edits: int) -> None:
        self.do("Workspace.PreviousOpenedWorkflow")
        there = self.tab()
        assert there != self.name
        if there in self.left:
            assert self.see() == self.left[there][0]
        self.do("Workspace.NextOpenedWorkflow")
        assert self.tab() == self.name
        self.check("other tab", edits, seen[-1], self.see())

    def reload(self) -> None:
        """Loads the page again, and looks at every tab that was left."""
        self.page.reload(wait_until="domcontentloaded", timeout=PATIENCE)
        self.page.wait_for_function(READY, timeout=PATIENCE)
        self.studio.settle()
        for _ in range(self.page.evaluate(TABS)[1]):
            self.name = self.tab()
            if self.name in self.left:
                seen, edits = self.left.pop(self.name)
                self.check("reload", edits, seen, self.see())
            if self.left:
                self.do("Workspace.PreviousOpenedWorkflow")
        for name, (seen, edits) in self.left.items():
            self.name = name
            self.check("reload", edits, seen, [])
        self.left = {}

    def tab(self) -> str:
        return self.page.evaluate(TABS)[0]


def _only(parts: tuple[str, ...], seen: list[str]) -> list[str]:
    nodes = [json.loads(node) for node in seen]
    return sorted(json.dumps([node[part] for part in parts]) for node in nodes)


@pytest.mark.parametrize("first", range(0, len(TEMPLATES), TOGETHER))
def test_no_edit_of_a_template_is_lost(real, record, first):
    _, studio = real
    templates = TEMPLATES[first : first + TOGETHER]
    counted = {"templates": 0, "checked": dict.fromkeys(EVENTS, 0), "lost": dict.fromkeys(EVENTS, 0)}
    parts = record(studio.name).setdefault("template edits", {})
    parts[f"{templates[0].stem} to {templates[-1].stem}"] = counted
    hand = Hand(studio, counted["checked"], counted["lost"])
    for path in templates:
        hand.work_on(path)
        counted["templates"] += 1
        if studio.name.startswith(ONE_BY_ONE) or path is templates[-1]:
            hand.reload()
    assert hand.gone == []


def test_the_server_offers_the_blueprints(real):
    server, _ = real
    offered = {one["name"] for one in server.get("/global_subgraphs").values()}
    assert {path.stem for path in (PACK / "subgraphs").glob("*.json")} <= offered
