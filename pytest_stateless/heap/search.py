"""Searches the texts that can be reached from the modules, and says where they are held.

All texts are put into a few large ones, which are searched in C. Only where something is found, each holder is looked
at by itself. No code of the program runs.
"""

from __future__ import annotations

import types
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextvars import Context, ContextVar
from itertools import chain, compress, repeat
from operator import is_, not_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.change import Snapshot
from pytest_stateless.heap.content import Content, content_of
from pytest_stateless.heap.graph import get_referents, identity, mro_of
from pytest_stateless.heap.holders import LOCAL, held
from pytest_stateless.heap.path import Label, Path, edges, find_paths
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import spell_entry
from pytest_stateless.needles import Found, Needle, Straw, encoded, found_in, straws

_BLOCK: Final = 256  # holders that are looked at together
_TEXTS: Final = (str, bytes)
_FUNCTION: Final = frozenset({identity(types.FunctionType)})


class Place(NamedTuple):
    """Where something was found."""

    subject: str
    """Spelled as Python; it may have the needle in it."""
    path: Path
    """Of the holder."""
    found: Found


class Search:
    """Searches one heap again and again.

    What didn't change since the last time isn't searched again. It holds live objects, as the heap does.
    """

    def __init__(self, heap: Heap) -> None:
        self.heap = heap
        self._kinds = _Kinds()
        self._begin(())

    def _begin(self, needles: tuple[Needle, ...]) -> None:
        self._needles = needles
        self._hits = _Hits(self._kinds)
        self._snapshot: Snapshot = ()
        self._met = 0
        """How many things were searched."""
        self._holders: dict[int, Any] = {}

    def find(
        self, snapshot: Snapshot, groups: Sequence[Mapping[str, types.ModuleType]], needles: Sequence[Needle]
    ) -> list[Place]:
        """Where modules lead to a text with a needle in it.

        ``snapshot`` is what the heap saw just now. ``groups`` are modules by name, in the order in which paths begin
        at them.
        """
        known = len(self._needles)
        if not _same(needles[:known], self._needles):
            self._begin(())
            known = 0
        self._kinds.learn(self.heap.types())
        fresh = self._fresh(snapshot, wanted=known > 0)
        self._needles = self._hits.needles = tuple(needles)
        if len(needles) > known:
            self._look_at(self.heap.things(), known)
        if known:
            self._look_at(fresh, 0)
        paths = find_paths(self._holders.values(), self.heap, groups) if self._holders else {}
        # What has no path is held by nobody but the heap.
        self._holders = {place: holder for place, holder in self._holders.items() if place in paths}
        return [
            place
            for number, holder in self._holders.items()
            for place in self._hits.places(self.heap, holder, paths[number])
        ]

    def _fresh(self, snapshot: Snapshot, *, wanted: bool) -> list[Any]:
        """What was met since the last time, and what holds something else than then; nothing unless it is wanted."""
        fresh: list[Any] = []
        things = self.heap.things()
        if wanted:
            for position, chunk in enumerate(snapshot):
                before = self._snapshot[position] if position < len(self._snapshot) else chunk
                if chunk is not before and chunk is not None:
                    fresh += chunk.containers
            fresh += things[self._met :]
        self._snapshot, self._met = snapshot, len(things)
        return fresh

    def _look_at(self, things: list[Any], since: int) -> None:
        """Search things for the needles from a position on."""
        for thing in (*self._hits.holders(things, since), *self._hits.buffers(things, since)):
            self._holders[identity(thing)] = thing


def _same(some: Sequence[object], others: Sequence[object]) -> bool:
    return len(some) == len(others) and all(map(is_, some, others))


class _Texts(NamedTuple):
    """What some things hold of text and bytes. Apart: a text is never compared with bytes."""

    strings: set[str]
    binaries: set[bytes]


