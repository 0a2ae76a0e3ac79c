"""The one audit hook of the process: while a recording is open it notes who writes, binds, starts a child or a thread.

A hook can't be removed and runs for every audit event of the process, so it is installed once, with the first
recording, and returns at once while none is open. It notes texts and numbers, never objects of the program; what the
attempts came to is judged later.
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from pytest_stateless.looping import Loops
from pytest_stateless.opening import Openings
from pytest_stateless.source import Place, Sources


class State(NamedTuple):
    """What the file system says of one path at one moment."""

    device: int
    inode: int
    mode: int
    user: int
    group: int
    size: int
    modified: int
    """Nanoseconds."""
    changed: int
    """Nanoseconds; the time of the last change of the inode, also of its attributes."""


class Write(NamedTuple):
    """An attempt to change the file system at one path."""

    operation: str
    path: str
    """Absolute."""
    other: str
    """The other path of a rename or link; empty elsewhere."""
    before: State | None
    """The path as it was just before the attempt; None where nothing was there."""
    place: Place | None
    fate: str = ""
    """What became of it where it didn't reach the disk: ``DENIED`` or ``FAKED``."""
    child: str = ""
    """The command of the child process that did it; empty for this process."""


DENIED: Final = "denied"
FAKED: Final = "faked"


class Change(NamedTuple):
    """A path in a watched directory at which something is not what it was at the last look, whoever did it."""

    operation: str
    """As in an attempt to write; ``scan`` where nobody told of it."""
    path: str
    other: str
    """The other path of a rename; empty elsewhere."""
    before: State | None
    """What was there at the last look."""
    own: bool | None
    """Whether this process did it; None where the system doesn't tell."""


class Bind(NamedTuple):
    """A socket bound to an address."""

    inode: int
    """Of the socket: its descriptor may be duplicated, and given to another when it is closed."""
    address: str
    port: int
    place: Place | None


class Listen(NamedTuple):
    """A TCP socket that began to wait for others."""

    inode: int
    host: str
    port: int
    place: Place | None


class Lock(NamedTuple):
    """A lock on a file that was asked for."""

    inode: int
    place: Place | None


class Spawn(NamedTuple):
    """A child process that was asked for."""

    command: str
    """The program and its arguments, or what a forked child is; shortened."""
    place: Place | None
    test: str = ""
    """The test that pytest names in the environment, which the child inherits."""


class Start(NamedTuple):
    """A thread that was started."""

    thread: int
    """The identity of its ``threading.Thread``; 0 where it has none."""
    code: str
    """Where the function that it runs is defined, as ``file:line``; empty where that isn't Python code."""
    by: int
    """The identity of the ``threading.Thread`` that started it."""
    place: Place | None


class Attempt(NamedTuple):
    """What the arguments of an audit event ask for."""

    operation: str
    path: object
    directory: int = -1
    """Descriptor of the directory that a relative path starts from; -1 for the working directory."""
    other: object = ""
    other_directory: int = -1
    follow: bool = True
    """Whether a symbolic link at the path is followed."""


_PATHS: Final = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    lstat = staticmethod(os.lstat)
    fstat = staticmethod(os.fstat)
    readlink = staticmethod(os.readlink)
    getcwd = staticmethod(os.getcwd)
    path = os.path
    getframe = staticmethod(sys._getframe)
    get_ident = staticmethod(threading.get_ident)
    environ: Any = vars(os.environ)["_data"]
    threads = threading._active  # type: ignore[attr-defined]
    identity = object.__hash__  # ``id`` raises an audit event


# ------------------------------------------------------------------------- decisions: event -> attempts, pure


def _open(path: object, mode: object, flags: object) -> tuple[Attempt, ...]:
    writes = type(flags) is int and flags & _WRITING
    return (Attempt("open", path),) if writes or (type(mode) is str and set(mode) & set("wax+")) else ()


def _one(operation: str, follow: bool = False) -> Callable[..., tuple[Attempt, ...]]:
    def decide(path: object, *rest: object) -> tuple[Attempt, ...]:
        directory = rest[-1] if rest and type(rest[-1]) is int else -1
        return (Attempt(operation, path, directory, follow=follow),)

    return decide


def _follow_only(operation: str) -> Callable[..., tuple[Attempt, ...]]:
    """Events whose last argument is no descriptor of a directory."""

    def decide(path: object, *_: object) -> tuple[Attempt, ...]:
        return (Attempt(operation, path),)

    return decide


def _rename(
    source: object, target: object, source_dir: int = -1, target_dir: int = -1
) -> tuple[Attempt, ...]:
    return (
        Attempt("rename-from", source, source_dir, target, target_dir, follow=False),
        Attempt("rename-to", target, target_dir, source, source_dir, follow=False),
    )


def _link(source: object, target: object, source_dir: int = -1, target_dir: int = -1) -> tuple[Attempt, ...]:
    return (Attempt("link", target, target_dir, source, source_dir, follow=False),)


