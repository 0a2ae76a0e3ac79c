"""What belongs to a request is looked for after it: what it cleaned up by then is no leak, what is left is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

SHOP = """
import asyncio, contextlib, contextvars, time
import fastapi, flask
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse

USER = contextvars.ContextVar("user")
LOG, TASKS = [], set()

web = flask.Flask("shop")

@web.get("/variable")
def variable():
    USER.set("bob")
    return "ok"

@web.get("/variable-put-back")
def variable_put_back():
    token = USER.set("bob")
    try:
        return "ok"
    finally:
        USER.reset(token)

@web.get("/g")
def of_the_context():
    flask.g.user = "bob"
    return "ok"

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.pool = ["connection"]
    LOG.append("started")
    yield
    app.state.pool.clear()

api = fastapi.FastAPI(lifespan=lifespan)

async def later():
    await asyncio.sleep(0.01)

@api.get("/variable")
async def variable_of_a_task():
    USER.set("bob")

@api.get("/in-a-thread")
def in_a_thread():
    USER.set("bob")

@api.get("/afterwards")
async def afterwards():
    return PlainTextResponse("ok", background=BackgroundTask(later))

@api.get("/afterwards-in-a-thread")
async def afterwards_in_a_thread(tasks: fastapi.BackgroundTasks):
    tasks.add_task(time.sleep, 0.01)

@api.get("/afterwards-kept")
async def afterwards_kept(tasks: fastapi.BackgroundTasks):
    tasks.add_task(LOG.append, "bob")

async def forever():
    await asyncio.Event().wait()

@api.get("/soon")
async def soon():
    asyncio.get_running_loop().create_task(later())

@api.get("/forever")
async def left_running():
    asyncio.get_running_loop().create_task(forever())

@api.get("/state")
async def state(request: fastapi.Request):
    request.app.state.user = "bob"
"""
TESTS = """
import asyncio, pytest, httpx, shop
from fastapi.testclient import TestClient

@pytest.mark.parametrize("path", ["variable", "variable-put-back", "g"])
def test_web(path):
    assert shop.web.test_client().get(f"/{path}").text == "ok"

PATHS = ["variable", "in-a-thread", "afterwards", "afterwards-in-a-thread", "afterwards-kept"]
PATHS += ["state", "soon", "forever"]

@pytest.mark.parametrize("path", PATHS)
def test_api(path):
    with TestClient(shop.api) as client:
        assert client.get(f"/{path}").status_code == 200

def test_one_task():
    async def main():
        transport = httpx.ASGITransport(shop.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            await client.get("/variable")
    asyncio.run(main())

def test_together():
    async def main():
        transport = httpx.ASGITransport(shop.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            await asyncio.gather(client.get("/soon"), client.get("/afterwards"), client.get("/soon"))
    asyncio.run(main())

def test_at_the_start():
    with TestClient(shop.api) as client:
        pass
"""


@pytest.mark.parametrize("requests", ["none", "each"])
def test_what_is_left_after_a_request_is_told_in_its_name(requests: str, project: Project) -> None:
    for package in ("fastapi", "flask", "httpx"):
        pytest.importorskip(package)
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TESTS)
    options = [] if requests == "none" else ["--stateless-requests=each"]
    result = project.run_apart("--stateless", "--stateless-report=json:leaks.json", "-W", "ignore", *options)
    found = {
        (test["nodeid"].partition("::test_")[2], leak["subject"], leak["request"])
        for test in project.report()["tests"]
        for leak in test["leaks"]
        if leak["severity"] == "error"
    }
    forever = {("api[forever]", "forever (shop.py)", "GET /forever (1st request)")}
    assert found == (set() if requests == "none" else forever) | {
        ("web[variable]", "shop.USER", "GET /variable (1st request)"),
        ("api[afterwards-kept]", "shop.LOG", "GET /afterwards-kept (1st request)"),
        ("api[state]", "shop.api.state._state['user']", "GET /state (1st request)"),
    }
    assert not any(test["internal_errors"] for test in project.report()["tests"])
    failed = 3 if requests == "none" else 4
    result.assert_outcomes(failed=failed, passed=14 - failed)
