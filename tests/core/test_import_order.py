"""The data's way is one way: a folder imports only what stands earlier in the flow, and nothing of ComfyUI."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "vace_core"

# What lies at the top of the library, in the order of the flow.
FLOW = [
    "errors",
    "checks",
    "geometry",
    "vcu",
    "adapter",
    "protocols",
    "files",
    "media",
    "inputs",
    "tasks",
    "sampling",
    "models",
    "context",
    "pipeline",
    "loading",
    "preview",
    "evaluation",
    "training",
    "starter",
    "cli",
    "__main__",
]
COMFYUI = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "server", "execution", "nodes"}
LONGEST, MEDIAN, MOST_AT_TOP = 400, 150, 20  # lines of a file, names

FILES = sorted(LIBRARY.rglob("*.py"))
NODES = sorted((ROOT / "nodes").rglob("*.py"))
FOLDERS = sorted({path.parent for path in [*FILES, *NODES]})


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports, at any depth of its code."""
    package = list(path.relative_to(ROOT).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            if not node.level and base == package[0] == "nodes":  # ours are imported relatively: this is ComfyUI's
                base = "nodes of ComfyUI"
            children = {f"{base}.{alias.name}" for alias in node.names}
            modules = {child for child in children if _exists(child)}
            found |= modules if modules == children else modules | {base}
    return found


def _exists(module: str) -> bool:
    path = ROOT / module.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def place(module: str) -> int:
    """Where in the flow a module of the library stands."""
    return FLOW.index(module.split(".")[1])


def in_library(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("vace_core.")}


def test_every_name_at_the_top_has_its_place():
    top = {path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert top - {"__init__"} == set(FLOW)
    assert len(top - {"__init__", "__main__"}) <= MOST_AT_TOP


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_come_from_earlier_in_the_flow(path):
    here = module_of(path)
    if here == "vace_core":
        return
    later = {name for name in in_library(imports_of(path)) if place(name) > place(here)}
    assert not later, f"{here} imports {later}, which come later"


def test_nothing_imports_in_circles():
    graph = {module_of(path): imports_of(path) - {module_of(path)} for path in [*FILES, *NODES]}
    del graph["vace_core"]  # it only says what is offered
    known = {module: {name for name in names if name in graph} for module, names in graph.items()}
    assert set(TopologicalSorter(known).static_order()) == set(known)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_the_library_has_never_heard_of_comfyui(path):
    assert {name.split(".")[0] for name in imports_of(path)} & COMFYUI == set()


def test_what_the_nodes_share_knows_no_node():
    shared = [path for path in NODES if path.parent.name == "comfy"]
    assert shared
    for path in shared:
        names = {name for name in imports_of(path) if name.startswith("nodes.")}
        assert all(name.startswith("nodes.comfy") for name in names), path


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_every_folder_says_what_it_is_for(folder):
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert said
    assert said.split("\n")[0].endswith(".")


def test_files_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in [*FILES, *NODES]}
    assert {str(path): count for path, count in lengths.items() if count > LONGEST} == {}
    assert median(lengths.values()) <= MEDIAN


def test_the_flow_is_drawn_in_order():
    drawn = (ROOT / "docs" / "architecture.md").read_text()
    places = [drawn.index(f"\n  {name}") for name in FLOW[:-1] if f"\n  {name}" in drawn]
    assert all(first < second for first, second in pairwise(places))
