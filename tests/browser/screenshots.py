"""Pictures of the graphs for the README: a real ComfyUI runs each of them, a real frontend shows it.

    COMFYUI_PATH=… COMFYUI_PYTHON=… python tests/browser/screenshots.py FRONTEND docs/pictures [name …]

FRONTEND is the folder `static` of a comfyui-frontend-package.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.found import chromium
from browser.server import PACK, Server
from browser.studio import Studio
from browser.timelines import UP, opened
from PIL import Image

GRAPHS = {
    "swap": "VACE Swap Anything",
    "move": "VACE Move Anything",
    "inpaint": "VACE Inpaint",
    "animate": "VACE Animate Anything",
    "reference": "VACE Reference to Video",
}
PLANNED = {
    "length": 257,
    "prompts": "[0-6s] a man walks along the beach | [6s] it rains | [10s, new shot] he sits in a cafe",
    "keyframes": "0=1 -1=2",
    "changes": "1: move +8\n3: seed 9",
}
TIMELINE = "timeline"
VIEW = (3100, 1700)
CORNER = (110, 160)  # pixels of the page that menus cover
ROOM = 24  # pixels around the graph
BEND = (0.04, -0.3)  # parts of the frame
WIDEST = 1600  # pixels of a file
MOST = 200_000  # bytes of a file

# The note is left out: in a picture of this size nobody can read it.
BOUNDS = """() => {
  const nodes = app.graph._nodes.map((node) => [...node.getBounding()]);
  const boxes = nodes.concat(app.graph._groups.map((group) => [...group._bounding]));
  const [left, top] = [0, 1].map((side) => Math.min(...boxes.map((box) => box[side])));
  const [right, low] = [0, 1].map((side) => Math.max(...boxes.map((box) => box[side] + box[side + 2])));
  return [left, top, right - left, low - top];
}"""
WITHOUT_NOTE = """() => {
  for (const node of [...app.graph._nodes]) if (node.type === 'MarkdownNote') app.graph.remove(node);
}"""
# As a video looks that plays: without its buttons, and not at its start.
PLAYED = """() => Promise.all([...document.querySelectorAll('video')].map((video) => new Promise((done) => {
  video.controls = false;
  video.pause();
  video.addEventListener('seeked', done, { once: true });
  video.currentTime = 0.6 * video.duration;
})))"""
EDITOR = "() => [...app.graph._nodes.find(({ type }) => type === 'VaceMoveAnything').pos]"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("frontend", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True, parents=True)
    server = Server(Path(os.environ["COMFYUI_PATH"]), frontend=options.frontend)
    studio = Studio(server, chromium(), nodes_2=False, view=VIEW)
    try:
        names = options.names or [*GRAPHS, TIMELINE]
        if TIMELINE in names:
            save(timeline(studio), options.folder / f"{TIMELINE}.webp")
        for done, name in enumerate((one for one in names if one != TIMELINE), start=1):
            run(server, studio, GRAPHS[name], done)
            save(shot(studio), options.folder / f"{name}.webp")
            if name == "move":
                save(editor(studio), options.folder / "editor.webp")
    finally:
        studio.close()
        server.close()


def run(server: Server, studio: Studio, title: str, done: int) -> None:
    studio.load(json.loads((PACK / "workflows" / f"{title}.json").read_text()))
    studio.press("Escape")
    studio.press("Control+Enter")
    server.finished(count=done)
    studio.page.evaluate(WITHOUT_NOTE)
    studio.page.wait_for_timeout(4000)  # pictures and videos arrive


def shot(studio: Studio) -> bytes:
    """The whole graph, as large as it fits."""
    left, top, width, height = studio.page.evaluate(BOUNDS)
    free = (VIEW[0] - CORNER[0] - 2 * ROOM, VIEW[1] - CORNER[1] - 2 * ROOM)
    scale = min(free[0] / width, free[1] / height, 1)
    studio.look_at(scale, (CORNER[0] + ROOM) / scale - left, (CORNER[1] + ROOM) / scale - top)
    studio.page.mouse.move(5, VIEW[1] - 5)
    studio.page.evaluate(PLAYED)
    studio.page.wait_for_timeout(1500)
    area = {"width": width * scale + 2 * ROOM, "height": height * scale + 2 * ROOM}
    return studio.page.screenshot(clip={"x": CORNER[0], "y": CORNER[1], **area})


def editor(studio: Studio) -> bytes:
    """The editor alone, in the middle of a path that was bent by hand."""
    (found,) = studio.editors()
    x, y = studio.page.evaluate(EDITOR)
    studio.look_at(1.6, CORNER[0] - x, CORNER[1] / 1.6 - y)
    x, y, *_ = found.outlines()[0]
    found.click(x, y)
    found.scrub(0.5)
    x, y, *_ = found.outlines()[0]
    found.drag((x, y), (x + BEND[0], y + BEND[1]))
    found.press("Smooth")
    studio.page.mouse.move(5, 5)
    studio.page.wait_for_timeout(1000)
    return found.element.screenshot()


def timeline(studio: Studio) -> bytes:
    """The time line of a plan alone, its first border under the pointer."""
    found = opened(studio)
    found.set(**PLANNED)
    studio.look_at(1.6, 0, UP)
    studio.page.wait_for_timeout(3000)
    studio.page.mouse.move(*found.grip(1))
    studio.page.wait_for_timeout(1000)
    return found.element.screenshot()


def save(data: bytes, path: Path) -> None:
    """As a WebP, as good as its size allows."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    for quality in range(92, 40, -4):
        kept = io.BytesIO()
        picture.save(kept, "WEBP", quality=quality, method=6)
        if kept.tell() <= MOST:
            break
    path.write_bytes(kept.getvalue())
    print(path, picture.size, f"{kept.tell():,} bytes, quality {quality}")


if __name__ == "__main__":
    main()