def _symlink(source: object, target: object, directory: int = -1) -> tuple[Attempt, ...]:
    return (Attempt("symlink", target, directory, source, follow=False),)


def _sqlite(database: Any, *_: object) -> tuple[Attempt, ...]:
    # The one event that tells the path as it was given.
    name = _text(os.fspath(database) if hasattr(type(database), "__fspath__") else database)
    if name in (None, "", ":memory:"):
        return ()
    if name.startswith("file:"):
        return _sqlite_uri(name)
    return (Attempt("open", name),)


def _sqlite_uri(uri: str) -> tuple[Attempt, ...]:
    """https://www.sqlite.org/uri.html"""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(uri)
    name = unquote(parts.path)
    return () if name in ("", ":memory:") or "mode=memory" in parts.query else (Attempt("open", name),)


DECISIONS: Final[dict[str, Callable[..., tuple[Attempt, ...]]]] = {
    "open": _open,
    "os.mkdir": _one("mkdir"),
    "os.remove": _one("remove"),
    "os.rmdir": _one("rmdir"),
    "os.rename": _rename,
    "os.link": _link,
    "os.symlink": _symlink,
    "os.truncate": _follow_only("truncate"),
    "os.chmod": _one("chmod", follow=True),
    "os.chown": _one("chown", follow=True),
    "os.lchown": _follow_only("chown"),
    "os.chflags": _follow_only("chmod"),
    "os.lchmod": _follow_only("chmod"),
    "os.lchflags": _follow_only("chmod"),
    "os.utime": _one("utime", follow=True),
    "os.setxattr": _follow_only("setxattr"),
    "os.removexattr": _follow_only("setxattr"),
    "sqlite3.connect": _sqlite,
}
"""What each audit event attempts. https://docs.python.org/3/library/audit_events.html"""


_COMMAND: Final = 200  # characters of a command line that are kept


def command_line(parts: object) -> str:
    """A command as a shell shows it: of a text, or of a list of texts."""
    if type(parts) not in (list, tuple):
        return _word(parts)[:_COMMAND]
    return " ".join(map(_word, parts[:20]))[:_COMMAND]  # type: ignore[index]


def _word(part: Any) -> str:
    text = os.fspath(part) if type(part) in _PATHS else _text(part)
    return "?" if text is None else text


def _started(position: int) -> Callable[..., str]:
    def decide(*args: object) -> str:
        return command_line(args[position])

    return decide


SPAWNS: Final[dict[str, Callable[..., str]]] = {
    "subprocess.Popen": lambda executable, args, *_: command_line(args or executable),
    "os.posix_spawn": _started(1),
    "os.spawn": _started(2),
    "os.system": _started(0),
    "os.startfile": _started(0),
    "os.fork": lambda *_: "fork",
    "os.forkpty": lambda *_: "fork",
}
"""The command of the child process that each audit event asks for."""

STARTS: Final = frozenset({"_thread.start_new_thread", "_thread.start_joinable_thread"})
"""The audit events of a thread that starts; the first since 3.12, the second since 3.13."""

RUN: Final = "sys.set_asyncgen_hook_firstiter"
"""The audit event of an event loop that begins to run, or ends: asyncio's and others tell the interpreter who finalizes
the generators that begin in it, and the finalizer is the first to be set."""


def _commands(*names: str) -> frozenset[int]:
    """Numbers of operations of ``fcntl``, with and without ``LOCK_NB``; none on Windows."""
    try:
        import fcntl
    except ImportError:
        return frozenset()
    found = {getattr(fcntl, name) for name in names if hasattr(fcntl, name)}
    return frozenset(found | ({one | fcntl.LOCK_NB for one in found} if "LOCK_EX" in names else set()))


LOCKS: Final = {
    "fcntl.flock": _commands("LOCK_EX", "LOCK_SH"),
    "fcntl.lockf": _commands("LOCK_EX", "LOCK_SH"),
    "fcntl.fcntl": _commands("F_SETLK", "F_SETLKW", "F_OFD_SETLK", "F_OFD_SETLKW"),
}
"""The second arguments of audit events that ask for a lock."""


# ------------------------------------------------------------------------------------------------ recording


