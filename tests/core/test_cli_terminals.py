"""The command where its words cannot be written as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from rich.text import Text

from vace_core.cli import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["cp437", "ascii"])
def test_letters_that_a_terminal_lacks_do_not_stop_it(page):
    environment = {**os.environ, "PYTHONIOENCODING": page}
    command = [sys.executable, "-m", "vace_core", "inpaint", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_word_of_the_help_is_taken_for_markup():
    commands = [typer.main.get_command(app)]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        for said in (command.help, *(getattr(one, "help", None) for one in command.params)):
            assert Text.from_markup(said or "").plain == (said or "")
    assert len(commands) > 50
