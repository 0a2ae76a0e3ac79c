"""Which objects are connections to a backing service, and which lead to one: told by what they can and hold.

No name of a library's is known here. What was found is remembered for one comparison, which may ask of many objects.
"""

from __future__ import annotations

import _socket
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.graph import (
    Kind,
    class_namespace,
    get_referents,
    identity,
    is_heap_type,
    module_name_of,
    mro_of,
    plan_of,
)

_DATABASE: Final = frozenset({"cursor", "commit", "rollback", "close"})
"""What connections to databases can: PEP 249."""
_TRANSPORT: Final = frozenset({"get_extra_info", "is_closing", "close"})
"""What asyncio's transports and streams can."""
_NEAR: Final = 1000  # objects that are asked for a connection: a pool has it near
_PATIENCE: Final = 50_000  # objects that are asked in one comparison; a leak of more is told as it is
_DEAD_ENDS: Final = (Kind.ATOM, Kind.CLASS, Kind.FUNCTION, Kind.MODULE)
_FOLLOWED: Final = frozenset(map(identity, (dict, list, tuple, set, deque)))


class Reach:
    """What leads to a connection. It lives as long as one comparison, which keeps what is asked alive."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int], bool] = {}
        self._classes: dict[int, tuple[bool, bool]] = {}
        """By class, whether bytes go out through its instances, and whether these are connections to databases."""
        self._followed: dict[tuple[int, str], bool] = {}
        """By class and package, whether a search from an object of the package goes through its instances."""
        self._bare: dict[int, bool] = {}
        """By object, whether it has a bare connection."""
        self.made_elsewhere: dict[int, bool] = {}
        """By class, what ``client`` found out about it."""
        self._left = _PATIENCE

    def is_a_connection(self, thing: object) -> bool:
        """Whether an object is a connection, be it one that has another one inside."""
        return any(self._kinds(type(thing)))

    def is_bare(self, thing: Any) -> bool:
        """Whether it is one, rather than what a pool or a framework has around another."""
        is_line, is_database = self._kinds(type(thing))
        return is_line or (is_database and not any(map(self.is_a_connection, held_by(thing))))

    def has_bare(self, thing: Any) -> bool:
        """Whether one of its attributes is a bare one."""
        place = identity(thing)
        if place not in self._bare:
            self._bare[place] = any(map(self.is_bare, held_by(thing)))
        return self._bare[place]

    def leads_there(self, thing: Any, beside: object = None) -> bool:
        """Whether an object holds a connection, near, in objects of its own package and in another place than one."""
        place = identity(thing), identity(beside)
        if place not in self._found:
            self._found[place] = self._search(thing, beside)
        return self._found[place]

    def _search(self, thing: Any, beside: object) -> bool:
        package = package_of(thing)
        if identity(type(thing)) in _FOLLOWED or package == "builtins":
            return False
        met = {identity(beside)}
        waiting = deque([thing])
        while waiting and len(met) < _NEAR and self._left > 0:
            one = waiting.popleft()
            if identity(one) in met:
                continue
            met.add(identity(one))
            self._left -= 1
            if self.is_a_connection(one):
                return True
            waiting.extend(held for held in get_referents(one) if self._is_followed(held, package))
        return False

    def _is_followed(self, held: object, package: str) -> bool:
        key = identity(type(held)), package
        if key not in self._followed:
            self._followed[key] = self._goes_through(held, package)
        return self._followed[key]

    def _goes_through(self, held: object, package: str) -> bool:
        cls = type(held)
        if identity(cls) in _FOLLOWED:
            return True
        if plan_of(cls).kind in _DEAD_ENDS:
            return False
        home = package_of(held)
        own = home == package or (is_heap_type(cls) and home in sys.stdlib_module_names)
        return own or self.is_a_connection(held)

    def _kinds(self, cls: type) -> tuple[bool, bool]:
        place = identity(cls)
        if place not in self._classes:
            bases = mro_of(cls)
            names = {name for base in bases if base is not object for name in class_namespace(base)}
            is_socket = any(base is _socket.socket for base in bases)
            self._classes[place] = is_socket or names >= _TRANSPORT, names >= _DATABASE
        return self._classes[place]


def held_by(thing: Any) -> Iterator[object]:
    """What an object holds under the names of its attributes."""
    plan = plan_of(type(thing))
    if plan.namespace is not None:
        yield from list(dict.values(plan.namespace(thing)))
    for _, get in plan.slots:
        try:
            yield get(thing)
        except AttributeError:  # not set
            continue


def package_of(thing: object) -> str:
    """The package that made the class of an object."""
    return module_name_of(type(thing)).partition(".")[0]
