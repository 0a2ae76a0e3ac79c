"""Python children of a checked test tell what they write: forked ones by themselves, others through a hook they load.

Nothing is installed: the hook stands first in the PYTHONPATH that a child is started with, in no environment that the
test can see. Reports are appended to a file in a temporary directory, one for each window of a test, so that what a
child of an earlier test does is not blamed on this one.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless import audit
from pytest_stateless.interpreter import c_environment
from pytest_stateless.leak import Owner
from pytest_stateless.noted import State, Write
from pytest_stateless.recording import Recording
from pytest_stateless.source import Place

_posixsubprocess: Any
try:
    import _posixsubprocess
except ImportError:  # Windows
    _posixsubprocess = None

_HOOK: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child", "sitecustomize.py")
_APPENDING: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND
_COMMAND: Final = 60  # characters of a child's command that are shown
_ENVIRONMENT: Final = 5  # position among the arguments of fork_exec


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
    fsencode = staticmethod(os.fsencode)
    read_literal = staticmethod(ast.literal_eval)


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
    starts: list[Place | None]
    """The lines that started a child, in this window."""

    @classmethod
    def file(cls) -> str:
        return _Real.path.join(cls.directory, f"{cls.window}.txt")


_Reports.starts = []


# ------------------------------------------------------------------------------------------- the child's side


def environment_with(report: str, start: int, before: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The environment of a child that is to load the hook."""
    folder = _Real.fsencode(_Real.path.dirname(report))
    path = before.get(b"PYTHONPATH", b"")
    return {
        **before,
        b"PYTHONPATH": folder + os.pathsep.encode() + path if path else folder,
        b"PYTEST_STATELESS_REPORT": _Real.fsencode(report),
        b"PYTEST_STATELESS_START": str(start).encode(),
    }


_PYTHON: Final = re.compile(rb"(?:^|[/\s!])(?:python|pypy)[\w.-]*(?:\s|$)|\.py(?:\s|$)")
_SHELLS: Final = frozenset({b"sh", b"ash", b"bash", b"dash", b"ksh", b"zsh"})


def _may_run_python(words: Any, programs: Any) -> bool:
    """Whether a command looks as if it ran Python, itself or below a shell.

    Other programs get the environment that they were given: they may show it.
    """
    spelled = [_Real.fsencode(word) for word in words if type(word) in (str, bytes)]
    paths = [_Real.fsencode(path) for path in programs if type(path) in (str, bytes)]
    if any(map(_PYTHON.search, [*spelled, *paths])):
        return True
    if any(path.rpartition(b"/")[2] in _SHELLS for path in paths):
        return True
    return any(map(_is_script_of_python, paths))


def _is_script_of_python(program: bytes) -> bool:
    """Whether a program is a text that begins with the path of a Python."""
    try:
        number = _Real.open(program, os.O_RDONLY)
    except OSError:  # not this one of those on the path
        return False
    try:
        line = _Real.read(number, 256).partition(b"\n")[0]
    finally:
        _Real.close(number)
    return line.startswith(b"#!") and _PYTHON.search(line) is not None


def _inherited() -> dict[bytes, bytes]:
    """What a child gets that is given no environment: also what ``os.putenv`` set."""
    found = c_environment.variables()
    return _encoded(_Real.environ) if found is None else found


def _fork_exec(*args: Any) -> Any:
    given = args[_ENVIRONMENT] if len(args) > _ENVIRONMENT and _may_run_python(*args[:2]) else ()
    found = None
    if given is None:
        found = _inherited()
    elif type(given) is list and given:
        found = dict(entry.partition(b"=")[::2] for entry in given)
    started = _started(found, _Real.getframe(1))
    if started is not None:
        entries = [name + b"=" + value for name, value in started.items()]
        args = (*args[:_ENVIRONMENT], entries, *args[_ENVIRONMENT + 1 :])
    return _REAL_FORK_EXEC(*args)


def _encoded(environment: Any) -> dict[bytes, bytes]:
    return {_Real.fsencode(name): _Real.fsencode(value) for name, value in environment.items()}


def _spawning(real: Callable[..., Any]) -> Callable[..., Any]:
    def spawn(path: Any, argv: Any, env: Any, *args: Any, **kwargs: Any) -> Any:
        known = env is None or (env and type(env) in (dict, type(_Real.environ)))
        if known and type(argv) in (list, tuple) and _may_run_python(argv, [path]):
            found = _inherited() if env is None else _encoded(env)
            env = _started(found, _Real.getframe(1)) or env
        return real(path, argv, env, *args, **kwargs)

    spawn.__name__, spawn.__module__, spawn.__doc__ = real.__name__, real.__module__, real.__doc__
    return spawn


def _started(before: dict[bytes, bytes] | None, frame: types.FrameType) -> dict[bytes, bytes] | None:
    """The environment to start a child with; None where it gets the one that it was given."""
    recording = audit.current()
    if recording is None or before is None or not _prepare():
        return None
    _Reports.starts.append(recording.sources.place(frame))
    start = -1 if _Reports.forked else len(_Reports.starts) - 1  # a fork's own list is not known here
    return environment_with(_Reports.file(), start, before)


def _prepare() -> bool:
    """Whether there is a place to report to; it is made with the first child."""
    if not _Reports.directory:
        try:
            _Reports.directory, _Reports.owner = _make_directory(), _Real.getpid()
        except OSError:  # no space, or no right: children say nothing
            return False
    _Reports.used = True
    return True


