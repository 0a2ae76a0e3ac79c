"""Knows when a test starts and ends an application: what that sets up is no state of a request.

In production it is done once in each process, before the first request and after the last.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final, Protocol

from pytest_stateless.requests.clients import Client, awaiting, calling


class _Checks(Protocol):
    def lifespan(self) -> AbstractContextManager[None]: ...


def _lifespan(checks: _Checks, *_: object, **__: object) -> AbstractContextManager[None]:
    return checks.lifespan()


LIFESPANS: Final = (
    Client("starlette.testclient", "TestClient.__enter__", calling(_lifespan)),
    Client("starlette.testclient", "TestClient.__exit__", calling(_lifespan)),
    Client("asgi_lifespan._manager", "LifespanManager.__aenter__", awaiting(_lifespan)),
    Client("asgi_lifespan._manager", "LifespanManager.__aexit__", awaiting(_lifespan)),
    Client("aiohttp.test_utils", "BaseTestServer.start_server", awaiting(_lifespan)),
    Client("aiohttp.test_utils", "BaseTestServer.close", awaiting(_lifespan)),
)
"""What starts an application and what ends it, as ``Clients`` takes it."""
