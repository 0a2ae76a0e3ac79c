"""The plugin leaves nothing behind itself, however many windows there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="descriptors and threads are counted in /proc"),
]

FEW: Final = 500
"""Windows after which all that is made once was made: caches, the discovery of the memory."""
MANY: Final = 10_000

PROGRAM: Final = '''
import asyncio, gc, json, os, socket, sys, threading

from pytest_stateless import audit
from pytest_stateless.detectors import DETECTORS, Context
from pytest_stateless.environment import scope_of
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from pytest_stateless.unwatched import TOOL_PACKAGES
from pytest_stateless.watches import Watches
from pytest_stateless.watches.roots import roots_of
from pytest_stateless.window import Windows

few, many, planted = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
here = os.getcwd()
sources = Sources(here, tools=frozenset(TOOL_PACKAGES))
context = Context(
    sources, Recording(sources), (), lambda: Heap(sys.modules, scope_of(sources, frozenset({"shop"})))
)
context.watches = Watches(roots_of(here, here, (), os.environ), context.zones)
windows = Windows(context, DETECTORS)
KEPT = []

import shop


def behave():
    """Leaves nothing behind, in many ways."""
    with open("shop.py") as file:
        file.read(1)
    with socket.create_server(("127.0.0.1", 0)):
        pass
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    os.environ["SHOP"] = "open"
    del os.environ["SHOP"]
    shop.CART.append("tea")
    shop.CART.clear()


def count():
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "objects": len(gc.get_objects()),
        "kilobytes": pages * os.sysconf("SC_PAGESIZE") // 1024,
    }


counted = []
for number in range(1, many + 1):
    window = windows.open(undisturbed=number % 3 > 0)
    behave()
    if planted == "object":
        KEPT.append([number])
    if planted == "descriptor" and number % 100 == 0:
        KEPT.append(os.dup(0))
    found = windows.close(window)
    assert planted or (found.leaks, found.errors) == ([], []), (number, found)
    if number % 50 == 0:
        windows.let_go()  # as where the next test isn't checked
    if number in (few, many):
        counted.append(count())
context.close()
print(json.dumps(counted))
'''


def counts(directory: Path, few: int, many: int, planted: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """What a process holds after some windows, and after many."""
    (directory / "shop.py").write_text("CART = []\n")
    (directory / "many.py").write_text(PROGRAM)
    # Not measured: coverage keeps four objects for every thread that it traced.
    unmeasured = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")
    }
    done = subprocess.run(
        [sys.executable, "many.py", str(few), str(many), planted],
        cwd=directory,
        env=unmeasured,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    early, late = json.loads(done.stdout)
    return early, late


def test_after_many_windows_a_process_holds_what_it_held_after_some(tmp_path: Path) -> None:
    early, late = counts(tmp_path, FEW, MANY)
    assert late["descriptors"] == early["descriptors"]
    assert late["threads"] == early["threads"]
    assert abs(late["objects"] - early["objects"]) < (MANY - FEW) // 100
    assert late["kilobytes"] - early["kilobytes"] < 4096


@pytest.mark.parametrize(("planted", "what"), [("object", "objects"), ("descriptor", "descriptors")])
def test_it_would_show(planted: str, what: str, tmp_path: Path) -> None:
    early, late = counts(tmp_path, 100, 1000, planted)
    assert late[what] - early[what] >= 9
