"""Runs a leaking test once more with watchpoints on what leaked, and says which lines did it."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple

import pytest

from pytest_stateless.blame import Chain, Look, Trail, Watch
from pytest_stateless.detectors.locks import LockEvidence
from pytest_stateless.detectors.open_transaction import TransactionEvidence
from pytest_stateless.expected import is_expected, softened
from pytest_stateless.heap.compare import same
from pytest_stateless.heap.graph import is_heap_type
from pytest_stateless.heap.once import data_in
from pytest_stateless.heap.undo import Undone, release, stands_still, undo
from pytest_stateless.heap.watch import Evidence, looks_at
from pytest_stateless.leak import SINCE, Leak, Owner, Severity
from pytest_stateless.limit import SECONDS, TooLong, limited
from pytest_stateless.requests import EVERY, RequestWindows, ordinal
from pytest_stateless.severity import Grade, graded
from pytest_stateless.source import Sources
from pytest_stateless.tracer import follow
from pytest_stateless.unseen import run_unseen
from pytest_stateless.window import Findings, InternalError

FIRST_USE: Final = "only on first use"
ONCE: Final = "only-once"
"""Trait of what didn't come again, even where it was taken away before."""
FIRST: Final = "only-first"
"""Trait of what didn't move while the test ran again, and passed."""
REMEMBERED: Final = "remembered"
"""Trait of what was left alone while it was there, and was made anew when it was taken away."""
PUT_BACK: Final = "put-back"
"""Trait of what came into a list that was just as it had been when the test had run again, and passed."""
ELSEWHERE: Final = "not by a line of your code"
FAILED: Final = "not found: the test failed when it was run again"
LATE: Final = "not found: the test did not end when it was run again"
UNSEEN: Final = "not found when the test was run again"
SKIPPED: Final = "blame skipped: a debugger or another tracer is active"


class SecondRun:
    """The second run of a test, while there is one."""

    def __init__(self, sources: Sources, grades: Sequence[Grade] = ()) -> None:
        self._sources = sources
        self._grades = grades
        self._watching: _Watching | None = None
        self._for_others = False

    @property
    def is_on(self) -> bool:
        """Whether the test that runs is run for the second time."""
        return self._watching is not None or self._for_others

    def run_for_others(self, test: Callable[[], bool]) -> bool:
        """Run a test again for another process, which watches. Returns whether it passed."""
        self._for_others = True
        try:
            with limited(SECONDS):
                return test()
        except TooLong:
            return False
        finally:
            self._for_others = False

    @property
    def requests(self) -> RequestWindows | None:
        """The requests of the second run."""
        return None if self._watching is None else self._watching.requests

    @property
    def names_requests(self) -> bool:
        """Whether requests of test clients are looked for now, to say during which of them something moved."""
        return self._watching is not None and self._watching.names_requests

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What happens within isn't the test's."""
        if self._watching is None:
            yield
            return
        trail = self._watching.trail
        nothing: list[Watch] = []
        trail.begin(nothing)
        try:
            yield
        finally:
            trail.end(nothing)

    def blame(self, item: pytest.Item, nextitem: pytest.Item | None, findings: Findings) -> bool:
        """Put on each leak the line that did it, or a note why it isn't known. Returns whether the test ran again."""
        return self.blame_by(
            lambda: run_unseen(item, nextitem), findings, traced=item.config.getoption("trace", False)
        )

    def blame_by(self, test: Callable[[], bool], findings: Findings, *, traced: bool = False) -> bool:
        """The same, where ``test`` runs it and returns whether it passed."""
        if not wants_blame(findings):
            return False
        wanted = list(filter(_is_wanted, findings.leaks))
        try:
            with _unlocked(findings.leaks):
                told = self._told(wanted, test, traced)
        except pytest.exit.Exception:
            raise
        except Exception:
            findings.errors.append(InternalError("blame", traceback.format_exc()))
        else:
            seen = [told.get(id(leak), leak) for leak in findings.leaks]
            left = [softened(leak) for leak in seen if not is_expected(leak)]
            findings.leaks = graded(left, self._grades)
        return True

    def _told(self, leaks: list[Leak], test: Callable[[], bool], traced: bool) -> dict[int, Leak]:
        """What is to be said instead, by the identity of the leak."""
        lists = {id(leak): _listed(leak) for leak in leaks}
        with ExitStack() as redoing:
            for leak in leaks:
                redo = _release(leak.evidence)
                if redo is not None:
                    redoing.callback(redo)
            second = None if traced else self._run(leaks, test)
        if second is None:
            return {id(leak): replace(leak, note=SKIPPED) for leak in leaks}
        chains = {id(leak): second.chain_of(leak) for leak in leaks}
        silent = [leak for leak in leaks if chains[id(leak)] is None]
        again, further = self._bound_again(silent, test, second)
        first = {id(leak): {FIRST} for leak in silent if second.passed and id(leak) not in again}
        for leak in leaks:
            if second.passed and lists[id(leak)] and same(lists[id(leak)], _listed(leak)):
                first.setdefault(id(leak), set()).add(PUT_BACK)
        chains.update(again)
        return {
            id(leak): _with_chain(
                second.with_request(leak),
                chains[id(leak)],
                _otherwise(leak) if second.passed else LATE if second.is_late else FAILED,
                first.get(id(leak), set()) | further.get(id(leak), set()),
            )
            for leak in leaks
        }

    def _run(self, leaks: list[Leak], test: Callable[[], bool]) -> _Watching | None:
        watching = self._watching = _Watching(self._sources, leaks)
        try:
            return watching if watching.run(test) else None
        finally:
            self._watching = None

    def _bound_again(
        self, leaks: list[Leak], test: Callable[[], bool], second: _Watching
    ) -> tuple[dict[int, Chain], dict[int, set[str]]]:
        """Who binds a value again as it is, found in a third run that begins without it; and further traits.

        A line that binds it then and ran before as well bound it before as well. Any other one didn't run while the
        value was there: it binds it on first use. What stays away though the test passes was made once for good.
        """
        traits: dict[int, set[str]] = {}
        with ExitStack() as redoing:
            undone = []
            for leak in leaks:
                redo = _undo(leak)
                if redo is not None:
                    redoing.callback(redo)
                    undone.append((leak, redo))
            third = self._run([leak for leak, _ in undone], test) if undone else None
            if third is not None and second.passed and third.passed:
                given = third.trail.given
                traits = {id(leak): {REMEMBERED} for leak, redo in undone if _came_anew(redo, given)}
        again = {}
        for leak, _ in undone:
            chain = None if third is None else third.chain_of(leak)
            if chain is not None and (not second.passed or not chain or second.trail.ran(chain[0])):
                again[id(leak)] = chain
                second.take_over(leak, third)
            elif (
                chain is None
                and third is not None
                and second.passed
                and third.passed
                and not _may_be_anew(leak)
            ):
                traits[id(leak)] = {ONCE}
        return again, traits


