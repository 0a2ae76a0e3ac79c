"""What is put back for a third run, and taken back after it."""

from __future__ import annotations

import asyncio
import enum
import functools
import queue
import threading
import types
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from pytest_stateless.heap.diff import ABSENT, WHOLE, Entry
from pytest_stateless.heap.graph import Kind
from pytest_stateless.heap.undo import release, stands_still, undo
from pytest_stateless.heap.watch import Evidence
from pytest_stateless.leak import Leak

Watch = Callable[..., list[Leak]]


class Shop:
    """An instance with a dictionary."""

    user: object = None


class Till:
    """An instance with slots."""

    __slots__ = ("money",)


class Plain:
    """A key that may not be asked anything."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    def __hash__(self) -> int:
        return hash("bob")


class Color(enum.Enum):
    """Its metaclass guards what is set."""

    RED = 1


def function() -> None:
    """Something that is bound as it is."""


def leak_of(watch: Watch, module: types.ModuleType, value: Any, act: Any) -> Leak:
    module.VALUE = value
    if isinstance(value, (type, types.FunctionType)):
        value.__module__ = module.__name__
    (leak,) = watch(module, lambda: act(value))
    return leak


def cell() -> Callable[[object], None]:
    """A function that keeps a value."""
    kept: object = 1

    def keep(value: object) -> None:
        nonlocal kept
        kept = value

    keep.get = lambda: kept
    return keep


PUT_BACK = [
    pytest.param({}, lambda it: it.update(bob=1), dict, {}, {"bob": 1}, id="key-added"),
    pytest.param({"bob": 1}, lambda it: it.update(bob=2), dict, {"bob": 1}, {"bob": 2}, id="key-changed"),
    pytest.param({"bob": 1}, lambda it: it.pop("bob"), dict, {"bob": 1}, {}, id="key-removed"),
    pytest.param({"bob": []}, lambda it: it.pop("bob"), dict, {"bob": []}, {}, id="container-removed"),
    pytest.param(
        OrderedDict(eve=1), lambda it: it.update(bob=1), dict, {"eve": 1}, {"eve": 1, "bob": 1}, id="ordered"
    ),
    pytest.param(Counter(), lambda it: it.update("b"), dict, {}, {"b": 1}, id="counter"),
    pytest.param({}, lambda it: it.update(bob=[]), dict, {}, {"bob": []}, id="container-added"),
    pytest.param({}, lambda it: it.update(bob=function), dict, {}, {"bob": function}, id="function"),
    pytest.param({}, lambda it: it.update(bob=(1, [])), dict, {}, {"bob": (1, [])}, id="tuple"),
    pytest.param(
        defaultdict(list), lambda it: it.update(bob=1), dict, {}, {"bob": 1}, id="default-dictionary"
    ),
    pytest.param(set(), lambda it: it.add("bob"), set, set(), {"bob"}, id="item-of-a-set-added"),
    pytest.param({"bob"}, lambda it: it.discard("bob"), set, {"bob"}, set(), id="item-of-a-set-removed"),
    pytest.param(
        Shop(), lambda it: setattr(it, "a", 1), lambda it: dict(vars(it)), {}, {"a": 1}, id="attribute"
    ),
    pytest.param(
        type("C", (), {"user": None}),
        lambda it: setattr(it, "user", "bob"),
        lambda it: it.user,
        None,
        "bob",
        id="class",
    ),
    pytest.param(
        type("C", (Shop,), {}),
        lambda it: setattr(it, "user", "bob"),
        lambda it: it.user,
        None,
        "bob",
        id="class-that-inherits",
    ),
    pytest.param(
        Color,
        lambda it: setattr(it, "user", "bob"),
        lambda it: getattr(it, "user", None),
        None,
        "bob",
        id="enum",
    ),
    pytest.param(
        Till(), lambda it: setattr(it, "money", 1), lambda it: getattr(it, "money", None), None, 1, id="slot"
    ),
    pytest.param(
        defaultdict(list),
        lambda it: setattr(it, "default_factory", int),
        lambda it: it.default_factory,
        list,
        int,
        id="factory",
    ),
    pytest.param(threading.Lock(), lambda it: it.acquire(), lambda it: it.locked(), False, True, id="lock"),
    pytest.param(
        threading.RLock(),
        lambda it: (it.acquire(), it.acquire()),
        lambda it: it._is_owned(),
        False,
        True,
        id="lock-of-a-thread",
    ),
    pytest.param(
        functools.partial(print),
        lambda it: setattr(it, "user", "bob"),
        lambda it: dict(vars(it)),
        {},
        {"user": "bob"},
        id="first-attribute",
    ),
    pytest.param(cell(), lambda it: it("bob"), lambda it: it.get(), 1, "bob", id="closure"),
]


@pytest.mark.parametrize(("value", "act", "read", "before", "after"), PUT_BACK)
def test_what_was_there_is_put_back_and_taken_back(
    value: Any, act: Any, read: Any, before: object, after: object, watch: Watch, module: types.ModuleType
) -> None:
    leak = leak_of(watch, module, value, act)
    redo = undo(leak.evidence)
    assert redo is not None
    assert read(value) == before
    redo()
    assert read(value) == after


def test_what_was_bound_again_meanwhile_stays(watch: Watch, module: types.ModuleType) -> None:
    value = {"bob": 1000}
    leak = leak_of(watch, module, value, lambda it: it.update(bob=2000))
    redo = undo(leak.evidence)
    assert redo is not None
    value["bob"] = 3000
    redo()
    assert value == {"bob": 3000}


def test_a_container_that_was_added_stays_the_same_one(watch: Watch, module: types.ModuleType) -> None:
    kept: list[int] = []
    value: dict[str, list[int]] = {}
    leak = leak_of(watch, module, value, lambda it: it.update(bob=kept))
    redo = undo(leak.evidence)
    assert redo is not None
    value["bob"] = []
    redo()
    assert value["bob"] is kept


def test_an_object_that_was_added_is_put_back_if_it_is_the_applications(
    watch: Watch, module: types.ModuleType
) -> None:
    value: dict[str, Shop] = {}
    leak = leak_of(watch, module, value, lambda it: it.update(bob=Shop()))
    assert undo(leak.evidence, own=False) is None
    redo = undo(leak.evidence, own=True)
    assert redo is not None
    assert value == {}
    redo()
    assert list(value) == ["bob"]


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, asyncio.Queue])
def test_a_full_queue_takes_more_for_a_while(kind: Any, watch: Watch, module: types.ModuleType) -> None:
    value = vars(module)["VALUE"] = kind(1)
    leaks = watch(module, lambda: value.put_nowait("a"))
    redone = [redo for leak in leaks if (redo := release(leak.evidence)) is not None]
    assert not value.full()
    for redo in redone:
        redo()
    assert value.full()


def test_a_queue_with_room_is_left_alone(watch: Watch, module: types.ModuleType) -> None:
    value = vars(module)["VALUE"] = queue.Queue(2)
    leaks = watch(module, lambda: value.put_nowait("a"))
    assert [release(leak.evidence) for leak in leaks] == [None] * len(leaks)
    assert value.maxsize == 2


def test_several_entries_are_put_back_together(watch: Watch, module: types.ModuleType) -> None:
    value: dict[str, int] = {}
    leak = leak_of(watch, module, value, lambda it: it.update(dict.fromkeys("abcdef", 1)))
    redo = undo(leak.evidence)
    assert redo is not None
    assert value == {}
    redo()
    assert value == dict.fromkeys("abcdef", 1)


@pytest.mark.parametrize(
    ("now", "anew"),
    [
        pytest.param({}, False, id="all-stay-away"),
        pytest.param({"b": [2]}, True, id="one-comes-and-one-stays-away"),
        pytest.param({"a": [1], "b": [2]}, True, id="all-come"),
        pytest.param({"a": [1], "c": 3}, False, id="one-comes-and-one-is-as-it-was"),
    ],
)
def test_entries_come_anew_where_none_is_what_it_was(now: dict[str, object], anew: bool) -> None:
    added = {"a": [1], "b": [2]} | {key: value for key, value in now.items() if key == "c"}
    container: dict[str, object] = {**added}
    entries = tuple(Entry(key, ABSENT, value) for key, value in added.items())
    redo = undo(Evidence(Kind.DICT, container, entries, False))
    assert redo is not None
    assert container == {}
    container.update(now)
    assert redo.came_anew() is anew


class Way(enum.IntFlag):
    """Compared as numbers are."""

    SHORT = 1


class OwnWay(enum.Enum):
    """Read by code of its own."""

    SHORT = 1

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


@pytest.mark.parametrize("key", [Way.SHORT, Color.RED, ("a", Way.SHORT)], ids=repr)
def test_an_entry_under_a_member_of_an_enumeration_is_put_back(
    key: object, watch: Watch, module: types.ModuleType
) -> None:
    value: dict[object, int] = {}
    leak = leak_of(watch, module, value, lambda it: it.update({key: 1}))
    redo = undo(leak.evidence)
    assert redo is not None
    assert value == {}
    redo()
    assert value == {key: 1}


LEFT_ALONE = [
    pytest.param({"bob": 1}, lambda it: it.update(bob=[]), id="a-container-in-the-place-of-something"),
    pytest.param({}, lambda it: it.update(bob=object()), id="an-object-that-was-added"),
    pytest.param({}, lambda it: it.update({Plain(): 1}), id="a-key-that-is-no-plain-value"),
    pytest.param(
        {Plain(): 1}, lambda it: it.update({"eve": 1}), id="a-key-beside-one-that-is-no-plain-value"
    ),
    pytest.param(
        type("Own", (dict,), {"__setitem__": dict.__setitem__})(),
        lambda it: it.update(bob=1),
        id="a-dictionary-with-more-than-a-dictionary",
    ),
    pytest.param({OwnWay.SHORT: 1}, lambda it: it.update(eve=1), id="a-key-that-reads-itself"),
    pytest.param([], lambda it: it.append(1), id="list"),
    pytest.param({Plain()}, lambda it: it.add("eve"), id="a-set-of-what-is-no-plain-value"),
    pytest.param(
        type("C", (), {}), lambda it: setattr(it, "__doc__", "x"), id="what-a-class-of-classes-guards"
    ),
]


@pytest.mark.parametrize(("value", "act"), LEFT_ALONE)
def test_what_cannot_be_put_back_safely_is_left_alone(
    value: Any, act: Any, watch: Watch, module: types.ModuleType
) -> None:
    leak = leak_of(watch, module, value, act)
    assert undo(leak.evidence) is None


def test_what_was_changed_since_is_left_alone(watch: Watch, module: types.ModuleType) -> None:
    value = {"bob": 1000}
    leak = leak_of(watch, module, value, lambda it: it.update(bob=2000))
    value["bob"] = 3000
    assert undo(leak.evidence) is None
    assert value == {"bob": 3000}


def test_a_context_variable_gets_back_what_it_held() -> None:
    variable: ContextVar[str] = ContextVar("user")
    variable.set("bob")
    evidence = Evidence(Kind.HELD, variable, (Entry(WHOLE, "al", "bob"),), False)
    redo = undo(evidence)
    assert redo is not None
    assert variable.get() == "al"
    redo()
    assert variable.get() == "bob"


@pytest.mark.parametrize("value", ["bob", b"bob", 12345, 1.5])
def test_a_context_variable_that_held_nothing_holds_an_equal_value(value: object) -> None:
    variable: ContextVar[object] = ContextVar("user")
    variable.set(value)
    evidence = Evidence(Kind.HELD, variable, (Entry(WHOLE, ABSENT, value),), False)
    redo = undo(evidence)
    assert redo is not None
    assert variable.get() == value
    assert variable.get() is not value
    redo()
    assert variable.get() is value


def test_a_context_variable_keeps_what_is_bound_meanwhile() -> None:
    variable: ContextVar[str] = ContextVar("user")
    variable.set("bob")
    evidence = Evidence(Kind.HELD, variable, (Entry(WHOLE, ABSENT, "bob"),), False)
    redo = undo(evidence)
    assert redo is not None
    variable.set("al")
    redo()
    assert variable.get() == "al"


# A literal "a" is another object than the one of all letters on 3.11 and 3.12.
@pytest.mark.parametrize("value", [True, "", chr(97), None])
def test_a_value_that_there_is_but_once_stays_in_its_context_variable(value: object) -> None:
    variable: ContextVar[object] = ContextVar("user")
    variable.set(value)
    evidence = Evidence(Kind.HELD, variable, (Entry(WHOLE, ABSENT, value),), False)
    assert undo(evidence) is None
    assert variable.get() is value
    assert stands_still(evidence)


class Config(dict[str, str]):
    """As Flask has its settings."""

    def get_namespace(self) -> None:
        """No business of a dictionary's."""


