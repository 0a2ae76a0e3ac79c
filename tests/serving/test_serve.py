"""``stateless.serve`` in tests: what requests to a real server leave behind is told in the test that sent them."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.serving import process

if TYPE_CHECKING:
    from tests.conftest import Project

SMALL = "--stateless-scope=application"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the server is forked")

SHOP = """
import os, pathlib, signal, subprocess, sys, threading, time, urllib.error, urllib.request
import pytest
CARTS = {}
LOG = pathlib.Path(__file__).with_name("visits.log")
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/cart":
        CARTS["bob"] = "tea"
    elif path == "/log":
        LOG.write_text("bob")
    elif path == "/both":
        CARTS.setdefault("eve", "milk")
        LOG.write_text("eve")
    elif path == "/env":
        os.environ["SHOP"] = "open"
    elif path == "/child":
        subprocess.run([sys.executable, "-c", "open('child.txt', 'w').close()"])
    elif path == "/thread":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    elif path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
def get(server, path="/"):
    return urllib.request.urlopen(server.url + path, timeout=60).read()
def serve(stateless):
    return stateless.serve(app, server="wsgiref")
"""


def told(project: Project, *arguments: str) -> dict[str, list[tuple[str, str, str | None, str | None]]]:
    """By test: rule, subject, function or note, and request of each leak. No part of the plugin failed."""
    project.run("--stateless-report=json:leaks.json", *arguments)
    assert not process._LIVING
    tests = project.report()["tests"]
    assert not [error for test in tests for error in test["internal_errors"]]
    return {test["nodeid"].partition("::")[2]: list(map(_told, test["leaks"])) for test in tests}


def _told(leak: dict[str, Any]) -> tuple[str, str, str | None, str | None]:
    by = leak["origin"]["function"] if leak["origin"] else leak["note"]
    return leak["rule"], leak["subject"].removeprefix("test_shop."), by, leak["request"]


def test_leaks_of_a_real_server_name_their_requests_and_lines(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_cart(stateless):
    with serve(stateless) as server:
        get(server)
        get(server, "/cart?user=secret")
    with pytest.raises(urllib.error.URLError):
        get(server)
@pytest.mark.stateless
def test_other_kinds(stateless):
    with serve(stateless) as server:
        for path in ("/log", "/env", "/thread", "/child"):
            get(server, path)
@pytest.mark.stateless
def test_clean_ones_beside_each_other(stateless):
    with serve(stateless) as server, serve(stateless) as other:
        assert len({{get(server), get(server), get(other), str(os.getpid()).encode()}}) == 3
@pytest.mark.stateless
def test_nobody_closes_it(stateless):
    with stateless.request("starting"):
        server = serve(stateless)
    with stateless.request("GET /"):
        get(server)
@pytest.mark.stateless(allow=["module-state:test_shop.CARTS*", "file-write:*"])
def test_allowed(stateless):
    get(serve(stateless), "/both")
""",
    )
    if sys.version_info < (3, 12) and sys.gettrace() is not None:
        cart = "blame skipped: a debugger or another tracer is active"
    else:
        cart = "app"
    assert told(project) == {
        "test_cart": [("module-state", "CARTS['bob']", cart, "GET /cart (2nd request)")],
        "test_other_kinds": [
            ("file-write", "visits.log", "app", "GET /log (1st request)"),
            ("interpreter-state", "os.environ['SHOP']", cart, "GET /env (2nd request)"),
            ("thread", "sleep", "app", "GET /thread (3rd request)"),
            ("file-write", "child.txt", "app", "GET /child (4th request)"),
        ],
    }
    project.run("--stateless-off").assert_outcomes(passed=5)


