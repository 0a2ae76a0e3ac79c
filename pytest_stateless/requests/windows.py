"""Requests as windows: they nest, and those that overlap are one window under all their names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_stateless import aio
from pytest_stateless.canaries import without_markers
from pytest_stateless.requests.sent import Listen, Sent


class Opening(Protocol):
    """What opens and closes windows."""

    def open(self, *, shares: bool = False) -> Any:
        """Begin one; ``shares`` if it may begin with what the one before ended with, as who opens it passes it on."""
        ...

    def leave(self, window: Any, tasks: Sequence[Any], /) -> None:
        """Note tasks that a request in one started and didn't wait for."""
        ...

    def close(self, window: Any, /) -> Any:
        """End one."""
        ...

    def pass_on(self, window: Any, /) -> Any:
        """End one whose leftovers may still be put back."""
        ...


@dataclass(eq=False)
class Group:
    """Requests that overlap, or a single one."""

    window: Any
    parent: Group | None
    names: list[str]
    kinds: set[str]
    """The names of its requests without their numbers."""
    running: int = 1
    """Requests, and groups within, that have not ended."""
    ended: bool = field(default=False)
    by_client: bool = False
    """Whether a test client opened it, rather than the test itself."""
    unmet: list[str] = field(default_factory=list)
    """Requests that a client sent and no wrapped application got yet, without their numbers."""

    @property
    def name(self) -> str:
        """All its requests."""
        return " and ".join(self.names)


class RequestWindows:
    """The request windows of one test."""

    def __init__(
        self,
        windows: Opening,
        report: Callable[[Callable[..., Any], Any, str], None],
        listen: Listen | None = None,
        lock: threading.RLock | None = None,
        known: set[str] | None = None,
    ) -> None:
        """``known`` are names of requests that came before, by which what each of a kind sets up has been set up.

        Such requests may share a look; none do where it is None.
        """
        self.listen = listen
        """Told what each request sends; None where nobody wants to know."""
        self.lock = lock or threading.RLock()
        """Held while windows are opened and closed: the same for all requests of a test."""
        self._windows = windows
        self._report = report
        self._groups: list[Group] = []
        self.count = 0
        """How many requests have begun."""
        self._by_hand = False
        """Whether the test itself opened one: what these leave is all told at once."""
        self._known = known
        self.kinds: dict[str, frozenset[str]] = {}
        """By the name that a window ended with, the names of its requests without their numbers."""
        self.current: ContextVar[Group | None] = ContextVar("pytest_stateless_request", default=None)
        """The request that the running code belongs to; one that begins in it is nested."""

    def begin(self, name: str, *, by_client: bool = False) -> Group:
        """Open the window of a request, or join the one that it overlaps with.

        A request that a client sends to a wrapped application begins twice, and what a client sends within a window
        that the test opened itself is of that one.
        """
        name = without_markers(name)
        with self.lock:
            self._by_hand = self._by_hand or not by_client
            current = self.current.get()
            if current is not None and not current.ended and _is_within(current, name, by_client):
                current.running += 1
                return current
            self.count += 1
            numbered = f"{name} ({ordinal(self.count)} request)"
            group = self._groups[-1] if self._groups else None
            if group is None or group is current:
                group = self._open(
                    group, shares=by_client and not self._by_hand and name in (self._known or ())
                )
            else:
                group.running += 1
            if self._known is not None:
                self._known.add(name)
            group.names.append(numbered)
            group.kinds.add(name)
            if by_client:
                group.unmet.append(name)
            else:
                group.by_client = False
            return group

    def hear(self, name: str, sent: Callable[[], Sent]) -> None:
        """Tell what a request is about to send."""
        if self.listen is not None:
            with self.lock:
                self.listen(without_markers(name), sent)

    def _open(self, parent: Group | None, *, shares: bool) -> Group:
        if parent is not None:
            parent.running += 1
        group = Group(self._windows.open(shares=shares), parent, [], set(), by_client=True)
        self._groups.append(group)
        return group

    def end(self, group: Group) -> None:
        """End one request of a group; its window closes with the last."""
        with self.lock:
            group.running -= 1
            if group.running == 0 and not group.ended:
                self._close(group)

    def _close(self, group: Group) -> None:
        group.ended = True
        self._groups.remove(group)
        window, group.window = group.window, None  # what runs on may keep the group
        self.kinds[group.name] = frozenset(group.kinds)
        self._report(self._windows.pass_on if group.by_client else self._windows.close, window, group.name)
        if group.parent is not None:
            self.end(group.parent)
            group.parent = None

    def finish(self) -> None:
        """The test is over: end what was never closed, the innermost first."""
        with self.lock:
            while self._groups:
                group = self._groups[-1]
                group.running = 0
                self._close(group)

    @contextmanager
    def request(self, name: str, *, by_client: bool = False) -> Iterator[None]:
        """A window around a block."""
        group = self.begin(name, by_client=by_client)
        try:
            with self.within(group):
                yield
        finally:
            self.end(group)

    @contextmanager
    def task(self, name: str, *, by_client: bool = False) -> Iterator[Group]:
        """A window around what a server would run in a task of its own, with which its context variables go."""
        outside = copy_context()
        group = self.begin(name, by_client=by_client)
        try:
            with self.within(group):
                yield group
        finally:
            outside.run(self.end, group)

    def tasks_of(self, group: Group) -> list[Any]:
        """The pending tasks that a request started in the loop that runs here; none while others of its group run."""
        loop = aio.running()
        found = [] if loop is None or group.ended or group.running > 1 else aio.pending(loop)
        contexts = ((task, aio.context_of(task)) for task in found)
        return [task for task, context in contexts if context and context.get(self.current) is group]

    def leave(self, group: Group) -> None:
        """Note the tasks that a request didn't wait for."""
        self._windows.leave(group.window, self.tasks_of(group))

    @contextmanager
    def within(self, group: Group | None) -> Iterator[None]:
        """Requests that begin within the block are nested in the group's; in no other's if there is none."""
        before = self.current.get()
        self.current.set(group)
        try:
            yield
        finally:
            self.current.set(before)


def _is_within(group: Group, name: str, by_client: bool) -> bool:
    """Whether a request that begins within a group is the one that the group's window is of."""
    if name in group.unmet:
        group.unmet.remove(name)
        group.by_client = group.by_client and by_client
        return True
    return by_client and not group.by_client


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
