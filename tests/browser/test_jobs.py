"""Several jobs, several workflows: what a job shows stands where it belongs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from browser.desk import Desk, opened
from browser.studio import LAYOUT, MOVE, Studio
from browser.test_errors import hear

SHOWN = {"vace_picture": [{"filename": "fitted.png", "subfolder": "", "type": "temp"}], "text": ["A note."]}
CHOOSE = "(name) => { app.graph._nodes[0].widgets[0].value = name; }"
MOVED = """() => {
  const { changeTracker } = app.extensionManager.workflow.activeWorkflow;
  const tell = () => (changeTracker.captureCanvasState ?? changeTracker.checkState).call(changeTracker);
  tell();
  app.graph._nodes[1].pos = [260, 430];
  tell();
}"""
COMMAND = "(command) => app.extensionManager.command.execute(command)"
OPEN = "() => app.extensionManager.workflow.activeWorkflow.path"


def started(studio: Studio) -> tuple[str, str]:
    """A job that was queued for scene.png and begins: its id, and that of the node with the editor."""
    links = ((0, 1, "image"), (1, 2, "image"), (2, 3, "source"))
    studio.open(("LoadImage", 20, 60), ("ImageScale", 240, 400), MOVE, ("PreviewAny", 1000, 60), links=links)
    picture(studio, "scene.png")
    node = str(studio.page.evaluate("() => app.graph._nodes[2].id"))
    with studio.page.expect_response("**/api/prompt") as told:
        studio.page.evaluate("() => app.queuePrompt(0)")
    studio.settle()
    job = told.value.json()["prompt_id"]
    hear(studio, "execution_start", prompt_id=job)
    return job, node


def picture(studio: Studio, name: str) -> None:
    """Waits until the editor has that picture behind its boxes."""
    studio.page.locator(f".vace-paths:visible .vp-backdrop img[src*='{name}']").wait_for()


def notes(studio: Studio) -> list[str]:
    return studio.page.locator(".vace-notes:visible").all_inner_texts()


def test_what_a_job_shows_is_of_the_file_that_it_was_queued_with(studio):
    job, node = started(studio)
    studio.page.evaluate(CHOOSE, "tall.png")
    picture(studio, "tall.png")
    hear(studio, "executed", prompt_id=job, node=node, display_node=node, output=SHOWN)
    studio.page.wait_for_timeout(900)
    picture(studio, "tall.png")
    studio.page.evaluate(CHOOSE, "scene.png")
    picture(studio, "fitted.png")


def test_another_file_is_shown_after_the_graphs_own_undo_too(studio):
    job, node = started(studio)
    hear(studio, "executed", prompt_id=job, node=node, display_node=node, output=SHOWN)
    picture(studio, "fitted.png")
    studio.page.evaluate(CHOOSE, "tall.png")
    picture(studio, "tall.png")
    studio.page.evaluate(MOVED)
    studio.page.evaluate(COMMAND, "Comfy.Undo")
    studio.page.wait_for_timeout(1500)
    picture(studio, "tall.png")


def test_what_a_job_says_stands_in_the_workflow_that_it_was_queued_from(studio):
    job, node = started(studio)
    own = studio.page.evaluate(OPEN)
    studio.page.evaluate(COMMAND, "Comfy.DuplicateWorkflow")
    studio.page.wait_for_timeout(1500)
    assert studio.page.evaluate(OPEN) != own
    hear(studio, "executed", prompt_id=job, node=node, display_node=node, output=SHOWN)
    error = {"exception_message": "It stopped.", "exception_type": "InputError", "current_outputs": []}
    nothing: dict[str, Any] = {"executed": [], "traceback": [], "current_inputs": {}}
    hear(studio, "execution_error", prompt_id=job, node_id=node, node_type=MOVE[0], **error, **nothing)
    studio.press("Escape")
    studio.page.wait_for_timeout(900)
    picture(studio, "scene.png")
    assert notes(studio) == []
    studio.page.evaluate(COMMAND, "Workspace.PreviousOpenedWorkflow")
    studio.page.wait_for_function(f"(path) => ({OPEN})() === path", arg=own)
    picture(studio, "fitted.png")
    studio.page.locator(".vace-notes:not(.vace-error):visible", has_text="A note.").wait_for()
    studio.page.locator(".vace-error:visible", has_text="It stopped.").wait_for()
    assert sorted(notes(studio)) == ["A note.", "It stopped."]
    assert studio.trouble() == []


def test_the_frame_is_as_large_and_long_as_what_is_linked(studio):
    types = (("PrimitiveInt", 20, 60), ("PrimitiveInt", 20, 260), LAYOUT)
    (editor,) = studio.open(*types, links=((0, 2, "width"), (1, 2, "length")))
    studio.page.evaluate("() => { [240, 9].forEach((value, i) => (app.graph._nodes[i].widgets[0].value = value)); }")
    editor.element.locator(".vp-flag", has_text="1 / 9").wait_for()
    studio.settle()
    across, down = editor.pixels()
    assert across / down == pytest.approx(240 / 480, rel=0.02)


def test_what_is_done_to_an_object_while_the_server_looks_for_its_outline_stays(studio):
    desk: Desk = opened(studio)[0]
    desk.drag((0.1, 0.2), (0.3, 0.6))
    asked: list[Any] = []
    studio.page.route("**/vace/desk/select", lambda route: asked.append(route))
    try:
        studio.press("p")
        desk.click(0.2, 0.4)
        desk.act("generate")
        (route,) = asked
        route.continue_()
        desk.element.locator(".vd-shaped").first.wait_for(state="attached")
    finally:
        studio.page.unroute("**/vace/desk/select")
    (one,) = desk.objects()
    assert [stroke["kind"] for stroke in one["shapes"][0]["strokes"]] == ["lasso"], json.dumps(one)
    assert one["action"] == "generate"
