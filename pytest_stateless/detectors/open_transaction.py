"""``open-transaction``: a transaction is open on a connection to a database that a module leads to."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.modules import by_owner, owner_in
from pytest_stateless.heap import django, sqlite
from pytest_stateless.heap.graph import Kind, identity, module_name_of, plan_of
from pytest_stateless.heap.memory import address
from pytest_stateless.heap.path import Path, find_paths
from pytest_stateless.heap.readers import OF_CONNECTIONS, SQLITE, reader_of
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.transactions import driver_of, is_in_transaction, roll_back
from pytest_stateless.leak import SINCE, Leak, Owner, Rule
from pytest_stateless.source import Sources

RULE: Final = Rule("open-transaction", "A transaction is still open on a connection to a database.")
PATIENT: Final = True


class Transactions(NamedTuple):
    """The connections with a transaction open at one moment, by identity."""

    open: dict[int, object]
    aliases: dict[int, str]
    """What Django calls those that it made."""
    heap: Heap | None
    sources: Sources
    fresh: Set[int] | None = None
    """Identities of the connections that were looked for, among others; None where all were."""


@dataclass(frozen=True, eq=False)
class TransactionEvidence:
    """Connections that were left so. It holds live objects, so it goes no further than the checks."""

    connections: tuple[object, ...]

    def roll_back(self) -> None:
        """End them: a test that ran again would wait for what they have locked, or find them begun already."""
        for connection in self.connections:
            roll_back(connection)

    def looks(self) -> tuple[TransactionLook, ...]:
        """How to look at them."""
        return (TransactionLook(self.connections),)

    def undo(self) -> None:
        """There is no more to be done than ``roll_back`` does."""


class TransactionLook:
    """Looks whether transactions began."""

    def __init__(self, connections: Sequence[object]) -> None:
        self._connections = connections
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is open now was open before."""
        self.before = self._now()

    def moved(self) -> bool:
        """Whether one is open that wasn't before."""
        return bool(self._now() - self.before)

    def _now(self) -> frozenset[int]:
        return frozenset(identity(one) for one in self._connections if is_in_transaction(one))


def capture(context: Context) -> Transactions:
    """Look for connections where the memory leads to; Django's are told by what Django knows of them."""
    heap, _ = context.look_at_memory()
    found = {identity(one): one for one in heap.read_by(OF_CONNECTIONS) if _is_left_open(one)}
    aliases = {}
    for alias, wrapper in django.databases():
        if django.is_left_open(wrapper):
            found[identity(wrapper)], aliases[identity(wrapper)] = wrapper, alias
    return Transactions(found, aliases, heap, context.sources, context.fresh)


def carry(end: Transactions, context: Context) -> Transactions:
    """As the contract says."""
    return end._replace(heap=context.heap)


def absorb(before: Transactions, start: Transactions, end: Transactions) -> Transactions:
    """As the contract says."""
    kept = {place: one for place, one in before.open.items() if place in end.open or place not in start.open}
    new = {place: one for place, one in end.open.items() if place not in start.open}
    return before._replace(open=kept | new)


def compare(before: Transactions, after: Transactions) -> Iterator[Leak]:
    """One leak for all connections of a driver that lie behind the same object."""
    fresh = {place: one for place, one in after.open.items() if place not in before.open}
    for place, alias in after.aliases.items():
        if place in fresh:
            del fresh[place]
            yield _leak(f"django.db.connections[{alias!r}]", "a transaction is open", Owner.DEPENDENCY, ())
    if fresh and after.heap is not None:
        leaks = _behind_modules(list(fresh.values()), after.heap, after.sources)
        is_certain = before.fresh is None or fresh.keys() <= before.fresh
        yield from leaks if is_certain else (leak.with_trait(SINCE) for leak in leaks)


def _is_left_open(connection: object) -> bool:
    """Whether it has a transaction open, other than of a database in memory, whose content is a module's state."""
    if not is_in_transaction(connection):
        return False
    is_sqlite = reader_of(type(connection)) is SQLITE
    return not (is_sqlite and sqlite.is_in_memory(address(connection)))


# ------------------------------------------------------------------------------------------------- judging


def _behind_modules(connections: list[object], heap: Heap, sources: Sources) -> Iterator[Leak]:
    groups = by_owner(sys.modules, sources)
    modules, own = list(groups.values()), groups[Owner.APPLICATION]
    paths = find_paths(connections, heap, modules)
    alike: dict[tuple[str, str, str], list[object]] = {}
    for connection in connections:
        path, driver = paths.get(identity(connection)), driver_of(connection)
        if path is None or driver is None:  # nothing leads there but our own hold on it
            continue
        keeper = _keeper(path, own)
        shown = find_paths([keeper], heap, modules).get(identity(keeper), path)
        alike.setdefault((shown.text, driver[1].name, path.module), []).append(connection)
    for (subject, name, module), found in sorted(alike.items(), key=lambda item: item[0]):
        what = "a transaction is open" if len(found) == 1 else f"{len(found)} transactions are open"
        yield _leak(subject, f"{name}: {what}", owner_in(groups, module), found)


def _keeper(path: Path, own: Collection[str]) -> object:
    """The first thing on the way that isn't of the application's making, or the list that the application has it in.

    Which way leads on from there may differ from run to run, and so may the position in a list.
    """
    position = 1
    while position < len(path.things) - 1 and not _is_made_elsewhere(path.things[position], own):
        position += 1
    while position > 1 and plan_of(type(path.things[position - 1])).kind in _WITHOUT_NAMES:
        position -= 1
    return path.things[min(position, len(path.things) - 1)]


_WITHOUT_NAMES: Final = frozenset({Kind.LIST, Kind.SEQUENCE, Kind.SET, Kind.SET_SUBCLASS, Kind.WALK})


def _is_made_elsewhere(thing: object, own: Collection[str]) -> bool:
    kind, home = plan_of(type(thing)).kind, module_name_of(type(thing))
    return kind not in (Kind.CLASS, Kind.FUNCTION, Kind.MODULE) and home != "builtins" and home not in own


def _leak(subject: str, message: str, owner: Owner, connections: Sequence[object]) -> Leak:
    evidence = TransactionEvidence(tuple(connections)) if connections else None
    return RULE.leak(subject, message, owner=owner, traits=[f"owner:{owner.value}"], evidence=evidence)
