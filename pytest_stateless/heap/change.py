"""What differs between two snapshots, container by container, and snapshots that take a difference in."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.chunk import Chunk, Content, contents_before
from pytest_stateless.heap.compare import same
from pytest_stateless.heap.graph import KEYED, NAMED, Kind, class_namespace, identity, is_heap_type, mro_of

Snapshot = tuple[Chunk | None, ...]
"""Chunks in the order in which they were found; None where a window has no part in what a chunk holds."""


class Change(NamedTuple):
    """A container that doesn't hold what it held."""

    kind: Kind
    container: Any
    before: Content
    after: Content


def changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    """The containers whose content differs between two snapshots of one heap, by identity of what they hold."""
    for old, new in zip(before, after, strict=False):
        if old is None or new is None or old is new or not new.containers:
            continue  # the last: they are gone
        for container, was, now in zip(
            new.containers, contents_before(old), contents_before(new), strict=True
        ):
            if not (same(was.referents, now.referents) and same(was.keys, now.keys)):
                yield Change(new.kind, container, was, now)


def absorb(before: Snapshot, start: Snapshot, end: Snapshot) -> Snapshot:
    """What ``before`` would have been, had all that changed from ``start`` to ``end`` been there already."""
    return tuple(
        _absorb_chunk(before[position] if position < len(before) else None, start, end, position)
        for position in range(len(end))
    )


def _absorb_chunk(base: Chunk | None, start: Snapshot, end: Snapshot, position: int) -> Chunk | None:
    if position >= len(start):
        return end[position]  # reached for the first time within the interval: part of what is absorbed
    first, last = start[position], end[position]
    if base is None or first is last or last is None:
        return base
    if base is first or not last.containers:
        return last
    assert first is not None
    merged: list[Content] = []
    rows = zip(contents_before(base), contents_before(first), contents_before(last), strict=True)
    for old, from_, to in rows:
        merged.append(_absorb_content(last.kind, old, from_, to))
    return _join(last.kind, last.containers, merged)


def _absorb_content(kind: Kind, old: Content, start: Content, end: Content) -> Content:
    if _equal(start, end):
        return old
    if _equal(old, start):
        return end
    if kind in NAMED:
        named = _merged_pairs(*(_slots(content) for content in (old, start, end)))
        return Content(
            [*(value for _, value in named), *end.referents[len(end.keys) :]], [name for name, _ in named]
        )
    if kind not in KEYED:
        return Content(_merged(old.referents, start.referents, end.referents), end.keys)
    pairs = _merged_pairs(by_key(old), by_key(start), by_key(end))
    keys = [key for key, _ in pairs]
    if kind is Kind.MAPPING:
        return Content([value for _, value in pairs], keys)
    # Values and keys in pairs, as the garbage collector shows dictionaries with keys of any type.
    return Content([part for key, value in pairs for part in (value, key)], keys)


Pairs = dict[object, tuple[object, object]]
"""Keys and values, under what stands for the keys."""


def _merged_pairs(was: Pairs, first: Pairs, last: Pairs) -> list[tuple[object, object]]:
    """What was there, with what changed from the first to the last."""
    merged = {place: pair for place, pair in was.items() if place in last or place not in first}
    merged |= {
        place: pair for place, pair in last.items() if place not in first or first[place][1] is not pair[1]
    }
    return list(merged.values())


def _merged(old: list[object], start: list[object], end: list[object]) -> list[object]:
    if len(old) == len(start) == len(end):
        return [was if first is last else last for was, first, last in zip(old, start, end, strict=True)]
    return [*without(end, without(start, old)), *without(old, start)]


def without(
    these: Iterable[Any], those: Iterable[Any], same_as: Callable[[Any], object] = identity
) -> list[Any]:
    """The elements of one list that the other doesn't have, each as often as it has too many."""
    there = Counter(map(same_as, those))
    missing = []
    for thing in these:
        place = same_as(thing)
        if there[place]:
            there[place] -= 1
        else:
            missing.append(thing)
    return missing


def _slots(content: Content) -> Pairs:
    return {name: (name, value) for name, value in zip(content.keys, content.referents, strict=False)}


def _equal(one: Content, other: Content) -> bool:
    return same(one.referents, other.referents) and same(one.keys, other.keys)


def _join(kind: Kind, containers: tuple[Any, ...], contents: Sequence[Content]) -> Chunk:
    return Chunk(
        kind,
        containers,
        [referent for content in contents for referent in content.referents],
        [key for content in contents for key in content.keys],
        [len(content.referents) for content in contents],
        [len(content.keys) for content in contents],
    )


_PLAIN_KEYS: Final = frozenset(
    map(identity, (str, bytes, int, float, bool, complex, range, type(None), type(...)))
)


def by_key(content: Content) -> dict[object, tuple[object, object]]:
    """A dictionary's content under keys that are safe to compare: plain values by value, all else by identity."""
    values = content.referents
    if len(values) == 2 * len(content.keys):
        values = values[0::2]
    return {safe_key(key): (key, value) for key, value in zip(content.keys, values, strict=True)}


_KEY_DEPTH: Final = 20  # of tuples within tuples


def safe_key(key: Any, depth: int = _KEY_DEPTH) -> object:
    """What stands for a dictionary's key where comparing it must not run code of the program."""
    cls = type(key)
    if identity(cls) in _PLAIN_KEYS:
        return cls.__name__, key
    if depth and cls is tuple:
        return "tuple", *(safe_key(part, depth - 1) for part in key)
    if depth and cls is frozenset:
        return "frozenset", frozenset(safe_key(part, depth - 1) for part in key)
    return "object", identity(key)


def is_plain_key(key: Any, depth: int = _KEY_DEPTH) -> bool:
    """Whether a key is a plain value, the same in each run."""
    cls = type(key)
    if depth and (cls is tuple or cls is frozenset):
        return all(is_plain_key(part, depth - 1) for part in key)
    return identity(cls) in _PLAIN_KEYS


def is_inert_key(key: Any) -> bool:
    """Whether a dictionary compares a key without code of the program: a plain value, or a class, equal to itself."""
    if type(key) is tuple:
        return all(map(is_inert_key, key))
    return type(key) is type or is_plain_key(key) or _is_plain_member(type(key))


def _is_plain_member(cls: type) -> bool:
    """Whether an enumeration leaves it to Python's own code to compare its members."""
    bases = mro_of(cls)
    if not any(base is enum.Enum for base in bases):
        return False
    makers = [next(base for base in bases if name in class_namespace(base)) for name in _COMPARING]
    return all(not is_heap_type(base) or any(base is one for one in _ENUMERATIONS) for base in makers)


_ENUMERATIONS: Final = (enum.Enum, enum.IntEnum, enum.Flag, enum.IntFlag)
_COMPARING: Final = ("__eq__", "__hash__", "__getattribute__")