def _make_directory() -> str:
    name = f"pytest-stateless-{_Real.getpid()}-{_Real.urandom(4).hex()}"
    directory = _Real.path.join(tempfile.gettempdir(), name)
    _Real.mkdir(directory, 0o700)
    number = _Real.open(_HOOK, os.O_RDONLY)
    text = _Real.read(number, _Real.fstat(number).st_size)
    _Real.close(number)
    _append(_Real.path.join(directory, "sitecustomize.py"), text)
    return directory


def _append(file: str, text: bytes) -> None:
    """By one call, so that lines of several children don't mix, and what is written is whole."""
    number = _Real.open(file, _APPENDING, 0o600)
    try:
        _Real.write(number, text)
    finally:
        _Real.close(number)


# ------------------------------------------------------------------------------------------------ forked ones


def _before_fork() -> None:
    if audit.current() is not None and _Installed.on:
        _prepare()


def _in_forked_child() -> None:
    recording = audit.current()
    _Reports.forked = True
    if recording is not None and _Reports.used:
        report = _Reports.file()
        recording.send = lambda writes: _send(report, writes)


def _plain(write: Write) -> list[Any]:
    """A write as a list of lists, texts and numbers."""
    place = None if write.place is None else [*write.place[:3], write.place.owner.value, *write.place[4:]]
    before = None if write.before is None else list(write.before)
    return [write.operation, write.path, write.other, before, place, write.fate]


def _send(report: str, writes: list[Write]) -> None:
    for write in writes:
        if write.path != report:  # else it is this very report, of which the audit hook is told too
            try:
                _append(report, f"{_plain(write)!a}\n".encode("ascii"))
            except OSError:  # no space
                return


# ----------------------------------------------------------------------------------------- the parent's side


def collect(recording: Recording) -> None:
    """Take over what children have reported since it was done last."""
    if _Reports.used:
        recording.writes += [write for line in _new_lines() for write in _writes_of(line, recording)]


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


def _writes_of(line: bytes, recording: Recording) -> Iterator[Write]:
    try:
        found = _Real.read_literal(line.decode("ascii"))
        yield _forked(found) if len(found) == 6 else _told(found, recording)
    except (ValueError, TypeError, LookupError, SyntaxError):  # a child wrote half a line, or something else
        return


def _forked(found: list[Any]) -> Write:
    operation, path, other, before, place, fate = found
    where = (
        None if place is None else Place(place[0], place[1], place[2], Owner(place[3]), place[4], place[5])
    )
    return Write(operation, path, other, None if before is None else State(*before), where, fate, "fork")


def _told(found: list[Any], recording: Recording) -> Write:
    operation, path, other, before, stack, command, start = found
    place = recording.sources.place(_frames(stack)) or _start(int(start))
    state = None if before is None else State(*before)
    return Write(operation, path, other, state, place, child=shown(command))


def _start(number: int) -> Place | None:
    return _Reports.starts[number] if number >= 0 else None


def shown(command: list[str]) -> str:
    """A command as it is told: the program by its name, in one line."""
    text = " ".join([_Real.path.basename(command[0]), *command[1:]]) if command else "python"
    text = " ".join(text.split())
    return text if len(text) <= _COMMAND else f"{text[: _COMMAND - 3]}..."


class _Code(NamedTuple):
    co_filename: str
    co_name: str


class _Frame(NamedTuple):
    """What ``Sources.place`` asks of a frame."""

    f_code: _Code
    f_lineno: int
    f_back: Any


def _frames(stack: list[Any]) -> Any:
    frame = None
    for file, line, function in reversed(stack):
        frame = _Frame(_Code(file, function), line, frame)
    return frame


# ------------------------------------------------------------------------------------------------- the places


class _Installed:
    on = False
    at_fork = False


_REAL_FORK_EXEC: Final[Any] = getattr(_posixsubprocess, "fork_exec", None)
_SPAWNING: Final = {
    name: (getattr(os, name), _spawning(getattr(os, name)))
    for name in ("posix_spawn", "posix_spawnp")
    if hasattr(os, name)
}


def _places() -> Iterator[tuple[Any, str, Any, Any]]:
    """Module, name, the real function, the one that stands in for it."""
    if _REAL_FORK_EXEC is not None:
        yield _posixsubprocess, "fork_exec", _REAL_FORK_EXEC, _fork_exec
        yield sys.modules.get("subprocess"), "_fork_exec", _REAL_FORK_EXEC, _fork_exec
    for name, (real, spawn) in _SPAWNING.items():
        yield os, name, real, spawn


def install() -> None:
    """A window opens: from now on children report."""
    _Reports.window += 1
    _Reports.used, _Reports.read, _Reports.starts = False, 0, []
    if not _Installed.at_fork and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_child=_in_forked_child)
        _Installed.at_fork = True
    _Installed.on = True
    for module, name, real, stand_in in _places():
        if getattr(module, name, None) is real:  # else somebody else stands there
            setattr(module, name, stand_in)


def remove() -> None:
    """Give the places back."""
    _Installed.on = False
    for module, name, real, stand_in in _places():
        if getattr(module, name, None) is stand_in:
            setattr(module, name, real)


def clear_away() -> None:
    """The run is over: nothing of it is left on the disk."""
    if _Reports.directory and _Reports.owner == _Real.getpid():
        _Real.rmtree(_Reports.directory, ignore_errors=True)
        _Reports.directory = ""
