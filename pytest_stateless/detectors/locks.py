"""Reads which locks on files this process holds, where the kernel shows them (Linux)."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context
from pytest_stateless.proc import text

_KINDS: Final = {"FLOCK": "flock", "POSIX": "lockf", "OFDLCK": "open file description", "LEASE": "lease"}
_KEY: Final = "locks"


class Held(NamedTuple):
    """A lock."""

    kind: str
    inode: int
    is_shared: bool


class _Seen(NamedTuple):
    """What the last look found."""

    files: dict[int, tuple[int, int]]
    """Device and inode of the regular files that are open, by descriptor."""
    locked: frozenset[int]
    counting: frozenset[int]
    """Those that don't lie in a temporary directory."""


def read(context: Context) -> list[tuple[int, Held]]:
    """The locks, each with its descriptor; read once in a look."""
    found = None if context.shared is None else context.shared.get(_KEY)
    if found is None:
        found = _read(context)
        if context.shared is not None:
            context.shared[_KEY] = found
    return found


def _read(context: Context) -> list[tuple[int, Held]]:
    """Ask the descriptors that are new, those that held a lock, those of files that one was asked for, and all others
    but for those of temporary files.

    In these, a wider fixture may keep a database, and have begun the transaction in which this test was the first to
    write.

    /proc/locks would tell at once, but holds up every process that locks anything: it can take milliseconds.
    """
    last: _Seen = context.last.get(_KEY) or _Seen({}, frozenset(), frozenset())
    asked = {lock.inode for lock in context.recording.locks}
    files = {
        number: (state.st_dev, state.st_ino)
        for number, state in descriptors.table(context).items()
        if stat.S_ISREG(state.st_mode)
    }
    new = {number for number, file in files.items() if last.files.get(number) != file}
    counting = last.counting - new | {
        number for number in new if context.zones.count(descriptors.link_of(number))
    }
    found = [
        (number, lock)
        for number, file in files.items()
        if number in new or number in counting or number in last.locked or file[1] in asked
        for lock in held(text(f"/proc/self/fdinfo/{number}"))
    ]
    context.last[_KEY] = _Seen(files, frozenset(number for number, _ in found), counting & files.keys())
    return found


def held(told: str) -> Iterator[Held]:
    """The locks that the kernel tells of one descriptor. proc_pid_fdinfo(5), proc_locks(5)"""
    for line in told.splitlines():
        fields = line.split()
        if len(fields) >= 7 and fields[0] == "lock:" and fields[2] in _KINDS:
            yield Held(_KINDS[fields[2]], int(fields[6].rpartition(":")[2]), fields[4] == "READ")
