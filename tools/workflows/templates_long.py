"""The workflows of clips that are longer than the model takes in one pass."""

from __future__ import annotations

from typing import Any

from .graph_json import Graph, Link
from .parts import ANY_LENGTH, SAMPLING, example, fit, model_of, note, save, size
from .templates import VIDEO

WINDOWS = {"window": 0, "overlap": 5}


def rerender() -> Graph:
    does = (
        "Generates a long video anew with the outlines of another: window by window, each of which begins with the "
        "last frames of the one before. The memory does not grow with the length."
    )
    own = f"{VIDEO}. The control video (outlines) is computed from it; depth, pose and the others work the same way."
    graph = Graph("VACE Long Re-render", note("Re-render a long video", does, own))
    clip = example(graph, "circle that moves right", length=41)
    task = graph.add(
        "VaceControlVideo",
        "task",
        images=clip["images"],
        fps=clip["fps"],
        kind="scribble",
        **fit(graph, ANY_LENGTH),
        prompt="a cyan circle moves right on a gradient mint background",
    )
    _by_windows(graph, task["vcu"], WINDOWS)
    return graph


def extension() -> Graph:
    does = (
        "Goes on with a clip for as long as you like, with a prompt for each stretch and a hard cut: what is written "
        "before a prompt in VACE Plan Windows says when it begins."
    )
    own = (
        f"{VIDEO}. Set the length of the whole in VACE Extend Video: of a real model more than one window, 161, say, "
        "where a window has 81. Write your prompts into VACE Plan Windows, each with the frame (24f) or second (3s) "
        "before that end at which it begins."
    )
    graph = Graph("VACE Long Extension", note("Extend a clip by prompts", does, own))
    clip = example(graph, "circle that moves right")
    task = graph.add(
        "VaceExtendVideo",
        "task",
        first=clip["images"],
        fps=clip["fps"],
        length=41,
        keep=5,
        **fit(graph, ANY_LENGTH),
        prompt="a red circle moves left on a gradient beige background",
    )
    prompts = (
        "[0-24f] a red circle moves left on a gradient beige background | "
        "[24f, new shot] a blue star moves up on a plain mint background"
    )
    _by_windows(graph, task["vcu"], {**WINDOWS, "prompts": prompts}, before=task["before"])
    return graph


def loop() -> Graph:
    does = "Generates a video whose end leads back to its beginning, so that it can be played for ever."
    own = (
        "Write prompts. What moves away must come back: here a second prompt, from frame 16 on, says so. With a real "
        "model set `length` in VACE Text to Video to more than one window (161, say, where a window has 81), and the "
        "frame in VACE Plan Windows to half of it. A clip of your own loops the same way, with any VACE task and a fit "
        "of any length."
    )
    graph = Graph("VACE Loop", note("Loop", does, own))
    prompt = "a red circle moves right on a gradient beige background"
    task = graph.add("VaceTextToVideo", "task", **{**size(graph), "length": 29}, prompt=prompt)
    prompts = f"[0-16f] {prompt} | [16f] a red circle moves left on a gradient beige background"
    _by_windows(graph, task["vcu"], {"window": 0, "overlap": 1, "prompts": prompts, "loop": True})
    return graph


def _by_windows(graph: Graph, vcu: Link, plan: dict[str, Any], **given: Link) -> None:
    """Preview, plan, the sampler of long videos and the saved video."""
    seen = graph.add("VacePreviewVCU", "look", vcu=vcu, model=model_of(graph)["model"])
    whole = {"vcu": seen["vcu"], "model": seen["model"]}
    planned = graph.add("VacePlanWindows", "plan", **whole, **plan)
    made = graph.add("VaceSampleLongVideo", "sample", **whole, plan=planned["plan"], **SAMPLING, **given)
    save(graph, made)
