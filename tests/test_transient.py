"""What a test put back: noted with -v and in the json report, and never a failure."""

from __future__ import annotations

import pytest

from tests.conftest import Project

pytestmark = pytest.mark.own_memory

SHOP = """
import os
import subprocess
import tempfile
from pathlib import Path
import pytest

def cache(name="cache.tmp"):
    Path(name).write_text("tea")
    os.remove(name)

def test_file():
    cache()

def test_the_same_file(tmp_path):
    cache()
    cache(str(tmp_path / "a"))

def test_directory():
    os.makedirs("d/e")
    Path("d/e/a").write_text("tea")
    os.remove("d/e/a")
    os.removedirs("d/e")

def test_bit():
    mode = os.stat("test_shop.py").st_mode & 0o777
    os.chmod("test_shop.py", 0o600)
    os.chmod("test_shop.py", mode)

def test_request(stateless):
    with stateless.request("POST /login"):
        cache("login.tmp")

@pytest.fixture
def file():
    Path("by-fixture").write_text("tea")
    yield
    os.remove("by-fixture")

def test_fixture(file):
    pass

@pytest.fixture(scope="module")
def wide():
    cache("by-wider-fixture")

def test_wide(wide):
    pass

@pytest.mark.stateless(allow="file-write:allowed*")
def test_allowed():
    cache("allowed.tmp")

def test_escape():
    cache("a\\x1b[31m")

def test_many():
    for number in range(23):
        cache(f"many{number:02}")

def test_nothing():
    open(__file__, "r+").close()
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("test_shop.py", SHOP)
    project.path.joinpath("test_shop.py").chmod(0o644)
    return project


def noted(lines: list[str]) -> list[str]:
    """The lines of the notes, without the many."""
    start = next((place for place, line in enumerate(lines) if line.endswith("transient writes")), len(lines))
    end = next((place for place in range(start, len(lines)) if lines[place].endswith("checked")), len(lines))
    return [line for line in lines[start:end] if not line.startswith("  many")]


SHOWN = """\
29 transient writes
  test_shop.py  mode changed to 0600, was 0644, and put back  by test_shop.py::test_bit, at test_shop.py:27 in test_bit
  d  created (directory) and deleted again  by test_shop.py::test_directory, at test_shop.py:20 in test_directory
  a\\x1b[31m  created and deleted again  by test_shop.py::test_escape, at test_shop.py:9 in cache
  cache.tmp  created and deleted again  by 2 tests, at test_shop.py:9 in cache
  by-fixture  created and deleted again  by test_shop.py::test_fixture, at test_shop.py:36 in file
  login.tmp  created and deleted again  by test_shop.py::test_request, at test_shop.py:9 in cache
  and 3 more"""


def test_what_was_put_back_is_shown_to_who_asks_for_more(shop: Project) -> None:
    result = shop.run("--stateless", "-v", "-p", "no:randomly")
    assert result.ret == pytest.ExitCode.OK
    assert noted(result.outlines) == SHOWN.splitlines()


def test_nothing_is_shown_to_who_does_not(shop: Project) -> None:
    result = shop.run("--stateless")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*put back*")
    result.stdout.no_fnmatch_line("*transient*")


@pytest.mark.slow
def test_notes_come_from_workers_too(shop: Project) -> None:
    result = shop.run_apart("--stateless", "-v", "-p", "xdist", "-n2")
    assert result.ret == pytest.ExitCode.OK
    assert noted(result.outlines) == SHOWN.splitlines()


def test_the_json_report_tells_them(shop: Project) -> None:
    shop.run("--stateless", "--stateless-report=json:leaks.json")
    report = shop.report()
    assert report["tests"] == []
    assert report["transient_left_out"] == 3
    one = next(one for one in report["transient"] if one["path"] == "login.tmp")
    assert one == {
        "path": "login.tmp",
        "what": "created and deleted again",
        "test": "test_shop.py::test_request",
        "origin": {"file": "test_shop.py", "line": 9, "function": "cache"},
        "request": "POST /login (1st request)",
    }
    tests = [one["test"] for one in report["transient"]]
    assert tests == sorted(tests)
    assert tests.count("test_shop.py::test_many") == 20
