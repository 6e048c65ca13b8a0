"""VACE for ComfyUI.

Nothing is imported here but when ComfyUI asks for the nodes, so that the folder can also be opened by tests and tools.
"""

from __future__ import annotations

WEB_DIRECTORY = "./web"


async def comfy_entrypoint() -> object:
    """The extension that ComfyUI registers."""
    from .nodes import VaceExtension

    return VaceExtension()
