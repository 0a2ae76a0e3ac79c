"""Puts back for a moment what a leak replaced: the only part of the heap that writes.

Who binds the same name, the same number or the same function again changes nothing that a look could tell, nor does
who adds an empty list only where there is none yet. So what is bound to such a value is put back to what it was, and
taken back afterwards unless it was bound again. As for all of the heap, no code of the program runs: the functions of
the built-in types do it, on instances of just these.
"""

from __future__ import annotations

import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Container
from contextvars import ContextVar
from functools import partial
from itertools import chain, takewhile
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.change import is_inert_key, is_plain_key
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import (
    NAMED,
    Kind,
    class_namespace,
    is_heap_type,
    module_name_of,
    mro_of,
    plan_of,
)
from pytest_stateless.heap.holders import descriptors, is_held, part
from pytest_stateless.heap.once import data_in
from pytest_stateless.heap.strange import texts_in
from pytest_stateless.heap.watch import Evidence

_SAME_AGAIN: Final = frozenset({Kind.ATOM, Kind.WALK, Kind.FUNCTION, Kind.CLASS, Kind.MODULE})
"""Kinds of values that a program binds again as they are."""


class _Place(NamedTuple):
    """Where a value is bound."""

    get: Callable[[], Any]
    put: Callable[[Any], object]


class Undone:
    """What was put back to what it was; called, it takes that back."""

    def __init__(self, places: list[tuple[Entry, _Place]], own: bool) -> None:
        self._places, self._own = places, own

    def __call__(self) -> None:
        for entry, place in self._places:
            # What else holds the container that was added would hold another one than the program finds.
            if place.get() is entry.before or _is_added(entry, self._own):
                place.put(entry.after)

    def came_anew(self) -> bool:
        """Whether other objects are there than before: who binds one again would be seen to bind it.

        Of many, some may stay away: what they were made for is remembered elsewhere.
        """
        values = [(entry.after, place.get()) for entry, place in self._places]
        return all(now is not value for value, now in values) and any(now is not ABSENT for _, now in values)

    def holds(self, texts: Container[object]) -> bool:
        """Whether one of the texts is there now."""
        values = [place.get() for _, place in self._places]
        return any(one in texts for value in values for one in chain(data_in(value), texts_in(value)))


def undo(evidence: Evidence, own: bool = False) -> Undone | None:
    """Put back what was there. Returns what takes that back; None where nothing could be put back.

    ``own`` says that what came, whatever it is, may be made again: nothing but memory is lost.
    """
    found = [
        (entry, _place(evidence, entry))
        for entry in evidence.entries
        if _is_same_again(entry.after) or _is_added(entry, own)
    ]
    places = [(entry, place) for entry, place in found if place is not None]
    if len(places) < len(evidence.entries) or any(place.get() is not entry.after for entry, place in places):
        return None
    for entry, place in places:
        place.put(entry.before)
    return Undone(places, own)


def stands_still(evidence: Evidence) -> bool:
    """Whether a context variable holds what is bound to it again as it is, so that nobody sees who does it."""
    values = (entry.after for entry in evidence.entries)
    return type(evidence.container) is ContextVar and all(map(_is_same_again, values))


def release(evidence: Evidence) -> Callable[[], None] | None:
    """As ``undo``, of what a test would wait for in vain if it ran again: a lock, a semaphore, a full queue."""
    homes = set(map(module_name_of, mro_of(evidence.holder))) if evidence.holder is not None else set()
    if not _OF_QUEUES.isdisjoint(homes):
        return _widened(evidence.container)
    return undo(evidence) if evidence.kind is Kind.LOCK or not _WAITED_FOR.isdisjoint(homes) else None


_WAITED_FOR: Final = frozenset({"threading", "asyncio.locks"})
_OF_QUEUES: Final = frozenset({"queue", "asyncio.queues"})


def _widened(namespace: Any) -> Callable[[], None] | None:
    """Take the bound from a queue that is full, by its attributes."""
    if type(namespace) is not dict or not all(map(is_plain_key, namespace)):
        return None
    for bound, items in (("maxsize", "queue"), ("_maxsize", "_queue")):
        size, held = namespace.get(bound), namespace.get(items)
        if type(size) is int and (type(held) is deque or type(held) is list) and 0 < size <= len(held):
            namespace[bound] = 0
            return partial(dict.__setitem__, namespace, bound, size)
    return None


def _is_same_again(value: object) -> bool:
    return value is ABSENT or type(value) is partial or plan_of(type(value)).kind in _SAME_AGAIN


def _is_added(entry: Entry, own: bool) -> bool:
    """Whether a container came where there was nothing, or an object that may be made again."""
    cls = type(entry.after)
    return entry.before is ABSENT and (own or any(cls is one for one in _CONTAINERS))


_CONTAINERS: Final = (dict, list, set, deque, defaultdict, OrderedDict, Counter)


