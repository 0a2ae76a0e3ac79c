"""What JUnit XML carries: a property of the testcase for each leak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_stateless.leak import Leak, Severity
from pytest_stateless.reports.inert import inert


def properties(leaks: Sequence[Leak]) -> Iterator[tuple[str, str]]:
    """Name and value of each property."""
    for leak in leaks:
        by = f" by {leak.origin}" if leak.origin else f" ({leak.note})" if leak.note else ""
        during = f" during {leak.request}" if leak.request else ""
        name = leak.rule if leak.severity is Severity.ERROR else f"warning.{leak.rule}"
        yield f"stateless.{name}", inert(f"{leak.subject}  {leak.message}{by}{during}")
