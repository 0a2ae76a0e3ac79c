"""Tells by one comparison that nothing moved in all the dictionaries and lists from which lines of the table are read.

Most lines are read from what Python keeps in the memory: names of modules, registries, lists of hooks. To read them one
by one costs ten times what it costs to ask the garbage collector once for all that is in these, and to compare that by
identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from gc import get_referents
from itertools import chain
from typing import Any, NamedTuple

from pytest_stateless.heap.compare import same as identical


class Holder(NamedTuple):
    """A dictionary, a list or an object from which a line is read."""

    thing: Any
    is_keyed: bool = False
    """Whether the keys of a dictionary matter too. Of keys that are texts, the garbage collector tells nothing."""


class Gate:
    """What was in some holders when the gate was made. It is to be made before what is in them is read."""

    __slots__ = ("_keyed", "_keys", "_links", "_things")

    def __init__(self, holders: Iterable[Holder]) -> None:
        things: dict[int, Any] = {}
        keyed: dict[int, Any] = {}
        for holder in holders:
            things[id(holder.thing)] = holder.thing
            if holder.is_keyed:
                keyed[id(holder.thing)] = holder.thing
        self._things, self._keyed = [*things.values()], [*keyed.values()]
        self._links, self._keys = self._look()

    def is_shut(self) -> bool:
        """Whether the very same is there still."""
        links, keys = self._look()
        return identical(links, self._links) and identical(keys, self._keys)

    def _look(self) -> tuple[list[Any], list[Any]]:
        return get_referents(*self._things), [*chain.from_iterable(self._keyed)]
