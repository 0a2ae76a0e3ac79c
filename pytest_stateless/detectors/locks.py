"""Reads which locks on files this process holds, where the kernel shows them (Linux)."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context
from pytest_stateless.proc import text

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_KINDS: Final = {"FLOCK": "flock", "POSIX": "lockf", "OFDLCK": "open file description", "LEASE": "lease"}
_KEY: Final = "locks"
_LOCK: Final = struct.Struct("hhqqixxxx")  # struct flock, where a file's position has 64 bits
_GET_LOCK, _WRITE, _UNLOCKED = (getattr(fcntl, name, 0) for name in ("F_OFD_GETLK", "F_WRLCK", "F_UNLCK"))
_WHOLE_FILE: Final = _LOCK.pack(_WRITE, os.SEEK_SET, 0, 0, 0)


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


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    fcntl: Any = staticmethod(fcntl.fcntl) if fcntl is not None else None


def read(context: Context) -> list[tuple[int, Held]]:
    """The locks, each with its descriptor; read once in a look."""
    found = None if context.shared is None else context.shared.get(_KEY)
    if found is None:
        found = _read(context)
        if context.shared is not None:
            context.shared[_KEY] = found
    return found


def _read(context: Context) -> list[tuple[int, Held]]:
    """Ask the descriptors that are new, those that held a lock, and those of files that one was asked for or is on.

    Of temporary files that were open before, the last aren't: a wider fixture may keep a database there, and have
    begun the transaction in which this test was the first to write.

    /proc/locks would tell at once, but holds up every process that locks anything: it can take milliseconds.
    """
    last: _Seen = context.last.get(_KEY) or _Seen({}, frozenset())
    asked = {lock.inode for lock in context.recording.locks}
    files = {
        number: (state.st_dev, state.st_ino)
        for number, state in descriptors.table(context).items()
        if stat.S_ISREG(state.st_mode)
    }
    found = [
        (number, lock)
        for number, file in files.items()
        if last.files.get(number) != file
        or number in last.locked
        or file[1] in asked
        or _is_locked(number, context)
        for lock in held(text(f"/proc/self/fdinfo/{number}"))
    ]
    context.last[_KEY] = _Seen(files, frozenset(number for number, _ in found))
    return found


def _is_locked(number: int, context: Context) -> bool:
    """Whether somebody's lock of ``fcntl`` keeps this open file from one of its own; the process's own does, too."""
    if not _GET_LOCK:
        return False
    try:
        answer = _Real.fcntl(number, _GET_LOCK, _WHOLE_FILE)
    except OSError:  # a file system without them
        return False
    return _LOCK.unpack(answer)[0] != _UNLOCKED and context.zones.count(descriptors.link_of(number))


def held(told: str) -> Iterator[Held]:
    """The locks that the kernel tells of one descriptor. proc_pid_fdinfo(5), proc_locks(5)"""
    for line in told.splitlines():
        fields = line.split()
        if len(fields) >= 7 and fields[0] == "lock:" and fields[2] in _KINDS:
            yield Held(_KINDS[fields[2]], int(fields[6].rpartition(":")[2]), fields[4] == "READ")
