"""Paths outlive everything that happens to a node, and texts that cannot be drawn are kept to the letter."""

from __future__ import annotations

import json

import pytest
from browser.desk import opened
from browser.studio import BOX, CENTRE, EMPTY, LAYOUT, keys, near, paths, value


def test_saving_and_loading_changes_nothing(studio, editor):
    editor.drag(*BOX)
    editor.scrub(1)
    editor.drag(CENTRE, (0.7, 0.5))
    before, prompt, saved = value(studio), studio.prompt(), studio.saved()
    studio.load(saved)
    (again,) = studio.editors()
    assert value(studio) == before
    assert studio.prompt() == prompt
    assert next(iter(prompt.values()))["inputs"]["paths"] == before
    assert near(again, [(0, *again.outlines()[0])], [(0, *CENTRE, 0.2, 0.4)])


def test_a_copied_node_has_the_same_paths_and_its_own_editor(studio, editor):
    editor.drag(*BOX)
    before = value(studio)
    studio.page.evaluate("""() => {
      const node = app.graph._nodes[0];
      app.canvas.selectNode(node);
      app.canvas.copyToClipboard();
      app.canvas.pasteFromClipboard();
      app.graph._nodes[1].pos = [940, 60];
      app.canvas.setDirty(true, true);
    }""")
    first, second = studio.editors()
    assert studio.values() == [before, before]
    second.drag((0.5, 0.6), (0.8, 0.9))
    assert studio.values()[0] == before
    assert [len(paths(text)) for text in studio.values()] == [1, 2]
    assert (len(first.outlines()), len(second.outlines())) == (1, 2)


def test_bypass_and_collapse_keep_the_paths(studio, editor):
    editor.drag(*BOX)
    before = value(studio)
    change = "(mode) => { app.graph._nodes[0].mode = mode; app.graph._nodes[0].collapse(); app.canvas.setDirty(true); }"
    for mode in (4, 0):
        studio.page.evaluate(change, mode)
        studio.settle()
        assert value(studio) == before
    assert studio.saved()["nodes"][0]["widgets_values"][0] == before
    assert len(studio.editors()[0].outlines()) == 1


def test_a_subgraph_keeps_the_paths(studio, editor):
    editor.drag(*BOX)
    before = value(studio)
    studio.page.evaluate("""() => {
      app.canvas.selectNode(app.graph._nodes[0]);
      app.graph.convertToSubgraph(app.canvas.selectedItems);
      app.canvas.setDirty(true, true);
    }""")
    studio.settle()
    assert studio.values() == [before]
    saved = studio.saved()
    studio.load(saved)
    assert studio.values() == [before]
    assert [node["inputs"].get("paths") for node in studio.prompt().values()] == [before]
    studio.page.evaluate("() => app.canvas.openSubgraph(app.graph._nodes[0].subgraph, app.graph._nodes[0])")
    (inner,) = studio.editors()
    assert len(inner.outlines()) == 1
    studio.page.evaluate("() => app.canvas.setGraph(app.rootGraph ?? app.graph.rootGraph)")
    studio.settle()
    studio.page.evaluate("() => app.graph.unpackSubgraph(app.graph._nodes[0])")
    studio.settle()
    assert studio.values() == [before]
    assert len(studio.editors()[0].outlines()) == 1


def test_a_subgraph_that_offers_the_paths_has_an_editor(studio, editor):
    editor.drag(*BOX)
    studio.page.evaluate("""() => {
      app.canvas.selectNode(app.graph._nodes[0]);
      app.graph.convertToSubgraph(app.canvas.selectedItems);
    }""")
    studio.settle()
    saved = studio.saved()
    (host,), (inner,) = saved["nodes"], saved["definitions"]["subgraphs"][0]["nodes"]
    host["properties"]["proxyWidgets"] = [[str(inner["id"]), "paths"], [str(inner["id"]), "length"]]
    host["pos"] = [420, 60]
    studio.load(saved)
    if not studio.editors():
        pytest.skip("this frontend offers no widgets of a subgraph in this way")
    (outer,) = studio.editors()
    outer.drag((0.5, 0.5), (0.8, 0.8))
    (given,) = (node["inputs"]["paths"] for node in studio.prompt().values())
    assert near(outer, [keys(path)[0] for path in paths(given)], [(0, *CENTRE, 0.2, 0.4), (0, 0.65, 0.65, 0.3, 0.3)])
    studio.load(studio.saved())
    assert [node["inputs"]["paths"] for node in studio.prompt().values()] == [given]
    assert len(studio.editors()[0].outlines()) == 2


def test_the_graphs_own_undo_takes_an_edit_back(studio, editor):
    studio.page.wait_for_timeout(1000)
    editor.drag(*BOX)
    assert value(studio) != "[]"
    studio.page.mouse.click(1500, 900)
    studio.press("Control+z")
    studio.page.wait_for_timeout(1500)
    assert studio.values() in (["[]"], [])
    if studio.values():
        assert studio.editors()[0].outlines() == []


