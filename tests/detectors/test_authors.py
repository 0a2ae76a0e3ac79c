"""Who is said to have changed what no event of Python's tells of, from values made by hand."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from pytest_stateless import proc
from pytest_stateless.commands import command_of
from pytest_stateless.detectors import Context, offspring
from pytest_stateless.detectors.authors import NATIVE, Author, Family, family
from pytest_stateless.leak import Owner
from pytest_stateless.noted import Change, Spawn
from pytest_stateless.source import Place

Look = Callable[..., Family]

BY_US = Author(NATIVE, is_followed=True)
HERE = Place("/srv/shop/a.py", 3, "save", Owner.APPLICATION, False, False)
THERE = HERE._replace(line=9)
CP = Spawn(command_of(["cp", "a.txt", "b.txt"]), HERE)
LS = Spawn(command_of(["ls"]), THERE)
ALONE = Family(ours=("/srv/shop",))
CROWD = ALONE._replace(alone=False)
FILE = "/srv/shop/b.txt"
HOME = "/home/bob/b.txt"


@pytest.mark.parametrize(
    ("known", "path", "own", "author"),
    [
        pytest.param(ALONE, FILE, True, BY_US, id="own"),
        pytest.param(CROWD, FILE, True, BY_US, id="own-among-workers"),
        pytest.param(ALONE, HOME, True, BY_US, id="own-at-home"),
        pytest.param(ALONE, FILE, False, None, id="a-stranger"),
        pytest.param(
            ALONE._replace(spawns=(CP,), living=True, strangers=frozenset({FILE})),
            FILE,
            False,
            None,
            id="what-a-stranger-holds-open",
        ),
        pytest.param(
            ALONE._replace(strangers=frozenset({FILE})),
            FILE,
            True,
            BY_US,
            id="own-beside-a-stranger",
        ),
        pytest.param(ALONE, FILE, None, BY_US, id="who-is-not-known-and-alone"),
        pytest.param(CROWD, FILE, None, None, id="who-is-not-known-among-workers"),
        pytest.param(ALONE, HOME, None, None, id="who-is-not-known-at-home"),
        pytest.param(
            ALONE._replace(spawns=(LS,)), FILE, False, Author("by a child process (ls)", THERE), id="a-child"
        ),
        pytest.param(
            ALONE._replace(spawns=(LS,)),
            FILE,
            None,
            Author("by a child process (ls)", THERE),
            id="a-child-rather",
        ),
        pytest.param(ALONE._replace(spawns=(LS,)), FILE, True, BY_US, id="own-beside-a-child"),
        pytest.param(
            ALONE._replace(living=True),
            FILE,
            False,
            Author("by a child process", is_followed=True),
            id="a-child-that-nobody-announced",
        ),
        pytest.param(
            ALONE._replace(living=True, elder=True),
            FILE,
            False,
            Author("by a child process"),
            id="a-child-from-before",
        ),
        pytest.param(ALONE._replace(spawns=(LS,)), HOME, False, None, id="a-child-does-not-explain-home"),
        pytest.param(CROWD._replace(spawns=(LS,), living=True), FILE, False, None, id="nor-a-crowd"),
        pytest.param(
            CROWD._replace(spawns=(LS, CP)),
            FILE,
            False,
            Author("by a child process (cp a.txt b.txt)", HERE),
            id="named-among-workers",
        ),
        pytest.param(
            ALONE._replace(spawns=(CP,)),
            HOME,
            False,
            Author("by a child process (cp a.txt b.txt)", HERE),
            id="named-at-home",
        ),
        pytest.param(
            ALONE._replace(spawns=(LS, CP)),
            FILE,
            False,
            Author("by a child process (cp a.txt b.txt)", HERE),
            id="the-one-that-names-it",
        ),
        pytest.param(
            ALONE._replace(spawns=(LS, CP)),
            "/srv/shop/c",
            False,
            Author("by one of 2 child processes"),
            id="one-of-two",
        ),
        pytest.param(
            ALONE._replace(spawns=(LS, CP._replace(place=THERE))),
            "/srv/shop/c",
            False,
            Author("by one of 2 child processes", THERE),
            id="one-of-two-of-one-line",
        ),
        pytest.param(CROWD._replace(spawns=(CP,)), "/srv/shop/txt", False, None, id="part-of-a-name"),
        pytest.param(CROWD._replace(spawns=(CP,)), "/srv/shop/a", False, None, id="beginning-of-a-name"),
    ],
)
def test_who_did_it(known: Family, path: str, own: bool | None, author: Author | None) -> None:
    assert known.author(path, own) == author


def test_only_the_children_of_a_window_count() -> None:
    before = Family((LS,), reaped=5)
    assert Family((LS, CP), reaped=5).since(before) == Family((CP,), reaped=5)
    assert Family((LS,), reaped=6).since(before) == Family((), reaped=6, living=True)
    assert Family((LS,), reaped=5, living=True).since(before).living
    assert not Family((LS,), elder=True).since(before).elder
    assert Family((LS,)).since(before._replace(elder=True)).elder


def test_of_a_child_that_was_there_before_nobody_says_which_it_was() -> None:
    both = ALONE._replace(spawns=(CP,), elder=True)
    assert both.author("/srv/shop/a", False) == Author("by a child process")
    assert both.author(FILE, False) == Author("by a child process (cp a.txt b.txt)", HERE)


CHANGE = Change("modify", FILE, "", None, False)


@pytest.fixture
def look(context: Context) -> Callable[..., Family]:
    def looking(ask: bool = True) -> Family:
        return family(context, [CHANGE] if ask else [])

    return looking


def test_a_child_that_was_waited_for_is_noticed(look: Look) -> None:
    before = look(ask=False)
    assert not look(ask=False).since(before).living
    os.waitpid(os.posix_spawn(sys.executable, ["python", "-c", ""], {}), 0)
    assert look(ask=False).since(before).living


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="children are listed on Linux")
def test_a_child_that_is_alive_is_noticed_whichever_thread_started_it(look: Look) -> None:
    started = threading.Event()
    done = threading.Event()

    def run() -> None:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE):
            started.set()
            done.wait()

    assert not look().living
    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    assert look().living
    assert not look(ask=False).living
    done.set()
    thread.join()
    assert not look().living


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="children are listed on Linux")
def test_the_child_that_only_tracks_resources_does_not_count(look: Look) -> None:
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()
    assert multiprocessing.active_children() == []
    assert not look().living


def fail(*_: object) -> list[str]:
    raise FileNotFoundError


@pytest.mark.parametrize(
    "breaking",
    [
        pytest.param(lambda patch: patch.setattr(offspring, "_USAGE", None), id="no-usage"),
        pytest.param(lambda patch: patch.setattr(proc._Real, "listdir", fail), id="no-list"),
    ],
)
def test_a_system_that_does_not_tell_is_no_error(
    breaking: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    breaking(monkeypatch)
    assert not look().living


def test_windows_has_no_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert offspring._usage() is None
