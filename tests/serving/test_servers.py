"""Real servers, one after the other: they answer, stop, and leave no process; without a window of a test."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import freezegun
import pytest

from pytest_stateless.served import Unchecked
from pytest_stateless.serving import ServeError, Server, process, servers
from pytest_stateless.serving.child import application_of
from pytest_stateless.serving.process import spell_status
from pytest_stateless.serving.servers import server_for

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the server is forked")


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/pid":
        return [str(os.getpid()).encode()]
    return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]


LIFESPAN: list[str] = []


async def asgi(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    if scope["type"] == "lifespan":
        for answer in ("startup", "shutdown"):
            await receive()
            LIFESPAN.append(answer)
            await send({"type": f"lifespan.{answer}.complete"})
        return
    if scope["path"] == "/hang":
        time.sleep(600)
    body = (await receive()).get("body") or ",".join(LIFESPAN).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def serve(app: Any, server: str | None = None) -> Server:
    return Server(app, None, server, Unchecked())


def get(server: Server, path: str = "/", body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(f"{server.url}{path}", body, timeout=30) as answer:
        found: bytes = answer.read()
        return found


def is_gone(pid: int) -> bool:
    """Whether a process has ended, and somebody waited for it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def is_closed(server: Server) -> bool:
    try:
        get(server)
    except (urllib.error.URLError, ConnectionError):
        return True
    return False


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long."""
    monkeypatch.setattr(process, "PATIENCE", 1.0)


each_server = pytest.mark.parametrize(
    ("app", "name"),
    [(wsgi, "wsgiref"), (wsgi, "gunicorn"), (asgi, "uvicorn")],
    ids=["wsgiref", "gunicorn", "uvicorn"],
)


@each_server
def test_a_server_answers_and_is_reaped(app: Any, name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} isn't installed")
    with serve(app, name) as server:
        assert get(server, body=b"tea") == b"tea"
        assert get(server, body=b"milk") == b"milk"
        (living,) = process._LIVING
    assert is_closed(server)
    assert is_gone(living._pid)
    assert not process._LIVING
    server.close()  # again
    assert repr(server) == f"<server at {server.url}, closed>"


def test_a_lifespan_runs_once() -> None:
    with serve(asgi) as server:
        assert [get(server), get(server)] == [b"startup", b"startup"]


def test_two_servers_have_processes_of_their_own() -> None:
    with serve(wsgi, "wsgiref") as one, serve(wsgi, "wsgiref") as other:
        pids = {int(get(server, "/pid")) for server in (one, other)}
    assert len(pids | {os.getpid()}) == 3
    assert all(map(is_gone, pids))


def test_what_the_application_logs_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def logging_one(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
        logging.getLogger("shop").warning("sold out")
        return wsgi(environ, start_response)

    with serve(logging_one, "wsgiref") as server:
        get(server)
    assert capfd.readouterr().err == "sold out\n"


def test_notes_are_kept_in_a_temporary_file_where_memory_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with serve(wsgi, "wsgiref") as server:
        assert get(server, body=b"tea") == b"tea"


def test_a_connection_that_nobody_uses_keeps_no_other_waiting() -> None:
    with serve(wsgi, "wsgiref") as server:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.create_connection(address), socket.create_connection(address):
            assert get(server, body=b"tea") == b"tea"


# --------------------------------------------------------------------------------------- what goes wrong


def test_the_process_is_told_to_be_lost_where_it_was_killed() -> None:
    server = serve(wsgi, "wsgiref")
    os.kill(int(get(server, "/pid")), signal.SIGKILL)
    with pytest.raises(ServeError, match=r"^the server was lost: the process was ended by SIGKILL$"):
        server.close()


def test_what_the_test_failed_with_is_not_hidden_by_what_came_of_it() -> None:
    def fail() -> None:
        with serve(wsgi, "wsgiref") as server:
            os.kill(int(get(server, "/pid")), signal.SIGKILL)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not process._LIVING


def test_a_server_that_does_not_stop_is_killed(hasty: None) -> None:
    server = serve(asgi)
    (living,) = process._LIVING
    with pytest.raises((TimeoutError, urllib.error.URLError)):
        urllib.request.urlopen(f"{server.url}/hang", timeout=0.2)
    with pytest.raises(ServeError, match=r"it said nothing for 1 seconds, and was killed"):
        server.close()
    assert is_gone(living._pid)


def test_so_is_one_of_a_test_that_stopped_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE", 0.1)
    with freezegun.freeze_time("2026-01-01"):
        hanging = process.ServerProcess(lambda control, note: signal.pause())
        hanging.end()
    assert is_gone(hanging._pid)


def test_what_the_application_started_is_killed_with_its_process(tmp_path: Path) -> None:
    noted = tmp_path / "pid.txt"

    def starting(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
        child = subprocess.Popen(["sleep", "600"])
        noted.write_text(str(child.pid))
        return wsgi(environ, start_response)

    with serve(starting, "wsgiref") as server:
        get(server)
        assert not is_gone(int(noted.read_text()))
    deadline = time.monotonic() + 10
    while _state(int(noted.read_text())) not in "ZX" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _state(int(noted.read_text())) in "ZX"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return "X"


ORPHAN = """
import os, signal, sys
from pytest_stateless.served import Unchecked
from pytest_stateless.serving import Server, process
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
print("once")
server = Server(app, None, "wsgiref", Unchecked())
fork = os.fork() if "fork" in sys.argv else -1
if fork == 0:  # it has the other end of the control socket
    os.close(1)
    signal.pause()
