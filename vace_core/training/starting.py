"""What a training starts from: base and adapter, checked by their headers before anything is encoded."""

from __future__ import annotations

import logging
from pathlib import Path

from ..errors import InputError
from ..loading.detection import Found
from ..loading.inspect import are_context_layers
from ..loading.load import load_adapter
from .recipe import Recipe

log = logging.getLogger("vace")


def layers_for(recipe: Recipe, found: Found) -> tuple[int, ...]:
    """The blocks of a base that get hints; none where the base itself reads the context.

    Raises:
        InputError: the recipe names blocks that the base does not have, or trains nothing that there is.
    """
    if recipe.tuning.what == "base":
        raise InputError(
            "recipe-base-alone",
            'The recipe trains "base", a base without conditions, and this is a training on top of one. "adapter", '
            '"lora" or "full" is needed. Change tuning.what.',
        )
    layers = found.family.base_sizes(found.weights).layers
    if recipe.tuning.what == "full":
        return ()
    chosen = recipe.tuning.context_layers or found.family.usual_layers(layers, min(recipe.tuning.blocks, layers))
    if not are_context_layers(chosen, len(chosen), layers):
        raise InputError(
            "context-layers-recipe",
            "The recipe gives context_layers as {context_layers}, and the base has {blocks} blocks. "
            "Ascending numbers from 0 below {blocks} are needed. Change them.",
            context_layers=list(chosen),
            blocks=layers,
        )
    return tuple(chosen)


def check_adapter(path: Path | None, recipe: Recipe) -> None:
    """Accepts an adapter to go on from, or that there is none.

    Raises:
        InputError: the recipe names other context layers than it has, or trains a LoRA and there is none.
        ModelError: the file is damaged.
    """
    if path is None and recipe.tuning.what == "lora":
        # A copy of the base has projections of zero, which a LoRA leaves frozen: no gradient ever gets through them.
        raise InputError(
            "lora-without-adapter",
            "The recipe trains a LoRA, and no adapter was given. A trained adapter is needed, for a new one says "
            "nothing until it is trained itself. Give one as --adapter, or set tuning.what to adapter.",
        )
    if path is None:
        return
    adapter = load_adapter(path, device="meta")
    chosen = recipe.tuning.context_layers
    if chosen and chosen != adapter.context_layers:
        raise InputError(
            "context-layers-adapter",
            "The recipe gives context_layers as {context_layers}, and the adapter in {path} has {layers}. To go on "
            "from it needs the same. Change them, or leave them out of the recipe.",
            context_layers=list(chosen),
            path=path,
            layers=list(adapter.context_layers),
        )


def check_base(found: Found, recipe: Recipe, adapter: Path | None) -> None:
    """Accepts a base. That it holds an adapter which is not gone on from is said, and refused where that is no choice.

    Args:
        found: What the file of the base holds.
        adapter: An adapter to go on from, which may be the one in that file.

    Raises:
        InputError: nobody goes on from an adapter that its base was trained together with, or from a whole model of
            which all is trained.
    """
    if adapter is not None or "adapter" not in found.parts:
        return
    path, (_, blocks) = found.weights.file.path, found.family.adapter_sizes(found.weights)
    if recipe.tuning.what == "full" or not blocks:
        raise InputError(
            "base-with-adapter",
            "The base file {path} holds a base together with an adapter, and no adapter was given: all that it learned "
            "about conditions would begin from zero. Give {path} as --adapter, too, to go on from it, or a base "
            "without an adapter to start anew (vace split takes a file apart).",
            path=path,
        )
    log.warning(
        "%s holds a base together with an adapter, and a new adapter is trained, from zero: that one is not used. To "
        "go on from it, give the file as --adapter, too.",
        path,
    )
