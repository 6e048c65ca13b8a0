"""Prompts that a CLIP read before: another window, seed or strength does not bring the text encoder back for them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from . import host

BYTES = 128 * 2**20
"""Of prompts that are kept of each text encoder. One of umT5 in float32 is 8 MiB, with what it is filled up with."""

_kept: WeakKeyDictionary[nn.Module, OrderedDict[str, list[Any]]] = WeakKeyDictionary()


def conditioning(clip: Any, prompt: str) -> list[Any]:
    """As `host.conditioning`, of a prompt that this CLIP read before without its network."""
    tokens = host.tokens(clip, prompt)
    network, key = getattr(clip, "cond_stage_model", None), _key(clip, tokens)
    if key is None or not isinstance(network, nn.Module):
        return clip.encode_from_tokens_scheduled(tokens)
    known = _kept.setdefault(network, OrderedDict())
    if key in known:
        known.move_to_end(key)
        return _copied(known[key])
    made = clip.encode_from_tokens_scheduled(tokens)
    if all(rows.device.type == "cpu" for rows, _ in made):  # elsewhere (--gpu-only) the encoder stays there, too
        known[key] = _copied(made)
        while len(known) > 1 and sum(_nbytes(one) for one in known.values()) > BYTES:
            known.popitem(last=False)
    return made


def conditionings(clip: Any, prompts: Iterable[str]) -> dict[str, list[Any]]:
    """Several prompts by their words, so that the text encoder comes for all of them at once."""
    return {prompt: conditioning(clip, prompt) for prompt in prompts}


class ClipText:
    """A CLIP as the text encoder of our models.

    ComfyUI's prompt weights keep working, so of what the bases' own code does to prompts only capitals are taken away,
    where the base does not know them.
    """

    width = None

    def __init__(self, clip: Any, *, cased: bool = True) -> None:
        self._clip, self._cased = clip, cased

    def encode(self, prompt: str) -> Tensor:
        """`(1, S, 4096)` without what ComfyUI fills a prompt up with: zeros, or anything behind a mask."""
        rows, more = conditioning(self._clip, prompt if self._cased else prompt.lower())[0][:2]
        mask = more.get("attention_mask")
        if mask is not None:
            return rows.float()[:, mask[0].to(rows.device) > 0]
        used = int(rows.ne(0).any(dim=2)[0].nonzero().max()) + 1 if bool(rows.ne(0).any()) else 1
        return rows.float()[:, :used]


def _key(clip: Any, tokens: Any) -> str | None:
    """What a result depends on beside the weights as they were loaded; None where that cannot be told.

    A CLIP with a LoRA shares its network with the one without, and has another `patches_uuid`. Hooks change weights
    while a prompt is read, and embeddings of files are among the tokens as tensors: such prompts are read again.
    """
    patcher = getattr(clip, "patcher", None)
    hooked = getattr(patcher, "forced_hooks", None) is not None or getattr(clip, "apply_hooks_to_conds", None)
    if hooked or not hasattr(patcher, "patches_uuid"):
        return None
    said = [str(patcher.patches_uuid), str(getattr(patcher, "load_device", "")), getattr(clip, "layer_idx", None)]
    try:
        return json.dumps([said, tokens], sort_keys=True)
    except (TypeError, ValueError):
        return None


def _copied(made: list[Any]) -> list[Any]:
    """What is given out may be changed."""
    return [[rows.clone(), dict(more)] for rows, more in made]


def _nbytes(made: list[Any]) -> int:
    return sum(sum(one.nbytes for one in (rows, *more.values()) if isinstance(one, Tensor)) for rows, more in made)
