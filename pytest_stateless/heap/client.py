"""Whether what moved is how a client of a backing service keeps its connections.

A pool lends connections and counts them, a connection prepares statements: state that is kept where it belongs passes
through these. What they are is told by what they hold and by the interface that they have, never by a name.
"""

from __future__ import annotations

from typing import Any, Final

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import Kind, identity, module_name_of, mro_of, plan_of
from pytest_stateless.heap.reach import Reach, package_of

_NUMBERS: Final = frozenset(map(identity, (int, float, type(None))))


def is_of_a_client(about: About, entry: Entry) -> bool:
    """Whether an entry is a client's own book-keeping: nothing of the application's, nor set by its code."""
    if about.change.kind is Kind.INSIDE:  # what a database in memory holds
        return False
    values = [value for value in (entry.before, entry.after) if value is not ABSENT]
    if any(map(about.is_of_the_application, values)):
        return False
    reach = about.reach or Reach()
    makers = [thing for thing in about.path.things if _is_made_elsewhere(about, reach, thing)]
    if not makers:
        return False
    if _follows_its_connection(about, reach, makers[-1], entry.label, values):
        return True
    is_own = _counts_connections(about, reach, makers[-1], values)
    is_own = is_own or (
        _is_below_a_connection(reach, makers) and not _is_a_setting(about, reach, makers[-1], entry.label)
    )
    if not is_own and not all(_is_part_of(reach, makers[-1], entry.label, value) for value in values):
        return False
    return not (about.attributes and type(entry.label) is str and entry.label in about.written())


def _is_made_elsewhere(about: About, reach: Reach, thing: object) -> bool:
    """Whether an object is an instance of somebody else's class that isn't there to hold what others put in."""
    place = identity(type(thing))
    if place not in reach.made_elsewhere:
        reach.made_elsewhere[place] = _makes_its_own(about, type(thing))
    return reach.made_elsewhere[place]


def _makes_its_own(about: About, cls: type) -> bool:
    if plan_of(cls).kind in (Kind.CLASS, Kind.FUNCTION, Kind.MODULE):
        return False
    homes = list(map(module_name_of, mro_of(cls)))
    own = homes[0] == "builtins" or homes[0] in about.application
    return not own and _HOLDERS.isdisjoint(homes)


_HOLDERS: Final = frozenset(
    {
        *("queue", "_queue", "asyncio.queues", "collections", "types", "argparse"),
        *("threading", "_thread", "weakref", "_weakrefset"),
    }
)
"""Modules whose classes, and those that inherit from them, hold things for whoever has them."""


def _is_below_a_connection(reach: Reach, makers: list[Any]) -> bool:
    """Whether a connection is on the way, or one's owner that the last one on the way belongs to."""
    nearest = makers[-1]
    return any(
        reach.is_bare(thing)
        or (thing is not nearest and package_of(thing) == package_of(nearest) and reach.has_bare(thing))
        for thing in makers
    )


def _is_a_setting(about: About, reach: Reach, owner: Any, label: object) -> bool:
    """Whether it is a public attribute of a connection itself, by which whoever has it next gets other answers."""
    is_public = about.attributes and type(label) is str and not label.startswith("_")
    return is_public and reach.is_a_connection(owner)


def _counts_connections(about: About, reach: Reach, owner: Any, values: list[Any]) -> bool:
    """Whether connections moved in what their owner holds, or a number did in what doesn't hold them itself."""
    if not all(identity(type(value)) in _NUMBERS or reach.leads_there(value) for value in values):
        return False
    beside = None if about.attributes else about.change.container
    moved = any(identity(type(value)) not in _NUMBERS for value in values)
    return moved or reach.leads_there(owner, beside)


def _follows_its_connection(about: About, reach: Reach, owner: Any, label: object, values: list[Any]) -> bool:
    """Whether what has a connection itself got another one, or lost it, and made anew what it knows of that.

    By its own means: what it keeps privately, or things of its own package.
    """
    if not about.attributes or type(label) is not str or label in about.written():
        return False
    before, after = (
        [identity(thing) for thing in content.referents if reach.is_bare(thing)]
        for content in (about.change.before, about.change.after)
    )
    is_own = label.startswith("_") and not any(type(value) in (str, bytes) for value in values)
    return before != after and (is_own or all(_is_nothing_or_of(owner, value) for value in values))


def _is_nothing_or_of(owner: Any, value: Any) -> bool:
    return value is None or package_of(value) == package_of(owner)


def _is_part_of(reach: Reach, owner: Any, label: object, value: object) -> bool:
    """Whether it is a private part of what has a connection itself: the last answer that it read from there."""
    if type(label) is not str or not label.startswith("_") or not reach.has_bare(owner):
        return False
    home = module_name_of(type(value))
    return value is None or (home != "builtins" and home in map(module_name_of, mro_of(type(owner))))
