"""Reads which sockets of child processes others can reach, where the system shows that in /proc (Linux)."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from pytest_stateless.attempts import command_line
from pytest_stateless.detectors import sockets
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.sockets import Socket

_LISTENING: Final = "0A"  # TCP_LISTEN
_UNCONNECTED: Final = "07"  # TCP_CLOSE, as which a UDP socket without a peer is shown
_ACCEPTS: Final = 0x10000  # __SO_ACCEPTCON, in the flags of a unix socket
_TABLES: Final = (("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"))


class ChildSocket(NamedTuple):
    """A socket of a child process, or of a child of its."""

    socket: Socket
    child: int
    """Process id of the child of this process."""
    command: str


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    listdir = staticmethod(os.listdir)
    readlink = staticmethod(os.readlink)
    waitid = staticmethod(getattr(os, "waitid", lambda *_: None))


def has_children() -> bool:
    """Whether this process has a child that runs, or that nobody waited for; some microseconds."""
    if sys.platform != "linux":
        return False
    try:
        _Real.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except OSError:  # ECHILD
        return False
    return True


def read(context: Context) -> tuple[list[int], list[ChildSocket]]:
    """The children of this process, and the sockets that only they have; read once in a look."""
    if not has_children():
        return [], []
    found = None if context.shared is None else context.shared.get("child_sockets")
    if found is None:
        found = _read(context)
        if context.shared is not None:
            context.shared["child_sockets"] = found
    return found


def _read(context: Context) -> tuple[list[int], list[ChildSocket]]:
    own = {socket.inode for socket in sockets.read(context).values()}
    children = _children_of("self")
    found: dict[int, ChildSocket] = {}
    for child in children:
        for process in _with_descendants(str(child)):
            for socket in _reachable(process, own):
                found.setdefault(socket.inode, ChildSocket(socket, child, _command(process)))
    return children, list(found.values())


def _with_descendants(process: str) -> Iterator[str]:
    yield process
    for child in _children_of(process):
        yield from _with_descendants(str(child))


def _children_of(process: str) -> list[int]:
    """Each thread lists those that it started."""
    threads = _names(f"/proc/{process}/task")
    texts = [_text(f"/proc/{process}/task/{thread}/children") for thread in threads]
    return [int(child) for text in texts for child in text.split()]


def _reachable(process: str, own: Collection[int]) -> Iterator[Socket]:
    links = (_link(f"/proc/{process}/fd/{number}") for number in _names(f"/proc/{process}/fd"))
    inodes = {int(link[8:-1]) for link in links if link.startswith("socket:[")}.difference(own)
    if not inodes:
        return
    for file, kind in _TABLES:
        yield from internet_sockets(_text(f"/proc/{process}/net/{file}"), kind, inodes)
    yield from unix_sockets(_text(f"/proc/{process}/net/unix"), inodes)


def internet_sockets(text: str, kind: str, inodes: Collection[int]) -> Iterator[Socket]:
    """Those of a table of the kernel's that wait for others. proc_net_tcp(5)"""
    for line in text.splitlines()[1:]:
        fields = line.split()
        if int(fields[9]) in inodes and fields[3] == (_LISTENING if kind == "tcp" else _UNCONNECTED):
            address, _, port = fields[1].partition(":")
            stream = kind == "tcp"
            socket = Socket(
                kind, int(fields[9]), _host(address), int(port, 16), listening=stream, stream=stream
            )
            if socket.is_reachable(bound=False):
                yield socket


def _host(address: str) -> str:
    """The address that the kernel shows as words in the machine's own order of bytes."""
    import socket  # loaded: a child has one, or this process does

    words = [bytes.fromhex(address[at : at + 8]) for at in range(0, len(address), 8)]
    packed = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def unix_sockets(text: str, inodes: Collection[int]) -> Iterator[Socket]:
    """Those of the kernel's table of unix sockets that wait for others."""
    for line in text.splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and int(fields[6]) in inodes and int(fields[3], 16) & _ACCEPTS:
            yield Socket("unix", int(fields[6]), fields[7], listening=True)


def _command(process: str) -> str:
    return command_line(_text(f"/proc/{process}/cmdline").rstrip("\0").split("\0"))


def _names(directory: str) -> list[str]:
    try:
        return _Real.listdir(directory)
    except OSError:  # it ended meanwhile, or is somebody else's
        return []


def _link(path: str) -> str:
    try:
        return _Real.readlink(path)
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        descriptor = _Real.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return b"".join(iter(lambda: _Real.read(descriptor, 65536), b"")).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        _Real.close(descriptor)