class _Kinds:
    """Which types show their texts in another way than by referents."""

    def __init__(self) -> None:
        self._learnt = 0
        self._own: dict[int, type] = {}
        self._keyed: set[int] = set()
        self._held: set[int] = set()
        self._modules: set[int] = set()
        self.contents: dict[int, Content] = {}

    def learn(self, classes: Sequence[type]) -> None:
        """Sort those that were met since the last time."""
        for cls in classes[self._learnt :]:
            self._sort(cls)
        self._learnt = len(classes)

    def _sort(self, cls: type) -> None:
        place, bases = identity(cls), mro_of(cls)
        for text in _TEXTS:
            if any(base is text for base in bases):
                self._own[place] = text
        if any(base is dict for base in bases):
            self._keyed.add(place)
        if any(base is types.ModuleType for base in bases):
            self._modules.add(place)
        if any(base is one for base in bases for one in (ContextVar, Context, LOCAL)):
            self._held.add(place)
        content = content_of(cls)
        if content is not None:
            self.contents[place] = content

    def texts(self, things: Sequence[Any]) -> _Texts:
        """What things hold, and what they are themselves at heart."""
        places = list(map(identity, map(type, things)))

        def of(wanted: Container[int]) -> list[Any]:
            return list(compress(things, map(wanted.__contains__, places)))

        keyed = of(self._keyed)
        # The defaults of a function are met one by one, never the tuple that they are in.
        defaults = [one for one in get_referents(*of(_FUNCTION)) if type(one) is tuple]
        # What a module has is in its dictionary, which is a thing of its own. The module itself may not be asked: on
        # 3.12, _asyncio hands out what it keeps for later use, as if that were alive, and never comes to an end then.
        others = compress(things, map(not_, map(self._modules.__contains__, places)))
        around: list[Any] = get_referents(*others)
        around += get_referents(*defaults)
        around += chain.from_iterable(map(dict.__iter__, keyed))  # not shown where all are texts
        # Nor are the values of an instance's dictionary shown on 3.13.
        around += chain.from_iterable(map(dict.values, keyed))
        around += chain.from_iterable(map(held, of(self._held)))
        around += map(self.text_of, of(self._own))
        classes = list(map(type, around))
        strings, binaries = (set(compress(around, map(is_, classes, repeat(text)))) for text in _TEXTS)
        return _Texts(strings, binaries)

    def text_of(self, thing: Any) -> Any:
        """A text or bytes, of a subclass too, as what it is at heart; None for anything else."""
        if type(thing) is str or type(thing) is bytes:
            return thing
        own = self._own.get(identity(type(thing)))
        if own is None:
            return None
        return str.__str__(thing) if own is str else bytes.__getitem__(thing, slice(None))


def _of(places: Container[int], things: Iterable[Any]) -> list[Any]:
    """The things of some types."""
    some = list(things)
    return list(compress(some, map(places.__contains__, map(identity, map(type, some)))))


class _Hits:
    """Which texts have a needle in them, and who holds these."""

    def __init__(self, kinds: _Kinds) -> None:
        self._kinds = kinds
        self.needles: tuple[Needle, ...] = ()
        self._strings: dict[str, Found] = {}
        self._binaries: dict[bytes, Found] = {}
        self._inside: dict[int, Found] = {}

    def holders(self, things: Sequence[Any], since: int) -> Iterator[Any]:
        """Those that hold a text with a needle in it, or are one."""
        strings, binaries = self._kinds.texts(things)
        shortest = min(needle.length for needle in self.needles[since:])
        for known, texts in (
            (self._strings, {encoded(text): text for text in strings if len(text) >= shortest}),
            (self._binaries, {text: text for text in binaries if len(text) >= shortest}),
        ):
            for text, found in self._look_at(texts, since):
                known[text] = {**known.get(text, {}), **found}
        if self._strings or self._binaries:
            for start in range(0, len(things), _BLOCK):
                block = things[start : start + _BLOCK]
                if self._has_hit(block):
                    yield from (thing for thing in block if self._has_hit([thing]))

    def _look_at(self, texts: Mapping[bytes, Any], since: int) -> Iterator[tuple[Any, Found]]:
        if any(self._in(straw, since) for straw in straws(texts)):
            each = ((text, self._in(Straw(raw), since)) for raw, text in texts.items())
            yield from ((text, found) for text, found in each if found)

    def _in(self, straw: Straw, since: int) -> Found:
        found = found_in(straw, self.needles[since:])
        return {position + since: spelling for position, spelling in found.items()}

    def _has_hit(self, things: Sequence[Any]) -> bool:
        strings, binaries = self._kinds.texts(things)
        return not (self._strings.keys().isdisjoint(strings) and self._binaries.keys().isdisjoint(binaries))

    def buffers(self, things: Iterable[Any], since: int) -> Iterator[Any]:
        """Those that keep bytes inside with a needle in them."""
        contents = self._kinds.contents
        for thing in _of(contents, things):
            place = identity(thing)
            found = self._in(Straw(contents[identity(type(thing))](thing)), since)
            self._inside[place] = {**self._inside.get(place, {}), **found} if since else found
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
