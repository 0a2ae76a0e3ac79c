"""Which processes are told that left for another parent: those that took along what only this run's children have."""

from __future__ import annotations

import os

import pytest

from pytest_stateless import proc
from pytest_stateless.commands import Command
from pytest_stateless.detectors import offspring
from pytest_stateless.noted import Spawn
from pytest_stateless.proc import Stat

OURS, INIT, THEIRS, CHILD, FOUND = os.getpid(), 1, 1 << 30, 1 << 29, 1 << 28
SPAWNS = (
    Spawn(Command("sh"), None, "test_shop.py::test_a"),
    Spawn(Command("before the first test"), None, ""),
)
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
    found = list(offspring._orphans(SPAWNS, False))
    assert [(child.pid, child.state) for child in found] == [(FOUND, "orphan")] * told
    assert all(child.forked == (stat is not None and stat.image == OWN.image) for child in found)