COUNT_AT_WORK = """() => {
  window.looking = new Set();
  window.wheels = new Set();
  const { setInterval, clearInterval } = window;
  window.setInterval = (act, pause, ...more) => {
    const id = setInterval(act, pause, ...more);
    if (/extensions\\/vace/.test(new Error().stack)) looking.add(id);
    return id;
  };
  window.clearInterval = (id) => { looking.delete(id); clearInterval(id); };
  const { addEventListener, removeEventListener } = window;
  window.addEventListener = function (kind, act, how) {
    if (kind === 'wheel' && /extensions\\/vace/.test(new Error().stack)) wheels.add(act);
    return addEventListener.call(this, kind, act, how);
  };
  window.removeEventListener = function (kind, act, how) {
    wheels.delete(act);
    return removeEventListener.call(this, kind, act, how);
  };
}"""
AT_WORK = "() => [looking.size, wheels.size]"
COPY = """() => {
  const [node] = app.graph._nodes;
  node.clone();
  app.canvas.selectNode(node);
  app.canvas.copyToClipboard();
}"""
MAKE_SUBGRAPH = "() => { app.graph.convertToSubgraph(new Set([app.graph._nodes[0]])); }"


@pytest.mark.parametrize("kind", ["VaceLayoutToVideo", "VaceDesk", "VacePlanWindows"])
def test_no_editor_works_for_a_node_that_is_in_no_graph(studio, kind):
    """Copies on their way to the clipboard or into a subgraph, and what a workflow leaves that another one replaces."""
    studio.load(EMPTY)
    studio.page.evaluate(COUNT_AT_WORK)
    studio.open((kind, 420, 60))
    one = [1, int(kind == "VaceDesk")]
    assert studio.page.evaluate(AT_WORK) == one
    studio.page.evaluate(COPY)
    assert studio.page.evaluate(AT_WORK) == one
    studio.page.evaluate(MAKE_SUBGRAPH)
    studio.page.wait_for_timeout(1000)
    assert studio.page.evaluate(AT_WORK) == one
    saved = studio.saved()
    studio.load(saved)
    studio.page.wait_for_timeout(1000)
    assert studio.page.evaluate(AT_WORK) == one
    studio.load(EMPTY)
    studio.page.wait_for_timeout(1000)
    assert studio.page.evaluate(AT_WORK) == [0, 0]


UNDO = "(command) => app.extensionManager.command.execute(command)"
TOLD = "() => app.extensionManager.workflow.activeWorkflow.changeTracker.checkState()"


@pytest.mark.parametrize("of", ["paths", "desk"])
def test_what_is_drawn_after_the_graphs_own_undo_is_kept(studio, of):
    """A new node then has the id of the old one, and Nodes 2.0 goes on showing the editor of that."""
    if of == "desk":
        (editor,) = opened(studio)
        texts = editor.texts
    else:
        (editor,) = studio.open(LAYOUT)
        texts = studio.values
    studio.page.evaluate(TOLD)
    editor.drag(*BOX)
    studio.page.evaluate(TOLD)
    (drawn,) = texts()
    studio.page.evaluate(UNDO, "Comfy.Undo")
    studio.page.evaluate(UNDO, "Comfy.Redo")
    studio.settle()
    assert texts() == [drawn]
    editor.element.locator(".vp-catcher").focus()
    studio.press("n")
    editor.drag((0.5, 0.5), (0.8, 0.9))
    (more,) = texts()
    assert len(json.loads(more)["objects" if of == "desk" else "paths"]) == 2


POINTS = '[{"x": 100, "y": 50}, {"x":400,"y":300.5}]'
CONTENTS = {
    POINTS: "These paths are points from another editor. They are used as they are.",
    f"[{POINTS}, {POINTS}]": "These paths are points from another editor. They are used as they are.",
    '{"version": 2, "paths": 7}': "it is not JSON of box paths, version 1.",
    "[[[": "it is not valid JSON.",
}


@pytest.mark.parametrize("text", CONTENTS)
def test_what_cannot_be_drawn_is_kept_to_the_letter(studio, editor, text):
    editor.set_text(text)
    studio.page.wait_for_timeout(600)
    assert CONTENTS[text] in editor.notice()
    editor.drag(*BOX)
    studio.press("Delete", "Control+z", "ArrowLeft")
    studio.load(studio.saved())
    (editor,) = studio.editors()
    assert value(studio) == text
    editor.element.get_by_text("Start over").click()
    studio.settle()
    assert value(studio) == "[]"
    studio.press("Control+z")
    assert value(studio) == text


def test_valid_text_of_others_is_not_rewritten_until_it_is_edited(studio, editor):
    text = '{ "paths": [{"keys": [{"time":0.123456789, "x":0.5,"y":0.5, "width":0.25,"height":1e-1}]}], "version": 1 }'
    editor.set_text(text)
    studio.page.wait_for_timeout(600)
    assert len(editor.outlines()) == 1
    editor.click(0.5, 0.5)
    editor.scrub(1)
    assert value(studio) == text
    studio.page.mouse.click(*editor.moment(0.123456789))
    editor.drag((0.5, 0.5), (0.6, 0.5))
    assert keys(paths(value(studio))[0])[0][0] == 0.123456789
    studio.press("Control+z")
    assert value(studio) == text


def test_linked_paths_are_left_alone(studio):
    types = (("MakeText", 40, 60), LAYOUT)
    (editor,) = studio.open(*types, links=((0, 1, "paths"),))
    studio.page.wait_for_timeout(600)
    assert editor.notice() == "The paths come from the linked node. Remove the link to draw here."
    editor.drag(*BOX)
    assert studio.values() == ["[]"]
