"""The runner of random faults tries each on the tests that meet it, and loses none of them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutate.faults import chosen, fault, modules, sites
from tools.mutate.reach import Reach
from tools.mutate.tests import TESTS, files_of

ROOT = Path(__file__).parents[2]
CODE = """
import functools
from dataclasses import dataclass

FACTOR = 2

@dataclass
class Size:
    side: int = 3

def doubled(n, by=FACTOR):
    if n < 0:
        return 0
    return (
        n
        * by
    )

@functools.cache
def kept():
    return doubled(4)

def chosen(kind):
    match kind:
        case "a" | "b":
            return 1
        case _:
            return 2
"""
TESTS_OF_IT = """
import subprocess, sys
import pytest
from vace_core import sums

@pytest.fixture(scope="module")
def eight():
    return sums.doubled(4)

def test_fixture(eight): assert eight == 8
def test_fixture_again(eight): assert eight
def test_cache(): assert sums.kept() == 8
def test_cache_again(): assert sums.kept()
def test_below(): assert sums.doubled(-1) == 0
def test_process(): subprocess.run([sys.executable, "-c", ""])
def test_nothing(): pass
def test_match(): assert sums.chosen("b") == 1
def test_wrong(): assert sums.doubled(-1)
"""
FILE = "tests/test_sums.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A library of one module, and what its tests meet."""
    root = tmp_path_factory.mktemp("project")
    for name, text in (("vace_core/__init__.py", ""), ("vace_core/sums.py", CODE), (FILE, TESTS_OF_IT)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    script = (
        "from pathlib import Path; from tools.mutate.reach import record; "
        f"record(Path('.').resolve(), ['{FILE}'], Path('r'))"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(ROOT)])}
    subprocess.run([sys.executable, "-c", script], cwd=root, env=env, check=True, capture_output=True)
    return root, Reach(json.loads((root / "r").read_text()))


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        ("n < 0", "fixture fixture_again cache cache_again below"),
        ("return 0", "below"),
        ("* by", "fixture fixture_again cache cache_again"),
        ("return doubled(4)", "cache cache_again"),
        ("return 1", "match"),
        ("return 2", ""),
    ],
)
def test_a_line_is_met_by_the_tests_that_run_it_themselves_or_by_fixtures_and_caches(project, text, tests):
    """A test that starts a process may meet any line; one that fails without a fault tells nothing."""
    _, reach = project
    line = CODE[: CODE.index(text)].count("\n") + 1
    found = reach.tests([FILE], "vace_core/sums.py", range(line, line + 1))
    assert set(found) == {f"{FILE}::test_{name}" for name in [*tests.split(), "process"]}


def test_what_runs_on_import_is_met_by_all(project):
    _, reach = project
    every = set(reach.tests([FILE], "vace_core/sums.py", None))
    assert every == {one for one in reach.rows[FILE]["tests"] if not one.endswith("wrong")}
    assert len(every) == 8
    assert reach.rows[FILE]["failed"] == [f"{FILE}::test_wrong"]


def test_a_fault_is_met_where_its_statement_or_the_head_of_it_runs():
    places = {(type(node).__name__, node.lineno): lines for node, _, lines in sites(ast.parse(CODE))}
    assert places["Constant", 5] is None  # FACTOR
    assert places["Constant", 9] is None  # a default of a dataclass
    assert places["If", 12] == places["Constant", 12] == range(12, 13)
    assert places["BinOp", 15] == range(14, 18)
    assert places["Constant", 26] == range(26, 27)


def test_a_fault_is_one_change_and_the_same_for_the_same_seed(project):
    root, _ = project
    every = [fault(root, "vace_core/sums.py", n) for n in range(len(list(sites(ast.parse(CODE)))))]
    assert {(one.before, one.after) for one in every} >= {("n < 0", "n <= 0"), ("n < 0", "n > 0"), ("n * by", "n / by")}
    same = ast.unparse(ast.parse(CODE))
    assert all(ast.unparse(ast.parse(one.code)) != same for one in every)
    assert chosen(ROOT, ["vace_core/geometry.py"], 3, seed=5) == chosen(ROOT, ["vace_core/geometry.py"], 3, seed=5)


def test_every_module_has_tests_that_are_there():
    missing = {file for entry in TESTS for file in files_of(entry) if not (ROOT / file).is_file()}
    assert missing == set()
    assert all((ROOT / entry).exists() for entry in TESTS)
    assert len(modules(ROOT, [])) > 60
