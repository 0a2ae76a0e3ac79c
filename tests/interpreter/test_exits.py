"""How many callbacks wait for the end of the process, without asking any of them."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_stateless import doors
from pytest_stateless.interpreter import exits
from pytest_stateless.interpreter.item import WHOLE


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
