"""Every error the library raises on purpose.

VaceError
├── InputError              what the user connected or typed
│   └── ShapeError          sizes, lengths or channels that do not fit together
└── ModelError              the files
    ├── UnsupportedModelError   no known model matches these weights
    ├── WeightsError            keys missing or unexpected
    └── AdapterMismatchError    this adapter belongs to another base model

A message says, in this order: what came, what is needed, what to do.
"""

from __future__ import annotations


class VaceError(Exception):
    """The root: catch it to catch everything the library says about inputs and files."""


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
