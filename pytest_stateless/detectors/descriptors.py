"""Reads the table of open descriptors of this process."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Final

from pytest_stateless.noted import State
from pytest_stateless.watches import own_descriptors

if TYPE_CHECKING:
    from pytest_stateless.detectors.context import Context

Table = dict[int, os.stat_result]
"""The open descriptors, with what the system says of each."""

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_GET_FLAGS: Final = getattr(fcntl, "F_GETFL", 0)
_GET_PATH: Final = getattr(fcntl, "F_GETPATH", 0)  # macOS
_FILES: Final = ("/proc/self/fd", "/dev/fd")
_KEY: Final = "descriptors"


class _Real:
    """Held where no mock and no faked file system replaces them."""

    listdir = staticmethod(os.listdir)
    stat = staticmethod(os.stat)
    fstat = staticmethod(os.fstat)
    readlink = staticmethod(os.readlink)
    fcntl = staticmethod(fcntl.fcntl) if fcntl is not None else None


def _count() -> int:
    """How many descriptors are open, the plugin's own too; 0 where the system doesn't say (Linux before 6.2)."""
    try:
        return _Real.stat(_FILES[0]).st_size
    except OSError:
        return 0


_IS_COUNTED: Final = _count() > 0


def numbers() -> list[int]:
    """The open descriptors but for the plugin's own; none where the system doesn't list them (Windows)."""
    own = own_descriptors()
    return [number for number in _listed() if number not in own]


def _listed() -> list[int]:
    for directory in _FILES:
        try:
            return list(map(int, _Real.listdir(directory)))
        except OSError:
            continue
    return []


def table(context: Context) -> Table:
    """All open descriptors, read once in a look."""
    return context.once(_KEY, lambda: _read(context))


def _read(context: Context) -> Table:
    last: list[int] | None = context.last.get(_KEY)
    found = None if last is None else _read_again(last)
    if found is None:
        found = {number: state for number in sorted(_listed()) if (state := stat_of(number)) is not None}
        context.last[_KEY] = list(found) if _IS_COUNTED else None
    own = own_descriptors()
    return {number: state for number, state in found.items() if number not in own}


def _read_again(last: list[int]) -> Table | None:
    """The table where the same numbers are open as last time, which needs no list: so many are, and these are."""
    if _count() != len(last):
        return None
    try:
        return {number: _Real.fstat(number) for number in last}
    except OSError:  # one was closed, and another opened
        return None


def link_of(descriptor: int) -> str:
    """The path of a file, or how the system calls something else; empty where it doesn't say."""
    try:
        return _Real.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return _path_on_macos(descriptor)


def _path_on_macos(descriptor: int) -> str:
    if _Real.fcntl is None or not _GET_PATH:
        return ""
    try:
        return os.fsdecode(_Real.fcntl(descriptor, _GET_PATH, bytes(1024)).rstrip(b"\0"))
    except OSError:  # no file
        return ""


def access_of(descriptor: int) -> int:
    """Whether it reads, writes or both: one of ``os.O_RDONLY``, ``os.O_WRONLY``, ``os.O_RDWR``."""
    if _Real.fcntl is None:
        return os.O_RDONLY
    try:
        return int(_Real.fcntl(descriptor, _GET_FLAGS)) & os.O_ACCMODE
    except OSError:  # closed meanwhile
        return os.O_RDONLY


def stat_of(descriptor: int) -> os.stat_result | None:
    """What the system says of a descriptor; None where it is closed."""
    try:
        return _Real.fstat(descriptor)
    except OSError:
        return None


def writable_file(descriptor: int, known: os.stat_result | None = None) -> tuple[str, State] | None:
    """Path and state of a regular file that is open for writing and still has a name; ``known`` if it was asked."""
    found = stat_of(descriptor) if known is None else known
    if found is None or not stat.S_ISREG(found.st_mode) or not found.st_nlink:
        return None
    if access_of(descriptor) == os.O_RDONLY:
        return None
    try:
        path = _Real.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # closed meanwhile, or a system without /proc
        return None
    identity = (found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid)
    return path, State(*identity, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
