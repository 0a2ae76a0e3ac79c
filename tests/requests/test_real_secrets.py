"""What the real test clients send is found where an application keeps it, and nowhere else."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

_KEEP = """
import hashlib
KEPT = []
def keep(name, secret):
    KEPT.append({name: secret})
def know(secret):
    KEPT.append(hashlib.sha256(secret.encode()).hexdigest())
"""
_FLASK = """
import flask
from keep import keep, know
app = flask.Flask("shop")
app.secret_key = "a key for the test"

@app.post("/login")
def login():
    know(flask.request.form["password"])
    flask.session["user"] = "bob"
    return flask.redirect("/")

@app.get("/")
def home():
    know(flask.request.args.get("token", ""))
    return flask.session["user"]

@app.post("/bad")
def bad():
    keep("password", flask.request.form["password"])
    keep("header", flask.request.headers.get("Authorization"))
    keep("cookie", flask.request.cookies["session"])
    return "x"
"""
_DJANGO = """
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from keep import keep, know

settings.configure(
    ROOT_URLCONF="shop", SECRET_KEY="x", ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

def good(request):
    know(request.POST["password"])
    request.session["user"] = "bob"
    return HttpResponse("done")

def bad(request):
    keep("password", request.POST["password"])
    keep("cookie", request.COOKIES.get("sessionid"))
    return HttpResponse("done")

async def bad_async(request):
    keep("token", request.headers["X-Api-Token"])
    return HttpResponse("done")

urlpatterns = [path("good", good), path("bad", bad), path("async", bad_async)]
"""
_FASTAPI = """
import fastapi
from keep import keep, know
app = fastapi.FastAPI()

@app.post("/good")
async def good(request: fastapi.Request):
    know((await request.json())["password"])

@app.post("/bad")
def bad(login: dict):
    keep("password", "user=bob&password=" + login["password"])
"""


@pytest.mark.parametrize(
    ("packages", "shop", "test", "told"),
    [
        pytest.param(
            ["flask"],
            _FLASK,
            """
def test_shop():
    client = shop.app.test_client()
    client.post("/login", data={"password": "hunter2"}, follow_redirects=True)
    client.get("/?token=token-0001")
    client.post("/bad", data={"password": "hunter3"}, headers={"Authorization": "Bearer token-0002"})
""",
            {
                "KEPT[3]['password']: the password of POST /bad is still reachable",
                "KEPT[4]['header']: the token of POST /bad is still reachable",
                "KEPT[5]['cookie']: the cookie session of GET / is still reachable",
            },
            id="flask",
        ),
        pytest.param(
            ["django"],
            _DJANGO,
            """
import asyncio
from django.test import AsyncClient, Client
def test_shop(stateless):
    client = Client()
    client.post("/good", {"password": "hunter2"})
    client.post("/bad", {"password": stateless.canary("secret")})
    asyncio.run(AsyncClient().get("/async", headers={"x-api-token": "token-0001"}))
""",
            {
                "KEPT[1]['password']: the secret of POST /bad is still reachable",
                "KEPT[2]['cookie']: the cookie sessionid of POST /bad is still reachable",
                "KEPT[3]['token']: the header x-api-token of GET /async is still reachable",
            },
            id="django",
        ),
        pytest.param(
            ["fastapi", "httpx"],
            _FASTAPI,
            """
import asyncio, httpx
from fastapi.testclient import TestClient
def test_shop():
    client = TestClient(shop.app)
    client.post("/good", json={"password": "hunter2"})
    client.post("/bad", json={"password": "hunter3"})
    async def main():
        transport = httpx.ASGITransport(shop.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            await client.post("/bad", json={"password": "hunter4"})
    asyncio.run(main())
""",
            {
                "KEPT[1]['password']: the password of POST /bad is still reachable",
                "KEPT[2]['password']: the password of POST /bad is still reachable",
            },
            id="fastapi",
        ),
        pytest.param(
            ["webtest", "aiohttp"],
            """
from aiohttp import web
from keep import keep

def app(environ, start_response):
    form = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
    keep("form", form.encode())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]

async def bad(request):
    keep("password", (await request.json())["password"])
    return web.Response(text="done")

def make_app():
    made = web.Application()
    made.router.add_post("/bad", bad)
    return made
""",
            """
import asyncio, webtest
from aiohttp.test_utils import TestClient, TestServer
def test_shop():
    webtest.TestApp(shop.app).post("/form", {"password": "hunter 2"})
    async def main():
        async with TestClient(TestServer(shop.make_app())) as client:
            await client.post("/bad", json={"password": "hunter3"})
    asyncio.run(main())
""",
            {
                "KEPT[0]['form']: the password of POST /form (percent-encoded) is still reachable",
                "KEPT[1]['password']: the password of POST /bad is still reachable",
            },
            id="webtest-aiohttp",
        ),
    ],
)
def test_what_is_sent_is_found_where_it_is_kept(
    packages: list[str], shop: str, test: str, told: set[str], project: Project
) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing and os.environ.get("STATELESS_CLIENTS") != "1":
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing
    project.write("keep.py", _KEEP)
    project.write("shop.py", shop)
    project.write("test_shop.py", f"import shop\n{test}")
    each = "stateless_requests = each\n" if "aiohttp" in packages else ""
    project.write("pytest.ini", f"[pytest]\nstateless_canaries = true\nstateless_no_blame = true\n{each}")
    # Apart: Django is configured once in a process.
    result = project.run_apart("--stateless", "--stateless-report=json:leaks.json", "-W", "ignore")
    (found,) = project.report()["tests"]
    leaks: list[dict[str, Any]] = [leak for leak in found["leaks"] if leak["rule"] == "retained-secret"]
    assert {f"{leak['subject'].removeprefix('keep.')}: {leak['message']}" for leak in leaks} == told
    assert "hunter" not in str(project.report())
    assert "internal" not in result.stdout.str()
