"""Runs of pytest with real asynchronous libraries: what is left over is told once, and its twin is silent."""

from __future__ import annotations

import pytest

from tests.conftest import Project
from tests.test_left_running import PLAIN_AND_DISTRIBUTED


def found_in(project: Project, plugin: str, *options: str) -> dict[str, list[str]]:
    """Rule and subject of what each test left, by its name; without those that left nothing."""
    project.run_apart("-p", plugin, "--stateless", "--stateless-report=json:leaks.json", *options)
    assert [error for test in project.report()["tests"] for error in test["internal_errors"]] == []
    found: dict[str, list[str]] = {}
    for test in project.report()["tests"]:
        for leak in test["leaks"]:
            if (
                leak["severity"] == "error"
            ):  # from 3.14 on, what a library imports in a thread to run at exit is warned of
                name = test["nodeid"].partition("::test_")[2]
                found.setdefault(name, []).append(f"{leak['rule']} {leak['subject']}")
    return found


def origin_of(project: Project, name: str) -> str:
    """The function that is blamed for the first leak of a test."""
    (test,) = (test for test in project.report()["tests"] if test["nodeid"].endswith(f"::test_{name}"))
    return str(test["leaks"][0]["origin"]["function"])


_ASYNCIO = """
    import asyncio, pytest, pytest_asyncio

    session = pytest.mark.asyncio(loop_scope="session")

    async def refresh():
        await asyncio.sleep(3600)

    async def rows():
        for number in range(9):
            yield number

    @pytest_asyncio.fixture(loop_scope="session", scope="session")
    async def worker():
        task = asyncio.create_task(refresh())
        yield
        task.cancel()

    @pytest.mark.asyncio
    async def test_ends_with_its_loop():
        asyncio.create_task(refresh())
        await asyncio.sleep(0)
        assert await asyncio.to_thread(len, ()) == 0

    @session
    async def test_leaves_one(worker):
        asyncio.create_task(refresh())
        await asyncio.sleep(0)

    @session
    async def test_finds_one(worker):
        assert len(asyncio.all_tasks()) == 3

    @session
    async def test_cancels_one(worker):
        task = asyncio.create_task(refresh())
        await asyncio.sleep(0)
        task.cancel()

    @session
    async def test_closes_rows(worker):
        found = rows()
        assert await found.__anext__() == 0
        await found.aclose()

    @session
    async def test_leaves_a_timer(worker):
        asyncio.get_running_loop().call_later(3600, rows)

    @session
    async def test_uses_the_pool_of_the_loop(worker):
        assert await asyncio.get_running_loop().run_in_executor(None, len, ()) == 0

    @session
    async def test_last(worker):
        pass
"""


@pytest.mark.slow
@PLAIN_AND_DISTRIBUTED
def test_pytest_asyncio(options: tuple[str, ...], project: Project) -> None:
    pytest.importorskip("pytest_asyncio")
    project.write("test_shop.py", _ASYNCIO)
    assert found_in(project, "asyncio", *options) == {
        "leaves_one": ["async-task refresh (test_shop.py)"],
        "leaves_a_timer": ["async-task rows (test_shop.py)"],
    }
    assert origin_of(project, "leaves_one") == "test_leaves_one"


_ANYIO = """
    import asyncio, anyio, httpx, pytest
    from fastapi import FastAPI
    from starlette.background import BackgroundTask
    from starlette.responses import PlainTextResponse
    from starlette.testclient import TestClient

    async def refresh():
        await asyncio.sleep(3600)

    app = FastAPI()

    @app.get("/sync")
    def sync():
        return PlainTextResponse("tea", background=BackgroundTask(len, ()))

    @app.get("/async")
    async def a_sync():
        return PlainTextResponse("tea", background=BackgroundTask(asyncio.sleep, 0))

    @app.get("/forget")
    async def forget():
        asyncio.create_task(refresh())

    @pytest.fixture(scope="session")
    def anyio_backend():
        return "asyncio"

    @pytest.fixture(scope="session")
    async def pool(anyio_backend):
        async with anyio.create_task_group() as group:
            group.start_soon(refresh)
            yield
            group.cancel_scope.cancel()

    @pytest.fixture(scope="session")
    def client():
        with TestClient(app) as made:
            yield made

    def ask(client):
        assert client.get("/sync").text == client.get("/async").text == "tea"

    @pytest.mark.anyio
    async def test_ends_with_its_loop():
        asyncio.create_task(refresh())

    @pytest.mark.anyio
    async def test_waits(pool):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        assert await anyio.to_thread.run_sync(len, ()) == 0

    @pytest.mark.anyio
    async def test_leaves_one(pool):
        asyncio.create_task(refresh())
        await anyio.sleep(0)

    @pytest.mark.anyio
    async def test_leaves_one_by_a_request(pool):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            assert (await client.get("/sync")).text == "tea"
            await client.get("/forget")

    def test_a_portal_for_each_request():
        ask(TestClient(app))

    def test_a_portal():
        with TestClient(app) as client:
            ask(client)
            client.get("/forget")

    def test_leaves_a_portal(request):
        request.session.client = TestClient(app).__enter__()

    def test_a_lasting_portal(client):
        ask(client)

    def test_leaves_one_in_a_lasting_portal(client):
        client.get("/forget")

    def test_ends_the_portal(client, request):
        request.session.client.__exit__(None, None, None)

    @pytest.mark.anyio
    async def test_last(pool, client):
        pass
"""


