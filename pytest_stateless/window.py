"""Runs the detectors around an interval; the one place that waits."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

from pytest_stateless import audit, children, doors, imports, loop_doors
from pytest_stateless.allowance import Allowance
from pytest_stateless.detectors import (
    NOTES,
    PORTS,
    SHARED,
    Context,
    Detector,
    async_task,
    open_descriptor,
)
from pytest_stateless.detectors.offspring import now, reaped
from pytest_stateless.expected import is_kept_by_the_application, judge
from pytest_stateless.findings import Findings, InternalError, Reported
from pytest_stateless.interval import Interval
from pytest_stateless.leak import SINCE, Leak
from pytest_stateless.looks import Captures, Looks
from pytest_stateless.recording import Recording
from pytest_stateless.severity import Grade, graded
from pytest_stateless.twins import without_twins

PATIENCE: Final = (0.001, 0.01, 0.1)
"""Seconds after which a leftover that may go away by itself is looked at again. Clean windows never wait."""


class _Window(Interval):
    """An interval with what failed when it began."""

    def __init__(self, before: Captures, errors: list[InternalError]) -> None:
        super().__init__(before)
        self.errors = errors


class Windows:
    """Opens and closes windows. They nest: what an inner one reports, the outer ones don't report again."""

    def __init__(
        self,
        context: Context,
        detectors: Sequence[Detector],
        sleep: Callable[[float], None] = time.sleep,
        grades: Sequence[Grade] = (),
        imported: Callable[[], None] = lambda: None,
        looking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._context = context
        self._detectors = detectors
        self._looks = Looks(context, detectors)
        context.recording.openings.are_wanted = any(
            detector.RULE.id == open_descriptor.RULE.id for detector in detectors
        )
        # What still goes away while the patient ones wait may change what the others see.
        self._patient_first = sorted(detectors, key=lambda detector: not detector.PATIENT)
        self._sleep = sleep
        self._grades = grades
        self._imported = imported
        """Told after each import within a window, before what it brought is looked at."""
        self._looking = looking
        """What is entered where a look is taken while a test runs: it sees the real disk."""
        self._open: list[_Window] = []
        self._previous: Recording | None = None
        self._ended: Captures = {}
        """What there was at the end of the last window, where that was the last thing that happened."""

    @property
    def are_open(self) -> bool:
        """Whether any window is open."""
        return bool(self._open)

    def open(
        self, *, undisturbed: bool = False, rules: Container[str] | None = None, shares: bool = False
    ) -> _Window:
        """Begin an interval; ``undisturbed`` if nothing but pytest itself ran since the last one ended.

        Then what the last look saw still stands, which halves what a test in a row of tests costs. ``rules``
        says which detectors look, within a window of all of them; None for all. ``shares`` if it is a request that is
        passed on, and may begin with what the one before ended with.
        """
        errors: list[InternalError] = []
        ended, self._ended = self._ended if undisturbed else {}, {}
        if not self._open:
            self._looks.begin(ended)
            self._context.recording.began, self._context.recording.reaped = now(), reaped()
            self._previous = audit.start(self._context.recording)
            doors.install()
            loop_doors.install()
            children.install()
            imports.listen(self._meet, self._await_import)
        shared = SHARED if shares and rules is None and self._can_share() else {}
        window = _Window(self._looks.all(errors, ended, rules, shared), errors)
        self._open.append(window)
        return window

    def _can_share(self) -> bool:
        """Whether there is a look to begin with. What was sent is searched for in all of the memory."""
        return len(self._open) == 1 and self._open[0].has_looked and not self._context.canaries.secrets

    def close(
        self, window: _Window, allowances: Sequence[Allowance] = (), request: str | None = None
    ) -> Findings:
        """End the interval and say what it left behind, in the name of the request that it is of."""
        return self._close(window, allowances, request, PATIENCE)

    def leave(self, window: _Window, tasks: Sequence[Any]) -> None:
        """Note tasks that a request started in a loop that runs on; none of these is told before the window closes."""
        window.tasks = [*window.tasks, *tasks]

    def pass_on(self, window: _Window, allowances: Sequence[Allowance] = (), request: str = "") -> Findings:
        """End the interval of a request that a test client sent, and say what is certain to be left behind.

        Who sent it may yet clear up: other than the application's own state, what is left is told with the outermost
        window, if it stays until then.
        """
        return self._close(window, allowances, request, patience=())

    def _close(
        self,
        window: _Window,
        allowances: Sequence[Allowance],
        request: str | None,
        patience: Sequence[float],
    ) -> Findings:
        if window not in self._open:  # it was abandoned, and a request's thread outlived it
            return Findings()
        findings = Findings(errors=list(window.errors))
        try:
            after = self._judge(window, allowances, findings, patience)
            if request is not None:
                for told in (findings.leaks, findings.notes):
                    told[:] = [leak if leak.request else leak.during(request) for leak in told]
            if window is not self._open[0]:
                self._postpone(self._open[0], after, findings, passes_on=not patience)
            findings.leaks += self._left_running(window, allowances, request, after, findings.errors)
            self._open.remove(window)
            self._absorb(window.before, after, findings.errors)
            if len(self._open) == 1:
                self._open[0].has_looked |= SHARED.keys() & self._open[0].before.keys() <= after.keys()
            self._ended = {} if self._open else after
        finally:
            self._shut(window)
        return findings

    def _left_running(
        self,
        window: _Window,
        allowances: Sequence[Allowance],
        request: str | None,
        after: Captures,
        errors: list[InternalError],
    ) -> list[Leak]:
        """Who sent the request can't clear up tasks that its application started."""
        name = async_task.RULE.id
        if not window.tasks or name not in after:
            return []
        told: list[Leak] = []
        with Reported(name, errors):
            left = async_task.left_running(window.tasks, after[name], self._context)
            after[name] = left.after
            told += graded(judge(left.leaks, allowances)[0], self._grades)
        return [leak.during(request) if request else leak for leak in told]

    def _postpone(self, outermost: _Window, after: Captures, findings: Findings, *, passes_on: bool) -> None:
        """Leave what may still be put back to the outermost window, and what may be of the test itself."""
        told: list[Leak] = []
        if not passes_on:
            told = [leak for leak in findings.leaks if SINCE not in leak.traits]
        else:
            for detector in self._detectors:
                name = detector.RULE.id
                leaks = [leak for leak in findings.leaks if leak.rule == name]
                if leaks:
                    with Reported(name, findings.errors):
                        told += filter(_is_told_at_once, outermost.staying(leaks, detector, after[name]))
        outermost.postponed += [leak for leak in findings.leaks if all(leak is not one for one in told)]
        findings.leaks = told

    def abandon(self) -> None:
        """Close all windows without a look: the run was interrupted."""
        if self._open:
            for window in reversed(list(self._open)):
                self._shut(window)
            self._give_back()

    def reported(self, rule: str) -> AbstractContextManager[None]:
        """What fails within is told under a rule's name, and hides nothing else."""
        return Reported(rule, self._open[-1].errors if self._open else [])

    def look(self, rule: str) -> Any:
        """What one detector sees now; None where it fails, or isn't there."""
        return self._looks.all(self._open[-1].errors if self._open else [], rules={rule}).get(rule)

    def disturb(self) -> None:
        """Something else than pytest ran since the last window: the next one looks anew."""
        self._ended = {}

    def let_go(self) -> None:
        """Hold nothing of the program until the next window opens."""
        self._ended = {}
        self._looks.forget()
        self._give_back()
        self._context.let_go()

    @staticmethod
    def _give_back() -> None:
        for stand_ins in (children, doors, loop_doors):
            stand_ins.remove()

    @contextmanager
    def absorbing(self, rules: Container[str] | None = None) -> Iterator[Findings]:
        """What happens within belongs to none of the open windows; in the end, it tells the ports that were opened.

        ``rules`` says which detectors it is kept from; None for all.
        """
        found = Findings()
        if not self._open:
            yield found
            return
        errors: list[InternalError] = []
        with self._looking():
            start = self._looks.all(errors, rules=rules)
        try:
            yield found
        finally:
            with self._looking():
                end = self._looks.all(errors, rules=rules)
            self._absorb(start, end, errors, made=True)
            found.ports += self._ports(start, end, errors)
            if self._open:  # else they were abandoned meanwhile
                self._open[-1].errors += errors

    def _await_import(self) -> None:
        """Modules are about to be imported."""
        if self._open:
            with Reported("interpreter-state", self._open[-1].errors):
                self._context.imports.begin()
            if self._context.heap is not None:
                with Reported("module-state", self._open[-1].errors):
                    self._context.heap.await_import()

    def _ports(self, start: Captures, end: Captures, errors: list[InternalError]) -> list[Leak]:
        for detector in self._detectors:
            if detector.RULE.id == PORTS and PORTS in start and PORTS in end:
                with Reported(PORTS, errors):
                    return list(detector.compare(start[PORTS], end[PORTS]))
        return []

    def _meet(self) -> None:
        """Modules were imported: from now on what they hold counts, as if it had been there all the time."""
        if not self._open:
            return
        loop_doors.install()
        self._imported()
        with Reported("interpreter-state", self._open[-1].errors):
            self._context.imports.end()
        if self._context.heap is not None:
            with Reported("module-state", self._open[-1].errors):
                self._context.heap.meet()

    def _shut(self, window: _Window) -> None:
        if window in self._open:
            self._open.remove(window)
        if not self._open:
            imports.rest()
            children.rest()
            doors.rest()
            audit.stop(self._previous)
            self._previous = None
            self._context.rest()

    # ------------------------------------------------------------------------------- looking and judging

    def _judge(
        self,
        window: _Window,
        allowances: Sequence[Allowance],
        findings: Findings,
        patience: Sequence[float],
    ) -> Captures:
        """Compare detector by detector; returns what was there at the end."""
        after: Captures = {}
        left: list[Leak] = []
        self._context.begin_look()
        for detector in self._patient_first:
            name = detector.RULE.id
            if name not in window.before:
                continue
            with Reported(name, findings.errors):
                after[name], leaks = self._look_again(detector, window, allowances, patience)
                left += leaks
                findings.ports += window.own(detector, after[name]) if name == PORTS else ()
                if name in NOTES and window.before[name] is not after[name]:
                    findings.notes += judge(NOTES[name](window.before[name], after[name]), allowances)[0]
        self._context.end_look()
        findings.moved = left
        if left:
            counting, findings.used = judge(without_twins(left), allowances)
            findings.leaks = graded(counting, self._grades)
            order = [detector.RULE.id for detector in self._detectors]
            findings.leaks.sort(key=lambda leak: order.index(leak.rule))
        broken = self._context.recording.broken
        if broken:
            findings.errors.append(InternalError("audit", "\n".join(broken)))
            broken.clear()
        return after

    def _look_again(
        self,
        detector: Detector,
        window: _Window,
        allowances: Sequence[Allowance],
        patience: Sequence[float],
    ) -> tuple[Any, list[Leak]]:
        now = self._looks.one(detector)
        leaks = window.left(detector, now)
        for pause in patience if detector.PATIENT else ():
            if not leaks or not graded(judge(leaks, allowances)[0], self._grades):
                break
            self._sleep(pause)
            if pause == patience[-1]:
                gc.collect()  # what only a cycle of garbage holds open is no leak
            self._context.begin_look()
            now = self._looks.one(detector)
            leaks = window.left(detector, now)
        return now, leaks

    def _absorb(
        self, start: Captures, end: Captures, errors: list[InternalError], *, made: bool = False
    ) -> None:
        """From ``start`` to ``end``, others were at work; ``made`` if it was something that lasts."""
        moved = [
            detector
            for detector in self._detectors
            if (name := detector.RULE.id) in start and name in end and start[name] is not end[name]
        ]
        for window in self._open:
            for detector in moved:
                name = detector.RULE.id
                if name not in window.before:
                    continue
                with Reported(name, errors):
                    for since in (window.before, window.made) if made else (window.before,):
                        since[name] = detector.absorb(since[name], start[name], end[name])


def _is_told_at_once(leak: Leak) -> bool:
    """Whether the end of the test need not be waited for: the next would have seen it, and it is of this one."""
    return is_kept_by_the_application(leak) and SINCE not in leak.traits
