"""``shared-memory``: memory, semaphores or queues that others see were made, or files mapped for that (Linux)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from pytest_stateless import children, proc
from pytest_stateless.detectors import descriptors, listing, maps, offspring, sysv
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.maps import MapEvidence
from pytest_stateless.heap.spell import without_run
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import Write
from pytest_stateless.paths import PathEvidence
from pytest_stateless.source import Place, Sources
from pytest_stateless.zones import SHARED_MEMORY, within

RULE: Final = Rule("shared-memory", "Shared memory, a semaphore or a queue of the system was left behind.")
PATIENT: Final = True

_QUEUES: Final = "/dev/mqueue"
_RANDOM: Final = re.compile(r"psm_[0-9a-f]+|tmp[a-z0-9_]{8}")
"""Names that multiprocessing and tempfile make up."""


class Thing(NamedTuple):
    """One object of the system's that processes share by its name or number."""

    kind: str
    """``memory``, ``semaphore`` or ``queue`` by name, ``SysV memory`` and its like by number, ``map`` by its path."""
    name: str
    inode: int
    is_own: bool = True
    """Whether there is a sign that this process made it."""
    place: Place | None = None
    by_child: bool = False
    """Whether a child of this process made it."""


class Things(NamedTuple):
    """What there is at one moment."""

    things: frozenset[Thing]
    sources: Sources
    open: frozenset[tuple[int, int]] = frozenset()
    """Descriptor and inode of what is open."""


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    stat = staticmethod(os.stat)
    getpid = staticmethod(os.getpid)
    geteuid = staticmethod(getattr(os, "geteuid", lambda: -1))


def capture(context: Context) -> Things:
    """List what is shared by name; of what is new, look for a sign that it is of this process."""
    children.collect(context.recording)
    last: Things | None = context.last.get(RULE.id)
    known = {thing[:3]: thing for thing in last.things} if last is not None else {}
    found = [*_named(SHARED_MEMORY, context), *_named(_QUEUES, context)]
    new = [thing for thing in found if thing[:3] not in known]
    claimed = dict(_claimed(new, context)) if new and last is not None else {}
    things = {claimed.get(thing, known.get(thing[:3], thing)) for thing in found}
    things |= set(_numbered(context))
    things |= set(_mapped(context))
    held = frozenset((number, state.st_ino) for number, state in descriptors.table(context).items())
    now = context.last[RULE.id] = Things(frozenset(things), context.sources, held)
    return now


def carry(end: Things, context: Context) -> Things:
    """As the contract says."""
    context.last[RULE.id] = end
    return end


# ------------------------------------------------------------------------------------------------ by name


def _named(directory: str, context: Context) -> Iterator[Thing]:
    for name, inode in listing.read(directory, context):
        kind = "queue" if directory == _QUEUES else "semaphore" if name.startswith("sem.") else "memory"
        yield Thing(kind, name.removeprefix("sem."), inode, is_own=False)


def _claimed(new: list[Thing], context: Context) -> Iterator[tuple[Thing, Thing]]:
    """Those that this process made: Python or the system told of a write, or it has them open or mapped."""
    context.see()
    seen = {change.path for change in context.recording.changes if change.own and change.before is None}
    writes: dict[str, Write] = {}
    for write in context.recording.writes:
        writes.setdefault(write.path, write)
    held = {(state.st_dev, state.st_ino) for state in descriptors.table(context).values()}
    # By the inode: glibc makes a semaphore under a name of the moment, and the map keeps that.
    mapped = set(map(int, re.findall(rf" (\d+) +{SHARED_MEMORY}/", proc.text("/proc/self/maps"))))
    for thing in new:
        path = _path_of(thing)
        directory = os.path.dirname(path)
        told = writes.get(path)
        place = told.place if told is not None else None
        is_held = (_device(directory), thing.inode) in held or (
            directory == SHARED_MEMORY and thing.inode in mapped
        )
        if told is not None or path in seen or is_held or (thing.kind == "queue" and context.alone):
            by_child = told is not None and bool(told.child)
            yield thing, thing._replace(is_own=True, place=place, by_child=by_child)


def _path_of(thing: Thing) -> str:
    """Where a thing with a name shows among the files."""
    if thing.kind == "queue":
        return f"{_QUEUES}/{thing.name}"
    return f"{SHARED_MEMORY}/{'sem.' * (thing.kind == 'semaphore')}{thing.name}"


def _device(directory: str) -> int:
    try:
        return int(_Real.stat(directory).st_dev)
    except OSError:  # unmounted meanwhile
        return -1


# ---------------------------------------------------------------------------------------------- by number


