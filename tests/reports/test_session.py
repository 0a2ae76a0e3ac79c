from __future__ import annotations

from pytest_stateless.reports.session import SessionLeaks


def test_leaks_are_counted_per_rule(session: SessionLeaks) -> None:
    assert session.counts() == {"module-state": 2, "file-write": 1, "listening-socket": 1}


def test_warnings_are_counted_apart(session: SessionLeaks) -> None:
    assert session.warned() == {"interpreter-state": 1}
    assert [leak.subject for leak in session.tests[1].warnings] == ["random"]
    assert "random" not in [leak.subject for leak in session.tests[1].failing]


def test_a_run_without_leaks_counts_none() -> None:
    assert SessionLeaks(checked=3).counts() == {}
