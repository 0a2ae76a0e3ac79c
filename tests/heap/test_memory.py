"""Where objects lie in memory."""

from __future__ import annotations

import pytest

from pytest_stateless.heap import memory
from pytest_stateless.heap.memory import address, addresses


@pytest.mark.parametrize("shows_items", [True, False])
def test_many_objects_lie_where_each_does(shows_items: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_SHOWS_ITEMS", shows_items and memory._SHOWS_ITEMS)
    things = [None, type, "text", [], *map(object.__new__, [object] * 3)]
    assert addresses(things) == list(map(address, things)) == list(map(id, things))
    assert addresses([]) == []
