"""What an entry that differs is recognised by beside its path: words that the table of known leftovers speaks in."""

from __future__ import annotations

import _thread
import builtins
import sys
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import chain
from operator import is_
from typing import Any, Final

from pytest_stateless.heap import client, constants, first_use, once, strange, tables, test_side
from pytest_stateless.heap.about import About
from pytest_stateless.heap.change import without
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import Kind, class_namespace, identity, is_heap_type, mro_of
from pytest_stateless.heap.holders import LOCKS, is_held
from pytest_stateless.heap.home import homes_of
from pytest_stateless.heap.readers import DRAWN, Inside
from pytest_stateless.heap.scope import spelled_bases
from pytest_stateless.heap.twister import was_drawn_from


def traits_of(about: About, entry: Entry) -> Iterator[str]:
    """What is known of an entry beside its path."""
    yield "added" if entry.before is ABSENT else "removed" if entry.after is ABSENT else "changed"
    yield f"owner:{about.owner}"
    if (about.path.keeper or about.path.module) not in about.application:
        yield "kept-by-library"
    for base in spelled_bases(type(about.change.container)):
        yield f"in:{base}"
    yield from test_side.traits_of(about.path)
    yield from _value_traits(entry.after, "value", about)
    yield from _value_traits(entry.before, "was", about)
    if _is_empty(entry.after):
        yield "empty"
    yield from _inside_traits(entry)
    yield from _lock_traits(about, entry)
    yield from _cache_traits(about, entry)
    yield from _weak_traits(about, entry)
    if about.attributes:
        yield "attribute"
        yield from _attribute_traits(about, entry)
    if _has_the_same_items(entry.before, entry.after):
        yield "same-items"
    if client.is_of_a_client(about, entry):
        yield "of-a-client"
    if tables.is_in_a_librarys_table(about, entry):
        yield "in-a-librarys-table"
    yield from tables.traits_in_a_set(about, entry)
    if tables.is_made_by_its_table(about, entry):
        yield "made-by-its-table"
    if tables.is_by_a_module(about, entry):
        yield "by-a-module"
    if tables.is_by_a_class(about, entry):
        yield "by-a-class"
    if tables.is_of_this_thread(about, entry):
        yield "of-this-thread"
    yield from once.traits_of(about, entry)
    yield from strange.traits_of(about, entry)
    yield from constants.traits_of(about, entry)


def _inside_traits(entry: Entry) -> Iterator[str]:
    if type(entry.before) is Inside and type(entry.after) is Inside:
        yield "inside"
        if entry.after.kind == DRAWN:
            yield "drawn" if was_drawn_from(entry.before.state, entry.after.state) else "seeded"


def _lock_traits(about: About, entry: Entry) -> Iterator[str]:
    lock = about.change.container
    if about.change.kind is Kind.LOCK:
        yield "lock"
        mine = type(lock) is _thread.RLock  # it says whether this thread holds it
        if entry.after and is_held(lock) and (mine or not _is_at_work(about.application)):
            yield "acquired"
            if mine:
                yield "by-this-thread"


def _is_at_work(application: frozenset[str]) -> bool:
    """Whether another thread runs code of the application, which may hold a lock for a moment."""
    this = threading.get_ident()
    frames: list[Any] = [frame for thread, frame in sys._current_frames().items() if thread != this]
    while frames:
        names = [dict.get(frame.f_globals, "__name__") for frame in frames]
        if any(type(name) is str and name in application for name in names):
            return True
        frames = [frame.f_back for frame in frames if frame.f_back is not None]
    return False


def _cache_traits(about: About, entry: Entry) -> Iterator[str]:
    if about.change.kind is Kind.DICT and about.path.text.endswith(".<cache>"):
        yield "cached"
        if type(entry.label) is tuple and not entry.label:
            yield "constant"


def _attribute_traits(about: About, entry: Entry) -> Iterator[str]:
    for base in spelled_bases(about.holder) if about.holder is not None else ():
        yield f"of:{base}"
    if first_use.is_first_use(about, entry):
        yield "first-use"
    if first_use.is_dropped(about, entry):
        yield "dropped"
    if first_use.is_lazy(about, entry):
        yield "lazy"
    if first_use.is_as_inherited(about, entry):
        yield "as-inherited"
    if about.of_a_class and entry.before is ABSENT and entry.after is None:
        yield "declared"
    if type(entry.label) is not str:
        return
    if _is_detail(entry.label):
        yield "class-detail"
    weak = about.holder is not None and not _WEAK_CONTAINERS.isdisjoint(spelled_bases(about.holder))
    if weak and entry.label != "data":
        yield "in-a-weak-container"
    if first_use.is_clock(about, entry):
        yield "clock"
    number = first_use.number_of(about, entry)
    if number is not None:
        yield number


_CONTAINERS: Final = (dict, list, set, OrderedDict, deque)


def _is_empty(value: Any) -> bool:
    """Whether a value is a place that holds nothing yet, or what guards one."""
    cls = type(value)
    return (any(cls is one for one in _CONTAINERS) and not value) or any(cls is one for one in LOCKS)


