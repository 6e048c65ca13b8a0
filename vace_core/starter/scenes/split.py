"""What training never shows, so that an evaluation can ask for combinations that nobody learned by heart."""

from __future__ import annotations

from .palette import COLOURS

UNSEEN_PAIRS: frozenset[tuple[str, str]] = frozenset(
    {
        ("circle", "purple"),
        ("square", "cyan"),
        ("triangle", "pink"),
        ("star", "green"),
        ("ring", "orange"),
        ("cross", "yellow"),
        ("heart", "blue"),
        ("moon", "red"),
    }
)
"""Shape and colour: every shape and every colour once, so that training shows each of them in seven pairs."""

assert {colour for _, colour in UNSEEN_PAIRS} == set(COLOURS)


def unseen_pair(shape: str, colour: str) -> bool:
    """Whether training never shows this shape in this colour."""
    return (shape, colour) in UNSEEN_PAIRS
