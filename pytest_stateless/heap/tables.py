"""Whether an entry is a library's own, in a table of its own module: what it knows of locales, zones, classes, modules.

A library fills such tables on first use, the same in every process. What it keeps for others lies in objects that
others made, or is no object of a library's class.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator
from itertools import chain, repeat
from operator import is_
from types import CellType, FunctionType
from typing import Any, Final

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import (
    KEYED,
    Kind,
    class_namespace,
    function_state,
    get_referents,
    identity,
    is_heap_type,
    module_name_of,
    module_namespace,
    mro_of,
    plan_of,
)
from pytest_stateless.heap.home import home_of


def is_in_a_librarys_table(about: About, entry: Entry) -> bool:
    """Whether an entry came that is an object, class or function of a library's, or went after the call of one."""
    if about.change.kind not in KEYED or about.attributes:
        return False
    if is_beside_an_instance(about):
        is_own = entry.before is ABSENT and not is_beside_an_instance(about, shown=True)
        return is_own and _is_a_definition(about, entry.after) and _is_bare(about, entry.after)
    if entry.before is not ABSENT:
        return entry.after is None and _is_a_definition(about, entry.before)
    after: Any = entry.after
    parts = after if type(after) in (list, tuple) and after else (after,)
    return all(_is_a_definition(about, part) or _is_an_object(about, part) for part in parts)


def is_made_by_its_table(about: About, entry: Entry) -> bool:
    """Whether a library's dictionary made what it was asked for, by a ``__missing__`` of its own."""
    cls = type(about.change.container)
    if entry.before is not ABSENT or about.change.kind is not Kind.MAPPING or not is_heap_type(cls):
        return False
    makes = any("__missing__" in class_namespace(base) for base in mro_of(cls) if is_heap_type(base))
    own = makes and not is_beside_an_instance(about) and is_a_librarys(about, module_name_of(cls))
    return own and not about.is_of_the_application(entry.after)


def traits_in_a_set(about: About, entry: Entry) -> Iterator[str]:
    """Of an object of a library's in a set of the library's: that it goes with what it speaks of, that it went."""
    if about.change.kind is not Kind.SET or is_beside_an_instance(about):
        return
    if entry.after is ABSENT and _is_an_object(about, entry.before):
        yield "taken-out"
    if entry.before is ABSENT and _is_an_object(about, entry.after):
        spoken_of = _spoken_of(entry.after)
        if spoken_of and not any(map(about.lasts, spoken_of)):
            yield "weak"


def _spoken_of(thing: Any) -> list[object]:
    """What the nearest weak references mean that an object has, in others of its package, and that tell of an end."""
    package = module_name_of(type(thing)).partition(".")[0]
    seen: set[int] = set()
    level = [thing]
    while level and len(seen) < _NEAR:
        seen.update(map(identity, level))
        held = [part for part in chain.from_iterable(map(get_referents, level)) if identity(part) not in seen]
        found = [ref() for ref in held if type(ref) is weakref.ref and ref.__callback__ is not None]
        if found:
            return found
        level = [part for part in held if _is_part(part, package)]
    return []


_NEAR: Final = 1000  # objects that are asked
_PARTS: Final = frozenset(map(identity, (dict, set, list, tuple)))


def _is_part(thing: Any, package: str) -> bool:
    cls = type(thing)
    own = plan_of(cls).kind is Kind.OBJECT and module_name_of(cls).partition(".")[0] == package
    return own or identity(cls) in _PARTS


def is_by_a_class(about: About, entry: Entry) -> bool:
    """Whether a library noted for a class, in a table of its own module, what it is by its definition.

    That is plain values, classes and functions: there are as many of them as the program's text has classes.
    """
    if entry.before is not ABSENT or about.change.kind not in KEYED or about.attributes:
        return False
    is_class = plan_of(type(entry.label)).kind is Kind.CLASS
    own = is_class and not is_beside_an_instance(about) and about.path.module not in sys.stdlib_module_names
    return own and _is_plain(entry.after)


def is_of_this_thread(about: About, entry: Entry) -> bool:
    """Whether an entry is what somebody has for this thread, by its number."""
    label = entry.label
    return not about.attributes and type(label) is int and label == threading.get_ident()


_DEPTH: Final = 3  # of what is noted


def _is_plain(value: Any, depth: int = _DEPTH) -> bool:
    if type(value) in (tuple, list, frozenset, set, dict):
        parts = (*value, *value.values()) if type(value) is dict else value
        return depth > 0 and all(_is_plain(part, depth - 1) for part in parts)
    return plan_of(type(value)).kind in (Kind.ATOM, Kind.CLASS, Kind.FUNCTION)


