"""Notes what is attempted within a window, with the line that did it and the state that it started from."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pytest_stateless.attempts import CHANGING, DECISIONS, EXEC, LOCKS, MAP, RUN, SPAWNS, STARTS, Attempt
from pytest_stateless.commands import Command, command_of
from pytest_stateless.contents import Contents, content_of
from pytest_stateless.given import text_of
from pytest_stateless.landlock import confine
from pytest_stateless.looping import Loops
from pytest_stateless.noted import (
    DENIED,
    Bind,
    Change,
    Listen,
    Lock,
    Mapped,
    Spawn,
    Start,
    State,
    Write,
    comes_to_nothing,
)
from pytest_stateless.opening import Openings
from pytest_stateless.paths import follow_links, look, resolve
from pytest_stateless.source import Place, Sources


class _Real:
    """Held where no test's mock replaces them."""

    fstat = staticmethod(os.fstat)
    getframe = staticmethod(sys._getframe)
    get_ident = staticmethod(threading.get_ident)
    environ: Any = vars(os.environ)["_data"]
    threads = threading._active  # type: ignore[attr-defined]
    identity = object.__hash__  # ``id`` raises an audit event


class Recording:
    """What was attempted while it is the open one, in order."""

    def __init__(self, sources: Sources, show_values: bool = False) -> None:
        self.sources = sources
        self.show_values = show_values
        """Whether commands are told with what may be secret in them."""
        self.began = 0.0
        """When it became the open one, as the beginnings of children are given."""
        self.reaped: int | None = None
        """What says then whether a child was waited for since; None where nobody asked."""
        self.writes: list[Write] = []
        self.changes: list[Change] = []
        """Not from audit events: what was seen at each look."""
        self.binds: list[Bind] = []
        self.listens: list[Listen] = []
        self.locks: list[Lock] = []
        self.maps: list[Mapped] = []
        self.spawns: list[Spawn] = []
        self.older: int | None = None
        """The number of the process that was started last before the first child; None where there is no child."""
        self.openings = Openings(sources)
        self.loops = Loops(sources)
        self.starts: list[Start] = []
        self.broken: list[str] = []
        """Attempts that could not be noted, which the hook must not raise about."""
        self.refuse: Callable[[Write], str | None] | None = None
        """Why a write must not happen; None for one that may."""
        self.writable: tuple[str, ...] | None = None
        """The paths that alone a child process may write below; None where it is let alone."""
        self.send: Callable[[list[Write]], None] | None = None
        """Tells the process that this one was forked from."""
        self.look_at_fake: Callable[[str], State | None] = look
        """``look``, on the disk that faked writes went to."""
        self.content_of_fake: Callable[[str, State | None], int | None] = content_of
        """``content_of``, on the disk that faked writes went to."""
        self.counts: Callable[[str], bool] = lambda path: False
        """Whether a write at a path counts, so that what is in a file that is there is taken down."""
        self.contents = Contents()
        self._reading: set[int] = set()
        """Threads in which a file is opened here, to see what is in it."""
        self.at_the_door: set[int] = set()
        """Threads within a call that a stand-in noted already."""

    def forget(self) -> None:
        """Start anew: no window refers to what was noted."""
        self.writes.clear()
        self.changes.clear()
        self.binds.clear()
        self.listens.clear()
        self.locks.clear()
        self.maps.clear()
        self.spawns.clear()
        self.older = None
        self.openings.forget()
        self.loops.forget()
        self.starts.clear()
        self.contents.forget()
        self.look_at_fake, self.content_of_fake = look, content_of

    def note(self, event: str, args: tuple[Any, ...]) -> OSError | None:
        """Note what an audit event attempts, if anything. Runs inside the user's call.

        Returns the error to raise where the attempt is refused.
        """
        if event == EXEC:
            self._note_exec()
            return None
        if event == "socket.bind":
            return self._note_bind(*args)
        if event in DECISIONS:
            return self._note_writes(event, args)
        self._note_other(event, args)
        return None

    def _note_writes(self, event: str, args: tuple[Any, ...]) -> OSError | None:
        attempts = DECISIONS[event](*args)
        if event == "open":
            if _Real.get_ident() in self._reading:
                return None
            self.openings.note_file(args[0], _Real.getframe(3))
            if _Real.get_ident() in self.at_the_door:
                return None
        elif event == "sqlite3.connect":
            for attempt in attempts:
                self.openings.note_file(attempt.path, _Real.getframe(3))
        return self.note_attempts(attempts, _Real.getframe(3))

    def _note_other(self, event: str, args: tuple[Any, ...]) -> None:
        """Note what can't be refused."""
        frame = _Real.getframe(3)
        if event == RUN:
            self.loops.note_run(frame)
        elif event == "socket.__new__":
            self.openings.note_socket(args[0], frame)
        elif event in SPAWNS:
            self.note_spawn(command_of(SPAWNS[event](*args), self.show_values), frame)
        elif event in STARTS:
            self.note_start(args[0], frame)
        elif event == MAP:
            if args[0] != -1:
                self.maps.append(Mapped(_inode_of(args[0]), self.sources.place(frame)))
        elif args[1] in LOCKS[event]:
            self.locks.append(Lock(_inode_of(args[0]), self.sources.place(frame)))

    def note_attempts(self, attempts: Iterable[Attempt], frame: Any) -> OSError | None:
        """Note what one call attempts, with the states that it starts from; the error to raise where it is refused."""
        writes = [write for attempt in attempts for write in self._writes_of(attempt, frame)]
        refusal = self._refusal(writes)
        self.writes += writes
        if self.send is not None:
            self.send(writes)
        return refusal

    def _writes_of(self, attempt: Attempt, frame: Any) -> Iterator[Write]:
        path = resolve(attempt.path, attempt.directory)
        if path is None:
            return
        before = look(path)
        other = resolve(attempt.other, attempt.other_directory) if attempt.other else ""
        place = self.sources.place(frame)
        yield self._write(attempt, path, other or "", before, place)
        if attempt.follow and before is not None and stat.S_ISLNK(before.mode):
            # No event tells whether the link itself is meant (``follow_symlinks=False``): look at both.
            path = follow_links(path)
            yield self._write(attempt, path, other or "", look(path), place)

    def _write(
        self, attempt: Attempt, path: str, other: str, before: State | None, place: Place | None
    ) -> Write:
        is_read = attempt.operation in CHANGING and before is not None and self.counts(path)
        content = self.read(self.contents.before, path, before) if is_read else None
        return Write(attempt.operation, path, other, before, place, content=content)

    def read(
        self, content: Callable[[str, State | None], int | None], path: str, state: State | None
    ) -> int | None:
        """What stands for what is in a file. That it is opened for this isn't noted."""
        thread = _Real.get_ident()
        self._reading.add(thread)
        try:
            return content(path, state)
        finally:
            self._reading.discard(thread)

    def _refusal(self, writes: list[Write]) -> OSError | None:
        """The error for a call whose writes must not happen, which are marked so."""
        if self.refuse is None or any(map(comes_to_nothing, writes)):
            return None
        for write in writes:
            # What gets a further name is as it was, until somebody writes to it by that name.
            reason = None if write.operation == "link-from" else self.refuse(write)
            if reason is not None:
                writes[:] = [one._replace(fate=DENIED) for one in writes]
                return PermissionError(errno.EACCES, reason, write.path)
        return None

    def _note_exec(self) -> None:
        """A process is about to become another program: a forked child, if it isn't the end of the tests."""
        if self.writable is not None and self.send is not None:
            with contextlib.suppress(OSError):
                confine(self.writable)

    def note_spawn(self, command: Command, frame: Any) -> None:
        """Note that a child process was asked for."""
        test = os.fsdecode(_Real.environ.get(b"PYTEST_CURRENT_TEST", b"")).rpartition(" (")[0]
        spawn = Spawn(command, self.sources.place(frame), test)
        if not self.spawns or self.spawns[-1] != spawn:  # subprocess tells of it, and so does what it calls
            self.spawns.append(spawn)

    def note_listen(self, socket: Any, frame: Any) -> None:
        """Note that a socket waits for others from now on."""
        import _socket  # loaded: somebody has one

        address = _socket.socket.getsockname(socket)
        if type(address) is tuple and type(address[0]) is str:
            self.listens.append(Listen(_inode(socket), address[0], address[1], self.sources.place(frame)))

    def note_start(self, function: Any, frame: Any) -> None:
        """Note that a thread is started that runs a function."""
        thread = 0
        if type(function) is types.MethodType:
            thread, function = _Real.identity(function.__self__), function.__func__
        is_python = type(function) is types.FunctionType
        code = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}" if is_python else ""
        by = _Real.identity(_Real.threads.get(_Real.get_ident()))
        self.starts.append(Start(thread, code, by, self.sources.place(frame)))

    def _note_bind(self, socket: Any, address: object) -> OSError | None:
        refusal, place = None, self.sources.place(_Real.getframe(3))
        if type(address) is tuple and len(address) >= 2:
            host, port = address[0], address[1]
            name, number = host if type(host) is str else "", port if type(port) is int else 0
        else:
            name, number = text_of(address) or "", 0
            if name and not name.startswith("\0"):
                refusal = self.note_attempts([Attempt("bind", name, follow=False)], _Real.getframe(3))
        self.binds.append(Bind(_inode(socket), name, number, place))
        return refusal


def _inode(socket: Any) -> int:
    import _socket  # loaded: somebody binds one

    return _inode_of(_socket.socket.fileno(socket))


def _inode_of(descriptor: int) -> int:
    try:
        return _Real.fstat(descriptor).st_ino
    except OSError:  # it is closed, as the call is about to say
        return -1
