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
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    result.stdout.no_fnmatch_line("stateless: *")
    assert project.report()["notices"] == []
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


def test_what_is_written_between_collection_and_the_first_test_is_not_of_it(project: Project) -> None:
    project.write(
        "conftest.py",
        "import os\ndef pytest_runtestloop(): os.system('echo x > before; mkdir d; echo x > d/a')\n",
    )
    project.write("test_shop.py", HEAD + "def test_a(): LIBC.mkdir(b'made', 0o755); sh('echo x >> d/a')\n")
    assert project.found("--stateless") == {"test_shop.py::test_a": ["file-write d/a", "file-write made"]}


# ----------------------------------------------------------------------------- less is seen, and it is said

UNSEEN = "files written by native code and child processes aren't seen"
MEND = "leave out with --stateless-temp what tests don't write to"
TOO_MUCH = f"{UNSEEN}: there are more than 6 directories to watch; {MEND}"
FEW = "import pytest_stateless.watches.tree\npytest_stateless.watches.tree.DIRECTORIES = 6\n"
"""Of a conftest.py: so few directories may be watched."""


@pytest.fixture
def large(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with more directories than may be watched, the user's home among them."""
    monkeypatch.setattr(tree, "DIRECTORIES", tree.DIRECTORIES)  # is put back to
    for name in "abcdef":
        (project.path / name).mkdir()
    project.write("conftest.py", FEW)
    project.write(
        "test_shop.py", HEAD + "def test_a(): sh('echo x > b/c')\ndef test_b(): open('made', 'w').close()\n"
    )
    return project


def told_in(result: pytest.RunResult, project: Project) -> tuple[list[str], list[str]]:
    """The lines of a run that say what isn't seen; and the same of the JSON report."""
    assert [leak["subject"] for test in project.report()["tests"] for leak in test["leaks"]] == ["made"]
    return [line for line in result.outlines if UNSEEN in line], project.report()["notices"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        pytest.param([], f"stateless: {TOO_MUCH}", id="head"),
        pytest.param(["-q"], f"note: {TOO_MUCH}", id="quiet"),
        pytest.param(["--no-header"], f"note: {TOO_MUCH}", id="no-header"),
        pytest.param(["-p", "xdist", "-n2"], f"note: {TOO_MUCH}", id="workers"),
        pytest.param(["-p", "no:terminal"], None, id="no-terminal"),
    ],
)
def test_too_much_to_watch_is_said_once(options: list[str], line: str | None, large: Project) -> None:
    run = large.run_apart if "xdist" in options else large.run
    result = run("--stateless", "--stateless-report=json:leaks.json", *options)
    assert told_in(result, large) == ([line] if line else [], [TOO_MUCH])
    if line and line.startswith("stateless"):
        place = result.outlines.index(line)
        assert result.outlines[place - 1].startswith("collected ")


def test_what_is_too_much_later_is_said_at_the_end(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "DIRECTORIES", 10)
    project.write(
        "test_shop.py",
        HEAD
        + """
def test_a():
    for name in "abcdefghijk": os.mkdir(name)
    for name in "abcdefghijk": os.rmdir(name)
def test_unchecked(request): sh("mkdir d; cd d; mkdir 0 1 2 3 4 5 6 7 8 9")
def test_b(): open('made', 'w').close()
""",
    )
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    lines, _ = told_in(result, project)
    assert [line.partition(":")[0] for line in lines] == ["note"]


def test_what_no_worker_is_taken_for_is_said_once(project: Project) -> None:
    project.write("conftest.py", NOBODY_KNOWN)
    writes = "LIBC.mkdir(b'unseen', 0o755)"
    project.write(
        "test_shop.py", f"{HEAD}\ndef test_a(): {writes}\ndef test_b(): open('made', 'w').close()\n"
    )
    result = project.run_apart("-pxdist", "-n2", "--stateless", "--stateless-report=json:leaks.json")
    lines, (notice,) = told_in(result, project)
    assert lines == [f"note: {notice}"]
    assert "no fanotify" in notice


class Untouched:
    """Watches at which nobody is to look."""

    ours = ()
    notices = (UNSEEN,)
    names_nobody = False
    looks = 0

    def look(self) -> None:
        self.looks += 1

    def close(self) -> None: ...


@pytest.mark.parametrize("watches", [None, Untouched()], ids=["elsewhere", "linux"])
def test_who_looks_for_no_file_sets_up_and_is_told_nothing(
    watches: Untouched | None, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "make_watches", lambda *_: watches)
    project.write("test_shop.py", "def test_a(): pass\n")
    off = [f"--stateless-severity={rule}:*=off" for rule in ("file-write", "shared-memory")]
    result = project.run("--stateless", "--stateless-report=json:leaks.json", *off)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line(f"*{UNSEEN}*")
    assert project.report()["notices"] == []
    assert watches is None or watches.looks == 0


def test_watches_that_fail_are_an_error_of_the_first_test_and_break_no_run(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import pytest_stateless.environment
        class Broken:
            def look(self): raise ValueError("odd")
            def close(self): pass
            ours = notices = ()
            names_nobody = False
        pytest_stateless.environment.make_watches = lambda *arguments: Broken()
        """,
    )
    project.write("test_shop.py", "def test_a(): pass\n")
    result = project.run_apart("--stateless", "--stateless-report=json:leaks.json")
    result.assert_outcomes(passed=1)
    (test,) = project.report()["tests"]
    assert "file-write" in {error["detector"] for error in test["internal_errors"]}


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
    reason = f"{UNSEEN}: directories are watched on Linux alone"
    assert told_in(result, project) == ([f"stateless: {reason}"], [reason])


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_is_watched(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    settings: Any = None  # it isn't looked at
    assert environment.make_watches(settings, Zones("/", ())) is None
