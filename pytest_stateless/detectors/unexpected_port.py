"""``unexpected-port``: a port was opened that isn't among the declared ones, whether it was closed again or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pytest_stateless.detectors import child_sockets, sockets
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.signs import is_childless
from pytest_stateless.detectors.sockets import EPHEMERAL, EXPOSURES, Socket, reach_of, spell_address
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import Bind, Listen
from pytest_stateless.source import Place, Sources

RULE: Final = Rule("unexpected-port", "A port was opened that is not among the declared ones.")
PATIENT: Final = False


class Port(NamedTuple):
    """A port that somebody waits on."""

    kind: str
    """``tcp`` or ``udp``."""
    host: str
    port: int
    inode: int
    chosen: bool
    """Whether the system chose the number."""
    place: Place | None = None
    child: int = 0
    """Process id of the child that has it; 0 for this process."""


class Ports(NamedTuple):
    """The ports that were opened up to one moment, and those that are open."""

    opened: tuple[Port, ...]
    """In order, as Python tells."""
    open: tuple[Port, ...]
    declared: tuple[range, ...]
    sources: Sources
    children: frozenset[int] = frozenset()
    absorbed: frozenset[int] = frozenset()
    """Positions of what others opened."""


def capture(context: Context) -> Ports:
    """What was noted, and the sockets that are open, of children too."""
    binds = {bind.inode: bind for bind in context.recording.binds}
    opened = tuple(
        Port("tcp", one.host, one.port, one.inode, _is_chosen(one, binds), one.place)
        for one in context.recording.listens
    )
    standing = list(sockets.read(context).values())
    children, theirs = child_sockets.read(context)
    started = context.recording.spawns[-1].place if context.recording.spawns else None
    now = [
        Port(one.kind, one.host, one.port, one.inode, _is_chosen(one, binds), _place(binds.get(one.inode)))
        for one in standing
        if one.is_reachable(one.inode in binds)
    ]
    now += [
        Port(one.kind, one.host, one.port, one.inode, _is_chosen(one, binds), started, child)
        for one, child, _ in theirs
    ]
    waiting = {one.inode for one in standing if one.listening or not one.stream}
    return Ports(
        opened,
        tuple(port for port in now if port.port and (port.child or port.inode in waiting)),
        context.ports,
        context.sources,
        frozenset(children),
    )


def _is_chosen(one: Listen | Socket, binds: Mapping[int, Bind]) -> bool:
    return binds[one.inode].port == 0 if one.inode in binds else one.port in EPHEMERAL


def _place(bind: Bind | None) -> Place | None:
    return None if bind is None else bind.place


def carry(end: Ports, context: Context) -> Ports:
    """As the contract says."""
    return end._replace(opened=(), absorbed=frozenset())


def signs(context: Context) -> object:
    """As ``STEADY`` says."""
    recording = context.recording
    opened = len(recording.binds), len(recording.listens)
    return (opened, sockets.read(context)) if is_childless(context) else None


def absorb(before: Ports, start: Ports, end: Ports) -> Ports:
    """As the contract says."""
    positions = frozenset(range(len(start.opened), len(end.opened)))
    return before._replace(
        absorbed=before.absorbed | positions,
        open=before.open + tuple(port for port in end.open if port not in start.open),
        children=before.children | (end.children - start.children),
    )


def compare(before: Ports, after: Ports) -> Iterator[Leak]:
    """One leak for each address, also of a port that was closed again; its traits tell the fine ones."""
    told = set()
    known = {port.inode for port in before.open}
    for port in _new(before, after):
        subject = spell_address(port.host, 0 if port.chosen else port.port)
        if port.inode not in known and (port.kind, subject) not in told:
            told.add((port.kind, subject))
            yield _leak(port, subject, after)


def _new(before: Ports, after: Ports) -> Iterator[Port]:
    for position, port in enumerate(after.opened):
        if position >= len(before.opened) and position not in before.absorbed:
            yield port
    noted = {port.inode for port in after.opened}
    for port in after.open:
        if port.inode not in noted and port.child not in before.children:
            yield port


def _leak(port: Port, subject: str, after: Ports) -> Leak:
    reach = reach_of(port.host)
    is_open = any(one.inode == port.inode for one in after.open)
    traits = {port.kind, reach, *(["chosen"] if port.chosen else []), *(["open"] if is_open else [])}
    if not after.declared:
        traits.add("nothing-declared")
    elif not port.chosen and any(port.port in ports for ports in after.declared):
        traits.add("declared")
    if port.place is not None and port.place.by_tool:
        traits.add("by-tool")
    owner = Owner.UNKNOWN if port.place is None else port.place.owner
    message = f"{port.kind}, {EXPOSURES[reach]}" + ("" if is_open else ", closed since")
    return RULE.leak(subject, message, after.sources.origin(port.place), owner, traits)
