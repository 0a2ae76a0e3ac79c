"""Searches the texts that can be reached from the modules, and says where they are held.

All texts are put into a few large ones, which are searched in C. Only where something is found, each holder is looked
at by itself. No code of the program runs.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextvars import Context, ContextVar
from itertools import chain
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.content import Content, content_of
from pytest_stateless.heap.graph import get_referents, identity, mro_of
from pytest_stateless.heap.holders import LOCAL, held
from pytest_stateless.heap.path import Label, Path, edges, find_paths
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import spell_entry
from pytest_stateless.needles import Found, Needle, Straw, encoded, found_in, straws

_BLOCK: Final = 256  # holders that are looked at together
_TEXTS: Final = (str, bytes)


class Place(NamedTuple):
    """Where something was found."""

    subject: str
    """Spelled as Python; it may have the needle in it."""
    path: Path
    """Of the holder."""
    found: Found


def search(
    heap: Heap, groups: Sequence[Mapping[str, types.ModuleType]], needles: Sequence[Needle]
) -> list[Place]:
    """Where modules lead to a text with a needle in it.

    ``heap`` must have been looked at just now. ``groups`` are modules by name, in the order in which paths begin at
    them.
    """
    things, kinds = heap.things(), _Kinds(heap.types())
    hits = _Hits(kinds, needles)
    holders = [*hits.holders(things), *hits.buffers(things)]
    paths = find_paths(holders, heap, groups) if holders else {}
    return [
        place
        for holder in holders
        if (path := paths.get(identity(holder))) is not None  # else only the heap itself still holds it
        for place in hits.places(heap, holder, path)
    ]


class _Texts(NamedTuple):
    """What some things hold of text and bytes, each once or more. Apart: a text is never compared with bytes."""

    strings: list[str]
    binaries: list[bytes]


class _Kinds:
    """Which types show their texts in another way than by referents."""

    def __init__(self, classes: Iterable[type]) -> None:
        self._own: dict[int, type] = {}
        self._keyed: set[int] = set()
        self._held: set[int] = set()
        self.contents: dict[int, Content] = {}
        for cls in classes:
            self._sort(cls)

    def _sort(self, cls: type) -> None:
        place, bases = identity(cls), mro_of(cls)
        for text in _TEXTS:
            if any(base is text for base in bases):
                self._own[place] = text
        if any(base is dict for base in bases):
            self._keyed.add(place)
        if any(base is one for base in bases for one in (ContextVar, Context, LOCAL)):
            self._held.add(place)
        content = content_of(cls)
        if content is not None:
            self.contents[place] = content

    def texts(self, things: Sequence[Any]) -> _Texts:
        """What things hold, and what they are themselves at heart."""
        keyed = [thing for thing in things if identity(type(thing)) in self._keyed]
        functions = [thing for thing in things if type(thing) is types.FunctionType]
        holders = [thing for thing in things if identity(type(thing)) in self._held]
        # The defaults of a function are met one by one, never the tuple that they are in.
        defaults = [one for one in get_referents(*functions) if type(one) is tuple]
        around: list[Any] = [
            *get_referents(*things),
            *get_referents(*defaults),
            *chain.from_iterable(map(dict.__iter__, keyed)),  # not shown where all are texts
            *chain.from_iterable(map(dict.values, keyed)),  # not shown by an instance's dictionary on 3.13
            *chain.from_iterable(map(held, holders)),
            *(self.text_of(thing) for thing in things if identity(type(thing)) in self._own),
        ]
        return _Texts(
            [one for one in around if type(one) is str], [one for one in around if type(one) is bytes]
        )

    def text_of(self, thing: Any) -> Any:
        """A text or bytes, of a subclass too, as what it is at heart; None for anything else."""
        if type(thing) is str or type(thing) is bytes:
            return thing
        own = self._own.get(identity(type(thing)))
        if own is None:
            return None
        return str.__str__(thing) if own is str else bytes.__getitem__(thing, slice(None))


class _Hits:
    """Which texts have a needle in them, and who holds these."""

    def __init__(self, kinds: _Kinds, needles: Sequence[Needle]) -> None:
        self._kinds = kinds
        self._needles = needles
        self._shortest = min(needle.length for needle in needles)
        self._strings: dict[str, Found] = {}
        self._binaries: dict[bytes, Found] = {}
        self._inside: dict[int, Found] = {}

    def holders(self, things: Sequence[Any]) -> Iterator[Any]:
        """Those that hold a text with a needle in it, or are one."""
        strings, binaries = self._kinds.texts(things)
        self._strings = self._look_at({encoded(text): text for text in self._long(set(strings))})
        self._binaries = self._look_at({text: text for text in self._long(set(binaries))})
        if self._strings or self._binaries:
            for start in range(0, len(things), _BLOCK):
                block = things[start : start + _BLOCK]
                if self._has_hit(block):
                    yield from (thing for thing in block if self._has_hit([thing]))

    def _long(self, texts: Iterable[Any]) -> list[Any]:
        return [text for text in texts if len(text) >= self._shortest]

    def _look_at(self, texts: Mapping[bytes, Any]) -> dict[Any, Found]:
        if not any(found_in(straw, self._needles) for straw in straws(texts)):
            return {}
        each = ((text, found_in(Straw(raw), self._needles)) for raw, text in texts.items())
        return {text: found for text, found in each if found}

    def _has_hit(self, things: Sequence[Any]) -> bool:
        strings, binaries = self._kinds.texts(things)
        return not (self._strings.keys().isdisjoint(strings) and self._binaries.keys().isdisjoint(binaries))

    def buffers(self, things: Iterable[Any]) -> Iterator[Any]:
        """Those that keep bytes inside with a needle in them."""
        contents = self._kinds.contents
        for thing in things:
            read = contents.get(identity(type(thing)))
            found = {} if read is None else found_in(Straw(read(thing)), self._needles)
            if found:
                self._inside[identity(thing)] = found
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
