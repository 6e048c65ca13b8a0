"""What a real ComfyUI offers of the pack: its templates with their pictures, and its blueprints as single nodes.

Needs a ComfyUI in COMFYUI_PATH (and its Python in COMFYUI_PYTHON); it shows the newest frontend of COMFYUI_FRONTENDS.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from pathlib import Path

import pytest
from browser.found import chromium, frontends, kinds, missing
from browser.record_nodes import types_in

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("what ComfyUI offers needs a ComfyUI in COMFYUI_PATH", allow_module_level=True)
if missing() or not frontends():
    pytest.skip(missing() or "needs a comfyui-frontend-package (see COMFYUI_FRONTENDS)", allow_module_level=True)

from browser.server import PACK, Server
from browser.studio import EMPTY, Studio

WORKFLOWS = sorted(path.stem for path in (PACK / "workflows").glob("*.json"))
ORDER = re.findall('^  "(.+)",$', (PACK / "web/js/templates/order.mjs").read_text(encoding="utf-8"), re.MULTILINE)
BLUEPRINTS = sorted((PACK / "subgraphs").glob("*.json"), key=lambda path: path.stem)
NEWEST = kinds()[-1].split()[0]
CARD = "[data-testid^='template-workflow-']"
SHOWN = f"""() => [...document.querySelectorAll("{CARD}")].map((card) => {{
  const picture = card.querySelector('img');
  return [card.dataset.testid.replace('template-workflow-', ''), Boolean(picture?.complete && picture.naturalWidth)];
}})"""
INSIDE = """() => {
  const inside = (graph) => graph.nodes.flatMap((node) => (node.subgraph ? inside(node.subgraph) : [node.type]));
  return app.graph._nodes.map((node) => [node.title, inside(node.subgraph)]);
}"""


@pytest.fixture(scope="module")
def real():
    server = Server(Path(os.environ["COMFYUI_PATH"]), frontend=frontends()[NEWEST])
    studio = Studio(server, chromium(), nodes_2=False)
    yield server, studio
    studio.close()
    server.close()


def test_templates_are_in_the_browser_with_their_pictures(real, record):
    server, studio = real
    studio.load(EMPTY)
    studio.page.evaluate("() => void app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    studio.page.locator("[role=dialog]").get_by_text("vace", exact=True).click()
    cards = studio.page.locator(CARD)
    cards.first.wait_for()
    shown: dict[str, bool] = {}
    for n, _ in enumerate(WORKFLOWS):  # more come when the last is looked at; pictures are there while they are seen
        cards.nth(min(n, cards.count() - 1)).scroll_into_view_if_needed()
        studio.settle()
        for name, has_picture in studio.page.evaluate(SHOWN):
            shown[name] = shown.get(name, False) or has_picture
    record(_named(server))["templates with their pictures"] = sum(shown.values())
    assert sorted(shown) == WORKFLOWS
    assert list(shown) == ORDER
    assert [name for name, has_picture in shown.items() if not has_picture] == []
    studio.page.get_by_test_id("template-workflow-VACE Text to Video").click()
    studio.page.wait_for_function("() => app.graph._nodes.some(({ type }) => type === 'VaceTextToVideo')")
    studio.settle()
    assert studio.complaints() == []


def test_every_blueprint_is_found_and_is_one_node(real, record):
    server, studio = real
    if not _offers_blueprints(server):
        pytest.skip("this ComfyUI serves no blueprints of packs; those from 0.3.67 on do")
    studio.press("Escape")
    for path in BLUEPRINTS:
        promised = sorted(types_in(json.loads(path.read_text())))
        studio.load(EMPTY)
        _search_and_add(studio, path.stem)
        ((title, inside),) = studio.page.evaluate(INSIDE)
        sent = [node["class_type"] for node in studio.prompt().values()]
        assert title == path.stem
        assert sorted(inside) == promised
        assert sorted(sent) == promised
        assert len(studio.editors()) == ("VaceMoveAnything" in inside)
    assert studio.trouble() == []
    record(_named(server))["blueprints found and added"] = len(BLUEPRINTS)


def test_a_saved_graph_keeps_its_blueprint_whatever_the_pack_calls_it_now(real):
    _, studio = real
    path, before = BLUEPRINTS[0], "VACE Control (One Node)"
    graph = json.loads(path.read_text())
    (definition,) = graph["definitions"]["subgraphs"]
    renamed = path.read_text().replace(definition["id"], str(uuid.uuid4())).replace(path.stem, before)
    studio.load(json.loads(renamed))
    ((title, inside),) = studio.page.evaluate(INSIDE)
    assert title == before
    assert sorted(inside) == sorted(types_in(graph))
    assert sorted(node["class_type"] for node in studio.prompt().values()) == sorted(types_in(graph))


def _search_and_add(studio: Studio, name: str) -> None:
    """As a hand does it: double-click, type, take the entry of that name, click where it should be."""
    studio.page.mouse.dblclick(800, 500)
    studio.page.get_by_role("option").first.wait_for()
    studio.page.keyboard.type(name)
    studio.page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{re.escape(name)}\s*Blueprint")).click()
    studio.page.mouse.move(820, 420)
    studio.page.mouse.click(820, 420)
    studio.page.wait_for_function("() => app.graph._nodes.length === 1")
    studio.settle()


def _offers_blueprints(server: Server) -> bool:
    try:
        return any(one["info"]["node_pack"].endswith("vace") for one in server.get("/global_subgraphs").values())
    except OSError:  # 404
        return False


def _named(server: Server) -> str:
    return f"ComfyUI {server.get('/system_stats')['system']['comfyui_version']}"
