"""Each rule in a run of pytest: what a test leaves is told of it alone, however its tests are run."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from pytest_stateless.detectors import RULES

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="some of the rules are Linux's")

HEAD: Final = """
import asyncio, fcntl, os, pathlib, socket, sqlite3, subprocess, threading, time
from multiprocessing.shared_memory import SharedMemory
import pytest

CARTS, KEPT = {}, {}
LOOP = asyncio.new_event_loop()
HERE = pathlib.Path(__file__).parent

def keep(name, thing, undo):
    KEPT[name] = lambda: undo(thing)

def undo(name):
    KEPT.pop(name)()

def serve(name, server):
    keep(name, server, socket.socket.close)

def lock(name, file):
    fcntl.flock(file, fcntl.LOCK_EX)
    keep(name, file, lambda file: fcntl.flock(file, fcntl.LOCK_UN))

def end(child):
    child.kill()
    child.wait()

def close_and_unlink(block):
    block.close()
    block.unlink()

def stop(timer):
    timer.cancel()
    timer.join()

DATABASES = {name: sqlite3.connect(HERE / f"{name}.db", isolation_level=None) for name in ("left", "other")}

def begin(name, database):
    database.execute("begin")
    keep(name, database, sqlite3.Connection.rollback)

FILES = {name: open(HERE / f"{name}.lock", "w") for name in ("left", "other")}

@pytest.fixture(scope="module", autouse=True)
def last():
    yield
    for name in list(KEPT):
        undo(name)
    LOOP.close()
    for thing in (*FILES.values(), *DATABASES.values()):
        thing.close()
"""

LEAVING: Final = {
    "module-state": "CARTS[name] = 1; keep(name, name, CARTS.pop)",
    "interpreter-state": "os.environ[name] = '1'; keep(name, name, os.environ.pop)",
    "file-write": "(HERE / name).touch(); keep(name, HERE / name, os.unlink)",
    "file-lock": "lock(name, FILES[name])",
    "shared-memory": "keep(name, SharedMemory(create=True, size=8), close_and_unlink)",
    "open-transaction": "begin(name, DATABASES[name])",
    "open-descriptor": "keep(name, os.open(__file__, os.O_RDONLY), os.close)",
    "listening-socket": "serve(name, socket.create_server(('127.0.0.1', 0)))",
    "unexpected-port": "serve(name, socket.create_server(('127.0.0.1', PORTS[name])))",
    "thread": "timer = threading.Timer(60, print); timer.start(); keep(name, timer, stop)",
    "async-task": "keep(name, LOOP.call_later(60, last_call), asyncio.Handle.cancel)",
    "child-process": "keep(name, subprocess.Popen(['sleep', '60']), end)",
}
"""How something is left behind under a name."""

MORE: Final = """
def last_call(): pass
def free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
PORTS = {"left": free(), "other": 0}  # a number that the system chooses is fine
"""

BESIDE: Final = {"unexpected-port": {"listening-socket"}}
"""What a rule is told with."""


def three_tests(rule: str, text: str, define: str) -> str:
    """One that leaves something, one that finds it, and one that clears up after itself."""
    name = rule.replace("-", "_")
    return f"""
def leave_{name}(name): {text}
{define} test_leaves_{name}(): leave_{name}("left")
{define} test_finds_{name}(): assert "left" in KEPT
{define} test_clears_up_{name}():
    leave_{name}("other")
    undo("other")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("define", "arguments"),
    [
        pytest.param(
            "async def",
            ["-p", "asyncio", "-o", "asyncio_mode=auto", "-W", "ignore", "-p", "xdist", "-n1"],
            id="pytest-asyncio-and-xdist",
        ),
        pytest.param("@pytest.mark.anyio\nasync def", ["-p", "anyio"], id="anyio"),
    ],
)
def test_what_a_test_leaves_is_told_of_it_alone(define: str, arguments: list[str], project: Project) -> None:
    pytest.importorskip("anyio" if "anyio" in arguments else "pytest_asyncio")
    texts = [three_tests(rule, text, define) for rule, text in LEAVING.items()]
    backend = "@pytest.fixture(scope='module')\ndef anyio_backend(): return 'asyncio'\n"
    project.write("test_shop.py", HEAD + MORE + backend + "".join(map(textwrap.dedent, texts)))
    project.run_apart(
        "--stateless",
        "--stateless-no-blame",
        "--stateless-ports=1",
        "--stateless-allow=module-state:test_shop.KEPT*",
        "--stateless-report=json:leaks.json",
        *arguments,
    )
    told = {
        test["nodeid"].partition("::test_")[2]: {leak["rule"] for leak in test["leaks"]}
        for test in project.report()["tests"]
        if test["leaks"]
    }
    assert told == {f"leaves_{rule.replace('-', '_')}": {rule} | BESIDE.get(rule, set()) for rule in LEAVING}


ELSEWHERE: Final = {"retained-secret"}
"""What needs a request."""


def test_every_rule_is_here() -> None:
    assert LEAVING.keys() | ELSEWHERE == {rule.id for rule in RULES}
