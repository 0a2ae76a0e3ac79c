"""What the interpreter keeps: what is said of hand-made values, and real leftovers beside their well-behaved twins."""

from __future__ import annotations

import builtins
import gc
import os
import sys
import threading
import time
import types
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.detectors import Context
from pytest_stateless.detectors.interpreter_state import Look, absorb, capture, carry, compare, share
from pytest_stateless.expected import is_expected
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Items, Numbers
from pytest_stateless.interpreter.table import ITEMS, MOVED_BETWEEN
from pytest_stateless.leak import SINCE
from pytest_stateless.window import Windows

DOCS = Path(__file__).parents[2] / "docs" / "rules.md"
TOOLS = frozenset({"stateless_tool", "pytest_stateless"})
NAMES = [item.name for item in ITEMS]
FIRST_OF_MANY = 6


# ----------------------------------------------------------------------------------------- hand-made values


def look(show_values: bool = False, **readings: Any) -> Look:
    """A look at which only these items could be told, by their names with _ for what is no letter."""
    by_name = {"".join(c if c.isalnum() else "_" for c in name): name for name in reversed(NAMES)}
    found: list[Any] = [None for _ in ITEMS]
    for name, reading in readings.items():
        found[NAMES.index(by_name[name])] = reading
    return Look(tuple(found), (), TOOLS, show_values)


def told(before: Look, after: Look) -> list[str]:
    return [f"{leak.subject}: {leak.message.partition(';')[0]}" for leak in compare(before, after)]


def function_of(module: str) -> Any:
    return types.FunctionType((lambda: None).__code__, {"__name__": module})


def shop_hook() -> None:
    """Stands for a function of the program's."""


THING, OTHER = object(), object()


@pytest.mark.parametrize(
    ("name", "before", "after", "leaks"),
    [
        pytest.param("umask", {WHOLE: 0o22}, {WHOLE: 0o22}, [], id="equal-number"),
        pytest.param(
            "umask", {WHOLE: 0o22}, {WHOLE: 0o77}, ["umask: changed: 0o077, was 0o022"], id="number"
        ),
        pytest.param("umask", {WHOLE: UNKNOWN}, {WHOLE: 0o77}, [], id="unknown-before"),
        pytest.param("umask", {WHOLE: 0o22}, {WHOLE: UNKNOWN}, [], id="unknown-after"),
        pytest.param("umask", None, {WHOLE: 0o22}, [], id="not-told-before"),
        pytest.param("umask", {WHOLE: 0o22}, None, [], id="not-told-after"),
        pytest.param("os_environ", {b"A": b"1"}, {b"A": b"1"}, [], id="variable-stays"),
        pytest.param(
            "os_environ",
            {},
            {b"A": b"12"},
            ["os.environ['A']: added: str (2 characters)"],
            id="variable-added",
        ),
        pytest.param(
            "os_environ",
            {b"A": b"1"},
            {},
            ["os.environ['A']: removed: str (1 character)"],
            id="variable-gone",
        ),
        pytest.param(
            "os_environ",
            {b"A": b"1"},
            {b"A": b"2"},
            ["os.environ['A']: changed: str (1 character)"],
            id="variable-changed",
        ),
        pytest.param(
            "os_environ",
            {},
            {f"A{number}".encode(): b"" for number in range(FIRST_OF_MANY)},
            ["os.environ: +6 entries"],
            id="many",
        ),
        pytest.param(
            "os_environ",
            {f"A{number}".encode(): b"" for number in range(FIRST_OF_MANY)},
            {f"A{number}".encode(): b"1" for number in range(FIRST_OF_MANY - 1)},
            ["os.environ: 5 changed entries", "os.environ['A5']: removed: str (0 characters)"],
            id="many-changed-and-one-gone",
        ),
        pytest.param(
            "sys_path",
            {WHOLE: Items(["/a"])},
            {WHOLE: Items(["/a", "/bc"])},
            ["sys.path: added: str (3 characters)"],
            id="thing-added",
        ),
        pytest.param(
            "sys_path",
            {WHOLE: Items(["/a", "/b"])},
            {WHOLE: Items(["/b", "/a"])},
            ["sys.path: in another order"],
            id="another-order",
        ),
        pytest.param("sys_path", {WHOLE: Items(["/a"])}, {WHOLE: Items(["/" + "a"])}, [], id="equal-text"),
        pytest.param(
            "sys_meta_path",
            {WHOLE: Items([THING])},
            {WHOLE: Items([OTHER])},
            ["sys.meta_path: added: object object, removed: object object"],
            id="thing-exchanged",
        ),
        pytest.param(
            "sys_excepthook",
            {WHOLE: print},
            {WHOLE: shop_hook},
            ["sys.excepthook: changed: function shop_hook, was builtin_function_or_method object"],
            id="hook",
        ),
        pytest.param(
            "logging",
            {("shop", "level"): 0},
            {("shop", "level"): 10},
            ["logging.getLogger('shop').level: changed: DEBUG, was NOTSET"],
            id="level",
        ),
        pytest.param(
            "logging",
            {},
            {("shop", "level"): 10, ("shop", "handlers"): Items([THING])},
            [],
            id="logger-that-was-made",
        ),
        pytest.param(
            "logging",
            {("", "level"): 30},
            {("", "level"): 30, ("", "handlers"): Items([THING])},
            ["logging.root.handlers: added: object object"],
            id="handler-of-the-root",
        ),
        pytest.param(
            "signal",
            {"SIGUSR1": 0},
            {"SIGUSR1": 1},
            ["signal.SIGUSR1: changed: SIG_IGN, was SIG_DFL"],
            id="signal",
        ),
        pytest.param("timer", {}, {"ITIMER_REAL": 0.0}, ["timer ITIMER_REAL: added: once"], id="alarm"),
        pytest.param(
            "resource_limit",
            {"RLIMIT_NOFILE": (20, -1)},
            {"RLIMIT_NOFILE": (10, -1)},
            ["resource limit RLIMIT_NOFILE: changed: 10 of unlimited, was 20 of unlimited"],
            id="limit",
        ),
    ],
)
def test_what_differs_is_told(name: str, before: Any, after: Any, leaks: list[str]) -> None:
    assert told(look(**{name: before}), look(**{name: after})) == leaks
    assert told(look(**{name: after}), look(**{name: after})) == []


