"""What a whole run found, as values for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_stateless.leak import Leak, Severity


@dataclass(frozen=True)
class TestLeaks:
    """What one test left behind."""

    __test__ = False

    nodeid: str
    file: str
    """Relative to the root directory."""
    line: int
    """Counted from 1; 0 where it isn't known."""
    outcome: str
    """``failed``, ``skipped``, ``passed``, ``error``, ``xfailed``, ``xpassed`` or ``rerun``."""
    leaks: tuple[Leak, ...]
    errors: tuple[Mapping[str, Any], ...] = ()
    """Detectors that failed: ``detector`` and ``traceback``."""

    @property
    def failing(self) -> tuple[Leak, ...]:
        """The leaks that fail the test."""
        return tuple(leak for leak in self.leaks if leak.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Leak, ...]:
        """The leaks that it is only warned of."""
        return tuple(leak for leak in self.leaks if leak.severity is Severity.WARNING)


@dataclass(frozen=True)
class SessionLeaks:
    """What a whole run found."""

    tests: tuple[TestLeaks, ...] = ()
    """Those with a leak or an internal error, in the order of their node ids."""
    checked: int = 0
    """How many tests were checked."""
    unused: tuple[tuple[str, str], ...] = field(default=())
    """Allowances that matched nothing, with where they are written."""

    def counts(self) -> Counter[str]:
        """Leaks that fail a test, per rule."""
        return Counter(leak.rule for test in self.tests for leak in test.failing)

    def warned(self) -> Counter[str]:
        """Warnings per rule."""
        return Counter(leak.rule for test in self.tests for leak in test.warnings)
