"""What of the differences is an interval's own, over a world of numbers by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pytest_stateless.interval import Interval
from pytest_stateless.leak import Leak, Rule


class Numbers:
    """Notices numbers that changed; more than two at once are summed up."""

    RULE = Rule("numbers", "There are numbers.")

    def compare(self, before: dict[str, int], after: dict[str, int]) -> Iterator[Leak]:
        found = [name for name in after if after[name] != before.get(name)]
        for subject in found if len(found) < 3 else ["shop.CARTS"]:
            yield self.RULE.leak(subject, "changed")


BOB, EVE, JOE = (f"shop.CARTS['{name}']" for name in ("bob", "eve", "joe"))


@pytest.mark.parametrize(
    ("at_open", "before", "now", "left"),
    [
        pytest.param({}, {}, {BOB: 1}, [BOB], id="its-own"),
        pytest.param({}, {BOB: 1}, {BOB: 1}, [], id="of-another"),
        pytest.param({BOB: 1}, {BOB: 2}, {BOB: 1}, [], id="put-back"),
        pytest.param({}, {BOB: 1, EVE: 1}, {BOB: 1, EVE: 1, JOE: 1}, [JOE], id="summed-up-with-others"),
        pytest.param(
            {BOB: 0, EVE: 0},
            {BOB: 1, EVE: 1},
            {BOB: 0, EVE: 0, JOE: 1},
            ["shop.CARTS"],
            id="with-what-was-put-back",
        ),
    ],
)
def test_its_own_is_what_really_differs(
    at_open: dict[str, int], before: dict[str, int], now: dict[str, int], left: list[str]
) -> None:
    interval = Interval({"numbers": at_open})
    interval.before["numbers"] = before
    detector: Any = Numbers()
    assert [leak.subject for leak in interval.left(detector, now)] == left


@pytest.mark.parametrize(
    ("now", "stays"),
    [
        pytest.param({BOB: 1}, True, id="stays"),
        pytest.param({}, False, id="put-back"),
        pytest.param({"shop.CARTS2": 1}, False, id="another-of-a-like-name"),
        pytest.param({BOB: 1, EVE: 1, JOE: 1}, True, id="among-many"),
    ],
)
def test_what_was_postponed_is_told_if_it_stays(now: dict[str, int], stays: bool) -> None:
    interval = Interval({"numbers": {}})
    interval.before["numbers"] = now
    leak = Numbers.RULE.leak(BOB, "changed").during("GET /")
    interval.postponed.append(leak)
    detector: Any = Numbers()
    assert interval.left(detector, now) == ([leak] if stays else [])


class FirstUse:
    """Notices what came, which is expected, and numbers that changed, which isn't."""

    RULE = Rule("module-state", "There are numbers.")

    def compare(self, before: dict[str, int], after: dict[str, int]) -> Iterator[Leak]:
        for subject, number in after.items():
            if number != before.get(subject):
                traits = frozenset(() if subject in before else {"as-inherited"})
                yield replace(self.RULE.leak(subject, "changed"), traits=traits)


STORE, WITHIN = "shop.limiter.store", "shop.limiter.store['bob']"


@pytest.mark.parametrize(
    ("at_open", "made", "before", "now", "left"),
    [
        pytest.param({}, {STORE: 1}, {STORE: 1}, {STORE: 1}, [], id="as-the-fixture-made-it"),
        pytest.param({}, {STORE: 1}, {STORE: 1}, {STORE: 2}, [STORE], id="changed-afterwards"),
        pytest.param(
            {}, {STORE: 1, WITHIN: 0}, {STORE: 1, WITHIN: 0}, {STORE: 1, WITHIN: 1}, [WITHIN], id="within"
        ),
        pytest.param({}, {STORE: 1}, {STORE: 2}, {STORE: 1}, [], id="a-request's-is-put-back"),
        pytest.param({}, {STORE: 1}, {STORE: 2}, {STORE: 3}, [STORE], id="more-than-a-request-left"),
        pytest.param({STORE: 0}, {STORE: 1}, {STORE: 1}, {STORE: 0}, [], id="as-before-the-fixture"),
        pytest.param({}, {}, {STORE: 1}, {STORE: 2}, [], id="no-fixture-made-it"),
    ],
)
def test_what_is_left_in_what_a_fixture_set_up_is_told(
    at_open: dict[str, int],
    made: dict[str, int],
    before: dict[str, int],
    now: dict[str, int],
    left: list[str],
) -> None:
    interval = Interval({"module-state": at_open})
    interval.made["module-state"] = made
    interval.before["module-state"] = before
    detector: Any = FirstUse()
    assert [leak.subject for leak in interval.left(detector, now)] == left


@pytest.mark.parametrize(
    ("now", "times"),
    [
        pytest.param({STORE: 1, WITHIN: 1}, 1, id="expected"),
        pytest.param({STORE: 2, WITHIN: 1}, 2, id="not-all-expected"),
        pytest.param({STORE: 1}, 1, id="nothing"),
    ],
)
def test_what_is_expected_anyway_is_compared_once(now: dict[str, int], times: int) -> None:
    class Counting(FirstUse):
        times = 0

        def compare(self, before: dict[str, int], after: dict[str, int]) -> Iterator[Leak]:
            self.times += 1
            return super().compare(before, after)

    interval = Interval({"module-state": {}})
    interval.before["module-state"] = {STORE: 1}
    detector: Any = Counting()
    interval.left(detector, now)
    assert detector.times == times
