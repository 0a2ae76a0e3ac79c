"""A throw-away module whose memory is looked at before and after something happens."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import pytest

from pytest_stateless.audit import Recording
from pytest_stateless.detectors import Context, module_state
from pytest_stateless.heap.snapshot import Heap, Scope
from pytest_stateless.leak import Leak
from pytest_stateless.source import Sources

_NUMBERS: Final = itertools.count()


class Watch(Protocol):
    """Does something within a window on a module, and tells what leaked."""

    def __call__(
        self, module: types.ModuleType, act: Callable[[], object], show_values: bool = ...
    ) -> list[Leak]: ...


def _watch(module: types.ModuleType, act: Callable[[], object], show_values: bool = False) -> list[Leak]:
    def make_heap() -> Heap:
        return Heap({module.__name__: module}, Scope(frozenset({module.__name__})))

    sources = Sources("/", frozenset({module.__name__}))
    context = Context(sources, Recording(sources), (), make_heap, show_values)
    before = module_state.capture(context)
    act()
    after = module_state.capture(context)
    return list(module_state.compare(before, after))


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
