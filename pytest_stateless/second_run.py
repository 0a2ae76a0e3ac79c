"""Runs a leaking test once more with watchpoints on what leaked, and says which lines did it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from pytest_stateless.blame import Chain, Watch
from pytest_stateless.detectors.locks import LockEvidence
from pytest_stateless.detectors.open_transaction import TransactionEvidence
from pytest_stateless.expected import is_expected, softened
from pytest_stateless.findings import Findings, InternalError
from pytest_stateless.heap.compare import same
from pytest_stateless.heap.graph import is_heap_type
from pytest_stateless.heap.once import data_in
from pytest_stateless.heap.undo import Undone, release, stands_still, undo
from pytest_stateless.heap.watch import Evidence
from pytest_stateless.leak import Leak, Owner, Severity
from pytest_stateless.limit import SECONDS, TooLong, limited
from pytest_stateless.requests import RequestWindows
from pytest_stateless.severity import Grade, graded
from pytest_stateless.source import Sources
from pytest_stateless.unseen import run_unseen
from pytest_stateless.watching import Watching

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
        self._watching: Watching | None = None
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

    def renew(self) -> None:
        """A fixture made anew what may have leaked."""
        if self._watching is not None:
            self._watching.renew()

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

    def _run(self, leaks: list[Leak], test: Callable[[], bool]) -> Watching | None:
        watching = self._watching = Watching(self._sources, leaks)
        try:
            return watching if watching.run(test) else None
        finally:
            self._watching = None

    def _bound_again(
        self, leaks: list[Leak], test: Callable[[], bool], second: Watching
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
