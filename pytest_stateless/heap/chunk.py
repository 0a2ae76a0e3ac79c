"""Containers of one kind with what they hold, read and kept some hundred at a time."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, filterfalse
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.compare import same
from pytest_stateless.heap.graph import KEYED, NAMED, Kind, Plan, get_referents, identity, read

CHUNK: Final = 256  # containers; larger ones make a look cheaper and a change in them dearer
RETRIES: Final = 5  # of a reading during which another thread changed the size of a dictionary


class Content(NamedTuple):
    """What one container held: its referents as ``read`` gives them, and its keys or the names of the slots in use."""

    referents: list[object]
    keys: list[object]


class Bodies(NamedTuple):
    """Definitions, the functions among them apart: each part of a function that is asked for raises an audit event."""

    functions: tuple[Any, ...]
    shown: list[object]
    """All that the functions refer to, their parts among it; while that is as it was, so are these."""
    others: tuple[Any, ...]
    held: list[object]
    """The parts of the others."""


class Chunk(NamedTuple):
    """Containers of one kind with what they held."""

    kind: Kind
    containers: tuple[Any, ...]
    referents: list[object]
    keys: list[object]
    referent_counts: list[int]
    key_counts: list[int]
    ordered: Mapping[int, list[object]] = {}
    """By the identity of a dictionary: its values in the order of its keys, where its referents aren't just these.

    The attributes of an instance are shown in the order in which the first instance of the class got its own
    (3.11 and later; dict_traverse in CPython's Objects/dictobject.c).
    """
    bodies: Bodies | None = None
    """Of definitions, what is looked at first."""

    def contents(self) -> Iterator[Content]:
        """What each container held, in their order."""
        referent, key = 0, 0
        key_counts = self.key_counts or [0] * len(self.containers)
        for container, referents, keys in zip(self.containers, self.referent_counts, key_counts, strict=True):
            values = self.ordered.get(identity(container)) if self.ordered else None
            if values is None:
                values = self.referents[referent : referent + referents]
            yield Content(values, self.keys[key : key + keys])
            referent, key = referent + referents, key + keys


def is_as_before(chunk: Chunk) -> bool:
    """Whether containers hold what they held."""
    if chunk.kind is Kind.INSIDE:
        rows = zip(chunk.containers, chunk.keys, chunk.referents, strict=True)
        return all(reader(thing, was) == was for thing, reader, was in rows)  # type: ignore[operator]
    if chunk.bodies is not None:
        functions, shown, others, parts = chunk.bodies
        return same(get_referents(*functions), shown) and same(read(chunk.kind, others)[0], parts)
    try:
        referents, keys = read(chunk.kind, chunk.containers)
    except RuntimeError:  # another thread is changing a dictionary
        return False
    # Slots are read by their names only where something changed.
    return same(referents, chunk.referents) and (chunk.kind in NAMED or same(keys, chunk.keys))


def make_chunk(kind: Kind, containers: tuple[Any, ...], plan: Callable[[type], Plan]) -> Chunk | None:
    """Read containers of one kind, with the bounds between them; None if they never hold still."""
    if kind is Kind.EMPTY_DICT:
        return Chunk(kind, containers, [], [], [], [])
    if kind is Kind.INSIDE:
        readers = [plan(type(thing)).reader for thing in containers]
        inside = [reader(thing, None) for reader, thing in zip(readers, containers, strict=True)]  # type: ignore[misc]
        return Chunk(kind, containers, inside, list(readers), [1] * len(inside), [1] * len(inside))
    # Before the parts: what another thread changes in between is seen by the next look.
    shown = get_referents(*filter(_is_function, containers)) if kind is Kind.HELD else []
    for _ in range(RETRIES):
        try:
            referents, keys = read(kind, containers)
            referent_counts = list(_counts(kind, containers))
        except RuntimeError:  # another thread is changing a dictionary
            continue
        key_counts = list(map(dict.__len__, containers)) if kind in KEYED else []
        if kind in NAMED:
            names = [list(_slots_in_use(plan(type(container)), container)) for container in containers]
            keys, key_counts = list(chain.from_iterable(names)), list(map(len, names))
        if sum(referent_counts) == len(referents) and sum(key_counts) == len(keys):
            ordered = _in_order_of_keys(containers, referents) if kind is Kind.DICT else {}
            made = Chunk(kind, containers, referents, keys, referent_counts, key_counts, ordered)
            return made._replace(bodies=_bodies(made, shown)) if kind is Kind.HELD else made
    return None


def make_chunk_of_still_ones(
    kind: Kind, containers: tuple[Any, ...], plan: Callable[[type], Plan]
) -> Chunk | None:
    """The same of those that hold still, where another thread changes some all the time; None if none does."""
    whole = make_chunk(kind, containers, plan)
    if whole is not None:
        return whole
    alone = (make_chunk(kind, (container,), plan) for container in containers)
    parts = [part for part in alone if part is not None]
    return concatenated(parts) if parts else None


def renewed(chunk: Chunk, kind: Kind, plan: Callable[[type], Plan]) -> Chunk:
    """What the containers of a chunk hold now, read as of a kind; of those that never hold still, what they held."""
    whole = make_chunk(kind, chunk.containers, plan)
    if whole is not None or kind is Kind.HELD:  # of definitions nothing keeps others from being read
        return whole or chunk
    rows = zip(chunk.containers, contents_before(chunk), strict=True)
    return concatenated([make_chunk(kind, (one,), plan) or _as_before(kind, one, had) for one, had in rows])


def _as_before(kind: Kind, container: Any, had: Content) -> Chunk:
    key_counts = [len(had.keys)] if kind in KEYED or kind in NAMED else []
    return Chunk(kind, (container,), had.referents, had.keys, [len(had.referents)], key_counts)


def _is_function(thing: object) -> bool:
    return type(thing) is types.FunctionType


def _bodies(chunk: Chunk, shown: list[object]) -> Bodies:
    functions = tuple(filter(_is_function, chunk.containers))
    others = tuple(filterfalse(_is_function, chunk.containers))
    rows = zip(chunk.containers, chunk.contents(), strict=True)
    parts = chain.from_iterable(content.referents for thing, content in rows if not _is_function(thing))
    return Bodies(functions, shown, others, list(parts))


def _in_order_of_keys(containers: tuple[Any, ...], referents: list[object]) -> Mapping[int, list[object]]:
    if same(referents, list(chain.from_iterable(map(dict.values, containers)))):
        return {}
    ordered = {}
    for container in containers:
        values, shown = list(dict.values(container)), get_referents(container)
        if len(shown) != 2 * len(values) and not same(values, shown):
            ordered[identity(container)] = values
    return ordered


def _slots_in_use(plan: Plan, thing: Any) -> Iterator[object]:
    for name, get in plan.slots:
        try:
            get(thing)
        except AttributeError:
            continue
        yield name


def _counts(kind: Kind, containers: tuple[Any, ...]) -> Iterable[int]:
    if kind is Kind.MAPPING:
        return map(dict.__len__, containers)
    if kind in (Kind.SEQUENCE, Kind.SET_SUBCLASS, Kind.HELD):
        return (len(read(kind, (container,))[0]) for container in containers)
    if kind is Kind.LOCK:
        return (1 for _ in containers)
    return map(len, map(get_referents, containers))


def concatenated(parts: Sequence[Chunk]) -> Chunk:
    """One chunk of the containers of several of the same kind."""
    return Chunk(
        parts[0].kind,
        tuple(chain.from_iterable(part.containers for part in parts)),
        list(chain.from_iterable(part.referents for part in parts)),
        list(chain.from_iterable(part.keys for part in parts)),
        list(chain.from_iterable(part.referent_counts for part in parts)),
        list(chain.from_iterable(part.key_counts for part in parts)),
        dict(chain.from_iterable(part.ordered.items() for part in parts)),
        _joined([part.bodies for part in parts if part.bodies is not None]),
    )


def _joined(parts: Sequence[Bodies]) -> Bodies | None:
    if not parts:
        return None
    functions, shown, others, held = map(chain.from_iterable, zip(*parts, strict=True))
    return Bodies(tuple(functions), list(shown), tuple(others), list(held))


def contents_before(chunk: Chunk) -> Iterable[Content]:
    """What each container of a chunk held; nothing each where they were all empty dictionaries."""
    if chunk.kind is Kind.EMPTY_DICT:
        return (Content([], []) for _ in chunk.containers)
    return chunk.contents()