def test_a_value_is_shown_only_where_it_is_asked_for() -> None:
    before, after = {b"TOKEN": b"old"}, {b"TOKEN": b"s3cret"}
    assert "s3cret" not in str(list(compare(look(os_environ=before), look(os_environ=after))))
    (leak,) = compare(look(os_environ=before), look(show_values=True, os_environ=after))
    assert leak.message.startswith("changed: str (6 characters) 's3cret', was str (3 characters) 'old'")


class Hostile:
    """Fails whoever asks it anything."""

    def _fail(self, *_: object) -> Any:
        raise AssertionError("the program's code ran")

    __eq__ = __hash__ = __repr__ = __str__ = __bool__ = __len__ = __iter__ = _fail
    __getattribute__ = _fail


def test_no_code_of_the_program_runs() -> None:
    before = look(
        sys_excepthook={WHOLE: Hostile()}, sys_path={WHOLE: Items([Hostile()])}, signal={"SIGUSR1": Hostile()}
    )
    after = look(
        sys_excepthook={WHOLE: Hostile()}, sys_path={WHOLE: Items([Hostile()])}, signal={"SIGUSR1": 0}
    )
    assert len(told(before, after)) == 3
    absorb(before, before, after)


class Weak:
    """Something that is spoken of weakly."""