def _place(evidence: Evidence, entry: Entry) -> _Place | None:
    container, label = evidence.container, entry.label
    if evidence.kind in NAMED:
        return _slot(container, label)
    if type(container) is ContextVar:
        return _variable(container, entry)
    if evidence.kind is Kind.HELD:
        descriptor = descriptors(type(container)).get(str(label))
        return descriptor and _Place(
            partial(part, descriptor, container), partial(descriptor.__set__, container)
        )
    if evidence.kind is Kind.LOCK:
        return _Place(partial(is_held, container), partial(_hold, container))
    if evidence.holder is not None and class_namespace(evidence.holder) is container:
        return _class_attribute(evidence.holder, label)
    cls = type(container)
    if cls is types.CellType:
        return _Place(lambda: container.cell_contents, partial(setattr, container, "cell_contents"))
    # Else one of the keys might be asked whether it equals another.
    if any(cls is one for one in _MAPPINGS) and all(map(is_inert_key, (label, *container))):
        return _item(container, label)
    if evidence.kind is Kind.MAPPING and _is_a_dict(cls) and _has_safe_keys(label, container):
        return _past_overrides(container, label)
    if cls is partial and type(entry.after) is dict:
        return _namespace(entry.after)
    element = entry.before if entry.after is ABSENT else entry.after
    if cls is set and is_plain_key(element) and all(map(is_plain_key, container)):
        return _element(container, element)
    return None


def _variable(variable: ContextVar[Any], entry: Entry) -> _Place | None:
    """What a context variable holds; one that held nothing can't hold nothing again, but a copy of what it holds."""
    copy = _copy_of(entry.after) if entry.before is ABSENT else entry.before
    if copy is entry.after:
        return None

    def get() -> object:
        held = variable.get(ABSENT)
        return entry.before if held is copy else held

    return _Place(get, lambda value: variable.set(copy if value is entry.before else value))


def _copy_of(value: Any) -> Any:
    """An equal value that is another object, where CPython makes one."""
    if type(value) is str:
        return "".join([*value])
    if type(value) is bytes:
        return bytes(bytearray(value))
    if type(value) is int or type(value) is float:
        return type(value)(str(value))
    return value


def _hold(lock: Any, hold: object) -> None:
    while is_held(lock) and not hold:  # it may be held several times
        lock.release()
    if hold:
        lock.acquire(False)


_MAPPINGS: Final = (dict, defaultdict, OrderedDict, Counter)


def _item(mapping: Any, key: object) -> _Place:
    def put(value: object) -> None:
        if value is ABSENT:
            mapping.pop(key, None)
        else:
            mapping[key] = value

    return _Place(lambda: dict.get(mapping, key, ABSENT), put)


def _is_a_dict(cls: type) -> bool:
    """Whether a subclass of dict leaves it to dict to get and set its items, and so keeps nothing beside them."""
    bases = mro_of(cls)
    own = list(takewhile(lambda base: base is not dict, bases))
    return len(own) < len(bases) and all(_ITEMS.isdisjoint(class_namespace(base)) for base in own)


_ITEMS: Final = frozenset({"__getitem__", "__setitem__", "__delitem__", "__iter__", "pop", "keys"})


def _has_safe_keys(label: object, mapping: Any) -> bool:
    return all(map(is_inert_key, (label, *dict.keys(mapping))))


def _past_overrides(mapping: Any, key: object) -> _Place:
    """An item of a subclass of dict, by the methods of dict."""

    def put(value: object) -> None:
        if value is ABSENT:
            dict.pop(mapping, key, None)
        else:
            dict.__setitem__(mapping, key, value)

    return _Place(lambda: dict.get(mapping, key, ABSENT), put)


def _namespace(namespace: dict[str, object]) -> _Place:
    """The attributes of what has a dictionary for them from the first one on."""
    kept = dict(namespace)

    def put(value: object) -> None:
        if value is ABSENT:
            namespace.clear()
        else:
            namespace.update(kept)

    return _Place(lambda: namespace or ABSENT, put)


def _element(container: set[object], element: object) -> _Place:
    def put(value: object) -> None:
        if value is ABSENT:
            container.discard(element)
        else:
            container.add(element)

    return _Place(lambda: element if element in container else ABSENT, put)


def _class_attribute(cls: type, name: Any) -> _Place | None:
    """Past the dictionary, for the interpreter remembers what a class and its heirs have."""
    if any(name in class_namespace(base) for base in mro_of(type(cls))):
        return None  # a descriptor of the metaclass would be asked

    def put(value: object) -> None:
        if value is ABSENT:
            type.__delattr__(cls, name)
        else:
            type.__setattr__(cls, name, value)

    return _Place(lambda: class_namespace(cls).get(name, ABSENT), put)


def _slot(thing: Any, name: object) -> _Place | None:
    for base in mro_of(type(thing)):
        member = class_namespace(base).get(name) if is_heap_type(base) else None  # type: ignore[call-overload]
        if type(member) is types.MemberDescriptorType:
            return _member(thing, member)
    return None


def _member(thing: Any, member: types.MemberDescriptorType) -> _Place:
    def get() -> object:
        try:
            return member.__get__(thing)
        except AttributeError:  # not set
            return ABSENT

    def put(value: object) -> None:
        if value is not ABSENT:
            member.__set__(thing, value)
        elif get() is not ABSENT:
            member.__delete__(thing)

    return _Place(get, put)
