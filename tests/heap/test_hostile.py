"""Objects that raise, lie and count calls: none of their code runs, and the leak beside them is found."""

from __future__ import annotations

import threading
import types
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import pytest
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from tests.heap.conftest import Watch

CALLS: list[str] = []
"""Which of the zoo's methods were called."""

HOOKS = (
    *(
        "__eq__",
        "__ne__",
        "__hash__",
        "__repr__",
        "__str__",
        "__len__",
        "__iter__",
        "__bool__",
        "__getattr__",
    ),
    *("__getattribute__", "__contains__", "__getitem__", "__call__", "__index__", "__reduce_ex__", "__dir__"),
    *("__instancecheck__", "__subclasscheck__", "__sizeof__", "__format__", "__next__", "__lt__"),
)


def _hook(name: str) -> Callable[..., Any]:
    def called(*_: object, **__: object) -> Any:
        CALLS.append(name)
        raise AssertionError(f"{name} was called")

    return called


HOSTILE: dict[str, Any] = {name: _hook(name) for name in HOOKS}
LYING: dict[str, Any] = {
    **HOSTILE,
    "__class__": property(_hook("__class__")),
    "__dict__": property(_hook("__dict__")),
    "__module__": property(_hook("__module__")),
    "anything": property(_hook("anything")),
}


class Meta(type):
    """A class of classes that says nothing of itself."""


for _name, _called in HOSTILE.items():
    setattr(Meta, _name, _called)


def _zoo() -> dict[str, Callable[[], Any]]:
    """What hangs in the module, made when it is asked for."""
    plain = type("Plain", (), HOSTILE)
    lying = type("Lying", (), LYING)
    slotted = type("Slotted", (), {**HOSTILE, "__slots__": ("kept",)})
    meta: Any = Meta("OfMeta", (), {})
    bases: tuple[type, ...] = (dict, list, set, deque, str, int, tuple, frozenset, bytes, float)
    subclasses = {base.__name__: type(f"Hostile{base.__name__}", (base,), HOSTILE) for base in bases}
    found: dict[str, Callable[[], Any]] = {
        "instance": lambda: object.__new__(plain),
        "lying-instance": lambda: object.__new__(lying),
        "slotted": lambda: object.__new__(slotted),
        "class": lambda: plain,
        "class-of-metaclass": lambda: meta,
        "instance-of-metaclass": lambda: object.__new__(meta),
        "local-proxy": lambda: LocalProxy(_hook("proxied")),
        "mock": MagicMock,
        "generator": lambda: (number for number in range(3)),
    }
    found |= {
        f"{name}-subclass": (lambda cls=cls: cls.__mro__[1].__new__(cls))  # type: ignore[misc]
        for name, cls in subclasses.items()
    }
    return found


ZOO = _zoo()


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("place", ["attribute", "value", "in-list", "in-tuple", "on-instance", "replaced"])
def test_no_code_of_the_zoo_runs(name: str, place: str, watch: Watch, module: types.ModuleType) -> None:
    class Holder:
        held: Any = None

    animal, other = ZOO[name](), ZOO[name]()
    leaky: dict[str, int] = {}
    holder = Holder()
    holder.held = animal
    vars(module).update(leaky=leaky)
    vars(module).update(
        {
            "attribute": {"animal": animal},
            "value": {"held": {"animal": animal}},
            "in-list": {"held": [animal]},
            "in-tuple": {"held": (1, (animal,))},
            "on-instance": {"holder": holder},
            "replaced": {"animal": animal},
        }[place]
    )
    CALLS.clear()

    def act() -> None:
        leaky["new"] = 1
        if place == "replaced":
            vars(module)["animal"] = other

    leaks = watch(module, act, show_values=True)
    assert CALLS == []
    subjects = [leak.subject.removeprefix(module.__name__) for leak in leaks]
    replaced = place == "replaced" and animal is not other
    assert sorted(subjects) == sorted([".leaky['new']"] + [".animal"] * replaced)


@pytest.mark.parametrize("name", ["instance", "instance-of-metaclass", "class-of-metaclass"])
def test_hostile_keys_are_not_compared(name: str, watch: Watch, module: types.ModuleType) -> None:
    hashes = type("Key", (), {**HOSTILE, "__hash__": lambda self: 1})
    key = (
        object.__new__(hashes)
        if name == "instance"
        else ZOO[name]()
        if name.startswith("class")
        else object()
    )
    if name == "class-of-metaclass":
        Meta.__hash__ = type.__hash__  # type: ignore[method-assign]
    kept: dict[Any, int] = {key: 1}
    vars(module)["kept"] = kept
    CALLS.clear()
    leaks = watch(module, lambda: kept.update({"new": 1}))
    if name == "class-of-metaclass":
        Meta.__hash__ = HOSTILE["__hash__"]  # type: ignore[method-assign]
    assert CALLS == []
    assert [leak.subject for leak in leaks] == [f"{module.__name__}.kept['new']"]


def test_a_module_that_makes_its_attributes_is_not_asked(watch: Watch, module: types.ModuleType) -> None:
    vars(module)["__getattr__"] = _hook("module __getattr__")
    CALLS.clear()
    leaks = watch(module, lambda: vars(module).update(new=1))
    assert CALLS == []
    assert [leak.subject for leak in leaks] == [f"{module.__name__}.new"]


def _long() -> list[int]:
    return list(range(1_000_000))


def _ring() -> list[Any]:
    first: list[Any] = []
    last = first
    for _ in range(100_000):
        last = [last]
    first.append(last)
    return first


def _chain() -> list[Any]:
    last: list[Any] = []
    for _ in range(100_000):
        last = [last]
    return last


@pytest.mark.slow
@pytest.mark.parametrize("make", [_long, _ring, _chain])
def test_size_and_depth_do_no_harm(make: Callable[[], Any], watch: Watch, module: types.ModuleType) -> None:
    huge = make()
    vars(module).update(huge=huge, leaky={})
    leaks = watch(module, lambda: module.leaky.update(new=1))
    assert [leak.subject for leak in leaks] == [f"{module.__name__}.leaky['new']"]
    while huge and type(huge[0]) is list:  # freed one by one: not all versions free a deep chain otherwise
        huge[:], inner = (), huge[0]
        huge = inner


def test_a_dictionary_that_another_thread_changes_meanwhile(watch: Watch, module: types.ModuleType) -> None:
    busy: dict[int, int] = {}
    vars(module).update(busy=busy, leaky={})
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            busy[number % 5000] = number
            busy.pop((number * 7) % 5000, None)
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for number in range(20):
            leaks = watch(module, lambda number=number: module.leaky.update({f"k{number}": 1}))  # type: ignore[misc]
            assert f"{module.__name__}.leaky['k{number}']" in [leak.subject for leak in leaks]
    finally:
        stop.set()
        thread.join()
