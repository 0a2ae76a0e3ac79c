"""``child-process``: a process that was started is still there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.offspring import Child, children, is_servant, now
from pytest_stateless.detectors.signs import is_childless
from pytest_stateless.detectors.spelling import stable
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import Spawn
from pytest_stateless.source import Place, Sources

RULE: Final = Rule("child-process", "A process that was started is still there.")
PATIENT: Final = True

_KERNEL_NAME: Final = 15  # characters of a program's name that the kernel keeps
_STATES: Final = {
    "alive": "still runs",
    "zombie": "has ended, and nobody waited for it",
    "orphan": "still runs, and left for another parent",
}


class Children(NamedTuple):
    """The children of the process, and those that were asked for up to one moment."""

    found: tuple[Child, ...]
    spawns: tuple[Spawn, ...]
    sources: Sources
    at: float
    """The moment."""
    lasting: frozenset[int] = frozenset()
    """Those that wait for work in a pool of a wider-scoped fixture."""


def capture(context: Context) -> Children:
    """The children that there are now."""
    spawns, at = tuple(context.recording.spawns), now()
    return Children(tuple(children(context)), spawns, context.sources, at, context.pools.processes())


def carry(end: Children, context: Context) -> Children:
    """As the contract says."""
    return end._replace(spawns=(), at=now())


def signs(context: Context) -> object:
    """As ``STEADY`` says."""
    return () if is_childless(context) else None


def absorb(before: Children, start: Children, end: Children) -> Children:
    """As the contract says."""
    there, left = {_key(child) for child in start.found}, {_key(child) for child in end.found}
    kept = {_key(child): child for child in before.found if _key(child) not in there - left}
    came = {_key(child): child for child in end.found if _key(child) not in there}
    return before._replace(found=tuple({**kept, **came}.values()))


def _key(child: Child) -> tuple[int, float]:
    return child.pid, child.started


def compare(before: Children, after: Children) -> Iterator[Leak]:
    """One leak for each command, state and line that started it."""
    known = {_key(child) for child in before.found}
    groups: dict[tuple[str, str, Place | None], list[Child]] = {}
    for child in after.found:
        if _key(child) not in known and child.started >= before.at and child.pid not in after.lasting:
            if (
                not child.command.line and after.spawns
            ):  # it begins right now, so it was the last to be asked for
                child = child._replace(command=after.spawns[-1].command)
            place = _place(child, after.spawns)
            groups.setdefault((_subject(child, place), child.state, place), []).append(child)
    for (subject, state, place), alike in sorted(groups.items(), key=lambda group: group[0][:2]):
        yield _leak(subject, state, place, alike, after.sources)


def _leak(subject: str, state: str, place: Place | None, alike: list[Child], sources: Sources) -> Leak:
    many = f", {len(alike)} of them" if len(alike) > 1 else ""
    traits = {"by-tool"} if place is not None and place.by_tool else set()
    if is_servant(alike[0].command) and not alike[0].name:  # a fork server's child has its command line
        traits.add("servant")
    message = f"{_STATES[state]}{many}, pid {alike[0].pid}: {alike[0].command.told}"
    owner = Owner.UNKNOWN if place is None else place.owner
    return RULE.leak(subject, message, sources.origin(place), owner, traits)


def _subject(child: Child, place: Place | None) -> str:
    if child.name:
        return child.name
    if child.forked:
        return "fork" if place is None else f"fork in {place.function}"
    return stable(child.command.name)


def _place(child: Child, spawns: tuple[Spawn, ...]) -> Place | None:
    """The line that asked for a child: of the last of the same command, or of all that came into question."""
    alike = [spawn for spawn in spawns if _is_of(spawn, child)] or spawns
    places = {spawn.place for spawn in alike}
    return alike[-1].place if alike and (alike is not spawns or len(places) == 1) else None


def _is_of(spawn: Spawn, child: Child) -> bool:
    if child.forked or child.name:
        return spawn.command.line == "fork"
    if child.state != "zombie":
        return spawn.command.line == child.command.line
    return os.path.basename(spawn.command.line.partition(" ")[0])[:_KERNEL_NAME] == child.command.line
