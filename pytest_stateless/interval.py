"""An interval between two looks, and what of the differences is its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_stateless.detectors import Detector
from pytest_stateless.expected import is_expected, judge
from pytest_stateless.leak import Leak


class Interval:
    """What there was when it began, and what others did within it."""

    def __init__(self, before: dict[str, Any]) -> None:
        self.at_open = dict(before)
        """What was there when it opened, by the rule of the detector that saw it."""
        self.made = dict(before)
        """The same, with what fixtures of a wider scope made since."""
        self.before = before
        """What it is compared with: the same, but with what others left since."""
        self.postponed: list[Leak] = []
        """What requests within it left that may still be put back before it ends."""
        self.has_looked = False
        """Whether a request within it has ended, so that there is a look for the next to begin with."""
        self.tasks: Sequence[Any] = ()
        """Tasks of asyncio's that a request started, and that its loop goes on with."""

    def left(self, detector: Detector, now: Any) -> list[Leak]:
        """What was left of its own, and what requests within it left and nobody put back."""
        if not self.postponed:
            return self.own(detector, now)
        postponed = [leak for leak in self.postponed if leak.rule == detector.RULE.id]
        stayed = self.staying(postponed, detector, now) if postponed else []
        return stayed + self.own(detector, now)

    def own(self, detector: Detector, now: Any) -> list[Leak]:
        """What differs from what counts as the beginning and also from what really was there then.

        A fixture that clears away what a request left puts back what was there: it leaves nothing of its own.
        """
        name = detector.RULE.id
        if self.before[name] is now:
            return []
        leaks = list(detector.compare(self.before[name], now))
        if self.before[name] is not self.at_open[name] and not all(map(is_expected, leaks)):
            leaks = self.staying(leaks, detector, now)  # another comparison is dear
        return leaks

    def staying(self, leaks: Sequence[Leak], detector: Detector, now: Any) -> list[Leak]:
        """Those leaks that would be told of it as well, had there been no others within it, did it end now."""
        name = detector.RULE.id
        since = list(detector.compare(self.at_open[name], now))
        told = _subjects(since)
        if self.made[name] is not self.at_open[name]:
            # That a fixture set a library up is expected, and covers nothing of what was left in it afterwards.
            set_up = [leak.subject for leak in since if is_expected(leak)]
            hidden = (leak.subject for leak in leaks if not is_expected(leak))
            if any(_is_among(subject, set_up) and not _is_among(subject, told) for subject in hidden):
                later = _subjects(detector.compare(self.made[name], now))
                told += [subject for subject in later if _is_among(subject, set_up)]
        return [leak for leak in leaks if _is_among(leak.subject, told)]


def _subjects(leaks: Iterable[Leak]) -> list[str]:
    """Of those that aren't expected."""
    return [leak.subject for leak in judge(leaks, ())[0]]


def _is_among(subject: str, others: Iterable[str]) -> bool:
    """Whether a subject is one of others, or one of the two is a part of the other: what is many is summed up."""
    return any(
        subject == one
        or subject.startswith((f"{one}[", f"{one}."))
        or one.startswith((f"{subject}[", f"{subject}."))
        for one in others
    )
