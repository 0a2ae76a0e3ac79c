from __future__ import annotations

import ast
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_stateless.reports.inert import inert, inert_block


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("shop.cart.CARTS['bob']", "shop.cart.CARTS['bob']", id="ascii"),
        pytest.param("Käse 🧀 東京 é", "Käse 🧀 東京 é", id="visible-beyond-ascii"),
        pytest.param("a\nb\r\tc", "a\\nb\\r\\tc", id="lines"),
        pytest.param("\x1b[31mred\x07\x00\x7f", "\\x1b[31mred\\x07\\x00\\x7f", id="terminal"),
        pytest.param("\x9b31m\x85", "\\x9b31m\\x85", id="terminal-in-8-bits"),
        pytest.param("a\u2028b\u2029", "a\\u2028b\\u2029", id="unicode-lines"),
        pytest.param("\u202egnp.exe", "\\u202egnp.exe", id="right-to-left"),
        pytest.param("\u200b\ufeff\xad", "\\u200b\\ufeff\\xad", id="invisible"),
        pytest.param("\xa0\u3000", "\\xa0\\u3000", id="spaces-that-are-none"),
        pytest.param("\udcff", "\\udcff", id="lone-surrogate"),
        pytest.param("\U000e0041\ue000", "\\U000e0041\\ue000", id="tag-and-private"),
        pytest.param("##[error]x ### [", "#\\x23[error]x ### [", id="command-to-a-runner"),
        pytest.param("###[[", "##\\x23[[", id="command-after-more"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_is_not_plainly_visible_is_escaped(text: str, shown: str) -> None:
    assert inert(text) == shown


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_any_text_comes_out_on_one_visible_line(text: str) -> None:
    shown = inert(text)
    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()
    assert "##[" not in shown
    shown.encode("utf-8")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_no_character_is_lost(text: str) -> None:
    escapes = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt])")
    if not escapes.search(text):
        assert escapes.sub(lambda found: ast.literal_eval(f"'{found[0]}'"), inert(text)) == text


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_what_is_inert_stays_as_it_is(text: str) -> None:
    assert inert(inert(text)) == inert(text)


def test_a_block_keeps_its_lines_and_gives_no_command() -> None:
    assert inert_block("Traceback:\n  File\x1b\n::error::x\n   ::debug::y\na ::b") == (
        "Traceback:\n  File\\x1b\n\\x3a:error::x\n   \\x3a:debug::y\na ::b"
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_no_line_of_a_block_begins_a_command(text: str) -> None:
    shown = inert_block(text)
    assert shown.count("\n") == text.count("\n")
    assert not any(line.strip().startswith("::") for line in shown.split("\n"))
