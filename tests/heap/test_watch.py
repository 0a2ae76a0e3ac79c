"""Looks at the place of a leak: what makes each of them move, and what leaves it still."""

from __future__ import annotations

import threading
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.heap.diff import ABSENT, WHOLE, Entry
from pytest_stateless.heap.graph import Kind
from pytest_stateless.heap.watch import Evidence, Growth, looks_at, reader_of
from pytest_stateless.leak import Leak


class Shop:
    """An instance with a dictionary."""

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class Till:
    """An instance with slots."""

    __slots__ = ("money", "open")

    def __init__(self, money: object) -> None:
        self.money = money


class Basket(list[int]):
    """A list with attributes."""


class Hostile:
    """A key or value that may not be asked anything."""

    calls = 0

    def __eq__(self, other: object) -> bool:
        type(self).calls += 1
        raise RuntimeError

    def __hash__(self) -> int:
        return hash("bob")


def moves(evidence: Evidence, act: Callable[[], object]) -> list[bool]:
    """Which looks see a movement; none sees any while nothing happens."""
    looks = looks_at(evidence)
    assert not any(look.moved() for look in looks)
    act()
    return [look.moved() for look in looks]


def of(container: Any, *labels: object, kind: Kind = Kind.DICT, attributes: bool = False) -> Evidence:
    entries = tuple(Entry(label, ABSENT, None) for label in labels or (WHOLE,))
    return Evidence(kind, container, entries, attributes)


# ------------------------------------------------------------------------------------------------ keys and attributes

KEYED = [
    pytest.param({}, lambda it: it.update(bob=1), [True, True], id="set"),
    pytest.param({"bob": 1}, lambda it: it.update(bob=2), [True, False], id="set-anew"),
    pytest.param({"bob": 1}, lambda it: it.pop("bob"), [True, False], id="deleted"),
    pytest.param({"bob": 1}, lambda it: it.update(bob=1), [False, False], id="the-same-value-again"),
    pytest.param({"bob": 1}, lambda it: it.update(eve=1), [False, True], id="a-neighbour-came"),
    pytest.param({"bob": 1, "eve": 1}, lambda it: it.update(eve=2), [False, False], id="a-neighbour-changed"),
    pytest.param({"bob": 1, "eve": 1}, lambda it: it.pop("eve"), [False, False], id="a-neighbour-went"),
    pytest.param({"bob": []}, lambda it: it["bob"].append(1), [False, True, False], id="within"),
    pytest.param(
        {"bob": {"a": [{}]}}, lambda it: it["bob"]["a"][0].update(b=1), [False, True, False], id="deep-within"
    ),
    pytest.param(
        {"bob": ([],)}, lambda it: it["bob"][0].append(1), [False, True, False], id="within-a-tuple"
    ),
    pytest.param(
        {"bob": Shop(a=1)}, lambda it: setattr(it["bob"], "a", 2), [False, True, False], id="attribute-within"
    ),
    pytest.param(
        {"bob": Shop()},
        lambda it: setattr(it["bob"], "a", 2),
        [False, True, False],
        id="new-attribute-within",
    ),
    pytest.param(
        {"bob": Shop(a=[])}, lambda it: it["bob"].a.append(2), [False, True, False], id="below-an-attribute"
    ),
    pytest.param(
        {"bob": Till(1)}, lambda it: setattr(it["bob"], "money", 2), [False, True, False], id="slot-within"
    ),
    pytest.param(
        {"bob": Basket()},
        lambda it: setattr(it["bob"], "a", 2),
        [False, True, False],
        id="attribute-of-a-list-within",
    ),
    pytest.param(
        {"bob": Shop(a=1)},
        lambda it: vars(it["bob"]),
        [False, False, False],
        id="values-move-to-a-dictionary",
    ),
    pytest.param({"bob": len}, lambda it: None, [False, False], id="nothing-to-look-into"),
    pytest.param(
        {"bob": {"a": 1}}, lambda it: it["bob"].update(a=1), [False, False, False], id="the-same-within"
    ),
    pytest.param(OrderedDict(bob=1), lambda it: it.update(bob=2), [True, False], id="ordered-dictionary"),
    pytest.param(defaultdict(list), lambda it: it["bob"], [True, True], id="default-dictionary"),
]


@pytest.mark.parametrize(("container", "act", "moved"), KEYED)
def test_a_key_is_looked_at_with_what_its_value_holds(container: Any, act: Any, moved: list[bool]) -> None:
    assert moves(of(container, "bob"), lambda: act(container)) == moved


