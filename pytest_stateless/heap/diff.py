"""What changed in a container, entry by entry, and whether that is a difference at all.

Two objects are compared only where both are plain values of the very same built-in type, so that no code of the
program runs; any other pair of different objects is a difference.
"""

from __future__ import annotations

import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import Context, ContextVar
from functools import partial
from itertools import chain, repeat, zip_longest
from operator import is_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.change import Change, Pairs, by_key, safe_key, without
from pytest_stateless.heap.chunk import Content
from pytest_stateless.heap.graph import KEYED, Kind, Plan, identity, is_heap_type, mro_of, plan_of
from pytest_stateless.heap.holders import REGISTRY, UNREAD, parts_of, values_of
from pytest_stateless.heap.readers import Inside
from pytest_stateless.heap.sqlite import Database, Rows, rows_of


class _Absent:
    """Stands for what isn't there."""


ABSENT: Final = _Absent()
WHOLE: Final = _Absent()
"""The label of an entry that speaks of the whole container."""


class Entry(NamedTuple):
    """One place of a container that doesn't hold what it held."""

    label: object
    """The key, attribute name or position; ``WHOLE`` where there is none that stays the same."""
    before: object
    after: object


Changes = dict[int, Change]
"""The changes of a window by the identity of their containers."""

_SCALARS: Final = frozenset(
    map(identity, (str, bytes, int, float, complex, bool, type(None), bytearray, range, type(...)))
)
_SEQUENCES: Final = frozenset(map(identity, (list, tuple, deque)))
_DEPTH: Final = 4  # of defaults within defaults
_EMPTIED: Final = frozenset(map(identity, (dict, list, set)))
_SETS: Final = frozenset(map(identity, (set, frozenset)))
_REFERENCES: Final = (weakref.ref, weakref.KeyedRef)
_METHOD: Final = identity(types.MethodType)
_MAPPINGS: Final = frozenset(map(identity, (dict, OrderedDict, defaultdict, Counter)))


def entries(change: Change, changed: Changes) -> list[Entry]:
    """What differs in a container between two looks; nothing where it holds equal plain values."""
    found = _replaced_namespace(change, changed) if change.kind is Kind.OBJECT else iter(())
    found = chain(found, _FIND.get(change.kind, _whole)(change))
    if any(map(is_, _MAKING, repeat(type(change.container)))):  # asking makes an empty container
        found = (entry for entry in found if not _is_empty(entry))
    return [entry for entry in found if not _plain_equal(entry.before, entry.after, changed)]


_MAKING: Final = (defaultdict, partial)


def _is_empty(entry: Entry) -> bool:
    """Whether an entry with nothing in it came or went, which no reader can tell from none."""
    here = entry.after if entry.before is ABSENT else entry.before if entry.after is ABSENT else None
    return _holds_nothing(here)


def _holds_nothing(thing: Any, depth: int = _DEPTH) -> bool:
    """Whether a container is empty, or holds but what it makes when it is asked: again with nothing in it."""
    if type(thing) is defaultdict and depth:
        return all(_holds_nothing(value, depth - 1) for value in thing.values())
    return identity(type(thing)) in _EMPTIED and not thing


def _mapping(change: Change) -> Iterator[Entry]:
    before, after = by_key(change.before), by_key(change.after)
    for place, (key, value) in after.items():
        was = before[place][1] if place in before else ABSENT
        if was is not value:
            yield Entry(key, was, value)
    for place, (key, value) in before.items():
        if place not in after:
            yield Entry(key, value, ABSENT)


def _list(change: Change) -> Iterator[Entry]:
    # The garbage collector visits a list from its end.
    return _sequence(change.before.referents[::-1], change.after.referents[::-1])


def _sequence(before: list[Any], after: list[Any]) -> Iterator[Entry]:
    if len(before) != len(after):
        yield from _unordered(before, after)
        return
    for position, (was, now) in enumerate(zip(before, after, strict=True)):
        if was is not now:
            yield Entry(position, was, now)


def _unordered(before: list[Any], after: list[Any]) -> Iterator[Entry]:
    """What came and went, without what came in the place of something equal."""
    lost, gained = without(before, after), without(after, before)
    lost, gained = without(lost, gained, safe_key), without(gained, lost, safe_key)
    for was, now in zip_longest(lost, gained, fillvalue=ABSENT):
        yield Entry(WHOLE, was, now)


def _set(change: Change) -> Iterator[Entry]:
    for entry in _unordered(change.before.referents, change.after.referents):
        if entry.before is not ABSENT and entry.after is not ABSENT:
            yield Entry(WHOLE, entry.before, ABSENT)
            yield Entry(WHOLE, ABSENT, entry.after)
        else:
            yield entry


