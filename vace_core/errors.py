"""Every error the library raises on purpose.

VaceError
├── InputError              what the user connected or typed
│   └── ShapeError          sizes, lengths or channels that do not fit together
├── TrainingError           training that cannot go on
└── ModelError              the files
    ├── UnsupportedModelError   no known model matches these weights
    ├── WeightsError            keys missing or unexpected
    └── AdapterMismatchError    this adapter belongs to another base model

A message says, in this order: what came, what is needed, what to do.

A message may quote what a user typed or a file held. It ends up in logs and consoles that fail on text they cannot
encode, so the root makes every message safe; its own words are ASCII.
"""

from __future__ import annotations

import reprlib

LONGEST = 1200
"""Characters of a message."""

_CUT = " ... "


def plain(text: str) -> str:
    """`text` as any UTF-8 log takes it: what is not printable, half characters among it, escaped; lines kept."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def shortened(value: object, limit: int = 80) -> str:
    """What somebody typed or a file held, as it may stand in a message: printable, and not endless."""
    text = value if isinstance(value, str) else shown(value)
    start = text[: limit + 1]
    start = start if start.isprintable() else ascii(start)
    return start if len(start) <= limit else f"{start[:limit]}..."


def shown(value: object) -> str:
    """Any value as it may stand in a message: as Python writes it, and not endless."""
    try:
        return plain(reprlib.repr(value))
    except ValueError:  # Python refuses to write thousands of digits
        return "a number of thousands of digits"


class VaceError(Exception):
    """The root: catch it to catch everything the library says about inputs and files.

    Attributes:
        code: What is wrong, in a few words that stay the same when the message is reworded: "video-cut-short".
        fields: What the message names, such as a path or a number of frames, by name.
    """

    def __init__(self, code: str, text: str, /, **fields: object) -> None:
        """The message is `text` with its `{names}` replaced by `fields`, as `str.format` does."""
        self.code, self.fields = code, fields
        message = text.format(**fields)
        if len(message) > LONGEST:  # the end says what to do
            half = (LONGEST - len(_CUT)) // 2
            message = f"{message[:half]}{_CUT}{message[-half:]}"
        super().__init__(plain(message))


class InputError(VaceError, ValueError):
    """Something the user connected or typed cannot be used as it is."""


class ShapeError(InputError):
    """Sizes, lengths or channel counts that do not fit together."""


class ModelError(VaceError, RuntimeError):
    """Something is wrong with a model file, or with two models together."""


class UnsupportedModelError(ModelError):
    """No model known here matches the weights of a file."""


class WeightsError(ModelError):
    """A file lacks weights, holds weights nobody asked for, or cannot be read."""


class AdapterMismatchError(ModelError):
    """An adapter belongs to another base model than the one it is attached to."""


class TrainingError(VaceError, RuntimeError):
    """Training cannot go on; the last good state is on disk."""