class Recording:
    """What was attempted while it is the open one, in order."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.writes: list[Write] = []
        self.changes: list[Change] = []
        """Not from audit events: what was seen at each look."""
        self.binds: list[Bind] = []
        self.listens: list[Listen] = []
        self.locks: list[Lock] = []
        self.spawns: list[Spawn] = []
        self.openings = Openings(sources)
        self.loops = Loops(sources)
        self.starts: list[Start] = []
        self.broken: list[str] = []
        """Attempts that could not be noted, which the hook must not raise about."""
        self.refuse: Callable[[Write], str | None] | None = None
        """Why a write must not happen; None for one that may."""
        self.send: Callable[[list[Write]], None] | None = None
        """Tells the process that this one was forked from."""
        self.look_at_fake: Callable[[str], State | None] = look
        """``look``, on the disk that faked writes went to."""
        self.at_the_door: set[int] = set()
        """Threads within a call that a stand-in noted already."""

    def forget(self) -> None:
        """Start anew: no window refers to what was noted."""
        self.writes.clear()
        self.changes.clear()
        self.binds.clear()
        self.listens.clear()
        self.locks.clear()
        self.spawns.clear()
        self.openings.forget()
        self.loops.forget()
        self.starts.clear()
        self.look_at_fake = look

    def note(self, event: str, args: tuple[Any, ...]) -> OSError | None:
        """Note what an audit event attempts, if anything. Runs inside the user's call.

        Returns the error to raise where the attempt is refused.
        """
        if event == "socket.bind":
            return self._note_bind(*args)
        if event in DECISIONS:
            return self._note_writes(event, args)
        self._note_other(event, args)
        return None

    def _note_writes(self, event: str, args: tuple[Any, ...]) -> OSError | None:
        attempts = DECISIONS[event](*args)
        if event == "open":
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
            self.note_spawn(SPAWNS[event](*args), frame)
        elif event in STARTS:
            self.note_start(args[0], frame)
        elif args[1] in LOCKS[event]:
            self.locks.append(Lock(_Real.fstat(args[0]).st_ino, self.sources.place(frame)))

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
        yield Write(attempt.operation, path, other or "", before, place)
        if attempt.follow and before is not None and stat.S_ISLNK(before.mode):
            # No event tells whether the link itself is meant (``follow_symlinks=False``): look at both.
            path = follow_links(path)
            yield Write(attempt.operation, path, other or "", look(path), place)

    def _refusal(self, writes: list[Write]) -> OSError | None:
        """The error for a call whose writes must not happen, which are marked so."""
        if self.refuse is None or any(map(comes_to_nothing, writes)):
            return None
        for write in writes:
            reason = self.refuse(write)
            if reason is not None:
                writes[:] = [one._replace(fate=DENIED) for one in writes]
                return PermissionError(errno.EACCES, reason, write.path)
        return None

    def note_spawn(self, command: str, frame: Any) -> None:
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
            name, number = _text(address) or "", 0
            if name and not name.startswith("\0"):
                refusal = self.note_attempts([Attempt("bind", name, follow=False)], _Real.getframe(3))
        self.binds.append(Bind(_inode(socket), name, number, place))
        return refusal


_NEEDS_NOTHING: Final = frozenset({"mkdir", "symlink", "link", "mknod", "bind"})
_NEEDS_SOMETHING: Final = frozenset(
    {"remove", "rmdir", "rename-from", "truncate", "chmod", "chown", "utime", "setxattr"}
)


def comes_to_nothing(write: Write) -> bool:
    """Whether the system itself is about to say no: to make what is there, to change what isn't."""
    if write.before is None:
        return write.operation in _NEEDS_SOMETHING
    return write.operation in _NEEDS_NOTHING


def _inode(socket: Any) -> int:
    import _socket  # loaded: somebody binds one

    try:
        return _Real.fstat(_socket.socket.fileno(socket)).st_ino
    except OSError:  # it is closed, and bind() is about to say so
        return -1


def _text(path: object) -> str | None:
    if issubclass(type(path), str):
        return str.__str__(path)  # what a subclass makes of itself doesn't count
    if type(path) is bytes:
        return os.fsdecode(path)
    return None


def resolve(path: object, directory: int) -> str | None:
    """The absolute path that an argument means: text, bytes or a descriptor; None where it names no file."""
    if type(path) is int:
        return _descriptor_path(path)
    text = _text(path)
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


_EVENTS: Final = frozenset({*DECISIONS, *SPAWNS, *STARTS, *LOCKS, RUN, "socket.bind", "socket.__new__"})
_open_recording: Recording | None = None
_installed = False
_looking: Final[set[int]] = set()
"""Threads in which the plugin looks around: what it opens for that is nobody's attempt."""

_T = TypeVar("_T")


def unnoticed(look: Callable[..., _T], *args: Any) -> _T:
    """What a look gives, without noting what it does in this thread."""
    thread = _Real.get_ident()
    _looking.add(thread)
    try:
        return look(*args)
    finally:
        _looking.discard(thread)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    recording = _open_recording
    if recording is None or event not in _EVENTS or _Real.get_ident() in _looking:
        return
    refusal = None
    try:
        refusal = recording.note(event, args)
    except BaseException as error:  # anything raised here would abort the user's call
        recording.broken.append(f"{event}: {type(error).__name__}: {error}")
    if refusal is not None:
        __tracebackhide__ = True  # the traceback ends at the culprit
        raise refusal


def start(recording: Recording) -> Recording | None:
    """Make ``recording`` the open one and return the one that was, to be given back to ``stop``."""
    global _open_recording, _installed
    previous = _open_recording
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
    _open_recording = recording
    return previous


def stop(previous: Recording | None) -> None:
    """Close the open recording and give the place back to the one before, if any."""
    global _open_recording
    _open_recording = previous


def current() -> Recording | None:
    """The open recording."""
    return _open_recording
