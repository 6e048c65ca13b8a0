"""The part of the fault list that takes seconds: the same rows, some with fewer of their cases.

Row 4 and what rows 22 and 23 say of browsers is measured by `tests/browser`, row 24 by `tests/parity`; the other rows
need a ComfyUI, a network or minutes. `python -m tests.reliability` measures all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tools.workflows.forms import pack

from . import (
    browser,
    environment,
    files,
    importing,
    internals,
    messages,
    paths,
    running,
    sizes,
    spoiled,
    touching,
    widgets,
    zoo,
)
from .pack import ROOT

COMFYUI = os.environ.get("COMFYUI_PATH")
JUDGES = {
    1: lambda hosts: importing.row_1(hosts, {"loaded": 0, "cases": 0}),
    **{number: row for module in (internals, paths, running, sizes, spoiled, touching, widgets, zoo)
       for number, row in module.ROWS.items()},
}  # fmt: skip
ANYWHERE = (1, 3, 6, 7, 8, 9, 10, 13, 15, 18)
IN_COMFYUI = (14, 16, 20, 26)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """In a process of its own, for some rows take packages away or put a tiny model in the starter's place."""
    out = tmp_path_factory.mktemp("rows") / "out.json"
    rows = [*ANYWHERE, *(IN_COMFYUI if COMFYUI else ())]
    command = [sys.executable, "-m", "tests.reliability.probe", "--quick", "--out", out, "--rows", *map(str, rows)]
    command += ["--comfyui", COMFYUI] if COMFYUI else []
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert out.exists(), (done.stdout + done.stderr)[-2000:]
    return json.loads(out.read_text())


@pytest.mark.parametrize("number", [*ANYWHERE, *IN_COMFYUI])
def test_a_row_meets_its_target(measured, number):
    if number in IN_COMFYUI and not COMFYUI:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH")
    found = measured[str(number)]
    assert "failed" not in found, found["failed"]
    assert not found.get("bad"), found["bad"]
    row = JUDGES[number]({"here": found})
    assert row.met, row.result


def test_5_every_node_has_a_workflow_a_page_with_an_image_and_tooltips():
    row = environment.row_5(environment.coverage(pack().infos))
    assert row.met, row.result


def test_17_hostile_files_are_named():
    row = files.row_17(files.hostile_files(every=6), {})
    assert row.met, row.result


def test_21_the_sources_name_no_device_and_no_system():
    assert environment.unportable()["faults"] == []


def test_21_nothing_is_made_on_another_device_than_the_model():
    assert environment.meta()["error"] == ""


def test_22_scripts_write_nothing_outside_of_themselves():
    found = browser.globals_written()
    assert found["names"]
    assert (found["writes"], found["twice"]) == ([], [])


def test_25_errors_say_what_came_what_is_needed_and_what_to_do(measured):
    row = messages.row_25(messages.written(), measured["said"])
    assert row.met, (row.result, row.details, messages.written()["short"])


def test_23_parts_of_the_templates_are_summed_by_frontend():
    part = {"templates": 12, "checked": {"copy": 40, "reload": 30}, "lost": {"copy": 0, "reload": 1}}
    found = {"1.49.6 classic": {"template edits": {"A to L": part, "M to X": part}}, "ComfyUI 0.33.0": {"tests": {}}}
    assert browser.template_edits(found) == {
        "1.49.6 classic": {"templates": 24, "checked": {"copy": 80, "reload": 60}, "lost": {"copy": 0, "reload": 2}}
    }
    row = browser.row_23(found)
    assert row.result.startswith("2 of 140 lost")
