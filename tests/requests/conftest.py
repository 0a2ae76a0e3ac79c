"""Request windows over a world of names, with what each request left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_stateless.detectors import Context
from pytest_stateless.findings import Findings
from pytest_stateless.leak import Leak, Rule
from pytest_stateless.recording import Recording
from pytest_stateless.requests import RequestWindows
from pytest_stateless.source import Sources
from pytest_stateless.window import Windows


class Names:
    """Notices names that were added to a set."""

    RULE = Rule("names", "There are names.")
    PATIENT = False

    def __init__(self) -> None:
        self.there: set[str] = set()

    def capture(self, context: Context) -> frozenset[str]:
        return frozenset(self.there)

    def compare(self, before: frozenset[str], after: frozenset[str]) -> Iterator[Leak]:
        for name in sorted(after - before):
            yield self.RULE.leak(name, "there")

    def carry(self, end: frozenset[str], context: Context) -> frozenset[str]:
        return end

    def absorb(self, before: frozenset[str], start: frozenset[str], end: frozenset[str]) -> frozenset[str]:
        return (before | (end - start)) - (start - end)


class Served:
    """What was left behind so far: names and the requests that they are told of."""

    def __init__(self) -> None:
        self.names = Names()
        sources = Sources("/")
        context = Context(sources, Recording(sources), (), lambda: pytest.fail("no memory is watched here"))
        self.windows = Windows(context, [self.names])
        self.found: list[tuple[str, str]] = []
        self.requests = RequestWindows(self.windows, self._report)
        self.window = self.windows.open()

    def _report(self, close: Callable[..., Findings], window: Any, name: str) -> None:
        self.found += [(leak.subject, name) for leak in close(window, (), name).leaks]

    def left(self) -> list[tuple[str, str | None]]:
        """End the test: what was left behind, in the names of requests."""
        self.requests.finish()
        leaks = self.windows.close(self.window).leaks
        return [*self.found, *((leak.subject, leak.request) for leak in leaks)]

    def add(self, name: str) -> None:
        """Leave a name behind."""
        self.names.there.add(name)


@pytest.fixture
def served() -> Iterator[Served]:
    """A test that serves requests; all windows are closed at its end."""
    served = Served()
    yield served
    served.requests.finish()
    assert served.windows.close(served.window).leaks == []
    assert not served.windows.are_open
