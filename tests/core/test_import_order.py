"""The data's way is one way: a module imports only what comes before it, and nothing of ComfyUI."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "vace_core"

# The flow, in order. Modules on one line may import each other only if they are one package.
FLOW = [
    "errors",
    "devices",
    "room",
    "replacing",
    "shapes",
    "vcu",
    "masks",
    "layout",
    "layout_json",
    "controls",
    "control_checks",
    "references",
    "fitting",
    "tasks",
    "anything",
    "official_rules",
    "advice",
    "preview",
    "schedule",
    "options",
    "files",
    "weights",
    "text",
    "adapter",
    "models.base",
    "context",
    "models.layers",
    "models.family",
    "models.tiling",
    "models.rotary",
    "models.wan",
    "models.wan_keys",
    "models.wan_text",
    "models.wan_vae",
    "models.wan_vae_stream",
    "models.wan_cost",
    "models.wan_family",
    "models.ltx",
    "models.ltx_keys",
    "models.ltx_text",
    "models.ltx_vae",
    "models.ltx_cost",
    "models.ltx_family",
    "checkpoint",
    "detection",
    "model_file",
    "loading",
    "repack",
    "t5",
    "umt5",
    "guidance",
    "sampler",
    "composite",
    "pipeline",
    "assembly",
    "media_files",
    "video_decode",
    "video",
    "pictures",
    "video_write",
    "cost",
    "starter",
    "training",
    "evaluation",
    "cli",
    "__main__",
]
COMFYUI = {"comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "server", "execution", "nodes"}

FILES = sorted(LIBRARY.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str) -> int | None:
    """Where in the flow a module or the package it is in stands."""
    while module:
        if module in FLOW:
            return FLOW.index(module)
        module = module.rpartition(".")[0]
    return None


def imports_of(path: Path) -> list[str]:
    """Absolute names of all modules that a file imports, at any depth of its code."""
    package = ["vace_core", *path.relative_to(LIBRARY).parts[:-1]]
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            found += [f"{base}.{alias.name}" for alias in node.names] if base == "vace_core" else [base]
            found += [
                f"{base}.{alias.name}"
                for alias in node.names
                if (ROOT / base.replace(".", "/") / f"{alias.name}.py").exists()
            ]
    return found


def test_every_module_has_its_place():
    homeless = [module_of(path) for path in FILES if module_of(path) and place(module_of(path)) is None]
    assert [module for module in homeless if module != "models"] == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_come_from_earlier_in_the_flow(path):
    here = module_of(path)
    if not here or here == "models":
        return
    for name in imports_of(path):
        if name.startswith("vace_core."):
            there = place(name.removeprefix("vace_core."))
            assert there is None or there <= place(here), f"{here} imports {name}, which comes later"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_the_library_has_never_heard_of_comfyui(path):
    assert {name.split(".")[0] for name in imports_of(path)} & COMFYUI == set()
