"""The watched memory of an application, in a process of its own."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from pytest_stateless.environment import scope_of
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.source import Sources
from pytest_stateless.unwatched import TOOL_PACKAGES
from tests.bench.applications import write
from tests.bench.measure import apart, median_ms, megabytes, milliseconds

BAR: Final = 10.0  # megabytes of a snapshot of so many references
BAR_REFERENCES: Final = 120_000

_IMPORTED_LATER: Final = (
    "imaplib",
    "mailbox",
    "telnetlib",
    "turtledemo",
    "xmlrpc.server",
    "wsgiref.validate",
)
"""Modules of the standard library that no application has loaded yet."""


def memory(directory: Path, name: str, source: str) -> None:
    """How large the heap is and what discovering it, a look, a collection and a snapshot cost."""
    write(directory, source)
    print(f"memory, {name}: {apart('memory', cwd=directory)}")


def scope_of_a_run(directory: str, modules: frozenset[str] | None = None) -> Scope:
    """What a run in a directory watches, of everything but these benchmarks."""
    scope = scope_of(Sources(directory, tools=frozenset(TOOL_PACKAGES)), modules)
    return replace(scope, without_packages=scope.without_packages | {"tests"})


def look_at_it() -> None:
    """Print the figures of this process."""
    scope = scope_of_a_run(os.getcwd())
    discovery = median_ms(lambda: Heap(sys.modules, scope), 5)
    heap = Heap(sys.modules, scope)
    look = median_ms(heap.look, 30)
    collection = median_ms(gc.collect, 10)
    print(
        f"{heap.containers:,} containers, {heap.references:,} references\n"
        f"    discovery {discovery:.0f} ms, look {look:.2f} ms, gc.collect {collection:.1f} ms "
        f"(ratio look/gc.collect {look / collection:.2f})"
    )
    references = heap.references
    watched = heap.containers
    later = _import_one()
    after_import = milliseconds(heap.look)
    print(
        f"    after importing {later}: {heap.containers - watched:,} more containers, look {after_import:.2f} ms "
        f"(ratio to discovery {after_import / discovery:.2f})"
    )
    del heap
    size = megabytes(lambda: Heap(sys.modules, scope))
    of_the_bar = size * BAR_REFERENCES / references
    print(
        f"    snapshot {size:.1f} MB; of {BAR_REFERENCES:,} references {of_the_bar:.1f} MB (bar {BAR:.0f} MB)"
    )


def _import_one() -> str:
    for name in _IMPORTED_LATER:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except ImportError:
                continue
            return name
    return "nothing"


if __name__ == "__main__":
    import pytest  # noqa: F401 - part of every process that is looked at
    import shop  # type: ignore[import-not-found] # noqa: F401

    look_at_it()
