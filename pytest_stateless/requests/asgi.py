"""An ASGI application whose every request and websocket is a window (https://asgi.readthedocs.io/en/latest/specs/)."""

from __future__ import annotations

import time
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Any, Final

from pytest_stateless.requests.sent import Sent, of_scope
from pytest_stateless.requests.windows import Group, RequestWindows

_sleep: Final = time.sleep  # a test may replace it
_TIMES: Final = 50
_PAUSE: Final = 0.002
"""Seconds between two looks at the tasks of a request. A loop's own timers may stand still, with the test's clock."""


@types.coroutine
def _let_others_run() -> Iterator[None]:
    """Give the loop one turn, as ``asyncio.sleep(0)``."""
    yield


Scope = MutableMapping[str, Any]
ASGIApplication = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Awaitable[None]]


def wrap_asgi(app: ASGIApplication, requests: RequestWindows, *, by_client: bool = False) -> ASGIApplication:
    """The same application; a request's window closes when the application returns, after its background tasks."""

    async def windowed(scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        name = asgi_name(scope)
        if name is None:
            await app(scope, receive, send)
            return
        if requests.listen is not None:
            requests.hear(name, lambda: of_scope(scope))
            receive = _heard(receive, partial(requests.hear, name), scope)
        with requests.task(name, by_client=by_client) as group:
            await app(scope, receive, send)
            with requests.within(None):  # the task that serves the request isn't one that it started
                await _settle(requests, group)

    return windowed


def _heard(
    receive: Callable[..., Any], hear: Callable[[Callable[[], Sent]], None], scope: Scope
) -> Callable[..., Any]:
    """The same function; the body that it gives is told when it is complete, before the application has it."""
    parts: list[bytes] = []

    async def heard() -> Any:
        message = await receive()
        if message["type"] == "http.request":
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                hear(lambda: of_scope(scope, b"".join(parts)))
        return message

    return heard


async def _settle(requests: RequestWindows, group: Group) -> None:
    """Give tasks that a request started about a tenth of a second; what is pending then was left running."""
    for _ in range(_TIMES):
        if not requests.tasks_of(group):
            return
        await _let_others_run()
        _sleep(_PAUSE)
    requests.leave(group)


def asgi_name(scope: Mapping[str, Any]) -> str | None:
    """What a request is called; None for the application's lifespan, which is no request."""
    if scope["type"] == "http":
        return f"{scope['method']} {scope['path']}"
    if scope["type"] == "websocket":
        return f"WEBSOCKET {scope['path']}"
    return None
