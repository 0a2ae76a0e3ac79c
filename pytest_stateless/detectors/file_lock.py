"""``file-lock``: a lock on a file is still held (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_stateless.detectors import descriptors, locks
from pytest_stateless.detectors.context import Context
from pytest_stateless.heap.spell import without_run
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import Lock
from pytest_stateless.source import Sources

RULE: Final = Rule("file-lock", "A lock on a file is still held.")
PATIENT: Final = True


class FileLock(NamedTuple):
    """A lock that this process holds."""

    kind: str
    inode: int
    is_shared: bool
    path: str
    descriptor: int


class FileLocks(NamedTuple):
    """The locks that are held, and what was asked for up to one moment."""

    held: frozenset[FileLock]
    asked: tuple[Lock, ...]
    sources: Sources


def capture(context: Context) -> FileLocks:
    """Read the kernel's table, and the path of each file that is locked."""
    held = frozenset(
        FileLock(*lock, descriptors.link_of(descriptor).removesuffix(" (deleted)"), descriptor)
        for descriptor, lock in locks.read(context)
    )
    return FileLocks(held, tuple(context.recording.locks), context.sources)


def carry(end: FileLocks, context: Context) -> FileLocks:
    """As the contract says."""
    return end._replace(asked=())


def signs(context: Context) -> object:
    """As ``STEADY`` says."""
    return None if locks.read(context) else len(context.recording.locks)


def absorb(before: FileLocks, start: FileLocks, end: FileLocks) -> FileLocks:
    """As the contract says."""
    return before._replace(held=(before.held | (end.held - start.held)) - (start.held - end.held))


def compare(before: FileLocks, after: FileLocks) -> Iterator[Leak]:
    """One leak for each file and kind of lock."""
    known = {lock[:3] for lock in before.held}
    for lock in sorted(after.held):
        if lock[:3] not in known:
            known.add(lock[:3])
            yield _leak(lock, after)


def _leak(lock: FileLock, after: FileLocks) -> Leak:
    asked = next((asked for asked in reversed(after.asked) if asked.inode == lock.inode), None)
    place = None if asked is None else asked.place
    mode = "shared" if lock.is_shared else "exclusive"
    traits = {mode, *(["native"] if asked is None else [])}
    if place is not None and place.by_tool:
        traits.add("by-tool")
    owner = Owner.UNKNOWN if place is None else place.owner
    subject = without_run(after.sources.relative(lock.path)) or os.devnull
    message = f"{mode}, {lock.kind}, fd {lock.descriptor}"
    evidence = locks.LockEvidence(lock.descriptor, lock.inode)
    return RULE.leak(subject, message, after.sources.origin(place), owner, traits, evidence)
