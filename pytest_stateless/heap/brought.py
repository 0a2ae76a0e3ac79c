"""What imports change in what was there before: a plugin registers itself, a module adds a filter of warnings.

The code of a module runs once in a process, so that what it does is the same in each that imports it, as what the
module itself holds is.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, Final

from pytest_stateless.heap.change import Change, changes, safe_key
from pytest_stateless.heap.chunk import Chunk, is_as_before, make_chunk
from pytest_stateless.heap.diff import ABSENT, WHOLE, Entry, entries
from pytest_stateless.heap.graph import Kind, Plan, identity, module_name_of, plan_of
from pytest_stateless.heap.home import homes_of

_Place = tuple[int, object, int, int]
"""Identity of a container, what stands for a label, identities of what is there after the import and, where items have
no labels, of what is gone."""

_ELSEWHERE: Final = frozenset({Kind.EMPTY_DICT, Kind.INSIDE, Kind.LOCK})
"""Kinds whose values are made anew with each look, or of which nobody makes a registry."""


class Brought:
    """Looks at a heap's chunks right before and after an import, and leaves them as they are."""

    def __init__(self, chunks: Sequence[Chunk | None]) -> None:
        self._chunks = chunks
        self._start: dict[int, Chunk | None] | None = None
        """The chunks that differ from the heap's when an import begins, by their positions; None outside of one."""
        self._places: dict[_Place, Entry] = {}
        """With what holds the values, so that no identity is used again."""
        self._times: Counter[_Place] = Counter()
        """How often the same thing came into a list, or went."""

    def begin(self, plan: Callable[[type], Plan]) -> None:
        """An import begins. The heap's own ``plan`` isn't kept: it would keep the heap."""
        self._start = dict(self._moved({}, plan))

    def end(self, plan: Callable[[type], Plan]) -> list[object]:
        """It ended, or failed. Returns what it put into containers that were there before."""
        start, self._start = self._start, None
        if start is None:
            return []
        moved = dict(self._moved(start, plan))
        before = tuple(start.get(position, self._chunks[position]) for position in moved)
        found = {identity(one.container): one for one in changes(before, tuple(moved.values()))}
        for change in found.values():
            if change.container is not sys.modules:
                self._note(change, entries(change, found))
        return [entry.after for entry in self._places.values()] if found else []

    def _moved(
        self, since: dict[int, Chunk | None], plan: Callable[[type], Plan]
    ) -> Iterator[tuple[int, Chunk | None]]:
        for position, chunk in enumerate(self._chunks):
            known = since.get(position, chunk)
            if known is not None and known.kind not in _ELSEWHERE and not is_as_before(known):
                yield position, make_chunk(known.kind, known.containers, plan)

    def _note(self, change: Change, found: Iterable[Entry]) -> None:
        for entry in found:
            if plan_of(type(entry.after)).kind is not Kind.MODULE:
                for part in _parts(entry):
                    place = _place(change.container, part)
                    self._places[place] = part
                    self._times[place] += 1

    def without(self, container: object, found: list[Entry]) -> list[Entry]:
        """What differs, but for what imports put there, or took away."""
        return list(self._left(container, found)) if self._places else found

    def _left(self, container: object, found: list[Entry]) -> Iterator[Entry]:
        known: Counter[_Place] = Counter()
        for entry in found:
            parts = _parts(entry)
            left = []
            for part in parts:
                place = _place(container, part)
                known[place] += 1
                if place not in self._places or known[place] > self._times[place]:
                    left.append(part)
            yield from [entry] if len(left) == len(parts) else left

    def let_go_of(self, modules: Container[str]) -> None:
        """Some of the modules are gone: what they left elsewhere is no longer what an import brings."""
        for place, entry in list(self._places.items()):
            if any(home in modules for home in (*homes_of(entry.after), module_name_of(type(entry.after)))):
                del self._places[place], self._times[place]

    def forget(self) -> None:
        """No window is open that began before the imports."""
        self._places.clear()
        self._times.clear()
        self._start = None


def _parts(entry: Entry) -> tuple[Entry, ...]:
    """What went and what came by itself, where an item has no place: who took one away didn't add the other."""
    if entry.label is not WHOLE or entry.before is ABSENT or entry.after is ABSENT:
        return (entry,)
    return entry._replace(after=ABSENT), entry._replace(before=ABSENT)


def _place(container: Any, entry: Entry) -> _Place:
    gone = entry.before if entry.label is WHOLE else ABSENT
    return identity(container), safe_key(entry.label), identity(entry.after), identity(gone)
