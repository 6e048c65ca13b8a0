"""The command on a card: its plan is followed and said, and memory that runs out is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pretended_card import Card
from refused import refused
from typer.testing import CliRunner, Result

from vace_core.cli import app
from vace_core.cli.console import errors_as_exit_codes
from vace_core.media.pictures import read_image

STILL = (
    "text",
    "-p",
    "a red circle",
    "--length",
    "1",
    "--width",
    "32",
    "--height",
    "32",
    "--steps",
    "2",
    "--device",
    "gpu:0",
)


def vace(*words: object) -> Result:
    return CliRunner().invoke(app, [*STILL, *map(str, words)])


@pytest.fixture
def card(monkeypatch):
    """A card that the command is told to use as "gpu:0"."""
    with Card(2**30) as card:
        monkeypatch.setattr(torch.gpu, "mem_get_info", lambda _: (card.free(), card.budget), raising=False)
        yield card


def test_a_plan_is_followed_and_said(card, tmp_path: Path):
    made = vace("-o", tmp_path / "all.png")
    assert made.exit_code == 0, made.stderr
    assert "all blocks on the device" in " ".join(made.stderr.split())
    streamed = vace("--memory", "24MB", "-o", tmp_path / "streamed.png")
    assert streamed.exit_code == 0, streamed.stderr
    assert "streamed one after the other for all passes" in " ".join(streamed.stderr.split())
    # With several threads the last bit of a product on the CPU depends on where its numbers lie; test_placing has bits.
    (whole, _), (parts, _) = (read_image(tmp_path / f"{name}.png") for name in ("all", "streamed"))
    assert (whole.int() - parts.int()).abs().max() <= 1
    assert card.used == 0


def test_a_budget_below_the_smallest_plan_is_refused_before_weights_are_read(card, tmp_path: Path):
    found = vace("--memory", "3MB", "-o", tmp_path / "a.png")
    assert found.exit_code == 3
    assert refused(found.exception).startswith("memory-below-plan: ")
    assert card.copied == 0


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_memory_that_runs_out_anywhere_is_a_sentence(error, capsys):
    with pytest.raises(Exception) as ended, errors_as_exit_codes():  # noqa: PT011
        raise error
    assert getattr(ended.value, "exit_code", None) == 3
    assert "Memory ran out." in capsys.readouterr().err
