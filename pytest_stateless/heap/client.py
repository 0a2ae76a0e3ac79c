"""Whether what moved is how a client of a backing service keeps its connections.

A pool lends connections and counts them, a connection prepares statements: state that is kept where it belongs passes
through these. What they are is told by what they hold and by the interface that they have, never by a name.
"""

from __future__ import annotations

import _socket
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
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
_REACH: Final = 1000  # objects that are asked for a connection: a pool has it near
_FOLLOWED: Final = frozenset(map(identity, (dict, list, tuple, set, deque)))
_NUMBERS: Final = frozenset(map(identity, (int, float, type(None))))


def is_of_a_client(about: About, entry: Entry) -> bool:
    """Whether an entry is a client's own book-keeping: nothing of the application's, nor set by its code."""
    if about.change.kind is Kind.INSIDE:  # what a database in memory holds
        return False
    values = [value for value in (entry.before, entry.after) if value is not ABSENT]
    if any(map(about.is_of_the_application, values)):
        return False
    makers = [thing for thing in about.path.things if _is_made_elsewhere(about, thing)]
    if not makers:
        return False
    is_own = _counts_connections(about, makers[-1], values)
    is_own = is_own or (_is_below_a_connection(makers) and not _is_a_setting(about, makers[-1], entry.label))
    if not is_own and not all(_is_part_of(makers[-1], entry.label, value) for value in values):
        return False
    return not (about.attributes and type(entry.label) is str and entry.label in about.written())


def _is_made_elsewhere(about: About, thing: object) -> bool:
    """Whether an object is an instance of somebody else's class that isn't there to hold what others put in."""
    cls = type(thing)
    if plan_of(cls).kind in (Kind.CLASS, Kind.FUNCTION, Kind.MODULE):
        return False
    homes = list(map(module_name_of, mro_of(cls)))
    return homes[0] not in (*about.application, "builtins") and _HOLDERS.isdisjoint(homes)


_HOLDERS: Final = frozenset(
    {
        *("queue", "_queue", "asyncio.queues", "collections", "types", "argparse"),
        *("threading", "_thread", "weakref", "_weakrefset"),
    }
)
"""Modules whose classes, and those that inherit from them, hold things for whoever has them."""


def _is_of_python(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _is_below_a_connection(makers: list[Any]) -> bool:
    """Whether a connection is on the way, or one's owner that the last one on the way belongs to."""
    nearest = makers[-1]
    return any(
        _is_a_bare_connection(thing)
        or (
            thing is not nearest
            and _package(thing) == _package(nearest)
            and any(map(_is_a_bare_connection, _held(thing)))
        )
        for thing in makers
    )


def _is_a_setting(about: About, owner: Any, label: object) -> bool:
    """Whether it is a public attribute of a connection itself, by which whoever has it next gets other answers."""
    is_public = about.attributes and type(label) is str and not label.startswith("_")
    return is_public and _is_a_connection(owner)


def _counts_connections(about: About, owner: Any, values: list[Any]) -> bool:
    """Whether connections moved in what their owner holds, or a number did in what doesn't hold them itself."""
    if not all(identity(type(value)) in _NUMBERS or _leads_to_a_connection(value) for value in values):
        return False
    beside = None if about.attributes else about.change.container
    moved = any(identity(type(value)) not in _NUMBERS for value in values)
    return moved or _leads_to_a_connection(owner, beside)


def _is_part_of(owner: Any, label: object, value: object) -> bool:
    """Whether it is a private part of what has a connection itself: the last answer that it read from there."""
    if (
        type(label) is not str
        or not label.startswith("_")
        or not any(map(_is_a_bare_connection, _held(owner)))
    ):
        return False
    home = module_name_of(type(value))
    return value is None or (home != "builtins" and home in map(module_name_of, mro_of(type(owner))))


def _leads_to_a_connection(thing: Any, beside: object = None) -> bool:
    """Whether an object holds a connection, near and in objects of its own package."""
    package = _package(thing)
    if identity(type(thing)) in _FOLLOWED or package == "builtins":
        return False
    met = {identity(beside)}
    waiting = deque([thing])
    while waiting and len(met) < _REACH:
        one = waiting.popleft()
        if identity(one) in met:
            continue
        met.add(identity(one))
        if _is_a_connection(one):
            return True
        waiting.extend(held for held in get_referents(one) if _is_followed(held, package))
    return False


def _is_followed(held: object, package: str) -> bool:
    cls = type(held)
    if identity(cls) in _FOLLOWED:
        return True
    if plan_of(cls).kind in (Kind.ATOM, Kind.CLASS, Kind.FUNCTION, Kind.MODULE):
        return False
    own = _package(held) == package or (is_heap_type(cls) and _is_of_python(module_name_of(cls)))
    return own or _is_a_connection(held)


def _is_a_connection(thing: object) -> bool:
    return _is_a_line(type(thing)) or _names_of(type(thing)) >= _DATABASE


def _is_a_line(cls: type) -> bool:
    """Whether bytes go out through instances of a class."""
    return any(base is _socket.socket for base in mro_of(cls)) or _names_of(cls) >= _TRANSPORT


def _names_of(cls: type) -> set[str]:
    return {name for base in mro_of(cls) if base is not object for name in class_namespace(base)}


def _is_a_bare_connection(thing: Any) -> bool:
    """Whether it is one, rather than what a pool or a framework has around another."""
    if _is_a_line(type(thing)):
        return True
    return _is_a_connection(thing) and not any(map(_is_a_connection, _held(thing)))


def _held(thing: Any) -> Iterator[object]:
    """What an object holds under the names of its attributes."""
    plan = plan_of(type(thing))
    if plan.namespace is not None:
        yield from list(dict.values(plan.namespace(thing)))
    for _, get in plan.slots:
        try:
            yield get(thing)
        except AttributeError:  # not set
            continue


def _package(thing: object) -> str:
    return module_name_of(type(thing)).partition(".")[0]
