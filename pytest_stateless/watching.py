"""One run of a leaking test with watchpoints on what leaked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from pytest_stateless.blame import Chain, Look, Trail, Watch
from pytest_stateless.heap.watch import Evidence, looks_at
from pytest_stateless.leak import SINCE, Leak
from pytest_stateless.limit import SECONDS, TooLong, limited
from pytest_stateless.requests import EVERY, RequestWindows, ordinal
from pytest_stateless.source import Sources
from pytest_stateless.tracer import follow


class _Window(NamedTuple):
    """Of the test or a request in it: the leaks that may be of it, each with the watch on its place."""

    leaks: list[Leak]
    watches: list[Watch]


class Watching:
    """One run with watchpoints. As in the first, each request has a window of its own.

    Where no leak is of a request, requests only say during which of them something moved.
    """

    def __init__(self, sources: Sources, leaks: Sequence[Leak]) -> None:
        self.trail = Trail(sources)
        self.passed = False
        self.is_late = False
        """Whether it waited for ever, and was ended."""
        self.requests = RequestWindows(self, self._end_request)
        self.names_requests = all(leak.request is None for leak in leaks)
        self._leaks = leaks
        self._chains: dict[int, Chain] = {}
        self._before: dict[int, Chain] = {}
        """Who did what a request is told to have left, before it began."""
        self._whole = _Window([], [])
        """The test's."""
        self._during: dict[int, str] = {}
        """The requests in which leaks of the test moved."""
        self._coming = _Window([], [])
        """What the next request is told to have left, and may have been left since the last one."""

    def chain_of(self, leak: Leak) -> Chain | None:
        """Who did it; empty for nobody in the user's code, None where it didn't happen again."""
        return self._chains.get(id(leak), self._before.get(id(leak)))

    def with_request(self, leak: Leak) -> Leak:
        """A leak with the request during which its place moved."""
        if SINCE in leak.traits and self.chain_of(leak) is not None:
            if id(leak) in self._chains:
                return replace(leak, traits=leak.traits - {SINCE})
            return replace(leak, request=None, traits=leak.traits - {SINCE, EVERY})
        name = self._during.get(id(leak))
        return leak if name is None else leak.during(name)

    def take_over(self, leak: Leak, other: Watching | None) -> None:
        """Say of a leak during which request it moved in another run."""
        if other is None:
            return
        for own, found in ((self._chains, other._chains), (self._before, other._before)):
            if id(leak) in found:
                own[id(leak)] = found[id(leak)]
        if id(leak) in other._during:
            self._during[id(leak)] = other._during[id(leak)]

    def renew(self) -> None:
        """Something was made anew: watch what takes the place of what leaked and isn't there any more."""
        for position, leak in enumerate(self._whole.leaks):
            if type(leak.evidence) is Evidence and not leak.evidence.is_there():
                self._whole.watches[position] = Watch(_looks_at(leak.evidence))

    def run(self, test: Callable[[], bool]) -> bool:
        """Run the test. Returns whether it could be followed; if not, it wasn't run."""
        with limited(SECONDS) as limit:
            followed = follow(self.trail, lambda: self._run(test))
        self.is_late = limit.exceeded
        return followed

    def _run(self, test: Callable[[], bool]) -> None:
        self._whole = self._open(leak for leak in self._leaks if leak.request is None)
        with suppress(TooLong):
            self.passed = test()
        self.requests.finish()
        self._end_gap()
        self.close(self._whole)

    def open(self, *, shares: bool = False) -> _Window:
        """Begin a request, whose full name is known when it ends."""
        if self.names_requests:
            self.trail.look()
            still = [pair for pair in zip(*self._whole, strict=True) if pair[1].chain is None]
            return _Window([leak for leak, _ in still], [watch for _, watch in still])
        self._end_gap()
        return self._open(leak for leak in self._leaks if leak.request is not None)

    def close(self, window: _Window, name: str | None = None) -> None:
        """Take down who did what in a window."""
        if self.names_requests and name is not None:
            self.trail.look()
            moved = [leak for leak, watch in zip(*window, strict=True) if watch.chain is not None]
            self._during.update((id(leak), name) for leak in moved)
            return
        self.trail.end(window.watches)
        found = [
            (leak, watch.chain)
            for leak, watch in zip(window.leaks, window.watches, strict=True)
            if leak.request == name and watch.chain is not None
        ]
        by_others = self._of_the_gap([leak for leak, _ in found])
        self._chains.update((id(leak), chain) for leak, chain in found if id(leak) not in by_others)
        if name is not None:
            self._begin_gap()

    def _of_the_gap(self, moved: list[Leak]) -> set[int]:
        """Of several leaks of one place, where the gap moved it as well, the first: a list grows in this order."""
        first: dict[str, Leak] = {}
        for leak in moved:
            if id(leak) in self._before:
                first.setdefault(leak.subject, leak)
        times = Counter(leak.subject for leak in moved)
        return {id(leak) for leak in first.values() if times[leak.subject] > 1}

    def _begin_gap(self) -> None:
        """A request has ended: watch what the next is told to have left, with what is the test's."""
        self._end_gap()
        following = f"({ordinal(self.requests.count + 1)} request)"
        leaks = [leak for leak in self._leaks if SINCE in leak.traits and following in (leak.request or "")]
        self._coming = _Window(leaks, [Watch(_looks_at(leak.evidence)) for leak in leaks])
        self._whole.watches.extend(self._coming.watches)

    def _end_gap(self) -> None:
        if not self._coming.leaks:
            return
        self.trail.look()
        coming, self._coming = self._coming, _Window([], [])
        for leak, watch in zip(*coming, strict=True):
            self._whole.watches.remove(watch)
            if watch.chain is not None:
                self._before[id(leak)] = watch.chain

    pass_on = close

    def leave(self, window: _Window, tasks: Sequence[Any]) -> None:
        """Of tasks is known already who started them."""

    def _open(self, leaks: Iterable[Leak]) -> _Window:
        found = list(leaks)
        window = _Window(found, [Watch(_looks_at(leak.evidence)) for leak in found])
        self.trail.begin(window.watches)
        return window

    def _end_request(self, closing: Callable[..., None], window: _Window, name: str) -> None:
        closing(window, name)


def _looks_at(evidence: Any) -> Sequence[Look]:
    return looks_at(evidence) if type(evidence) is Evidence else evidence.looks()
