"""``file-write``: files and directories outside the temporary directories are not what they were."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pytest_stateless import children
from pytest_stateless.audit import DENIED, FAKED, State, Write, look
from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.source import Sources

RULE: Final = Rule("file-write", "A file or directory outside the temporary directories was changed.")
PATIENT: Final = False

_KERNEL: Final = ("/dev", "/proc", "/sys")
_SHARED_MEMORY: Final = "/dev/shm"
_RANDOM_NAME: Final = re.compile(r"(?<=^/dev/shm/)psm_[0-9a-f]+$")  # multiprocessing.shared_memory's


class _Real:
    """Held where no faked file system replaces them."""

    path = os.path


class Zones(NamedTuple):
    """Which paths count: the longest of these directories that a path lies in decides."""

    root: str
    temp: tuple[str, ...]

    def count(self, path: str) -> bool:
        """Whether a write at ``path`` counts: it is neither temporary nor a face of the kernel's."""
        ruling = max((zone for zone in (self.root, *self.temp) if within(path, zone)), key=len, default="")
        if ruling:
            return ruling == self.root and ruling not in self.temp
        return within(path, _SHARED_MEMORY) or not any(within(path, zone) for zone in _KERNEL)


def within(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it."""
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


class Held(NamedTuple):
    """A regular file that is open for writing."""

    path: str
    device: int
    inode: int


class Writes(NamedTuple):
    """The attempts up to one moment, and what there is at their paths and behind open descriptors."""

    attempts: tuple[Write, ...]
    now: dict[str, tuple[str, State | None]]
    """By the path of an attempt: the path with its directory's links resolved, and what is there. Only what counts."""
    held: dict[Held, tuple[int, int]]
    """Size and time of modification of files that are open for writing."""
    zones: Zones
    sources: Sources
    absorbed: frozenset[int] = frozenset()
    """Positions of attempts that belong to another window."""


def capture(context: Context) -> Writes:
    """The attempts so far, with the state of each path that they name now."""
    zones = Zones(context.sources.root, context.temp)
    children.collect(context.recording)
    attempts = tuple(context.recording.writes)
    now: dict[str, tuple[str, State | None]] = {}
    directories: dict[str, str] = {}
    for path, fake in sorted({(write.path, write.fate == FAKED) for write in attempts}):
        directory, name = _Real.path.split(path)
        if directory not in directories:
            directories[directory] = _Real.path.realpath(directory)
        resolved = _Real.path.join(directories[directory], name)
        if zones.count(resolved):
            now[path] = resolved, (context.recording.look_at_fake if fake else look)(path)
    return Writes(attempts, now, _held_files(), zones, context.sources)


def carry(end: Writes, context: Context) -> Writes:
    """As the contract says."""
    return Writes((), {}, end.held, end.zones, end.sources)


def _held_files() -> dict[Held, tuple[int, int]]:
    held = {}
    for descriptor in descriptors.numbers():
        found = descriptors.writable_file(descriptor)
        if found is not None:
            path, state = found
            held[Held(path, state.device, state.inode)] = (state.size, state.modified)
    return held


def absorb(before: Writes, start: Writes, end: Writes) -> Writes:
    """As the contract says."""
    positions = range(len(start.attempts), len(end.attempts))
    changed = {file: now for file, now in end.held.items() if start.held.get(file) != now}
    return before._replace(absorbed=before.absorbed | set(positions), held={**before.held, **changed})


def compare(before: Writes, after: Writes) -> Iterator[Leak]:
    """One leak for each path that differs from what it was before the first attempt."""
    attempts: dict[str, list[Write]] = {}
    now: dict[str, State | None] = {}
    for position, write in enumerate(after.attempts):
        if position >= len(before.attempts) and position not in before.absorbed and write.path in after.now:
            path, now[path] = after.now[write.path]
            attempts.setdefault(path, []).append(write)
    told: dict[str, Leak] = {}
    for path, writes in attempts.items():
        denied = [write for write in writes if write.fate == DENIED]
        what = _denied(denied[0]) if denied else describe(writes, now[path], after.sources)
        if what and any(write.fate == FAKED for write in writes):
            what += _IN_MEMORY
        if what:
            told[path] = _leak(path, what + _by_child(denied or writes), denied or writes, after.sources)
    for file, state in after.held.items():
        was = before.held.get(file)
        if was is not None and was != state and file.path not in told and after.zones.count(file.path):
            told[file.path] = _leak(file.path, _grown(was, state), [], after.sources)
    yield from (told[path] for path in sorted(told) if not _is_told_below(path, told))


def _is_told_below(path: str, told: Mapping[str, Leak]) -> bool:
    """Whether what was told of something below says it already: a directory made for a file, or gone with it."""
    comes_with = told[path].message.startswith((_MADE, _DELETED))
    return comes_with and any(other != path and within(other, path) for other in told)


def _leak(path: str, what: str, writes: list[Write], sources: Sources) -> Leak:
    place = next((write.place for write in writes if write.place is not None), None)
    traits = set()
    if place is not None and place.by_tool:
        traits.add("by-tool")
    if place is not None and place.importing:
        traits.add("by-import")
    owner = place.owner if place is not None else Owner.UNKNOWN
    subject = _RANDOM_NAME.sub("psm_*", sources.relative(path))
    return RULE.leak(subject, what, sources.origin(place), owner, traits)


def _by_child(writes: list[Write]) -> str:
    """Of the write whose place is shown."""
    write = next((write for write in writes if write.place is not None), writes[0])
    return f" by a child ({write.child})" if write.child else ""


def about_to_leak(write: Write, zones: Zones, sources: Sources) -> Leak | None:
    """The leak that an attempt is on the way to; None where its path doesn't count."""
    directory, name = _Real.path.split(write.path)
    path = _Real.path.join(_Real.path.realpath(directory), name)
    return _leak(path, _denied(write), [write], sources) if zones.count(path) else None


def _denied(write: Write) -> str:
    return f"denied: {_DOING.get(write.operation, write.operation)}"


def _grown(before: tuple[int, int], after: tuple[int, int]) -> str:
    size = f", {after[0] - before[0]:+d} bytes" if after[0] != before[0] else ""
    return f"modified through a descriptor opened before{size}"


def describe(writes: list[Write], now: State | None, sources: Sources) -> str:
    """What happened at one path, from its state before the first attempt to now; empty where it is as it was."""
    before = None if _makes_shared_memory(writes[0]) else writes[0].before
    last = writes[-1]
    if before is None:
        return "" if now is None else _created(last, now, sources)
    if now is None:
        return f"renamed to {sources.relative(last.other)}" if last.operation == "rename-from" else _DELETED
    differences = list(_differences(before, now, {write.operation for write in writes}))
    if differences and last.operation == "rename-to":
        return f"replaced by {sources.relative(last.other)}"
    return ", ".join(differences)


def _created(last: Write, now: State, sources: Sources) -> str:
    if last.operation == "rename-to":
        return f"renamed from {sources.relative(last.other)}"
    if last.operation == "link":
        return f"created (hard link to {sources.relative(last.other)})"
    return _KINDS.get(stat.S_IFMT(now.mode), "created")


def _makes_shared_memory(write: Write) -> bool:
    """No event tells of ``shm_open``: the first that is seen is that the memory, still empty, gets its length."""
    fresh = write.before is not None and write.before.size == 0
    return fresh and write.operation == "truncate" and within(write.path, _SHARED_MEMORY)


_DOING: Final = {"open": "open for writing", "rename-from": "rename", "rename-to": "rename"}
_IN_MEMORY: Final = " (in memory only)"
_MADE: Final = "created (directory)"
_DELETED: Final = "deleted"
_KINDS: Final = {
    stat.S_IFDIR: _MADE,
    stat.S_IFLNK: "created (symbolic link)",
    stat.S_IFSOCK: "created (socket)",
    stat.S_IFIFO: "created (fifo)",
    stat.S_IFCHR: "created (device)",
    stat.S_IFBLK: "created (device)",
}


def _differences(before: State, now: State, operations: set[str]) -> Iterator[str]:
    if stat.S_IFMT(before.mode) != stat.S_IFMT(now.mode):
        yield "replaced"
        return
    contents = not stat.S_ISDIR(now.mode)  # a directory's own time tells of what lies in it
    if contents and (before.device, before.inode) != (now.device, now.inode):
        yield "replaced"
    elif contents and now.size == 0 < before.size:
        yield "truncated"
    elif contents and before.size != now.size:
        yield "modified"
    elif before.modified != now.modified and (contents or "utime" in operations):
        yield "modified" if operations - {"utime"} else "time of modification changed"
    if stat.S_IMODE(before.mode) != stat.S_IMODE(now.mode):
        yield f"mode changed to {stat.S_IMODE(now.mode):04o}, was {stat.S_IMODE(before.mode):04o}"
    if (before.user, before.group) != (now.user, now.group):
        yield f"owner changed to {now.user}:{now.group}, was {before.user}:{before.group}"
    if "setxattr" in operations and before.changed != now.changed:
        yield "extended attributes changed"
