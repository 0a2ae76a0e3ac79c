"""How the user's code is followed beside other tools that follow it."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.tracer import follow

MONITORED = sys.version_info >= (3, 12)
monitoring: Any = getattr(sys, "monitoring", None)
monitored = pytest.mark.skipif(not MONITORED, reason="sys.monitoring came with Python 3.12")
traced = pytest.mark.skipif(MONITORED, reason="sys.settrace is used before Python 3.12")


class Events:
    """Notes the events of this file's functions."""

    def __init__(self, broken: bool = False) -> None:
        self.floor: types.CodeType | None = None
        self.found: list[str] = []
        self.broken = broken

    def is_followed(self, code: types.CodeType) -> bool:
        return code.co_filename == __file__ and code.co_name.startswith("shop")

    def enters(self, frame: types.FrameType) -> None:
        if self.broken:
            raise ValueError("a mistake of the plugin's")
        self.found.append(f"enters {frame.f_code.co_name}")

    def reaches(self, frame: types.FrameType, line: int) -> bool:
        self.found.append(f"reaches {line - frame.f_code.co_firstlineno}")
        return False

    def leaves(self, frame: types.FrameType, value: object) -> None:
        self.found.append(f"leaves {frame.f_code.co_name}")


@pytest.fixture(autouse=True)
def _untraced() -> None:
    if not MONITORED and sys.gettrace() is not None:
        pytest.skip("this run itself is traced")


def shop() -> int:
    total = shop_total()
    return total + 1


def shop_total() -> int:
    return 1


def shop_generator() -> Any:
    yield 1


def shop_that_fails() -> None:
    raise KeyError


def shop_with_a_generator() -> None:
    generator = shop_generator()
    next(generator)
    next(generator, None)


def shop_with_a_loop() -> None:
    for _ in range(50):
        len("")


@pytest.mark.parametrize(
    ("run", "events"),
    [
        pytest.param(
            shop,
            "enters shop, reaches 1, enters shop_total, reaches 1, leaves shop_total, reaches 2, leaves shop",
            id="call",
        ),
        pytest.param(
            shop_with_a_generator,
            "enters shop_with_a_generator, reaches 1, reaches 2, enters shop_generator, reaches 1, "
            "leaves shop_generator, reaches 3, enters shop_generator, leaves shop_generator, "
            "leaves shop_with_a_generator",
            id="generator",
        ),
    ],
)
def test_events_come_in_the_order_in_which_code_runs(run: Callable[[], object], events: str) -> None:
    noted = Events()
    assert follow(noted, run)
    found = ", ".join(noted.found)
    # Creating a generator begins it, on some versions.
    assert (
        found.replace(
            "reaches 1, enters shop_generator, leaves shop_generator, reaches 2", "reaches 1, reaches 2"
        )
        == events
    )


def test_an_error_is_followed_and_goes_on() -> None:
    noted = Events()
    with pytest.raises(KeyError):
        follow(noted, shop_that_fails)
    assert noted.found == ["enters shop_that_fails", "reaches 1", "leaves shop_that_fails"]


def test_nothing_is_followed_afterwards() -> None:
    noted = Events()
    follow(noted, shop)
    before = list(noted.found)
    shop()
    follow(Events(), shop)
    assert noted.found == before


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_the_place_is_given_back_whatever_happens(error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error):
        follow(Events(), fail)
    again = Events()
    assert follow(again, shop)
    assert again.found
    assert sys.gettrace() is None or MONITORED


def test_a_mistake_in_an_event_is_raised_afterwards_and_never_within_the_program() -> None:
    ended = []

    def run() -> None:
        shop()
        ended.append(True)

    with pytest.raises(ValueError, match="a mistake of the plugin's"):
        follow(Events(broken=True), run)
    assert ended


def test_threads_are_followed() -> None:
    noted = Events()

    def run() -> None:
        thread = threading.Thread(target=shop_total)
        thread.start()
        thread.join()

    assert follow(noted, run)
    assert noted.found == ["enters shop_total", "reaches 1", "leaves shop_total"]


def test_a_thread_that_goes_on_is_not_followed_any_more() -> None:
    noted, ready, over = Events(), threading.Event(), threading.Event()

    def wait_and_shop() -> None:
        ready.set()
        over.wait()
        shop()

    thread = threading.Thread(target=wait_and_shop)

    def run() -> None:
        thread.start()
        ready.wait()

    assert follow(noted, run)
    over.set()
    thread.join()
    assert noted.found == []


