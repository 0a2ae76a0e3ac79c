"""The shapes of what a library makes once, of values made by hand."""

from __future__ import annotations

from types import CellType, FunctionType
from typing import Any

import pytest

from pytest_stateless.heap.about import About
from pytest_stateless.heap.change import Change
from pytest_stateless.heap.chunk import Content
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import Kind, class_namespace
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


def shapes(
    entry: Entry, *things: object, before: Content = NOTHING, namespace: bool = False, grows: bool = False
) -> set[str]:
    container = things[-1] if things else TABLE
    path = Path("library.part", "library.part.thing", namespace, things=things)
    change = Change(Kind.DICT, container, before, ONE)
    about = About(path, change, "dependency", frozenset(), frozenset({"shop"}), frozenset(), grows=grows)
    return set(traits_of(about, entry))


def of_class(**attributes: object) -> tuple[type, dict[str, object]]:
    """A class of the library's, and its namespace."""
    cls = type("Holder", (), attributes)
    return cls, class_namespace(cls)


PRIVATE = "in-a-private-table"
RULES = library_class(dict)
OF_CLASS = of_class(_table=TABLE)
TABLES_IN, LISTED = {"a": TABLE}, [TABLE]
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
    pytest.param(({}, *of_class(_table=TABLE), TABLE), ONE, {PRIVATE}, id="of-a-class"),
    pytest.param(
        ({}, *of_class(inner=OF_CLASS[0]), *OF_CLASS, TABLE), ONE, {PRIVATE}, id="of-an-inner-class"
    ),
    pytest.param(({}, *of_class(table=TABLE), TABLE), ONE, set(), id="public-of-a-class"),
    pytest.param(({}, OF_CLASS[0], {"_table": TABLE}, TABLE), ONE, set(), id="of-another-namespace"),
    pytest.param(({"_tables": TABLES_IN}, TABLES_IN, TABLE), ONE, {PRIVATE}, id="in-a-table"),
    pytest.param(({"tables": TABLES_IN}, TABLES_IN, TABLE), ONE, set(), id="in-a-public-table"),
    pytest.param(({"_tables": LISTED}, LISTED, TABLE), ONE, set(), id="in-a-list"),
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
        pytest.param(Entry("_rules", RULES(), RULES()), {"private", "made-anew"}, id="made-anew"),
        pytest.param(Entry("rules", RULES(), RULES()), set(), id="public-and-made-anew"),
        pytest.param(Entry("_rules", RULES(), RULES(a=Cart)), {"private", "made-anew"}, id="with-a-class"),
        pytest.param(Entry("_rules", {}, {1: 2}), {"private"}, id="another-dictionary"),
        pytest.param(Entry("_cart", Cart(), Cart()), {"private"}, id="made-anew-by-the-application"),
        pytest.param(Entry("__class__", library_class(), library_class()), {"became"}, id="another-class"),
        pytest.param(Entry("__class__", Cart, library_class()), set(), id="class-of-the-application-before"),
        pytest.param(Entry("__class__", library_class(), Cart), set(), id="class-of-the-application-after"),
    ],
)
def test_attributes(entry: Entry, found: set[str]) -> None:
    assert shapes(entry, {}, TABLE, namespace=True) == found


def test_a_private_table_makes_room_where_others_came() -> None:
    things = {"_table": TABLE}, TABLE
    gone = Entry("a", (1,), ABSENT)
    assert "makes-room" in shapes(gone, *things, before=ONE, grows=True)
    assert "makes-room" not in shapes(gone, *things, before=ONE)
    assert "makes-room" not in shapes(Entry("a", FUNCTION, ABSENT), *things, before=ONE, grows=True)
    assert "makes-room" not in shapes(gone, {"table": TABLE}, TABLE, before=ONE, grows=True)


@pytest.mark.parametrize("value", [(), frozenset(), "", b""], ids=repr)
def test_what_is_empty_for_good_has_nothing_in_it(value: object) -> None:
    assert "nothing-in-it" in shapes(Entry("a", ABSENT, value), {"_table": TABLE}, TABLE)
    assert "nothing-in-it" not in shapes(Entry("a", ABSENT, ("b",)), {"_table": TABLE}, TABLE)
