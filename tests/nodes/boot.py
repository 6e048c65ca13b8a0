"""ComfyUI in this process: no server, no browser, its folders in a temporary one."""

from __future__ import annotations

import asyncio
import importlib
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import torch

EXTRAS = ("nodes_mask", "nodes_wan", "nodes_images")  # ComfyUI's own nodes that graphs here use
TORCHVISION = torch.library.Library("torchvision", "FRAGMENT")  # lives as long as the process


def boot(path: Path, folder: Path, *flags: str) -> types.SimpleNamespace:
    """ComfyUI in this process: no server, no browser, its folders in a temporary one."""
    sys.path.insert(0, str(path))
    sys.argv = ["main.py", "--cpu", "--disable-api-nodes", "--base-directory", str(folder), *flags]
    declare_torchvision()
    stand_in_for_torchaudio()
    importlib.import_module("comfy.options").enable_args_parsing()
    # In this order: something later takes the name "utils".
    for name in ("utils.extra_config", "utils.install_util", "nodes", "execution", "server"):
        importlib.import_module(name)
    nodes, execution, server = (sys.modules[name] for name in ("nodes", "execution", "server"))
    asyncio.run(nodes.init_public_apis())
    for name in EXTRAS:
        asyncio.run(nodes.load_custom_node(str(path / "comfy_extras" / f"{name}.py"), module_parent="comfy_extras"))
    server.PromptServer.instance = Server()
    sys.argv = sys.argv[:1]
    return types.SimpleNamespace(nodes=nodes, execution=execution, folder=folder)


class Server:
    """What the executor needs of ComfyUI's server."""

    client_id = last_node_id = last_prompt_id = prompt_queue = None

    def __init__(self) -> None:
        self.sockets_metadata: dict[str, Any] = {}
        self.sent: list[tuple[Any, Any]] = []
        self.texts: list[str] = []

    def send_sync(self, event: Any, data: Any, sid: str | None = None) -> None:
        self.sent.append((event, data))

    def send_progress_text(self, text: str, node_id: str, sid: str | None = None) -> None:
        self.texts.append(text)


def declare_torchvision() -> None:
    # Wheels without compiled operators: their import stops on two of them, which are declared first.
    for name in ("nms", "qnms"):
        TORCHVISION.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def stand_in_for_torchaudio() -> None:
    # Where it is missing, ComfyUI's audio models are imported all the same.
    if importlib.util.find_spec("torchaudio") is not None:
        return
    for name in ("torchaudio", "torchaudio.functional", "torchaudio.transforms"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        module.__path__ = []
        module.__getattr__ = lambda _: None  # type: ignore[method-assign]
        sys.modules[name] = module
