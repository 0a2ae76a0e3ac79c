"""Which of the watched containers the application's own modules lead to, and so may be looked at alone.

They are few, where the rest are the libraries': on a Flask process 180 of 16,000.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pytest_stateless.heap.chunk import Chunk
from pytest_stateless.heap.graph import Kind, Plan, identity
from pytest_stateless.heap.scope import Scope

_MANY: Final = (
    3  # one container in so many may be the application's; beyond, a look at these saves too little
)

Walk = Callable[[Scope], Iterable[int]]
"""Identities of all that can be reached within a scope."""


class Own:
    """Shares its heap's chunks. It keeps identities alone, of what the heap keeps."""

    def __init__(
        self,
        modules: Mapping[str, types.ModuleType],
        scope: Scope,
        chunks: Sequence[Chunk | None],
        walk: Walk,
        plan: Callable[[type], Plan],
    ) -> None:
        self._modules, self._scope, self._chunks = modules, scope, chunks
        self._walk, self._plan = walk, plan
        self._places: frozenset[int] | None = None
        self._positions: list[int] | None = None

    def find(self) -> frozenset[int]:
        """Identities of what the application's modules lead to, without a way through others."""
        if self._places is None:
            own = frozenset(name for name in list(self._modules) if self._owns(name))
            self._places = frozenset(self._walk(replace(self._scope, modules=own)))
        return self._places

    def _owns(self, name: str) -> bool:
        return self._scope.enters_module(name) and self._scope.owns(name)

    @property
    def positions(self) -> list[int]:
        """Those of the chunks with such containers."""
        if self._positions is None:
            places = self.find()
            self._positions = [
                position
                for position, chunk in enumerate(self._chunks)
                if chunk is not None and not places.isdisjoint(map(identity, chunk.containers))
            ]
        return self._positions

    @property
    def are_known(self) -> bool:
        """Whether no application's container is known to lead elsewhere than it did."""
        return self._places is not None

    @property
    def are_few(self) -> bool:
        """Whether they are so few of all that it is worth to look at them alone."""
        own = sum(len(chunk.containers) for position in self.positions if (chunk := self._chunks[position]))
        return own * _MANY <= sum(len(chunk.containers) for chunk in self._chunks if chunk)

    def note(self, position: int, arrived: Iterable[Any]) -> None:
        """A chunk was found changed, and holds what it didn't hold: it may lead to more from now on."""
        if self._places is None or (self._positions is not None and position not in self._positions):
            return
        if any(self._plan(type(thing)).kind is not Kind.ATOM for thing in arrived):
            self.forget()

    def move(self) -> None:
        """Chunks got other positions."""
        self._positions = None

    def forget(self) -> None:
        """They must be found out anew."""
        self._places = self._positions = None

    def divided(self, containers: list[Any]) -> tuple[list[Any], list[Any]]:
        """The application's and the others, to be in chunks of their own: a look at these reads no others."""
        places = self.find()
        own = [thing for thing in containers if identity(thing) in places]
        return own, [thing for thing in containers if identity(thing) not in places]
