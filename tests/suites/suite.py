"""What is known of one test suite before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Suite:
    """A suite, what it needs, and what it truly leaves behind."""

    requirements: tuple[str, ...]
    """The first is the library itself, with its version: its sdist has the tests."""
    true_leaks: tuple[tuple[str, str], ...] = ()
    """``rule:subject-pattern`` with the reason why it is one."""
    without: tuple[tuple[str, str], ...] = ()
    """Beginnings of ids of tests that don't run, with the reason."""
    arguments: tuple[str, ...] = ()
    """More for pytest."""
    project: Path | None = None
    """A directory of this repository, in place of an sdist."""
    not_on: tuple[tuple[str, str], ...] = ()
    """Versions of Python that the suite itself doesn't run on, with the reason."""
    at_least: int = 1
    """How many tests must have been checked for the run to mean anything."""
