"""Asks the sockets among the open descriptors how they stand."""

from __future__ import annotations

import errno
import ipaddress
import socket as _python_socket
import stat
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context

EPHEMERAL: Final = range(32768, 65536)  # Linux's ip_local_port_range and what IANA gives (RFC 6335)
EXPOSURES: Final = {
    "loopback": "loopback only",
    "interface": "exposed on one interface",
    "all": "exposed on all interfaces",
}
"""How it is said who can reach a socket."""

_UNIX: Final = getattr(_python_socket, "AF_UNIX", None)
_INTERNET: Final = (_python_socket.AF_INET, _python_socket.AF_INET6)
_STREAMS: Final = (_python_socket.SOCK_STREAM, getattr(_python_socket, "SOCK_SEQPACKET", None))


class Socket(NamedTuple):
    """How a socket stands."""

    kind: str
    """``tcp``, ``udp``, ``unix``, or else the name of its family."""
    inode: int
    host: str = ""
    """Its own address, or the path of a unix socket, ``@name`` for an abstract one; empty where it has none."""
    port: int = 0
    peer: str | None = None
    """The address of the other end, empty where it has none any more, or no name; None where it isn't connected."""
    peer_port: int = 0
    listening: bool = False
    stream: bool = True

    def is_reachable(self, bound: bool) -> bool:
        """Whether others can reach it, or none else can have its address; ``bound`` if the program asked for that."""
        if self.listening:
            return True
        if self.peer is not None or self.kind not in ("tcp", "udp", "unix"):
            return False  # a connected one hears its peer only
        if self.kind == "unix":
            return bool(self.host) and not self.stream
        if self.stream:
            return bool(self.port) and bound  # else the system gave it the port
        # The system binds a client's socket for its first datagram.
        return bool(self.port) and (bound or self.port not in EPHEMERAL)


def read(context: Context) -> dict[int, Socket]:
    """All open sockets by their descriptors, asked once in a look."""
    return context.once("sockets", lambda: _ask_all(descriptors.table(context)))


def _ask_all(table: descriptors.Table) -> dict[int, Socket]:
    found = {}
    for descriptor, state in table.items():
        if stat.S_ISSOCK(state.st_mode):
            answer = ask(descriptor, state.st_ino)
            if answer is not None:
                found[descriptor] = answer
    return found


class _Real:
    """Of the C module, held where neither a mock nor a guard against sockets replaces it."""

    socket = _python_socket.SocketType
    getdefaulttimeout = staticmethod(_python_socket.getdefaulttimeout)
    setdefaulttimeout = staticmethod(_python_socket.setdefaulttimeout)


def ask(descriptor: int, inode: int) -> Socket | None:
    """How a descriptor's socket stands. The socket itself is left as it is."""
    try:
        socket = _wrapped(descriptor)
    except OSError:  # closed meanwhile
        return None
    try:
        return _answer(socket, inode)
    except OSError:
        return None
    finally:
        socket.detach()


def _wrapped(descriptor: int) -> Any:
    timeout = _Real.getdefaulttimeout()
    if timeout is None:
        return _Real.socket(fileno=descriptor)
    _Real.setdefaulttimeout(None)  # which would make the program's socket non-blocking
    try:
        return _Real.socket(fileno=descriptor)
    finally:
        _Real.setdefaulttimeout(timeout)


def _answer(socket: Any, inode: int) -> Socket:
    stream = socket.type in _STREAMS
    if socket.family in _INTERNET and socket.type in (_python_socket.SOCK_STREAM, _python_socket.SOCK_DGRAM):
        host, port = socket.getsockname()[:2]
        listening = _is_listening(socket)
        peer = None if listening else _peer(socket)
        if peer is None and stream and port and not listening and _was_connected(socket):
            peer = "", 0
        there, its_port = (None, 0) if peer is None else peer[:2]
        kind = "tcp" if stream else "udp"
        return Socket(kind, inode, host, port, there, its_port, listening, stream)
    if socket.family == _UNIX:
        listening = _is_listening(socket)
        peer = None if listening else _peer(socket)
        there = None if peer is None else _unix_name(peer)
        name = _unix_name(socket.getsockname())
        return Socket("unix", inode, name, 0, there, 0, listening, stream)
    return Socket(_family(socket.family), inode)


def _is_listening(socket: Any) -> bool:
    return bool(socket.getsockopt(_python_socket.SOL_SOCKET, _python_socket.SO_ACCEPTCONN))


_SEGMENTS_SENT: Final = slice(136, 140)  # tcpi_segs_out of Linux's struct tcp_info, since 4.2


def _was_connected(socket: Any) -> bool:
    """Whether a TCP socket without a peer had one, which reset the connection."""
    if not hasattr(_python_socket, "TCP_INFO"):
        return False
    told = socket.getsockopt(_python_socket.IPPROTO_TCP, _python_socket.TCP_INFO, _SEGMENTS_SENT.stop)
    return any(told[_SEGMENTS_SENT])


def _peer(socket: Any) -> Any:
    try:
        return socket.getpeername()
    except OSError as error:
        if error.errno in (errno.ENOTCONN, errno.EINVAL):  # the latter on macOS, of one that was shut down
            return None
        raise


def _unix_name(address: str | bytes) -> str:
    name = address.decode("utf-8", "replace") if isinstance(address, bytes) else address
    return f"@{name[1:]}" if name.startswith("\0") else name


def _family(family: int) -> str:
    try:
        return _python_socket.AddressFamily(family).name.removeprefix("AF_").lower()
    except ValueError:
        return f"of family {family}"


def reach_of(host: str) -> str:
    """Who can reach an address: ``loopback``, ``interface`` or ``all``."""
    if not host:
        return "all"
    address = ipaddress.ip_address(host.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_unspecified:
        return "all"
    return "loopback" if address.is_loopback else "interface"


def spell_address(host: str, port: int) -> str:
    """An address as URLs have it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
