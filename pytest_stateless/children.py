"""Python children of a checked test tell what they write: forked ones by themselves, others through a hook they load.

Nothing is installed: the hook stands first in the PYTHONPATH that a child is started with, in no environment that the
test can see. Reports are appended to a file in a temporary directory, one for each window of a test, so that what a
child of an earlier test does is not blamed on this one.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from pytest_stateless import audit, confined, proc
from pytest_stateless.interpreter import c_environment
from pytest_stateless.noted import DENIED, Write
from pytest_stateless.paths import look
from pytest_stateless.reaching import (
    ENVIRONMENT,
    encoded,
    environment_with,
    lend,
    may_load_hook,
    take_back,
)
from pytest_stateless.recording import Recording
from pytest_stateless.remains import clear_remains
from pytest_stateless.telling import plain_place, plain_write, writes_of

_posixsubprocess: Any
try:
    import _posixsubprocess
except ImportError:  # Windows
    _posixsubprocess = None

_HERE: Final = os.path.dirname(os.path.abspath(__file__))
_HOOK: Final = (os.path.join(_HERE, "child", "sitecustomize.py"), os.path.join(_HERE, "reaching.py"))
"""The files that a child loads, the second of them when it starts one itself."""


class _Real:
    """Held where neither a test's mock nor a faked file system replaces them."""

    open = staticmethod(os.open)
    read = staticmethod(os.read)
    write = staticmethod(os.write)
    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    mkdir = staticmethod(os.mkdir)
    getpid = staticmethod(os.getpid)
    urandom = staticmethod(os.urandom)
    rmtree: Any = staticmethod(shutil.rmtree)
    lseek = staticmethod(os.lseek)
    path = os.path
    getframe = staticmethod(sys._getframe)
    environ = os.environ
    execve: Any = getattr(os, "execve", None)


class _Reports:
    """Where the children of this process report, and how far that was read."""

    directory: str = ""
    owner: int = 0
    """The process that made it, and removes it."""
    forked: bool = False
    """Whether this process is a fork of that one."""
    window: int = 0
    used: bool = False
    """Whether a child was started in this window."""
    read: int = 0
    writable: tuple[str, ...] | None = None
    """The paths that children of this window may write below; None where they are let alone."""

    @classmethod
    def file(cls) -> str:
        return _Real.path.join(cls.directory, f"{cls.window}.txt")


# ------------------------------------------------------------------------------------------- the child's side


def _inherited() -> dict[bytes, bytes]:
    """What a child gets that is given no environment: also what ``os.putenv`` set."""
    found = c_environment.variables()
    return encoded(_Real.environ) if found is None else found


def _note_older() -> None:
    """A child is about to be started: before the first of a window, look how far the numbers of processes are."""
    recording = audit.current()
    if recording is not None and recording.older is None:
        recording.older = audit.unnoticed(proc.youngest)


def _fork_exec(*args: Any) -> Any:
    _note_older()
    given = args[ENVIRONMENT] if len(args) > ENVIRONMENT and may_load_hook(*args[:2]) else ()
    found = None
    if given is None:
        found = _inherited()
    elif type(given) is list:
        found = dict(entry.partition(b"=")[::2] for entry in given)
    started = _started(found, _Real.getframe(1))
    if started is not None:
        entries = [name + b"=" + value for name, value in started.items()]
        args = (*args[:ENVIRONMENT], entries, *args[ENVIRONMENT + 1 :])
    return confined.fork_exec(_REAL_FORK_EXEC, args)


def _named_in_os(stand_in: Callable[..., Any]) -> Callable[..., Any]:
    """Pickled for another process, it is ``os``'s there."""
    stand_in.__module__ = "os"
    return stand_in


def _given(path: Any, argv: Any, env: Any, frame: types.FrameType) -> Any:
    """The environment for a program, from the one that it was to be given."""
    known = env is None or type(env) in (dict, type(_Real.environ))
    if known and type(argv) in (list, tuple) and may_load_hook(argv, [path]):
        found = _inherited() if env is None else encoded(env)
        return _started(found, frame) or env
    return env