def _came_anew(redo: Callable[[], None], given: Container[object]) -> bool:
    """Whether a library made other objects of its own accord: what the user's code gave it is no work of its own."""
    return isinstance(redo, Undone) and redo.came_anew() and not redo.holds(given)


def wants_blame(findings: Findings) -> bool:
    """Whether the test is to run again for them; for a warning alone none does."""
    return any(_is_wanted(leak) and leak.severity is Severity.ERROR for leak in findings.leaks)


def _is_wanted(leak: Leak) -> bool:
    """Whether a line is to be found out."""
    return leak.evidence is not None and leak.origin is None


@contextmanager
def _unlocked(leaks: Sequence[Leak]) -> Iterator[None]:
    """Meanwhile, no file is locked that the test would lock again: it would wait for itself."""
    with ExitStack() as redoing:
        for leak in leaks:
            redo = leak.evidence.release() if type(leak.evidence) is LockEvidence else None
            if redo is not None:
                redoing.callback(redo)
        yield


def _listed(leak: Leak) -> list[object]:
    """What is in the list that a leak was seen in; nothing where it is none."""
    evidence: Any = leak.evidence
    return list(evidence.container) if type(evidence) is Evidence and type(evidence.container) is list else []


def _looks_at(evidence: Any) -> Sequence[Look]:
    return looks_at(evidence) if type(evidence) is Evidence else evidence.looks()


def _release(evidence: Any) -> Callable[[], None] | None:
    """Undo what the test would wait for in vain if it ran again."""
    if type(evidence) is TransactionEvidence:
        evidence.roll_back()
    return release(evidence) if type(evidence) is Evidence else None


def _undo(leak: Leak) -> Callable[[], None] | None:
    evidence: Any = leak.evidence
    if type(evidence) is not Evidence:
        return evidence.undo()  # type: ignore[no-any-return]
    if "value:of-the-application" in leak.traits:
        return undo(evidence, leak.owner is Owner.APPLICATION)
    # What an extension in C made for a library is made again, or was made once for good.
    made_in_c = not any(is_heap_type(type(entry.after)) for entry in evidence.entries)
    return undo(evidence, "kept-by-library" in leak.traits and made_in_c)


def _otherwise(leak: Leak) -> str:
    """What a test that passed again shows of what didn't move again."""
    evidence: Any = leak.evidence
    if type(evidence) is TransactionEvidence or (type(evidence) is Evidence and stands_still(evidence)):
        return UNSEEN
    return UNSEEN if _is_replaced(evidence) else FIRST_USE


def _is_replaced(evidence: Any) -> bool:
    """Whether the test used something else when it ran again: a fixture made it anew."""
    return type(evidence) is Evidence and not evidence.is_there()


def _may_be_anew(leak: Leak) -> bool:
    """Whether what stayed away from its place may have been left in another, and be of a user."""
    evidence: Any = leak.evidence
    return _is_replaced(evidence) and any(True for entry in evidence.entries for _ in data_in(entry.after))


def _with_chain(leak: Leak, chain: Chain | None, otherwise: str, more: set[str]) -> Leak:
    traits = leak.traits | more
    if chain:
        return replace(leak, origin=chain[0], chain=chain, traits=traits)
    return replace(leak, note=otherwise if chain is None else ELSEWHERE, traits=traits)


class _Window(NamedTuple):
    """Of the test or a request in it: the leaks that may be of it, each with the watch on its place."""

    leaks: list[Leak]
    watches: list[Watch]


class _Watching:
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

    def take_over(self, leak: Leak, other: _Watching | None) -> None:
        """Say of a leak during which request it moved in another run."""
        if other is None:
            return
        for own, found in ((self._chains, other._chains), (self._before, other._before)):
            if id(leak) in found:
                own[id(leak)] = found[id(leak)]
        if id(leak) in other._during:
            self._during[id(leak)] = other._during[id(leak)]

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
