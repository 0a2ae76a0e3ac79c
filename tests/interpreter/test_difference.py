"""What differs between two readings, and what a reading would have been, had a change been there already."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_stateless.interpreter.difference import absorb
from pytest_stateless.interpreter.item import Gated, Items, Numbers, Reading, unchanged

THING, OTHER = object(), object()
MANY = {number: str(number) * 2 for number in range(100)}


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        pytest.param({}, {}, True, id="nothing"),
        pytest.param({"a": 1}, {"a": 1}, True, id="equal"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another-value"),
        pytest.param({"a": 1}, {"b": 1}, False, id="another-label"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, False, id="one-more"),
        pytest.param({"a": 1, "b": 2}, {"a": 1}, False, id="one-less"),
        pytest.param({"a": 1}, {"a": True}, False, id="another-type"),
        pytest.param({"a": THING}, {"a": THING}, True, id="the-same-thing"),
        pytest.param({"a": THING}, {"a": OTHER}, False, id="another-thing"),
        pytest.param({"a": Items([THING])}, {"a": Items([THING])}, True, id="things"),
        pytest.param({"a": Items([THING])}, {"a": Items([THING, OTHER])}, False, id="more-things"),
        pytest.param(
            {"a": Items([THING, OTHER])}, {"a": Items([OTHER, THING])}, False, id="in-another-order"
        ),
        pytest.param({"a": Numbers((1, 2))}, {"a": Numbers((1, 2))}, True, id="numbers"),
        pytest.param({"a": Numbers((1, 2))}, {"a": Numbers((1, 3))}, False, id="other-numbers"),
        pytest.param(MANY, dict(MANY), True, id="many"),
        pytest.param(MANY, {**MANY, 7: "another"}, False, id="one-of-many"),
        pytest.param(
            Gated({"a": 1}, THING), Gated({"a": 1}, OTHER), True, id="what-tells-cheaply-does-not-count"
        ),
    ],
)
def test_readings_are_unchanged_where_the_same_labels_hold_the_same(
    before: Reading, after: Reading, same: bool
) -> None:
    assert unchanged(before, after) is same


@pytest.mark.parametrize(
    ("before", "start", "end", "absorbed"),
    [
        pytest.param({"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}, id="nothing-happened"),
        pytest.param({"a": 1}, {"a": 2}, {"a": 2}, {"a": 1}, id="what-came-before-it-still-counts"),
        pytest.param({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, id="changed"),
        pytest.param({}, {}, {"a": 1}, {"a": 1}, id="added"),
        pytest.param({"a": 1}, {"a": 1}, {}, {}, id="removed"),
        pytest.param({}, {"a": 1}, {}, {}, id="what-came-within-the-window-and-went"),
        pytest.param({"a": 1}, {}, {"a": 2}, {"a": 2}, id="what-went-within-the-window-and-came"),
        pytest.param(
            {"a": Items("a")}, {"a": Items("a")}, {"a": Items("ab")}, {"a": Items("ab")}, id="thing-added"
        ),
        pytest.param(
            {"a": Items("a")},
            {"a": Items("ab")},
            {"a": Items("abc")},
            {"a": Items("ac")},
            id="thing-added-to-more",
        ),
        pytest.param(
            {"a": Items("ab")},
            {"a": Items("b")},
            {"a": Items("bc")},
            {"a": Items("bca")},
            id="thing-added-to-less",
        ),
        pytest.param(
            {"a": Items("a")}, {"a": Items("ab")}, {"a": Items("b")}, {"a": Items("")}, id="thing-removed"
        ),
        pytest.param({"a": Items("a")}, {"a": Items("a")}, {"a": None}, {"a": None}, id="no-list-any-more"),
        pytest.param(None, None, {"a": 2}, {"a": 2}, id="can-be-told-from-now-on"),
        pytest.param(None, {"a": 1}, {"a": 2}, None, id="could-not-be-told-at-the-beginning"),
        pytest.param({"a": 1}, None, {"a": 2}, {"a": 1}, id="could-not-be-told-in-between"),
        pytest.param({"a": 1}, {"a": 1}, None, {"a": 1}, id="cannot-be-told-now"),
    ],
)
def test_what_others_did_counts_as_there_from_the_beginning(
    before: Any, start: Any, end: Any, absorbed: Any
) -> None:
    assert absorb(before, start, end) == absorbed
