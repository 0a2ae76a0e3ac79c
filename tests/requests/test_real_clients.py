"""Requests of the real test clients, each a window under its name; tox's ``clients`` has them all."""

from __future__ import annotations

import importlib
import importlib.util
import os
import types
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.requests import LIFESPANS
from pytest_stateless.requests.clients import CLIENTS, Client

if TYPE_CHECKING:
    from tests.conftest import Project

EACH = "--stateless-requests=each"

_FLASK = """
import flask
app = flask.Flask("shop")
CARTS = {}

@app.post("/cart/<user>")
def cart(user):
    CARTS[user] = 1
    return flask.redirect("/done")

@app.get("/done")
def done():
    CARTS["done"] = 1
    return "done"
"""
_FASTAPI = """
import fastapi
app = fastapi.FastAPI()
CARTS = {}

@app.get("/cart/{user}")
def cart(user: str):
    CARTS[user] = 1

@app.websocket("/chat")
async def chat(socket: fastapi.WebSocket):
    await socket.accept()
    CARTS["chat"] = 1
    await socket.close()
"""
_WSGI = """
CARTS = {}

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    CARTS["first"] = 1
    yield b"first"
    CARTS["last"] = 1
    yield b"last"
"""
_DJANGO = """
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
CARTS = {}

settings.configure(
    ROOT_URLCONF="shop", SECRET_KEY="x", ALLOWED_HOSTS=["*"], DATABASES={},
    INSTALLED_APPS=[], REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
)
django.setup()

def cart(request, user):
    CARTS[user] = 1
    return HttpResponse("done")

async def cart_async(request, user):
    return cart(request, user)

urlpatterns = [path("cart/<user>", cart), path("async/<user>", cart_async)]
"""
_AIOHTTP = """
from aiohttp import web
CARTS = {}

async def cart(request):
    CARTS[request.match_info["user"]] = 1
    return web.Response(text="done")

def make_app():
    app = web.Application()
    app.router.add_get("/cart/{user}", cart)
    return app
"""


def needs(*packages: str) -> None:
    """Skip where one is missing; tox's environment for these tests takes that for a failure."""
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing and os.environ.get("STATELESS_CLIENTS") != "1":
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing


def _httpx(package: str) -> list[Any]:
    transport = f"{package}.ASGITransport(shop.app)"
    asgi = f"""
import asyncio, {package}
def test_cart():
    async def main():
        async with {package}.AsyncClient(transport={transport}, base_url="http://shop") as client:
            await client.get("/cart/bob?token=secret")
            await client.get("/cart/eve")
    asyncio.run(main())
"""
    wsgi = f"""
import {package}
def test_cart():
    with {package}.Client(transport={package}.WSGITransport(shop.app), base_url="http://shop") as client:
        assert client.get("/cart?token=secret").text == "firstlast"
"""
    told = {"bob": "GET /cart/bob (1st request)", "eve": "GET /cart/eve (2nd request)"}
    lazily = {"first": "GET /cart (1st request)", "last": "GET /cart (1st request)"}
    return [
        pytest.param([package, "fastapi"], _FASTAPI, asgi, told, id=f"{package}-asgi"),
        pytest.param([package], _WSGI, wsgi, lazily, id=f"{package}-wsgi"),
    ]


