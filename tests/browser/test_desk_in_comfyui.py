"""The desk from the hand to the video: what is drawn with the mouse is the mask, is followed, goes, comes and moves.

Needs a real ComfyUI in COMFYUI_PATH (and its Python in COMFYUI_PYTHON); it shows the frontend installed with it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("the desk's videos need a ComfyUI in COMFYUI_PATH", allow_module_level=True)
pytest.importorskip("torch")

import numpy as np
import torch
from browser.desk import Desk, desks
from browser.found import chromium, missing
from browser.own_clips import BACKGROUND, STAR, WIDE, circle, followed, write_clips
from browser.server import Server
from browser.studio import Studio
from PIL import Image, ImageDraw

from vace_core.inputs.desk.selecting import outlines
from vace_core.media.video import from_uint8, read_video
from vace_core.starter.evaluation.objects import centres_of, coloured, largest

if missing():
    pytest.skip(missing(), allow_module_level=True)

FOLLOWED = 35  # the seed of a clip of the world
MASKS = (("VaceDesk", 420, 60), ("LoadVideo", 40, 60), ("MaskToImage", 1460, 60), ("SaveImage", 1460, 260))
MASK_LINKS = ((1, 0, "clip"), (2, 3, "images"))
SAMPLED = (
    ("VaceDesk", 420, 60),
    ("LoadVideo", 40, 60),
    ("LoadImage", 40, 560),
    ("VaceChooseModel", 1460, 60),
    ("VaceSampleVideo", 1460, 260),
    ("VaceDecodeVideo", 1860, 60),
    ("SaveWEBM", 1860, 360),
)
WIRES = (
    (1, 0, 0, "clip"),
    (2, 0, 0, "pictures"),
    (3, 0, 0, "model"),
    (3, 0, 4, "model"),
    (0, 0, 4, "vcu"),
    (4, 0, 5, "samples"),
    (0, 0, 5, "vcu"),
    (4, 1, 5, "vae"),
    (5, 0, 6, "images"),
    (5, 1, 6, "fps"),
)
"""From node, its output, to node, its input."""
CONNECT = """([from, slot, to, name]) => {
  const [source, target] = [from, to].map((n) => app.graph._nodes[n]);
  source.connect(slot, target, target.inputs.findIndex((input) => input.name === name));
}"""
SET = """([n, name, value]) => {
  const widget = app.graph._nodes[n].widgets.find((one) => one.name === name);
  widget.value = value;
  widget.callback?.(value);
}"""
START, END = (0.28, 0.45), (0.72, 0.45)  # where the circle of the clip goes
HALF = 0.27  # of the box around it
THERE = (0.3, 0.72)
SIDE = 8  # times finer than a pixel is what was drawn
PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def real():
    server = Server(Path(os.environ["COMFYUI_PATH"]))
    write_clips(server.folder / "input", FOLLOWED)
    studio = Studio(server, chromium(), nodes_2=False)
    yield server, studio
    studio.close()
    server.close()


def _opened(studio: Studio, nodes: tuple, wires: tuple, *, shows: bool = True, **values: Any) -> Desk:
    """A graph with the desk in front, once it shows its clip; `values` are those of the nodes after it, in order."""
    studio.open(*nodes)
    for wire in wires:
        studio.page.evaluate(CONNECT, list(wire))
    for name, value in values.items():
        kind, _, widget = name.partition("__")
        number = next(n for n, (type_, *_) in enumerate(nodes) if type_ == kind)
        studio.page.evaluate(SET, [number, widget, value])
    studio.look_at(0.8, -340, 40)
    return desks(studio)[0] if shows else Desk(studio, studio.page.locator(".vace-desk:visible").first)


def _masks(server: Server, studio: Studio) -> np.ndarray:
    """The masks that the desk hands on in a new run, `(N, H, W)`."""
    count = len(server.get("/history")) + 1
    studio.press("Control+Enter")
    files = server.files(server.finished(count=count, patience=PATIENCE))
    return np.stack([np.asarray(Image.open(file).convert("L")) > 127 for file in files])


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def _drawn(size: tuple[int, int], draw: Any) -> np.ndarray:
    """What was drawn, by another library: a pixel is what its middle is."""
    width, height = size
    canvas = Image.new("L", (width * SIDE, height * SIDE))
    draw(ImageDraw.Draw(canvas), lambda x, y: (x * width * SIDE, y * height * SIDE))
    return np.asarray(canvas)[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE] > 127


def test_the_mask_is_what_the_mouse_drew(real, record):
    server, studio = real
    wires = ((1, 0, 0, "clip"), (0, 2, 2, "mask"), (2, 0, 3, "images"))
    desk = _opened(studio, MASKS, wires, LoadVideo__file="wide.mp4", VaceDesk__fit="as it is")
    box = desk.on_pixels((0.1, 0.15), (0.3, 0.5))
    line = desk.on_pixels((0.45, 0.3), (0.6, 0.2), (0.7, 0.35))
    area = desk.on_pixels((0.2, 0.6), (0.5, 0.65), (0.6, 0.9), (0.3, 0.8))
    desk.drag(*box)
    studio.press("Escape", "b")
    studio.page.mouse.move(*desk.place(*line[0]))
    ring = desk.element.locator(".vd-brush").bounding_box()["width"] / desk.pixels()[0]
    desk.line(*line, steps=12)
    desk.press("New object")
    studio.press("l")
    desk.line(*area, steps=12)
    masks = _masks(server, studio).reshape(3, -1, WIDE[1], WIDE[0])
    thick = ring * WIDE[0] * SIDE

    def stroke(pen: ImageDraw.ImageDraw, at: Any) -> None:
        places = [at(*place) for place in line]
        pen.line(places, fill=255, width=round(thick))
        for x, y in places:
            pen.ellipse([x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2], fill=255)

    truths = (
        _drawn(WIDE, lambda pen, at: pen.rectangle([*at(*box[0]), *at(*box[1])], fill=255)),
        _drawn(WIDE, stroke),
        _drawn(WIDE, lambda pen, at: pen.polygon([at(*place) for place in area], fill=255)),
    )
    found = [_overlap(mask, truth) for one, truth in zip(masks, truths, strict=True) for mask in (one[0], one[-1])]
    named = dict(zip(("box", "brush", "lasso"), (round(one, 4) for one in found[::2]), strict=True))
    record(_named(server))["desk, drawn mask against what was drawn, IoU"] = named
    assert min(found) >= 0.98, found


def test_a_tracked_object_is_masked_in_every_frame(real, record):
    server, studio = real
    wires = ((1, 0, 0, "clip"), (0, 2, 2, "mask"), (2, 0, 3, "images"))
    desk = _opened(studio, MASKS, wires, LoadVideo__file="followed.mkv", VaceDesk__fit="as it is")
    truth = followed(FOLLOWED).masks[0, 0].numpy() > 0.5
    outline = max(outlines(truth[0]), key=lambda stroke: len(stroke.points)).points
    studio.press("Tab")
    desk.click(0.97, 0.97)
    studio.press("Control+z", "l")
    desk.line(*outline, outline[0], steps=2)
    desk.track()
    keys = _tracked(studio, desk)
    assert [key.get("tracked", False) for key in keys] == [False] + [True] * 16
    found = [_overlap(mask, seen) for mask, seen in zip(_masks(server, studio), truth, strict=True)]
    record(_named(server))["desk, tracked mask against the truth, mean IoU"] = round(float(np.mean(found)), 4)
    assert np.mean(found) >= 0.8, found


def _tracked(studio: Studio, desk: Desk) -> list[dict[str, Any]]:
    for _ in range(40):
        if len(keys := desk.objects()[0]["keys"]) > 1:
            break
        studio.page.wait_for_timeout(500)
    return keys


@pytest.mark.parametrize("action", ["remove", "replace", "move"])
def test_what_was_said_of_an_object_happens_in_the_video(real, record, action):
    server, studio = real
    desk = _opened(studio, SAMPLED, WIRES, LoadVideo__file="own.mp4", LoadImage__image=STAR, VaceDesk__fit="auto")
    desk.drag((START[0] - HALF, START[1] - HALF), (START[0] + HALF, START[1] + HALF))
    studio.press("End")
    desk.drag(START, END)
    if action == "move":
        desk.act(action)
        studio.press("Home")
        desk.drag(START, START)
        studio.press("End")
        desk.drag(START, THERE)
    desk.act(action)
    words = {"remove": f"an empty {BACKGROUND}", "replace": f"a blue star moves right on a {BACKGROUND}"}
    desk.element.locator(".vd-prompt").fill(words.get(action, f"a red circle moves down on a {BACKGROUND}"))
    film = _film(server, studio)
    red = coloured(film, "red")
    there = centres_of(largest(red))
    measured = {
        "red": round(float(red.float().mean() / coloured(circle(), "red").float().mean()), 4),
        "frames with the star": round(float(largest(coloured(film, "blue")).flatten(1).any(1).float().mean()), 4),
        "last place": [round(float(one), 3) for one in there[-1]],
    }
    record(_named(server))[f"desk, drawn and sampled: {action}"] = measured
    if action == "move":
        assert float((there[-1] - torch.tensor(THERE)).norm()) < 0.1, measured
    else:
        assert measured["red"] < 0.03, measured
        assert (measured["frames with the star"] == 1.0) == (action == "replace"), measured


def _film(server: Server, studio: Studio) -> torch.Tensor:
    count = len(server.get("/history")) + 1
    studio.press("Control+Enter")
    (video,) = server.files(server.finished(count=count, patience=PATIENCE))[-1:]
    return from_uint8(read_video(video).frames)


def _named(server: Server) -> str:
    return f"ComfyUI {server.get('/system_stats')['system']['comfyui_version']}"


KEY = '"x": 0.5, "y": 0.5, "width": 0.2, "height": 0.3'
BOX = f'{{"time": 0, {KEY}}}'
OUTSIDE = BOX.replace('"x": 0.5', '"x": -0.5')
OBJECT = '{{"version": 1, "objects": [{{"action": "{}", "keys": [{}]{}}}]}}'
DRAWN = OBJECT.format("remove", BOX, "")
SHORTER = DRAWN.replace(', "objects"', ', "clip": {"width": 64, "height": 64, "frames": 9}, "objects"')
BAD = {
    "a box outside of the frame": ("wide.mp4", OBJECT.format("remove", OUTSIDE, ""), "outside of the frame"),
    "a path of one point": (
        "wide.mp4",
        OBJECT.format("move", BOX, f', "path": {{"keys": [{BOX}]}}'),
        "cannot be drawn",
    ),
    "a text of another pack": ("wide.mp4", '[{"x": 10, "y": 20}, {"x": 90, "y": 20}]', "cannot be drawn"),
    "a clip that changed": ("wide.mp4", SHORTER, "The clip is another one than was drawn on"),
    "what changes of it for the model": ("wide.mp4", SHORTER, "The drawing was made on a clip of 9 frames"),
    "a video that cannot be read": ("broken.mp4", DRAWN, "broken.mp4"),
    "the same with nothing drawn": ("broken.mp4", "", "broken.mp4"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_told_in_the_node_and_the_drawing_kept(real, case):
    _, studio = real
    file, written, words = BAD[case]
    desk = _opened(studio, MASKS, ((1, 0, 0, "clip"),), shows=False, LoadVideo__file=file, VaceDesk__desk=written)
    desk.element.get_by_text(words).filter(visible=True).first.wait_for()
    desk.drag((0.6, 0.6), (0.8, 0.8))
    studio.press("Control+z")
    assert desk.texts() == [written]


def test_two_desks_in_one_graph_are_two_drawings_with_a_sentence_each(real):
    _, studio = real
    nodes = (("VaceDesk", 420, 60), ("VaceDesk", 440, 1200), ("LoadVideo", 40, 60), ("LoadVideo", 40, 560))
    wires = ((2, 0, 0, "clip"), (3, 0, 1, "clip"))
    first = _opened(studio, nodes, wires, LoadVideo__file="wide.mp4", VaceDesk__desk=DRAWN)
    studio.page.evaluate(SET, [3, "file", "broken.mp4"])
    said = studio.page.locator(".vace-desk", has_text="broken.mp4")
    said.wait_for(state="attached")
    assert said.count() == 1
    first.drag((0.7, 0.6), (0.9, 0.8))
    assert [len(first.objects(node)) for node in (0, 1)] == [2, 0]
