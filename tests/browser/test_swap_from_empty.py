"""A swap on one's own clip from an empty graph: how many nodes and actions it takes, and that the video shows it.

Needs a real ComfyUI in COMFYUI_PATH (and its Python in COMFYUI_PYTHON); it shows the frontend installed with it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("a swap by hand needs a ComfyUI in COMFYUI_PATH", allow_module_level=True)
pytest.importorskip("torch")

from browser.found import chromium, missing
from browser.own_clips import FPS, STAR, circle, write_clips
from browser.server import PACK, Server
from browser.studio import Studio

from vace_core.media.video import from_uint8, read_video
from vace_core.starter.evaluation.objects import coloured, largest

if missing():
    pytest.skip(missing(), allow_module_level=True)

from browser.swapped import MOST_ACTIONS, MOST_NODES, PATIENCE, SCREEN, Hand, numbered, swap


def test_a_swap_from_an_empty_graph(tmp_path, record):
    write_clips(tmp_path, 0)
    server = Server(Path(os.environ["COMFYUI_PATH"]))
    studio = Studio(server, chromium(), nodes_2=False, view=SCREEN)
    try:
        hand = Hand(studio)
        desk = swap(hand, tmp_path / "own.mp4", tmp_path / STAR)
        nodes = hand.nodes
        told = desk.element.locator(".vd-sheet-notes").inner_text()
        (video,) = server.files(server.finished(count=1, patience=PATIENCE))
        film = from_uint8(read_video(video).frames)
        comfyui = server.get("/system_stats")["system"]["comfyui_version"]
    finally:
        studio.close()
        server.close()
    left = coloured(film, "red").float().mean() / coloured(circle(), "red").float().mean()
    measured = {
        "nodes": nodes,
        "actions": len(hand.steps),
        "red that is left": round(float(left), 4),
        "frames with the star": round(float(largest(coloured(film, "blue")).flatten(1).any(1).float().mean()), 4),
    }
    record(f"ComfyUI {comfyui}")["swap from an empty graph"] = measured
    assert measured["nodes"] <= MOST_NODES, measured
    assert measured["actions"] <= MOST_ACTIONS, hand.steps
    assert measured["red that is left"] < 0.03, measured
    assert measured["frames with the star"] == 1.0, measured
    assert f"at {FPS} fps" in told, "what the model gets, before the run, is at the rate of the file"
    assert numbered(hand.steps) in (PACK / "docs" / "desk.md").read_text(encoding="utf-8")
