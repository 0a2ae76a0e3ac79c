"""A fake of the disk in memory while a test runs: pyfakefs over the real tree."""

from __future__ import annotations

import heapq
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from pytest_stateless.fake.calls import FakedWrites, stand_in
from pytest_stateless.fake.modules import (
    Kept,
    imported_beside,
    leave_alone,
    mend,
    paths_made_before,
    searched,
)
from pytest_stateless.noted import FAKED
from pytest_stateless.recording import Recording


class _Real:
    """Held where the faked file system doesn't replace them."""

    listdir = staticmethod(os.listdir)
    getcwd = staticmethod(os.getcwd)
    path = os.path


class FakeDisk:
    """The fake of one test: reads come from the real disk, writes stay in memory."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._writes = FakedWrites(recording)
        self._undoing = ExitStack()
        self._accessing = ExitStack()
        self._patcher: Any = None
        self._fs: Any = None
        self._loaded: set[str] = set()

    @staticmethod
    def is_in_use() -> bool:
        """Whether somebody fakes the disk already; there can be only one who does."""
        loaded = sys.modules.get("pyfakefs.fake_filesystem_unittest")
        return loaded is not None and loaded.Patcher.PATCHER is not None

    def start(self) -> None:
        """From now on the program sees the fake."""
        from pyfakefs import pytest_plugin  # it says which parts of pytest need the real disk
        from pyfakefs.fake_filesystem_unittest import Patcher

        assert pytest_plugin.__name__
        self._undoing.enter_context(_as_it_was())
        self._undoing.enter_context(searched(Patcher))
        self._undoing.enter_context(stand_in(self._writes))
        self._patcher = Patcher()
        self._patcher.cleanup_handlers = Kept(self._patcher.cleanup_handlers)
        self._loaded = set(sys.modules)
        self._patcher.setUp()
        self._undoing.callback(self._stop_patching)
        self._fs = self._writes.fs = self._patcher.fs
        _number_apart(self._fs)
        self._fs.shuffle_listdir_results = False  # it would draw from the program's random numbers
        self._begin_accessing()
        self._lay_over()
        self._capture_on_disk()
        self._recording.look_at_fake = self._writes.look
        self._recording.content_of_fake = self._writes.content

    def stop(self) -> None:
        """The program sees the real disk again."""
        self._undoing.close()

    def _stop_patching(self) -> None:
        self._accessing.close()
        self._flush()
        self._patcher.tearDown()
        self._mend()

    def _flush(self) -> None:
        """Write what waits in buffers: a real file that nobody holds any more does so by itself."""
        for wrapper in [wrapper for opened in self._fs.open_files[3:] for wrapper in opened or ()]:
            try:
                wrapper.flush()
            except (AttributeError, OSError, ValueError):  # a pipe or a directory, or it is closed
                continue

    def _mend(self) -> None:
        mend(set(sys.modules) - self._loaded, self._patcher.fake_modules)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens within happens on the real disk, and is seen in the fake afterwards."""
        if not self._patcher.is_patching:  # within another such block
            yield
            return
        first, directory = len(self._recording.writes), _working_directory()
        self._accessing.close()
        self._patcher.pause()
        self._mend()
        try:
            with _as_it_was():
                yield
        finally:
            if self.is_in_use():  # else the test was torn down within
                self._resume()
                for path in {write.path for write in self._recording.writes[first:] if write.fate != FAKED}:
                    self._take_over(path)
                self._go_to(_working_directory(), directory)

    def _resume(self) -> None:
        self._loaded = set(sys.modules)
        leave_alone(self._patcher)
        self._patcher._find_modules()  # those that were imported meanwhile
        self._patcher.resume()
        self._begin_accessing()

    def _capture_on_disk(self) -> None:
        """What ``capfd`` captures with, begun when the test is called, has to be known to the system."""
        names = vars(sys.modules["_pytest.capture"])
        real = names["TemporaryFile"]

        def temporary(*args: Any, **kwargs: Any) -> Any:
            with self.paused():
                return real(*args, **kwargs)

        names["TemporaryFile"] = temporary
        self._undoing.callback(names.__setitem__, "TemporaryFile", real)

    def _begin_accessing(self) -> None:
        self._accessing = paths_made_before(self._patcher.fake_modules)
        self._accessing.enter_context(imported_beside(self._patcher))

    def _lay_over(self) -> None:
        """The real tree, each directory of which is read when it is looked into."""
        for name in ("add_real_file", "add_real_directory", "add_real_symlink"):
            setattr(self._fs, name, _as_it_is(getattr(self._fs, name)))
        root = self._fs.get_object("/")
        for name in list(root.entries):  # the temporary directory, made for a file system without one
            root.remove_entry(name)
        for name in _Real.listdir("/"):
            self._add_real(f"/{name}")
        self._go_to(_working_directory(), None)

    def _go_to(self, directory: str | None, before: str | None) -> None:
        if directory is not None and directory != before:
            self._fs.cwd = directory

    def _add_real(self, path: str) -> None:
        if _Real.path.islink(path):
            self._fs.add_real_symlink(path)
        elif _Real.path.isdir(path):
            self._fs.add_real_directory(path, read_only=False)
        elif _Real.path.exists(path):
            self._fs.add_real_file(path, read_only=False)

    def _take_over(self, path: str) -> None:
        """What was made or removed on the real disk, in a directory that the fake may have read before."""
        directory, name = _Real.path.split(path)
        try:
            entries = self._fs.get_object(self._fs.resolve_path(directory))
            if name in entries.entries:
                entries.remove_entry(name, recursive=False)
        except (OSError, AttributeError):  # the fake has no such directory
            return
        self._add_real(_Real.path.join(directory, name))


_NUMBERS: Final = 4096  # a longer table costs more each time that a file is flushed


def _number_apart(fs: Any) -> None:
    """Give descriptors numbers that none of the system's has.

    A child that is given one, a map or ``os.dup2`` would write to whatever file has the number in truth. A pipe is one
    of the system's, and keeps its number.
    """
    from pyfakefs.fake_file import FakePipeWrapper

    limit = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1
    first = min(limit, _NUMBERS) if limit > 0 else _NUMBERS
    fs.open_files += [None] * (first - len(fs.open_files))
    add, free = fs.add_open_file, fs._free_fd_heap

    def adding(opened: Any, new_fd: int = -1) -> Any:
        while free and free[0] < first:  # what os.dup2 took
            heapq.heappop(free)
        if type(opened) is FakePipeWrapper and opened.filedes is None and not opened.real_file:
            new_fd = opened.fd
            fs.open_files[new_fd : new_fd + 1] = [None]  # a pipe that had the number is closed
        return add(opened, new_fd)

    fs.add_open_file = adding


def _as_it_is(add: Callable[..., Any]) -> Callable[..., Any]:
    """Add what the real disk has, also to a directory that the user may not write to.

    What vanishes meanwhile must not keep the rest of its directory from being read.
    """
    from pyfakefs import helpers

    def adding(*args: Any, **kwargs: Any) -> Any:
        user = helpers.get_uid()
        helpers.set_uid(0)
        try:
            return add(*args, **kwargs)
        except OSError:
            return None
        finally:
            helpers.set_uid(user)

    return adding


def _working_directory() -> str | None:
    try:
        return _Real.getcwd()
    except OSError:  # it was deleted
        return None


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Keep where temporary files go, which pyfakefs forgets.

    And keep the import system from writing compiled modules: half of what it calls for that is faked.
    """
    directory, writes_no_bytecode = tempfile.tempdir, sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        tempfile.tempdir, sys.dont_write_bytecode = directory, writes_no_bytecode
