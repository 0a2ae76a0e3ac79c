"""Known leftovers as data, and the judgement of leaks by them and by the user's allowances."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from pytest_stateless.allowance import Allowance
from pytest_stateless.detectors import RULES
from pytest_stateless.expected import EXPECTED, Expected, is_expected, judge
from pytest_stateless.heap.graph import identity
from pytest_stateless.leak import Leak
from pytest_stateless.unwatched import (
    TOOL_PACKAGES,
    UNWATCHED_ATTRIBUTES,
    UNWATCHED_PATHS,
    UNWATCHED_TYPES,
    unwatched_objects,
)


def leak(rule: str, subject: str, *traits: str) -> Leak:
    return Leak(rule, subject, "", traits=frozenset(traits))


@pytest.mark.parametrize(
    ("known", "traits", "covers"),
    [
        pytest.param(Expected("r", "why"), (), True, id="whole-rule"),
        pytest.param(Expected("q", "why"), (), False, id="another-rule"),
        pytest.param(Expected("r", "why", "a.*"), (), True, id="subject"),
        pytest.param(Expected("r", "why", "b.*"), (), False, id="another-subject"),
        pytest.param(Expected("r", "why", traits=frozenset({"x"})), ("x", "y"), True, id="trait"),
        pytest.param(Expected("r", "why", traits=frozenset({"x"})), ("y",), False, id="no-such-trait"),
        pytest.param(Expected("r", "why", traits=frozenset({"x", "y"})), ("x",), False, id="all-traits"),
        pytest.param(Expected("r", "why", traits=frozenset({"!x"})), ("y",), True, id="without-a-trait"),
        pytest.param(
            Expected("r", "why", traits=frozenset({"!x"})), ("x",), False, id="with-a-trait-it-must-not"
        ),
    ],
)
def test_a_known_leftover_is_told_by_rule_subject_and_traits(
    known: Expected, traits: tuple[str, ...], covers: bool
) -> None:
    assert known.covers(leak("r", "a.b", *traits)) is covers


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(
            leak("module-state", "lib.clock", "was:of-a-tool", "changed"), id="tools-object-replaced"
        ),
        pytest.param(leak("module-state", "lib.cache._time", "clock", "changed"), id="time-of-last-use"),
        pytest.param(
            leak("module-state", "lib.timer", "was:threading.Thread", "value:threading.Thread"),
            id="next-thread",
        ),
        pytest.param(
            leak("module-state", "lib.Flags._value2member_map_[3]", "added", "value:enum.Flag"), id="flags"
        ),
        pytest.param(leak("module-state", "lib.NUMBERS", "inside", "in:itertools.count"), id="numbering"),
        pytest.param(
            leak("module-state", "lib.PLACES", "added", "empty", "owner:dependency"), id="empty-place"
        ),
        pytest.param(leak("file-write", ".pytest_cache/v/cache/lastfailed"), id="pytest-cache"),
        pytest.param(leak("file-write", "shop/.pytest_cache"), id="pytest-cache-elsewhere"),
        pytest.param(leak("file-write", "shop/__pycache__/cart.cpython-313.pyc"), id="compiled"),
        pytest.param(leak("file-write", "shop/cart.pyc", "by-import"), id="compiled-beside"),
        pytest.param(leak("file-write", ".hypothesis/examples/1"), id="hypothesis"),
        pytest.param(leak("file-write", ".coverage.host.1"), id="coverage"),
        pytest.param(leak("file-write", "sub/.coverage"), id="coverage-elsewhere"),
        pytest.param(leak("file-write", "anything", "by-tool"), id="written-by-a-tool"),
        pytest.param(leak("listening-socket", "127.0.0.1:0", "by-tool"), id="opened-by-a-tool"),
        pytest.param(
            leak("module-state", "sys.modules['shop']", "added", "value:builtins.module"), id="import"
        ),
        pytest.param(leak("module-state", "re._cache"), id="cache-of-the-standard-library"),
        pytest.param(leak("module-state", "re._cache['x']"), id="entry-of-such-a-cache"),
        pytest.param(leak("module-state", "threading._active.x"), id="attribute-of-such-a-cache"),
    ],
)
def test_what_healthy_programs_leave_is_expected(found: Leak) -> None:
    assert is_expected(found)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(leak("file-write", "var/receipts/1.pdf"), id="file"),
        pytest.param(leak("file-write", "coverage.xml"), id="file-named-like-a-tools"),
        pytest.param(leak("listening-socket", "0.0.0.0:9100"), id="socket"),
        pytest.param(leak("module-state", "shop.cart.CARTS['bob']", "added"), id="state"),
        pytest.param(leak("module-state", "sys.modules['shop']", "removed"), id="module-taken-out"),
        pytest.param(leak("module-state", "re._cached"), id="same-beginning"),
        pytest.param(leak("module-state", "shop.re._cache"), id="same-end"),
        pytest.param(leak("unheard-of", "x", "by-tool"), id="another-rule"),
    ],
)
def test_what_a_program_leaves_is_not_expected(found: Leak) -> None:
    assert not is_expected(found)


def test_every_known_leftover_has_a_rule_and_a_reason() -> None:
    rules = {rule.id for rule in RULES}
    assert all(known.rule in rules for known in EXPECTED)
    for reason in (
        *(known.reason for known in EXPECTED),
        *TOOL_PACKAGES.values(),
        *UNWATCHED_TYPES.values(),
        *(reason for attributes in UNWATCHED_ATTRIBUTES.values() for reason in attributes.values()),
        *UNWATCHED_PATHS.values(),
    ):
        assert len(reason.split()) > 1


def test_no_known_leftover_covers_a_whole_rule() -> None:
    assert [known for known in EXPECTED if set(known.subject) == {"*"} and not known.traits] == []


def test_leaks_are_left_that_neither_expectation_nor_allowance_covers() -> None:
    expected, allowed, left = (
        leak("file-write", ".pytest_cache/a"),
        leak("file-write", "var/log/a"),
        leak("file-write", "var/b"),
    )
    narrow, wide, other = (
        Allowance("file-write", "var/log/*"),
        Allowance("file-write", "*log*"),
        Allowance("file-write", ".pytest_cache/*"),
    )
    assert judge([expected, allowed, left], [narrow, wide, other]) == ([left], [narrow, wide])


def test_without_allowances_all_that_is_not_expected_is_left() -> None:
    left = [leak("file-write", "b"), leak("file-write", "a")]
    assert judge(left, []) == (left, [])


# ------------------------------------------------------------------------- objects found by their path


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    module: Any = types.ModuleType("shop")
    module.cart = types.ModuleType("shop.cart")
    monkeypatch.setitem(sys.modules, "shop", module)
    monkeypatch.setitem(sys.modules, "shop.cart", module.cart)
    return module


class Cart:
    """A class with state."""

    cache: dict[str, str] = {}  # noqa: RUF012 - as users write it
    one: Any = None


Cart.one = Cart()


@pytest.mark.parametrize(
    ("path", "find"),
    [
        pytest.param("shop.CACHE", lambda shop: shop.CACHE, id="attribute"),
        pytest.param("shop.cart.CACHE", lambda shop: shop.cart.CACHE, id="attribute-of-a-submodule"),
        pytest.param("shop.Cart.cache", lambda shop: shop.Cart.cache, id="attribute-of-a-class"),
        pytest.param("shop.MISSING", lambda shop: None, id="missing"),
        pytest.param("shop.Cart.missing.more", lambda shop: None, id="missing-on-the-way"),
        pytest.param("shop.Cart.one.cache", lambda shop: None, id="through-an-instance"),
        pytest.param("shop.cart", lambda shop: None, id="module"),
        pytest.param("unheard_of.cart.CACHE", lambda shop: None, id="not-imported"),
        pytest.param("unheard_of", lambda shop: None, id="not-imported-and-short"),
    ],
)
def test_an_object_is_found_by_its_path_without_an_import(
    path: str, find: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.CACHE, shop.cart.CACHE, shop.Cart = {}, {}, Cart
    monkeypatch.setattr("pytest_stateless.unwatched.UNWATCHED_PATHS", {path: "why"})
    found = find(shop)
    assert unwatched_objects() == (frozenset() if found is None else {identity(found)})
    assert "unheard_of" not in sys.modules