def test_the_tests_own_leaks_are_told_beside_those_of_the_server(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_both(stateless):
    CARTS["own"] = 1
    with serve(stateless) as server:
        get(server, "/both")
        CARTS["late"] = 1
""",
    )
    assert {(rule, subject, request) for rule, subject, _, request in told(project, SMALL)["test_both"]} == {
        ("module-state", "CARTS['own']", None),
        ("module-state", "CARTS['late']", None),
        ("module-state", "CARTS['eve']", "GET /both (1st request)"),
        ("file-write", "visits.log", "GET /both (1st request)"),
    }


RERUN = """
import os, pathlib, urllib.request
import pytest
class Shop:
    user = None
def app(environ, start_response):
    if environ["PATH_INFO"] == "/kill":
        os._exit(3)
    Shop.user = "bob"
    start_response("200 OK", [])
    return [b""]
@pytest.mark.stateless(allow=["file-write:*"])
def test_user(stateless):
    runs = pathlib.Path(__file__).with_name("runs.txt")
    number = len(runs.read_text()) if runs.exists() else 0
    runs.write_text("x" * (number + 1))
    with stateless.serve(app, server="wsgiref") as server:
        urllib.request.urlopen(server.url, timeout=60).read()
        if number:
            AGAIN
"""


@pytest.mark.parametrize(
    ("again", "runs", "told_by"),
    [
        pytest.param("pass", 3, "app", id="the-same-is-bound-again"),
        pytest.param("pytest.fail()", 3, "app", id="the-test-fails-then"),
        pytest.param("urllib.request.urlopen(server.url + '/kill')", 2, None, id="the-server-is-lost-then"),
    ],
)
def test_the_test_runs_as_often_as_the_served_process_wants(
    project: Project, again: str, runs: int, told_by: str | None
) -> None:
    if sys.version_info < (3, 12) and sys.gettrace() is not None:
        pytest.skip("this run itself is traced")
    project.write("test_shop.py", RERUN.replace("AGAIN", again))
    assert told(project, SMALL) == {
        "test_user": [("module-state", "Shop.user", told_by, "GET / (1st request)")]
    }
    assert len(project.path.joinpath("runs.txt").read_text()) == runs


def test_what_the_test_writes_meanwhile_is_not_the_requests(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
import os, pathlib, subprocess, sys, threading, urllib.request
import pytest
READ, WRITE = os.pipe()
def app(environ, start_response):
    subprocess.run([sys.executable, "-c", ""])
    os.read(READ, 1)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
@pytest.mark.stateless
def test_meanwhile(stateless):
    with stateless.serve(app, server="wsgiref") as server:
        thread = threading.Thread(target=lambda: urllib.request.urlopen(server.url, timeout=60).read())
        thread.start()
        thread.join(0.5)  # the request waits
        pathlib.Path(__file__).with_name("own.txt").write_text("own")
        subprocess.run([sys.executable, "-c", "open('child.txt', 'w').close()"])
        os.write(WRITE, b"x")
        thread.join()
""",
    )
    found = {(subject, request) for _, subject, _, request in told(project, SMALL)["test_meanwhile"]}
    assert found == {("own.txt", None), ("child.txt", None)}


def test_a_test_client_within_the_application_is_a_part_of_the_request(project: Project) -> None:
    pytest.importorskip("werkzeug")
    project.write(
        "test_shop.py",
        f"""{SHOP}
from werkzeug.test import Client
def outer(environ, start_response):
    Client(app).get("/cart").close()
    return app({{"PATH_INFO": "/"}}, start_response)
@pytest.mark.stateless
def test_inner(stateless):
    with stateless.serve(outer, server="wsgiref") as server:
        get(server, "/outer")
""",
    )
    (leak,) = told(project, SMALL, "--stateless-requests=each", "--stateless-no-blame")["test_inner"]
    assert (leak[1], leak[3]) == ("CARTS['bob']", "GET /outer (1st request)")


