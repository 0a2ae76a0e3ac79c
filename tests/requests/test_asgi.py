"""ASGI applications: a request lasts until the application returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket
from starlette.testclient import TestClient

from pytest_stateless.requests import interface_of, wrap_asgi

if TYPE_CHECKING:
    from tests.requests.conftest import Served


@pytest.fixture
def app(served: Served) -> FastAPI:
    """An application that leaves names behind."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/login/{name}")
    async def login(name: str, tasks: BackgroundTasks) -> str:
        served.add(name)
        tasks.add_task(served.add, f"{name} in the background")
        return "welcome"

    @app.websocket("/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        served.add(await socket.receive_text())
        await socket.close()

    return app


def test_a_request_lasts_until_its_background_tasks_have_run(app: FastAPI, served: Served) -> None:
    assert interface_of(app) == "asgi"
    with TestClient(wrap_asgi(app, served.requests)) as client:
        assert client.post("/login/bob").status_code == 200
    assert served.found == [
        ("bob", "POST /login/bob (1st request)"),
        ("bob in the background", "POST /login/bob (1st request)"),
    ]


def test_a_websocket_is_a_window(app: FastAPI, served: Served) -> None:
    with TestClient(wrap_asgi(app, served.requests)) as client, client.websocket_connect("/chat") as socket:
        socket.send_text("eve")
        socket.close()
    assert served.found == [("eve", "WEBSOCKET /chat (1st request)")]


def test_the_lifespan_is_no_request(served: Served) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    async def receive() -> None: ...

    asyncio.run(_call(wrap_asgi(app, served.requests), {"type": "lifespan"}, receive))
    assert seen == ["lifespan"]
    with served.requests.request("the first"):
        served.add("bob")
    assert served.found == [("bob", "the first (1st request)")]


async def _call(app: Any, scope: dict[str, Any], receive: Any) -> None:
    await app(scope, receive, receive)


def test_an_application_that_raises_ends_its_request(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        served.add("half done")
        raise ZeroDivisionError

    scope = {"type": "http", "method": "GET", "path": "/"}
    with pytest.raises(ZeroDivisionError):
        asyncio.run(_call(wrap_asgi(app, served.requests), scope, None))
    assert served.found == [("half done", "GET / (1st request)")]


@pytest.mark.parametrize(
    ("make", "interface"),
    [
        pytest.param(lambda: _function, "asgi", id="coroutine-function"),
        pytest.param(lambda: _Callable(), "asgi", id="coroutine-call"),
        pytest.param(lambda: lambda environ, start_response: [], "wsgi", id="function"),
    ],
)
def test_the_interface_is_told_by_what_calling_gives(make: Any, interface: str) -> None:
    assert interface_of(make()) == interface


async def _function(scope: Any, receive: Any, send: Any) -> None: ...


class _Callable:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...
