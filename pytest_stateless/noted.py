"""What is noted of a window: plain values, one class for each kind of event."""

from __future__ import annotations

from typing import Final, NamedTuple

from pytest_stateless.commands import Command
from pytest_stateless.source import Place


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
    """The command of the child process that did it, as it is told; empty for this process."""
    content: int | None = None
    """Stands for what was in the file just before; None where it isn't known."""


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


class Mapped(NamedTuple):
    """A file that was asked to be mapped into the memory."""

    inode: int
    place: Place | None


class Spawn(NamedTuple):
    """A child process that was asked for."""

    command: Command
    """The program and its arguments; of a forked child, that it is one."""
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


_NEEDS_NOTHING: Final = frozenset({"mkdir", "symlink", "link", "mknod", "bind"})
_NEEDS_SOMETHING: Final = frozenset(
    {"remove", "rmdir", "rename-from", "truncate", "chmod", "chown", "utime", "setxattr"}
)


def comes_to_nothing(write: Write) -> bool:
    """Whether the system itself is about to say no: to make what is there, to change what isn't."""
    if write.before is None:
        return write.operation in _NEEDS_SOMETHING
    return write.operation in _NEEDS_NOTHING
