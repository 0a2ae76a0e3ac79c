"""ASGI applications: a request lasts until the application returns."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from pytest_stateless.requests import RequestWindows, interface_of, wrap_asgi

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tests.requests.conftest import Served

# Starlette 1.x prefers another package to httpx, and warns as its client is imported.
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")


@pytest.fixture
def client(app: FastAPI, served: Served) -> Iterator[TestClient]:
    """A client of the application, whose lifespan has begun."""
    from starlette.testclient import TestClient

    with TestClient(wrap_asgi(app, served.requests)) as client:
        yield client


@pytest.fixture
def app(served: Served) -> FastAPI:
    """An application that leaves names behind."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.began = True
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


def test_a_request_lasts_until_its_background_tasks_have_run(
    app: FastAPI, client: TestClient, served: Served
) -> None:
    assert interface_of(app) == "asgi"
    assert client.post("/login/bob").json() == "welcome"
    assert served.found == [
        ("bob", "POST /login/bob (1st request)"),
        ("bob in the background", "POST /login/bob (1st request)"),
    ]


def test_requests_in_a_row_are_windows_in_a_row(client: TestClient, served: Served) -> None:
    for name in ("bob", "eve"):
        client.post(f"/login/{name}")
    assert [request for _, request in served.found[::2]] == [
        "POST /login/bob (1st request)",
        "POST /login/eve (2nd request)",
    ]


def test_a_body_that_is_streamed_belongs_to_its_request(
    app: FastAPI, client: TestClient, served: Served
) -> None:
    @app.get("/stream")
    def stream() -> StreamingResponse:
        def parts() -> Iterator[str]:
            for name in ("bob", "eve"):
                served.add(name)
                yield name

        return StreamingResponse(parts())

    assert client.get("/stream").text == "bobeve"
    assert served.found == [
        ("bob", "GET /stream (1st request)"),
        ("eve", "GET /stream (1st request)"),
    ]


def test_a_websocket_is_a_window(client: TestClient, served: Served) -> None:
    with client.websocket_connect("/chat") as socket:
        socket.send_text("eve")
    assert served.found == [("eve", "WEBSOCKET /chat (1st request)")]


def test_the_lifespan_is_passed_through(app: FastAPI, client: TestClient, served: Served) -> None:
    assert app.state.began
    client.post("/login/bob")
    assert served.found[0] == ("bob", "POST /login/bob (1st request)")


@pytest.mark.parametrize("kind", ["lifespan", "of the future"])
def test_what_is_no_request_is_passed_through_and_not_counted(kind: str, served: Served) -> None:
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.extend(arguments)

    scope = {"type": kind}
    asyncio.run(_call(wrap_asgi(app, served.requests), scope))
    assert seen == [scope, _nothing, _nothing]
    assert seen[0] is scope
    with served.requests.request("the first"):
        served.add("bob")
    assert served.found == [("bob", "the first (1st request)")]


def test_gathered_requests_are_one_window_under_all_names(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        served.add(scope["path"])
        await asyncio.sleep(0)

    wrapped = wrap_asgi(app, served.requests)

    async def main() -> None:
        paths = ("/a", "/b", "/c")
        await asyncio.gather(
            *(_call(wrapped, {"type": "http", "method": "GET", "path": path}) for path in paths)
        )

    asyncio.run(main())
    together = "GET /a (1st request) and GET /b (2nd request) and GET /c (3rd request)"
    assert served.found == [(path, together) for path in ("/a", "/b", "/c")]


def test_an_application_that_calls_itself_has_nested_requests(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/outer":
            await wrapped({**scope, "path": "/inner"}, receive, send)
        served.add(scope["path"])

    wrapped = wrap_asgi(app, served.requests)
    asyncio.run(_call(wrapped, {"type": "http", "method": "GET", "path": "/outer"}))
    assert served.found == [("/inner", "GET /inner (2nd request)"), ("/outer", "GET /outer (1st request)")]


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
def test_an_application_that_raises_ends_its_request(error: type[BaseException], served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        served.add("half done")
        raise error

    scope = {"type": "http", "method": "GET", "path": "/"}
    with pytest.raises(error):
        asyncio.run(_call(wrap_asgi(app, served.requests), scope))
    assert served.found == [("half done", "GET / (1st request)")]


async def _nothing(*_: Any) -> None: ...


async def _call(app: Any, scope: dict[str, Any]) -> None:
    await app(scope, _nothing, _nothing)


@pytest.mark.parametrize(
    ("make", "interface"),
    [
        pytest.param(lambda: _function, "asgi", id="coroutine-function"),
        pytest.param(
            lambda: functools.partial(_function, send=None), "asgi", id="partial-coroutine-function"
        ),
        pytest.param(lambda: _Callable(), "asgi", id="coroutine-call"),
        pytest.param(lambda: _Callable().__call__, "asgi", id="coroutine-method"),
        pytest.param(lambda: lambda environ, start_response: [], "wsgi", id="function"),
    ],
)
def test_the_interface_is_told_by_what_calling_gives(make: Any, interface: str) -> None:
    assert interface_of(make()) == interface


async def _function(scope: Any, receive: Any, send: Any) -> None: ...


class _Callable:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


async def _ignore(*_: object) -> Any:
    return {"type": "http.request"}


class _Left(list[str]):
    """Names of tasks that were noted, in the place of the windows."""

    def open(self, *, shares: bool = False) -> None: ...

    def close(self, *_: object) -> None: ...

    pass_on = close

    def leave(self, _: object, tasks: Sequence[Any], /) -> None:
        self += [task.get_name() for task in tasks]


@pytest.mark.parametrize(
    ("turns", "left"), [pytest.param(3, [], id="ends-soon"), pytest.param(10_000, ["job"], id="goes-on")]
)
def test_tasks_that_a_request_started_are_left_to_end(turns: int, left: list[str]) -> None:
    noted = _Left()
    requests = RequestWindows(noted, lambda *_: None)

    async def job() -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def app(*_: object) -> None:
        started.append(asyncio.create_task(job(), name="job"))

    async def main() -> None:
        mine = asyncio.create_task(job(), name="the test's")
        await wrap_asgi(app, requests)({"type": "http", "method": "GET", "path": "/"}, _ignore, _ignore)
        for task in (mine, *started):
            task.cancel()

    started: list[asyncio.Task[None]] = []
    asyncio.run(main())
    assert noted == left
