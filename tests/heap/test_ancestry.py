"""What leads to a thing is all that a search needs to look at: it finds the same as a search of everything."""

from __future__ import annotations

import sys
import threading
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar
from functools import lru_cache
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_stateless.heap.ancestry import ancestors
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from tests.heap.conftest import both_ways

NAMES: Final = ("stateless_a", "stateless_b", "stateless_c")


class Plain:
    """An instance with a dictionary."""


class Slots:
    """An instance with a slot."""

    __slots__ = ("kept",)


class Shelf(dict[Any, Any]):
    """A dictionary with attributes."""


@pytest.fixture
def loaded() -> Iterator[dict[str, types.ModuleType]]:
    """Three modules."""
    made = {name: types.ModuleType(name) for name in NAMES}
    sys.modules.update(made)
    yield made
    for name in NAMES:
        vars(sys.modules.pop(name)).clear()


def _with(thing: Any, held: list[Any]) -> Any:
    for number, one in enumerate(held):
        setattr(thing, f"name{number}", one)
    return thing


def _slots(held: list[Any]) -> Slots:
    slots = Slots()
    slots.kept = held
    return slots


def _class(held: list[Any], *bases: type) -> Any:
    return _with(type("Class", bases, {"__module__": NAMES[len(held) % 3]}), held)


def _function(held: list[Any], **how: Any) -> Any:
    def function(kept: object = None) -> None: ...

    return _with(types.FunctionType(function.__code__, {"__name__": NAMES[len(held) % 3]}, **how), held)


def _closure(held: list[Any]) -> types.FunctionType:
    def function() -> object:
        return held

    return types.FunctionType(function.__code__, {"__name__": NAMES[0]}, closure=(types.CellType(held),))


def _keyword_defaults(held: list[Any]) -> types.FunctionType:
    def function(*, kept: object = None) -> None: ...

    made = types.FunctionType(function.__code__, {"__name__": NAMES[0]})
    made.__kwdefaults__ = {"kept": held}
    return made


def _cached(held: list[Any]) -> Any:
    return _with(lru_cache(_closure(held)), held)


def _variable(held: list[Any]) -> ContextVar[Any]:
    variable: ContextVar[Any] = ContextVar("stateless")
    variable.set(held)
    return variable


def _context(held: list[Any]) -> Any:
    context = Context()
    context.run(_variable, held)
    return context


MAKERS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "dict": lambda held: dict(enumerate(held)),
    "key": lambda held: {(identity(one), _slots([one])): 0 for one in held},
    "ordered-dict": lambda held: OrderedDict(enumerate(held)),
    "set": lambda held: set(map(_slots, [held])),
    "instance": lambda held: _with(Plain(), held),
    "dictionary-of-an-instance": lambda held: vars(_with(Plain(), held)),
    "slots": _slots,
    "dict-subclass": lambda held: _with(Shelf(enumerate(held)), held),
    "class": lambda held: _class(held),
    "heir": lambda held: _class([], _class([]), _class(held)),
    "metaclass": lambda held: _class(held, type)("Class", (), {"__module__": NAMES[0]}),
    "function": _function,
    "defaults": lambda held: _function([], argdefs=(held,)),
    "keyword-defaults": _keyword_defaults,
    "closure": _closure,
    "cached": _cached,
    "method": lambda held: types.MethodType(_closure(held), Plain()),
    "module": lambda held: _with(types.ModuleType("stateless_other"), held),
    "context-variable": _variable,
    "context": _context,
    "thread-local": lambda held: _with(threading.local(), held),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_whatever_holds_a_thing_is_among_what_leads_to_it(
    kind: str, loaded: dict[str, types.ModuleType]
) -> None:
    kept: list[Any] = []
    module: Any = loaded["stateless_a"]
    module.holder = holder = MAKERS[kind]([kept])
    module.other = [Plain()]
    found = ancestors([kept], Heap(loaded, Scope(frozenset((*NAMES, "stateless_other")))))
    assert {identity(holder), identity(vars(module))} <= found
    assert identity(module.other) not in found


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Any], list[tuple[int, str, Any]]]:
    """Things that hold each other, and which of them the three modules hold under a name."""
    things: list[Any] = [[], {}]
    for kind in draw(st.lists(st.sampled_from(sorted(MAKERS)), max_size=12)):
        held = draw(st.lists(st.sampled_from(range(len(things))), max_size=3))
        things.append(MAKERS[kind]([things[number] for number in held]))
    numbers = st.sampled_from(range(len(things)))
    for position, number in draw(st.lists(st.tuples(numbers, numbers), max_size=6)):
        if type(things[position]) in (list, deque):
            things[position].append(things[number])
        elif type(things[position]) in (dict, OrderedDict):
            things[position][f"to{number}"] = things[number]
    names = st.tuples(st.sampled_from(NAMES), st.sampled_from(["one", "two", "three"]), numbers)
    return things, draw(st.lists(names, max_size=5))


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(graphs(), st.integers(0, 3))
def test_a_search_of_what_leads_there_finds_what_a_search_of_everything_does(
    loaded: dict[str, types.ModuleType], graph: tuple[list[Any], list[tuple[str, str, int]]], first: int
) -> None:
    things, names = graph
    for module, name, number in names:
        setattr(loaded[module], name, things[number])
    groups = [dict(list(loaded.items())[:first]), dict(list(loaded.items())[first:])]
    try:
        everything, narrowed = both_ways(things, loaded, Scope(frozenset(NAMES)), groups)
        assert everything == narrowed
    finally:
        for namespace in map(vars, loaded.values()):
            for name in ("one", "two", "three"):
                namespace.pop(name, None)


def test_what_nothing_leads_to_is_alone() -> None:
    kept: list[Any] = []
    assert ancestors([kept], Heap({}, Scope())) == {identity(kept)}


def test_a_module_that_others_import_is_no_way_from_them(loaded: dict[str, types.ModuleType]) -> None:
    kept: list[Any] = []
    first, second = loaded["stateless_a"], loaded["stateless_b"]
    vars(first).update(imported=second, function=types.FunctionType((lambda: 0).__code__, vars(second)))
    vars(second).update(kept=kept)
    assert ancestors([kept], Heap(loaded, Scope(frozenset(NAMES)))) == {
        identity(kept),
        identity(vars(second)),
    }


def test_what_took_another_class_since_leads_on(loaded: dict[str, types.ModuleType]) -> None:
    kept: list[Any] = []
    plain = Plain()
    vars(plain).update(kept=kept)
    vars(loaded["stateless_a"]).update(plain=plain)
    heap = Heap(loaded, Scope(frozenset(NAMES)))
    plain.__class__ = type("Other", (Plain,), {})
    assert identity(plain) in ancestors([kept], heap)
