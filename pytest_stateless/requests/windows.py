"""Requests as windows: they nest, and those that overlap are one window under all their names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol


class Opening(Protocol):
    """What opens and closes windows."""

    def open(self) -> Any:
        """Begin one."""
        ...

    def close(self, window: Any, /) -> Any:
        """End one."""
        ...


@dataclass(eq=False)
class Group:
    """Requests that overlap, or a single one."""

    window: Any
    parent: Group | None
    names: list[str]
    running: int = 1
    """Requests, and groups within, that have not ended."""
    ended: bool = field(default=False)


class RequestWindows:
    """The request windows of one test."""

    def __init__(self, windows: Opening, report: Callable[[Callable[..., Any], Any, str], None]) -> None:
        self._windows = windows
        self._report = report
        self._lock = threading.RLock()
        self._groups: list[Group] = []
        self._count = 0
        self.current: ContextVar[Group | None] = ContextVar("pytest_stateless_request", default=None)
        """The request that the running code belongs to; one that begins in it is nested."""

    def begin(self, name: str) -> Group:
        """Open the window of a request, or join the one that it overlaps with."""
        with self._lock:
            self._count += 1
            name = f"{name} ({ordinal(self._count)} request)"
            innermost = self._groups[-1] if self._groups else None
            if innermost is not None and innermost is not self.current.get():
                innermost.names.append(name)
                innermost.running += 1
                return innermost
            if innermost is not None:
                innermost.running += 1
            group = Group(self._windows.open(), innermost, [name])
            self._groups.append(group)
            return group

    def end(self, group: Group) -> None:
        """End one request of a group; its window closes with the last."""
        with self._lock:
            group.running -= 1
            if group.running == 0 and not group.ended:
                self._close(group)

    def _close(self, group: Group) -> None:
        group.ended = True
        self._groups.remove(group)
        self._report(self._windows.close, group.window, " and ".join(group.names))
        if group.parent is not None:
            self.end(group.parent)

    def finish(self) -> None:
        """The test is over: end what was never closed, the innermost first."""
        with self._lock:
            while self._groups:
                group = self._groups[-1]
                group.running = 0
                self._close(group)

    @contextmanager
    def request(self, name: str) -> Iterator[None]:
        """A window around a block."""
        group = self.begin(name)
        try:
            with self.within(group):
                yield
        finally:
            self.end(group)

    @contextmanager
    def within(self, group: Group) -> Iterator[None]:
        """Requests that begin within the block are nested in the group's."""
        before = self.current.get()
        self.current.set(group)
        try:
            yield
        finally:
            self.current.set(before)


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``4th``, ``11th``."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"
