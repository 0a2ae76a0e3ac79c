"""What Linux tells of changes in directories: inotify what changed, fanotify what of it this process did.

inotify doesn't say who. An unprivileged fanotify group does for the process that made it: its events carry that
process's number, those of others a zero (or their own number, if the group was made by root). fanotify is younger
(Linux 5.13 for ordinary users), and the default seccomp profile of Docker forbids it, so inotify sees and fanotify
only adds whether it was this process.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

CREATE: Final = 0x100
DELETE: Final = 0x200
MODIFY: Final = 0x2
ATTRIB: Final = 0x4
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
OVERFLOW: Final = 0x4000
IGNORED: Final = 0x8000
IS_DIRECTORY: Final = 0x40000000
"""Of linux/inotify.h; those of fanotify.h that are used here have the same values."""

_CHANGES: Final = CREATE | DELETE | MODIFY | ATTRIB | MOVED_FROM | MOVED_TO
_ONLY_DIRECTORIES: Final = (
    0x01000000 | 0x02000000 | 0x04000000
)  # and no links, and no files that were unlinked
_ON_CHILDREN: Final = 0x08000000
_BY_NAME: Final = 0x0C00  # FAN_REPORT_DFID_NAME
_CLOSED_ON_EXEC, _NOT_BLOCKING = 0x1, 0x2  # of fanotify
_ADD, _ONLY_DIRECTORY = 0x1, 0x8
_HERE: Final = -100  # AT_FDCWD
_BUFFER: Final = 1 << 16
_HIGH: Final = 600
"""The least number of a descriptor of the plugin's own: the low ones are the program's, as if nobody watched."""
_MARK: Final = 59
"""What F_SETSIG says of the plugin's own descriptors. No signal is ever sent without O_ASYNC; it tells them from
others that a program opened under the same number, having closed all that were open."""


_GET_SIGNAL, _SET_SIGNAL, _DUPLICATE = (
    getattr(fcntl, name, 0) for name in ("F_GETSIG", "F_SETSIG", "F_DUPFD_CLOEXEC")
)


_POLL: Final = getattr(select, "poll", None)
_READABLE: Final = 1  # POLLIN


class _Real:
    """Held where no mock and no faked file system replaces them."""

    fcntl: Any = staticmethod(fcntl.fcntl) if fcntl is not None else None
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    getpid = staticmethod(os.getpid)
    # What stands for it under gevent would let other greenlets run.
    poll: Any = _POLL if type(_POLL) is types.BuiltinFunctionType else None
    get_errno = staticmethod(ctypes.get_errno)
    fsencode = staticmethod(os.fsencode)
    fsdecode = staticmethod(os.fsdecode)


class Event(NamedTuple):
    """What inotify says once."""

    watch: int
    mask: int
    cookie: int
    """The same of both halves of a rename."""
    name: str
    """In the watched directory."""


def _libc() -> Any:
    """The C library with the functions that are needed; None elsewhere than on Linux."""
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL(None, use_errno=True)
        library.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)
        library.fanotify_mark.argtypes = (
            *(ctypes.c_int, ctypes.c_uint, ctypes.c_uint64),
            *(ctypes.c_int, ctypes.c_char_p),
        )
    except (OSError, AttributeError):  # no such library, or an old one
        return None
    return library


_LIBC: Final = _libc()
_OPEN: Final[set[int]] = set()


def own_descriptors() -> frozenset[int]:
    """The descriptors of this process that are the plugin's own, which are nobody's leak."""
    return frozenset(_OPEN)


def _checked(result: int) -> int:
    if result < 0:
        number = _Real.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class _Descriptor:
    """A queue of events that is read without waiting; closed on exec, and not read in a forked child."""

    def __init__(self, number: int) -> None:
        self.number = _out_of_the_way(number)
        self._process = _Real.getpid()
        _OPEN.add(self.number)

    @property
    def is_here(self) -> bool:
        """Whether the number is still that of this queue: a program may close what it didn't open."""
        try:
            return _Real.fcntl(self.number, _GET_SIGNAL) == _MARK  # type: ignore[no-any-return]
        except OSError:
            return False

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a forked child, whose parent wants to read the queue."""
        return _Real.getpid() != self._process

    def read(self) -> Iterator[bytes]:
        """What has come, in pieces that hold whole events."""
        while True:
            try:
                piece = _Real.read(self.number, _BUFFER)
            except OSError:  # there is no more
                return
            yield piece

    def close(self) -> None:
        """Let go of it, if it is still there."""
        if self.is_here:
            _Real.close(self.number)
        _OPEN.discard(self.number)


class News:
    """Asks queues whether there is something to read, all with one call."""

    def __init__(self, queues: Iterable[_Descriptor]) -> None:
        self._ask: Any = None
        if _Real.poll is not None:
            self._ask = _Real.poll()
            for queue in queues:
                self._ask.register(queue.number, _READABLE)

    def are_there(self) -> bool:
        """Whether there may be: also where a queue was closed, or the system can't be asked."""
        return self._ask is None or bool(self._ask.poll(0))


