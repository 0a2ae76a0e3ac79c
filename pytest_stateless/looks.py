"""Has the detectors look; what the last look saw still stands where nothing that it depends on has changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pytest_stateless import audit
from pytest_stateless.detectors import STEADY, Context, Detector
from pytest_stateless.findings import InternalError, Reported

Captures = dict[str, Any]
"""What each detector saw, by its rule; without those that failed."""


class _Real:
    """Held where no test's mock replaces it."""

    getpid = staticmethod(os.getpid)


class Looks:
    """The looks of one run. It keeps the last ones of the detectors that say what theirs depends on."""

    def __init__(self, context: Context, detectors: Sequence[Detector]) -> None:
        self._context = context
        self._detectors = detectors
        self._last: dict[str, tuple[object, Any]] = {}
        """By the rule of a detector, the signs before its last look, and what that saw."""
        self._process = _Real.getpid()
        """Whose looks these are: a fork's threads and children are others."""

    def begin(self, ended: Captures) -> None:
        """A recording begins anew: of the last looks, those count that are to be carried over."""
        self._last = {name: last for name, last in self._last.items() if ended.get(name) is last[1]}

    def forget(self) -> None:
        """The next looks are had, whatever the signs."""
        self._last.clear()

    def all(
        self,
        errors: list[InternalError],
        ended: Captures | None = None,
        rules: Container[str] | None = None,
        shared: Mapping[str, Callable[[Context], Any]] = MappingProxyType({}),
    ) -> Captures:
        """What all detectors see now, or those of some rules; ``ended`` is what is to be carried over."""
        self._context.begin_look()
        captures = audit.unnoticed(self._all, errors, ended or {}, rules, shared)
        self._context.end_look()
        return captures

    def _all(
        self,
        errors: list[InternalError],
        ended: Captures,
        rules: Container[str] | None,
        shared: Mapping[str, Callable[[Context], Any]],
    ) -> Captures:
        captures = {}
        for detector in self._detectors:
            name = detector.RULE.id
            if rules is not None and name not in rules:
                continue
            with Reported(name, errors):
                if name in ended:
                    captures[name] = self._carry(detector, ended[name])
                elif name in shared:
                    captures[name] = shared[name](self._context)
                else:
                    captures[name] = self._seen(detector)
        return captures

    def _carry(self, detector: Detector, end: Any) -> Any:
        name = detector.RULE.id
        carried = detector.carry(end, self._context)
        if name in self._last:
            self._last[name] = self._last[name][0], carried
        return carried

    def one(self, detector: Detector) -> Any:
        """What a detector sees now."""
        return audit.unnoticed(self._seen, detector)

    def _seen(self, detector: Detector) -> Any:
        name = detector.RULE.id
        signs = STEADY[name](self._context) if name in STEADY else None
        if signs is None:
            self._last.pop(name, None)
            return detector.capture(self._context)
        if self._process != _Real.getpid():
            self._process = _Real.getpid()
            self.forget()
        before, seen = self._last.get(name, (None, None))
        if signs != before:
            seen = detector.capture(self._context)
            self._last[name] = signs, seen
        return seen
