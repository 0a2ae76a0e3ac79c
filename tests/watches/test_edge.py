"""Runs of pytest in which native code and child processes write, alone and among workers, and what is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless import environment
from pytest_stateless.watches import tree
from pytest_stateless.zones import Zones

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

HEAD = """
import ctypes, multiprocessing, os, subprocess, sys, time
import pytest
from pathlib import Path
LIBC = ctypes.CDLL(None)
def sh(command): subprocess.run(["sh", "-c", command], check=True)
"""


NOBODY_KNOWN = """
import pytest_stateless.watches
def refuse(): raise OSError("no fanotify")
pytest_stateless.watches.Fanotify = refuse
"""


def test_a_child_is_told_with_the_line_that_started_it(project: Project) -> None:
    project.write("test_shop.py", HEAD + "def test_a(): sh('echo x > receipt.txt')\n")
    project.run("--stateless", "--stateless-report=json:leaks.json")
    ((leak,),) = (test["leaks"] for test in project.report()["tests"])
    assert leak["subject"] == "receipt.txt"
    assert leak["message"] == "created by a child process (sh -c echo x > receipt.txt)"
    assert leak["origin"] == {"file": "test_shop.py", "line": 6, "function": "sh"}
    assert leak["owner"] == "application"


def test_what_earlier_tests_and_wider_fixtures_left_is_not_of_this_one(project: Project) -> None:
    project.write(
        "test_shop.py",
        HEAD
        + """
@pytest.fixture(scope="module")
def served():
    sh("echo x > served")
    yield
    sh("echo x > unserved")
def test_unchecked(): sh("echo x > before; mkdir d; echo x > d/a")
@pytest.mark.stateless
def test_clean(served): sh("cat before")
def test_unchecked_again(): LIBC.unlink(b"before"); sh("echo y > d/a")
@pytest.mark.stateless
def test_dirty(served): LIBC.mkdir(b"made", 0o755); sh("echo x >> d/a")
@pytest.mark.stateless
def test_clean_again(served): LIBC.rmdir(b"nowhere")
""",
    )
    assert project.found() == {"test_shop.py::test_dirty": ["file-write d/a", "file-write made"]}


def test_a_child_that_writes_when_its_test_is_over_is_not_of_the_next(project: Project) -> None:
    project.write(
        "test_shop.py",
        HEAD
        + """
def test_unchecked():
    global CHILD
    CHILD = subprocess.Popen(["sh", "-c", "read line; echo x > late"], stdin=subprocess.PIPE)
@pytest.mark.stateless
def test_clean(): pass
def test_unchecked_again(): CHILD.communicate(b"go\\n")
@pytest.mark.stateless
def test_clean_again(): pass
""",
    )
    assert project.found() == {}


def test_a_child_of_an_earlier_test_that_writes_in_this_one_is_seen(project: Project) -> None:
    project.write(
        "test_shop.py",
        HEAD
        + """
def test_unchecked():
    global CHILD
    CHILD = subprocess.Popen(["sh", "-c", "read line; echo x > late; read line"], stdin=subprocess.PIPE)
@pytest.mark.stateless
def test_dirty():
    CHILD.stdin.write(b"go\\n"); CHILD.stdin.flush()
    while not Path("late").exists(): time.sleep(0.01)
def test_unchecked_again(): CHILD.communicate(b"go\\n")
""",
    )
    assert project.found() == {"test_shop.py::test_dirty": ["file-write late"]}


def test_too_much_to_watch_is_said_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "DIRECTORIES", 3)
    for name in "abcd":
        (project.path / name).mkdir()
    project.write(
        "test_shop.py", HEAD + "def test_a(): sh('echo x > b/c')\ndef test_b(): open('made', 'w').close()\n"
    )
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    note = (
        "note: files written by native code and child processes aren't seen: "
        "there are more than 3 directories to watch"
    )
    assert result.stdout.str().count(note) == 1
    assert [leak["subject"] for test in project.report()["tests"] for leak in test["leaks"]] == ["made"]


def test_siblings_are_not_blamed(project: Project) -> None:
    project.write("test_writing.py", HEAD + "def test_a():\n    for n in range(40): sh(f'echo x > w{n}')\n")
    project.write("test_alone.py", HEAD + "def test_a(): time.sleep(0.3)\n" * 1)
    project.write(
        "test_child.py", HEAD + "def test_a():\n    for n in range(40): sh('true'); time.sleep(0.01)\n"
    )
    project.write("test_native.py", HEAD + "def test_a():\n    time.sleep(0.1); LIBC.mkdir(b'made', 0o755)\n")
    project.run_apart(
        *("-p", "xdist", "-n2", "--dist=loadfile", "--stateless", "--stateless-report=json:leaks.json")
    )
    found = {
        test["nodeid"]: [leak["subject"] for leak in test["leaks"]] for test in project.report()["tests"]
    }
    assert found == {
        "test_writing.py::test_a": sorted(f"w{n}" for n in range(40)),
        "test_native.py::test_a": ["made"],
    }


@pytest.mark.parametrize(
    ("conftest", "act"),
    [
        pytest.param("", 'sh("true")', id="with-children"),
        pytest.param(NOBODY_KNOWN, "pass", id="who-is-not-known"),
        pytest.param(NOBODY_KNOWN, 'sh("true")', id="with-children-and-who-is-not-known"),
    ],
)
def test_who_keeps_the_output_in_the_project_is_not_taken_for_the_test(
    conftest: str, act: str, project: Project
) -> None:
    project.write("conftest.py", conftest)
    project.write("test_shop.py", f"{HEAD}\ndef test_a():\n    for n in range(20): {act}; time.sleep(0.01)\n")
    project.write(
        "run.py",
        """
        import subprocess, sys
        with open("log.txt", "w") as out:
            command = [sys.executable, "-m", "pytest", "-s", "--stateless", "--stateless-report=json:leaks.json"]
            writer = subprocess.Popen(["sh", "-c", "while echo x; do sleep 0.01; done"], stdout=out)
            sys.exit(subprocess.run(command).returncode or writer.kill())
        """,
    )
    result = project._pytester.run(sys.executable, "run.py", timeout=120)
    assert result.ret == 0
    assert project.report()["tests"] == []
    assert project.path.joinpath("log.txt").stat().st_size > 0


def test_where_nothing_can_be_watched_python_is_seen_and_nothing_else(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import pytest_stateless.environment
        pytest_stateless.environment.make_watches = lambda *arguments: None
        """,
    )
    project.write("test_shop.py", HEAD + "def test_a(): sh('echo x > child'); open('made', 'w').close()\n")
    result = project.run_apart("--stateless", "--stateless-report=json:leaks.json")
    result.stdout.no_fnmatch_line("*note:*")
    assert [leak["subject"] for test in project.report()["tests"] for leak in test["leaks"]] == ["made"]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_is_watched(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    settings: Any = None  # it isn't looked at
    assert environment.make_watches(settings, Zones("/", ())) is None