def _spawning(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def spawn(path: Any, argv: Any, env: Any, *args: Any, **kwargs: Any) -> Any:
        _note_older()
        frame = _Real.getframe(1)
        return confined.spawn(real, argv, frame, path, argv, _given(path, argv, env, frame), *args, **kwargs)

    return _named_in_os(spawn)


def _executing(real: Callable[..., Any]) -> Callable[..., Any]:
    """For a forked child that becomes another program, with its own environment."""

    @functools.wraps(real)
    def execute(path: Any, argv: Any) -> Any:
        given = _given(path, argv, None, _Real.getframe(1)) if _Reports.forked else None
        return real(path, argv) if given is None else _Real.execve(path, argv, given)

    return _named_in_os(execute)


def _executing_in(real: Callable[..., Any]) -> Callable[..., Any]:
    """For one that becomes another program with an environment that it is given."""

    @functools.wraps(real)
    def execute(path: Any, argv: Any, env: Any) -> Any:
        return real(path, argv, _given(path, argv, env, _Real.getframe(1)) if _Reports.forked else env)

    return _named_in_os(execute)


def _commanding(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def system(command: Any) -> Any:
        _note_older()
        frame = _Real.getframe(1)
        told = _start(frame)
        if told is None:
            return confined.spawn(real, command, frame, command)
        before = _inherited()
        lend(*told, before)
        try:
            return confined.spawn(real, command, frame, command)
        finally:
            take_back(before)

    return _named_in_os(system)


def _started(before: dict[bytes, bytes] | None, frame: types.FrameType) -> dict[bytes, bytes] | None:
    """The environment to start a child with; None where it gets the one that it was given."""
    told = None if before is None else _start(frame)
    return None if told is None or before is None else environment_with(*told, before)


def _start(frame: types.FrameType) -> tuple[str, str] | None:
    """Where a child is to report, and the line that starts it; None where it says nothing."""
    recording = audit.current()
    if recording is None or not _Installed.on or not _prepare(recording):
        return None
    return _Reports.file(), ascii(plain_place(recording.sources.place(frame)))


def _prepare(recording: Recording) -> bool:
    """Whether there is a place to report to; it is made with the first child."""
    _Reports.writable = recording.writable or _Reports.writable
    if not _Reports.directory:
        try:
            _Reports.directory, _Reports.owner = _make_directory(), _Real.getpid()
            clear_remains(_Reports.directory)
        except OSError:  # no space, or no right: children say nothing
            return False
    _Reports.used = True
    return True


def _make_directory() -> str:
    name = f"pytest-stateless-{_Real.getpid()}-{_Real.urandom(4).hex()}"
    directory = _Real.path.join(tempfile.gettempdir(), name)
    _Real.mkdir(directory, 0o700)
    for file in _HOOK:
        number = _Real.open(file, os.O_RDONLY)
        text = _Real.read(number, _Real.fstat(number).st_size)
        _Real.close(number)
        _write(_Real.path.join(directory, _Real.path.basename(file)), text)
    return directory


def _write(file: str, text: bytes, how: int = os.O_APPEND) -> None:
    """By one call, so that lines of several children don't mix, and what is written is whole."""
    number = _Real.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600)
    try:
        _Real.write(number, text)
    finally:
        _Real.close(number)


# ------------------------------------------------------------------------------------------------ forked ones


def _before_fork() -> None:
    recording = audit.current()
    if recording is not None and _Installed.on:
        _note_older()
        _prepare(recording)


def _in_forked_child() -> None:
    recording = audit.current()
    _Reports.forked = True
    if recording is not None and _Reports.used:
        report = _Reports.file()
        recording.send = lambda writes: _send(report, writes)


def _send(report: str, writes: list[Write]) -> None:
    for write in writes:
        if write.path != report:  # else it is this very report, of which the audit hook is told too
            try:
                _write(report, f"{plain_write(write)!a}\n".encode("ascii"))
            except OSError:  # no space
                return


def begin_apart() -> None:
    """In a forked child: the children of this process report to it. It goes on to report to its parent."""
    _Reports.directory, _Reports.used, _Reports.read = "", False, 0


# ----------------------------------------------------------------------------------------- the parent's side


def collect(recording: Recording) -> None:
    """Take over what children have reported since it was done last."""
    if _Reports.used:
        told = (write for line in _new_lines() for write in writes_of(line, recording))
        recording.writes += [write._replace(fate=DENIED) if _was_refused(write) else write for write in told]


def _was_refused(write: Write) -> bool:
    """Whether the system kept a child from it; a fork's child says itself what came of it."""
    refused = write.child != "fork" and confined.refuses(_Reports.writable, write)
    return refused and look(write.path) == write.before


def _new_lines() -> list[bytes]:
    try:
        number = _Real.open(_Reports.file(), os.O_RDONLY)
    except OSError:  # nothing yet
        return []
    try:
        _Real.lseek(number, _Reports.read, os.SEEK_SET)
        text = _Real.read(number, max(0, _Real.fstat(number).st_size - _Reports.read))
    finally:
        _Real.close(number)
    whole = text.rpartition(b"\n")[0]
    _Reports.read += len(whole) + 1 if whole else 0
    return whole.splitlines()


# ------------------------------------------------------------------------------------------------- the places


class _Installed:
    on = False
    at_fork = False


_REAL_FORK_EXEC: Final[Any] = getattr(_posixsubprocess, "fork_exec", None)
_STANDS_IN: Final = {
    name: (getattr(os, name), stand_in(getattr(os, name)))
    for stand_in, names in {
        _spawning: ("posix_spawn", "posix_spawnp"),
        _executing: ("execv",),
        _executing_in: ("execve",),
        _commanding: ("system",),
    }.items()
    for name in names
    if _REAL_FORK_EXEC is not None and hasattr(os, name)
}


def _places() -> Iterator[tuple[Any, str, Any, Any]]:
    """Module, name, the real function, the one that stands in for it."""
    if _REAL_FORK_EXEC is not None:
        yield _posixsubprocess, "fork_exec", _REAL_FORK_EXEC, _fork_exec
        yield sys.modules.get("subprocess"), "_fork_exec", _REAL_FORK_EXEC, _fork_exec
    for name, (real, stand_in) in _STANDS_IN.items():
        yield os, name, real, stand_in


def install() -> None:
    """A window opens: from now on children report."""
    _Reports.window += 1
    _Reports.used, _Reports.read, _Reports.writable = _tell_server(), 0, None
    if not _Installed.at_fork and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_child=_in_forked_child)
        _Installed.at_fork = True
    _Installed.on = True
    for module, name, real, stand_in in _places():
        if getattr(module, name, None) is real:  # else somebody else stands there
            setattr(module, name, stand_in)


def _tell_server() -> bool:
    """Tell the server of multiprocessing that forks children which window it is; False where there can be none."""
    if not _Reports.directory or "multiprocessing.forkserver" not in sys.modules:
        return False
    try:
        _write(_Real.path.join(_Reports.directory, "window"), str(_Reports.window).encode(), os.O_TRUNC)
    except OSError:  # no space: its children say nothing
        return False
    return True


def rest() -> None:
    """No window is open: children that are started now are let alone, though the stand-ins stay where they are."""
    _Installed.on = False


def remove() -> None:
    """Give the places back."""
    rest()
    for module, name, real, stand_in in _places():
        if getattr(module, name, None) is stand_in:
            setattr(module, name, real)


def clear_away() -> None:
    """The run is over: nothing of it is left on the disk."""
    if _Reports.directory and _Reports.owner == _Real.getpid():
        _Real.rmtree(_Reports.directory, ignore_errors=True)
        _Reports.directory = ""