@pytest.mark.slow
def test_anyio_starlette_and_fastapi(project: Project) -> None:
    for module in ("anyio", "httpx", "fastapi"):
        pytest.importorskip(module)
    project.write("test_shop.py", _ANYIO)
    assert found_in(project, "anyio") == {
        "leaves_one": ["async-task refresh (test_shop.py)"],
        "leaves_one_by_a_request": ["async-task refresh (test_shop.py)"],
        "leaves_a_portal": ["thread asyncio-portal-*"],
        "leaves_one_in_a_lasting_portal": ["async-task refresh (test_shop.py)"],
    }
    assert origin_of(project, "leaves_one_by_a_request") == "forget"
    assert origin_of(project, "leaves_one_in_a_lasting_portal") == "forget"
    assert origin_of(project, "leaves_a_portal") == "test_leaves_a_portal"


_SERVER = """
    import asyncio, threading, time, uvicorn, urllib.request, pytest

    async def refresh():
        await asyncio.sleep(3600)

    async def app(scope, receive, send):
        if scope["path"] == "/forget":
            asyncio.create_task(refresh())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"tea"})

    def start():
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", loop="LOOP")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        return server, thread

    def ask(server, path="/"):
        port = server.servers[0].sockets[0].getsockname()[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            assert answer.read() == b"tea"

    @pytest.fixture(scope="session")
    def live():
        server, thread = start()
        yield server
        server.should_exit = True
        thread.join()

    def test_shuts_down():
        server, thread = start()
        ask(server)
        server.should_exit = True
        thread.join()

    def test_leaves_a_server(request):
        request.session.server = start()
        ask(request.session.server[0])

    def test_live(live):
        ask(live)

    def test_leaves_one(live):
        ask(live, "/forget")

    def test_live_again(live):
        ask(live)

    def test_ends_the_server(request, live):
        server, thread = request.session.server
        server.should_exit = True
        thread.join()

    def test_last(live):
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_uvicorn(loop: str, project: Project) -> None:
    for module in ("uvicorn", loop):
        pytest.importorskip(module)
    project.write("test_shop.py", _SERVER.replace("LOOP", loop))
    assert found_in(project, "no:cacheprovider") == {
        "leaves_a_server": ["listening-socket 127.0.0.1:0", "thread uvicorn.server.Server.run"],
        "leaves_one": ["async-task refresh (test_shop.py)"],
    }
    assert origin_of(project, "leaves_one") == ("app" if loop == "asyncio" else "refresh")


_CLIENT = """
    import aiohttp, pytest
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    KEPT = []

    async def ask(session, port):
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert await answer.text() == "tea"

    @pytest.fixture(scope="session")
    def anyio_backend():
        return "asyncio"

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"tea")

    @pytest.fixture(scope="session")
    def port():
        with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    @pytest.fixture(scope="session")
    async def lasting(anyio_backend):
        yield

    @pytest.mark.anyio
    async def test_first(port, lasting):
        async with aiohttp.ClientSession() as session:
            await ask(session, port)

    @pytest.mark.anyio
    async def test_closes(port, lasting):
        async with aiohttp.ClientSession() as session:
            await ask(session, port)

    @pytest.mark.anyio
    async def test_keeps(port, lasting):
        KEPT.append(aiohttp.ClientSession())
        await ask(KEPT[-1], port)

    @pytest.mark.anyio
    async def test_last(port, lasting):
        pass
"""


@pytest.mark.slow
def test_aiohttp(project: Project) -> None:
    for module in ("anyio", "aiohttp"):
        pytest.importorskip(module)
    project.write("test_shop.py", _CLIENT)
    assert found_in(project, "anyio", "-W", "ignore::ResourceWarning") == {
        "keeps": ["module-state test_shop.KEPT"],
    }
    assert origin_of(project, "keeps") == "test_keeps"
