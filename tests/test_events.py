"""Events by hand: while one tool's callback runs, no other tool sees it, so that coverage needs these."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless import tracer
from pytest_stateless.blame import Trail, Watch
from pytest_stateless.source import Sources

HERE = sys._getframe().f_code.co_filename
MONITORED = sys.version_info >= (3, 12)


class Flag:
    """A look at something that moves when it is told to."""

    def __init__(self) -> None:
        self.is_up = False

    def moved(self) -> bool:
        return self.is_up

    def rebase(self) -> None:
        self.is_up = False


@pytest.fixture
def trail() -> Trail:
    return Trail(Sources("/"))


def chain_of(trail: Trail, act: Callable[[Flag], None]) -> list[tuple[str, int]] | None:
    """Watch one flag while something happens; functions of this file and the lines that they were said to be at."""
    trail.floor = chain_of.__code__
    flag = Flag()
    watch = Watch([flag])
    trail.begin([watch])
    act(flag)
    trail.end([watch])
    return None if watch.chain is None else [(origin.function, origin.line) for origin in watch.chain]


def test_the_line_before_an_event_is_blamed(trail: Trail) -> None:
    def shop(flag: Flag) -> None:
        frame = sys._getframe()
        trail.enters(frame)
        trail.reaches(frame, 1001)
        flag.is_up = True
        trail.reaches(frame, 1002)
        trail.leaves(frame)

    assert chain_of(trail, shop) == [("shop", 1001)]


def test_the_line_of_the_caller_is_the_current_one_after_a_call(trail: Trail) -> None:
    def inner() -> None:
        frame = sys._getframe()
        trail.enters(frame)
        trail.reaches(frame, 2001)
        trail.leaves(frame)

    def shop(flag: Flag) -> None:
        frame = sys._getframe()
        trail.enters(frame)
        trail.reaches(frame, 1001)
        inner()
        flag.is_up = True
        trail.leaves(frame)

    assert chain_of(trail, shop) == [("shop", shop.__code__.co_firstlineno + 4)]


def test_nobody_is_blamed_where_none_of_the_users_code_runs(trail: Trail) -> None:
    def shop(flag: Flag) -> None:
        frame = sys._getframe()
        trail.enters(frame)
        trail.leaves(frame)
        flag.is_up = True

    assert chain_of(trail, shop) == []


def test_what_is_undone_is_nobodys(trail: Trail) -> None:
    def shop(flag: Flag) -> None:
        frame = sys._getframe()
        trail.enters(frame)
        flag.is_up = True
        trail.reaches(frame, 1001)
        flag.is_up = False
        trail.reaches(frame, 1002)

    assert chain_of(trail, shop) is None


def test_a_line_that_ran_often_is_let_alone_and_its_function_blamed(trail: Trail) -> None:
    enough: list[bool] = []

    def shop(flag: Flag) -> None:
        frame = sys._getframe()
        trail.enters(frame)
        enough.extend(trail.reaches(frame, 1001) for _ in range(1000))
        flag.is_up = True
        trail.leaves(frame)

    assert chain_of(trail, shop) == [("shop", shop.__code__.co_firstlineno)]
    assert enough == [False] * 999 + [True]


def test_a_new_thread_follows_the_line_that_started_it(trail: Trail) -> None:
    def work() -> None:
        frame = sys._getframe()
        trail.enters(frame)
        trail.leaves(frame)

    def shop(flag: Flag) -> None:
        frame = sys._getframe()
        trail.enters(frame)
        trail.reaches(frame, 1001)
        flag.is_up = True
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert chain_of(trail, shop) == [("shop", 1001)]


# --------------------------------------------------------------------------------------------------- the tracer


class Noted:
    """Notes events; follows this file's code."""

    def __init__(self, enough: bool = False, broken: bool = False) -> None:
        self.floor: types.CodeType | None = None
        self.found: list[str] = []
        self.enough = enough
        self.broken = broken

    def is_followed(self, code: types.CodeType) -> bool:
        return code.co_filename == HERE

    def enters(self, frame: types.FrameType) -> None:
        if self.broken:
            raise ValueError
        self.found.append("enters")

    def reaches(self, frame: types.FrameType, line: int) -> bool:
        self.found.append(f"reaches {line}")
        return self.enough

    def leaves(self, frame: types.FrameType, value: object) -> None:
        self.found.append("leaves")


def made(noted: Noted) -> Any:
    """A tracer that was made for this version."""
    return tracer._Tracer(noted)


@pytest.mark.skipif(not MONITORED, reason="sys.monitoring came with Python 3.12")
@pytest.mark.parametrize("enough", [False, True])
def test_monitoring_hands_events_on(enough: bool) -> None:
    monitoring: Any = getattr(sys, "monitoring", None)
    noted = Noted(enough)
    one = made(noted)
    ours, others = compile("1", HERE, "exec"), compile("1", "/elsewhere.py", "exec")
    one._tool = next(number for number in range(6) if monitoring.get_tool(number) is None)
    monitoring.use_tool_id(one._tool, "by hand")
    try:
        assert one._start(ours, 0) is None
        assert one._start(others, 0) is monitoring.DISABLE
        assert one._line(ours, 7) is (monitoring.DISABLE if enough else None)
        one._leave(ours, 0, None)
        one._leave(others, 0, None)
        one._throw(ours, 0, ValueError())
        one._throw(others, 0, ValueError())
    finally:
        one.stop()
    assert noted.found == ["enters", "reaches 7", "leaves", "enters"]


@pytest.mark.skipif(MONITORED, reason="sys.settrace is used before Python 3.12")
@pytest.mark.parametrize("enough", [False, True])
def test_tracing_hands_events_on(enough: bool) -> None:
    noted = Noted(enough)
    one = made(noted)
    code = compile("import sys\nframe = sys._getframe()\n", HERE, "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    frame = names["frame"]
    for event in ("call", "line", "exception", "return"):
        assert one._trace(frame, event, None) == one._trace
    assert noted.found == ["enters", f"reaches {frame.f_lineno}", "leaves"]
    assert frame.f_trace_lines is not enough


@pytest.mark.skipif(MONITORED, reason="sys.settrace is used before Python 3.12")
def test_tracing_leaves_other_code_alone() -> None:
    names: dict[str, Any] = {}
    exec(compile("import sys\nframe = sys._getframe()\n", "/elsewhere.py", "exec"), names)
    noted = Noted()
    assert made(noted)._trace(names["frame"], "call", None) is None
    assert noted.found == []


def test_a_mistake_in_an_event_ends_them() -> None:
    noted = Noted(broken=True)
    one = made(noted)
    frame = sys._getframe()
    assert one.guarded(noted.enters, frame) is None
    assert type(one.broken) is ValueError
    one.guarded(noted.leaves, frame)
    assert noted.found == []
