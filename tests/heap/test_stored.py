"""Whether large dictionaries are as they were, told by their tables."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.heap import chunk, stored
from pytest_stateless.heap.change import changes
from pytest_stateless.heap.chunk import Chunk, concatenated, is_as_before, make_chunk
from pytest_stateless.heap.graph import Kind, plan_of
from pytest_stateless.heap.stored import is_as_stored, is_large, store

pytestmark = pytest.mark.skipif(not stored.TRUSTED, reason="dictionaries are read")

Change = Callable[[dict[Any, Any]], object]
SIZE = 300


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other thread runs, though some test tool may have one."""
    monkeypatch.setattr(stored, "_threads", lambda: 0)


class Equal:
    """Equal to all, and counts who asks."""

    asked = 0

    def __eq__(self, other: object) -> bool:
        Equal.asked += 1
        return True

    __hash__ = object.__hash__


def _of_texts() -> dict[Any, Any]:
    return {f"key {number}": Equal() for number in range(SIZE)}


def _of_numbers() -> dict[Any, Any]:
    return {number: Equal() for number in range(SIZE)}


def _rename_last(some: dict[Any, Any]) -> None:
    some["another"] = some.popitem()[1]


def _rename_and_restore_the_last(some: dict[Any, Any]) -> None:
    (last, value), (_, before) = some.popitem(), some.popitem()
    some["another"] = before
    some[last] = value


def _replace(position: int) -> Change:
    return lambda some: some.update({list(some)[position]: Equal()})


CHANGES = [
    pytest.param(_replace(0), id="first-value"),
    pytest.param(_replace(-1), id="last-value"),
    pytest.param(_replace(SIZE // 2), id="value"),
    pytest.param(lambda some: some.popitem(), id="last-gone"),
    pytest.param(lambda some: some.pop(next(iter(some))), id="first-gone"),
    pytest.param(lambda some: some.update(new=1), id="one-more"),
    pytest.param(lambda some: some.update(dict.fromkeys(map(str, range(1000)))), id="many-more"),
    pytest.param(_rename_last, id="another-name"),
    pytest.param(_rename_and_restore_the_last, id="another-name-before-the-last"),
    pytest.param(lambda some: some.clear(), id="nothing-left"),
    pytest.param(lambda some: some.update({("a", "tuple"): 1}), id="key-of-another-kind"),
]


@pytest.mark.parametrize("make", [_of_texts, _of_numbers], ids=["texts", "numbers"])
@pytest.mark.parametrize("change", CHANGES)
def test_each_change_shows(change: Change, make: Callable[[], dict[Any, Any]]) -> None:
    some = make()
    kept = dict(some)
    before = store(some)
    assert before is not None
    assert is_large(some)
    Equal.asked = 0
    assert is_as_stored(before)
    change(some)
    assert not is_as_stored(before)
    assert Equal.asked == 0
    assert len(kept) == SIZE


def test_the_same_value_set_again_is_no_change() -> None:
    some = _of_texts()
    before = store(some)
    some.update(list(some.items()))
    assert before is not None
    assert is_as_stored(before)


def test_the_attributes_of_an_instance_may_be_elsewhere_than_in_the_table() -> None:
    class Thing:
        def __init__(self) -> None:
            self.a = self.b = 1

    assert store(vars(Thing())) is None


def test_a_table_that_is_smaller_now_is_not_read_beyond_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    some = _of_texts()
    before = store(some)
    some.clear()
    monkeypatch.setattr(stored, "_compare", lambda *_: pytest.fail("read"))
    assert before is not None
    assert not is_as_stored(before)


def test_small_ones_are_read() -> None:
    assert not is_large({"a": 1})
    assert not is_large({})


def test_where_another_thread_could_come_between_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_LETS_NOBODY_IN", False)
    monkeypatch.setattr(stored, "_threads", lambda: len(threading.enumerate()) - 1)
    before = store(_of_texts())
    assert before is not None
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert not is_as_stored(before)
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_without_a_c_library_nothing_compares(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_library(name: object) -> object:
        raise error

    monkeypatch.setattr(ctypes, "PyDLL", no_library)
    assert stored._memory() == (None, None)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("_is_the_same", lambda *_: True),
        ("_is_the_same", lambda *_: False),
        ("store", lambda _: None),
        ("_place", lambda _: -(2**60)),
    ],
    ids=["always", "never", "nothing", "odd-place"],
)
def test_a_way_that_disagrees_is_not_trusted(
    name: str, says: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, name, says)
    assert not stored._agrees()


# ------------------------------------------------------------------------------------------------ in chunks


def _chunk(*dictionaries: dict[Any, Any]) -> Chunk:
    made = make_chunk(Kind.DICT, dictionaries, plan_of)
    assert made is not None
    return made


@pytest.mark.parametrize("joined", [False, True], ids=["as-read", "joined-to-others"])
@pytest.mark.parametrize("position", range(5))
def test_a_change_is_seen_in_large_and_in_small_ones(position: int, joined: bool) -> None:
    all_: list[dict[Any, Any]] = [{"a": Equal()}, _of_texts(), {1: Equal(), "b": Equal()}, _of_numbers(), {}]
    before = _chunk(*all_)
    if joined:
        before = concatenated([_chunk({"x": 1}), before, _chunk(_of_texts(), {"y": 1})])
    assert before.bulk is not None
    assert [len(one.dictionary) for one in before.bulk.large] == [SIZE] * (3 if joined else 2)
    assert is_as_before(before)
    all_[position]["new"] = 1
    assert not is_as_before(before)
    changed = [change.container for change in changes((before,), (_chunk(*before.containers),))]
    assert [one is all_[position] for one in changed] == [True]


def test_large_ones_that_are_as_they_were_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = _of_texts(), {"a": 1}
    before, asked = _chunk(large, small), []
    read = chunk.read

    def asking(kind: Kind, containers: tuple[Any, ...]) -> Any:
        asked.append(containers)
        return read(kind, containers)

    monkeypatch.setattr(chunk, "read", asking)
    assert is_as_before(before)
    assert [len(containers) for containers in asked] == [1]
    assert asked[0][0] is small


def test_what_changes_while_it_is_read_is_read_by_the_next_look_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may change a dictionary and change it back."""
    large = _of_texts()
    first, value = next(iter(large.items()))
    read = chunk.read

    def meanwhile(kind: Kind, containers: tuple[Any, ...]) -> Any:
        large[first] = 1
        return read(kind, containers)

    monkeypatch.setattr(chunk, "read", meanwhile)
    before = _chunk(large)
    monkeypatch.undo()
    large[first] = value
    assert not is_as_before(before)


def test_of_a_running_interpreter_modules_are_large() -> None:
    before = store(sys.modules)
    assert before is not None
    assert is_as_stored(before)