def test_without_blame_nothing_runs_again(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_cart(stateless):
    with LOG.open("a") as log:
        log.write("x")
    with serve(stateless) as server:
        get(server, "/cart")
        get(server, "/cart")
""",
    )
    assert told(project, "--stateless-no-blame", "--stateless-allow=file-write:*", SMALL)["test_cart"] == [
        ("module-state", "CARTS['bob']", "only on first use", "GET /cart (1st request)")
    ]
    assert project.path.joinpath("visits.log").read_text() == "x"


def test_what_a_lost_server_told_before_is_told(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_lost(stateless):
    server = serve(stateless)
    get(server, "/cart")
    with pytest.raises(OSError):
        get(server, "/kill")
""",
    )
    assert [leak[1:] for leak in told(project, SMALL)["test_lost"]] == [
        ("CARTS['bob']", None, "GET /cart (1st request)")
    ]
    project.run(SMALL, "-p", "no:cacheprovider", "--stateless-off").stdout.fnmatch_lines(
        ["E *ServeError: the server was lost: the process was ended by SIGKILL"]
    )


def test_overlapping_requests_are_one_window(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
import threading, urllib.request
import pytest
MET = threading.Barrier(2)
SEEN = {}
def app(environ, start_response):
    MET.wait(60)
    SEEN["visitor"] = 1
    MET.wait(60)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
@pytest.mark.stateless
def test_two(stateless):
    with stateless.serve(app, server="wsgiref") as server:
        ask = lambda: urllib.request.urlopen(server.url, timeout=60).read()
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
""",
    )
    (leak,) = told(project, "--stateless-no-blame", SMALL)["test_two"]
    assert leak[1] == "SEEN['visitor']"
    assert leak[3] == "GET / (1st request) and GET / (2nd request)"


CLEAN = """
import http.client, threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
import pytest
def wsgi(environ, start_response):
    body = environ["PATH_INFO"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
async def asgi(scope, receive, send):
    if scope["type"] == "http":
        body = scope["path"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
@pytest.mark.stateless
@pytest.mark.parametrize("app, server", SERVERS)
def test_many(stateless, app, server):
    with stateless.serve(app, server=server) as running:
        def ask(number):
            connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
            for at in range(6):
                path = f"/{number}/{at}"
                connection.request("GET", path)
                assert connection.getresponse().read() == path.encode()
            connection.close()
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(ask, range(6)))
"""


def test_connections_and_threads_of_the_server_itself_are_not_told(project: Project) -> None:
    servers = [("wsgi", "wsgiref"), ("wsgi", "gunicorn"), ("asgi", "uvicorn")]
    installed = [f"({app}, {name!r})" for app, name in servers if importlib.util.find_spec(name)]
    project.write("test_shop.py", CLEAN.replace("SERVERS", f"[{', '.join(installed)}]"))
    project.run(SMALL).assert_outcomes(passed=len(installed))


def test_an_asgi_application_under_uvicorn(project: Project) -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    project.write(
        "test_shop.py",
        """
import asyncio, urllib.request
from contextlib import asynccontextmanager
import fastapi
import pytest
CARTS, STARTED = {}, []
TASKS = set()
@asynccontextmanager
async def lifespan(app):
    STARTED.append("database")
    yield
app = fastapi.FastAPI(lifespan=lifespan)
@app.get("/")
def welcome():
    return STARTED
@app.get("/cart")
async def cart():
    CARTS["bob"] = "tea"
    return "tea"
@pytest.mark.stateless
def test_cart(stateless):
    with stateless.serve(app) as server:
        get = lambda path: urllib.request.urlopen(server.url + path, timeout=60).read()
        assert [get("/"), get("/"), get("/cart")] == [b'["database"]', b'["database"]', b'"tea"']
""",
    )
    (leak,) = told(project, "--stateless-no-blame", SMALL)["test_cart"]
    assert (leak[1], leak[3]) == ("CARTS['bob']", "GET /cart (3rd request)")


def test_a_websocket_under_uvicorn(project: Project) -> None:
    pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    pytest.importorskip("websockets")
    project.write(
        "test_room.py",
        """
import fastapi
import pytest
from websockets.sync.client import connect
ROOMS = {}
app = fastapi.FastAPI()
@app.websocket("/echo")
async def echo(socket: fastapi.WebSocket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)
@app.websocket("/room")
async def room(socket: fastapi.WebSocket):
    await socket.accept()
    user = await socket.receive_text()
    ROOMS[user] = "open"
    await socket.send_text(user)
    await socket.close()
def to(server, path):
    return connect(server.url.replace("http", "ws", 1) + path)
def say(socket, text):
    socket.send(text)
    return socket.recv()
@pytest.mark.stateless
def test_echo(stateless):
    with stateless.serve(app) as server, to(server, "/echo") as kept:
        assert say(kept, "bob") == "bob"
        with to(server, "/echo") as other:
            assert say(other, "al") == "al"
        assert say(kept, "eve") == "eve"
@pytest.mark.stateless
def test_room(stateless):
    with stateless.serve(app) as server:
        for path in "/echo", "/room":
            with to(server, path) as socket:
                assert say(socket, "al") == "al"
@pytest.mark.stateless
def test_left_open(stateless):
    with stateless.serve(app) as server:
        socket = to(server, "/echo").__enter__()
        assert say(socket, "al") == "al"
    socket.close()
""",
    )
    project.run(SMALL, "--stateless-report=json:leaks.json").assert_outcomes(passed=2, failed=1)
    ((leak,),) = [test["leaks"] for test in project.report()["tests"]]
    assert leak["subject"] == "test_room.ROOMS['al']"
    assert leak["request"] == "WEBSOCKET /room (2nd request)"
    assert leak["origin"]["function"] == "room"


@pytest.mark.slow
def test_in_workers_and_with_warnings_as_errors(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
@pytest.mark.parametrize("number", range(2))
def test_many(stateless, number):
    with serve(stateless) as server:
        get(server)
""",
    )
    project.run_apart("-p", "xdist", "-n", "2", SMALL, "-W", "error").assert_outcomes(passed=2)


@pytest.mark.slow
def test_an_interrupted_run_leaves_no_server(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{SHOP}
@pytest.mark.stateless
def test_interrupted(stateless):
    LOG.write_text(get(serve(stateless)).decode())
    raise KeyboardInterrupt
""",
    )
    project.run_apart(SMALL).stdout.fnmatch_lines(["*KeyboardInterrupt*"])
    pid = project.path.joinpath("visits.log").read_text()
    assert not Path(f"/proc/{pid}").exists()


BUILT = '''
import urllib.request
import pytest
class Shop:
    """As a factory builds it: its state is in the application, which no module has."""
    def __init__(self):
        self.last = {}
    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] != "/":
            self.last["item"] = environ["PATH_INFO"]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"tea"]
def build():
    shop = Shop()
    return lambda *request: shop(*request)
KEPT = Shop()
@pytest.fixture
def built():
    return build()
def ask(stateless, app, *paths):
    with stateless.serve(app, server="wsgiref") as server:
        for path in paths:
            urllib.request.urlopen(server.url + path, timeout=60).read()
@pytest.mark.stateless
def test_built(stateless, built):
    ask(stateless, built, "/", "/tea")
@pytest.mark.stateless
def test_kept(stateless):
    ask(stateless, KEPT, "/milk")
@pytest.mark.stateless
def test_clean(stateless, built):
    ask(stateless, built, "/", "/")
'''


@pytest.mark.parametrize(
    "arguments", [pytest.param((), id="every-module"), pytest.param((SMALL,), id="application")]
)
def test_state_of_an_application_that_no_module_has_is_told(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.write("test_shop.py", BUILT)
    found = told(project, "--stateless-no-blame", *arguments)
    assert {
        test: [(subject, request) for _, subject, _, request in leaks] for test, leaks in found.items()
    } == {
        "test_built": [("served.app.<closure>.shop.last['item']", "GET /tea (2nd request)")],
        "test_kept": [("KEPT.last['item']", "GET /milk (1st request)")],
    }
