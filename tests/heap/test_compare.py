"""Whether two lists hold the very same objects, in the portable way and by their storage."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from pytest_stateless.heap import compare
from pytest_stateless.heap.compare import Same, same_by_identity, same_by_memory


class Equal:
    """Equal to all, and counts who asks."""

    asked = 0

    def __eq__(self, other: object) -> bool:
        Equal.asked += 1
        return True

    __hash__ = object.__hash__


ONE, OTHER = Equal(), Equal()
WAYS = [way for way in (same_by_identity, same_by_memory()) if way is not None]


@pytest.mark.parametrize("way", WAYS, ids=["by-identity", "by-memory"][: len(WAYS)])
@pytest.mark.parametrize(
    ("now", "before", "same"),
    [
        pytest.param([], [], True, id="both-empty"),
        pytest.param([ONE], [ONE], True, id="one"),
        pytest.param([ONE], [OTHER], False, id="another-that-is-equal"),
        pytest.param([ONE, OTHER], [ONE, OTHER], True, id="two"),
        pytest.param([ONE, OTHER], [OTHER, ONE], False, id="another-order"),
        pytest.param([ONE], [ONE, ONE], False, id="longer-before"),
        pytest.param([ONE, ONE], [ONE], False, id="longer-now"),
        pytest.param([], [ONE], False, id="empty-now"),
        pytest.param([ONE] * 999 + [OTHER], [ONE] * 1000, False, id="last-of-many"),
        pytest.param([OTHER] + [ONE] * 999, [ONE] * 1000, False, id="first-of-many"),
        pytest.param([ONE] * 1000, [ONE] * 1000, True, id="many"),
        pytest.param([None], [False], False, id="falsy"),
    ],
)
def test_lists_are_the_same_if_they_hold_the_same_objects(
    way: Same, now: list[Any], before: list[Any], same: bool
) -> None:
    Equal.asked = 0
    assert way(now, before) is same
    assert Equal.asked == 0


@pytest.mark.parametrize("way", WAYS, ids=["by-identity", "by-memory"][: len(WAYS)])
def test_a_list_that_shrank_holds_less_than_its_storage(way: Same) -> None:
    shrunk = [ONE] * 100
    del shrunk[50:]
    assert way(shrunk, [ONE] * 50)
    assert not way(shrunk, [ONE] * 100)


def test_an_object_that_lies_at_an_odd_place_is_compared_in_the_portable_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = object.__hash__
    assert place([]) > 0, "an address is a multiple of 16, so that its rotation by 4 bits divides it"
    monkeypatch.setattr(compare, "_place", lambda thing: place(thing) - 2**63)
    way = same_by_memory()
    assert way is not None
    assert way([ONE] * 100, [ONE] * 100)
    assert not way([ONE] * 100, [*[ONE] * 99, OTHER])


def test_cpython_on_posix_compares_memory() -> None:
    assert compare.same is not same_by_identity


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_without_a_c_library_there_is_no_comparing_by_memory(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_library(name: object) -> object:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert same_by_memory() is None


@pytest.mark.parametrize("reason", ["it-disagrees", "another-python"])
def test_where_lists_may_be_stored_otherwise_memory_is_not_compared(
    reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "it-disagrees":
        monkeypatch.setattr(compare, "_agrees", lambda _: False)
    else:
        monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert same_by_memory() is None


@pytest.mark.parametrize("answer", [True, False])
def test_a_way_that_disagrees_is_not_trusted(answer: bool) -> None:
    assert not compare._agrees(lambda now, before: answer)
