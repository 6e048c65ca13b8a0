"""MiniMax H3 as ComfyUI 0.33 has it, for the tests alone: a third family. Its VAE and text encoder are stand-ins."""

from __future__ import annotations

from .case import CASE as CASE