_TABLES: Final = {
    "SysV memory": ("/proc/sysvipc/shm", "shmid", ("cpid",)),
    "SysV queue": ("/proc/sysvipc/msg", "msqid", ("lspid", "lrpid")),
    "SysV semaphores": ("/proc/sysvipc/sem", "semid", ()),
}
"""Table of the kernel's, column of the number, columns of the processes that made or used it. proc(5)"""


def _numbered(context: Context) -> Iterator[Thing]:
    spawns = context.recording.spawns
    places = {spawn.place for spawn in spawns}
    starter = places.pop() if len(places) == 1 else None

    def is_child(process: int) -> bool:
        return bool(spawns) and offspring.may_be_ours(process, context)

    for kind, (path, number, makers) in _TABLES.items():
        if sysv.count(kind) == 0:  # as nearly always
            continue
        me = Maker(_Real.getpid(), _Real.geteuid(), context.alone, is_child)
        for thing in numbered(proc.text(path), kind, number, makers, me):
            yield thing._replace(place=starter) if thing.by_child else thing


class Maker(NamedTuple):
    """Who this process is, to know its own by."""

    process: int
    user: int
    alone: bool
    """Whether no other process tests."""
    is_child: Callable[[int], bool] = lambda _: False
    """Whether a process may be, or have been, a child of this one."""


def numbered(text: str, kind: str, number: str, makers: tuple[str, ...], me: Maker) -> Iterator[Thing]:
    """What a table of the kernel's holds. Of what has no maker there, the user decides, if no other process tests."""
    heading, _, rows = text.partition("\n")
    for line in rows.splitlines():
        row = dict(zip(heading.split(), map(int, line.split()), strict=False))
        is_own = any(row.get(maker) == me.process for maker in makers)
        may_be = not is_own and me.alone and row.get("cuid") == me.user
        by_child = may_be and "cpid" in makers and me.is_child(row["cpid"])
        is_own = is_own or by_child or (may_be and "cpid" not in makers)
        name = f"key {row['key']}" if row["key"] else "private"
        yield Thing(kind, name, row[number], is_own, by_child=by_child)


# ------------------------------------------------------------------------------------------------- by path


def _mapped(context: Context) -> Iterator[Thing]:
    places = {asked.inode: asked.place for asked in context.recording.maps}
    for path, inode in maps.read(context):
        if context.zones.count(path) and not within(path, SHARED_MEMORY):  # which has a name of its own
            yield Thing("map", path, inode, place=places.get(inode))


# ------------------------------------------------------------------------------------------------- judging


def absorb(before: Things, start: Things, end: Things) -> Things:
    """As the contract says."""
    things = (before.things | (end.things - start.things)) - (start.things - end.things)
    return before._replace(
        things=things, open=(before.open | (end.open - start.open)) - (start.open - end.open)
    )


def compare(before: Things, after: Things) -> Iterator[Leak]:
    """One leak for each that is new and of this process.

    A file that is mapped by a descriptor of its own, as Python does it, is told by that one.
    """
    known = {thing[:3] for thing in before.things}
    mapped = {thing.inode for thing in before.things if thing.kind == "map"}  # whatever its name is now
    mapped |= {inode for _, inode in after.open - before.open}
    for thing in sorted(after.things, key=lambda thing: thing[:3]):
        if thing.is_own and thing[:3] not in known and not (thing.kind == "map" and thing.inode in mapped):
            yield _leak(thing, after.sources)


_SAID: Final[Mapping[str, str]] = {
    "memory": "created, in /dev/shm",
    "semaphore": "created, a POSIX semaphore",
    "queue": "created, a POSIX message queue",
}


def _leak(thing: Thing, sources: Sources) -> Leak:
    name = _RANDOM.sub(lambda found: found[0][:3] + ("_*" if found[0][3] == "_" else "*"), thing.name)
    subject = f"{thing.kind} /{name}" if thing.kind in _SAID else f"{thing.kind} {name}"
    place = thing.place
    owner = Owner.UNKNOWN if place is None else place.owner
    traits = {"by-tool"} if place is not None and place.by_tool else set()
    message = _SAID.get(thing.kind, f"created, id {thing.inode}") + " by a child process" * thing.by_child
    if thing.kind == "map":
        subject, message = f"map {without_run(sources.relative(thing.name))}", "mapped for others to see"
    return RULE.leak(subject, message, sources.origin(place), owner, traits, _evidence(thing))


def _evidence(thing: Thing) -> PathEvidence | MapEvidence | None:
    """How the line can be found out that made a thing, where nobody told."""
    if thing.place is not None or thing.by_child:
        return None
    if thing.kind == "map":
        return MapEvidence(thing.name)
    return PathEvidence(_path_of(thing)) if thing.kind in _SAID else None
