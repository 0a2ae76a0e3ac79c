"""``listening-socket``: a socket that others can reach is still open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_stateless.commands import Command
from pytest_stateless.detectors import child_sockets, sockets
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.offspring import is_servant
from pytest_stateless.detectors.signs import is_childless
from pytest_stateless.detectors.sockets import EPHEMERAL, EXPOSURES, Socket, reach_of, spell_address
from pytest_stateless.heap.spell import without_run
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import Bind, Spawn
from pytest_stateless.source import Place, Sources

RULE: Final = Rule("listening-socket", "A socket that others can reach is still open.")
PATIENT: Final = True


_OWN: Final = Command()
_SERVANTS_SOCKET: Final = re.compile(r"/pymp-[^/]*/[^/]*$")
"""In a directory of multiprocessing's own; what its fork server forked has the same command line."""


class Listener(NamedTuple):
    """A socket that others can reach."""

    kind: str
    """``tcp``, ``udp`` or ``unix``."""
    host: str
    """Address, or path of a unix socket, ``@name`` for an abstract one."""
    port: int
    inode: int
    descriptor: int
    listening: bool = True
    """Whether it waits for others; a bound one only keeps the address from them."""
    child: int = 0
    """Process id of the child that has it; 0 for this process."""
    command: Command = _OWN
    """Of the process that has it, where that is a child, or a child of its."""


class Listeners(NamedTuple):
    """The sockets that others can reach, and what was bound up to one moment."""

    open: frozenset[Listener]
    binds: tuple[Bind, ...]
    sources: Sources
    spawns: tuple[Spawn, ...] = ()
    children: frozenset[int] = frozenset()
    """Their process ids: what a child opens later is no doing of a window that it was there before."""


def capture(context: Context) -> Listeners:
    """Ask every socket among the open descriptors, and look at those of children."""
    binds = tuple(context.recording.binds)
    bound = {bind.inode for bind in binds}
    found = {
        _listener(socket, descriptor)
        for descriptor, socket in sockets.read(context).items()
        if socket.is_reachable(socket.inode in bound)
    }
    children, theirs = child_sockets.read(context)
    found |= {_listener(socket, 0, child, command) for socket, child, command in theirs}
    spawns = tuple(context.recording.spawns)
    return Listeners(frozenset(found), binds, context.sources, spawns, frozenset(children))


def carry(end: Listeners, context: Context) -> Listeners:
    """As the contract says."""
    return end._replace(binds=(), spawns=())


def signs(context: Context) -> object:
    """As ``STEADY`` says."""
    return (len(context.recording.binds), sockets.read(context)) if is_childless(context) else None


def _listener(socket: Socket, descriptor: int, child: int = 0, command: Command = _OWN) -> Listener:
    waits = socket.listening or not socket.stream
    return Listener(socket.kind, socket.host, socket.port, socket.inode, descriptor, waits, child, command)


def absorb(before: Listeners, start: Listeners, end: Listeners) -> Listeners:
    """As the contract says."""
    return before._replace(
        open=(before.open | (end.open - start.open)) - (start.open - end.open),
        children=before.children | (end.children - start.children),
    )


def compare(before: Listeners, after: Listeners) -> Iterator[Leak]:
    """One leak for each socket, however many descriptors it has."""
    known = {_identity(listener) for listener in before.open}
    for listener in sorted(after.open):
        if _identity(listener) not in known and listener.child not in before.children:
            known.add(_identity(listener))
            yield _leak(listener, after)


def _identity(listener: Listener) -> tuple[str, str, int, int, bool]:
    return listener.kind, listener.host, listener.port, listener.inode, listener.listening


def _leak(listener: Listener, after: Listeners) -> Leak:
    bind = next((bind for bind in reversed(after.binds) if bind.inode == listener.inode), None)
    place = _spawned(listener, after.spawns) if listener.child else None if bind is None else bind.place
    chosen = bind.port == 0 if bind is not None else listener.port in EPHEMERAL
    parts = [listener.kind, *(["bound but not listening"] * (not listener.listening))]
    parts += [f"in a child: {listener.command.told}" if listener.child else f"fd {listener.descriptor}"]
    if listener.kind == "unix":
        subject = without_run(after.sources.relative(listener.host))
    else:
        subject = spell_address(listener.host, 0 if chosen else listener.port)
        parts += [f"port {listener.port}"] * chosen
        parts += [EXPOSURES[reach_of(listener.host)]]
    owner = place.owner if place is not None else Owner.UNKNOWN
    traits = {"by-tool"} if place is not None and place.by_tool else set()
    if is_servant(listener.command) and _SERVANTS_SOCKET.search(listener.host):
        traits.add("servant")
    return RULE.leak(subject, ", ".join(parts), after.sources.origin(place), owner, traits)


def _spawned(listener: Listener, spawns: tuple[Spawn, ...]) -> Place | None:
    """Who started the child: the last with its command, or the last of all, since a shell or a fork has another."""
    same = [spawn for spawn in spawns if spawn.command.line == listener.command.line]
    return next((spawn.place for spawn in reversed(same or spawns)), None)
