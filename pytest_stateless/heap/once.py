"""What an entry of a library's looks like that it makes once; whether it did, further runs of the test tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from types import CellType, FunctionType
from typing import Any, Final

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import (
    Kind,
    class_namespace,
    identity,
    is_heap_type,
    module_name_of,
    mro_of,
    plan_of,
)
from pytest_stateless.heap.home import home_of
from pytest_stateless.heap.strange import texts_in
from pytest_stateless.heap.tables import is_a_librarys, is_beside_an_instance, is_private


def traits_of(about: About, entry: Entry) -> Iterator[str]:
    """The shapes that an entry has."""
    if about.attributes:
        yield from _of_an_attribute(about, entry)
    elif not is_beside_an_instance(about):
        yield from _in_a_table(about, entry)
        if any(True for _ in chain(data_in(entry.after), texts_in(entry.after))):
            yield "data"


def data_in(value: object, depth: int = 3) -> Iterator[object]:
    """The texts and numbers in a value and in plain containers in it, to some depth."""
    cls = type(value)
    if any(cls is one for one in _DATA):
        yield value
    elif depth > 0 and any(cls is one for one in _CONTAINERS):
        held: Any = value
        for part in (*held, *held.values()) if cls is dict else tuple(held):
            yield from data_in(part, depth - 1)


_DATA: Final = (str, bytes, int, float, complex, bytearray)
_CONTAINERS: Final = (tuple, list, set, frozenset, dict)


def _of_an_attribute(about: About, entry: Entry) -> Iterator[str]:
    label = entry.label
    if type(label) is not str:
        return
    if is_private(label) and not label.startswith("__"):
        yield "private"
    if label == "__class__" and all(_is_a_librarys_class(about, one) for one in (entry.before, entry.after)):
        yield "became"
    if (
        is_private(label)
        and type(entry.before) is type(entry.after)
        and _is_made_by_a_library(about, entry.after)
    ):
        yield "made-anew"
    if entry.after is not ABSENT and _is_a_librarys_object(about, entry.after):
        yield "value-of-a-library"
        if any(type(part) is str or type(part) is bytes for part in _held_by(entry.after)):
            yield "data"


def _is_a_librarys_object(about: About, value: object) -> bool:
    cls = type(value)
    return (
        is_heap_type(cls) and plan_of(cls).kind is Kind.OBJECT and is_a_librarys(about, module_name_of(cls))
    )


def _is_made_by_a_library(about: About, value: object) -> bool:
    """Whether it is an instance of a Python class of somebody else's, containers too."""
    cls = type(value)
    return is_heap_type(cls) and not about.is_of_the_application(value)


def _held_by(thing: object) -> Iterator[object]:
    """The texts and numbers in the attributes of an instance of a Python class."""
    plan = plan_of(type(thing))
    held = {} if plan.namespace is None else dict(plan.namespace(thing))
    for name, get in plan.slots:
        with suppress(AttributeError):  # not set
            held[name] = get(thing)
    for value in held.values():
        yield from data_in(value)


def _is_a_librarys_class(about: About, cls: object) -> bool:
    return plan_of(type(cls)).kind is Kind.CLASS and is_a_librarys(about, home_of(cls))


def _in_a_table(about: About, entry: Entry) -> Iterator[str]:
    is_private_table = _is_private_table(about)
    if is_private_table:
        yield "in-a-private-table"
    if not about.change.before.referents and (is_private_table or _is_of_its_own_kind(about)):
        yield "filled"
    if is_private_table and about.grows and entry.after is ABSENT and not _is_a_definition(entry.before):
        yield "makes-room"
    if identity(type(entry.after)) in _FIXED and not entry.after:
        yield "nothing-in-it"
    if _is_written_out(entry.before) and identity(type(entry.after)) in _PARSED:
        yield "parsed"


def _is_private_table(about: About) -> bool:
    """Whether the container is what a module or a class has under a private name, or a function in a closure.

    So is a dictionary in a dictionary there: a cache by settings and then by word.
    """
    if len(about.path.things) < 2:
        return False
    names, *way = about.path.things
    if type(way[-2:][0]) is CellType:
        return all(type(one) in (FunctionType, CellType) for one in way[:-1])
    while len(way) > 2 and _is_class_with(way[0], way[1]):
        names, way = way[1], way[2:]
    nested = len(way) == 1 or all(type(one) is dict for one in way)
    return nested and any(value is way[0] and is_private(name) for name, value in dict.items(names))


def _is_class_with(cls: Any, namespace: object) -> bool:
    return plan_of(type(cls)).kind is Kind.CLASS and class_namespace(cls) is namespace


def _is_of_its_own_kind(about: About) -> bool:
    """Whether the container is of a class of the library's that fills itself, as a list of all time zones."""
    cls = type(about.change.container)
    built_in = not _BUILT_IN.isdisjoint(map(identity, mro_of(cls)))
    return built_in and is_heap_type(cls) and is_a_librarys(about, module_name_of(cls))


_BUILT_IN: Final = frozenset(map(identity, (list, set, dict)))
_FIXED: Final = frozenset(map(identity, (tuple, frozenset, str, bytes)))
_PARSED: Final = frozenset(map(identity, (tuple, list, dict, frozenset)))


def _is_a_definition(value: object) -> bool:
    return plan_of(type(value)).kind in (Kind.CLASS, Kind.FUNCTION, Kind.MODULE)


def _is_written_out(value: object) -> bool:
    return value is not ABSENT and (type(value) is str or type(value) is bytes)
