"""The starter's text encoder: what a prompt says, word by word, each with all that its clause says."""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from .captions import JOINING, VOCABULARY, meaning

log = logging.getLogger("vace")

TEXT_WIDTH = 4096
CLAUSES = 8
# Large enough to stand out beside the biases of the layer that reads it.
SCALE = 4.0


class SceneText:
    """Prompts as `(1, S, 4096)`, one row a word that is known; all but the first columns are zero.

    A row says which word it is, which words stand in the same clause, and which clause that is, so that "red" stays
    with its star and "left" with what moves there. Synonyms are read as the word they mean. Words that are not known,
    in whatever script, are left out and said.
    """

    width = TEXT_WIDTH

    def __init__(self) -> None:
        self._index = {word: number for number, word in enumerate(VOCABULARY)}

    def unknown(self, prompt: str) -> list[str]:
        """The words of `prompt` that the model has never seen, in any script."""
        return meaning(prompt)[1]

    def known(self, prompt: str) -> list[str]:
        """What `prompt` says in words of the vocabulary, those that only join others left out."""
        return [word for clause in meaning(prompt)[0] for word in clause if word not in JOINING]

    def encode(self, prompt: str) -> Tensor:
        """`(1, S, 4096)`: a row a known word, and one for the end, so that an empty prompt has a row too."""
        clauses, unknown = meaning(prompt)
        if unknown:
            log.warning("%s", _said(unknown, anything=bool(clauses)))
        count = len(VOCABULARY)
        rows: list[Tensor] = []
        for place, clause in enumerate(clauses):
            numbers = [self._index[word] for word in clause]
            for number in numbers:
                row = torch.zeros(TEXT_WIDTH)
                row[number] = SCALE
                row[[count + other for other in numbers]] = SCALE / 2
                row[2 * count + min(place, CLAUSES - 1)] = SCALE
                rows.append(row)
        end = torch.zeros(TEXT_WIDTH)
        end[2 * count + CLAUSES] = SCALE
        return torch.stack([*rows, end])[None]


def _said(unknown: list[str], *, anything: bool) -> str:
    words = ", ".join(dict.fromkeys(unknown))
    if anything:
        said = f"The starter model does not know {words}; it follows the rest of the prompt."
    else:
        said = f"The starter model knows no word of the prompt ({words}), so the prompt says nothing."
    return f"{said} `vace words` lists the words it knows"
