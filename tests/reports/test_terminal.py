"""What a person reads."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_stateless.allowance import Allowance
from pytest_stateless.leak import Leak, Severity
from pytest_stateless.reports import terminal
from pytest_stateless.reports.session import PutBack, SessionLeaks, TestLeaks

SECTION = """\
tests/test_shop.py::test_checkout left 3 things behind

module-state      shop.cart.CARTS['bob']  added: list (2 items)
file-write        var/receipts/1.pdf  created
                  by shop/receipts.py:31 in save
listening-socket  0.0.0.0:9100  tcp, fd 14, exposed on all interfaces
                  by shop/metrics.py:9 in start
                  during POST /login (2nd request)

A twelve-factor process keeps nothing between requests: the next one may be served by another
process. Keep it in a backing service, or say why it is fine:
allow=["module-state:shop.cart.CARTS*"]."""

SUMMARY = """\
4 leaks in 2 tests: 1 file-write, 1 listening-socket, 2 module-state
1 warning in 1 test: 1 interpreter-state
unused allowance: module-state:shop.old.* (pytest.ini: stateless_allow) matched nothing; remove it
tests/test_shop.py::test_odd
internal error of pytest-stateless in file-write
Traceback (most recent call last):
ValueError: odd"""


def test_a_section_says_what_where_who_and_what_to_do(leaks: tuple[Leak, ...]) -> None:
    assert terminal.plain(terminal.section("tests/test_shop.py::test_checkout", leaks)) == SECTION


def test_a_section_is_marked_up_by_its_pieces(leaks: tuple[Leak, ...]) -> None:
    lines = list(terminal.section("t", leaks))
    assert lines[0] == (terminal.Piece("t left 3 things behind", {"bold": True}),)
    assert lines[2][:2] == (
        terminal.Piece("module-state      ", {"red": True}),
        terminal.Piece("shop.cart.CARTS['bob']", {"bold": True}),
    )


@pytest.mark.parametrize(
    ("number", "text"), [(1, "left 1 thing behind"), (2, "left 2 things behind")], ids=["one", "two"]
)
def test_things_are_counted(number: int, text: str, leaks: tuple[Leak, ...]) -> None:
    assert terminal.headline(leaks[:number]) == text


def test_the_short_summary_names_rules_and_subjects(leaks: tuple[Leak, ...]) -> None:
    assert terminal.brief(leaks[:2]) == (
        "left 2 things behind: module-state shop.cart.CARTS['bob'], file-write var/receipts/1.pdf"
    )


def test_a_long_allowance_has_a_line_of_its_own() -> None:
    leak = Leak("file-write", f"{'directory/' * 4}a", "created")
    lines = list(terminal.advice([leak]))
    assert lines[-1] == f'allow=["file-write:{"directory/" * 4}*"].'
    assert lines[-2].endswith("say why it is fine:")
    assert max(map(len, terminal.advice([Leak("file-write", "var/a", "")]))) <= 96


@pytest.mark.parametrize(
    ("rule", "subject", "suggested"),
    [
        pytest.param("module-state", "shop.cart.CARTS['bob'].items", "shop.cart.CARTS*", id="container"),
        pytest.param("module-state", "shop.cart.CARTS['a.b']", "shop.cart.CARTS*", id="dot-in-a-key"),
        pytest.param("module-state", "shop.cart.HITS", "shop.cart.HITS", id="name"),
        pytest.param("module-state", "shop", "shop", id="module-itself"),
        pytest.param("file-write", "var/receipts/1.pdf", "var/receipts/*", id="directory"),
        pytest.param("file-write", "a.db", "a.db", id="file-in-the-root"),
        pytest.param("file-write", "/a", "/a", id="file-at-the-top"),
        pytest.param("listening-socket", "0.0.0.0:9100", "0.0.0.0:*", id="host"),
        pytest.param("listening-socket", "[::1]:0", "[::1]:*", id="ipv6"),
        pytest.param("unexpected-port", "0.0.0.0:9100", "0.0.0.0:*", id="port"),
        pytest.param("listening-socket", "run/a.sock", "run/a.sock", id="unix"),
        pytest.param("another", "a.b/c:d", "a.b/c:d", id="rule-of-another"),
    ],
)
def test_the_suggested_allowance_covers_the_leak(rule: str, subject: str, suggested: str) -> None:
    leak = Leak(rule, subject, "")
    assert terminal.suggested_allowance(leak) == f"{rule}:{suggested}"
    assert Allowance(rule, suggested).covers(leak)


def test_the_suggested_allowance_ends_no_string() -> None:
    leak = Leak("another", 'a"]\\', "")
    assert terminal.suggested_allowance(leak) == 'another:a\\"]\\\\'


def test_the_summary_counts_and_names_what_needs_a_hand(session: SessionLeaks) -> None:
    assert terminal.plain(terminal.summary(session)) == SUMMARY


def test_a_single_leak_is_counted_as_one(session: SessionLeaks) -> None:
    one = SessionLeaks(session.tests[1:2])
    assert terminal.plain(terminal.summary(one)) == (
        "1 leak in 1 test: 1 module-state\n1 warning in 1 test: 1 interpreter-state"
    )


def test_the_table_of_ports_tells_who_can_reach_them(session: SessionLeaks) -> None:
    assert terminal.plain(terminal.ports(session)).splitlines() == [
        "2 ports opened",
        "  tcp 0.0.0.0:9100  all interfaces  by tests/test_shop.py::test_checkout, at shop/metrics.py:9 in start",
        "  udp 127.0.0.1:0   loopback only   by server (session fixture), closed again",
    ]
    assert list(terminal.ports(SessionLeaks(checked=3))) == []


def test_a_clean_run_has_no_summary() -> None:
    assert list(terminal.summary(SessionLeaks(checked=3))) == []


def warned(*nodeids: str) -> SessionLeaks:
    """A run where one thing is told of each of these tests; after ``=``, in which words."""
    tests = []
    for text in nodeids:
        nodeid, _, message = text.partition("=")
        leak = Leak(
            "interpreter-state", "random", message or "drawn", severity=Severity.WARNING, why="reason"
        )
        tests.append(TestLeaks(nodeid, "a.py", 1, "passed", (leak,)))
    return SessionLeaks(tuple(tests))


DRAWN = "  interpreter-state  random  drawn"


@pytest.mark.parametrize(
    ("nodeids", "lines"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["a.py::x"], ["a.py::x", DRAWN, ""], id="one"),
        pytest.param(["  ::error::x"], ["  \\x3a:error::x", DRAWN, ""], id="a-name-that-begins-a-command"),
        pytest.param(["a.py::x", "a.py::y"], ["a.py::x", "a.py::y", DRAWN, ""], id="the-same-of-two"),
        pytest.param(
            ["a.py::x", "a.py::y=seeded"],
            ["a.py::x", "a.py::y", DRAWN, "  interpreter-state  random  seeded", ""],
            id="in-two-ways",
        ),
        pytest.param(
            [f"a.py::{number}={number}" for number in range(7)],
            [
                "a.py: 7 tests",
                *(f"  interpreter-state  random  {number}" for number in range(5)),
                "  and 2 other changes",
                "",
            ],
            id="in-many-ways",
        ),
        pytest.param(
            [*(f"a.py::{number}" for number in range(5)), "b.py::x"],
            ["a.py: 5 tests", "b.py: 1 test", DRAWN, ""],
            id="the-same-of-many",
        ),
        pytest.param(
            [f"{file}.py::{number}" for file in "abcdef" for number in range(2)],
            ["12 tests in 6 files", DRAWN, ""],
            id="the-same-of-many-files",
        ),
    ],
)
def test_a_subject_that_is_warned_of_is_told_once_below_its_tests(
    nodeids: list[str], lines: list[str]
) -> None:
    assert terminal.plain(terminal.warnings(warned(*nodeids))) == "\n".join(lines)


def test_why_it_matters_is_told_in_detail_and_once() -> None:
    text = terminal.plain(terminal.warnings(warned("a.py::x", "a.py::y=seeded"), detailed=True))
    assert text.splitlines()[-2:] == ["  interpreter-state  random  seeded", "  why: reason"]
    leaks = [Leak("interpreter-state", "umask", "changed", why="reason"), Leak("module-state", "a.B", "")]
    assert [
        line for line in terminal.plain(terminal.table(leaks, detailed=True)).splitlines() if "why" in line
    ] == ["                   why: reason"]
    assert "why" not in terminal.plain(terminal.table(leaks))


def test_what_was_put_back_is_told_once_with_the_tests_and_the_line(session: SessionLeaks) -> None:
    assert terminal.plain(terminal.put_back(session)).splitlines() == [
        "6 transient writes",
        "  shop/cache.tmp  created and deleted again  by 2 tests, at shop/receipts.py:31 in save",
        "  shop  renamed to s and back  by tests/test_shop.py::test_b",
        "  and 4 more",
    ]
    assert list(terminal.put_back(SessionLeaks(checked=3))) == []


def test_of_many_writes_put_back_some_are_shown() -> None:
    many = tuple(PutBack(f"a{number}", "modified, and put back", "t", None, None) for number in range(53))
    lines = terminal.plain(terminal.put_back(SessionLeaks(put_back=many))).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("53 transient writes", 52, "  and 3 more")


def test_any_text_comes_out_inert(any_session: st.SearchStrategy[SessionLeaks]) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_session)
    def check(session: SessionLeaks) -> None:
        pages = [
            terminal.plain(lines)
            for lines in (
                *(terminal.summary(session), terminal.ports(session)),
                *(
                    terminal.put_back(session),
                    terminal.warnings(session, True),
                    terminal.notes(session.notices),
                ),
            )
        ]
        pages += [
            terminal.plain(terminal.section("t", test.leaks, True)) for test in session.tests if test.leaks
        ]
        for page in pages:
            assert "".join(page.split("\n")).isprintable()
            assert "##[" not in page
            assert not re.search(r"(?m)^\s*::", page)

    check()


def test_a_failed_detectors_text_begins_no_command() -> None:
    error = {"detector": "x", "traceback": "Traceback:\nValueError: a\n  ::add-mask::e\n"}
    assert terminal.plain(terminal.errors([error])).splitlines() == [
        "internal error of pytest-stateless in x",
        "Traceback:",
        "ValueError: a",
        "  \\x3a:add-mask::e",
    ]
