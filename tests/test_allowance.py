from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pytest_stateless.allowance import Allowance, AllowanceError, matches, parse_allowance, suggestion
from pytest_stateless.leak import Leak

RULES = ("module-state", "file-write", "listening-socket")


@pytest.mark.parametrize(
    ("text", "rule", "pattern", "reason"),
    [
        pytest.param("module-state:shop.cart.*", "module-state", "shop.cart.*", "", id="plain"),
        pytest.param(
            "file-write:var/log/* -- rotated by the host",
            "file-write",
            "var/log/*",
            "rotated by the host",
            id="reason",
        ),
        pytest.param("file-write:a -- b -- c", "file-write", "a", "b -- c", id="dashes-in-the-reason"),
        pytest.param("file-write:a --", "file-write", "a --", "", id="dashes-without-a-reason"),
        pytest.param("file-write:a--b", "file-write", "a--b", "", id="dashes-in-the-subject"),
        pytest.param("  file-write :  a b  ", "file-write", "a b", "", id="spaces-around"),
        pytest.param(
            "listening-socket:127.0.0.1:*", "listening-socket", "127.0.0.1:*", "", id="colons-in-the-subject"
        ),
        pytest.param("listening-socket:[::1]:0", "listening-socket", "[::1]:0", "", id="ipv6"),
        pytest.param(
            "module-state:shop.cart.CARTS['bob']", "module-state", "shop.cart.CARTS['bob']", "", id="pasted"
        ),
    ],
)
def test_an_allowance_is_read(text: str, rule: str, pattern: str, reason: str) -> None:
    found = parse_allowance(text, "pytest.ini", RULES)
    assert (found.rule, found.pattern, found.reason, found.where) == (rule, pattern, reason, "pytest.ini")
    assert str(found) == f"{rule}:{pattern}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(
            "module-stat:x",
            "unknown rule 'module-stat' in allowance 'module-stat:x' (did you mean 'module-state'?)",
            id="misspelled-rule",
        ),
        pytest.param(
            "zzz:x",
            "unknown rule 'zzz' in allowance 'zzz:x'; "
            "the rules are module-state, file-write, listening-socket",
            id="unknown-rule",
        ),
        pytest.param(
            "file-write",
            "allowance 'file-write' has no subject; write 'file-write:*' to allow all of the rule",
            id="no-subject",
        ),
        pytest.param(
            "file-write:  -- because",
            "allowance 'file-write:  -- because' has no subject; "
            "write 'file-write:*' to allow all of the rule",
            id="reason-without-a-subject",
        ),
        pytest.param(
            "",
            "unknown rule '' in allowance ''; the rules are module-state, file-write, listening-socket",
            id="empty",
        ),
        pytest.param(
            "shop/*",
            "unknown rule 'shop/*' in allowance 'shop/*'; "
            "the rules are module-state, file-write, listening-socket",
            id="subject-alone",
        ),
        pytest.param(7, "an allowance is text like 'module-state:shop.cart.*', not 7", id="no-text"),
    ],
)
def test_what_is_no_allowance_is_refused_with_the_mend(text: object, complaint: str) -> None:
    with pytest.raises(AllowanceError) as refused:
        parse_allowance(text, "pytest.ini", RULES)
    assert str(refused.value) == f"pytest.ini: {complaint}"


@pytest.mark.parametrize(
    ("pattern", "subject", "covers"),
    [
        pytest.param("shop.cart.*", "shop.cart.CARTS", True, id="star"),
        pytest.param("shop.cart.*", "shop.cart.", True, id="star-for-nothing"),
        pytest.param("shop.cart.*", "shop.cart", False, id="star-and-too-short"),
        pytest.param("shop.cart.*", "shop.cart.CARTS['bob'].items", True, id="star-for-steps"),
        pytest.param("shop.*.CARTS", "shop.cart.CARTS", True, id="star-within"),
        pytest.param("var/*", "var/a/b", True, id="star-across-directories"),
        pytest.param("var/?", "var/a", True, id="question-mark"),
        pytest.param("var/?", "var/ab", False, id="question-mark-is-one"),
        pytest.param("CARTS['bob']", "CARTS['bob']", True, id="brackets-are-literal"),
        pytest.param("CARTS['bob']", "CARTSb", False, id="brackets-are-no-set"),
        pytest.param("[::1]:*", "[::1]:9100", True, id="brackets-of-ipv6"),
        pytest.param("a.b", "axb", False, id="dot-is-literal"),
        pytest.param("a+(b)|c^$\\", "a+(b)|c^$\\", True, id="all-else-is-literal"),
        pytest.param("shop.CARTS", "shop.CARTS.x", False, id="whole-subject"),
        pytest.param("CARTS", "shop.CARTS", False, id="from-its-beginning"),
        pytest.param("Shop", "shop", False, id="case-counts"),
        pytest.param("a*", "a\nb", True, id="newline"),
        pytest.param("a?b", "a\nb", True, id="newline-is-one"),
        pytest.param("a", "a\n", False, id="newline-at-the-end"),
    ],
)
def test_a_pattern_covers_a_subject(pattern: str, subject: str, covers: bool) -> None:
    assert matches(pattern, subject) is covers


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
@example("module-state:shop.cart.CARTS['[a]'].*?")
def test_every_subject_covers_itself(subject: str) -> None:
    assert matches(subject, subject)


def test_an_allowance_speaks_of_one_rule() -> None:
    allowance = Allowance("file-write", "var/*")
    assert allowance.covers(Leak("file-write", "var/a", ""))
    assert not allowance.covers(Leak("module-state", "var/a", ""))
    assert not allowance.covers(Leak("file-write", "lib/a", ""))


def test_the_reason_tells_no_allowances_apart_but_the_place_does() -> None:
    assert Allowance("a", "b", "why", "here") == Allowance("a", "b", "because", "here")
    assert Allowance("a", "b", "", "here") != Allowance("a", "b", "", "there")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        pytest.param("file_write", " (did you mean 'file-write'?)", id="near"),
        pytest.param("quux", "", id="far"),
    ],
)
def test_a_near_word_is_suggested(word: str, hint: str) -> None:
    assert suggestion(word, RULES) == hint
