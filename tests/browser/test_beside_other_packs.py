"""The pack's scripts beside a second copy of themselves, a rude neighbour, and packs that many have.

OTHER_PACKS names folders of such packs, separated as in PATH; each is served as far as its `web` folder goes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser.found import chromium, frontends, kinds, missing
from browser.studio import BOX, CENTRE, LAYOUT, Studio, keys, near, paths, value

WEB = Path(__file__).parents[2] / "web"
RUDE = """
import { app } from "../../scripts/app.js";
window.make = window.fit = window.attach = () => { throw new Error("mine"); };
const style = document.createElement("style");
style.textContent = "div { box-sizing: content-box } button { min-width: 60px } p { margin: 40px }";
document.head.append(style);
app.registerExtension({
  name: "Rude.Neighbour",
  nodeCreated(node) {
    const before = node.onExecuted;
    node.onExecuted = function (output) { before?.call(this, output); };
    node.addWidget("text", "rude", "", () => {}, { serialize: false });
  },
  beforeRegisterNodeDef(nodeType) {
    const before = nodeType.prototype.onConfigure;
    nodeType.prototype.onConfigure = function (...given) { return before?.apply(this, given); };
  },
});
"""
ROUTES = {  # where packs serve files from in their own way
    "ComfyUI-KJNodes": {"kjweb_async": "kjweb_async"},
    "rgthree-comfy": {"rgthree": "web"},
}
WEBS = {"rgthree-comfy": "web/comfyui"}


def _packs(kind: str, tmp_path: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    if kind == "itself":
        return {"vace": WEB, "vace-copy": WEB}, {}
    if kind == "a rude neighbour":
        (tmp_path / "rude.js").write_text(RUDE)
        return {"aaa": tmp_path, "vace": WEB, "zzz": tmp_path}, {}
    found = [Path(folder) for folder in os.environ.get("OTHER_PACKS", "").split(os.pathsep) if folder]
    if not found:
        pytest.skip("OTHER_PACKS names no packs")
    webs = {folder.name: folder / WEBS.get(folder.name, "web") for folder in found}
    routes = {path: folder / at for folder in found for path, at in ROUTES.get(folder.name, {}).items()}
    return {**webs, "vace": WEB}, routes


@pytest.fixture(params=kinds())
def kind(request):
    if missing() or not frontends():
        pytest.skip(missing() or "browser tests need a comfyui-frontend-package (see COMFYUI_FRONTENDS)")
    return request.param


@pytest.mark.parametrize("others", ["itself", "a rude neighbour", "packs of others"])
def test_no_complaint_of_ours_and_the_editor_works(kind, others, tmp_path, record):
    from browser.backend import Backend

    packs, folders = _packs(others, tmp_path)
    version, _, mode = kind.partition(" ")
    backend = Backend(frontends()[version], packs=packs, folders=folders)
    studio = Studio(backend, chromium(), nodes_2=mode != "classic", name=kind)
    try:
        (editor,) = studio.open(LAYOUT)
        editor.drag(*BOX)
        (path,) = paths(value(studio))
        trouble = studio.trouble()
        record(kind)[f"beside {others}"] = {"packs": sorted(packs), "messages_of_ours": len(trouble)}
        assert trouble == []
        assert near(editor, keys(path), [(0, *CENTRE, 0.2, 0.4)])
        assert len(studio.page.query_selector_all(".vace-paths")) == 1
    finally:
        studio.close()
        backend.close()
