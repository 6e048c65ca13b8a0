"""The time line of VACE Plan Windows: there before any run, borders moved by mouse, pen and keys, the text is true."""

from __future__ import annotations

import pytest
from browser.timelines import FOCUS, PLAN, Timeline, opened

pytest.importorskip("aiohttp")
from browser.planned import FARTHEST, REFUSED, STOPPED

FRAMES = 161
RAN = """([clip, values]) => app.graph._nodes.find(({ type }) => type === 'VacePlanWindows')
  .onExecuted({ vace_plan: [{ values, clip, model: null }] })"""
EXECUTED = """() => {
  const output = { images: [{ filename: 'plan.png', subfolder: '', type: 'temp' }] };
  for (const { id } of app.graph._nodes) {
    const detail = { node: String(id), display_node: String(id), prompt_id: 'one', output };
    app.api.dispatchEvent(new CustomEvent('executed', { detail }));
  }
  app.graph.setDirtyCanvas(true, true);
}"""
PICTURES = """() => app.graph._nodes.map(({ id, imgs, widgets }) =>
  Boolean(imgs?.length || widgets?.some(({ name }) => name.startsWith('$$'))
    || document.querySelector(`[data-node-id="${id}"] img`)))"""
PEN = """([window, pixels]) => {
  const border = document.querySelector(`.vt-border[data-window='${window}']`);
  const { x, y, width, height } = border.getBoundingClientRect();
  const [fromX, fromY] = [x + width / 2, y + height / 2];
  border.setPointerCapture = () => {};
  const tell = (kind, dx, buttons) => border.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, cancelable: true, pointerId: 7, pointerType: 'pen', pressure: 0.5,
    button: kind === 'pointermove' ? -1 : 0, buttons, clientX: fromX + dx, clientY: fromY,
  }));
  tell('pointerdown', 0, 1);
  tell('pointermove', pixels, 1);
  tell('pointerup', pixels, 0);
}"""
SIZE = "() => [...app.graph._nodes[0].size]"
LOW_EDGE = """() => {
  const [node] = app.graph._nodes;
  return app.canvas.canvas.getBoundingClientRect().top + node.pos[1] + app.canvas.ds.offset[1] + node.size[1];
}"""


START = ["0 53 f", "1 57 f", "2 61 f"]


@pytest.fixture
def timeline(studio) -> Timeline:
    timeline = opened(studio)
    timeline.becomes(START, timeline.windows)
    return timeline


def test_the_plan_is_there_before_any_run_and_follows_the_widgets(studio, timeline):
    assert timeline.summary() == "161 frames at 16 fps, 10.1s · 3 windows"
    assert [timeline.frame(number) for number in (1, 2)] == [53, 105]
    assert timeline.element.locator(".vt-shared").count() == 4
    assert timeline.element.locator(".vt-tick").first.inner_text() == "0s"
    assert timeline.element.locator(".vt-cut").count() == 0
    timeline.set(length=321, overlap=1, prompts="a man walks", keyframes="0=1 -1=2")
    timeline.becomes(["1", "2"], timeline.element.locator(".vt-key").all_inner_texts)  # set last
    assert timeline.element.locator(".vt-stretch").all_inner_texts() == ["a man walks", "he sits down"]
    assert timeline.summary() == "321 frames at 16 fps, 20.1s · 3 windows"
    assert timeline.element.locator(".vt-border.vt-cut").count() == 1
    timeline.element.locator("button", has_text="seconds").click()
    timeline.becomes("50", timeline.element.locator(".vt-tick").nth(1).inner_text)
    assert studio.trouble() == []


def test_all_of_it_lies_in_the_node_at_its_default_size(studio, timeline):
    timeline.set(keyframes="0=1 -1=2")
    timeline.becomes(2, timeline.element.locator(".vt-key").count)
    outer = timeline.element.bounding_box()
    for part in (".vt-head", ".vt-ruler", ".vt-key", ".vt-stretch", ".vt-window", ".vt-words"):
        for one in timeline.element.locator(part).all():
            box = one.bounding_box()
            assert box["width"] > 8
            assert box["height"] >= 14
            assert outer["x"] <= box["x"]
            assert box["x"] + box["width"] <= outer["x"] + outer["width"]
            assert box["y"] + box["height"] <= outer["y"] + outer["height"]
    scroll = timeline.element.locator(".vt-scroll")
    assert scroll.evaluate("(one) => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight + 1")
    width, _ = studio.page.evaluate(SIZE)
    assert (width, outer["width"] < width) == (600, True)
    if not studio.nodes_2:  # there the page decides on the height
        assert outer["y"] + outer["height"] <= studio.page.evaluate(LOW_EDGE) + 1


def test_a_border_is_dragged_by_latent_frames_and_typed_into_changes(studio, timeline):
    timeline.drag(1, timeline.pixels_per_frame(FRAMES) * 9)
    timeline.becomes("1: move +8", timeline.read)
    timeline.becomes(61, timeline.frame, 1)
    assert timeline.words().startswith("Border before window 1: 3.8s")
    timeline.drag(2, -timeline.pixels_per_frame(FRAMES) * 4)
    timeline.becomes("1: move +8\n2: move -4", timeline.read)
    timeline.drag(1, -timeline.pixels_per_frame(FRAMES) * 8)
    timeline.becomes("2: move -4", timeline.read)
    timeline.becomes(53, timeline.frame, 1)


def test_other_changes_of_the_window_stay(studio, timeline):
    timeline.set(changes="2: seed 9\n1: strength 0.5")
    studio.page.wait_for_timeout(1500)
    timeline.drag(2, timeline.pixels_per_frame(FRAMES) * 12)
    timeline.becomes("2: move +12, seed 9\n1: strength 0.5", timeline.read)
    timeline.drag(2, -timeline.pixels_per_frame(FRAMES) * 12)
    timeline.becomes("2: seed 9\n1: strength 0.5", timeline.read)


