"""Reads which locks on files this process holds, where the kernel shows them (Linux)."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Callable, Iterator
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


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    flock: Any = staticmethod(fcntl.flock) if fcntl is not None else None
    fcntl: Any = staticmethod(fcntl.fcntl) if fcntl is not None else None


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
    return context.once(_KEY, lambda: _read(context))


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


# ------------------------------------------------------------------------------------------------ who took it


class LockEvidence(NamedTuple):
    """A lock that is held by a descriptor."""

    descriptor: int
    inode: int

    def looks(self) -> tuple[LockLook, ...]:
        """How to look at the locks of its file."""
        return (LockLook(self.inode),)

    def undo(self) -> None:
        """Nothing is put back beside what is released."""

    def release(self) -> Callable[[], None] | None:
        """Release what the test would wait for in vain if it ran again. Returns what takes it again.

        A lock of the process itself lets it lock again, and SQLite relies on it.
        """
        told = text(f"/proc/self/fdinfo/{self.descriptor}") if self._is_there() else ""
        taken = [lock for line in told.splitlines() if (lock := _of_the_open_file(line)) is not None]
        if not taken:
            return None
        self._change(taken, release=True)
        return lambda: self._change(taken, release=False)

    def _is_there(self) -> bool:
        found = descriptors.stat_of(self.descriptor)
        return found is not None and found.st_ino == self.inode

    def _change(self, taken: list[_Taken], *, release: bool) -> None:
        if self._is_there():  # else the second run closed it
            for lock in taken:
                with contextlib.suppress(OSError):  # whoever ran again holds it now
                    lock.change(self.descriptor, release)


class _Taken(NamedTuple):
    """A lock that belongs to an open file, so that the process itself would wait for it."""

    is_flock: bool
    is_shared: bool
    start: int
    length: int
    """Zero up to the end, wherever that is."""

    def change(self, descriptor: int, release: bool) -> None:
        """Release it or take it, without waiting. Raises OSError."""
        if self.is_flock:
            how = fcntl.LOCK_SH if self.is_shared else fcntl.LOCK_EX
            _Real.flock(descriptor, fcntl.LOCK_UN if release else how | fcntl.LOCK_NB)
            return
        how = fcntl.F_RDLCK if self.is_shared else fcntl.F_WRLCK
        asked = _LOCK.pack(fcntl.F_UNLCK if release else how, os.SEEK_SET, self.start, self.length, 0)
        _Real.fcntl(descriptor, fcntl.F_OFD_SETLK, asked)


def _of_the_open_file(line: str) -> _Taken | None:
    fields = line.split()
    if len(fields) < 9 or fields[0] != "lock:" or fields[2] not in ("FLOCK", "OFDLCK"):
        return None
    start = int(fields[7])
    length = 0 if fields[8] == "EOF" else int(fields[8]) - start + 1
    return _Taken(fields[2] == "FLOCK", fields[4] == "READ", start, length)


class LockLook:
    """Looks at the locks of a file, by whatever descriptor they are held."""

    def __init__(self, inode: int) -> None:
        self._inode = inode
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self._before = self._look()

    def moved(self) -> bool:
        """Whether other locks are there than before."""
        return self._look() != self._before

    def _look(self) -> list[tuple[int, Held]]:
        return [
            (number, lock)
            for number in descriptors.numbers()
            if (found := descriptors.stat_of(number)) is not None and found.st_ino == self._inode
            for lock in held(text(f"/proc/self/fdinfo/{number}"))
        ]
