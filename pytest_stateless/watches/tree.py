"""What is known of the watched directories: the state of everything in them as it was at the last look."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.noted import State
from pytest_stateless.watches.kernel import Fanotify, Inotify
from pytest_stateless.watches.roots import MARKED, PRUNED, Root
from pytest_stateless.zones import Zones, within

DIRECTORIES: Final = 10_000
ENTRIES: Final = 100_000
"""Beyond these, watching would cost seconds and some ten megabytes, and watches are scarce: a user has so many."""
SECONDS: Final = 10.0
"""What listing may take, on a slow network file system say; ten times what as many directories take on a disk."""

_Known = tuple[
    int, ...
]  # the fields of a State; the garbage collector doesn't visit a plain tuple of numbers
_MEND: Final = "leave out with --stateless-temp what tests don't write to"
_SCARCE: Final = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class TooMuchError(Exception):
    """What there is to watch passes a limit, which is said."""


class _Real:
    """Held where no mock and no faked file system replaces them."""

    scandir: Any = staticmethod(os.scandir)
    monotonic = staticmethod(time.monotonic)


class Tree:
    """The watched directories by the number of their watch, and what is in them by name."""

    def __init__(self, inotify: Inotify, fanotify: Fanotify | None, zones: Zones) -> None:
        self._inotify = inotify
        self._fanotify = fanotify
        self._zones = zones
        self._inside: dict[str, dict[str, _Known]] = {}
        self._path: dict[int, str] = {}
        self._watch: dict[str, int] = {}
        self._entries = 0

    @property
    def tells_own(self) -> bool:
        """Whether every watched directory says what of its changes was of this process."""
        return self._fanotify is not None

    def is_watched(self, directory: str) -> bool:
        """Whether a directory is among the watched ones."""
        return directory in self._watch

    def path_of(self, watch: int) -> str | None:
        """Where the directory of a watch is now."""
        return self._path.get(watch)

    def state(self, path: str) -> State | None:
        """What was there at the last look."""
        directory, name = os.path.split(path)
        known = self._inside.get(directory, {}).get(name)
        return None if known is None else State._make(known)

    def update(self, path: str, state: State | None) -> None:
        """Take down what is there now."""
        directory, name = os.path.split(path)
        inside = self._inside.get(directory)
        if inside is None:
            return
        self._entries -= name in inside
        if state is None:
            inside.pop(name, None)
        else:
            inside[name] = tuple(state)
            self._entries += 1

    def paths(self) -> Iterator[str]:
        """Everything that is known."""
        for directory, inside in self._inside.items():
            yield from (os.path.join(directory, name) for name in inside)

    # ------------------------------------------------------------------------------------ which are watched

    def add(self, root: Root, *, asked: bool = False) -> list[str]:
        """Watch a directory, with all below it if it is deep. Raises TooMuchError.

        One that was asked for is watched whatever is in it; of one that was met, what is in it is returned.
        """
        found: list[str] = []
        waiting = [root.path]
        end = _Real.monotonic() + SECONDS
        while waiting:
            if _Real.monotonic() > end:
                raise TooMuchError(f"listing {root.path} takes more than {SECONDS:.0f} seconds; {_MEND}")
            directory = waiting.pop()
            if not self._zones.count(directory) or not self._add_watch(directory):
                continue
            names = self._list(directory)
            exempt = asked and directory == root.path
            if names is None or (not exempt and any(name in names for name in MARKED)):
                self.forget(directory)
                continue
            if not asked:
                found += (os.path.join(directory, name) for name in names)
            if root.deep:
                waiting += self._below(directory)
        return found

    def _add_watch(self, directory: str) -> bool:
        """Watch before listing: what comes between is an event."""
        if directory in self._inside:
            return False
        try:
            watch = self._inotify.add(directory)
        except OSError as error:
            if error.errno in _SCARCE:
                raise TooMuchError(
                    f"the system has no more watches to give ({error.strerror}); raise fs.inotify.max_user_watches"
                ) from None
            return False  # it is gone, or closed to us
        if len(self._inside) >= DIRECTORIES:
            raise TooMuchError(f"there are more than {DIRECTORIES:,} directories to watch; {_MEND}")
        self._path[watch], self._watch[directory] = directory, watch
        self._inside[directory] = {}
        self._mark(directory)
        return True

    def _mark(self, directory: str) -> None:
        try:
            if self._fanotify is not None:
                self._fanotify.add(directory)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # a file system that can't, or no marks left
                self._fanotify = None

    def _list(self, directory: str) -> dict[str, _Known] | None:
        """Take down what is in a directory; None where it can't be read."""
        inside = self._inside[directory]
        try:
            with _Real.scandir(directory) as entries:
                for entry in entries:
                    known = _known(entry)
                    if known is not None:
                        inside[entry.name] = known
        except OSError:
            return None
        self._entries += len(inside)
        if self._entries > ENTRIES:
            raise TooMuchError(f"there are more than {ENTRIES:,} files to watch; {_MEND}")
        return inside

    def _below(self, directory: str) -> Iterator[str]:
        for name, known in self._inside[directory].items():
            if stat.S_ISDIR(known[2]) and name not in PRUNED:
                yield os.path.join(directory, name)

    # ------------------------------------------------------------------------------------ when they move

    def ended(self, watch: int) -> None:
        """The system ended a watch: its directory is gone."""
        directory = self._path.pop(watch, None)
        if directory is not None and self._watch.get(directory) == watch:
            self._drop(directory)

    def forget(self, top: str) -> None:
        """A directory isn't to be watched any more, nor are those below it."""
        for directory in [one for one in self._watch if within(one, top)]:
            watch = self._watch[directory]
            self._drop(directory)
            self._path.pop(watch, None)
            self._inotify.remove(watch)

    def _drop(self, directory: str) -> None:
        del self._watch[directory]
        self._entries -= len(self._inside.pop(directory))

    def move(self, top: str, to: str) -> None:
        """A directory has another name now, and so have those below it."""
        for directory in [one for one in self._watch if within(one, top)]:
            moved = to + directory[len(top) :]
            watch = self._watch[moved] = self._watch.pop(directory)
            self._path[watch] = moved
            self._inside[moved] = self._inside.pop(directory)


def _known(entry: os.DirEntry[str]) -> _Known | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:  # gone meanwhile
        return None
    return (
        *(found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_size),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )
