"""How objects of each type are read, and that reading asks the program nothing."""

from __future__ import annotations

import collections
import contextvars
import enum
import functools
import gc
import threading
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest

from pytest_stateless.heap import graph
from pytest_stateless.heap.graph import Kind, children, function_state, plan_of, read


class Plain:
    """With a dictionary."""


class Slotted:
    """With slots."""

    __slots__ = ("__mangled", "alpha", "beta")


class Child(Slotted):
    """With slots, a dictionary, and slots again."""

    __slots__ = ("__dict__", "__weakref__", "delta")


class Liar:
    """Says that it has another class, another dictionary and no name."""

    __class__ = property(lambda self: dict)  # type: ignore[assignment]
    __dict__ = property(lambda self: {"lie": 1})  # type: ignore[assignment]
    __module__ = property(lambda self: "lie")  # type: ignore[assignment]


class Loud(str):
    """Text that must not be asked for anything."""

    __slots__ = ()

    def _raise(self, *_: object) -> Any:
        raise AssertionError("asked")

    __str__ = __format__ = __repr__ = __eq__ = _raise
    __hash__ = str.__hash__


class Color(enum.Enum):
    """Members are instances."""

    RED = 1


def _subclass(*bases: type, **namespace: object) -> type:
    return type("Sub", bases, namespace)


@pytest.mark.parametrize(
    ("cls", "kind"),
    [
        *(pytest.param(cls, Kind.ATOM, id=cls.__name__) for cls in (str, int, range, types.CodeType, weakref.ref)),
        *(pytest.param(cls, Kind.WALK, id=cls.__name__) for cls in (tuple, frozenset, property)),
        *(pytest.param(cls, Kind.MAPPING, id=cls.__name__) for cls in (defaultdict, OrderedDict, Counter)),
        pytest.param(dict, Kind.DICT, id="dict"),
        pytest.param(list, Kind.LIST, id="list"),
        pytest.param(set, Kind.SET, id="set"),
        pytest.param(deque, Kind.SEQUENCE, id="deque"),
        pytest.param(types.FunctionType, Kind.FUNCTION, id="function"),
        pytest.param(types.CellType, Kind.OPAQUE, id="cell"),
        pytest.param(functools.partial, Kind.OPAQUE, id="partial"),
        pytest.param(type(threading.Lock()), Kind.LOCK, id="lock"),
        pytest.param(type(threading.RLock()), Kind.LOCK, id="lock-of-a-thread"),
        pytest.param(contextvars.Context, Kind.HELD, id="context"),
        pytest.param(type, Kind.CLASS, id="type"),
        pytest.param(enum.EnumMeta, Kind.CLASS, id="metaclass"),
        pytest.param(types.ModuleType, Kind.MODULE, id="module"),
        pytest.param(_subclass(types.ModuleType), Kind.MODULE, id="module-subclass"),
        pytest.param(_subclass(dict), Kind.MAPPING, id="dict-subclass"),
        pytest.param(_subclass(list), Kind.SEQUENCE, id="list-subclass"),
        pytest.param(_subclass(deque), Kind.SEQUENCE, id="deque-subclass"),
        pytest.param(_subclass(set), Kind.SET_SUBCLASS, id="set-subclass"),
        pytest.param(_subclass(tuple), Kind.WALK, id="tuple-subclass"),
        pytest.param(collections.namedtuple("Named", "a"), Kind.WALK, id="namedtuple"),
        pytest.param(_subclass(property, __slots__=("kept",)), Kind.OBJECT, id="property-with-slots"),
        pytest.param(_subclass(weakref.ref), Kind.WALK, id="weak-reference-subclass"),
        pytest.param(_subclass(weakref.ref, __slots__=("key",)), Kind.OBJECT, id="weak-reference-with-slots"),
        pytest.param(Plain, Kind.OBJECT, id="class"),
        pytest.param(Slotted, Kind.OBJECT, id="class-with-slots"),
        pytest.param(Color, Kind.OBJECT, id="enum"),
        pytest.param(Liar, Kind.OBJECT, id="liar"),
        pytest.param(_subclass(int), Kind.OBJECT, id="int-subclass"),
        pytest.param(_subclass(str), Kind.OBJECT, id="str-subclass"),
        pytest.param(types.SimpleNamespace, Kind.OBJECT, id="simple-namespace"),
        pytest.param(type(iter([])), Kind.OPAQUE, id="list-iterator"),
    ],
)  # fmt: skip
def test_every_type_is_read_in_its_way(cls: type, kind: Kind) -> None:
    assert plan_of(cls).kind is kind


