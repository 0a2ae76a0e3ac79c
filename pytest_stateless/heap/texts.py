"""What things hold of text and bytes, read with a few calls in C for many of them. No code of the program runs."""

from __future__ import annotations

import types
from collections.abc import Container, Sequence
from contextvars import Context, ContextVar
from itertools import chain, compress
from operator import not_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.chunk import Chunk
from pytest_stateless.heap.content import Content, content_of
from pytest_stateless.heap.graph import Kind, get_referents, identity, mro_of
from pytest_stateless.heap.holders import LOCAL, held

_TEXTS: Final = (str, bytes)
_OF_ANY_TYPE: Final = frozenset({Kind.OBJECT, Kind.OPAQUE})
_FUNCTION: Final = frozenset({identity(types.FunctionType)})


class Texts(NamedTuple):
    """What some things hold of text and bytes. Apart: a text is never compared with bytes."""

    strings: set[str]
    binaries: set[bytes]


def _texts_among(things: Sequence[Any]) -> Texts:
    return Texts({one for one in things if type(one) is str}, {one for one in things if type(one) is bytes})


class Kinds:
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

    def texts(self, things: Sequence[Any]) -> Texts:
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
        return _texts_among(around)

    def texts_of(self, chunk: Chunk) -> Texts:
        """What the containers of a chunk held when they were read: the same, for a fraction of the cost."""
        around = [*chunk.referents, *chunk.keys, *chain.from_iterable(chunk.ordered.values())]
        if chunk.kind is Kind.HELD:  # the defaults of a function
            around += get_referents(*(one for one in chunk.referents if type(one) is tuple))
        if chunk.kind in _OF_ANY_TYPE:
            around += map(self.text_of, chunk.containers)
        return _texts_among(around)

    def with_contents(self, things: Sequence[Any]) -> list[Any]:
        """Those that keep bytes inside."""
        return list(compress(things, map(self.contents.__contains__, map(identity, map(type, things)))))

    def text_of(self, thing: Any) -> Any:
        """A text or bytes, of a subclass too, as what it is at heart; None for anything else."""
        if type(thing) is str or type(thing) is bytes:
            return thing
        own = self._own.get(identity(type(thing)))
        if own is None:
            return None
        return str.__str__(thing) if own is str else bytes.__getitem__(thing, slice(None))
