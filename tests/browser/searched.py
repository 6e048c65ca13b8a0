"""What artists type into the node search of a real ComfyUI, and at which place the right node is.

    COMFYUI_PATH=… COMFYUI_PYTHON=… python tests/browser/searched.py docs/search.md FRONTEND …

Each FRONTEND is a folder made with `pip install --target`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser.found import PACKAGE, chromium
from browser.server import Server
from browser.studio import EMPTY, Studio

FIRST = 5
WORDS = {
    "r2v": ("Reference to Video", "Reference Anything"),
    "i2v": ("Extend Video", "Move Anything"),
    "motion brush": ("Move Anything", "Desk"),
    "scribble": ("Control Video",),
    "sketch": ("Control Video",),
    "openpose": ("Control Video", "Animate Anything"),
    "start image": ("Extend Video",),
    "first frame": ("Extend Video", "Place Keyframes"),
    "end frame": ("Extend Video",),
    "loop": ("Join Videos", "Plan Windows", "Sample Long Video"),
    "long video": ("Plan Windows", "Sample Long Video", "Extend Video"),
    "optical flow": ("Control Video",),
    "style": ("Stylize Video", "Control Video", "Reference to Video"),
    "background": ("Inpaint Video",),
    "vace strength": ("Strength",),
    "wan vace": ("Model", "Load Model", "Use Native Model", "Build VCU"),
    "inpaint": ("Inpaint Video",),
    "outpaint": ("Outpaint Video",),
    "remove object": ("Desk", "Inpaint Video"),
    "replace": ("Desk", "Swap Anything"),
    "swap face": ("Swap Anything",),
    "mask": ("Compose Masks", "Desk"),
    "track": ("Desk",),
    "depth": ("Control Video",),
    "pose": ("Control Video", "Animate Anything"),
    "canny": ("Control Video",),
    "reference": ("Reference to Video", "Reference Anything", "Stack References"),
    "extend video": ("Extend Video",),
    "preview vcu": ("Preview VCU",),
    "decode": ("Decode Video",),
    "lora": ("Load LoRA",),
    "strength": ("Strength",),
    "timeline": ("Plan Windows", "Place Keyframes", "Desk"),
    "crop": ("Crop Video",),
    "stitch": ("Stitch Video",),
    "join clips": ("Join Videos",),
    "keyframes": ("Place Keyframes",),
    "colorize": ("Control Video",),
    "evaluate": ("Measure Video",),
    "gguf": ("Use Native Model", "Attach Adapter"),
    "box": ("Desk", "Layout to Video", "Compose Masks"),
}
BLUEPRINTS = {
    "r2v": ("Reference to Video",),
    "i2v": ("Move Anything",),
    "inpaint": ("Inpaint Video", "Inpaint Video with Crop"),
    "outpaint": ("Outpaint Video",),
    "extend video": ("Extend Video",),
    "replace": ("Replace Anything", "Replace Anything with Crop"),
    "depth": ("Depth to Video",),
    "pose": ("Pose to Video",),
    "reference": ("Reference to Video",),
    "crop": ("Inpaint Video with Crop", "Replace Anything with Crop"),
}
"""The single nodes that do that whole job."""
OPTIONS = "[role=option]:visible"
HEAD = """\
# What artists type

The node search of a real ComfyUI {comfyui}, with all of its own nodes: the place of the right node in the list. \
{good}

`python tests/browser/searched.py docs/search.md FRONTEND …` makes this page.

## Why some are further down

The frontends find a node by its id, its display name and its search aliases, but order what they found by id and \
display name alone: names that are the word, then names that begin with it, then those that have it as a word, then \
those that have it within a word; of equals the more often used, by a list that comes with the frontend and knows \
ComfyUI's own nodes. A node that is found by an alias stands behind all of these (`calcAuxScores` of the 1.49.6 and \
1.58.1 packages). So the tasks that are one node are named as ComfyUI names its own, by what they do: Depth to Video \
(VACE). A graph that holds one keeps it, whatever the pack calls it now. A word that five or more nodes of ComfyUI \
have in their names (mask, crop, lora, track, box) shows those first: our other nodes all begin with VACE, and aliases \
do not count there.

| typed | right | {versions} |
| --- | --- | {lines} |
"""


def main() -> None:
    page, packages = Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]]
    places: dict[str, dict[str, int]] = {}
    comfyui = ""
    for package in packages:
        (info,) = package.glob(f"{PACKAGE}-*.dist-info")
        version = info.name.removesuffix(".dist-info").rpartition("-")[2]
        server = Server(Path(os.environ["COMFYUI_PATH"]), frontend=package / PACKAGE / "static")
        studio = Studio(server, chromium() or "", nodes_2=False)
        try:
            studio.load(EMPTY)
            comfyui = server.get("/system_stats")["system"]["comfyui_version"]
            places[version] = {word: place_of(studio, word) for word in WORDS}
        finally:
            studio.close()
            server.close()
    page.write_text(text(places, comfyui), encoding="utf-8")


def place_of(studio: Studio, word: str) -> int:
    """The place of the first right node, from 1; 0 where none is listed."""
    found = next(filter(None, (listed(studio, word) for _ in range(3))), [])
    rights = set(rights_of(word))
    place = next((n for n, name in enumerate(found, 1) if name in rights), 0)
    print(word, place, found[:FIRST], flush=True)
    return place


def rights_of(word: str) -> list[str]:
    return [f"VACE {name}" for name in WORDS[word]] + [f"{name} (VACE)" for name in BLUEPRINTS.get(word, ())]


def listed(studio: Studio, word: str) -> list[str]:
    """The names in the list, from the top, once it no longer changes."""
    for _ in range(3):  # where the last dialog is still closing, the first double click opens none
        studio.page.mouse.dblclick(800, 500)
        studio.page.wait_for_timeout(1000)
        if studio.page.locator(OPTIONS).count():
            break
    studio.page.keyboard.type(word)
    before: list[str] = []
    for _ in range(20):
        studio.page.wait_for_timeout(400)
        now = [
            one.strip().splitlines()[0].strip() for one in studio.page.locator(OPTIONS).all_inner_texts() if one.strip()
        ]
        if now and now == before:
            break
        before = now
    studio.press("Escape", "Escape")
    return before


def text(places: dict[str, dict[str, int]], comfyui: str) -> str:
    good = [
        f"{sum(0 < place <= FIRST for place in found.values())} of {len(found)} are among the first {FIRST} "
        f"in the frontend {version}."
        for version, found in places.items()
    ]
    head = HEAD.format(
        comfyui=comfyui,
        good=" ".join(good),
        versions=" | ".join(places),
        lines=" | ".join("---" for _ in places),
    )
    rows = [
        f"| {word} | {', '.join(rights_of(word))} | "
        f"{' | '.join(str(found[word] or 'not listed') for found in places.values())} |\n"
        for word in WORDS
    ]
    return head + "".join(rows)


if __name__ == "__main__":
    main()
