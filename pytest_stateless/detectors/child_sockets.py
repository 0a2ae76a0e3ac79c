"""Reads which sockets of child processes others can reach, where the system shows that in /proc (Linux)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from pytest_stateless import proc
from pytest_stateless.commands import Command
from pytest_stateless.detectors import offspring, sockets
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
    command: Command


def read(context: Context) -> tuple[list[int], list[ChildSocket]]:
    """The children of this process and those that left it, and the sockets that only they have; read once in a look."""
    return context.once("child_sockets", lambda: _read(context))


def _read(context: Context) -> tuple[list[int], list[ChildSocket]]:
    if sys.platform != "linux" or not (offspring.may_have_children(context) or offspring.orphans(context)):
        return [], []
    own = {socket.inode for socket in sockets.read(context).values()}
    children = [*proc.children_of("self"), *(child.pid for child in offspring.orphans(context))]
    found: dict[int, ChildSocket] = {}
    for child in children:
        for process in _with_descendants(child):
            for socket in _reachable(process, own):
                command = proc.command_of(process, context.show_values)
                found.setdefault(socket.inode, ChildSocket(socket, child, command))
    return children, list(found.values())


def _with_descendants(process: int) -> Iterator[int]:
    yield process
    for child in proc.children_of(process):
        yield from _with_descendants(child)


def _reachable(process: int, own: Collection[int]) -> Iterator[Socket]:
    links = (proc.link(f"/proc/{process}/fd/{number}") for number in proc.names(f"/proc/{process}/fd"))
    inodes = {int(link[8:-1]) for link in links if link.startswith("socket:[")}.difference(own)
    if not inodes:
        return
    for file, kind in _TABLES:
        yield from internet_sockets(proc.text(f"/proc/{process}/net/{file}"), kind, inodes)
    yield from unix_sockets(proc.text(f"/proc/{process}/net/unix"), inodes)


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
