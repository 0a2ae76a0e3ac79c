"""What is watched because modules were imported within a window, and lets go of it where they are gone again.

A program may wait for such a module to die: it takes it out of ``sys.modules`` and collects. A module and its functions
refer to each other, so that only the garbage collector frees them; right before it runs is the time to let go.
"""

from __future__ import annotations

import gc
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from itertools import islice
from typing import Final, NamedTuple

from pytest_stateless.heap.chunk import Chunk
from pytest_stateless.heap.graph import Kind, identity, module_namespace

_GONE: Final = Chunk(Kind.LIST, (), [], [], [], [])
"""Stands where containers were that aren't watched any more."""


class _Meeting(NamedTuple):
    """One module, met right after its import. Nothing here keeps it alive."""

    name: str
    namespace: int
    """Identity of its dictionary."""
    positions: range
    """Of the chunks that it led to."""
    seen: tuple[int, ...]
    """Identities of what it led to."""


class Count(NamedTuple):
    """How many things were met, to tell those that are met later."""

    size: int
    lost: int
    """How many others were forgotten: each moved up those that were met after it."""


class Met:
    """Shares its heap's chunks and what it has seen."""

    def __init__(
        self,
        modules: Mapping[str, types.ModuleType],
        chunks: list[Chunk | None],
        seen: MutableMapping[int, object],
        gone: Callable[[frozenset[str]], object] = lambda _: None,
    ) -> None:
        self.begun: dict[int, Chunk | None] = {}
        """What was held right after the import, by the chunks' positions."""
        self._modules, self._chunks, self._seen = modules, chunks, seen
        self.lost = 0
        """How many things were forgotten."""
        self._gone = gone
        """Told the names of modules that went."""
        self._meetings: list[_Meeting] = []
        self._callback: Callable[[str, dict[str, int]], None] | None = None
        """Ours among the collector's; none while nothing may go, since it refers back to all this."""

    def watch(self, name: str, namespace: dict[str, object], found: Iterator[Chunk]) -> None:
        """Take in all that a module leads to that was met nowhere else."""
        position, count = len(self._chunks), len(self._seen)
        self._chunks += found
        positions = range(position, len(self._chunks))
        self.begun.update((one, self._chunks[one]) for one in positions)
        seen = tuple(islice(self._seen, count, None))
        self._meetings.append(_Meeting(name, identity(namespace), positions, seen))

    def take_in(self, found: Iterator[Chunk]) -> None:
        """Watch what imports left elsewhere, whatever becomes of the modules."""
        position = len(self._chunks)
        self._chunks += found
        self.begun.update((one, self._chunks[one]) for one in range(position, len(self._chunks)))

    def listen(self) -> None:
        """From now on, until the next look, modules may go."""
        if self._meetings:
            self._callback = self._let_go
            gc.callbacks.append(self._callback)

    def rest(self) -> None:
        """The heap is about to read its chunks: leave them as they are."""
        for position, callback in enumerate(gc.callbacks):
            if callback is self._callback:
                del gc.callbacks[position]
                break
        self._callback = None

    def clear(self) -> None:
        """No window is open that could ask what modules began with."""
        self.rest()
        self.begun.clear()
        self._meetings.clear()

    def _let_go(self, phase: str, _: object) -> None:
        if phase == "start":
            gone = [meeting for meeting in self._meetings if self._is_gone(meeting)]
            if gone:
                self._gone(frozenset(meeting.name for meeting in gone))
            for meeting in gone:
                self._meetings.remove(meeting)
                self.forget(meeting.seen)
                for position in meeting.positions:
                    self.begun[position] = self._chunks[position] = _GONE

    def forget(self, places: Iterable[int]) -> None:
        """Things that were seen are of no interest any more."""
        for place in places:
            if self._seen.pop(place, self) is not self:
                self.lost += 1

    def _is_gone(self, meeting: _Meeting) -> bool:
        module = self._modules.get(meeting.name)
        if module is None:
            return True
        # One that put an object of its own in its place, to load its parts lazily, lives on behind that.
        return type(module) is types.ModuleType and identity(module_namespace(module)) != meeting.namespace
