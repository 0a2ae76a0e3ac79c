"""Modules that were imported within a window and are gone again before its end."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_stateless.detectors import Context
from pytest_stateless.heap.change import absorb, changes
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap


class Kept:
    """Something that can be seen to die."""


def make_module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    exec("def function(): pass", vars(module))  # refers to the module's dictionary, as all functions do
    vars(module)["kept"] = [Kept()]
    return module


@pytest.fixture
def modules() -> dict[str, types.ModuleType]:
    return {"stateless_shop": make_module("stateless_shop")}


@pytest.fixture
def heap(modules: dict[str, types.ModuleType]) -> Iterator[Heap]:
    made = Heap(modules, Scope())
    yield made
    made.let_go()


@pytest.fixture(autouse=True)
def _nothing_stays_with_the_collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = list(gc.callbacks)
    yield
    monkeypatch.undo()
    assert gc.callbacks == before


def import_later(modules: dict[str, types.ModuleType], heap: Heap) -> weakref.ref[Any]:
    modules["stateless_later"] = make_module("stateless_later")
    heap.meet()
    return weakref.ref(vars(modules["stateless_later"])["kept"][0])


def test_a_module_that_is_taken_out_dies_with_the_next_collection(
    modules: dict[str, types.ModuleType], heap: Heap
) -> None:
    before = heap.look()
    kept = import_later(modules, heap)
    del modules["stateless_later"]
    assert kept() is not None
    gc.collect()
    assert kept() is None
    assert list(changes(heap.begun(before), heap.look())) == []


def test_a_module_of_the_same_name_does_not_keep_the_one_before(
    modules: dict[str, types.ModuleType], heap: Heap
) -> None:
    kept = import_later(modules, heap)
    modules["stateless_later"] = make_module("stateless_later")
    gc.collect()
    assert kept() is None


def test_a_module_that_stays_is_watched_on(modules: dict[str, types.ModuleType], heap: Heap) -> None:
    before = heap.look()
    import_later(modules, heap)
    gc.collect()
    found = vars(modules["stateless_later"])["kept"]
    found.append(1)
    assert [change.container is found for change in changes(heap.begun(before), heap.look())] == [False, True]


def test_what_a_module_leads_to_that_put_a_lazy_one_in_its_place_is_watched_on(
    modules: dict[str, types.ModuleType], heap: Heap
) -> None:
    class Lazy(types.ModuleType):
        """Loads its parts when they are asked for."""

    before = heap.look()
    import_later(modules, heap)
    found = vars(modules["stateless_later"])["kept"]
    lazy = Lazy("stateless_later")
    vars(lazy).update(vars(modules["stateless_later"]))
    modules["stateless_later"] = lazy
    gc.collect()
    found.append(1)
    assert any(change.container is found for change in changes(heap.begun(before), heap.look()))


def test_of_two_modules_the_one_that_stays_is_watched_on(
    modules: dict[str, types.ModuleType], heap: Heap
) -> None:
    before = heap.look()
    modules["stateless_other"] = make_module("stateless_other")
    kept = import_later(modules, heap)
    del modules["stateless_later"]
    gc.collect()
    found = vars(modules["stateless_other"])["kept"]
    found.append(1)
    assert kept() is None
    assert any(change.container is found for change in changes(heap.begun(before), heap.look()))


def test_what_was_looked_at_before_it_was_taken_out_stays_until_the_heap_settles(
    modules: dict[str, types.ModuleType], heap: Heap
) -> None:
    import_later(modules, heap)
    seen = heap.look()
    heap.meet()
    del modules["stateless_later"]
    gc.collect()
    later = heap.look()
    assert all(change.container is modules for change in changes(seen, later))
    assert absorb(seen, seen, later)[-1] is later[-1]
    heap.settle()
    assert list(changes(heap.look(), heap.look())) == []


def test_the_program_s_own_callbacks_are_not_asked_anything(
    modules: dict[str, types.ModuleType], heap: Heap, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hostile:
        def __call__(self, *_: object) -> None: ...

        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = None  # type: ignore[assignment]

    monkeypatch.setattr(gc, "callbacks", [Hostile()])
    import_later(modules, heap)
    assert len(gc.callbacks) == 2
    heap.look()
    assert len(gc.callbacks) == 1


@pytest.mark.parametrize("end", ["rest", "let_go"])
def test_a_heap_that_is_dropped_leaves_the_collector(context: Context, end: str) -> None:
    heap = context.heap = Heap({"stateless_shop": make_module("stateless_shop")}, Scope())
    heap._modules["stateless_later"] = make_module("stateless_later")
    heap.meet()
    heap.churn = sys.maxsize
    getattr(context, end)()
    assert context.heap is None


@pytest.fixture
def context() -> Context:
    from pytest_stateless.recording import Recording
    from pytest_stateless.source import Sources

    sources = Sources("/")
    return Context(sources, Recording(sources), (), lambda: Heap({}, Scope()))
