"""Notes the calls that change a fake disk, with the line that made them, by standing in for functions of pyfakefs."""

from __future__ import annotations

import functools
import os
import stat
import sys
import types
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

from pytest_stateless.attempts import CHANGING, Attempt
from pytest_stateless.contents import LONGEST
from pytest_stateless.noted import FAKED, State, Write
from pytest_stateless.recording import Recording
from pytest_stateless.source import Place

Decide = Callable[..., "tuple[Attempt, ...]"]


class _Real:
    """Held where the faked file system doesn't replace them."""

    path = os.path
    open = staticmethod(open)
    getframe = staticmethod(sys._getframe)
    fsdecode = staticmethod(os.fsdecode)
    fspath = staticmethod(os.fspath)


# ---------------------------------------------------------------- decisions: a call of pyfakefs -> attempts


def _one(operation: str, follow: bool = False) -> Decide:
    def decide(_: object, path: object, *rest: object, dir_fd: int | None = None, **more: object) -> Any:
        follows = follow and bool(more.get("follow_symlinks", True))
        return (Attempt(operation, path, -1 if dir_fd is None else dir_fd, follow=follows),)

    return decide


def _renamed(_: object, source: object, target: object, *rest: object, **more: object) -> tuple[Attempt, ...]:
    return (
        Attempt("rename-from", source, other=target, follow=False),
        Attempt("rename-to", target, other=source, follow=False),
    )


def _linked(_: object, source: object, target: object, *rest: object, **more: object) -> tuple[Attempt, ...]:
    return (Attempt("link", target, other=source, follow=False),)


def _symlinked(
    _: object, source: object, target: object, *rest: object, dir_fd: int | None = None, **more: object
) -> tuple[Attempt, ...]:
    return (Attempt("symlink", target, -1 if dir_fd is None else dir_fd, follow=False),)


def _opened(
    _: object,
    path: object,
    mode: str = "r",
    *rest: Any,
    opener: Any = None,
    open_modes: Any = None,
    **more: Any,
) -> tuple[Attempt, ...]:
    opener = rest[5] if len(rest) > 5 else opener
    open_modes = rest[6] if len(rest) > 6 else open_modes
    writes = open_modes.can_write if open_modes is not None else set(mode) & set("wax+")
    # A descriptor was noted when it was made, and an opener makes one.
    return (Attempt("open", path),) if writes and opener is None and type(path) is not int else ()


_FILE_SYSTEM: Final[dict[str, Decide]] = {
    "makedir": _one("mkdir"),
    "remove": _one("remove"),
    "rmdir": _one("rmdir"),
    "rename": _renamed,
    "link": _linked,
    "chmod": _one("chmod", follow=True),
    "utime": _one("utime", follow=True),
}
_OS: Final[dict[str, Decide]] = {
    "symlink": _symlinked,
    "mknod": _one("mknod"),
    "truncate": _one("truncate", follow=True),
    "chown": _one("chown", follow=True),
    "setxattr": _one("setxattr", follow=True),
    "removexattr": _one("setxattr", follow=True),
}
_ACCESSOR: Final[dict[str, Decide]] = {
    "mkdir": _one("mkdir"),
    "unlink": _one("remove"),
    "rmdir": _one("rmdir"),
    "rename": _renamed,
    "replace": _renamed,
    "symlink": _symlinked,
    "link": _linked,
}
"""Functions that pathlib up to 3.10 calls, which pyfakefs takes from the file system when it is loaded."""


def _noting(kept: Any, decide: Decide, note: Callable[[Any, Any], None]) -> Any:
    static = type(kept) is staticmethod
    real = kept.__func__ if static else kept
    instance = (None,) if static else ()

    @functools.wraps(real)
    def noting(*args: Any, **kwargs: Any) -> Any:
        try:
            attempts = decide(*instance, *args, **kwargs)
        except Exception:  # wrong arguments: the real one says what is wrong with them
            attempts = ()
        if attempts:
            note(attempts, _Real.getframe(1))
        return real(*args, **kwargs)

    return staticmethod(noting) if static else noting


