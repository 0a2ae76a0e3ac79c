"""Which processes are told that left for another parent: those that took along what only this run's children have."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from pytest_stateless import children, proc
from pytest_stateless.commands import Command
from pytest_stateless.detectors import Context, offspring
from pytest_stateless.detectors.offspring import Child
from pytest_stateless.noted import Spawn
from pytest_stateless.proc import Stat

OURS, INIT, THEIRS, CHILD, FOUND = os.getpid(), 1, 1 << 30, 1 << 29, 1 << 28
OWN = Stat("pytest", "S", INIT, 100, ("5", "6"))
ANEW = Stat("sleep", "S", INIT, 200, ("8", "9"))
"""Run anew: it has addresses of its own, and the name of the test in its environment."""
FORK = ANEW._replace(image=OWN.image)


@pytest.mark.parametrize(
    ("stat", "test", "told"),
    [
        pytest.param(ANEW, "test_shop.py::test_a", True, id="run-anew-in-the-test"),
        pytest.param(ANEW, "test_shop.py::test_b", False, id="run-anew-in-another-test"),
        pytest.param(ANEW, "", False, id="run-anew-in-no-test"),
        pytest.param(FORK, "", True, id="fork"),
        pytest.param(FORK._replace(state="Z"), "", False, id="that-ended"),
        pytest.param(ANEW._replace(state="X"), "test_shop.py::test_a", False, id="that-ends"),
        pytest.param(ANEW._replace(started=99), "test_shop.py::test_a", False, id="older-than-this-process"),
        pytest.param(FORK._replace(parent=OURS), "", False, id="that-is-still-a-child"),
        pytest.param(FORK._replace(parent=CHILD), "", False, id="child-of-a-child"),
        pytest.param(FORK._replace(parent=THEIRS), "", True, id="child-of-what-left-itself"),
        pytest.param(None, "test_shop.py::test_a", False, id="gone-meanwhile"),
    ],
)
def test_what_left_for_another_parent_is_known_by_what_it_took_along(
    stat: Stat | None, test: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {
        OURS: OWN,
        INIT: Stat("init", "S", 0, 0, ("1", "2")),
        THEIRS: ANEW,
        CHILD: FORK._replace(parent=OURS),
        FOUND: stat,
    }
    monkeypatch.setattr(proc, "processes", lambda: [OURS, FOUND])
    monkeypatch.setattr(offspring, "stat_of", known.get)
    monkeypatch.setattr(offspring, "_test_of", lambda _: test)
    found = list(offspring._orphans({"test_shop.py::test_a"}, False))
    assert [(child.pid, child.state) for child in found] == [(FOUND, "orphan")] * told
    assert all(child.forked == (stat is not None and stat.image == OWN.image) for child in found)


@pytest.mark.parametrize(
    ("process", "older", "youngest", "ours"),
    [
        pytest.param(8, 6, 9, True, id="child"),
        pytest.param(7, 6, 9, False, id="of-another"),
        pytest.param(9, 6, 9, True, id="orphan"),
        pytest.param(77, 70, 80, True, id="gone"),
        pytest.param(77, 77, 80, False, id="gone-and-older-than-the-first-child"),
        pytest.param(77, 32000, 90, True, id="gone-and-numbers-began-anew"),
        pytest.param(77, None, 80, True, id="gone-and-nobody-knows"),
        pytest.param(0, 6, 9, False, id="of-another-name-space"),
    ],
)
def test_who_is_gone_may_have_been_a_child_if_it_is_young_enough(
    process: int,
    older: int | None,
    youngest: int,
    ours: bool,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = os.getpid()
    known = {7: proc.Stat("a", "S", 1, 0, ()), 8: proc.Stat("a", "S", here, 0, ())}
    known[9] = known[7]
    monkeypatch.setattr(offspring, "stat_of", known.get)
    monkeypatch.setattr(offspring, "orphans", lambda _: [Child(9, 0, Command(), "orphan")])
    monkeypatch.setattr(proc, "youngest", lambda: youngest)
    context.recording.older = older
    assert offspring.may_be_ours(process, context) is ours


def _waited_for(made: subprocess.Popen[bytes]) -> int:
    made.wait()
    return made.pid


def _spawned() -> int:
    return os.posix_spawn("/bin/true", ["true"], {})


def _forked() -> int:
    child = os.fork()
    if not child:
        os._exit(0)
    return child


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    "start",
    [
        pytest.param(lambda: _waited_for(subprocess.Popen(["true"])), id="subprocess"),
        pytest.param(lambda: os.waitpid(_spawned(), 0)[0], id="posix-spawn"),
        pytest.param(lambda: os.waitpid(_forked(), 0)[0], id="fork"),
        pytest.param(lambda: proc.youngest() + os.system("true"), id="system"),
    ],
)
def test_the_first_child_of_a_window_tells_which_processes_are_older(
    start: Callable[[], int], recorded: Context
) -> None:
    def older() -> int | None:
        return recorded.recording.older

    children.install()
    try:
        assert older() is None
        child = start()
        found = older()
        assert found is not None
        assert found <= child or proc.youngest() < found
        start()
        assert older() == found
    finally:
        children.remove()
    recorded.recording.forget()
    assert older() is None


@pytest.mark.skipif(sys.platform != "linux", reason="who left is searched for in /proc")
@pytest.mark.parametrize("has_children", [True, False])
@pytest.mark.parametrize(
    ("spawns", "was_reaped", "told"),
    [
        pytest.param([Spawn(Command(), None)], False, True, id="asked-for"),
        pytest.param([], True, True, id="waited-for"),
        pytest.param([], False, False, id="neither"),
    ],
)
def test_who_left_is_told_of_whether_other_children_are_there_or_not(
    has_children: bool,
    spawns: list[Spawn],
    was_reaped: bool,
    told: bool,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orphan = Child(9, 0, Command(), "orphan")
    context.recording.spawns, context.recording.reaped = spawns, 100
    monkeypatch.setattr(offspring, "reaped", lambda: 100 + was_reaped)
    monkeypatch.setattr(offspring, "has_children", lambda: has_children)
    monkeypatch.setattr(offspring, "_listed", lambda _: ())
    monkeypatch.setattr(offspring, "_searched", lambda _: [orphan])
    assert list(offspring.children(context)) == [orphan] * told