@pytest.mark.parametrize(
    ("cls", "slots"),
    [
        pytest.param(Plain, [], id="none"),
        pytest.param(Slotted, ["_Slotted__mangled", "alpha", "beta"], id="sorted-and-mangled"),
        pytest.param(Child, ["delta", "_Slotted__mangled", "alpha", "beta"], id="of-the-child-first"),
        pytest.param(_subclass(OSError), [], id="members-of-a-c-type-are-no-slots"),
    ],
)
def test_slots_are_known_by_name(cls: type, slots: list[str]) -> None:
    assert [name for name, _ in plan_of(cls).slots] == slots


def test_slots_are_in_the_order_in_which_they_are_visited() -> None:
    thing = Child()
    for name, _ in plan_of(Child).slots:
        setattr(thing, name, [name])
    visited = [value for value in gc.get_referents(thing) if type(value) is list]
    assert visited == [[name] for name, _ in plan_of(Child).slots]


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(Plain(), id="instance"),
        pytest.param(Child(), id="of-slots-and-a-dictionary"),
        pytest.param(_subclass(dict)(), id="of-a-subclass-of-dict"),
        pytest.param(ValueError(), id="exception"),
        pytest.param(types.SimpleNamespace(), id="simple-namespace"),
    ],
)
def test_the_dictionary_of_an_instance_is_its_own(thing: Any) -> None:
    getter = plan_of(type(thing)).namespace
    assert getter is not None
    assert getter(thing) is thing.__dict__


def test_a_class_that_hides_the_dictionary_has_no_getter() -> None:
    assert plan_of(Liar).namespace is None


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        pytest.param(Plain, __name__, id="class"),
        pytest.param(Liar, "", id="that-is-no-text"),
        pytest.param(dict, "builtins", id="builtin"),
    ],
)
def test_the_module_of_a_class_is_text(thing: type, name: str) -> None:
    assert graph.module_name_of(thing) == name


def test_names_are_plain_text() -> None:
    cls = _subclass(object)
    cls.__qualname__ = Loud("Loud")
    name = graph.name_of(cls)
    assert type(name) is str
    assert name == "Loud"


def test_function_module_asks_no_subclass_of_dict() -> None:
    class Globals(dict[str, Any]):
        def get(self, *_: object) -> Any:
            raise AssertionError("asked")

        __getitem__ = __contains__ = __missing__ = get

    function = types.FunctionType((lambda: None).__code__, Globals(__name__="home"))
    assert graph.function_module(function) == "home"


@pytest.mark.parametrize(
    ("cls", "changeable"),
    [(Plain, True), (Color, True), (dict, False), (OrderedDict, False), (type(iter([])), False)],
)
def test_only_classes_of_a_class_statement_can_change(cls: type, changeable: bool) -> None:
    assert graph.is_heap_type(cls) is changeable


def test_the_namespace_of_a_class_is_the_real_one() -> None:
    cls: Any = _subclass(object)
    graph.class_namespace(cls)["put"] = 1
    assert cls.__dict__["put"] == 1


# -------------------------------------------------------------------------------------------------- functions


def _closure(cell: object) -> Any:
    def function(first: Any, /, second: Any = 2, *rest: Any, third: Any = 3) -> Any:
        return cell

    return function


def test_a_function_leads_to_its_defaults_its_cells_and_its_attributes() -> None:
    function = _closure("x")
    found = list(function_state(function))
    assert found == [
        ("<defaults>", "second", 2),
        ("<defaults>", "", {"third": 3}),
        ("<closure>", "cell", function.__closure__[0]),
        ("", "", {}),
    ]


def test_a_function_of_nothing_has_its_attributes_only() -> None:
    def function() -> None: ...

    assert list(function_state(function)) == [("", "", function.__dict__)]


