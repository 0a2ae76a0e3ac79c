"""What was there is put back for a moment, and nothing where that can't be done whole."""

from __future__ import annotations

import types
from typing import Any

import pytest

from pytest_stateless.interpreter.difference import Difference
from pytest_stateless.interpreter.evidence import ItemEvidence
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Item, Items, Reading


class Switch:
    """A thing that the process has, which may refuse to be set."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.error: Exception | None = None

    def read(self) -> Reading | None:
        return None if self.value is None else {WHOLE: self.value}

    def put(self, _: object, value: Any) -> None:
        if self.error is not None:
            raise self.error
        self.value = value


def evidence(
    switch: Switch, before: Any, after: Any, put: Any = True, tools: frozenset[str] = frozenset()
) -> ItemEvidence:
    item = Item("switch", switch.read, "why", "mend", put=switch.put if put else None)
    return ItemEvidence(item, (Difference(WHOLE, before, after),), tools)


def test_what_was_there_is_put_back_and_taken_back_again() -> None:
    switch = Switch("after")
    redo = evidence(switch, "before", "after").undo()
    assert redo is not None
    assert switch.value == "before"
    redo()
    assert switch.value == "after"


def test_what_the_test_put_there_meanwhile_stays() -> None:
    switch = Switch("after")
    redo = evidence(switch, "before", "after").undo()
    assert redo is not None
    switch.value = "another"
    redo()
    assert switch.value == "another"


@pytest.mark.parametrize(
    ("before", "after", "now", "put"),
    [
        pytest.param("before", "after", "another", True, id="something-else-is-there-by-now"),
        pytest.param("before", "after", None, True, id="it-cannot-be-told-any-more"),
        pytest.param("before", "after", "after", False, id="nothing-can-be-put"),
        pytest.param(Items("a"), Items("ab"), Items("ab"), True, id="a-list"),
    ],
)
def test_nothing_is_put_back_where(before: Any, after: Any, now: Any, put: bool) -> None:
    switch = Switch(now)
    assert evidence(switch, before, after, put).undo() is None
    assert switch.value == now


@pytest.mark.parametrize("error", [OSError(), ValueError(), TypeError(), KeyError()], ids=repr)
def test_what_is_refused_is_not_put_back(error: Exception) -> None:
    switch = Switch("after")
    switch.error = error
    assert evidence(switch, "before", "after").undo() is None
    assert switch.value == "after"


def test_what_cannot_be_told_is_unknown() -> None:
    assert evidence(Switch(None), "before", "after").now() == Items([UNKNOWN])


def test_the_things_of_test_tools_are_not_looked_at() -> None:
    ours, theirs = (
        types.FunctionType((lambda: None).__code__, {"__name__": name}) for name in ("shop", "tool")
    )
    switch = Switch(Items([ours]))
    (look,) = evidence(switch, Items(), Items([ours]), tools=frozenset({"tool"})).looks()
    switch.value = Items([ours, theirs])
    assert not look.moved()
    switch.value = Items([theirs])
    assert look.moved()
    look.rebase()
    assert not look.moved()
