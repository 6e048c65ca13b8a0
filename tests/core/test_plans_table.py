"""What runs on which card: the table that is shown is the one that the planner makes."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

from vace_core.loading.placing.measure import bytes_from_sizes
from vace_core.models.wan.dit import WanSizes
from vace_core.models.wan.family import WAN

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        return runpy.run_path(str(ROOT / "benchmarks" / "plans.py"))["table"]()


def test_the_kept_table_is_what_the_command_prints(table):
    assert (ROOT / "benchmarks" / "results" / "plans.md").read_text(encoding="utf-8") == table


def test_a_table_of_cards_in_the_readme_is_that_one(table):
    shown = re.findall(r"^\| model \| weights \| frame \|.*?\n\n", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    assert len(shown) == 1
    assert shown[0] in table


def test_every_model_runs_at_480p_on_every_card_and_a_larger_card_never_moves_more(table):
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            break
        cells = line.strip("| ").split(" | ")[3:]
        moved = [float(found[1]) if (found := re.search(r"streams (\d+)", one)) else 0.0 for one in cells]
        fits = [one != "no" for one in cells]
        assert fits == sorted(fits), line
        assert all(fits) or "832" not in line, line
        there = [part for part, fit in zip(moved, fits, strict=True) if fit]
        assert there == sorted(there, reverse=True), line


@pytest.mark.parametrize(("stored", "bits"), [("F8_E4M3", 8), ("Q8_0", 8.5), ("Q4_K", 4.5)])
def test_matrices_take_what_their_kind_takes(stored, bits):
    sizes = WanSizes(width=256, ffn=512, layers=2, text_width=256)
    plain, kept = (bytes_from_sizes(WAN, sizes, 1, torch.bfloat16, stored=kind) for kind in (None, stored))
    matrix = 256 * 256
    block = 8 * matrix + 2 * 256 * 512
    assert plain.blocks[0] - kept.blocks[0] == block * (16 - bits) / 8
    assert kept.unpacking >= 2 * 6 * matrix > 0 == plain.unpacking