print(process._LIVING[0]._pid, fork, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("more", ["", "fork"])
def test_the_process_ends_when_its_parent_is_killed(more: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ORPHAN, more],
        stdout=subprocess.PIPE,
        text=True,
        timeout=90,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    _, server, fork = ran.stdout.split()
    try:
        deadline = time.monotonic() + 30
        while _state(int(server)) not in "ZX" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert _state(int(server)) in "ZX"
    finally:
        if more:
            os.kill(int(fork), signal.SIGKILL)


def test_a_fork_beside_threads_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        serve(wsgi, "wsgiref").close()
    finally:
        done.set()
        thread.join()
    assert not recwarn.list


# --------------------------------------------------------------------------------------- what doesn't start


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that can be imported by name."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "served_shop.py"
    sys.modules.pop("served_shop", None)


def test_an_application_can_be_named(shop: Path) -> None:
    shop.write_text(
        "import os\nclass Shop:\n"
        "    def app(environ, start_response):\n"
        "        start_response('200 OK', [])\n"
        "        return [str(os.getpid()).encode()]\n"
    )
    with serve("served_shop:Shop.app", "wsgiref") as server:
        assert int(get(server)) != os.getpid()
    assert "served_shop" not in sys.modules


@pytest.mark.parametrize(
    ("text", "app", "told"),
    [
        pytest.param(
            "1 / 0", "served_shop:app", 'served_shop.py", line 1, in <module>\n', id="fails-to-import"
        ),
        pytest.param("import os; os._exit(3)", "served_shop:app", "exit status 3", id="dies-early"),
        pytest.param("", "served_shop:app", "has no attribute 'app'", id="no-such-attribute"),
        pytest.param("", "served_shop", "write 'module:attribute'", id="no-attribute"),
        pytest.param(
            "app = 3", "served_shop:app", "takes a WSGI or ASGI application, not int", id="no-application"
        ),
    ],
)
def test_what_does_not_start_says_why_once(
    shop: Path, text: str, app: str, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.write_text(text)
    with pytest.raises(
        ServeError, match=r"^the application didn't start: the process ended with exit"
    ) as raised:
        serve(app)
    assert told in str(raised.value)
    assert "pytest_stateless" not in str(raised.value)
    assert capfd.readouterr().err == ""
    assert not process._LIVING


def test_a_process_that_has_ended_before_it_is_told_to_serve_did_not_start() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ended = process.ServerProcess(lambda control, write: None)
    ended._wait()
    with (
        listener,
        pytest.raises(ServeError, match=r"^the application didn't start: the process ended with exit"),
    ):
        ended.serve(listener)
    ended.end()


def test_an_application_whose_lifespan_fails_does_not_start() -> None:
    async def failing(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(ServeError, match="didn't start"):
        serve(failing)


@pytest.mark.parametrize(
    ("interface", "wanted", "installed", "found"),
    [
        ("asgi", None, {"uvicorn"}, "uvicorn"),
        ("wsgi", None, {"wsgiref", "gunicorn"}, "gunicorn"),
        ("wsgi", None, {"wsgiref"}, "wsgiref"),
        ("wsgi", "wsgiref", {"wsgiref", "gunicorn"}, "wsgiref"),
        ("asgi", None, set(), "an ASGI application needs a server; install one with: pip install uvicorn"),
        ("wsgi", "uvicorn", {"uvicorn"}, "server='uvicorn': for WSGI, write 'gunicorn' or 'wsgiref'"),
        (
            "wsgi",
            "gunicorn",
            set(),
            "server='gunicorn' isn't installed; install it with: pip install gunicorn",
        ),
    ],
)
def test_the_first_server_that_fits_is_taken(
    monkeypatch: pytest.MonkeyPatch, interface: str, wanted: str | None, installed: set[str], found: str
) -> None:
    monkeypatch.setattr(servers, "_is_installed", installed.__contains__)
    if found in servers.SERVERS:
        assert server_for(interface, wanted) == found
    else:
        with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
            server_for(interface, wanted)
        assert str(raised.value) == found


def test_a_package_that_is_kept_from_being_imported_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ValueError, match="pip install uvicorn"):
        server_for("asgi", None)


def test_another_interface_is_refused() -> None:
    with pytest.raises(ValueError, match="interface='rsgi': write 'wsgi' or 'asgi'"):
        Server(wsgi, "rsgi", None, Unchecked())


@pytest.mark.parametrize("text", ["shop", "shop:", ":app", ""])
def test_a_text_names_module_and_attribute(text: str) -> None:
    with pytest.raises(ValueError, match="write 'module:attribute'"):
        application_of(text)


@pytest.mark.parametrize(
    ("status", "spelled"),
    [
        (0, "the process ended with exit status 0"),
        (3 << 8, "the process ended with exit status 3"),
        (11, "the process was ended by SIGSEGV"),
        (40, "the process was ended by signal 40"),
        (-1, "the process ended"),
    ],
)
def test_an_end_is_spelled(status: int, spelled: str) -> None:
    assert spell_status(status) == spelled
