"""What a window found, and which part of the plugin failed meanwhile."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field

from pytest_stateless.allowance import Allowance
from pytest_stateless.leak import Leak


@dataclass(frozen=True)
class InternalError:
    """A detector that failed: the plugin's fault, never the test's."""

    detector: str
    traceback: str

    def to_dict(self) -> dict[str, str]:
        """Plain values only."""
        return {"detector": self.detector, "traceback": self.traceback}


@dataclass
class Findings:
    """What a window found."""

    leaks: list[Leak] = field(default_factory=list)
    used: list[Allowance] = field(default_factory=list)
    errors: list[InternalError] = field(default_factory=list)
    ports: list[Leak] = field(default_factory=list)
    """Every port that was opened, also those that are fine."""
    notes: list[Leak] = field(default_factory=list)
    """What was done and put back."""
    moved: list[Leak] = field(default_factory=list)
    """All that differed, expected or not; of one window alone."""

    def add(self, other: Findings) -> None:
        """Take over what another window found."""
        self.leaks += other.leaks
        self.used += other.used
        self.ports += other.ports
        self.notes += other.notes
        self.errors += other.errors


class Reported:
    """A failing detector is reported under its name and hides nothing else. Each look has a dozen: no generator."""

    __slots__ = ("_errors", "_name")

    def __init__(self, name: str, errors: list[InternalError]) -> None:
        self._name = name
        self._errors = errors

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        self._errors.append(InternalError(self._name, traceback.format_exc()))
        return True
