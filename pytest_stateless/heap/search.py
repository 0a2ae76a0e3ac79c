"""Searches the texts that can be reached from the modules, and says where they are held.

Things are searched in batches: their texts are put into a few large ones, which are searched in C. Only where something
is found, each holder is looked at by itself. No code of the program runs.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import is_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.batches import Batch, Batches
from pytest_stateless.heap.change import Snapshot
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.path import Label, Path, edges, find_paths
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import spell_entry
from pytest_stateless.heap.texts import Kinds
from pytest_stateless.needles import Found, Needle, Straw, encoded, found_in

Modules = Mapping[str, types.ModuleType]

_BLOCK: Final = 16  # things that are looked at together where something was found


class Place(NamedTuple):
    """Where something was found."""

    subject: str
    """Spelled as Python; it may have the needle in it."""
    path: Path
    """Of the holder."""
    found: Found


class Search:
    """Searches one heap again and again.

    What didn't change since the last time isn't searched again, nor is what didn't change since ``note`` for a needle
    that was made after it. It holds live objects, as the heap does.
    """

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self._kinds = Kinds()
        self._batches = Batches(heap, self._kinds)
        self._begin()

    def _begin(self) -> None:
        self._needles: tuple[Needle, ...] = ()
        self._hits = _Hits(self._kinds)
        self._holders: dict[int, Any] = {}
        self._batches.begin()

    def note(self) -> None:
        """No needle is looked for: none that is made from now on is in what didn't change since."""
        self._batches.note()

    def rest(self) -> None:
        """No window is open: hold nothing that the heap doesn't."""
        self._begin()
        self._batches.rest()

    def find(
        self, snapshot: Snapshot, groups: Callable[[], Sequence[Modules]], needles: Sequence[Needle]
    ) -> list[Place]:
        """Where modules lead to a text with a needle in it.

        ``snapshot`` is what the heap saw just now. ``groups`` gives modules by name, in the order in which paths begin
        at them; asked only where something is held.
        """
        if not _same(needles[: len(self._needles)], self._needles):
            self._begin()
        self._kinds.learn(self.heap.types())
        self._needles = self._hits.needles = tuple(needles)
        self._look_at(snapshot)
        paths = find_paths(self._holders.values(), self.heap, groups()) if self._holders else {}
        # What has no path is held by nobody but the heap.
        self._holders = {place: holder for place, holder in self._holders.items() if place in paths}
        return [
            place
            for number, holder in self._holders.items()
            for place in self._hits.places(self.heap, holder, paths[number])
        ]

    def _look_at(self, snapshot: Snapshot) -> None:
        """Search what may have a needle in it that wasn't looked for there."""
        count = len(self._needles)
        older = [position for position, needle in enumerate(self._needles) if not needle.is_new]
        for batch, is_older in self._batches.of(snapshot):
            since, batch.searched = batch.searched, count
            wanted = [position for position in (older if is_older else range(count)) if position >= since]
            for thing in self._hits_of(batch, wanted) if wanted else ():
                self._holders[identity(thing)] = thing

    def _hits_of(self, batch: Batch, wanted: Sequence[int]) -> Iterator[Any]:
        has_text = self._hits.are_in(self._batches.straw(batch), wanted)
        if has_text or batch.has_buffers:
            things = self._batches.things(batch)
            yield from self._hits.holders(things, wanted) if has_text else ()
            yield from self._hits.buffers(things, wanted)


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


class _Hits:
    """Which texts have a needle in them, and who holds these."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self.needles: tuple[Needle, ...] = ()
        self._strings: dict[str, Found] = {}
        self._binaries: dict[bytes, Found] = {}
        self._inside: dict[int, Found] = {}

    def are_in(self, straw: Straw, wanted: Sequence[int]) -> bool:
        """Whether any of the wanted needles is in many texts; it may reach from one into the next."""
        return bool(self._in(straw, wanted))

    def holders(self, things: Sequence[Any], wanted: Sequence[int]) -> Iterator[Any]:
        """Those that hold a text with a needle in it, or are one."""
        self._learn(things, wanted)
        for start in range(0, len(things), _BLOCK):
            block = things[start : start + _BLOCK]
            if self._has_hit(block):
                yield from (thing for thing in block if self._has_hit([thing]))

    def _learn(self, things: Sequence[Any], wanted: Sequence[int]) -> None:
        """Look at each text of things by itself."""
        strings, binaries = self._kinds.texts(things)
        for text in strings:
            found = self._in(Straw(encoded(text)), wanted)
            if found:
                self._strings[text] = {**self._strings.get(text, {}), **found}
        for raw in binaries:
            found = self._in(Straw(raw), wanted)
            if found:
                self._binaries[raw] = {**self._binaries.get(raw, {}), **found}

    def _in(self, straw: Straw, wanted: Sequence[int]) -> Found:
        return found_in(straw, self.needles, wanted)

    def _has_hit(self, things: Sequence[Any]) -> bool:
        strings, binaries = self._kinds.texts(things)
        return not (self._strings.keys().isdisjoint(strings) and self._binaries.keys().isdisjoint(binaries))

    def buffers(self, things: Sequence[Any], wanted: Sequence[int]) -> Iterator[Any]:
        """Those that keep bytes inside with a needle in them."""
        contents = self._kinds.contents
        for thing in self._kinds.with_contents(things):
            place = identity(thing)
            found = self._in(Straw(contents[identity(type(thing))](thing)), wanted)
            self._inside[place] = {**self._inside.get(place, {}), **found} if wanted[0] else found
            if found:
                yield thing

    def places(self, heap: Heap, holder: Any, path: Path) -> Iterator[Place]:
        """Where in a holder they are."""
        whole = self._inside.get(identity(holder)) or self._of(holder)
        if whole:
            yield Place(path.text, path, whole)
            return
        for label, thing, _ in edges(heap, holder, path.namespace):
            key = self._of(label[0]) if type(label) is tuple else {}
            found = {**self._of(thing), **key} if label != "<key>" else {}
            if found:
                yield Place(path.text + _spelled(label), path, found)

    def _of(self, thing: Any) -> Found:
        text = self._kinds.text_of(thing)
        if text is None:
            return {}
        return self._strings.get(text, {}) if type(text) is str else self._binaries.get(text, {})


def _spelled(label: Label) -> str:
    if isinstance(label, str):
        return "" if label.startswith("<") else label  # what is in a set has no place of its own
    return spell_entry(*label)