def is_by_a_module(about: About, entry: Entry) -> bool:
    """Whether a library noted for a module that is loaded what is yes, no or nothing."""
    if about.change.container is sys.modules:
        return False
    is_new = entry.before is ABSENT and (entry.after is None or type(entry.after) is bool)
    named = type(entry.label) is str and entry.label in sys.modules
    return is_new and named and about.change.kind in KEYED and not about.attributes


def is_beside_an_instance(about: About, *, shown: bool = False) -> bool:
    """Whether an object leads to the table, which somebody made for himself, or a module of the application does.

    A library's own object that keeps the table to itself, as a factory, is as good as a module; with ``shown`` also
    one that has it under a public name.
    """
    if about.path.module in about.application:
        return True
    *way, _ = about.path.things or (None,)
    return any(
        plan_of(type(one)).kind in _INSTANCES
        and type(one) is not CellType  # a function's own
        and not _keeps(about, one, way[place + 1 :], shown=shown)
        for place, one in enumerate(way)
    )


_INSTANCES: Final = (Kind.OBJECT, Kind.MAPPING, Kind.OPAQUE, Kind.CACHE)


def _keeps(about: About, one: Any, rest: list[Any], *, shown: bool) -> bool:
    """Whether an attribute, a private one or any, of an object of the module's own package is the table."""
    if plan_of(type(one)).kind is not Kind.OBJECT or not _is_at_home(about, one):
        return False
    table = about.change.container
    if not rest:
        slots = [get for name, get in plan_of(type(one)).slots if shown or is_private(name)]
        return any(_held_in(get, one) is table for get in slots)
    namespace = rest[0]
    return (
        len(rest) == 1
        and type(namespace) is dict
        and any(value is table and (shown or is_private(name)) for name, value in dict.items(namespace))
    )


def _is_at_home(about: About, one: Any) -> bool:
    """Whether an object is of the package that has it, be it that another library's module took it in from there."""
    package = module_name_of(type(one)).partition(".")[0]
    if about.path.module.partition(".")[0] == package:
        return True
    return any(
        any(map(is_, list(dict.values(module_namespace(module))), repeat(one)))
        for name, module in list(sys.modules.items())
        if type(name) is str and name.partition(".")[0] == package
        if plan_of(type(module)).kind is Kind.MODULE
    )


def _held_in(slot: Any, one: object) -> object:
    try:
        return slot(one)
    except AttributeError:  # not set
        return ABSENT


def is_private(name: object) -> bool:
    """Whether a name begins with an underscore."""
    return type(name) is str and name.startswith("_")


def _is_a_definition(about: About, value: Any) -> bool:
    return is_a_librarys(about, home_of(value))


def _is_bare(about: About, value: Any) -> bool:
    """Whether it is a class, or a function that keeps nothing but code."""
    return plan_of(type(value)).kind is Kind.CLASS or (type(value) is FunctionType and _is_code(about, value))


_NESTED: Final = 6  # functions in functions: a cell lies between


def _is_code(about: About, value: Any, depth: int = _NESTED) -> bool:
    """Whether it is nothing but code of libraries, to some depth: no text, number or object is kept by it."""
    cls = type(value)
    if value is None or type(value) is bool:
        return True
    if plan_of(cls).kind in (Kind.MODULE, Kind.CLASS):
        return not about.is_of_the_application(value)
    if depth <= 0:
        return False
    if cls is FunctionType and is_a_librarys(about, home_of(value)):
        parts = [part for _, _, part in function_state(value)]
    elif cls is CellType:
        parts = get_referents(value)
    elif cls is dict:
        parts = list(dict.values(value))
    else:
        return False
    return all(_is_code(about, part, depth - 1) for part in parts)


def _is_an_object(about: About, value: Any) -> bool:
    """Whether it is an instance of a library's class that holds nothing of the application's."""
    cls = type(value)
    plan = plan_of(cls)
    if not is_heap_type(cls) or plan.kind is not Kind.OBJECT or not is_a_librarys(about, module_name_of(cls)):
        return False
    held = [] if plan.namespace is None else list(dict.values(plan.namespace(value)))
    return not any(map(about.is_of_the_application, held))


def is_a_librarys(about: About, module: str) -> bool:
    """Whether a module is neither of the application nor of the standard library."""
    package = module.partition(".")[0]
    return bool(package) and module not in about.application and package not in sys.stdlib_module_names
