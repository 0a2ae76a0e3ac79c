"""Workflow commands: one annotation a leak, and nothing that a leak's text could add."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_stateless.leak import Leak, Origin, Severity
from pytest_stateless.reports.github import render
from pytest_stateless.reports.session import SessionLeaks, TestLeaks

COMMAND = re.compile(r"::(error|warning) file=([^,:]*)(?:,line=(\d+))?,title=([^,:]*)::(.*)")


def test_a_leak_is_annotated_at_the_line_that_did_it_or_else_at_the_test(session: SessionLeaks) -> None:
    test = "tests/test_shop.py::test_{} left behind: "
    assert render(session).splitlines() == [
        "::error file=tests/test_shop.py,line=12,title=module-state::"
        + test.format("checkout")
        + "shop.cart.CARTS['bob']  added: list (2 items)",
        "::error file=shop/receipts.py,line=31,title=file-write::"
        + test.format("checkout")
        + "var/receipts/1.pdf  created",
        "::error file=shop/metrics.py,line=9,title=listening-socket::"
        + test.format("checkout")
        + "0.0.0.0:9100  tcp, fd 14, exposed on all interfaces during POST /login (2nd request)",
        "::warning file=tests/test_shop.py,title=module-state::"
        + test.format("login")
        + "shop.cart.CARTS['bob']  added: list (2 items)",
        "::warning file=tests/test_shop.py,title=interpreter-state::"
        + test.format("login")
        + "random  numbers drawn from it; draw less",
    ]


def test_a_warning_stays_one_where_the_test_fails(leaks: tuple[Leak, ...]) -> None:
    leak = replace(leaks[0], severity=Severity.WARNING)
    text = render(SessionLeaks((TestLeaks("t", "t.py", 1, "failed", (leak,)),)))
    assert text.startswith("::warning file=t.py,line=1,")


@pytest.mark.parametrize(
    ("outcome", "level"),
    [
        ("failed", "error"),
        ("error", "error"),
        ("passed", "warning"),
        ("xfailed", "warning"),
        ("skipped", "warning"),
        ("rerun", "warning"),
    ],
)
def test_what_failed_no_test_is_a_warning(outcome: str, level: str, leaks: tuple[Leak, ...]) -> None:
    test = TestLeaks("test_a.py::test_a", "test_a.py", 1, outcome, leaks[:1])
    assert render(SessionLeaks((test,))).startswith(f"::{level} file=test_a.py,line=1,")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a\n::error::b", "a\\n::error::b", id="newline"),
        pytest.param("a\r::error::b", "a\\r::error::b", id="carriage-return"),
        pytest.param("100%0A::error::b", "100%250A::error::b", id="percent"),
        pytest.param("##[add-mask]b", "#\\x23[add-mask]b", id="older-syntax"),
        pytest.param("\x1b[31m", "\\x1b[31m", id="terminal"),
    ],
)
def test_a_leaks_text_adds_no_command(text: str, message: str) -> None:
    test = TestLeaks("t", "t.py", 1, "failed", (Leak("file-write", text, "created"),))
    assert render(SessionLeaks((test,))) == (
        f"::error file=t.py,line=1,title=file-write::t left behind: {message}  created\n"
    )


def test_a_file_name_ends_no_property() -> None:
    leak = Leak("file-write", "a", "created", Origin("a:b,line=9%\n.py", 1, "f"))
    text = render(SessionLeaks((TestLeaks("t", "t.py", 1, "failed", (leak,)),)))
    assert text.startswith("::error file=a%3Ab%2Cline=9%25\\n.py,line=1,title=file-write::")


def test_any_run_gives_one_annotation_a_leak_and_a_line_an_annotation(
    any_session: st.SearchStrategy[SessionLeaks],
) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_session)
    def check(session: SessionLeaks) -> None:
        leaks = [leak for test in session.tests for leak in test.leaks]
        lines = render(session).splitlines()
        assert len(lines) == len(leaks)
        for leak, line in zip(leaks, lines, strict=True):
            command = COMMAND.fullmatch(line)
            assert command is not None
            assert command[4] == leak.rule
            assert "##[" not in line
            assert not re.search("%(?!25|3A|2C)", line)

    check()
