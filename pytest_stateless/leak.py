"""A leak, the rule that it breaks, and who is to blame: values without any input or output."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

SINCE: Final = "since-the-last-request"
"""Trait of what was left during its request or before it, after the one that came before."""


class Owner(str, enum.Enum):
    """Whose code or state a leak concerns."""

    APPLICATION = "application"
    DEPENDENCY = "dependency"
    STANDARD_LIBRARY = "standard library"
    UNKNOWN = "unknown"


class Severity(str, enum.Enum):
    """Whether a leak fails its test."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Origin:
    """The line that did it, its file relative to the root directory where it lies below it."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values only."""
        return {"file": self.file, "line": self.line, "function": self.function}


@dataclass(frozen=True)
class Leak:
    """One thing that was left behind."""

    rule: str
    """The id of the rule, as it is printed and as allowances spell it."""
    subject: str
    """What leaked, spelled the same on every run: no addresses, no ids, no temporary paths."""
    message: str
    """What happened to it, with what may differ from run to run."""
    origin: Origin | None = None
    owner: Owner = Owner.UNKNOWN
    traits: frozenset[str] = field(default=frozenset(), compare=False)
    """What expected leftovers are recognised by beside the subject; not shown."""
    request: str | None = None
    """The request during which it happened, as ``POST /login (2nd request)``."""
    chain: tuple[Origin, ...] = ()
    """How the user's code came to the origin: that line and the lines that called it, the innermost first."""
    note: str | None = None
    """Why no origin could be found, or how often it happens."""
    severity: Severity = Severity.ERROR
    why: str | None = None
    """Why it matters, where that depends on what leaked more than on the rule."""
    evidence: Any = field(default=None, compare=False, repr=False)
    """What to watch to find the origin. It holds live objects, and is dropped before the leak is told."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits, the same for the same leak on every run, worker and Python version."""
        return hashlib.sha256(f"{self.rule}\0{self.subject}".encode("utf-8", "surrogatepass")).hexdigest()[
            :16
        ]

    def during(self, request: str) -> Leak:
        """The same leak, with the request that left it behind."""
        return replace(self, request=request)

    def with_trait(self, trait: str) -> Leak:
        """The same leak, with a further trait."""
        return replace(self, traits=self.traits | {trait})

    def to_dict(self) -> dict[str, Any]:
        """Plain values only, as they ride on a test report and stand in the JSON report."""
        origin = self.origin
        return {
            "rule": self.rule,
            "subject": self.subject,
            "message": self.message,
            "origin": None if origin is None else origin.to_dict(),
            "owner": self.owner.value,
            "request": self.request,
            "chain": [caller.to_dict() for caller in self.chain],
            "note": self.note,
            "severity": self.severity.value,
            "why": self.why,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Leak:
        """The leak that ``to_dict`` wrote."""
        return cls(
            rule=plain["rule"],
            subject=plain["subject"],
            message=plain["message"],
            origin=None if plain["origin"] is None else Origin(**plain["origin"]),
            owner=Owner(plain["owner"]),
            request=plain["request"],
            chain=tuple(Origin(**caller) for caller in plain["chain"]),
            note=plain["note"],
            severity=Severity(plain["severity"]),
            why=plain["why"],
        )


@dataclass(frozen=True)
class Rule:
    """One kind of leak."""

    id: str
    summary: str
    """What it is, in one sentence."""

    def leak(
        self,
        subject: str,
        message: str,
        origin: Origin | None = None,
        owner: Owner = Owner.UNKNOWN,
        traits: Iterable[str] = (),
        evidence: object = None,
        severity: Severity = Severity.ERROR,
        why: str | None = None,
    ) -> Leak:
        """A leak of this kind."""
        found = frozenset(traits)
        return Leak(
            self.id, subject, message, origin, owner, found, severity=severity, why=why, evidence=evidence
        )
