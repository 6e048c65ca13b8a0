"""The pack as ComfyUI loads it: in a real one where COMFYUI_PATH says where it is, else on a stand-in of its API."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file
import standin
from boot import boot

ROOT = Path(__file__).resolve().parents[2]
COMFYUI = os.environ.get("COMFYUI_PATH")
PACK = "vace_pack"


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> types.SimpleNamespace | None:
    """The running ComfyUI's modules `nodes` and `execution`, and its `folder`; None without one."""
    return boot(Path(COMFYUI), tmp_path_factory.mktemp("comfyui")) if COMFYUI else None


@pytest.fixture(scope="session")
def comfy(host: types.SimpleNamespace | None) -> types.SimpleNamespace:
    """As `host`, for tests that can do nothing without it."""
    if host is None:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH")
    return host


@pytest.fixture(scope="session")
def pack(host: types.SimpleNamespace | None) -> types.ModuleType:
    """The pack's package, loaded under a name of its own as ComfyUI loads it."""
    if host is None:
        standin.install()
    module = load_pack(PACK)
    if host is not None:
        host.nodes.NODE_CLASS_MAPPINGS.update(module.by_id)
    return module


def load_pack(name: str) -> types.ModuleType:
    """The pack under a name of its own, with its nodes as `by_id`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    extension = asyncio.run(module.comfy_entrypoint())
    module.by_id = {node.GET_SCHEMA().node_id: node for node in asyncio.run(extension.get_node_list())}
    return module


@pytest.fixture(scope="session")
def forms_of_standin(pack: types.ModuleType, host: types.SimpleNamespace | None) -> dict[str, dict[str, Any]]:
    """What the stand-in makes of every node's form, also where the pack itself runs on a real ComfyUI."""
    if host is None:
        return {node_id: node.GET_NODE_INFO_V1() for node_id, node in pack.by_id.items()}
    with mock.patch.dict(sys.modules, standin.modules()):
        other = load_pack(f"{PACK}_on_standin")
    return {node_id: node.GET_NODE_INFO_V1() for node_id, node in other.by_id.items()}


@pytest.fixture(scope="session")
def run(pack: types.ModuleType) -> Any:
    """Runs one node as ComfyUI does, with the defaults of its form for the rest: `run("VaceId", name=value)`."""

    def call(node_id: str, **values: Any) -> Any:
        node = pack.by_id[node_id]
        defaults = {}
        for one in node.GET_SCHEMA().inputs:
            default = getattr(one, "default", None)
            if default is not None:
                defaults[one.id] = default
        with torch.inference_mode():
            return node.PREPARE_CLASS_CLONE({}).EXECUTE_NORMALIZED(**{**defaults, **values})

    return call
