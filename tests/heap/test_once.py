"""The shapes of what a library makes once, of values made by hand."""

from __future__ import annotations

from types import CellType, FunctionType
from typing import Any

import pytest

from pytest_stateless.heap.about import About
from pytest_stateless.heap.change import Change
from pytest_stateless.heap.chunk import Content
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import Kind
from pytest_stateless.heap.once import traits_of
from pytest_stateless.heap.path import Path

NOTHING, ONE = Content([], []), Content([1, "a"], ["a"])
TABLE: dict[str, object] = {}


def library_class(*bases: type) -> type:
    return type("Made", bases, {"__module__": "library.part"})


class Cart:
    """The application's."""


Cart.__module__ = "shop"
FUNCTION = FunctionType((lambda: None).__code__, {"__name__": "library.part"})


def shapes(entry: Entry, *things: object, before: Content = NOTHING, namespace: bool = False) -> set[str]:
    container = things[-1] if things else TABLE
    path = Path("library.part", "library.part.thing", namespace, things=things)
    change = Change(Kind.DICT, container, before, ONE)
    about = About(path, change, "dependency", frozenset(), frozenset({"shop"}), frozenset())
    return set(traits_of(about, entry))


PRIVATE = "in-a-private-table"
TABLES: list[Any] = [
    pytest.param(({"_table": TABLE}, TABLE), NOTHING, {PRIVATE, "filled"}, id="private"),
    pytest.param(({"_table": TABLE}, TABLE), ONE, {PRIVATE}, id="private-not-empty"),
    pytest.param(({"table": TABLE}, TABLE), NOTHING, set(), id="public"),
    pytest.param(({}, FUNCTION, CellType(TABLE), TABLE), NOTHING, {PRIVATE, "filled"}, id="closure"),
    pytest.param(({}, FUNCTION, FUNCTION.__dict__, TABLE), NOTHING, set(), id="attribute-of-a-function"),
    pytest.param(({}, Cart(), CellType(TABLE), TABLE), NOTHING, set(), id="closure-of-an-object"),
    pytest.param(({}, library_class(dict)()), NOTHING, {"filled"}, id="class-of-its-own"),
    pytest.param(({}, library_class()()), NOTHING, set(), id="class-of-its-own-that-is-no-container"),
    pytest.param((), NOTHING, set(), id="nothing-known"),
]


@pytest.mark.parametrize(("things", "before", "found"), TABLES)
def test_tables(things: tuple[object, ...], before: Content, found: set[str]) -> None:
    assert shapes(Entry("a", ABSENT, FUNCTION), *things, before=before) == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        pytest.param("#f00", (255, 0, 0), {"parsed", "data"}, id="text-taken-in"),
        pytest.param(b"a,b", ["a", {"b"}], {"parsed", "data"}, id="bytes-taken-in"),
        pytest.param("len", (FUNCTION, {Cart: None}), {"parsed"}, id="name-taken-in"),
        pytest.param("a", "b", {"data"}, id="another-text"),
        pytest.param(1, (FUNCTION,), set(), id="number"),
        pytest.param(ABSENT, (FUNCTION,), set(), id="new"),
    ],
)
def test_values(before: object, after: object, found: set[str]) -> None:
    assert shapes(Entry("a", before, after), {"table": TABLE}, TABLE, before=ONE) == found


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param(Entry("_options", 1, ABSENT), {"private"}, id="private"),
        pytest.param(Entry("options", 1, ABSENT), set(), id="public"),
        pytest.param(Entry("__options__", 1, ABSENT), set(), id="special"),
        pytest.param(Entry(1, 1, ABSENT), set(), id="no-name"),
        pytest.param(Entry("engine", ABSENT, library_class()()), {"value-of-a-library"}, id="object"),
        pytest.param(Entry("cart", ABSENT, Cart()), set(), id="object-of-the-application"),
        pytest.param(Entry("__class__", library_class(), library_class()), {"became"}, id="another-class"),
        pytest.param(Entry("__class__", Cart, library_class()), set(), id="class-of-the-application-before"),
        pytest.param(Entry("__class__", library_class(), Cart), set(), id="class-of-the-application-after"),
    ],
)
def test_attributes(entry: Entry, found: set[str]) -> None:
    assert shapes(entry, {}, TABLE, namespace=True) == found
