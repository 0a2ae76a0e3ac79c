"""Each thing that what a detector sees depends on shows in its signs, or makes them none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.detectors import STEADY, Context
from pytest_stateless.detectors.offspring import reaped
from pytest_stateless.noted import Bind, Lock


def noted(name: str, what: Any = None) -> Callable[[Context], None]:
    """The recording notes something of a kind."""

    def note(context: Context) -> None:
        getattr(context.recording, name).append(what)

    note.__name__ = name
    return note


def failed(context: Context) -> None:
    """The test fails by itself."""
    context.failed = True


def streams(context: Context) -> None:
    """Pytest puts others in the place of the standard streams."""
    context.streams = frozenset({(1, 2)})


def waited(context: Context) -> None:
    """A child that nobody announced was waited for."""
    context.recording.reaped = reaped() - 1


BIND, LOCK = noted("binds", Bind(-1, "", 0, None)), noted("locks", Lock(-1, None))
SPAWN, LISTEN = noted("spawns"), noted("listens")
CASES: dict[str, list[Callable[[Context], None]]] = {
    "file-write": [noted("writes"), noted("changes"), SPAWN, waited],
    "listening-socket": [BIND, SPAWN, waited],
    "unexpected-port": [BIND, LISTEN, SPAWN, waited],
    "open-descriptor": [BIND, failed, streams],
    "file-lock": [LOCK],
    "thread": [noted("starts")],
    "async-task": [failed],
    "child-process": [SPAWN, waited],
}


def test_no_steady_detector_is_forgotten() -> None:
    assert CASES.keys() == STEADY.keys()


@pytest.mark.parametrize(
    ("rule", "happen"),
    [
        pytest.param(rule, happen, id=f"{rule}-{happen.__name__}")
        for rule, found in CASES.items()
        for happen in found
    ],
)
def test_it_shows(rule: str, happen: Callable[[Context], None], context: Context) -> None:
    signs = STEADY[rule]
    before = signs(context)
    assert signs(context) == before
    happen(context)
    after = signs(context)
    assert after is None or after != before
