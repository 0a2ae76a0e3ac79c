"""What is looked at first of definitions, and that nothing is missed by it."""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.heap.change import changes
from pytest_stateless.heap.chunk import (
    Chunk,
    concatenated,
    is_as_before,
    make_chunk,
    make_chunk_of_still_ones,
    renewed,
)
from pytest_stateless.heap.graph import Kind, plan_of


def _chunk(*things: Any) -> Chunk:
    made = make_chunk(Kind.HELD, things, plan_of)
    assert made is not None
    return made


class Base:
    """Has another one as its base in some of the cases."""


class _Other:
    pass


class _Module(types.ModuleType):
    pass


def _function(number: int, *, word: str = "") -> tuple[int, str]:
    return number, word


def _set(name: str, value: object) -> Callable[[list[Any]], None]:
    return lambda things: setattr(things[0], name, value)


def _make() -> list[Any]:
    """A function, a module, a class and a dictionary, all of their own."""
    function = types.FunctionType(_function.__code__, {}, "f", (1,))
    function.__kwdefaults__ = {"word": "a"}
    return [function, types.ModuleType("m"), type("C", (Base,), {}), defaultdict(list)]


@pytest.mark.parametrize("joined", [False, True], ids=["as-read", "joined-to-others"])
@pytest.mark.parametrize(
    ("change", "which"),
    [
        pytest.param(_set("__code__", _make.__code__), 0, id="code"),
        pytest.param(_set("__defaults__", (2,)), 0, id="defaults"),
        pytest.param(_set("__defaults__", None), 0, id="no-defaults"),
        pytest.param(_set("__kwdefaults__", {"word": "b"}), 0, id="named-defaults"),
        pytest.param(lambda things: setattr(things[1], "__class__", _Module), 1, id="class-of-a-module"),
        pytest.param(lambda things: setattr(things[2], "__bases__", (_Other,)), 2, id="bases"),
        pytest.param(lambda things: setattr(things[3], "default_factory", set), 3, id="factory"),
        pytest.param(_set("__doc__", "other words"), None, id="no-part"),
    ],
)
def test_a_part_of_a_definition_that_changes_is_seen(
    change: Callable[[list[Any]], None], which: int | None, joined: bool
) -> None:
    things = _make()
    before = _chunk(*things)
    if joined:
        before = concatenated([_chunk(*_make()), before, _chunk(*_make())])
    assert is_as_before(before)
    change(things)
    assert not is_as_before(before)
    now = _chunk(*before.containers)
    changed = [change.container for change in changes((before,), (now,))]
    assert [thing is things[which] for thing in changed] == [True] if which is not None else not changed
    assert is_as_before(now)


def test_what_a_function_had_in_between_is_seen_by_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may change a function while it is read: then what it refers to is older than its parts."""
    function, *_ = _make()
    read = make_chunk.__globals__["read"]

    def meanwhile(*args: Any) -> Any:
        found = read(*args)
        function.__defaults__ = (2,)
        return found

    monkeypatch.setitem(make_chunk.__globals__, "read", meanwhile)
    chunk = _chunk(function)
    monkeypatch.undo()
    assert not is_as_before(chunk)


class _Restless:
    """Reads dictionaries as if another thread changed one of them all the time."""

    def __init__(self, busy: dict[Any, Any]) -> None:
        self._busy, self._read = busy, make_chunk.__globals__["read"]

    def __call__(self, kind: Kind, containers: tuple[Any, ...]) -> Any:
        if any(one is self._busy for one in containers):
            raise RuntimeError("dictionary changed size during iteration")
        return self._read(kind, containers)


@pytest.mark.parametrize("busy", range(3))
def test_beside_what_never_holds_still_the_others_are_read(
    busy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    things: tuple[dict[str, object], ...] = ({"a": 1}, {"b": 2}, {"c": 3})
    before = make_chunk(Kind.DICT, things, plan_of)
    assert before is not None
    monkeypatch.setitem(make_chunk.__globals__, "read", _Restless(things[busy]))
    assert renewed(before, Kind.DICT, plan_of) == before
    for thing in things:
        thing["new"] = object()
    now = renewed(before, Kind.DICT, plan_of)
    changed = [change.container for change in changes((before,), (now,))]
    assert [id(thing) for thing in changed] == [id(thing) for thing in things if thing is not things[busy]]
    still = make_chunk_of_still_ones(Kind.DICT, things, plan_of)
    assert still is not None
    assert list(map(id, still.containers)) == list(map(id, changed))
    assert make_chunk_of_still_ones(Kind.DICT, (things[busy],), plan_of) is None
    monkeypatch.undo()
    assert len(list(changes((before,), (renewed(now, Kind.DICT, plan_of),)))) == len(things)


def test_empty_dictionaries_beside_one_that_never_holds_still(monkeypatch: pytest.MonkeyPatch) -> None:
    things: tuple[dict[str, object], ...] = ({}, {}, {})
    before = make_chunk(Kind.EMPTY_DICT, things, plan_of)
    assert before is not None
    monkeypatch.setitem(make_chunk.__globals__, "read", _Restless(things[1]))
    things[0]["new"] = things[1]["new"] = object()
    now = renewed(before, Kind.DICT, plan_of)
    assert [change.container for change in changes((before,), (now,))] == [things[0]]