def test_codes_that_are_equal_are_each_followed() -> None:
    noted = Events()
    spaces: list[dict[str, Any]] = [{}, {}]
    for space in spaces:
        exec(compile("def shop_again():\n    return 1\n", __file__, "exec"), space)

    def run() -> None:
        for space in spaces:
            space["shop_again"]()

    assert follow(noted, run)
    assert noted.found.count("reaches 1") == 2


# ------------------------------------------------------------------------------------------------- beside others


@monitored
def test_tools_that_are_there_go_on() -> None:
    lines: list[int] = []
    for tool in (monitoring.DEBUGGER_ID, monitoring.PROFILER_ID):
        monitoring.use_tool_id(tool, "another")
    monitoring.register_callback(
        monitoring.DEBUGGER_ID, monitoring.events.LINE, lambda code, line: lines.append(line)
    )
    monitoring.set_events(monitoring.DEBUGGER_ID, monitoring.events.LINE)
    noted = Events()
    try:
        assert follow(noted, shop)
        assert noted.found
        assert {shop.__code__.co_firstlineno + 1, shop.__code__.co_firstlineno + 2} <= set(lines)
        assert monitoring.get_tool(monitoring.DEBUGGER_ID) == "another"
        lines.clear()
        shop()
        assert lines
    finally:
        for tool in (monitoring.DEBUGGER_ID, monitoring.PROFILER_ID):
            monitoring.free_tool_id(tool)


@monitored
@pytest.mark.parametrize("taken", [1, 4, 5])
def test_any_free_place_will_do(taken: int) -> None:
    free = [number for number in (4, 3, 5, 2, 0, 1) if monitoring.get_tool(number) is None]
    used = free[: min(taken, len(free) - 1)]  # coverage may be one of the tools
    for number in used:
        monitoring.use_tool_id(number, "another")
    noted = Events()
    try:
        assert follow(noted, shop)
        assert noted.found
    finally:
        for number in used:
            monitoring.free_tool_id(number)


@monitored
def test_where_no_place_is_free_nothing_runs() -> None:
    used = [number for number in range(6) if monitoring.get_tool(number) is None]
    for number in used:
        monitoring.use_tool_id(number, "another")
    noted, ran = Events(), []
    try:
        assert not follow(noted, lambda: ran.append(1))
    finally:
        for number in used:
            monitoring.free_tool_id(number)
    assert ran == []


@monitored
def test_what_another_tool_switched_off_under_the_same_number_is_followed() -> None:
    monitoring.use_tool_id(4, "another")
    monitoring.register_callback(4, monitoring.events.PY_START, lambda code, offset: monitoring.DISABLE)
    monitoring.set_events(4, monitoring.events.PY_START)
    shop()
    monitoring.set_events(4, 0)
    monitoring.register_callback(4, monitoring.events.PY_START, None)
    monitoring.free_tool_id(4)
    noted = Events()
    assert follow(noted, shop)
    assert "enters shop" in noted.found


@monitored
def test_a_function_for_settrace_stays() -> None:
    def trace(frame: types.FrameType, event: str, argument: object) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert follow(Events(), shop)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)


@traced
@pytest.mark.parametrize("module", [sys, threading], ids=["sys", "threading"])
def test_a_tracer_that_is_there_is_kept_and_nothing_runs(module: Any) -> None:
    def trace(frame: types.FrameType, event: str, argument: object) -> None:
        return None

    ran: list[int] = []
    module.settrace(trace)
    try:
        assert not follow(Events(), lambda: ran.append(1))
        assert module.gettrace() is trace
    finally:
        module.settrace(None)
    assert ran == []


@traced
def test_a_tracer_that_comes_meanwhile_is_kept() -> None:
    def trace(frame: types.FrameType, event: str, argument: object) -> None:
        return None

    def run() -> None:
        sys.settrace(trace)
        threading.settrace(trace)

    try:
        assert follow(Events(), run)
        assert sys.gettrace() is trace
        assert threading.gettrace() is trace  # type: ignore[attr-defined,unused-ignore]
    finally:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type,unused-ignore]


def test_a_line_that_is_not_wanted_any_more_is_let_alone() -> None:
    class Few(Events):
        def reaches(self, frame: types.FrameType, line: int) -> bool:
            super().reaches(frame, line)
            return self.found.count(self.found[-1]) >= 3

    noted = Few()
    assert follow(noted, shop_with_a_loop)
    assert 2 <= noted.found.count("reaches 2") <= 4
    assert noted.found[-1] == "leaves shop_with_a_loop"