def test_nothing_is_typed_before_the_border_is_let_go_and_escape_takes_it_back(studio, timeline):
    timeline.drag(1, timeline.pixels_per_frame(FRAMES) * 8, drop=False)
    timeline.becomes(61, timeline.frame, 1)
    assert timeline.read() == ""
    timeline.press("Escape")
    studio.page.mouse.up()
    timeline.becomes(53, timeline.frame, 1)
    studio.page.wait_for_timeout(900)
    assert (timeline.read(), timeline.frame(1)) == ("", 53)


def test_the_graph_undoes_and_does_again(studio, timeline):
    both = "1: move +8\n2: move +4"
    timeline.drag(1, timeline.pixels_per_frame(FRAMES) * 8)
    timeline.becomes("1: move +8", timeline.read)
    timeline.drag(2, timeline.pixels_per_frame(FRAMES) * 4)
    timeline.becomes(both, timeline.read)
    steps = (("z", "1: move +8", 105), ("z", "", 105), ("y", "1: move +8", 105), ("y", both, 109))
    for key, wanted, frame in steps:
        timeline.press(f"Control+{key}")
        timeline.becomes(wanted, timeline.read)
        timeline.becomes(frame, timeline.frame, 2)
        timeline.becomes(61 if "1:" in wanted else 53, timeline.frame, 1)
    assert studio.trouble() == []


def test_the_keyboard_moves_the_border_that_has_the_focus(studio, timeline):
    timeline.border(1).focus()
    timeline.press("ArrowRight", "ArrowRight")
    timeline.becomes("1: move +8", timeline.read)
    assert studio.page.evaluate(FOCUS) == "1"
    timeline.press("Shift+ArrowLeft")
    timeline.becomes("1: move -12", timeline.read)
    timeline.press("Tab")
    assert studio.page.evaluate(FOCUS) == "2"
    timeline.press("ArrowLeft")
    timeline.becomes("1: move -12\n2: move -4", timeline.read)
    timeline.press("Control+z")
    timeline.becomes("1: move -12", timeline.read)
    timeline.becomes(41, timeline.frame, 1)
    border = timeline.border(1)
    assert border.get_attribute("aria-label") == "Border before window 1"
    assert border.get_attribute("aria-valuetext") == "2.6s, moved by -12 frames"


def test_a_pen_drags_too(studio, timeline):
    studio.page.evaluate(PEN, [1, timeline.pixels_per_frame(FRAMES) * 8])
    timeline.becomes("1: move +8", timeline.read)


def test_it_goes_as_far_as_the_library_lets_it_and_says_why(studio, timeline):
    timeline.drag(1, timeline.pixels_per_frame(FRAMES) * 44)
    timeline.becomes(f"1: move +{FARTHEST}", timeline.read)
    timeline.becomes(True, lambda: timeline.words().endswith(STOPPED))
    timeline.set(changes="")
    timeline.becomes(False, lambda: timeline.words().endswith(STOPPED))


def test_what_is_wrong_stands_in_the_node_and_nothing_moves_then(studio, timeline):
    timeline.set(prompts="bad")
    timeline.becomes(REFUSED, timeline.words)
    assert timeline.windows() == START  # as it was, faint
    timeline.drag(1, 40)
    studio.page.wait_for_timeout(900)
    assert timeline.read() == ""
    studio.page.mouse.move(5, 990)
    timeline.set(prompts="")
    timeline.becomes(True, lambda: timeline.words().startswith("Drag a border"))


def test_with_a_unit_the_plan_is_that_of_the_last_run(studio):
    timeline = opened(studio, ("VaceLayoutToVideo", -40, 60), PLAN, links=((0, 1, "vcu"),))
    timeline.becomes("The length comes from the linked VCU: the plan is shown here after a run.", timeline.words)
    studio.page.evaluate(RAN, [[81, 8.0], {}])
    timeline.becomes("81 frames at 8 fps, 10.1s · 3 windows · length of the last run", timeline.summary)
    timeline.drag(1, timeline.pixels_per_frame(81) * 4)
    timeline.becomes("1: move +4", timeline.read)
    timeline.press("Control+z")
    timeline.becomes("", timeline.read)
    timeline.becomes(True, lambda: timeline.summary().startswith("81 frames at 8 fps"))


def test_the_picture_of_a_run_does_not_say_the_plan_a_second_time(studio):
    timeline = opened(studio, PLAN, ("PreviewAny", 1100, 60))
    timeline.becomes(START, timeline.windows)
    before = studio.page.evaluate(SIZE)
    studio.page.evaluate(EXECUTED)
    timeline.becomes([False, True], studio.page.evaluate, PICTURES)
    studio.settle()
    assert studio.page.evaluate(PICTURES) == [False, True]
    assert studio.page.evaluate(SIZE) == before
    assert studio.trouble() == []


def test_it_goes_into_no_file_and_no_prompt(studio, timeline):
    (node,) = studio.saved()["nodes"]
    assert len(node["widgets_values"]) == 11
    (prompt,) = studio.prompt().values()
    assert "plan_timeline" not in prompt["inputs"]


def test_a_closer_look_shows_a_part_and_drags_finer(studio, timeline):
    before = timeline.pixels_per_frame(FRAMES)
    timeline.element.locator("button[aria-label^='Closer']").click()
    timeline.becomes(True, lambda: timeline.pixels_per_frame(FRAMES) > 1.4 * before)
    timeline.drag(1, timeline.pixels_per_frame(FRAMES) * 4)
    timeline.becomes("1: move +4", timeline.read)
