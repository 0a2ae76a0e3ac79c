"""What differs between two looks at the table: pure functions of values, which run no code of the program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pytest_stateless.heap.change import safe_key, without
from pytest_stateless.interpreter.item import ABSENT, UNKNOWN, Item, Items, Reading, same, unchanged


class Difference(NamedTuple):
    """One entry of one item that isn't what it was."""

    label: Any
    before: Any
    after: Any


_Known = dict[object, tuple[Any, Any]]


def differences(item: Item, before: Reading | None, after: Reading | None) -> list[Difference]:
    """What can be told to differ: nothing where one of the looks could not tell."""
    if before is None or after is None or unchanged(before, after):
        return []
    return list(_differing(item, before, after))


def _by_label(reading: Reading) -> _Known:
    """Under keys that are safe to compare."""
    return {safe_key(label): (label, value) for label, value in reading.items()}


def _differing(item: Item, before: Reading, after: Reading) -> Iterator[Difference]:
    first, last = _by_label(before), _by_label(after)
    for key in {**first, **last}:
        label = (last.get(key) or first[key])[0]
        was = first[key][1] if key in first else item.otherwise(label, before)
        now = last[key][1] if key in last else item.otherwise(label, after)
        if was is not UNKNOWN and now is not UNKNOWN and not same(was, now):
            yield Difference(label, was, now)


def absorb(before: Reading | None, start: Reading | None, end: Reading | None) -> Reading | None:
    """What ``before`` would have been, had all that changed from ``start`` to ``end`` been there already."""
    if end is None or start is None:
        return end if before is None else before
    if before is None or unchanged(start, end):
        return before
    merged, first, last = _by_label(before), _by_label(start), _by_label(end)
    for key in {**first, **last}:
        was, now = (known[key][1] if key in known else ABSENT for known in (first, last))
        if not same(was, now):
            _take(merged, key, last.get(key), _merged(merged.get(key, (None, ABSENT))[1], was, now))
    return dict(merged.values())


def _take(merged: _Known, key: object, entry: tuple[Any, Any] | None, value: Any) -> None:
    if entry is None:  # nothing is there now
        merged.pop(key, None)
    else:
        merged[key] = entry[0], value


def _merged(before: Any, start: Any, end: Any) -> Any:
    """A value with what came to it and went from it; of things that have no parts, simply the last."""
    if not all(type(one) is Items for one in (before, start, end)):
        return end
    return Items(
        [*without(end, without(start, before, _same_as), _same_as), *without(before, start, _same_as)]
    )


def changed_things(before: Items, after: Items) -> tuple[list[Any], list[Any]]:
    """The things that came and those that went; neither where only their order changed."""
    return without(after, before, _same_as), without(before, after, _same_as)


def _same_as(thing: Any) -> object:
    """What stands for a thing: plain values by value, all else by identity."""
    return safe_key(thing)
