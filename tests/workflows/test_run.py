"""Every workflow that runs at once, through a real ComfyUI, with its video looked at."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .checks import CHECKS
from .run import run
from .server import Server
from .shipped import PROMPTS, at_once

COMFYUI = os.environ.get("COMFYUI_PATH")
TITLES = [graph.title for graph in at_once()]


def test_every_workflow_has_its_checks():
    assert list(CHECKS) == TITLES


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if COMFYUI is None:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH")
    with Server(Path(COMFYUI), tmp_path_factory.mktemp("comfyui")) as running:
        yield running


@pytest.mark.parametrize("title", TITLES)
def test_it_makes_what_it_says(server, title):
    prompt = json.loads((PROMPTS / f"{title}.json").read_text(encoding="utf-8"))
    failed = [row for row in run(server, title, prompt)["checks"] if not row["holds"]]
    assert not failed


def test_the_pack_loads_without_a_word_of_trouble(server):
    lines = server.log.read_text().splitlines()
    assert not [line for line in lines if "IMPORT FAILED" in line or "Traceback" in line]