def _out_of_the_way(number: int) -> int:
    try:
        high: int = _Real.fcntl(number, _DUPLICATE, _HIGH)
    except OSError:  # as many are not allowed
        high = number
    else:
        _Real.close(number)
    _Real.fcntl(high, _SET_SIGNAL, _MARK)
    return high


class Inotify(_Descriptor):
    """Tells what changes in the directories that it is told of. Raises OSError where the system has no more to give."""

    def __init__(self) -> None:
        if _LIBC is None:
            raise OSError("this system has no inotify")
        super().__init__(_checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)))

    def add(self, directory: str) -> int:
        """Watch a directory; the number that its events carry."""
        path = _Real.fsencode(directory)
        return _checked(_LIBC.inotify_add_watch(self.number, path, _CHANGES | _ONLY_DIRECTORIES))

    def remove(self, watch: int) -> None:
        """Watch a directory no more, if it is watched."""
        _LIBC.inotify_rm_watch(self.number, watch)

    def events(self) -> list[Event]:
        """What happened since the last call, in order."""
        return [event for piece in self.read() for event in parse_events(piece)]


class Fanotify(_Descriptor):
    """Tells the names of what this very process changed in the directories that it is told of. Raises OSError."""

    def __init__(self) -> None:
        if _LIBC is None:
            raise OSError("this system has no fanotify")
        flags = _CLOSED_ON_EXEC | _NOT_BLOCKING | _BY_NAME
        super().__init__(_checked(_LIBC.fanotify_init(flags, os.O_RDONLY)))

    def add(self, directory: str) -> None:
        """Watch a directory."""
        mask = _CHANGES | IS_DIRECTORY | _ON_CHILDREN
        path = _Real.fsencode(directory)
        _checked(_LIBC.fanotify_mark(self.number, _ADD | _ONLY_DIRECTORY, mask, _HERE, path))

    def own_names(self) -> frozenset[str] | None:
        """Names, without their directories, that this process changed since the last call; None if some got lost."""
        names: set[str] = set()
        for piece in self.read():
            found = parse_names(piece, self._process)
            if found is None:
                list(self.read())
                return None
            names |= found
        return frozenset(names)


_EVENT: Final = struct.Struct("=iIII")


def parse_events(piece: bytes) -> Iterator[Event]:
    """The events in what was read of an inotify descriptor (``struct inotify_event``)."""
    position = 0
    while position < len(piece):
        watch, mask, cookie, length = _EVENT.unpack_from(piece, position)
        position += _EVENT.size
        name = piece[position : position + length].rstrip(b"\0")
        position += length
        yield Event(watch, mask, cookie, _Real.fsdecode(name))


_METADATA: Final = struct.Struct("=IBBHQii")
_RECORD: Final = struct.Struct(
    "=BBH8xIi"
)  # the header of a record, the file system's number, a handle's length, type


def parse_names(piece: bytes, process: int) -> set[str] | None:
    """The names in what was read of a fanotify descriptor that ``process`` changed; None if the queue was too long."""
    names, position = set(), 0
    while position < len(piece):
        length, _, _, header, mask, _, author = _METADATA.unpack_from(piece, position)
        if mask & OVERFLOW:
            return None
        if author == process:
            _, _, end, handle, _ = _RECORD.unpack_from(piece, position + header)
            name = piece[position + header + _RECORD.size + handle : position + header + end]
            names.add(_Real.fsdecode(name.partition(b"\0")[0]))
        position += length
    return names
