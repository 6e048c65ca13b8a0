"""Every family keeps what the library promises of any; another one is a folder and a line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import families
import pytest
from families.conformance import PROMISES
from tiny_t5 import write_t5

from vace_core.loading.t5 import load_text
from vace_core.models.ltx.text import T5
from vace_core.models.wan.text import UMT5

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "families"
THIRD = families.NAMES[-1]  # the one that only the tests have; no other file names it, nor does this one
READ = {".py", ".toml", ".js", ".txt", ".yml"}
PLACES = ("vace_core", "nodes", "tests", "benchmarks", "web", "locales", ".ci")


@pytest.fixture
def case(request):
    """A family, while the library knows all of them."""
    with families.known():
        yield families.case(request.param)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("case", families.NAMES, indirect=True)
def test_conformance(case, promise, tmp_path):
    promise(case, tmp_path)


@pytest.mark.parametrize("text", [T5, UMT5], ids=lambda text: text.tokenizer)
def test_capitals_are_taken_away_where_a_family_was_trained_without(text):
    assert text.clean("A Dog") == ("A Dog" if text.cased else "a dog")


def test_families_may_share_a_text_encoder(tmp_path):
    """And cut prompts in their own ways."""
    other = replace(T5, reader="another", max_tokens=9)
    assert load_text(write_t5(tmp_path), kind=other).encode("cat " * 30).shape[1] == 9


def test_another_family_is_a_folder_and_a_line():
    folder, registry = FOLDER / THIRD, FOLDER / "__init__.py"
    files = [path for place in PLACES for path in (ROOT / place).rglob("*") if path.suffix in READ]
    assert len(files) > 200
    naming = [path for path in files if THIRD in path.read_text(errors="ignore").lower()]
    outside = [path for path in naming if folder not in path.parents]
    assert outside == [registry]
    assert len(re.findall(THIRD, registry.read_text())) == 1
