"""What is put back into an item is what it says afterwards."""

from __future__ import annotations

import os
import sys

import pytest

from pytest_stateless.interpreter import kernel
from pytest_stateless.interpreter.item import ABSENT, UNKNOWN, Item, Items, same
from pytest_stateless.interpreter.table import ITEMS

PUT = [pytest.param(item, id=item.name) for item in ITEMS if item.put is not None]


def now(item: Item) -> dict[object, object]:
    kernel.forget()
    return dict(item.read() or {})


@pytest.mark.parametrize("item", PUT)
def test_putting_back_what_is_there_changes_nothing(item: Item) -> None:
    assert item.put is not None
    before = now(item)
    plain = [(label, value) for label, value in before.items() if value not in (UNKNOWN, ABSENT)]
    for label, value in plain[:3]:
        if type(value) is not Items:
            item.put(label, value)
    after = now(item)
    assert before.keys() == after.keys()
    assert all(same(value, after[label]) for label, value in before.items())


def test_what_python_alone_can_make_stays_the_very_same() -> None:
    before = sys.flags
    assert [item.put for item in ITEMS if item.name == "sys.flags"] == [None]
    for item in ITEMS:
        if item.put is not None and item.name.startswith("sys."):
            for label, value in now(item).items():
                if type(value) is not Items and value not in (UNKNOWN, ABSENT):
                    item.put(label, value)
    assert sys.flags is before


@pytest.mark.parametrize(
    ("name", "label"),
    [("os.environ", b"STATELESS_PUT"), ("environment past os.environ", b"STATELESS_PUT")],
)
def test_a_variable_is_put_and_taken_away(name: str, label: bytes) -> None:
    item = next(item for item in ITEMS if item.name == name)
    assert item.put is not None
    item.put(label, b"tea")
    assert now(item)[label] == b"tea"
    item.put(label, ABSENT)
    assert label not in now(item)
    assert os.fsdecode(label) not in os.environ


def test_a_module_and_a_built_in_name_are_put_and_taken_away() -> None:
    (modules,) = (item for item in ITEMS if item.name == "sys.modules" and item.put is not None)
    (names,) = (item for item in ITEMS if item.name == "builtins")
    assert modules.put is not None
    assert names.put is not None
    modules.put("stateless_put", sys)
    assert sys.modules.pop("stateless_put") is sys
    names.put("stateless_put", 1)
    assert now(names)["stateless_put"] == 1
    names.put("stateless_put", ABSENT)
    assert "stateless_put" not in now(names)
