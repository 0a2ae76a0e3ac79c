"""Says what a descriptor is, in words that are the same on every run."""

from __future__ import annotations

import os
import re
import stat
from typing import Final, NamedTuple

from pytest_stateless.detectors import descriptors, sockets
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.sockets import EPHEMERAL, Socket
from pytest_stateless.heap.spell import without_run
from pytest_stateless.source import Place, Sources

_ACCESS: Final = {os.O_RDONLY: "read", os.O_WRONLY: "write", os.O_RDWR: "read and write"}
_ANONYMOUS: Final = re.compile(r"(?:anon_inode:)?\[?(\w+)\]?(?::.*)?")
_NAMES: Final = {"eventpoll": "epoll"}
_WAITED_WITH: Final = ("epoll", "eventfd", "io_uring", "timerfd", "signalfd")
_ARENA: Final = re.compile(r"/pym-\d+-[^/]+ \(deleted\)$")
"""What ``multiprocessing.heap`` calls the file in which it gives room to values; it has it open twice."""
_KINDS: Final = {
    stat.S_IFDIR: "directory",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "named pipe",
}


class Opened(NamedTuple):
    """One open descriptor."""

    number: int
    device: int
    inode: int
    subject: str
    path: str = ""
    """Where the subject doesn't say it."""
    place: Place | None = None
    traits: frozenset[str] = frozenset()
    told_elsewhere: bool = False
    """Whether it is a socket that ``listening-socket`` tells of, or memory that ``shared-memory`` does."""

    kind: str = ""
    """What it is, where all such things have one inode."""
    claims: int = 1
    """How many objects thought that it is theirs when it was met; those of earlier ones may be left over."""

    @property
    def is_told(self) -> bool:
        """Whether another rule tells of it; of an event loop, which has several, ``async-task`` does."""
        return self.told_elsewhere or "event-loop" in self.traits

    @property
    def identity(self) -> tuple[int, int, int, str]:
        """Number and file: a number may be given to another file."""
        return *self[:3], self.kind


class Describer:
    """Describes the descriptors of one look."""

    def __init__(self, context: Context) -> None:
        standing = sockets.read(context)
        self._context = context
        self._standing = standing
        self._bound = {bind.inode for bind in context.recording.binds}
        self._listening = {socket.port for socket in standing.values() if socket.listening and socket.port}

    def opened(self, number: int, state: os.stat_result, known: Opened | None) -> Opened:
        """What a descriptor is; only sockets and what has no inode of its own are asked each time."""
        kind = stat.S_IFMT(state.st_mode)
        if known is not None and kind not in (stat.S_IFSOCK, 0):
            return known
        made = self._described(number, state, kind)
        if known is None or known.kind != made.kind:
            return made
        made = made._replace(place=known.place, traits=made.traits | known.traits)
        return known if made == known else made

    def _described(self, number: int, state: os.stat_result, kind: int) -> Opened:
        identity = (number, state.st_dev, state.st_ino)
        if kind == stat.S_IFSOCK:
            return self._socket(identity)
        link = descriptors.link_of(number)
        if kind == stat.S_IFIFO and link.startswith("pipe:"):
            return Opened(*identity, "pipe")
        if kind == 0 or link.startswith(("anon_inode:", "pidfd:")):
            return _anonymous(identity, link)
        return self._file(identity, link, kind)

    def _socket(self, identity: tuple[int, int, int]) -> Opened:
        socket = self._standing.get(identity[0])
        if socket is None:
            return Opened(*identity, "socket")
        traits = {"connection"} if socket.peer is not None and _has_address(socket) else set()
        if socket.port in self._listening and socket.peer is not None:
            traits.add("accepted")
        subject = _spell(socket, "accepted" in traits, self._context.sources)
        reachable = socket.is_reachable(socket.inode in self._bound)
        return Opened(*identity, subject, traits=frozenset(traits), told_elsewhere=reachable)

    def _file(self, identity: tuple[int, int, int], link: str, kind: int) -> Opened:
        access = descriptors.access_of(identity[0])
        traits = {"read-only"} if access == os.O_RDONLY else set()
        if link.startswith("/memfd:"):
            return Opened(*identity, without_run(f"memfd {link[7:].removesuffix(' (deleted)')}"))
        root = self._context.sources.root
        what = _KINDS.get(kind, "file")
        if not _is_below(link, root):
            traits.add("outside")
        if _ARENA.search(link):
            traits.add("arena")
        if _is_temporary(link, root, self._context.temp):
            return Opened(*identity, f"temporary {what} ({_ACCESS[access]})", link, traits=frozenset(traits))
        name = without_run(without_number(self._context.sources.relative(link)))
        subject = " ".join(filter(None, (what, name, f"({_ACCESS[access]})")))
        return Opened(*identity, subject, link, None, frozenset(traits), is_shared_memory(link))


def without_number(path: str) -> str:
    """The path of a file without the number that the system gives to one of no name (``O_TMPFILE``)."""
    return _NEVER_NAMED.sub("#*", path)


_NEVER_NAMED: Final = re.compile(r"(?<![^/])#\d+(?= \(deleted\)$)")


def is_shared_memory(link: str) -> bool:
    """Whether an open file is shared memory that has a name."""
    return link.startswith("/dev/shm/") and not link.endswith(" (deleted)")


def _anonymous(identity: tuple[int, int, int], link: str) -> Opened:
    found = _ANONYMOUS.fullmatch(link)
    name = found[1] if found else "descriptor"
    name = _NAMES.get(name, name)
    return Opened(*identity, name, traits=frozenset({"waits"} if name in _WAITED_WITH else ()), kind=name)


def _has_address(socket: Socket) -> bool:
    return socket.kind != "unix" or bool(socket.host or socket.peer)


def _spell(socket: Socket, accepted: bool, sources: Sources) -> str:
    start = f"socket {socket.kind}"
    if socket.peer is None:
        return start
    if socket.kind == "unix":
        if socket.peer:
            return f"{start} client to {without_run(sources.relative(socket.peer))}"
        where = without_run(sources.relative(socket.host))
        return f"{start} accepted at {where}" if socket.host else f"{start} pair"
    if accepted:
        return f"{start} accepted at port {_port(socket.port)}"
    return f"{start} client to port {_port(socket.peer_port)}"


def _port(port: int) -> int:
    return 0 if port in EPHEMERAL else port  # another one on every run


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip(os.sep) + os.sep)


def _is_temporary(path: str, root: str, temp: tuple[str, ...]) -> bool:
    zones = [zone for zone in (root, *temp) if _is_below(path, zone)]
    return bool(zones) and max(zones, key=len) in temp