def stand_in(notes: FakedWrites) -> ExitStack:
    """Put the stand-ins into their places. Closing what is returned gives the places back."""
    from pyfakefs import fake_file, fake_filesystem, fake_open, fake_os, fake_pathlib

    tables: list[tuple[Any, dict[str, Decide]]] = [
        (fake_filesystem.FakeFilesystem, _FILE_SYSTEM),
        (fake_os.FakeOsModule, _OS),
        (fake_open.FakeFileOpen, {"call": _opened}),
    ]
    if sys.version_info < (3, 11):
        tables.append((fake_pathlib._FakeAccessor, _ACCESSOR))
    undoing = ExitStack()
    vars(fake_file)["open"] = _Real.open  # with which it opens the real end of a pipe
    undoing.callback(vars(fake_file).pop, "open")
    for cls, table in tables:
        for name, decide in table.items():
            kept = vars(cls).get(name)
            if kept is not None:  # else it is not of this system, or of this version of pyfakefs
                setattr(cls, name, _noting(kept, decide, notes.note))
                undoing.callback(setattr, cls, name, kept)
    return undoing


class FakedWrites:
    """Writes what was attempted on a fake file system into a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.fs: Any = None
        """pyfakefs' file system."""

    def look(self, path: str) -> State | None:
        """What the fake has at ``path``, without following a symbolic link."""
        try:
            found = self.fs.stat(path, follow_symlinks=False)
        except (OSError, ValueError):
            return None
        return State(
            *(found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, found.st_size),
            *(found.st_mtime_ns, found.st_ctime_ns),
        )

    def content(self, path: str, state: State | None) -> int | None:
        """What stands for what is in a regular file of the fake; None for anything else, and where it is long."""
        if state is None or not stat.S_ISREG(state.mode) or state.size > LONGEST:
            return None
        try:
            return zlib.crc32(self.fs.get_object(path).byte_contents)
        except (OSError, TypeError):  # what it stands for is gone from the real disk, or nobody may read it
            return None

    def note(self, attempts: tuple[Attempt, ...], frame: types.FrameType) -> None:
        """Note what one call attempts, with the states that it starts from."""
        try:
            place = self._recording.sources.place(frame)
            for attempt in attempts:
                for path in self._paths(attempt):
                    other = self._absolute(attempt.other) if attempt.other else ""
                    self._recording.writes.append(self._write(attempt, path, other, place))
        except OSError:  # of a descriptor that is closed, as the call itself is about to say
            pass
        except Exception as error:
            self._recording.broken.append(f"fake: {type(error).__name__}: {error}")

    def _write(self, attempt: Attempt, path: str, other: str, place: Place | None) -> Write:
        before = self.look(path)
        is_read = attempt.operation in CHANGING and before is not None
        content = self._recording.read(self.content, path, before) if is_read else None
        return Write(attempt.operation, path, other, before, place, FAKED, content=content)

    def _paths(self, attempt: Attempt) -> Iterator[str]:
        directory, name = _Real.path.split(self._absolute(attempt.path, attempt.directory))
        path = _Real.path.join(self._resolved(directory), name)
        yield path
        if attempt.follow and self._resolved(path) != path:
            yield self._resolved(path)

    def _resolved(self, path: str) -> str:
        try:
            return str(self.fs.resolve_path(path))
        except OSError:  # a directory that isn't there, or links in a circle
            return path

    def _absolute(self, path: Any, directory: int = -1) -> str:
        if type(path) is int:
            return str(self.fs.get_open_file(path).get_object().path)
        text = _Real.fsdecode(_Real.fspath(path))
        if directory >= 0 and not _Real.path.isabs(text):
            text = _Real.path.join(self.fs.get_open_file(directory).get_object().path, text)
        return str(self.fs.absnormpath(text))