def _object(change: Change) -> Iterator[Entry]:
    """An instance of a Python class: its class and its slots. Its ``__dict__`` is a container of its own."""
    before, after = change.before.referents, change.after.referents
    cls, former = type(change.container), _former_class(change)
    if former is not cls and former is not None and _holds(after, cls):
        yield Entry("__class__", former, cls)
        return
    # The garbage collector visits the slots first.
    was = dict(zip(change.before.keys, before, strict=False))
    now = dict(zip(change.after.keys, after, strict=False))
    for name in {**was, **now}:
        one, other = was.get(name, ABSENT), now.get(name, ABSENT)
        if one is not other:
            yield Entry(name, one, other)
    if change.kind is Kind.OBJECT and plan_of(cls).namespace is None:  # the class hides its attributes' names
        yield from _unordered(before[len(was) :], after[len(now) :])
    elif _holds(mro_of(cls), BaseException):
        yield from (Entry("args", *pair) for pair in _arguments(before, after))


def _arguments(before: list[object], after: list[object]) -> Iterator[tuple[object, object]]:
    """What an exception was made with, the one tuple that every exception has."""
    was, now = (next((thing for thing in held if type(thing) is tuple), None) for held in (before, after))
    if was is not now:
        yield was, now


def _former_class(change: Change) -> type | None:
    """The class that an instance was of: the last of its referents that is one."""
    before = change.before.referents
    if _holds(before, type(change.container)):
        return type(change.container)
    classes: list[Any] = [thing for thing in before if plan_of(type(thing)).kind is Kind.CLASS]
    return classes[-1] if classes else None


def _holds(things: Iterable[object], wanted: object) -> bool:
    return any(map(is_, things, repeat(wanted)))


def _replaced_namespace(change: Change, changed: Changes) -> Iterator[Entry]:
    """A ``__dict__`` that another one took the place of. Where it shows no dictionary, it holds inline values."""
    plan = plan_of(type(change.container))
    if plan.namespace is None:
        return
    now: Any = plan.namespace(change.container)
    before = change.before.referents
    if identity(now) in changed or _holds(before, now) or not _holds(change.after.referents, now):
        return  # the same one, also where its values moved into it or out of it
    after = Content(list(dict.values(now)), list(dict.keys(now)))
    was = next((thing for thing in before[len(change.before.keys) :] if _is_mapping(thing)), None)
    if was is not None:
        yield from _mapping(Change(Kind.DICT, now, _pairs_before(was, changed.get(identity(was))), after))
        return
    held = without(before, [_former_class(change)])
    if len(held) == len(after.keys):  # in the order in which they were set
        yield from map(Entry, after.keys, held, after.referents)
        return
    names = dict(zip(map(identity, after.referents), after.keys, strict=True))
    for thing in without(after.referents, held):
        yield Entry(names[identity(thing)], ABSENT, thing)
    for thing in without(held, after.referents):
        yield Entry(WHOLE, thing, ABSENT)


def _held(change: Change) -> Iterator[Entry]:
    """What a holder holds for whoever asks."""
    before, after = change.before.referents, change.after.referents
    names = parts_of(change.container)
    if names:
        for name, was, now in zip(names, before, after, strict=False):
            if was is not now and was is not UNREAD and now is not UNREAD:
                yield Entry(name, was, now)
        registered = _unordered(before[len(names) :], after[len(names) :])
        yield from (entry._replace(label=REGISTRY) for entry in registered)
    elif type(change.container) is ContextVar:
        yield Entry(WHOLE, before[0] if before else ABSENT, after[0] if after else ABSENT)
    elif type(change.container) is Context:
        old, new = values_of(before), values_of(after)
        for place, (name, _) in {**old, **new}.items():
            was, now = (values.get(place, (name, ABSENT))[1] for values in (old, new))
            if was is not now:
                yield Entry(name, was, now)
    elif not before:  # the first attributes of a thread's own; later ones are entries of their namespace
        namespace: Any = after[0]
        yield from (Entry(name, ABSENT, value) for name, value in list(dict.items(namespace)))


def _inside(change: Change) -> Iterator[Entry]:
    (before,), (after,) = change.before.referents, change.after.referents
    assert isinstance(before, Inside)
    assert isinstance(after, Inside)
    if before == after:
        return
    if isinstance(before.state, Database) and isinstance(after.state, Database):
        old, new = rows_of(before.state), rows_of(after.state)
        if old is not None and new is not None:
            yield from _rows(old, new)
            return
    yield Entry(WHOLE, before, after)


def _rows(before: Mapping[str, Rows], after: Mapping[str, Rows]) -> Iterator[Entry]:
    for table in {**before, **after}:
        was, now = before.get(table), after.get(table)
        if was != now:
            yield Entry(
                table, *(ABSENT if rows is None else Inside(_size_of(rows), rows) for rows in (was, now))
            )


def _size_of(rows: Rows) -> str:
    number = sum(rows.values())
    return f"{number} row" if number == 1 else f"{number} rows"


def _is_mapping(thing: object) -> bool:
    return plan_of(type(thing)).kind in KEYED


def _whole(change: Change) -> Iterator[Entry]:
    """Something whose inside has no names: a closure's cell, an object of a C type."""
    return _unordered(change.before.referents, change.after.referents)


