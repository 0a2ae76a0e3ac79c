"""``listening-socket``: a socket that others can reach is still open."""

from __future__ import annotations

import errno
import socket as _python_socket
import stat
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless.audit import Bind
from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context
from pytest_stateless.heap.spell import without_run
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.source import Sources

RULE: Final = Rule("listening-socket", "A socket that others can reach is still open.")
PATIENT: Final = True

_EVERYWHERE: Final = ("0.0.0.0", "::", "")
_EPHEMERAL: Final = range(32768, 65536)  # Linux's ip_local_port_range and what IANA gives (RFC 6335)
_UNIX: Final = getattr(_python_socket, "AF_UNIX", None)
_FAMILIES: Final = (_python_socket.AF_INET, _python_socket.AF_INET6, _UNIX)


class Listener(NamedTuple):
    """A socket that others can reach."""

    kind: str
    """``tcp``, ``udp`` or ``unix``."""
    host: str
    """Address, or path of a unix socket, ``@name`` for an abstract one."""
    port: int
    inode: int
    descriptor: int


class Listeners(NamedTuple):
    """The sockets that others can reach, and what was bound up to one moment."""

    open: frozenset[Listener]
    binds: tuple[Bind, ...]
    sources: Sources


def capture(context: Context) -> Listeners:
    """Ask every socket among the open descriptors."""
    binds = tuple(context.recording.binds)
    bound = {bind.inode for bind in binds}
    return Listeners(frozenset(_listeners(bound)), binds, context.sources)


def carry(end: Listeners, context: Context) -> Listeners:
    """As the contract says."""
    return end._replace(binds=())


def _listeners(bound: set[int]) -> Iterator[Listener]:
    for descriptor in descriptors.numbers():
        found = descriptors.stat_of(descriptor)
        if found is not None and stat.S_ISSOCK(found.st_mode):
            listener = _ask(descriptor, found.st_ino, found.st_ino in bound)
            if listener is not None:
                yield listener


class _Real:
    """Of the C module, held where neither a mock nor a guard against sockets replaces it."""

    socket = _python_socket.SocketType
    getdefaulttimeout = staticmethod(_python_socket.getdefaulttimeout)
    setdefaulttimeout = staticmethod(_python_socket.setdefaulttimeout)


def _ask(descriptor: int, inode: int, bound: bool) -> Listener | None:
    """What a descriptor's socket listens on, if it does. The socket itself is left as it is."""
    try:
        socket = _wrapped(descriptor)
    except OSError:  # closed meanwhile
        return None
    try:
        return _listener(socket, descriptor, inode, bound)
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


def _listener(socket: Any, descriptor: int, inode: int, bound: bool) -> Listener | None:
    if socket.family not in _FAMILIES:
        return None
    stream = socket.type == _python_socket.SOCK_STREAM
    if stream or socket.type == getattr(_python_socket, "SOCK_SEQPACKET", None):
        if not socket.getsockopt(_python_socket.SOL_SOCKET, _python_socket.SO_ACCEPTCONN):
            return None
    elif socket.type != _python_socket.SOCK_DGRAM or _connected(socket):
        return None  # a connected datagram socket hears its peer only
    address = socket.getsockname()
    if socket.family == _UNIX:
        return Listener("unix", _unix_name(address), 0, inode, descriptor) if address else None
    host, port = address[0], address[1]
    if port == 0 or (not stream and not bound and port in _EPHEMERAL):
        return None  # not bound, or bound by the system for a client's first datagram
    return Listener("tcp" if stream else "udp", host, port, inode, descriptor)


def _connected(socket: Any) -> bool:
    try:
        socket.getpeername()
    except OSError as error:
        return error.errno != errno.ENOTCONN
    return True


def _unix_name(address: str | bytes) -> str:
    name = address.decode("utf-8", "replace") if isinstance(address, bytes) else address
    return f"@{name[1:]}" if name.startswith("\0") else name


def absorb(before: Listeners, start: Listeners, end: Listeners) -> Listeners:
    """As the contract says."""
    return before._replace(open=(before.open | (end.open - start.open)) - (start.open - end.open))


def compare(before: Listeners, after: Listeners) -> Iterator[Leak]:
    """One leak for each socket, however many descriptors it has."""
    known = {_identity(listener) for listener in before.open}
    for listener in sorted(after.open):
        if _identity(listener) not in known:
            known.add(_identity(listener))
            yield _leak(listener, after)


def _identity(listener: Listener) -> tuple[str, str, int, int]:
    return listener.kind, listener.host, listener.port, listener.inode


def _leak(listener: Listener, after: Listeners) -> Leak:
    bind = next((bind for bind in reversed(after.binds) if _is_of(bind, listener)), None)
    place = None if bind is None else bind.place
    chosen = bind.port == 0 if bind is not None else listener.port in _EPHEMERAL
    parts = [listener.kind, f"fd {listener.descriptor}"]
    if listener.kind == "unix":
        subject = without_run(after.sources.relative(listener.host))
    else:
        subject = f"{_bracketed(listener.host)}:{0 if chosen else listener.port}"
        parts += [f"port {listener.port}"] * chosen
        parts += ["exposed on all interfaces"] * (listener.host in _EVERYWHERE)
    owner = place.owner if place is not None else Owner.UNKNOWN
    traits = {"by-tool"} if place is not None and place.by_tool else set()
    return RULE.leak(subject, ", ".join(parts), after.sources.origin(place), owner, traits)


def _is_of(bind: Bind, listener: Listener) -> bool:
    return bind.inode == listener.inode


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
