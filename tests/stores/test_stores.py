"""What a test stores in a dependency's in-process store is a leak, and what it clears afterwards is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_stateless.allowance import matches

if TYPE_CHECKING:
    from tests.stores.conftest import Way

LeftBy = Callable[["Way", str], list[str]]


def test_what_is_stored_first_of_all_is_told(way: Way, left_by: LeftBy) -> None:
    assert_told(left_by(way, "leaves first"), way.leaks)


def test_what_is_stored_after_others_is_told(way: Way, left_by: LeftBy) -> None:
    assert_told(left_by(way, "leaves last"), way.leaks)


@pytest.mark.parametrize("order", ["clears first", "clears last"])
def test_what_is_cleared_is_no_leak(way: Way, order: str, left_by: LeftBy) -> None:
    assert left_by(way, order) == []


def assert_told(subjects: list[str], patterns: tuple[str, ...]) -> None:
    """Every subject is as one of the patterns says, and every pattern has a subject."""
    assert [subject for subject in subjects if not any(matches(one, subject) for one in patterns)] == []
    assert [one for one in patterns if not any(matches(one, subject) for subject in subjects)] == []
