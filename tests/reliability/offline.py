"""No network, and who asked for it."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def offline() -> Generator[list[str], None, None]:
    """Refuses every connection, and collects where to."""
    attempts: list[str] = []
    real = socket.socket.connect, socket.getaddrinfo

    def refuse(*address: Any, **_: Any) -> Any:
        attempts.append(str(address[-1]))
        raise OSError("no network here")

    socket.socket.connect, socket.getaddrinfo = refuse, refuse  # type: ignore[method-assign,assignment]
    try:
        yield attempts
    finally:
        socket.socket.connect, socket.getaddrinfo = real  # type: ignore[method-assign]
