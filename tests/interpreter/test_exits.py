"""How many callbacks wait for the end of the process, without asking any of them."""

from __future__ import annotations

import atexit
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_stateless import doors
from pytest_stateless.interpreter import exits
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE


class Odd:
    """A callback that nobody may compare."""

    asked = 0

    def __call__(self) -> None:
        """Nothing."""

    def __eq__(self, other: object) -> bool:
        Odd.asked += 1
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def close(self) -> None:
        """Nothing."""


ODD = Odd()
KEPT: list[object] = []


@pytest.fixture(autouse=True)
def listened() -> Iterator[None]:
    doors.install()
    yield
    doors.remove()


def many() -> Any:
    return exits.read()[WHOLE]


CALLBACKS: dict[str, Callable[[], Callable[..., object]]] = {
    "function": lambda: many,
    "method": lambda: ODD.close,
    "built-in-method": lambda: KEPT.clear,
}


@pytest.mark.parametrize("callback", CALLBACKS.values(), ids=CALLBACKS)
@pytest.mark.parametrize("times", [1, 2])
def test_a_callback_counts_until_it_is_taken_out(callback: Callable[[], Any], times: int) -> None:
    before = many()
    for _ in range(times):
        atexit.register(callback())
    assert many() == before + times
    atexit.unregister(callback())
    assert many() == before
    atexit.unregister(callback())
    assert many() == before


def test_no_callback_is_asked() -> None:
    before, Odd.asked = many(), 0
    assert atexit.register(ODD) is ODD
    try:
        assert many() == before + 1
        assert Odd.asked == 0
    finally:
        atexit.unregister(ODD)  # which asks it, as ever
    assert many() == before


def test_the_places_are_given_back() -> None:
    doors.remove()
    assert (atexit.register, atexit.unregister) == (doors._REGISTER, doors._UNREGISTER)


@pytest.mark.parametrize(("registered", "count"), [(True, 4), (False, 5)])
def test_the_callback_of_the_first_finalizer_is_weakrefs_own(
    registered: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exits, "_count", lambda: 5)
    monkeypatch.setattr(exits._Noted, "gone", 0)
    monkeypatch.setattr(weakref.finalize, "_registered_with_atexit", registered)
    assert exits.read() == {WHOLE: count}


# ----------------------------------------------------------- before 3.14, where what was taken out counts for ever


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the interpreter counted seven, whichever Python this is."""
    monkeypatch.setattr(exits, "_count", lambda: 7)
    monkeypatch.setattr(exits, "_of_weakref", lambda: False)
    monkeypatch.setattr(exits._Noted, "there", Counter())
    monkeypatch.setattr(exits._Noted, "gone", 0)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("callback", CALLBACKS.values(), ids=CALLBACKS)
def test_what_was_noted_and_taken_out_is_not_counted(callback: Callable[[], Any]) -> None:
    first, second, *others = [callback() for _ in range(4)]  # a method is another object each time
    Odd.asked = 0
    exits.came(first)
    exits.came(second)
    assert many() == 7
    for one in others:
        exits.went(one)
    assert many() == 5
    assert Odd.asked == 0


@pytest.mark.usefixtures("counted")
def test_what_came_before_anybody_listened_stays_counted() -> None:
    exits.came(KEPT.clear)
    exits.went(KEPT.append)
    exits.went([].clear)
    assert many() == 7


def test_who_does_not_count_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exits, "_count", None)
    assert many() is UNKNOWN


@pytest.mark.parametrize(
    ("before", "after", "fewer"),
    [(3, 2, True), (3, 3, True), (3, 4, False), (UNKNOWN, 3, False), (3, UNKNOWN, False)],
)
def test_fewer_are_no_leak(before: Any, after: Any, fewer: bool) -> None:
    assert exits.are_fewer(before, after) is fewer


@pytest.mark.parametrize(("before", "after", "told"), [(3, 5, "2 more"), (5, 4, "1 fewer")])
def test_how_many_is_told(before: int, after: int, told: str) -> None:
    assert exits.tell(before, after) == told
