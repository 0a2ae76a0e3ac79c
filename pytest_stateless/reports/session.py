"""What a whole run found, as values for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pytest_stateless.leak import Leak, Origin, Severity


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


_T = TypeVar("_T", bound="_Riding")


class _Riding:
    """What rides on a test report as plain values."""

    origin: Origin | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values only."""
        origin = None if self.origin is None else self.origin.to_dict()
        return {**vars(self), "origin": origin}

    @classmethod
    def from_dict(cls: type[_T], plain: Mapping[str, Any]) -> _T:
        """What ``to_dict`` wrote."""
        return cls(**{**plain, "origin": None if plain["origin"] is None else Origin(**plain["origin"])})


REACHES: Final = ("all", "interface", "loopback")
"""Who can reach a port: the worst first."""


@dataclass(frozen=True)
class OpenedPort(_Riding):
    """A port that was opened during the run, whether it was fine or not."""

    address: str
    """Port 0 where the system chose the number."""
    protocol: str
    """``tcp`` or ``udp``."""
    reach: str
    """One of ``REACHES``."""
    by: str
    """The test, or the fixture with its scope."""
    origin: Origin | None
    closed: bool
    """Whether it was closed again by the end of the test, or of the fixture's set-up."""


def port_to_dict(leak: Leak, by: str) -> dict[str, Any]:
    """The port of a leak of the detector that notices them all, as it rides on a test report."""
    reach = next(reach for reach in REACHES if reach in leak.traits)
    protocol = "tcp" if "tcp" in leak.traits else "udp"
    return OpenedPort(leak.subject, protocol, reach, by, leak.origin, "open" not in leak.traits).to_dict()


def in_order(ports: Iterable[OpenedPort]) -> tuple[OpenedPort, ...]:
    """Each once, those that the most can reach first."""
    return tuple(
        sorted(set(ports), key=lambda port: (REACHES.index(port.reach), port.address, port.by, repr(port)))
    )


@dataclass(frozen=True)
class PutBack(_Riding):
    """Something that a test did to the disk and put back."""

    path: str
    what: str
    test: str
    """Its node id."""
    origin: Origin | None
    request: str | None


def note_to_dict(note: Leak, test: str) -> dict[str, Any]:
    """A note of a detector, as it rides on a test report."""
    return PutBack(note.subject, note.message, test, note.origin, note.request).to_dict()


@dataclass(frozen=True)
class SessionLeaks:
    """What a whole run found."""

    tests: tuple[TestLeaks, ...] = ()
    """Those with a leak or an internal error, in the order of their node ids."""
    checked: int = 0
    """How many tests were checked."""
    unused: tuple[tuple[str, str], ...] = field(default=())
    """Allowances that matched nothing, with where they are written."""
    ports: tuple[OpenedPort, ...] = ()
    """Every port that checked tests and their fixtures opened."""
    put_back: tuple[PutBack, ...] = ()
    """What checked tests did to the disk and put back, in the order of the tests; of each test, no more than some."""
    left_out: int = 0
    """How many more there were."""
    notices: tuple[str, ...] = ()
    """Why less was seen than could be."""

    def counts(self) -> Counter[str]:
        """Leaks that fail a test, per rule."""
        return Counter(leak.rule for test in self.tests for leak in test.failing)

    def warned(self) -> Counter[str]:
        """Warnings per rule."""
        return Counter(leak.rule for test in self.tests for leak in test.warnings)