@pytest.mark.parametrize(
    ("label", "again"),
    [("bob", "".join(["b", "ob"])), (1000, int("1000")), (("a", 1), ("a", 1)), (None, None)],
    ids=["text", "number", "tuple", "none"],
)
def test_an_equal_plain_key_is_the_same_place(label: object, again: object) -> None:
    container: dict[object, object] = {label: 1}
    assert moves(of(container, label), lambda: container.update({again: 2}))[0]


def test_a_key_that_is_another_in_each_run_leaves_the_whole_dictionary_to_be_looked_at() -> None:
    container: dict[object, object] = {}
    assert moves(of(container, object()), lambda: container.update({object(): 1})) == [True]


def test_keys_are_not_asked_whether_they_are_equal() -> None:
    hostile = Hostile()
    container: dict[object, object] = {hostile: 1}
    assert moves(of(container, "bob"), lambda: None) == [False, False]
    assert moves(of(container, hostile), container.clear) == [True]
    assert Hostile.calls == 0


def test_new_keys_count_once_there_are_as_many_as_in_the_first_run() -> None:
    container = {"a": 1}
    growth = Growth(container, 2)
    container["b"] = 1
    assert not growth.moved()
    container["c"] = 1
    assert growth.moved()
    growth.rebase()
    assert not growth.moved()


@pytest.mark.parametrize(
    ("thing", "kind", "label", "act"),
    [
        pytest.param(Till(1), Kind.OBJECT, "money", lambda it: setattr(it, "money", 2), id="slot"),
        pytest.param(
            Till(1), Kind.OBJECT, "open", lambda it: setattr(it, "open", 2), id="slot-not-set-before"
        ),
        pytest.param(Till(1), Kind.OBJECT, "money", lambda it: delattr(it, "money"), id="slot-deleted"),
        pytest.param(Shop(a=1), Kind.OBJECT, "a", lambda it: setattr(it, "a", 2), id="attribute"),
        pytest.param(
            ValueError(1),
            Kind.OBJECT,
            "args",
            lambda it: setattr(it, "args", (2,)),
            id="arguments-of-an-exception",
        ),
        pytest.param(Shop(a=1), Kind.OBJECT, "a", lambda it: setattr(it, "__dict__", {}), id="namespace"),
        pytest.param(
            Shop(),
            Kind.OBJECT,
            "__class__",
            lambda it: setattr(it, "__class__", type("B", (Shop,), {})),
            id="class",
        ),
    ],
)
def test_an_attribute_of_an_instance_is_looked_at(thing: Any, kind: Kind, label: str, act: Any) -> None:
    assert moves(of(thing, label, kind=kind, attributes=True), lambda: act(thing))[0]


def test_an_attribute_has_no_neighbours_to_look_at() -> None:
    namespace: dict[str, object] = {}
    assert moves(of(namespace, "bob", attributes=True), lambda: namespace.update(eve=1)) == [False]


# --------------------------------------------------------------------------------------------------- whole containers


def _generator_cell() -> tuple[types.CellType, Callable[[object], None]]:
    value: object = None

    def put(new: object) -> None:
        nonlocal value
        value = new

    assert put.__closure__ is not None
    return put.__closure__[0], put


CELL, PUT = _generator_cell()
WHOLES = [
    pytest.param([1], Kind.LIST, lambda it: it.append(1), id="list"),
    pytest.param([1], Kind.LIST, lambda it: it.clear(), id="list-emptied"),
    pytest.param([1, 2], Kind.LIST, lambda it: it.reverse(), id="list-in-another-order"),
    pytest.param({1}, Kind.SET, lambda it: it.add(2), id="set"),
    pytest.param(deque([1]), Kind.SEQUENCE, lambda it: it.append(1), id="deque"),
    pytest.param(Basket([1]), Kind.SEQUENCE, lambda it: it.append(1), id="subclass-of-list"),
    pytest.param({"a": 1}, Kind.DICT, lambda it: it.update(b=1), id="dictionary"),
    pytest.param({"a": 1}, Kind.DICT, lambda it: it.update({"b": it.pop("a")}), id="another-key"),
    pytest.param(CELL, Kind.OPAQUE, lambda it: PUT(1), id="cell"),
]


@pytest.mark.parametrize(("container", "kind", "act"), WHOLES)
def test_of_what_has_no_lasting_places_the_whole_is_looked_at(container: Any, kind: Kind, act: Any) -> None:
    assert moves(of(container, kind=kind), lambda: act(container))[0]


def test_of_many_entries_the_whole_container_is_looked_at() -> None:
    container = dict.fromkeys("abcdef")
    assert moves(of(container, *"abcdef"), lambda: container.update(f=1)) == [True]


