"""What stands for what is in files, read before and after they are written."""

from __future__ import annotations

import os
import stat
import time
import zlib
from typing import Any, Final

from pytest_stateless.noted import State


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    listdir = staticmethod(os.listdir)
    pread: Any = staticmethod(os.pread) if hasattr(os, "pread") else None  # Windows has none
    time_ns = staticmethod(time.time_ns)


LONGEST: Final = 8 << 20
"""Bytes of a file that is read: 2.5 milliseconds if the system has it in memory, four times that on a slow machine."""
_SHORT: Final = 1 << 18
"""Bytes of a file that is always read, in a tenth of a millisecond; and of one piece of a longer one."""
_ALL: Final = 64 << 20
"""Bytes of longer files that are read before they are written, of all together."""
_SETTLED: Final = 100_000_000
"""Nanoseconds, more than the system's clock for files takes to move on: what is written then has another time."""
_FLAGS: Final = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"))


class Contents:
    """What is in the files that a test writes, each read once for as long as it stays the same."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[State, int]] = {}
        self._left = _ALL

    def before(self, path: str, state: State | None) -> int | None:
        """As ``content_of``, of a file that is about to be written; None also where much was read already."""
        if state is None:
            return None
        if state.size > _SHORT and not self._is_known(path, state):
            if state.size > min(LONGEST, self._left):
                return None
            self._left -= state.size
        return self.now(path, state)

    def now(self, path: str, state: State, descriptor: int | None = None) -> int | None:
        """As ``content_of``; or as ``content_behind`` a descriptor, if there is one."""
        if self._is_known(path, state):
            return self._known[path][1]
        settled = is_settled(state.changed)
        content = content_of(path, state) if descriptor is None else content_behind(descriptor, state)
        if content is not None and settled:
            self._known[path] = state, content
        return content

    def _is_known(self, path: str, state: State) -> bool:
        return path in self._known and self._known[path][0] == state

    def forget(self) -> None:
        """Another test begins."""
        self._known.clear()
        self._left = _ALL


def is_settled(changed: int) -> bool:
    """Whether a file that changes from now on gets another time than the one it has, in nanoseconds."""
    return _Real.time_ns() - changed > _SETTLED


def content_of(path: str, state: State | None) -> int | None:
    """Stands for what is in a regular file; None for anything else, and where it is long or can't be read.

    What this process has open is let alone: to close a further descriptor of it would release the locks that the
    process has on it, SQLite's among them. https://www.sqlite.org/howtocorrupt.html
    """
    if state is None or not stat.S_ISREG(state.mode) or state.size > LONGEST or _is_open_here(state):
        return None
    try:
        descriptor = _Real.open(path, _FLAGS)
    except OSError:
        return None
    try:
        return _checksum(descriptor)
    except OSError:
        return None
    finally:
        _Real.close(descriptor)


def content_behind(descriptor: int, state: State) -> int | None:
    """Stands for what is in a short file that is open for reading too; None for any other.

    It is read where it is open: that moves no position and releases no lock.
    """
    if _Real.pread is None or state.size > _SHORT:
        return None
    try:
        return zlib.crc32(_Real.pread(descriptor, _SHORT, 0))
    except OSError:
        return None


def _checksum(descriptor: int) -> int | None:
    """Of all that is in a file; None where it grows beyond what is read."""
    found = length = 0
    while length <= LONGEST:
        piece = _Real.read(descriptor, _SHORT)
        if not piece:
            return found
        found, length = zlib.crc32(piece, found), length + len(piece)
    return None


def _is_open_here(state: State) -> bool:
    """Whether this process has a descriptor of a file; yes where the system can't say and keeps locks so."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            numbers = _Real.listdir(directory)
        except OSError:
            continue
        return any(_is_of(int(number), state) for number in numbers)
    return os.name == "posix"


def _is_of(descriptor: int, state: State) -> bool:
    try:
        found = _Real.fstat(descriptor)
    except OSError:  # the one that listed the directory
        return False
    return (found.st_ino, found.st_dev) == (state.inode, state.device)
