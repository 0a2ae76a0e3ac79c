"""Puts together what detectors look through, from the settings of a run."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterable
from typing import Any

import pytest

from pytest_stateless.detectors import Context
from pytest_stateless.detectors.module_state import MOVED_BY_PYTEST
from pytest_stateless.heap.graph import module_namespace
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import take_for_temporary
from pytest_stateless.interpreter.numbers import SEEDED
from pytest_stateless.leak import Owner
from pytest_stateless.recording import Recording
from pytest_stateless.settings import Settings
from pytest_stateless.source import FIXTURES, SERVED, Sources, names_of
from pytest_stateless.streams import STANDARD, STREAMS, identities_of
from pytest_stateless.unwatched import (
    RANDOM_GENERATORS,
    TOOL_PACKAGES,
    UNWATCHED_ATTRIBUTES,
    UNWATCHED_TYPES,
    unwatched_objects,
)
from pytest_stateless.watches import Watches
from pytest_stateless.watches.roots import roots_of
from pytest_stateless.zones import Zones


def make_context(config: pytest.Config, settings: Settings) -> Context:
    """The context of all windows of a run."""
    sources = Sources(settings.root, names_of(settings.packages), frozenset(TOOL_PACKAGES))

    def make_heap() -> Heap:
        modules = application_modules(sources) if settings.scope == "application" else None
        scope = scope_of(sources, modules, RANDOM_GENERATORS if _is_reseeded(config) else ())
        return Heap(sys.modules, scope, divided=settings.requests == "each", apart=MOVED_BY_PYTEST)

    basetemp = _basetemp(config)
    take_for_temporary(basetemp)
    temp = (*settings.temp, *basetemp, *_files_of_the_run(config))
    made = Context(
        *(
            sources,
            Recording(sources, settings.show_values),
            temp,
            make_heap,
            settings.show_values,
            settings.ports,
        ),
        without_items=frozenset(SEEDED) if _is_reseeded(config) else frozenset(),
        watched=settings.watch,
        alone=_is_alone(config),
        streams=_streams(config),
        of_pytest=(*basetemp, *_files_of_the_run(config)),
    )
    made.watches = make_watches(settings, made.zones)
    return made


def make_watches(settings: Settings, zones: Zones) -> Watches | None:
    """What watches directories; None elsewhere than on Linux."""
    if sys.platform != "linux":
        return None
    return Watches(roots_of(settings.root, os.getcwd(), settings.watch, os.environ), zones)


def _is_alone(config: pytest.Config) -> bool:
    """Whether this is none of xdist's workers: beside a worker there is at least the controller, which writes too."""
    return not hasattr(config, "workerinput")


def scope_of(sources: Sources, modules: frozenset[str] | None = None, without: Iterable[str] = ()) -> Scope:
    """What of the memory is watched, of the modules of these names; None for every module."""
    return Scope(
        modules,
        frozenset(TOOL_PACKAGES),
        frozenset(UNWATCHED_TYPES),
        {cls: frozenset(names) for cls, names in UNWATCHED_ATTRIBUTES.items()},
        unwatched_objects(without),
        lambda name: owner_of(name, sources) is Owner.APPLICATION,
    )


def application_modules(sources: Sources) -> frozenset[str]:
    """Names of the loaded modules that are the application's, and of those that have what nobody imports."""
    loaded = (name for name in list(sys.modules) if owner_of(name, sources) is Owner.APPLICATION)
    return frozenset((SERVED, FIXTURES, *loaded))


def owner_of(name: str, sources: Sources) -> Owner:
    """Whose the module loaded under a name is; nobody's that is known where none is."""
    module = sys.modules.get(name)
    if type(module) is not types.ModuleType:
        return Owner.UNKNOWN
    return sources.owner_of_module(name, module_namespace(module).get("__file__"))


def _is_reseeded(config: pytest.Config) -> bool:
    """Whether pytest-randomly seeds the generators before each phase of each test."""
    return bool(config.getoption("randomly_reset_seed", False))


def _basetemp(config: pytest.Config) -> list[str]:
    """Where ``tmp_path`` lies, also where that is inside the project."""
    factory = getattr(config, "_tmp_path_factory", None)
    return [] if factory is None else [os.path.realpath(factory.getbasetemp())]


def _streams(config: pytest.Config) -> frozenset[tuple[int, int]]:
    """What pytest puts in the place of the standard streams and back, by device and inode."""
    capturing = getattr(config.pluginmanager.get_plugin("capturemanager"), "_global_capturing", None)
    files: list[Any] = [
        getattr(getattr(capturing, name, None), "tmpfile", None) for name in ("in_", "out", "err")
    ]
    descriptors = []
    for file in files:
        try:
            descriptors.append(file.fileno())
        except (AttributeError, OSError, ValueError):  # captured without descriptors, or not at all
            continue
    return STANDARD | identities_of(descriptors)


def _files_of_the_run(config: pytest.Config) -> list[str]:
    """What pytest itself writes to while tests run: its log, and what its output is redirected to."""
    logging = config.pluginmanager.get_plugin("logging-plugin")
    handler = getattr(logging, "log_file_handler", None)
    log = getattr(handler, "baseFilename", None)
    return [*STREAMS, *([os.path.realpath(log)] if isinstance(log, str) else [])]
