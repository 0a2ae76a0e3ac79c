"""All that a heap met, in batches that are searched together.

What can change is in one batch with the rest of its chunk, which the heap replaces by another when something in it
does. What can't change is in one batch with what was met beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any, Final

from pytest_stateless.heap.change import Snapshot
from pytest_stateless.heap.chunk import Chunk
from pytest_stateless.heap.graph import Kind, identity
from pytest_stateless.heap.met import Count
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.texts import Kinds
from pytest_stateless.needles import Straw, straw_of

_INSIDE: Final = frozenset({Kind.INSIDE, Kind.OPAQUE})  # what keeps bytes inside is one of these
_SIZE: Final = 1024  # things that can't change


@dataclass(eq=False, slots=True)
class Batch:
    """Things that are searched together."""

    source: Chunk | slice
    """A chunk of containers, or which of the things that were met; only what can't change of these."""
    searched: int = 0
    """How many needles were looked for."""
    straw: Straw | None = None
    """The texts in it, once they were asked for: there may be needles to come."""
    has_buffers: bool = False
    """Whether anything in it keeps bytes inside, which aren't in the straw; of use once there is one."""


class Batches:
    """Those of one heap."""

    def __init__(self, heap: Heap, kinds: Kinds) -> None:
        self._heap, self._kinds = heap, kinds
        self._chunks: dict[int, Batch] = {}
        """By the identity of the chunk."""
        self._met: list[Batch] = []
        """Of the things that were met, in this order; they hold none of them."""
        self._lost = 0
        """How many things the heap had forgotten when these were counted."""
        self._things: list[Any] = []
        """All that were met, while they are searched."""
        self._fixed: set[int] = set()
        """The types of those that can't change, by identity."""
        self._noted: tuple[Snapshot, Count] | None = None
        """What there was at the moment that was noted."""

    def begin(self) -> None:
        """No needle was looked for."""
        for batch in (*self._chunks.values(), *self._met):
            batch.searched = 0

    def note(self) -> None:
        """What is there now, and doesn't change, is older than what comes; the first call until ``rest`` counts."""
        if self._noted is None:
            self._noted = self._heap.chunks, self._heap.met

    def rest(self) -> None:
        """Hold nothing that the heap doesn't hold."""
        self._noted = None
        if self._chunks:
            self._take_chunks(self._heap.chunks)

    def of(self, snapshot: Snapshot) -> Iterator[tuple[Batch, bool]]:
        """All batches, and whether they are older than the moment that was noted and as they were then."""
        older, met = self._noted or ((), Count(0, 0))
        self._take_chunks(snapshot)
        self._take_met(self._heap.met)
        known = set(map(identity, older))
        try:
            for place, batch in self._chunks.items():
                yield batch, place in known
            for batch in self._met:
                assert isinstance(batch.source, slice)
                yield batch, met.lost == self._lost and batch.source.stop <= met.size
        finally:
            self._things = []

    def _take_chunks(self, snapshot: Snapshot) -> None:
        known = self._chunks
        self._chunks = {
            place: known.get(place) or Batch(chunk) for place, chunk in _by_identity(snapshot).items()
        }

    def _take_met(self, now: Count) -> None:
        if now.lost != self._lost:
            self._met, self._lost = [], now.lost  # the others have moved up
        begin: int = self._met[-1].source.stop if self._met else 0  # type: ignore[union-attr]
        bounds = {begin, now.size, *range(begin, now.size, _SIZE)}
        self._met += [Batch(slice(*both)) for both in pairwise(sorted(bounds))]

    def things(self, batch: Batch) -> Sequence[Any]:
        """What is in a batch."""
        if isinstance(batch.source, Chunk):
            return batch.source.containers
        if not self._things:
            self._things = self._heap.things()
            types = self._heap.types()
            self._fixed = {identity(cls) for cls in types if self._heap.plan(cls).kind < Kind.DICT}
        some = self._things[batch.source]
        return list(compress(some, map(self._fixed.__contains__, map(identity, map(type, some)))))

    def straw(self, batch: Batch) -> Straw:
        """The texts in a batch."""
        if batch.straw is None:
            kinds, source = self._kinds, batch.source
            if isinstance(source, Chunk):
                batch.straw = straw_of(*kinds.texts_of(source))
                batch.has_buffers = source.kind in _INSIDE and bool(kinds.with_contents(source.containers))
            else:
                batch.straw = straw_of(*kinds.texts(self.things(batch)))
        return batch.straw


def _by_identity(snapshot: Snapshot) -> dict[int, Chunk]:
    return {identity(chunk): chunk for chunk in snapshot if chunk is not None}
