"""Where something waits, whose it is and what for, by the frames of the coroutines that wait for one another."""

from __future__ import annotations

import asyncio
import os
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.detectors import Context, pending
from pytest_stateless.leak import Owner
from pytest_stateless.source import Place

OWNERS = {"shop": Owner.APPLICATION, "library": Owner.DEPENDENCY, "asyncio": Owner.STANDARD_LIBRARY}
SOURCES: Any = SimpleNamespace(owner=lambda file: OWNERS[file.partition("/")[0]])
STANDARD = os.path.dirname(asyncio.__file__)


def frames(*lines: str) -> list[Any]:
    """The outermost first, each as ``file:line``."""
    found = []
    for text in lines:
        file, _, line = text.partition(":")
        code = SimpleNamespace(co_filename=file, co_name="wait")
        found.append((text, SimpleNamespace(f_code=code, f_lineno=int(line))))
    return found


@pytest.mark.parametrize(
    ("lines", "stands", "own"),
    [
        pytest.param(["shop/a:1"], "shop/a:1", "shop/a:1", id="the-applications"),
        pytest.param(
            ["shop/a:1", "shop/b:2"], "shop/b:2", "shop/a:1", id="innermost-line-outermost-coroutine"
        ),
        pytest.param(
            ["library/a:1", "shop/b:2", "asyncio/q:3"], "shop/b:2", "shop/b:2", id="wrapped-by-a-library"
        ),
        pytest.param(["shop/a:1", "library/b:2"], "shop/a:1", "shop/a:1", id="within-a-library"),
        pytest.param(["library/a:1", "library/b:2"], "library/b:2", "library/a:1", id="a-librarys-alone"),
        pytest.param(["asyncio/q:1", "library/b:2"], "library/b:2", "asyncio/q:1", id="a-librarys-within"),
        pytest.param(["asyncio/q:1", "asyncio/q:2"], None, "asyncio/q:1", id="pythons-own"),
    ],
)
def test_the_line_and_the_coroutine_of_the_application_are_told(
    lines: list[str], stands: str | None, own: str
) -> None:
    found = pending._stands(frames(*lines), SOURCES)
    assert (None if found is None else f"{found.file}:{found.line}") == stands
    assert pending._own(frames(*lines), SOURCES)[0] == own


@pytest.mark.parametrize(
    ("file", "function", "idle"),
    [
        pytest.param(f"{STANDARD}/queues.py", "get", True, id="queue"),
        pytest.param(f"{STANDARD}/locks.py", "wait", True, id="event"),
        pytest.param(f"{STANDARD}/tasks.py", "sleep", False, id="sleep"),
        pytest.param("/srv/shop/queues.py", "get", False, id="the-applications-own-queue"),
    ],
)
def test_what_waits_for_something_to_do_is_idle(file: str, function: str, idle: bool) -> None:
    frame: Any = SimpleNamespace(f_code=SimpleNamespace(co_filename=file, co_name=function))
    assert pending._is_idle([(None, frame)]) is idle
    assert not pending._is_idle([])


@pytest.mark.parametrize(
    ("place", "traits"),
    [
        pytest.param(None, {"owner:unknown"}, id="nobodys"),
        pytest.param(
            Place("a", 1, "f", Owner.APPLICATION, False, False), {"owner:application"}, id="the-applications"
        ),
        pytest.param(
            Place("a", 1, "f", Owner.DEPENDENCY, True, False), {"owner:dependency", "by-tool"}, id="tools"
        ),
    ],
)
def test_whose_it_is_is_known_by_the_place(place: Place | None, traits: set[str]) -> None:
    assert pending._traits(place) == traits


def test_a_loop_of_an_earlier_look_is_still_of_who_made_it(context: Context) -> None:
    class Loop:
        """It runs in no thread."""

    key, place = weakref.ref(loop := Loop()), Place("a", 1, "f", Owner.APPLICATION, False, False)
    looking = pending.Looking(context, {}, {})
    known = pending.OpenLoop(key, True, place, False)
    assert looking.loop(loop, key, known) == known._replace(made=False)
    assert looking.loop(loop, key, None).place is None
