"""Which path an argument means, and what is there: asked of the real operating system."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from pytest_stateless.given import text_of
from pytest_stateless.noted import State


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    lstat = staticmethod(os.lstat)
    readlink = staticmethod(os.readlink)
    getcwd = staticmethod(os.getcwd)
    path = os.path


def resolve(path: object, directory: int) -> str | None:
    """The absolute path that an argument means: text, bytes or a descriptor; None where it names no file."""
    if type(path) is int:
        return _descriptor_path(path)
    text = text_of(path)
    if text is None:  # the events give what os.fspath gave, or an object that says nothing safe of itself
        return None
    if text.startswith(("/proc/self/fd/", "/dev/fd/")):
        number = text.rpartition("/")[2]
        return _descriptor_path(int(number)) if number.isdigit() else None
    if not _Real.path.isabs(text):
        start = _descriptor_path(directory) if directory >= 0 else _working_directory()
        if start is None:
            return None
        text = _Real.path.join(start, text)
    return _Real.path.normpath(text)


def _descriptor_path(descriptor: int) -> str | None:
    try:
        target = _Real.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None
    return target if target.startswith("/") and not target.endswith(" (deleted)") else None


def _working_directory() -> str | None:
    try:
        return _Real.getcwd()
    except OSError:  # it was deleted
        return None


def follow_links(path: str) -> str:
    """The path that a chain of symbolic links ends at, also where nothing is there yet."""
    for _ in range(40):
        try:
            path = _Real.path.normpath(_Real.path.join(_Real.path.dirname(path), _Real.readlink(path)))
        except OSError:
            return path
    return path


def look(path: str) -> State | None:
    """What is at ``path``, without following a symbolic link; None where nothing is or can be seen."""
    try:
        found = _Real.lstat(path)
    except (OSError, ValueError):
        return None
    return State(
        *(found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )


def differs(before: State | None, now: State | None) -> bool:
    """Whether something is another thing than it was, or was touched.

    The times of a directory tell of what lies in it, which has a path of its own.
    """
    if before is None or now is None:
        return before is not now
    if stat.S_ISDIR(before.mode) and stat.S_ISDIR(now.mode):
        return before.mode != now.mode or (before.user, before.group) != (now.user, now.group)
    return before != now


class PathEvidence(NamedTuple):
    """A path at which something changed while nobody told by which line."""

    path: str

    def looks(self) -> tuple[PathLook, ...]:
        """How to look at it."""
        return (PathLook(self.path),)

    def undo(self) -> None:
        """Nothing is put back: what is on the disk is the user's."""


class PathLook:
    """Looks at what is at a path. No signal and no queue is needed: whoever wrote has written when the line is over."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self._before = look(self._path)

    def moved(self) -> bool:
        """Whether something else is there than before."""
        return differs(self._before, look(self._path))
