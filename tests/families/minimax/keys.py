"""The names of an adapter's weights: its blocks have the numbers of those of the base that get their hints."""

from __future__ import annotations

from collections.abc import Sequence

ADAPTER_NAMES = ("vace_patch_proj.", "vace_blocks.")


def official_adapter_key(ours: str, context_layers: Sequence[int]) -> str:
    """`after_proj.1.bias` → `vace_blocks.5.after_proj.bias` for context layers 0 and 5."""
    head, rest = ours.split(".", 1)
    if head == "context_embedder":
        return f"vace_patch_proj.{rest}"
    if head == "before_proj":
        return f"vace_blocks.0.{ours}"
    index, name = rest.split(".", 1)
    return f"vace_blocks.{context_layers[int(index)]}.{name if head == 'context_blocks' else f'after_proj.{name}'}"
