"""A generator that gave numbers is told from one that was seeded anew."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_stateless.heap.twister import was_drawn_from

State = tuple[int, ...]


def state_of(generator: random.Random) -> State:
    words: State = generator.getstate()[1]
    return words


@settings(deadline=None)
@given(st.integers(0, 2**64), st.integers(0, 700), st.integers(0, 3000))
def test_drawing_numbers_is_recognised(seed: int, first: int, count: int) -> None:
    generator = random.Random(seed)
    for _ in range(first):
        generator.getrandbits(32)
    before = state_of(generator)
    for _ in range(count):
        generator.getrandbits(32)
    assert was_drawn_from(before, state_of(generator))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**64), st.integers(0, 2**64))
def test_seeding_is_recognised(seed: int, other: int) -> None:
    generator = random.Random(seed)
    generator.random()
    before = state_of(generator)
    generator.seed(other)
    assert was_drawn_from(before, state_of(generator)) is False


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda generator: generator.shuffle(list(range(5000))), id="shuffle"),
        pytest.param(lambda generator: generator.randbytes(10_000), id="bytes"),
        pytest.param(lambda generator: [generator.gauss(0, 1) for _ in range(100)], id="gauss"),
    ],
)
def test_whatever_draws_numbers_is_recognised(use: Callable[[random.Random], object]) -> None:
    generator = random.Random(7)
    before = state_of(generator)
    use(generator)
    assert was_drawn_from(before, state_of(generator))


@pytest.mark.parametrize(("before", "after"), [((), ()), ((1,) * 624, (1,) * 625), ((1,) * 625, ("a",))])
def test_what_is_no_state_of_a_twister_was_not_drawn_from(before: State, after: State) -> None:
    assert was_drawn_from(before, after) is False


def test_a_state_that_was_put_back_further_than_it_came_was_not_drawn_from() -> None:
    generator = random.Random(7)
    earlier = state_of(generator)
    generator.random()
    assert was_drawn_from(state_of(generator), (*earlier[:-1], 0)) is False
    within = state_of(generator)
    generator.random()
    assert was_drawn_from(within, state_of(generator))
    assert was_drawn_from(state_of(generator), within) is False
