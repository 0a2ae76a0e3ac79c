"""Clears away what runs that were killed left in the temporary directory: nobody else does where the disk is kept."""

from __future__ import annotations

import os
import re
import shutil
import stat
from typing import Any, Final

_A_DAY: Final = 86_400.0
"""Seconds. A younger one may be of a run in a container, whose processes can't be seen from here."""


class _Real:
    """Held where neither a test's mock nor a faked file system replaces them."""

    kill: Any = staticmethod(os.kill) if os.name == "posix" else None  # on Windows it ends whom it asks
    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    path = os.path
    rmtree: Any = staticmethod(shutil.rmtree)


def clear_remains(directory: str) -> None:
    """Remove directories like this one, ``NAME-PID-RANDOM``, of processes that are gone: this user's, a day old."""
    if _Real.kill is None:
        return
    parent, name = _Real.path.split(directory)
    like = re.compile(re.escape(name.rsplit("-", 2)[0]) + r"-(\d+)-[0-9a-f]+")
    own = _Real.lstat(directory)
    for other in _Real.listdir(parent):
        found = like.fullmatch(other)
        if found and not _is_alive(int(found[1])):
            path = _Real.path.join(parent, other)
            try:
                state = _Real.lstat(path)
            except FileNotFoundError:  # another process was quicker
                continue
            is_old = own.st_mtime - state.st_mtime > _A_DAY
            if is_old and stat.S_ISDIR(state.st_mode) and state.st_uid == own.st_uid:
                _Real.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        _Real.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True