def test_an_item_of_a_subclass_of_dict_is_put_back() -> None:
    config = Config(user="bob", language="en")
    evidence = Evidence(Kind.MAPPING, config, (Entry("user", ABSENT, "bob"),), False)
    redo = undo(evidence)
    assert redo is not None
    assert dict.keys(config) == {"language"}
    redo()
    assert dict.items(config) == {"user": "bob", "language": "en"}.items()


def test_what_a_subclass_of_dict_held_before_is_put_back() -> None:
    config = Config(user="bob")
    redo = undo(Evidence(Kind.MAPPING, config, (Entry("user", "al", "bob"),), False))
    assert redo is not None
    assert dict.items(config) == {"user": "al"}.items()
    redo()
    assert dict.items(config) == {"user": "bob"}.items()


class Ordered(OrderedDict[str, str]):
    """Its order is kept beside the items."""


@pytest.mark.parametrize(
    "mapping",
    [pytest.param(Ordered(user="bob"), id="ordered"), pytest.param({Plain(): 1, "user": "bob"}, id="keys")],
)
def test_what_might_be_put_back_wrongly_is_left(mapping: Any) -> None:
    if type(mapping) is dict:
        mapping = type("Mine", (dict,), {})(mapping)
    assert undo(Evidence(Kind.MAPPING, mapping, (Entry("user", ABSENT, "bob"),), False)) is None