WEAK = Weak()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        pytest.param(
            "sys_excepthook", {WHOLE: print}, {WHOLE: function_of("stateless_tool.hooks")}, id="hook"
        ),
        pytest.param(
            "sys_excepthook", {WHOLE: function_of("stateless_tool")}, {WHOLE: print}, id="hook-taken-off"
        ),
        pytest.param(
            "logging",
            {("", "handlers"): Items([THING])},
            {("", "handlers"): Items([THING, function_of("stateless_tool")])},
            id="in-a-list",
        ),
        pytest.param("sys_modules", {}, {"shop": types.ModuleType("shop")}, id="import"),
        pytest.param("os_environ", {}, {b"PYTEST_CURRENT_TEST": b"test_a"}, id="current-test"),
        pytest.param("tempfile_tempdir", {WHOLE: None}, {WHOLE: "/tmp"}, id="first-use"),
        pytest.param("tempfile_tempdir", {WHOLE: "/tmp"}, {WHOLE: None}, id="used-anew"),
        pytest.param("environment_past_os_environ", {}, {b"LINES": b"24"}, id="readline"),
        pytest.param("sys_modules", {"templates": weakref.proxy(WEAK)}, {}, id="weakly-kept-module"),
        pytest.param("builtins", {}, {"__builtins__": vars(builtins)}, id="names-of-exec"),
        pytest.param("atexit", {WHOLE: 3}, {WHOLE: 2}, id="fewer-callbacks"),
    ],
)
def test_what_is_expected_is_no_leak(name: str, before: Any, after: Any) -> None:
    (leak,) = compare(look(**{name: before}), look(**{name: after}))
    assert is_expected(leak)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        pytest.param(
            "logging",
            {("", "level"): 30},
            {("", "level"): 30, ("", "handlers"): Items([THING, function_of("stateless_tool")])},
            id="beside-a-tools-own",
        ),
        pytest.param("sys_excepthook", {WHOLE: print}, {WHOLE: shop_hook}, id="hook"),
        pytest.param("sys_modules", {"shop": THING}, {"shop": OTHER}, id="module-exchanged"),
        pytest.param("sys_modules", {"shop": THING}, {}, id="module-taken-out"),
        pytest.param("tempfile_tempdir", {WHOLE: "/tmp"}, {WHOLE: "/srv"}, id="not-the-first-use"),
        pytest.param("random", {WHOLE: Numbers((1,))}, {WHOLE: Numbers((2,))}, id="seeded-anew"),
        pytest.param("clock", {}, {"freezegun": "frozen"}, id="frozen-by-a-tool"),
    ],
)
def test_what_only_looks_expected_is_a_leak(name: str, before: Any, after: Any) -> None:
    (leak,) = compare(look(**{name: before}), look(**{name: after}))
    assert not is_expected(leak)


@pytest.mark.parametrize(
    ("before", "start", "end", "after", "leaks"),
    [
        pytest.param({}, {}, {b"A": b"1"}, {b"A": b"1"}, 0, id="added"),
        pytest.param({}, {}, {b"A": b"1"}, {b"A": b"1", b"B": b"1"}, 1, id="added-and-more"),
        pytest.param({b"A": b"1"}, {b"A": b"1"}, {}, {}, 0, id="removed"),
        pytest.param({b"A": b"1"}, {b"A": b"2"}, {b"A": b"2"}, {b"A": b"2"}, 1, id="changed-before"),
        pytest.param(None, None, {b"A": b"1"}, {b"A": b"1"}, 0, id="not-told-before"),
        pytest.param(None, None, {b"A": b"1"}, {b"A": b"2"}, 1, id="not-told-before-and-changed"),
        pytest.param({b"A": b"1"}, {b"A": b"1"}, None, {b"A": b"1"}, 0, id="not-told-at-the-end"),
    ],
)
def test_what_is_absorbed_is_not_told(before: Any, start: Any, end: Any, after: Any, leaks: int) -> None:
    base = absorb(*(look(os_environ=reading) for reading in (before, start, end)))
    assert len(told(base, look(os_environ=after))) == leaks


def test_what_is_absorbed_of_a_list_leaves_the_rest() -> None:
    lists = [[], ["mine"], ["mine", "theirs"]]
    before, start, end = (look(sys_path={WHOLE: Items(things)}) for things in lists)
    assert told(absorb(before, start, end), end) == ["sys.path: added: str (4 characters)"]


def test_a_label_that_is_gone_and_absorbed_comes_back_as_a_leak() -> None:
    there, gone = look(os_environ={b"A": b"1"}), look(os_environ={})
    assert told(absorb(there, there, gone), there) == ["os.environ['A']: added: str (1 character)"]


def look_at(item: str, value: object) -> Look:
    """A look at which one value could be told."""
    readings: dict[str, Any] = {item: {WHOLE: value}}
    return look(**readings)