def test_more_defaults_than_arguments_do_no_harm() -> None:
    def function(one: int = 1) -> None: ...

    function.__defaults__ = (1, 2, 3)
    assert [name for _, name, _ in function_state(function) if name] == ["one"]


def test_defaults_of_subclasses_are_read_past_their_methods() -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("asked")

    hostile = dict.fromkeys(("__len__", "__iter__", "__bool__", "__getitem__"), refuse)

    def function(one: int = 1, *, two: int = 2) -> None: ...

    function.__defaults__ = _subclass(tuple, **hostile)((5,))
    function.__kwdefaults__ = kept = _subclass(dict, **hostile)()
    found = list(function_state(function))
    assert found[0] == ("<defaults>", "one", 5)
    assert found[1][2] is kept


# ---------------------------------------------------------------------------------------------- what is held


@pytest.mark.parametrize(
    ("thing", "held"),
    [
        pytest.param([1, 2], [2, 1], id="list"),
        pytest.param((1, 2), [2, 1], id="tuple"),
        pytest.param({"a": 1}, [1], id="dict"),
        pytest.param(int, [], id="builtin-class"),
    ],
)
def test_children_are_what_a_thing_holds(thing: Any, held: list[object]) -> None:
    plan = plan_of(type(thing))
    assert list(children(plan.kind, plan, thing)) == held


def test_children_of_a_class_are_its_namespace_its_bases_and_its_metaclass() -> None:
    held = list(children(Kind.CLASS, plan_of(type), Color))
    assert [one is other for one, other in zip(held, (held[0], enum.Enum, enum.EnumMeta), strict=True)] == [
        True
    ] * 3
    assert held[0] is graph.class_namespace(Color)


def test_children_of_an_instance_are_its_dictionary_and_its_slots() -> None:
    thing = Child()
    thing.alpha = kept = [1]  # type: ignore[attr-defined]
    held = list(children(Kind.OBJECT, plan_of(Child), thing))
    assert any(one is thing.__dict__ for one in held)
    assert any(one is kept for one in held)


@pytest.mark.parametrize(
    ("kind", "containers", "referents", "keys"),
    [
        pytest.param(Kind.DICT, [{"a": 1}, {"b": 2, "c": 3}], [1, 2, 3], ["a", "b", "c"], id="text-keys"),
        pytest.param(Kind.DICT, [{1: "a"}], ["a", 1], [1], id="other-keys"),
        pytest.param(Kind.MAPPING, [OrderedDict(a=1), Counter("x")], [1, 1], ["a", "x"], id="mapping"),
        pytest.param(Kind.LIST, [[1, 2], [3]], [2, 1, 3], [], id="list-from-its-end"),
        pytest.param(Kind.SEQUENCE, [deque([1, 2]), _subclass(list)([3])], [1, 2, 3], [], id="sequence"),
        pytest.param(Kind.SET, [{1}, {2}], [1, 2], [], id="set"),
        pytest.param(Kind.SET_SUBCLASS, [_subclass(set)([5])], [5], [], id="set-subclass"),
    ],
)
def test_many_containers_are_read_at_once(
    kind: Kind, containers: list[Any], referents: list[object], keys: list[object]
) -> None:
    assert read(kind, containers) == (referents, keys)


@pytest.mark.parametrize("base", [dict, list, set, deque])
def test_containers_are_read_past_their_methods(base: type) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("asked")

    names = ("__iter__", "__len__", "__getitem__", "keys", "values", "items", "__contains__", "__reversed__")
    cls = _subclass(base, **dict.fromkeys(names, refuse))
    container = cls.__new__(cls)
    base.__init__(container, {"a": 1} if base is dict else ["a"])
    referents, keys = read(plan_of(cls).kind, [container])
    assert (keys or referents) == ["a"]


def test_members_of_c_types_have_names() -> None:
    thing = functools.partial(print, 1, sep="")
    assert dict(graph.members_of(thing)) | {"func": print, "args": (1,)} == dict(graph.members_of(thing))


def test_slots_that_are_not_set_are_left_out() -> None:
    thing = Slotted()
    thing.alpha = 1  # type: ignore[attr-defined]
    assert dict(graph.members_of(thing)) == {"alpha": 1}
