"""What the nodes say where they refuse something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refused import refused


def refusal(call: Callable[..., Any], *args: Any, **named: Any) -> str:
    """Code and fields of the library's error that `call` raises; any other error is a failure."""
    error = _error_of(call, *args, **named)
    assert error is not None, "nothing was refused"
    return refused(error)


def outcome(call: Callable[..., Any], *args: Any, **named: Any) -> str:
    """The word "handled", or the message of the library's error; any other error is a failure."""
    error = _error_of(call, *args, **named)
    return "handled" if error is None else str(error)


def _error_of(call: Callable[..., Any], *args: Any, **named: Any) -> Exception | None:
    try:
        call(*args, **named)
    except Exception as error:
        if "VaceError" not in [kind.__name__ for kind in type(error).__mro__]:
            raise
        return error
    return None
