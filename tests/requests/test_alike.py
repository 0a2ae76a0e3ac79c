"""What moved again with a request of the same kind, and what didn't."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.expected import is_expected
from pytest_stateless.leak import SINCE, Leak, Origin, Owner
from pytest_stateless.requests.alike import EVERY, ONCE, Answered, compared, noted

CARTS: dict[str, int] = {}
MODULE: dict[str, int] = {}


def leak(container: object, label: object = "a", *, attribute: bool = False, request: str = "1st") -> Leak:
    """A leak of a request at a place."""
    evidence: Any = SimpleNamespace(
        container=container, entries=[SimpleNamespace(label=label)], attributes=attribute
    )
    return Leak("module-state", f"shop[{label!r}]", "added", request=request, evidence=evidence)


def answered(name: str, kind: str, *moved: Leak) -> Answered:
    """A request that has ended."""
    return Answered(name, frozenset({kind}), moved)


BOB, EVE = leak(CARTS, "bob"), leak(CARTS, "eve")
READY = leak(MODULE, "READY", attribute=True)
OTHER = leak(MODULE, "OTHER", attribute=True)
VARIABLE = Leak("interpreter-state", "os.environ['A']", "added", request="1st")


@pytest.mark.parametrize(
    ("first", "others", "trait"),
    [
        pytest.param(BOB, [], None, id="sent-once"),
        pytest.param(BOB, [answered("2nd", "GET /other", BOB)], None, id="another-kind"),
        pytest.param(BOB, [answered("2nd", "GET /")], ONCE, id="not-again"),
        pytest.param(BOB, [answered("2nd", "GET /", EVE)], EVERY, id="grows"),
        pytest.param(BOB, [answered("2nd", "GET /", EVE), answered("3rd", "GET /")], None, id="now-and-then"),
        pytest.param(READY, [answered("2nd", "GET /", OTHER)], ONCE, id="another-attribute"),
        pytest.param(READY, [answered("2nd", "GET /", READY)], EVERY, id="the-same-attribute"),
        pytest.param(VARIABLE, [answered("2nd", "GET /", VARIABLE)], EVERY, id="no-place-in-the-memory"),
        pytest.param(VARIABLE, [answered("2nd", "GET /", BOB)], ONCE, id="another-rule"),
        pytest.param(
            BOB,
            [Answered("2nd and 3rd", frozenset({"GET /", "GET /b"}), [EVE])],
            EVERY,
            id="among-overlapping",
        ),
    ],
)
def test_what_others_of_its_kind_show(first: Leak, others: list[Answered], trait: str | None) -> None:
    (found,) = compared([first], [answered("1st", "GET /", first), *others])
    assert found.traits == (frozenset() if trait is None else {trait})


def test_the_last_of_its_kind_may_be_the_first_of_what_comes_with_each() -> None:
    late = leak(CARTS, request="2nd")
    assert compared([late], [answered("1st", "GET /"), answered("2nd", "GET /", late)]) == [late]


def test_what_no_request_did_stays_as_it_is() -> None:
    own = leak(CARTS, request="3rd")
    assert compared([own], [answered("1st", "GET /")])[0] is own


@pytest.mark.parametrize(
    ("traits", "said"),
    [
        ({EVERY}, "with every request"),
        ({ONCE}, "only on first use"),
        (set(), None),
    ],
    ids=["every", "once", "nothing"],
)
def test_it_is_said_below_the_leak(traits: set[str], said: str | None) -> None:
    (found,) = noted([Leak("a", "b", "c", traits=frozenset(traits))])
    assert found.note == said


def test_a_note_that_nobody_is_known_stays() -> None:
    found = Leak("a", "b", "c", note="not by a line of your code", traits=frozenset({ONCE}))
    assert noted([found])[0] is found


@pytest.mark.parametrize(
    ("later", "is_known"),
    [
        pytest.param({}, True, id="alike"),
        pytest.param({"request": "GET /b (2nd request)"}, False, id="of-another-kind"),
        pytest.param({"subject": "shop.VISITS"}, False, id="another-place"),
        pytest.param({"traits": frozenset()}, False, id="not-with-every-request"),
    ],
)
def test_what_every_request_moves_the_same_line_moves(later: dict[str, Any], is_known: bool) -> None:
    line = Origin("shop.py", 3, "view")
    every = frozenset({EVERY})
    first = Leak("a", "shop.HITS", "c", line, request="GET /a (1st request)", traits=every, chain=(line,))
    second = replace(first, origin=None, chain=(), note="not found", request="GET /a (2nd request)")
    found = noted([first, replace(second, **later)])[1]
    assert (found.origin, found.chain) == ((line, (line,)) if is_known else (None, ()))
    assert found.note == ("with every request" if is_known else "not found")


def test_what_may_be_of_the_time_before_is_told_so() -> None:
    line, second = Origin("shop.py", 3, "view"), "GET /a (2nd request)"
    known = Leak("a", "shop.HITS", "c", line, request="GET /a (1st request)", traits=frozenset({EVERY}))
    found = noted(
        [
            known,
            replace(known, origin=None, request=second, traits=frozenset({EVERY, SINCE})),
            Leak("a", "shop.SEEN", "c", request=second, traits=frozenset({SINCE})),
        ]
    )
    # What every request moves, the same line moves.
    assert [leak.request for leak in found] == [known.request, second, f"{second}, or right before it"]


@pytest.mark.parametrize(
    ("owner", "value", "expected"),
    [
        pytest.param("dependency", "jinja2.environment.Template", True, id="a-library-set-up"),
        pytest.param("dependency", "builtins.bytes", False, id="kept-for-somebody"),
        pytest.param("application", "shop.Shop", False, id="the-application-set-up"),
    ],
)
def test_a_library_may_set_itself_up(owner: str, value: str, expected: bool) -> None:
    traits = frozenset({ONCE, "added", f"owner:{owner}", f"value:{value}"})
    assert is_expected(Leak("module-state", "a", "added", owner=Owner(owner), traits=traits)) is expected
