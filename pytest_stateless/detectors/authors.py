"""Who changed what no event of Python's tells of: this process without Python, a child of it, or nobody of ours."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.offspring import may_have_children, reaped_by
from pytest_stateless.detectors.strangers import written_by_strangers
from pytest_stateless.heap.graph import module_namespace
from pytest_stateless.noted import Change, Spawn
from pytest_stateless.proc import children_of
from pytest_stateless.source import Place
from pytest_stateless.zones import within

NATIVE: Final = "by native code during this test"
_CHILD: Final = "by a child process"


class Author(NamedTuple):
    """Who did it."""

    name: str
    place: Place | None = None
    """Who started it."""
    is_followed: bool = False
    """Whether the line is the one that runs while it happens: it is this process, or nobody announced the child."""


class Family(NamedTuple):
    """What is known of this process and its children at one moment."""

    spawns: tuple[Spawn, ...] = ()
    """The children that were asked for up to then."""
    reaped: int = 0
    """Grows with each child that was waited for, also one that nobody announced."""
    living: bool = False
    """Whether children are alive. Asked for only where it matters."""
    alone: bool = True
    """Whether no other process takes part in this run of the tests."""
    ours: tuple[str, ...] = ()
    """Directories that are the project's. Elsewhere, other programs come and go."""

    elder: bool = False
    """Whether there were children at the beginning: then it need not have been one that was asked for since."""
    strangers: frozenset[str] = frozenset()
    """Changed files that programs write which are none of ours."""

    def since(self, before: Family) -> Family:
        """With the children alone that were asked for after an earlier moment."""
        living = self.living or self.reaped != before.reaped
        return self._replace(spawns=self.spawns[len(before.spawns) :], living=living, elder=before.elder)

    def author(self, path: str, own: bool | None) -> Author | None:
        """Who changed a path; None where it need not have been ours.

        ``own`` says whether this process did it, where the system tells. Of what others did, our children are told
        from strangers by this: among several workers, and outside the project's directories, the child's command
        has to name the file. Elsewhere it is enough that there is a child.
        """
        if own:
            return Author(NATIVE, is_followed=True)
        if path in self.strangers:
            return None
        name = os.path.basename(path)
        naming = [spawn for spawn in self.spawns if _names(spawn.command.line, name)]
        among_ours = any(within(path, directory) for directory in self.ours)
        if naming or (self.alone and among_ours and (self.spawns or self.living)):
            return Author(_CHILD) if self.elder and not naming else _child(naming or self.spawns)
        return Author(NATIVE, is_followed=True) if own is None and self.alone and among_ours else None


def family(context: Context, changes: Sequence[Change] = ()) -> Family:
    """What is known now. Who is alive, and what strangers write, only where something changed."""
    elder = may_have_children(context) and _any_alive()
    waited, spawns = reaped_by(context), tuple(context.recording.spawns)
    known = Family(spawns, waited, False, context.alone, context.ours, elder=elder)
    announced = {write.path for write in context.recording.writes} if changes else ()
    unclear = [change for change in changes if not change.own and change.path not in announced]
    if not unclear:
        return known
    known = known._replace(living=_any_alive())
    have = known.spawns or known.living or known.reaped
    if known.alone and (have or any(change.own is None for change in unclear)):
        known = known._replace(strangers=_strangers(context, {change.path for change in unclear}))
    return known


def _strangers(context: Context, paths: set[str]) -> frozenset[str]:
    """Those of strangers among paths that ours might be blamed for: a search of milliseconds, once for each."""
    unknown = {path for path in paths if path not in context.strangers}
    if unknown and context.watches is not None:
        found = written_by_strangers(unknown, context.watches.began)
        context.strangers.update((path, path in found) for path in unknown)
    return frozenset(path for path in paths if context.strangers.get(path))


def _any_alive() -> bool:
    """Whether this process has children that may write; False where the system doesn't list them."""
    servants = _servants()
    return any(child not in servants for child in children_of("self"))


_SERVANTS: Final = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "ResourceTracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "ForkServer", "_forkserver_pid"),
)
"""What serves multiprocessing until the end of the process: module, object, its class, where its number is."""


def _servants() -> set[object]:
    """The numbers of children that write nothing: one deletes what is left at the end, one starts others."""
    found: set[object] = set()
    for module, name, cls, number in _SERVANTS:
        loaded = sys.modules.get(module)
        names = {} if loaded is None else module_namespace(loaded)
        servant: Any = names.get(name)
        if type(servant) is names.get(cls):
            found.add(servant.__dict__.get(number))
    return found


def _names(command: str, name: str) -> bool:
    """Whether a command line speaks of a file of that name."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", command) is not None


def _child(spawns: Sequence[Spawn]) -> Author:
    commands = {spawn.command for spawn in spawns}
    if not commands:
        return Author(_CHILD, is_followed=True)
    if len(commands) == 1:
        return Author(
            f"by a child process ({spawns[0].command.told})", _common(spawn.place for spawn in spawns)
        )
    return Author(f"by one of {len(commands)} child processes", _common(spawn.place for spawn in spawns))


def _common(places: Iterable[Place | None]) -> Place | None:
    found = set(places)
    return found.pop() if len(found) == 1 else None
