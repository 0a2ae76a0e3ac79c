"""A clean window collects no garbage, and nothing of the program is held once the last window in a row has closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

COLLECTING = """
import gc

import pytest

COLLECTED = []
gc.disable()
gc.callbacks.append(lambda phase, info: COLLECTED.append(phase))


@pytest.mark.stateless
@pytest.mark.parametrize("n", range(3))
def test_clean(n):
    pass


def test_nothing_was_collected():
    assert COLLECTED == []
    gc.collect()
    assert COLLECTED == ["start", "stop"]
    gc.callbacks.pop()
    gc.enable()
"""

SHOP = """
class Cart:
    pass


CARTS = {name: Cart() for name in ("alice", "bob", "carol", "dave", "eve", "frank")}  # leaking tests run twice
"""

ALIVE = """
import gc
import weakref

import pytest
import shop

gc.disable()  # what dies only by a collection is still held


@pytest.mark.stateless
@pytest.mark.parametrize("n", range(2))
def test_checked(n):
    {does}


def test_nothing_is_held():
    carts = [weakref.ref(cart) for cart in shop.CARTS.values()]
    assert carts
    shop.CARTS.clear()
    assert [cart() for cart in carts if cart() is not None] == []
    gc.enable()
"""


def test_a_clean_window_collects_no_garbage(project: Project) -> None:
    project.write("test_shop.py", COLLECTING)
    project.run_apart().assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("does", "failed"),
    [
        pytest.param("assert shop.CARTS", 0, id="clean"),
        pytest.param("shop.CARTS[n] = shop.Cart()", 2, id="leaking"),
        pytest.param("shop.CARTS.popitem()", 2, id="removing"),
        pytest.param("shop.CARTS['bob'] = shop.Cart(); assert not n", 2, id="failing-and-leaking"),
    ],
)
def test_nothing_is_held_once_the_last_window_has_closed(does: str, failed: int, project: Project) -> None:
    project.write("shop.py", SHOP)
    project.write("test_shop.py", ALIVE.format(does=does))
    project.run_apart().assert_outcomes(passed=3 - failed, failed=failed)
