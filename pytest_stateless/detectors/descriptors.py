"""Reads the table of open descriptors of this process."""

from __future__ import annotations

import os
import stat
from typing import Any, Final

from pytest_stateless.audit import State

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_GET_FLAGS: Final = getattr(fcntl, "F_GETFL", 0)
_FILES: Final = ("/proc/self/fd", "/dev/fd")


class _Real:
    """Held where no mock and no faked file system replaces them."""

    listdir = staticmethod(os.listdir)
    fstat = staticmethod(os.fstat)
    readlink = staticmethod(os.readlink)
    fcntl = staticmethod(fcntl.fcntl) if fcntl is not None else None


def numbers() -> list[int]:
    """The open descriptors; none where the system doesn't show them in a directory (Windows)."""
    for directory in _FILES:
        try:
            return [int(name) for name in _Real.listdir(directory)]
        except OSError:
            continue
    return []


def stat_of(descriptor: int) -> os.stat_result | None:
    """What the system says of a descriptor; None where it is closed, as the one that listed the directory is."""
    try:
        return _Real.fstat(descriptor)
    except OSError:
        return None


def writable_file(descriptor: int) -> tuple[str, State] | None:
    """Path and state of a regular file that is open for writing and still has a name."""
    found = stat_of(descriptor)
    if found is None or not stat.S_ISREG(found.st_mode) or not found.st_nlink:
        return None
    try:
        if not _is_writable(descriptor):
            return None
        path = _Real.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:  # closed meanwhile, or a system without /proc
        return None
    identity = (found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid)
    return path, State(*identity, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_writable(descriptor: int) -> bool:
    return bool(_Real.fcntl and _Real.fcntl(descriptor, _GET_FLAGS) & os.O_ACCMODE != os.O_RDONLY)
