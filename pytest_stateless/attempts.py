"""What audit events ask for: tables of pure functions from an event's arguments to attempts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pytest_stateless.given import text_of


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


WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
"""The flags of ``os.open`` that ask to write."""


def _open(path: object, mode: object, flags: object) -> tuple[Attempt, ...]:
    writes = type(flags) is int and flags & WRITING
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
    return (
        Attempt("link", target, target_dir, source, source_dir, follow=False),
        Attempt("link-from", source, source_dir, target, target_dir, follow=False),
    )


def _symlink(source: object, target: object, directory: int = -1) -> tuple[Attempt, ...]:
    return (Attempt("symlink", target, directory, source, follow=False),)


def _sqlite(database: Any, *_: object) -> tuple[Attempt, ...]:
    # The one event that tells the path as it was given.
    name = text_of(os.fspath(database) if hasattr(type(database), "__fspath__") else database)
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


CHANGING: Final = frozenset({"open", "remove", "rename-from", "rename-to", "link-from", "truncate"})
"""What is attempted where a file may come to hold something else."""


def _started(position: int) -> Callable[..., object]:
    def decide(*args: object) -> object:
        return args[position]

    return decide


SPAWNS: Final[dict[str, Callable[..., object]]] = {
    "subprocess.Popen": lambda executable, args, *_: args or executable,
    "os.posix_spawn": _started(1),
    "os.spawn": _started(2),
    "os.system": _started(0),
    "os.startfile": _started(0),
    "os.fork": lambda *_: "fork",
    "os.forkpty": lambda *_: "fork",
}
"""The command of the child process that each audit event asks for, as it was given."""

EXEC: Final = "os.exec"
"""The audit event of a process that becomes another program."""

STARTS: Final = frozenset({"_thread.start_new_thread", "_thread.start_joinable_thread"})
"""The audit events of a thread that starts; the first since 3.12, the second since 3.13."""

RUN: Final = "sys.set_asyncgen_hook_firstiter"
"""The audit event of an event loop that begins to run, or ends: asyncio's and others tell the interpreter who finalizes
the generators that begin in it, and the finalizer is the first to be set."""


MAP: Final = "mmap.__new__"
"""The audit event of a map, of a file or of none."""


def _commands(*names: str) -> frozenset[int]:
    """Numbers of operations of ``fcntl``, with and without ``LOCK_NB``; none on Windows."""
    try:
        import fcntl
    except ImportError:  # Windows
        return frozenset()
    found = {getattr(fcntl, name) for name in names if hasattr(fcntl, name)}
    return frozenset(found | ({one | fcntl.LOCK_NB for one in found} if "LOCK_EX" in names else set()))


LOCKS: Final = {
    "fcntl.flock": _commands("LOCK_EX", "LOCK_SH"),
    "fcntl.lockf": _commands("LOCK_EX", "LOCK_SH"),
    "fcntl.fcntl": _commands("F_SETLK", "F_SETLKW", "F_OFD_SETLK", "F_OFD_SETLKW"),
}
"""The second arguments of audit events that ask for a lock."""
