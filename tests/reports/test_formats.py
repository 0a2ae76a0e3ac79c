"""What every registered format keeps to."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_stateless import reports
from pytest_stateless.reports import FORMATS, render
from pytest_stateless.reports.session import SessionLeaks

DOCS = Path(__file__).parents[2] / "docs"

every_format = pytest.mark.parametrize("form", FORMATS)


@every_format
def test_a_format_has_a_section_in_the_documentation(form: str) -> None:
    assert f"\n### {form}\n" in (DOCS / "reports.md").read_text("utf-8")


@every_format
def test_a_run_without_leaks_is_rendered(form: str) -> None:
    text = render(form, SessionLeaks(checked=3))
    assert text == "" or text.endswith("\n")


@every_format
def test_the_same_run_gives_the_same_text(form: str, session: SessionLeaks) -> None:
    assert render(form, session) == render(form, session)
    assert render(form, session).endswith("\n")
    for test in session.tests:
        for leak in test.leaks:
            assert leak.subject in render(form, session)


@every_format
def test_any_text_comes_out_printable_and_encodable(
    form: str, any_session: st.SearchStrategy[SessionLeaks]
) -> None:
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(any_session)
    def check(session: SessionLeaks) -> None:
        text = render(form, session)
        text.encode("utf-8")  # a report's file is UTF-8, which has no lone surrogates
        assert set("".join(text.split("\n"))).isdisjoint(map(chr, [*range(32), *range(127, 160), 0x2028]))

    check()


def test_every_format_is_registered() -> None:
    modules = {found.name for found in pkgutil.iter_modules(reports.__path__)}
    assert modules == {*FORMATS, "terminal", "junit", "inert", "session"}
