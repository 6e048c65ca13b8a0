"""What a node says of its work stands in the node, all of it, and goes into no file."""

from __future__ import annotations

from browser.studio import LAYOUT, MOVE

SAID = (
    "image: 640 x 360 becomes 832 x 464, the middle of it.\n"
    "A long sentence about the mask breaks into several lines here, where the node ends."
)
TELL = "([index, text]) => app.graph._nodes[index].onExecuted?.({ text: [text] })"
BOUNDS = """() => {
  const [{ pos, size }] = app.graph._nodes;
  const { left, top } = app.canvas.canvas.getBoundingClientRect();
  return [left + pos[0], top + pos[1], ...size];
}"""
SIZE = "(index) => [...app.graph._nodes[index].size]"


def test_notes_are_shown_whole_and_replaced(studio):
    studio.open(LAYOUT, ("VaceMoveAnything", 940, 60))
    notes = studio.page.locator(".vace-notes:visible")
    assert notes.count() == 0
    before = studio.page.evaluate(SIZE, 0)
    studio.page.evaluate(TELL, [0, SAID])
    studio.settle()
    assert notes.all_inner_texts() == [SAID.replace("\n", "\n\n")]
    assert notes.evaluate("(element) => element.scrollHeight <= element.clientHeight + 1")
    assert studio.page.evaluate(SIZE, 0)[1] > before[1]
    studio.page.evaluate(TELL, [0, "Nothing looks wrong."])
    studio.settle()
    assert notes.all_inner_texts() == ["Nothing looks wrong."]
    assert notes.bounding_box()["height"] < 40
    studio.page.evaluate("() => app.graph._nodes[0].onExecuted({})")
    studio.settle()
    assert notes.all_inner_texts() == ["Nothing looks wrong."]


def test_notes_stand_below_the_widgets_inside_the_node(studio):
    (editor,) = studio.open(MOVE)
    studio.page.evaluate(TELL, [0, SAID])
    studio.settle()
    notes = studio.page.locator(".vace-notes:visible").bounding_box()
    drawn = editor.element.bounding_box()
    x, y, width, height = studio.page.evaluate(BOUNDS)
    assert notes["y"] >= drawn["y"] + drawn["height"]
    assert x <= notes["x"]
    assert notes["x"] + notes["width"] <= x + width + 1
    if not studio.nodes_2:  # there the page decides on the height
        assert notes["y"] + notes["height"] <= y + height + 1


def test_notes_go_into_no_file_and_no_prompt(studio):
    studio.open(MOVE)
    saved, prompt = studio.saved()["nodes"][0]["widgets_values"], studio.prompt()
    studio.page.evaluate(TELL, [0, SAID])
    studio.settle()
    assert studio.saved()["nodes"][0]["widgets_values"] == saved
    assert studio.prompt() == prompt


def test_other_nodes_say_nothing(studio):
    studio.open(("PreviewAny", 60, 60), ("MakeText", 420, 60))
    studio.page.evaluate(TELL, [1, "text of another pack"])
    studio.settle()
    assert studio.page.locator(".vace-notes").count() == 0
    assert studio.trouble() == []
