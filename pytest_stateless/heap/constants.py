"""Whether what a library keeps is its own: its constants, its facts, the names that it imports late."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from itertools import repeat
from operator import is_
from typing import Any

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.first_use import is_cached, is_set
from pytest_stateless.heap.graph import (
    KEYED,
    Kind,
    is_heap_type,
    module_name_of,
    mro_of,
    name_of,
    plan_of,
)
from pytest_stateless.heap.strange import texts_in
from pytest_stateless.heap.tables import is_a_librarys, is_private


def traits_of(about: About, entry: Entry) -> Iterator[str]:
    """What of this it is."""
    if about.words is None or not is_a_librarys(about, about.path.module):
        return
    if _removed_itself(about, entry) or _is_taken_in_by_a_module(about, entry):
        yield "lazy"
    if entry.after is ABSENT:
        return
    if _is_a_constant(about, entry):
        yield "constant-of-its-own"
    if _is_a_fact(about, entry) or _knows_more(about, entry):
        yield "facts"
    if _is_imported_late(about, entry):
        yield "imported-late"
    if about.change.kind is Kind.LIST and _is_an_object(about, entry.after):
        yield "object-in-a-list"
    if _numbers_a_weak_entry(about, entry):
        yield "weak"
    container: Any = about.change.container
    if type(container) in (list, set) and not any(map(is_, list(container), repeat(entry.after))):
        yield "gone"  # the garbage collector ran since
    if type(entry.after) in (list, tuple) and entry.after and _are_switches(entry.after):
        yield "of-switches"


def _is_a_constant(about: About, entry: Entry) -> bool:
    """Whether a library found a thing of its own by a word of its own, or by none."""
    if entry.before is not ABSENT or about.change.kind not in KEYED or about.attributes:
        return False
    value, words = entry.after, about.words
    is_thing = type(value) is str or (type(value) in (tuple, frozenset) and bool(value))
    package = _package(about.path.module)
    return is_thing and words is not None and _are_known(about, entry.label) and words.holds(package, value)


def _is_a_fact(about: About, entry: Entry) -> bool:
    """Whether a mapping of a library's own class says yes, no or nothing of a word of the library's."""
    if entry.before is not ABSENT or not _is_switch(entry.after) or about.attributes:
        return False
    table: Any = about.change.container
    private = about.path.text.rpartition(".")[2].startswith("_")
    return private and _is_own_mapping(about, table) and _are_known(about, entry.label)


def _knows_more(about: About, entry: Entry) -> bool:
    """Whether a private attribute's mapping of facts gave way to one with more of them, and no other ones."""
    before: Any = entry.before
    after: Any = entry.after
    if not (about.attributes and is_private(entry.label) and type(before) is type(after)):
        return False
    if about.holder_module in about.application or not _is_own_mapping(about, after):
        return False
    facts = list(dict.items(after))  # first of all, so that no key is asked whether it equals another
    return all(
        type(key) is str and _is_switch(value) and _are_known(about, key) for key, value in facts
    ) and all(
        type(key) is str and dict.get(after, key, ABSENT) is value for key, value in list(dict.items(before))
    )


def _is_switch(value: object) -> bool:
    return value is None or value is True or value is False


def _are_switches(value: Any, depth: int = 3) -> bool:
    if type(value) in (list, tuple):
        return depth > 0 and all(_are_switches(part, depth - 1) for part in value)
    return _is_switch(value)


def _is_own_mapping(about: About, table: object) -> bool:
    cls = type(table)
    own = plan_of(cls).kind is Kind.MAPPING and is_heap_type(cls)
    return own and is_a_librarys(about, module_name_of(cls))


def _are_known(about: About, label: object) -> bool:
    words, package = about.words, _package(about.path.module)
    return words is not None and all(words.knows(package, text) for text in texts_in(label))


def _is_imported_late(about: About, entry: Entry) -> bool:
    """Whether a library's module has a class or function of Python's own by the name that it has there."""
    value: Any = entry.after
    if about.holder is not None or not about.attributes or entry.before is not ABSENT:
        return False
    if plan_of(type(value)).kind is not Kind.CLASS or is_heap_type(value):
        return False
    return name_of(value) == entry.label


def _removed_itself(about: About, entry: Entry) -> bool:
    """Whether a descriptor of a library's own making is no longer there: it computed what an instance now has."""
    maker = type(entry.before)
    if entry.after is not ABSENT or not about.of_a_class or not is_heap_type(maker):
        return False
    own = about.holder_module not in about.application and module_name_of(maker) == about.holder_module
    return own and is_cached(entry.before) and not is_set(about, entry.label)


def _is_taken_in_by_a_module(about: About, entry: Entry) -> bool:
    """Whether a module of a library's own class, which looks its names up, took in a definition of a library's."""
    *_, module, _ = (sys.modules.get(about.path.module), *(about.path.things or (None,)))
    if entry.before is not ABSENT or not about.path.namespace:
        return False
    cls: Any = type(module)
    lazy = plan_of(cls).kind is Kind.MODULE and is_heap_type(cls)
    own = lazy and module_name_of(cls) not in about.application
    defined = plan_of(type(entry.after)).kind in (Kind.CLASS, Kind.FUNCTION, Kind.MODULE)
    return own and defined and not about.is_of_the_application(entry.after)


def _is_an_object(about: About, value: object) -> bool:
    cls = type(value)
    return (
        plan_of(cls).kind is Kind.OBJECT and is_heap_type(cls) and is_a_librarys(about, module_name_of(cls))
    )


def _numbers_a_weak_entry(about: About, entry: Entry) -> bool:
    """Whether it is the number of an object to which a table beside it refers weakly, by this number."""
    namespace: Any = (None, None, *about.path.things)[-2]
    if type(entry.after) is not int or about.change.kind is not Kind.LIST or type(namespace) is not dict:
        return False
    tables = [table for table in list(dict.values(namespace)) if type(table) is dict]
    return any(
        type(key) is int and key == entry.after and any(base is weakref.ref for base in mro_of(type(value)))
        for table in tables
        for key, value in list(dict.items(table))
    )


def _package(module: str) -> str:
    return module.partition(".")[0]
