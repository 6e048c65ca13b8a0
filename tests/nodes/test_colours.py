"""Each type of the pack has a colour of its own, seen on dark and on light graphs. Needs Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

if shutil.which("node") is None:
    pytest.skip("the colours are read with Node.js, which was not found", allow_module_level=True)

RULES = Path(__file__).parents[1] / "browser" / "rules.mjs"
GROUNDS = ("#141414", "#353535", "#2b2f38", "#d3d3d3", "#f5f5f5")
"""What is behind wires and slots in ComfyUI's dark and light palettes: of the graph and of nodes."""


def ask(**question: object) -> dict[str, str]:
    done = subprocess.run(["node", RULES], input=json.dumps([question]), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]


def parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def light(colour: str) -> float:
    """Relative luminance, as the Web Content Accessibility Guidelines define it."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _unit(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _unit(colour: str) -> list[float]:
    return [part / 255 for part in parts(colour)]


@pytest.fixture(scope="module")
def colours() -> dict[str, str]:
    return ask(ask="colours")


def test_every_type_of_the_pack_has_one(pack, colours):
    types = {getattr(one, "io_type", "") for one in vars(pack.nodes.comfy.sockets).values()}
    assert {name for name in types if name.startswith("VACE_")} == set(colours)


def test_they_stand_out_from_every_ground(colours):
    for name, colour in colours.items():
        for ground in GROUNDS:
            dim, bright = sorted((light(colour), light(ground)))
            assert (bright + 0.05) / (dim + 0.05) >= 2.4, (name, ground)


def test_they_can_be_told_apart(colours):
    for (name, one), (other, another) in combinations(colours.items(), 2):
        apart = sum((a - b) ** 2 for a, b in zip(parts(one), parts(another), strict=True)) ** 0.5
        assert apart >= 40, (name, other)


def test_a_palette_chooses_and_one_that_does_not_brings_them_back(colours):
    assert ask(ask="palettes", palettes=[{"VACE_VCU": "#123456", "VACE_PLAN": ""}])["VACE_VCU"] == "#123456"
    assert ask(ask="palettes", palettes=[{"VACE_VCU": "#123456"}, dict.fromkeys(colours, "")]) == colours
