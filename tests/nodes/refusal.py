"""What the nodes say where they refuse something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def refusal(call: Callable[..., Any], *args: Any, **named: Any) -> str:
    """The message of the library's error that `call` raises; any other error is a failure."""
    try:
        call(*args, **named)
    except Exception as error:
        if "VaceError" not in [kind.__name__ for kind in type(error).__mro__]:
            raise
        return str(error)
    raise AssertionError("nothing was refused")


def outcome(call: Callable[..., Any], *args: Any, **named: Any) -> str:
    """The word "handled", or the message of the library's error; any other error is a failure."""
    try:
        return refusal(call, *args, **named)
    except AssertionError:
        return "handled"
