"""The colours of things, of skin and of backdrops, by their words."""

from __future__ import annotations

Rgb = tuple[float, float, float]
"""Red, green and blue from 0 to 1."""

COLOURS: dict[str, Rgb] = {
    "red": (0.90, 0.12, 0.12),
    "orange": (0.98, 0.52, 0.06),
    "yellow": (0.97, 0.88, 0.12),
    "green": (0.14, 0.70, 0.20),
    "cyan": (0.10, 0.80, 0.86),
    "blue": (0.14, 0.28, 0.92),
    "purple": (0.56, 0.16, 0.86),
    "pink": (0.98, 0.42, 0.70),
}
"""Colours of objects. Any two differ by 24 degrees of hue or more."""

TINTS: dict[str, Rgb] = {
    "white": (0.92, 0.92, 0.90),
    "gray": (0.60, 0.60, 0.60),
    "black": (0.13, 0.13, 0.15),
    "beige": (0.80, 0.73, 0.63),
    "brown": (0.42, 0.35, 0.30),
    "slate": (0.44, 0.49, 0.56),
    "mint": (0.64, 0.79, 0.69),
    "lilac": (0.75, 0.69, 0.83),
}
"""Muted colours, HSV saturation below 0.3: those of backdrops only."""

PAINTS: dict[str, Rgb] = COLOURS | TINTS
"""What a backdrop can be painted in."""

SKINS: dict[str, Rgb] = {"pale": (0.96, 0.79, 0.65), "tan": (0.80, 0.57, 0.40), "dark": (0.47, 0.31, 0.21)}
EYES: dict[str, Rgb] = {"blue": (0.16, 0.42, 0.85), "green": (0.12, 0.58, 0.24), "brown": (0.36, 0.19, 0.08)}
HAIRS: dict[str, Rgb] = COLOURS | {"black": (0.10, 0.09, 0.10), "brown": (0.34, 0.20, 0.11), "gray": (0.62, 0.62, 0.63)}
"""What a face is made of."""


def mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """`first` with a `share` from 0 to 1 of `second`."""
    a, b, c = (one + share * (other - one) for one, other in zip(first, second, strict=True))
    return a, b, c
