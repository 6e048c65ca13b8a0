"""Python packages that only some of the steps need."""

from __future__ import annotations

import importlib
from typing import Any

from ...errors import ModelError
from ...files.replacing import reason


def package(name: str, what: str) -> Any:
    """A package, imported when it is used.

    Args:
        name: Of the module.
        what: What is done with it, as a message says it: "Shots are found".

    Raises:
        ModelError: it is not installed, or fails to be imported.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        raise ModelError(
            "data-library",
            "The Python package {name} cannot be imported ({error}). {what} with it. Install it with: "
            'pip install "scenedetect-headless>=0.7" transformers torchvision scipy',
            name=name.partition(".")[0],
            error=reason(error),
            what=what,
        ) from error
