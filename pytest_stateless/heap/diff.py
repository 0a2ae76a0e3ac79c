"""What changed in a container, entry by entry, and whether that is a difference at all.

Two objects are compared only where both are plain values of the very same built-in type, so that no code of the
program runs; any other pair of different objects is a difference.
"""

from __future__ import annotations

import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.graph import Kind, Plan, identity, plan_of
from pytest_stateless.heap.snapshot import Change, Content, by_key


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

_BUDGET: Final = 10_000  # values looked at before two containers are called different

_SCALARS: Final = frozenset(
    map(identity, (str, bytes, int, float, complex, bool, type(None), bytearray, range, type(...)))
)
_SEQUENCES: Final = frozenset(map(identity, (list, tuple, deque)))
_SETS: Final = frozenset(map(identity, (set, frozenset)))
_MAPPINGS: Final = frozenset(map(identity, (dict, OrderedDict, defaultdict, Counter)))


def entries(change: Change, changed: Changes) -> list[Entry]:
    """What differs in a container between two looks; nothing where it holds equal plain values."""
    found = _FIND.get(change.kind, _whole)(change)
    if type(change.container) is defaultdict:  # asking it for a key adds an empty container
        found = (entry for entry in found if not _is_empty(entry))
    return [entry for entry in found if not _plain_equal(entry.before, entry.after, changed, [_BUDGET])]


def _is_empty(entry: Entry) -> bool:
    """Whether an entry with nothing in it came or went, which no reader can tell from none."""
    here = entry.after if entry.before is ABSENT else entry.before if entry.after is ABSENT else None
    return type(here) in (dict, list, set) and not here


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
    if len(before) == len(after):
        for position, (was, now) in enumerate(zip(before, after, strict=True)):
            if was is not now:
                yield Entry(position, was, now)
        return
    lost, gained = _without(before, after), _without(after, before)
    for was, now in zip_longest(lost, gained, fillvalue=ABSENT):
        yield Entry(WHOLE, was, now)


def _without(these: list[Any], those: list[Any]) -> list[Any]:
    """The elements of one list that the other doesn't have, each as often as it has too many."""
    there = Counter(map(identity, those))
    missing = []
    for thing in these:
        if there[identity(thing)]:
            there[identity(thing)] -= 1
        else:
            missing.append(thing)
    return missing


def _set(change: Change) -> Iterator[Entry]:
    lost = _without(change.before.referents, change.after.referents)
    gained = _without(change.after.referents, change.before.referents)
    lost, gained = _unequal(lost, gained)
    for thing in lost:
        yield Entry(WHOLE, thing, ABSENT)
    for thing in gained:
        yield Entry(WHOLE, ABSENT, thing)


def _unequal(lost: list[Any], gained: list[Any]) -> tuple[list[Any], list[Any]]:
    for thing in list(lost):
        for position, other in enumerate(gained):
            if _plain_equal(thing, other, {}, [_BUDGET]):
                lost.remove(thing)
                del gained[position]
                break
    return lost, gained


def _object(change: Change) -> Iterator[Entry]:
    """An instance of a Python class: its class and its slots. Its ``__dict__`` is a container of its own."""
    before, after = change.before.referents, change.after.referents
    plan = plan_of(type(change.container))
    if before and before[-1] is not type(change.container) and plan_of(type(before[-1])).kind is Kind.CLASS:
        yield Entry("__class__", before[-1], type(change.container))
        return
    yield from _replaced_namespace(change, plan)
    yield from _slots(change.container, plan, before, after)


def _replaced_namespace(change: Change, plan: Plan) -> Iterator[Entry]:
    """A ``__dict__`` that another one took the place of. Where it shows no dictionary, it holds inline values."""
    if plan.namespace is None:
        return
    now = plan.namespace(change.container)
    before = change.before.referents
    if any(now is thing for thing in before) or not any(now is thing for thing in change.after.referents):
        return
    was = next((thing for thing in before if type(thing) is dict), None)
    if was is None:
        held = list(map(identity, before))
        for name, value in now.items():
            if identity(value) not in held:
                yield Entry(name, ABSENT, value)
        return
    content = Content(list(was.values()), list(was))
    yield from _mapping(Change(Kind.DICT, now, content, Content(list(now.values()), list(now))))


