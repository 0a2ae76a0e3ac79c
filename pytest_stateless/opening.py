"""Notes which line opened what, so that a descriptor that stays open can be blamed on it."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any, Final

from pytest_stateless.source import Place, Sources, is_own

_IMPORTING: Final = "<frozen importlib._bootstrap_external>"  # closes what it opens
_ENOUGH: Final = 10_000  # paths; a test that opens more files is not to keep a text for each
_DATABASE_FILES: Final = ("-wal", "-shm", "-journal")  # which SQLite opens beside the database


Made = tuple[os.stat_result, str, "Place | None"]
"""A descriptor that a function of ``os`` gave: what it led to, since its number may be given to another later; the
function's name, and who called it. No class: pytest's capture gives a dozen in a test."""


class _Real:
    fstat = staticmethod(os.fstat)
    getcwd = staticmethod(os.getcwd)


class Openings:
    """The lines that opened files, sockets and other descriptors while windows were open."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.are_wanted = True
        """Whether anybody asks who opened what: not where the rule of what stays open is off."""
        self._files: dict[str, Place | None] = {}
        self._sockets: dict[int, Place | None] = {}
        self._made: dict[int, Made] = {}

    def forget(self) -> None:
        """Start anew."""
        self._files.clear()
        self._sockets.clear()
        self._made.clear()

    # -------------------------------------------------------------------------------------------- noting

    def note_file(self, path: object, frame: FrameType) -> None:
        """A file is about to be opened."""
        if not self.are_wanted or len(self._files) >= _ENOUGH or frame.f_code.co_filename == _IMPORTING:
            return
        text = path if type(path) is str else os.fsdecode(path) if type(path) is bytes else ""
        if text:
            self._files[_absolute(text)] = self._sources.place(frame)

    def note_socket(self, socket: object, frame: FrameType) -> None:
        """A socket is about to be made; it has no descriptor yet, but an identity."""
        if self.are_wanted and not is_own(frame.f_code.co_filename):  # which asks sockets what they are
            self._sockets[id(socket)] = self._sources.place(frame)

    def note_made(self, function: str, made: Any, frame: FrameType) -> None:
        """A function of this name returned a descriptor, or several in a tuple."""
        place = self._sources.place(frame)
        for descriptor in made if type(made) is tuple else (made,):
            self._made[descriptor] = _Real.fstat(descriptor), function, place

    # ------------------------------------------------------------------------------------------- looking up

    def of_file(self, path: str) -> tuple[Place | None, bool]:
        """Who opened the file last, and whether anybody did; without a note it was opened past Python."""
        for ending in _DATABASE_FILES:
            path = path.removesuffix(ending)
        if os.path.basename(path).startswith("#"):  # a temporary file that never had a name
            path = os.path.dirname(path)
        if path in self._files:
            return self._files[path], True
        name = os.path.basename(path)
        for noted, place in self._files.items():
            if os.path.basename(noted) == name and os.path.realpath(noted) == path:
                return place, True
        return None, False

    def of_socket(self, socket: object) -> tuple[Place | None, bool]:
        """Who made the socket, and whether anybody did."""
        return self._sockets.get(id(socket)), id(socket) in self._sockets

    def of_descriptor(self, descriptor: int, device: int, inode: int, kind: str) -> tuple[Place | None, bool]:
        """Which function of ``os`` gave the descriptor, and whether one did; ``kind`` where things share an inode."""
        made = self._made.get(descriptor)
        if made is None:
            return None, False
        found, function, place = made
        is_another = (found.st_dev, found.st_ino) != (device, inode)
        if is_another or (kind and function not in (kind, f"{kind}_open", f"{kind}_create", "dup", "dup2")):
            return None, False
        return place, True


def _absolute(path: str) -> str:
    if not os.path.isabs(path):
        try:
            path = os.path.join(_Real.getcwd(), path)
        except OSError:  # it was deleted
            return path
    return os.path.normpath(path)


WITHOUT_EVENT: Final = tuple(
    name
    for name in (
        *("pipe", "pipe2", "dup", "dup2", "openpty", "posix_openpt", "eventfd", "timerfd_create"),
        *("memfd_create", "pidfd_open"),
    )
    if hasattr(os, name) and sys.platform != "win32"
)
"""Functions of ``os`` that give descriptors and tell no audit hook."""
