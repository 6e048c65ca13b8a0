"""Unsaved work outlives a reload of the page: every template, edited, in every frontend, on a real ComfyUI.

Frontends keep drafts by the name of a workflow, and a blueprint of the same name once took the place of a draft. So
the server offers its own blueprints here, the pack's among them. Needs a ComfyUI in COMFYUI_PATH (and its Python in
COMFYUI_PYTHON) that serves blueprints of packs, from 0.3.67 on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from browser.found import chromium, frontends, missing

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("a reload needs a ComfyUI in COMFYUI_PATH", allow_module_level=True)
if missing() or not frontends():
    pytest.skip(missing() or "needs a comfyui-frontend-package (see COMFYUI_FRONTENDS)", allow_module_level=True)

from browser.server import PACK, Server
from browser.studio import Studio

TEMPLATES = sorted((PACK / "workflows").glob("*.json"), key=lambda path: path.stem)
OPEN = "([graph, name]) => app.loadGraphData(graph, true, true, name, { openSource: 'template' })"
EDIT = """(title) => {
  const node = app.graph._nodes.find(({ type }) => type.startsWith('Vace'));
  app.canvas.emitBeforeChange?.();
  node.pos = [node.pos[0] - 123, node.pos[1] - 45];
  node.title = title;
  app.canvas.emitAfterChange?.();
  app.extensionManager.workflow.activeWorkflow.changeTracker.checkState();
}"""
NOW = """() => app.graph._nodes.map(({ id, type, title, pos }) => [String(id), type, title, [...pos].map(Math.round)])
  .sort((one, other) => one[0].localeCompare(other[0]))"""
PATIENCE = 30  # seconds
READY = "() => window.app?.graph && window.LiteGraph?.registered_node_types?.VaceMoveAnything"
DRAFT = """(title) => [localStorage, sessionStorage].some((store) =>
  Object.keys(store).some((key) => store.getItem(key).includes(title)))"""


@pytest.fixture(scope="module", params=sorted(frontends()))
def real(request):
    server = Server(Path(os.environ["COMFYUI_PATH"]), frontend=frontends()[request.param])
    studio = Studio(server, chromium(), nodes_2=False, name=request.param, persist=True)
    yield server, studio
    studio.close()
    server.close()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_an_edited_template_is_there_after_a_reload(real, record, path):
    _, studio = real
    studio.page.evaluate(OPEN, [json.loads(path.read_text()), path.stem])
    studio.settle()
    title = f"edited {path.stem}"
    studio.page.evaluate(EDIT, title)
    studio.page.wait_for_function(DRAFT, arg=title)  # frontends write drafts half a second after a change
    before = studio.page.evaluate(NOW)
    studio.page.reload(wait_until="domcontentloaded")
    studio.page.wait_for_function(READY)
    counted = record(studio.name).setdefault("reloads", {"templates": 0, "lost": 0})
    after = _once_there(studio)
    counted["templates"] += 1
    counted["lost"] += after != before
    assert after == before


def test_the_server_offers_the_blueprints(real):
    server, _ = real
    offered = {one["name"] for one in server.get("/global_subgraphs").values()}
    assert {path.stem for path in (PACK / "subgraphs").glob("*.json")} <= offered


def _once_there(studio: Studio) -> list:
    """The graph after a reload, which frontends put back some time after the page is ready."""
    for _ in range(PATIENCE):
        if found := studio.page.evaluate(NOW):
            break
        studio.page.wait_for_timeout(1000)
    studio.settle()
    return studio.page.evaluate(NOW) if found else found