def test_whichever_keys_go_as_many_as_before_is_as_many() -> None:
    sessions = {"a": 1, "b": 2, "c": 3}
    gone = Entry("token", 1, ABSENT)
    *_, look = looks_at(Evidence(Kind.DICT, sessions, (gone,), False, None, -2))
    del sessions["a"]
    assert not look.moved()
    del sessions["b"]
    assert look.moved()
    look.rebase()
    assert not look.moved()


def test_what_an_added_item_holds_is_looked_at_too() -> None:
    item: dict[str, int] = {}
    container = [item]
    evidence = Evidence(Kind.LIST, container, (Entry(WHOLE, ABSENT, item),), False)
    assert moves(evidence, lambda: item.update(a=1)) == [False, True]


def test_a_look_begins_anew() -> None:
    container = [1]
    (look,) = looks_at(of(container, kind=Kind.LIST))
    container.append(2)
    look.rebase()
    assert not look.moved()
    container.pop()
    assert look.moved()


def test_so_many_nested_containers_are_looked_at_and_no_more() -> None:
    lists: list[list[int]] = [[] for _ in range(200)]
    container = {"bob": lists}
    assert moves(of(container, "bob"), lambda: lists[40].append(1))[1]
    assert not moves(of(container, "bob"), lambda: lists[190].append(1))[1]


def test_a_cycle_is_walked_once() -> None:
    one: list[object] = []
    one.append(one)
    assert moves(of({"bob": one}, "bob"), lambda: one.append(2))[1]


def test_a_dictionary_that_another_thread_changes_counts_when_it_holds_still() -> None:
    (look,) = looks_at(of([1], kind=Kind.LIST))

    def broken() -> list[object]:
        raise RuntimeError("dictionary changed size during iteration")

    look._read = broken  # type: ignore[union-attr]
    assert not look.moved()


@pytest.mark.parametrize(
    ("thing", "held"),
    [
        pytest.param([1, 2], [1, 2], id="list"),
        pytest.param({"a": 1}, [1, "a"], id="dictionary"),
        pytest.param(deque("ab"), ["a", "b"], id="deque"),
        pytest.param(Shop(a=1), [Shop, 1, "a"], id="instance"),
        pytest.param(Till(1), [Till, 1, ABSENT], id="slots"),
    ],
)
def test_a_reader_gives_what_is_held(thing: object, held: list[object]) -> None:
    assert list(reader_of(thing)()) == held


# --------------------------------------------------------------------------------------------- from the detector


@pytest.mark.parametrize(
    ("value", "first", "second"),
    [
        pytest.param(
            {},
            lambda it: it.setdefault("bob", []).append(1),
            lambda it: it["bob"].append(1),
            id="list-in-a-dictionary",
        ),
        pytest.param([], lambda it: it.append(1), lambda it: it.append(1), id="list"),
        pytest.param(
            Shop(n=1), lambda it: setattr(it, "n", 1000), lambda it: setattr(it, "n", 2000), id="attribute"
        ),
        pytest.param(
            Till(1), lambda it: setattr(it, "money", 1000), lambda it: setattr(it, "money", 2000), id="slot"
        ),
        pytest.param(
            type("C", (), {"n": 0}),
            lambda it: setattr(it, "n", 1000),
            lambda it: setattr(it, "n", 2000),
            id="class",
        ),
        pytest.param(
            {},
            lambda it: it.update(zip("abcdef", range(6), strict=True)),
            lambda it: it.update(a=1000),
            id="summed-up",
        ),
        pytest.param({1}, lambda it: it.add("a"), lambda it: it.add("b"), id="set"),
        pytest.param(
            bytearray(b"a"), lambda it: it.append(1), lambda it: it.append(2), id="bytes-that-change"
        ),
        pytest.param(
            {"a": bytearray()},
            lambda it: it.update(b=bytearray()),
            lambda it: it["b"].append(2),
            id="bytes-within",
        ),
        pytest.param(
            threading.local(),
            lambda it: setattr(it, "user", "bob"),
            lambda it: setattr(it, "user", "eve"),
            id="a-thread's-own",
        ),
    ],
)
def test_each_leak_carries_what_sees_it_again(
    value: Any, first: Any, second: Any, module: types.ModuleType, watch: Callable[..., list[Leak]]
) -> None:
    module.VALUE = value
    if isinstance(value, type):
        value.__module__ = module.__name__  # else it is entered through the module that it says
    leaks = watch(module, lambda: first(value))
    assert leaks
    looks = [looks_at(leak.evidence) for leak in leaks]
    assert not any(look.moved() for each in looks for look in each)
    second(value)
    assert any(look.moved() for each in looks for look in each)
