"""Frames in pieces: what two VAEs have in common where they compute a part of a frame alone."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..geometry import Box


def tiles(area: Box, tile: int | None, step: int) -> Iterator[Box]:
    """Splits `area` into boxes of at most `tile` pixels a side, but at least `step`, in multiples of `step`.

    None = `area` itself.
    """
    if tile is None:
        yield area
        return
    side = max(tile // step, 1) * step
    for top in range(area.top, area.bottom, side):
        for left in range(area.left, area.right, side):
            yield Box(left, top, min(left + side, area.right), min(top + side, area.bottom))


def crop(x: Tensor, covered: Box, box: Box) -> Tensor:
    """The part `box` of features that cover `covered`."""
    return x[..., box.top - covered.top : box.bottom - covered.top, box.left - covered.left : box.right - covered.left]


def halved(box: Box) -> Box:
    """The cells of half the size that hold `box`: left and top round down, right and bottom up."""
    return Box(box.left // 2, box.top // 2, -(-box.right // 2), -(-box.bottom // 2))


def doubled(box: Box) -> Box:
    """The cells of twice the size that `box` holds."""
    return Box(box.left * 2, box.top * 2, box.right * 2, box.bottom * 2)
