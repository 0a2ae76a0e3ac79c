"""A throw-away module whose memory is looked at before and after something happens."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import pytest

from pytest_stateless.detectors import Context, module_state
from pytest_stateless.heap import path
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.path import Path, find_paths
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import Leak
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

_NUMBERS: Final = itertools.count()


class Watch(Protocol):
    """Does something within a window on a module, and tells what leaked."""

    def __call__(
        self, module: types.ModuleType, act: Callable[[], object], show_values: bool = ...
    ) -> list[Leak]: ...


WindowsOn = Callable[[types.ModuleType], Callable[[Callable[[], object]], list[Leak]]]
"""Gives windows in a row on a module, each a function that does something and tells what leaked."""


WatchAbsorbing = Callable[[types.ModuleType, Callable[[], object], Callable[[], object]], list[Leak]]
"""Does two things within a window on a module, the second of them absorbed, and tells what leaked."""


def _context_of(module: types.ModuleType, show_values: bool = False) -> Context:
    def make_heap() -> Heap:
        return Heap({module.__name__: module}, Scope(frozenset({module.__name__})))

    sources = Sources("/", frozenset({module.__name__}))
    return Context(sources, Recording(sources), (), make_heap, show_values)


def _left_by(context: Context, act: Callable[[], object]) -> list[Leak]:
    before = module_state.capture(context)
    act()
    after = module_state.capture(context)
    return list(module_state.compare(before, after))


def _watch(module: types.ModuleType, act: Callable[[], object], show_values: bool = False) -> list[Leak]:
    return _left_by(_context_of(module, show_values), act)


def _windows_on(module: types.ModuleType) -> Callable[[Callable[[], object]], list[Leak]]:
    context = _context_of(module)

    def window(act: Callable[[], object]) -> list[Leak]:
        try:
            return _left_by(context, act)
        finally:
            context.rest()

    return window


def _watch_absorbing(
    module: types.ModuleType, act: Callable[[], object], absorbed: Callable[[], object]
) -> list[Leak]:
    context = _context_of(module)
    before = module_state.capture(context)
    act()
    start = module_state.capture(context)
    absorbed()
    after = module_state.capture(context)
    return list(module_state.compare(module_state.absorb(before, start, after), after))


@pytest.fixture(scope="session")
def watch_absorbing() -> WatchAbsorbing:
    """See ``WatchAbsorbing``."""
    return _watch_absorbing


@pytest.fixture(scope="session")
def windows_on() -> WindowsOn:
    """See ``WindowsOn``."""
    return _windows_on


@pytest.fixture(scope="session")
def watch() -> Watch:
    """See ``Watch``."""
    return _watch


@pytest.fixture(scope="session")
def new_module() -> Iterator[Callable[[], types.ModuleType]]:
    """Makes modules that are loaded until the test ends."""
    made = []

    def make() -> types.ModuleType:
        module = types.ModuleType(f"thrown_away_{next(_NUMBERS)}")
        sys.modules[module.__name__] = module
        made.append(module.__name__)
        return module

    yield make
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def module(new_module: Callable[[], types.ModuleType]) -> Iterator[types.ModuleType]:
    """A module that is thrown away after the test, with whatever hostile hung in it."""
    made = new_module()
    yield made
    del sys.modules[made.__name__]
    vars(made).clear()


Modules = dict[str, types.ModuleType]


def both_ways(
    targets: list[Any], modules: Modules, scope: Scope, groups: list[Modules]
) -> tuple[dict[int, Path], dict[int, Path]]:
    """The ways to containers, found among everything, and only among what leads there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "_FREELY", sys.maxsize)
        patch.setattr(path, "ancestors", _everything)
        found = find_paths(targets, Heap(modules, scope), groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path, "_FREELY", -1)
        return found, find_paths(targets, Heap(modules, scope), groups)


class _Everything(set[int]):
    def __contains__(self, place: object) -> bool:
        return True


def _everything(targets: list[Any], heap: Heap) -> set[int]:
    return _Everything(map(identity, heap.things()))
