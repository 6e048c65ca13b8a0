"""The starter's text encoder: a word is a position in the vocabulary, with the two words before it."""

from __future__ import annotations

import logging
import re

import torch
from torch import Tensor

from .world import VOCABULARY

log = logging.getLogger("vace")

TEXT_WIDTH = 4096
CLAUSES = 4
PAST = 2
# Large enough to stand out beside the biases of the layer that reads it.
SCALE = 4.0


class StarterText:
    """Prompts in the words of the synthetic world, as `(1, S, 4096)`; all but the first columns are zero.

    Each word is a one, with ones for the two words before it and for the clause it stands in, so that "red" stays
    with its circle and "left" with the object that moves there. Unknown words are left out, and said.
    """

    width = TEXT_WIDTH

    def __init__(self) -> None:
        self._index = {word: number for number, word in enumerate(VOCABULARY)}

    def unknown(self, prompt: str) -> list[str]:
        """The words of `prompt` that the starter has never seen."""
        return [word for word in _words(prompt) if word not in self._index]

    def known(self, prompt: str) -> list[str]:
        """The words of `prompt` that the starter was taught."""
        return [word for word in _words(prompt) if word in self._index]

    def encode(self, prompt: str) -> Tensor:
        """`(1, S, 4096)`, one row a known word, and one row for the end, so that an empty prompt has a row too."""
        if unknown := self.unknown(prompt):
            log.warning("the starter model does not know %s; it knows: %s", ", ".join(unknown), ", ".join(VOCABULARY))
        numbers = [self._index[word] for word in self.known(prompt)]
        count = len(VOCABULARY)
        rows = torch.zeros(1, len(numbers) + 1, TEXT_WIDTH)
        clause = 0
        for place, number in enumerate(numbers):
            clause = min(clause + (VOCABULARY[number] in ("a", "an")), CLAUSES - 1)
            rows[0, place, (PAST + 1) * count + clause] = SCALE
            for back in range(min(PAST, place) + 1):
                rows[0, place, back * count + numbers[place - back]] = SCALE
        rows[0, -1, (PAST + 1) * count + CLAUSES] = SCALE
        return rows


def _words(prompt: str) -> list[str]:
    return re.findall(r"[a-z]+", prompt.lower())