def _has_the_same_items(before: Any, after: Any) -> bool:
    """Whether a list became a tuple of the very same items, or the other way round."""
    if {identity(type(before)), identity(type(after))} != _SEQUENCES:
        return False
    return len(before) == len(after) and all(map(is_, before, after))


_SEQUENCES: Final = frozenset(map(identity, (list, tuple)))


def _value_traits(value: Any, prefix: str, about: About) -> Iterator[str]:
    if value is ABSENT or type(value) is Inside:
        return
    for base in spelled_bases(type(value)):
        if base != "builtins.object":
            yield f"{prefix}:{base}"
    if about.is_of_the_application(value):
        yield f"{prefix}:of-the-application"
    if is_a_pattern(value):
        yield f"{prefix}:pattern"
    if value is vars(builtins):
        yield f"{prefix}:built-in-names"
    if all(is_of_a_tool(part, about.tools) for part in (value if type(value) is list and value else [value])):
        yield f"{prefix}:of-a-tool"
    if any(home in about.imported for home in homes_of(_spoken_of(value) if _is_weak(value) else value)):
        yield f"{prefix}:imported"


def is_a_pattern(value: object) -> bool:
    """Whether it is a compiled pattern, of ``re`` or of another engine in C that does the same."""
    cls = type(value)
    return not is_heap_type(cls) and class_namespace(cls).keys() >= _OF_PATTERNS


_OF_PATTERNS: Final = frozenset(
    {
        *("pattern", "flags", "groups", "groupindex"),
        *("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"),
    }
)


def is_by_a_tool(entry: Entry, tools: frozenset[str]) -> bool:
    """Whether a test tool put in what is there now, or took out what was its own."""
    return is_of_a_tool(entry.before if entry.after is ABSENT else entry.after, tools)


def is_of_a_tool(value: Any, tools: frozenset[str]) -> bool:
    """Whether a test tool made the value: it is of one of its classes, or one of its functions.

    A value of the program that a tool made in place of a plain one, as a frozen time, is the program's.
    """
    if type(value) is Inside:  # what this plugin's readers found in an object of the program
        return False
    bases = list(spelled_bases(type(value)))
    if not _VALUES.isdisjoint(bases):
        return False
    return any(name.partition(".")[0] in tools for name in (*homes_of(value), *bases))


_VALUES: Final = frozenset(
    {
        *("datetime.date", "datetime.time", "datetime.timedelta", "datetime.tzinfo"),
        *("builtins.str", "builtins.bytes", "builtins.int", "builtins.float", "builtins.complex"),
    }
)


def _weak_traits(about: About, entry: Entry) -> Iterator[str]:
    parts = [entry.label, entry.after, entry.before]
    bare = list(filter(_is_weak, parts))
    wrapped = list(filter(_is_weak, chain.from_iterable(part for part in parts if type(part) is tuple)))
    if bare or _differ_in_weak_parts(about, entry.before, entry.after):
        yield "weak"
    if any(about.lasts(_spoken_of(part)) for part in bare):
        yield "lasting"
    if wrapped:
        yield "weak-inside"
    if any(_is_lasting_receiver(about, part) for part in wrapped):
        yield "lasting-inside"


def _is_lasting_receiver(about: About, part: Any) -> bool:
    thing = _spoken_of(part)
    return thing is not None and about.lasts(thing) and about.is_of_the_application(thing)


def _spoken_of(reference: Any) -> object:
    is_reference = any(base is weakref.ref for base in mro_of(type(reference)))
    return weakref.ref.__call__(reference) if is_reference else None


def _differ_in_weak_parts(about: About, before: Any, after: Any) -> bool:
    """Whether a list took the place of another that has the same in it but for weak entries."""
    if not (type(before) is type(after) is list):
        return False
    parts = [*without(before, after), *without(after, before)]
    wrapped = [part for part in parts if type(part) is tuple and any(map(_is_weak, part))]
    return (
        bool(parts)
        and len(wrapped) == len(parts)
        and not any(_is_lasting_receiver(about, inner) for part in wrapped for inner in part)
    )


_WEAK: Final = frozenset({"weakref.ReferenceType", "weakref.ProxyType", "weakref.CallableProxyType"})


def _is_weak(value: Any) -> bool:
    return not _WEAK.isdisjoint(spelled_bases(type(value)))


_WEAK_CONTAINERS: Final = frozenset(
    {"weakref.WeakKeyDictionary", "weakref.WeakValueDictionary", "_weakrefset.WeakSet"}
)


_CLASS_DETAILS: Final = frozenset(
    {
        *(
            "__abstractmethods__",
            "__doc__",
            "__firstlineno__",
            "__module__",
            "__signature__",
            "__slotnames__",
        ),
        *("__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__"),
        *("__conditional_annotations__", "__parameters__", "__static_attributes__", "__type_params__"),
    }
)
"""What Python and its libraries fill in on classes and functions, on first use or when a class is moved."""


def _is_detail(name: str) -> bool:
    return name in _CLASS_DETAILS
