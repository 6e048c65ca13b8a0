"""Answers of the pack over HTTP: only where a ComfyUI runs as a server, never on its event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...vace_core.errors import InputError, VaceError, shown
from . import host

log = logging.getLogger("vace")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a route answers: a picture as bytes, or JSON.

    Attributes:
        body: Bytes of a picture; None where it is JSON.
        data: The JSON.
        kind: Type of the bytes.
        headers: What is said beside it.
    """

    body: bytes | None = None
    data: Any = None
    kind: str = "image/webp"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Route = Callable[[dict[str, Any]], Answer]


def answered(route: Route, said: Any) -> tuple[int, Answer]:
    """Status and answer of a route: 200, or 400 with {"code", "message"} for what cannot be done as asked."""
    try:
        if not isinstance(said, dict):
            raise InputError(
                "request-not-json",
                "The request holds {value}. A JSON object is needed. Update the pack and reload the page.",
                value=shown(said),
            )
        return 200, route(said)
    except VaceError as error:
        return 400, Answer(data={"code": error.code, "message": str(error)})
    except Exception as error:
        log.warning("a request of an editor failed: %s: %s", type(error).__name__, error, exc_info=True)
        message = f"{type(error).__name__}: {error} The console of ComfyUI says more."
        return 400, Answer(data={"code": "request-failed", "message": message})


def register(prefix: str, routes: Mapping[str, Route]) -> bool:
    """Offers routes at ComfyUI's server by POST, once; False where there is none."""
    server = host.prompt_server()
    if server is None:
        return False
    there = {getattr(one, "path", "") for one in server.routes}
    from aiohttp import web

    def offered(route: Route) -> Callable[[Any], Any]:
        async def handle(request: Any) -> Any:
            try:
                said = await request.json()
            except ValueError:
                said = None
            status, answer = await asyncio.get_running_loop().run_in_executor(None, answered, route, said)
            headers = dict(answer.headers)
            if answer.body is None:
                return web.json_response(answer.data, status=status, headers=headers)
            return web.Response(body=answer.body, content_type=answer.kind, status=status, headers=headers)

        return handle

    for name, route in routes.items():
        if f"{prefix}/{name}" not in there:
            server.routes.post(f"{prefix}/{name}")(offered(route))
    return True


def table(name: str, said: Any) -> Mapping[str, Any]:
    """A part of a request that is a table; an empty one where it is missing.

    Raises:
        InputError: it is something else.
    """
    if said is None or isinstance(said, dict):
        return said or {}
    raise InputError(
        "request-not-json",
        "The request holds {value}. A JSON object is needed. Update the pack and reload the page.",
        value=f"{name} {shown(said)}",
    )
