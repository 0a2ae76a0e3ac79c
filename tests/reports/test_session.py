from __future__ import annotations

from pytest_stateless.leak import Leak, Origin
from pytest_stateless.reports.session import (
    OpenedPort,
    PutBack,
    SessionLeaks,
    in_order,
    note_to_dict,
    port_to_dict,
)


def test_leaks_are_counted_per_rule(session: SessionLeaks) -> None:
    assert session.counts() == {"module-state": 2, "file-write": 1, "listening-socket": 1}


def test_warnings_are_counted_apart(session: SessionLeaks) -> None:
    assert session.warned() == {"interpreter-state": 1}
    assert [leak.subject for leak in session.tests[1].warnings] == ["random"]
    assert "random" not in [leak.subject for leak in session.tests[1].failing]


def test_a_run_without_leaks_counts_none() -> None:
    assert SessionLeaks(checked=3).counts() == {}


def test_ports_are_told_once_and_the_most_reachable_first() -> None:
    leak = Leak(
        "unexpected-port", "127.0.0.1:80", "", Origin("a.py", 1, "f"), traits=frozenset({"tcp", "loopback"})
    )
    near = OpenedPort.from_dict(port_to_dict(leak, "test_a"))
    assert near == OpenedPort("127.0.0.1:80", "tcp", "loopback", "test_a", Origin("a.py", 1, "f"), True)
    open_to_all = Leak("unexpected-port", "0.0.0.0:80", "", traits=frozenset({"udp", "all", "open"}))
    far = OpenedPort.from_dict(port_to_dict(open_to_all, "test_b"))
    assert far == OpenedPort("0.0.0.0:80", "udp", "all", "test_b", None, False)
    assert in_order([near, far, near]) == (far, near)


def test_a_note_rides_as_plain_values() -> None:
    note = Leak("file-write", "a", "created and deleted again", Origin("a.py", 1, "f"), request="GET /")
    again = PutBack.from_dict(note_to_dict(note, "test_a"))
    assert again == PutBack("a", "created and deleted again", "test_a", Origin("a.py", 1, "f"), "GET /")
