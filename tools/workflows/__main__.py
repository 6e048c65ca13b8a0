"""`python -m tools.workflows`: writes the shipped workflows and the prompts that they give."""

from __future__ import annotations

from .shipped import write

write()
