"""What imports change in what was there before: a plugin registers itself, a module adds a filter of warnings.

The code of a module runs once in a process, so that what it does is the same in each that imports it, as what the
module itself holds is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Any, Final

from pytest_stateless.heap.change import Change, changes, safe_key
from pytest_stateless.heap.chunk import Chunk, is_as_before, make_chunk
from pytest_stateless.heap.diff import Entry, entries
from pytest_stateless.heap.graph import Kind, Plan, identity, module_name_of, plan_of
from pytest_stateless.heap.home import homes_of

_Place = tuple[int, object, int]
"""Identity of a container, what stands for a label, identity of what is there after the import."""

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
                self._places[_place(change.container, entry)] = entry

    def has(self, container: object, entry: Entry) -> bool:
        """Whether what an entry says is there now was put there by an import."""
        return bool(self._places) and _place(container, entry) in self._places

    def let_go_of(self, modules: Container[str]) -> None:
        """Some of the modules are gone: what they left elsewhere is no longer what an import brings."""
        for place, entry in list(self._places.items()):
            if any(home in modules for home in (*homes_of(entry.after), module_name_of(type(entry.after)))):
                del self._places[place]

    def forget(self) -> None:
        """No window is open that began before the imports."""
        self._places.clear()
        self._start = None


def _place(container: Any, entry: Entry) -> _Place:
    return identity(container), safe_key(entry.label), identity(entry.after)
