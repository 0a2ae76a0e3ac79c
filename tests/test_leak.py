from __future__ import annotations

import json

import pytest

from pytest_stateless.leak import Leak, Origin, Owner, Rule

LEAK = Leak("module-state", "shop.CARTS['bob']", "added: list (2 items)")


def test_an_origin_reads_as_a_line_of_a_traceback() -> None:
    assert str(Origin("shop/cart.py", 18, "add_item")) == "shop/cart.py:18 in add_item"


def test_a_fingerprint_stays_the_same() -> None:
    # Baselines and other programs keep it: a change here is a change of format.
    assert LEAK.fingerprint == "e8e54ee854aff7c6"


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(Leak("module-state", "shop.CARTS['bob']", "removed"), True, id="message"),
        pytest.param(
            Leak("module-state", "shop.CARTS['bob']", "", Origin("a", 1, "f"), Owner.APPLICATION),
            True,
            id="origin-and-owner",
        ),
        pytest.param(LEAK.during("GET /"), True, id="request"),
        pytest.param(Leak("file-write", "shop.CARTS['bob']", ""), False, id="rule"),
        pytest.param(Leak("module-state", "shop.CARTS['eve']", ""), False, id="subject"),
        pytest.param(Leak("module-stateshop", ".CARTS['bob']", ""), False, id="border-between-the-two"),
    ],
)
def test_a_fingerprint_is_of_rule_and_subject(other: Leak, same: bool) -> None:
    assert (other.fingerprint == LEAK.fingerprint) is same


def test_a_fingerprint_is_had_of_any_text() -> None:
    assert len(Leak("file-write", "a\udcff\0\n", "").fingerprint) == 16


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(LEAK, id="bare"),
        pytest.param(
            Leak("file-write", "a", "created", Origin("a.py", 3, "f"), Owner.DEPENDENCY, request="GET /"),
            id="everything",
        ),
        pytest.param(
            Leak(
                "a", "b", "c", Origin("a.py", 3, "f"), chain=(Origin("a.py", 3, "f"), Origin("b.py", 4, "g"))
            ),
            id="chain",
        ),
        pytest.param(Leak("a", "b", "c", note="only on first use"), id="note"),
        pytest.param(Leak("a", "b", "c", why="the others don't have it"), id="why"),
        pytest.param(Leak("file-write", "a\udcff\n", "\x1b[31m"), id="odd-text"),
    ],
)
def test_a_leak_comes_back_from_plain_values(leak: Leak) -> None:
    assert Leak.from_dict(json.loads(json.dumps(leak.to_dict()))) == leak


def test_traits_tell_no_leaks_apart_and_do_not_travel() -> None:
    assert Leak("a", "b", "c", traits=frozenset({"x"})) == Leak("a", "b", "c")
    assert "traits" not in LEAK.to_dict()


def test_during_names_the_request_and_changes_nothing_else() -> None:
    during = LEAK.during("POST /login (2nd request)")
    assert during.request == "POST /login (2nd request)"
    assert during.during("x") == LEAK.during("x")
    assert LEAK.request is None


def test_a_rule_makes_leaks_of_its_kind() -> None:
    leak = Rule("file-write", "It.").leak("a", "created", None, Owner.APPLICATION, ["x"])
    assert leak == Leak("file-write", "a", "created", None, Owner.APPLICATION)
    assert leak.traits == {"x"}


def test_evidence_tells_no_leaks_apart_and_is_not_shown() -> None:
    leak = Leak("a", "b", "c", evidence=["secret"])
    assert leak == Leak("a", "b", "c")
    assert "secret" not in f"{leak!r}{leak.to_dict()}"