def _slots(instance: Any, plan: Plan, before: list[Any], after: list[Any]) -> Iterator[Entry]:
    """Which slots differ. Old values have no names: they are in the order in which the slots are visited."""
    if not plan.slots:
        return
    names = []
    for name, get in plan.slots:
        try:
            names.append((name, get(instance)))
        except AttributeError:  # not set
            continue
    old = [
        thing
        for thing in before[: len(before) - 1]
        if type(thing) is not dict or _is_slot_value(thing, names)
    ]
    if len(old) == len(names):
        for (name, now), was in zip(names, old, strict=True):
            if now is not was:
                yield Entry(name, was, now)
        return
    kept = Counter(map(identity, old))
    for name, now in names:
        if kept[identity(now)]:
            kept[identity(now)] -= 1
        else:
            yield Entry(name, ABSENT, now)
    for was in _without(old, [now for _, now in names]) if len(old) > len(names) else ():
        yield Entry(WHOLE, was, ABSENT)


def _is_slot_value(thing: object, names: list[tuple[str, object]]) -> bool:
    return any(thing is value for _, value in names)


def _whole(change: Change) -> Iterator[Entry]:
    """Something whose inside has no names: a closure's cell, an object of a C type."""
    before, after = change.before.referents, change.after.referents
    if len(before) == len(after) == 1:
        yield Entry(WHOLE, before[0], after[0])
        return
    lost, gained = _without(before, after), _without(after, before)
    for was, now in zip_longest(lost, gained, fillvalue=ABSENT):
        yield Entry(WHOLE, was, now)


_FIND: Final[dict[Kind, Callable[[Change], Iterator[Entry]]]] = {
    Kind.DICT: _mapping,
    Kind.MAPPING: _mapping,
    Kind.EMPTY_DICT: _mapping,
    Kind.LIST: _list,
    Kind.SEQUENCE: lambda change: _sequence(change.before.referents, change.after.referents),
    Kind.SET: _set,
    Kind.SET_SUBCLASS: _set,
    Kind.OBJECT: _object,
}


# ------------------------------------------------------------------------------------------------- equality


def _plain_equal(before: object, after: object, changed: Changes, budget: list[int]) -> bool:
    """Whether two values are equal beyond doubt: plain values of the same types all the way down.

    ``before`` counts as what it was when the window opened, also where it was changed since.
    """
    budget[0] -= 1
    if budget[0] < 0:
        return False
    if before is after:
        return True  # what changed inside it is an entry of its own
    change = changed.get(identity(before))
    cls = type(before)
    if cls is not type(after):
        return False
    kind = identity(cls)
    if kind in _SCALARS:
        return bool(before == after) or bool(before != before and after != after)  # NaN
    if cls is weakref.ref:
        return before() is after()  # type: ignore[operator]
    if kind in _SEQUENCES:
        was = _items_before(before, change)
        now = list(after)  # type: ignore[call-overload]
        return len(was) == len(now) and all(
            _plain_equal(one, other, changed, budget) for one, other in zip(was, now, strict=True)
        )
    if kind in _MAPPINGS:
        return _equal_mappings(_pairs_before(before, change), after, changed, budget)
    if kind in _SETS:
        was = _items_before(before, change)
        return len(was) == len(after) and not any(_unequal(was, list(after)))  # type: ignore[arg-type, call-overload]
    return False


def _equal_mappings(before: Content, after: Any, changed: Changes, budget: list[int]) -> bool:
    was = by_key(before)
    now = by_key(Content(list(dict.values(after)), list(dict.keys(after))))
    return was.keys() == now.keys() and all(
        _plain_equal(value, now[place][1], changed, budget) for place, (_, value) in was.items()
    )


def _items_before(container: Any, change: Change | None) -> list[Any]:
    if change is None:
        return list(container)
    held = change.before.referents
    return held[::-1] if change.kind is Kind.LIST else list(held)


def _pairs_before(container: Any, change: Change | None) -> Content:
    return change.before if change is not None else Content(list(container.values()), list(container))


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