_FIND: Final[dict[Kind, Callable[[Change], Iterator[Entry]]]] = {
    Kind.DICT: _mapping,
    Kind.MAPPING: _mapping,
    Kind.EMPTY_DICT: _mapping,
    Kind.LIST: _list,
    Kind.SEQUENCE: lambda change: _sequence(change.before.referents, change.after.referents),
    Kind.SET: _set,
    Kind.SET_SUBCLASS: _set,
    Kind.OBJECT: _object,
    Kind.SLOTS: _object,
    Kind.HELD: _held,
    Kind.INSIDE: _inside,
}


# ------------------------------------------------------------------------------------------------- equality


def _plain_equal(before: object, after: object, changed: Changes) -> bool:
    """Whether two values are equal beyond doubt: plain values of the same types all the way down, or in instances.

    ``before`` counts as what it was when the window opened, also where it was changed since. Pairs that were met
    are equal if all others are, so that cycles end.
    """
    met: set[tuple[int, int]] = set()
    pairs: list[tuple[Any, Any]] = [(before, after)]
    while pairs:
        was, now = pairs.pop()
        cls = type(was)
        if was is now:
            continue  # what changed inside it is an entry of its own
        if cls is not type(now):
            return False
        if any(cls is one for one in _REFERENCES) and weakref.ref.__call__(was) is weakref.ref.__call__(now):
            continue
        kind = identity(cls)
        if kind in _SCALARS:
            if was == now or (was != was and now != now):
                continue
            return False
        met_here = identity(was), identity(now)
        if met_here not in met:
            met.add(met_here)
            parts = _parts(kind, was, now, changed)
            if parts is None:
                return False
            pairs += parts
    return True


def _parts(kind: int, was: Any, now: Any, changed: Changes) -> Iterable[tuple[Any, Any]] | None:
    """What must be equal for two things of one type to be equal; None if they can't be."""
    change = changed.get(identity(was))
    if kind in _SEQUENCES:
        before, after = _items_before(was, change), list(now)
        alike = len(before) == len(after) and (type(now) is not deque or was.maxlen == now.maxlen)
        return zip(before, after, strict=True) if alike else None
    if kind in _SETS:
        after = list(now)
        before = _items_before(was, change)
        return None if without(before, after, safe_key) or without(after, before, safe_key) else ()
    if kind in _MAPPINGS:
        if type(now) is defaultdict and was.default_factory is not now.default_factory:
            return None
        return _paired(by_key(_pairs_before(was, change)), by_key(_pairs_before(now, None)))
    if kind == _METHOD:
        return (was.__func__, now.__func__), (was.__self__, now.__self__)
    return _attributes(was, now, changed)


def _paired(old: Pairs, new: Pairs) -> Iterable[tuple[Any, Any]] | None:
    return [(old[key][1], new[key][1]) for key in old] if old.keys() == new.keys() else None


def _attributes(was: Any, now: Any, changed: Changes) -> Iterable[tuple[Any, Any]] | None:
    """What must be equal for two instances of a Python class to be equal: all that they hold, if that is anything.

    An instance without any attribute stands for itself, as ``object()`` does. What the former one held before it
    changed within the window isn't known, where a dictionary of its own doesn't tell.
    """
    plan = plan_of(type(was))
    bases = mro_of(type(was))
    if plan.kind is not Kind.OBJECT or not all(is_heap_type(base) or base is object for base in bases):
        return None
    if identity(was) in changed:
        return None
    before, after = _state(plan, was, changed), _state(plan, now, {})
    return _paired(before, after) if before and after else None


def _state(plan: Plan, thing: Any, changed: Changes) -> Pairs:
    """The attributes of an instance, as they were when the window opened."""
    slots = {name: (name, value) for name, value in _slots(plan, thing)}
    if plan.namespace is None:
        return slots
    namespace: Any = plan.namespace(thing)
    return {**slots, **by_key(_pairs_before(namespace, changed.get(identity(namespace))))}


def _slots(plan: Plan, thing: Any) -> Iterator[tuple[object, object]]:
    for name, get in plan.slots:
        try:
            yield name, get(thing)
        except AttributeError:  # not set
            continue


def _items_before(container: Any, change: Change | None) -> list[Any]:
    if change is None:
        return list(container)
    held = change.before.referents
    return held[::-1] if change.kind is Kind.LIST else list(held)


def _pairs_before(mapping: Any, change: Change | None) -> Content:
    return (
        change.before if change is not None else Content(list(dict.values(mapping)), list(dict.keys(mapping)))
    )


def summarise(found: Iterable[Entry]) -> tuple[int, int, int]:
    """How many entries were added, removed and changed."""
    added = removed = changed = 0
    for entry in found:
        if entry.before is ABSENT:
            added += 1
        elif entry.after is ABSENT:
            removed += 1
        else:
            changed += 1
    return added, removed, changed