@pytest.mark.parametrize(
    ("packages", "shop", "test", "told"),
    [
        pytest.param(
            ["flask"],
            _FLASK,
            """
def test_cart():
    response = shop.app.test_client().post("/cart/bob?token=secret", follow_redirects=True)
    assert response.text == "done"
""",
            {"bob": "POST /cart/bob (1st request)", "done": "GET /done (2nd request)"},
            id="flask",
        ),
        pytest.param(
            ["werkzeug"],
            _WSGI,
            """
import werkzeug.test
def test_cart():
    assert werkzeug.test.Client(shop.app).get("/cart").text == "firstlast"
    assert werkzeug.test.Client(shop.app).get("/cart", buffered=True).text == "firstlast"
""",
            {"first": "GET /cart (1st request)", "last": "GET /cart (1st request)"},
            id="werkzeug",
        ),
        pytest.param(
            ["webtest"],
            _WSGI,
            """
import webtest
def test_cart():
    assert webtest.TestApp(shop.app).get("/cart?token=secret").text == "firstlast"
""",
            {"first": "GET /cart (1st request)", "last": "GET /cart (1st request)"},
            id="webtest",
        ),
        pytest.param(
            ["django"],
            _DJANGO,
            """
from django.test import Client
def test_cart():
    assert Client().get("/cart/bob?token=secret").content == b"done"
""",
            {"bob": "GET /cart/bob (1st request)"},
            id="django",
        ),
        pytest.param(
            ["django"],
            _DJANGO,
            """
import asyncio
from django.test import AsyncClient
def test_cart():
    assert asyncio.run(AsyncClient().get("/async/bob?token=secret")).content == b"done"
""",
            {"bob": "GET /async/bob (1st request)"},
            id="django-async",
        ),
        pytest.param(
            ["django", "rest_framework"],
            _DJANGO.replace("APPS=[]", "APPS=['rest_framework']"),
            """
from rest_framework.test import APIClient
def test_cart():
    assert APIClient().post("/cart/bob?token=secret").content == b"done"
""",
            {"bob": "POST /cart/bob (1st request)"},
            id="rest-framework",
        ),
        pytest.param(
            ["fastapi"],
            _FASTAPI,
            """
from fastapi.testclient import TestClient
def test_cart():
    TestClient(shop.app).get("/cart/bob?token=secret")
    with TestClient(shop.app) as client:
        client.get("/cart/eve")
        with client.websocket_connect("/chat?token=secret"):
            pass
""",
            {
                "bob": "GET /cart/bob (1st request)",
                "eve": "GET /cart/eve (2nd request)",
                "chat": "WEBSOCKET /chat (3rd request)",
            },
            id="starlette",
        ),
        pytest.param(
            ["aiohttp"],
            _AIOHTTP,
            """
import asyncio
from aiohttp.test_utils import TestClient, TestServer
def test_cart():
    async def main():
        async with TestClient(TestServer(shop.make_app())) as client:
            assert await (await client.get("/cart/bob?token=secret")).text() == "done"
    asyncio.run(main())
""",
            {"bob": "GET /cart/bob (1st request)"},
            id="aiohttp",
        ),
        *_httpx("httpx"),
        *_httpx("httpx2"),
    ],
)
def test_what_a_request_leaves_is_told_in_its_name(
    packages: list[str], shop: str, test: str, told: dict[str, str], project: Project
) -> None:
    needs(*packages)
    project.write("shop.py", shop)
    project.write("test_shop.py", f"import shop\n{test}")
    # Apart: Django is configured once in a process.
    project.run_apart("--stateless", EACH, "--stateless-report=json:leaks.json", "-W", "ignore")
    (test_,) = project.report()["tests"]
    carts = {
        leak["subject"].removeprefix("shop.CARTS['").removesuffix("']"): leak["request"]
        for leak in test_["leaks"]
        if leak["subject"].startswith("shop.CARTS")
    }
    assert carts == told
    assert "secret" not in str(project.report())


@pytest.mark.parametrize(
    "place", [*CLIENTS, *LIFESPANS], ids=lambda place: f"{place.module}.{place.function}"
)
def test_the_functions_of_the_clients_are_where_they_were(place: Client) -> None:
    needs(place.module.partition(".")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette 1.x prefers another package to httpx, and warns
        found: Any = importlib.import_module(place.module)
    for name in place.function.split("."):
        found = vars(found)[name]
    assert type(found) is types.FunctionType


STARTED = """
import asyncio, contextlib, fastapi
from aiohttp import web
from aiohttp.test_utils import TestServer
from asgi_lifespan import LifespanManager

POOL = web.AppKey("pool", list)
app = web.Application()

async def pool(app):
    app[POOL] = ["connection"]
    yield

app.cleanup_ctx.append(pool)

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.pool = ["connection"]
    yield

api = fastapi.FastAPI(lifespan=lifespan)

def test_server():
    async def main():
        async with TestServer(app):
            assert app[POOL]
    asyncio.run(main())

def test_lifespan():
    async def main():
        async with LifespanManager(api):
            assert api.state.pool
    asyncio.run(main())
"""


def test_what_an_application_sets_up_at_its_start_is_no_leak(project: Project) -> None:
    needs("aiohttp", "asgi_lifespan", "fastapi")
    project.write("test_start.py", STARTED)
    project.run_apart("--stateless", "-W", "ignore").assert_outcomes(passed=2)


ORDERS = """
import django
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 5")
    return HttpResponse("done")

def ends(request):
    with transaction.atomic():
        return ask()

def leaves(request):
    transaction.set_autocommit(False)
    return ask()

urlpatterns = [path("ends", ends), path("leaves", leaves)]

def test_ends():
    assert Client().get("/ends").content == b"done"

def test_leaves():
    assert Client().get("/leaves").content == b"done"
"""


def test_a_transaction_of_django_that_is_left_open_is_of_its_request(project: Project) -> None:
    needs("django")
    project.write("test_orders.py", ORDERS)
    project.run_apart("--stateless", EACH, "--stateless-report=json:leaks.json", "-W", "ignore")
    found = [
        (leak["rule"], leak["subject"], leak["request"])
        for test in project.report()["tests"]
        for leak in test["leaks"]
    ]
    assert found == [("open-transaction", "django.db.connections['default']", "GET /leaves (1st request)")]