@pytest.mark.parametrize(
    ("item", "is_tools"),
    [
        pytest.param("sys_excepthook", True, id="hook"),
        pytest.param("unittest_mock_patch", False, id="what-the-test-asked-the-tool-for"),
    ],
)
def test_a_thing_of_a_tool_is_the_tools_unless_the_test_asked_for_it(item: str, is_tools: bool) -> None:
    hook, own = function_of("stateless_tool"), function_of("shop")
    for before, after, trait in ((own, hook, "value:of-a-tool"), (hook, own, "was:of-a-tool")):
        (leak,) = compare(look_at(item, before), look_at(item, after))
        assert (trait in leak.traits) is is_tools


@pytest.mark.parametrize(
    ("item", "is_followed"),
    [("sys_excepthook", True), ("sys_settrace__", False), ("sys_setprofile__", False)],
)
def test_what_follows_lines_itself_is_not_looked_at_while_lines_are_followed(
    item: str, is_followed: bool
) -> None:
    (leak,) = compare(look_at(item, None), look_at(item, shop_hook))
    assert (leak.evidence is not None) is is_followed


# ------------------------------------------------------------------------------------------ the table and its looks


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item.name} {ITEMS.index(item)}")
def test_each_line_of_the_table_says_why_it_matters_and_how_to_mend_it(item: Any) -> None:
    assert item.name
    assert item.why
    assert item.mend
    assert not item.why.endswith(".")
    assert item.read() is None or isinstance(item.read(), dict)


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_each_line_of_the_table_stands_in_the_documentation(name: str) -> None:
    section = DOCS.read_text("utf-8").partition("\n## interpreter-state\n")[2].partition("\n## ")[0]
    assert f"`{name}`" in section


def test_what_moves_between_tests_is_in_the_table() -> None:
    assert set(MOVED_BETWEEN) <= set(NAMES)


def test_what_pytest_moves_between_two_tests_is_looked_at_anew(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = capture(context)
    monkeypatch.setattr(sys, "unraisablehook", shop_hook)
    assert list(compare(carry(end, context), capture(context))) == []
    assert len(list(compare(end, capture(context)))) == 1


def test_a_look_imports_nothing_and_warns_of_nothing(context: Context) -> None:
    before = set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capture(context)
    assert set(sys.modules) == before


def test_looking_again_and_again_leaves_nothing(context: Context) -> None:
    def counted() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")) if os.path.isdir(
            "/proc/self/fd"
        ) else 0, threading.active_count()

    windows = Windows(context, [sys.modules[Look.__module__]])
    for _ in range(10):
        windows.close(windows.open())
    before, blocks = counted(), sys.getallocatedblocks()
    for _ in range(1000):
        windows.close(windows.open())
    assert counted() == before
    assert sys.getallocatedblocks() - blocks < 500


def test_a_system_that_tells_nothing_is_looked_at_without_error(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_stateless.interpreter import c_environment, kernel, signals

    monkeypatch.setattr(kernel, "_STATUS", "/nowhere")
    monkeypatch.setattr(c_environment, "_environ", None)
    monkeypatch.setattr(signals, "_sigmask", None)
    before = capture(context)
    assert list(compare(before, capture(context))) == []
    readings = dict(zip(NAMES, before.readings, strict=True))
    assert readings["umask"] == {WHOLE: UNKNOWN}
    assert readings["environment past os.environ"] is None
    assert readings["signal mask"] is None


def test_the_look_is_not_fooled_by_mocks(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    before = capture(context)
    with monkeypatch.context() as patch:
        for name in ("getcwd", "open", "read", "getpriority", "umask"):
            patch.setattr(os, name, lambda *_: 1 / 0)
        patch.setattr(time, "tzset", lambda: 1 / 0)
        during = capture(context)
    assert list(compare(before, during)) == []


def test_what_is_shared_is_the_last_look_and_what_differs_since_may_be_of_the_time_before(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = share(context)  # there was none
    monkeypatch.setenv("STATELESS_A", "1")
    shared = share(context)
    assert (first.is_shared, shared.is_shared) == (False, True)
    now = capture(context)
    for before in (first, shared):
        (leak,) = (leak for leak in compare(before, now) if leak.subject == "os.environ['STATELESS_A']")
        assert (SINCE in leak.traits) is before.is_shared
