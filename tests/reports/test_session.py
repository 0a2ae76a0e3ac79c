from __future__ import annotations

from pytest_stateless.reports.session import SessionLeaks


def test_leaks_are_counted_per_rule(session: SessionLeaks) -> None:
    assert session.counts() == {"module-state": 2, "file-write": 1, "listening-socket": 1}


def test_a_run_without_leaks_counts_none() -> None:
    assert SessionLeaks(checked=3).counts() == {}
