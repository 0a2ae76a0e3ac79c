"""What leads to a connection, and that it is looked for once however many entries ask."""

from __future__ import annotations

import socket

import pytest

from pytest_stateless.heap import reach as reach_module
from pytest_stateless.heap.reach import Reach


class Connection:
    cursor = commit = rollback = close = None


class Wrapper(Connection):
    def __init__(self) -> None:
        self.inner = Connection()


class Pool:
    def __init__(self, *held: object) -> None:
        self.held = list(held)


class Slots:
    __slots__ = ("missing",)


@pytest.mark.parametrize(
    ("thing", "is_connection", "is_bare"),
    [
        pytest.param(Connection(), True, True, id="database"),
        pytest.param(Wrapper(), True, False, id="wrapper"),
        pytest.param(Pool(Connection()), False, False, id="pool"),
        pytest.param(Slots(), False, False, id="slots-that-are-not-set"),
        pytest.param("text", False, False, id="text"),
    ],
)
def test_a_connection_is_known_by_what_it_can(thing: object, is_connection: bool, is_bare: bool) -> None:
    reach = Reach()
    assert (reach.is_a_connection(thing), reach.is_bare(thing)) == (is_connection, is_bare)


def test_a_socket_is_one() -> None:
    with socket.socket() as one:
        assert Reach().is_bare(one)


def test_a_pool_leads_to_one_but_not_beside_what_holds_it() -> None:
    pool = Pool(Connection())
    assert Reach().leads_there(pool)
    assert not Reach().leads_there(pool, pool.held)
    assert not Reach().leads_there(Pool("text"))


def test_an_object_is_searched_once_and_a_comparison_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = reach_module.get_referents

    def ask(one: object) -> list[object]:
        asked.append(one)
        return real(one)

    monkeypatch.setattr(reach_module, "get_referents", ask)
    reach, pool = Reach(), Pool(*(Pool() for _ in range(100)))
    for _ in range(50):
        assert not reach.leads_there(pool)
    once = len(asked)
    assert once < 400
    monkeypatch.setattr(reach, "_left", 10)
    assert not any(reach.leads_there(Pool(Pool(Pool()))) for _ in range(100))
    assert len(asked) <= once + 10


def test_a_class_is_asked_once_whether_its_instances_lead_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[type] = []
    real = reach_module.plan_of

    def ask(cls: type) -> object:
        asked.append(cls)
        return real(cls)

    monkeypatch.setattr(reach_module, "plan_of", ask)
    assert not Reach().leads_there(Pool(*[Slots() for _ in range(9)]))
    assert asked.count(Slots) == 1
