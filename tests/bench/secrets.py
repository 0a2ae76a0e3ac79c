"""What it costs to look for a secret in the process of an application, in a process of its own."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from pytest_stateless.canaries import make_marker
from pytest_stateless.detectors import Context, retained_secret
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from tests.bench.applications import write
from tests.bench.measure import apart, median_ms, milliseconds
from tests.bench.memory import scope_of_a_run

BAR: Final = 100.0  # milliseconds of a search, with Django
_SEARCHES: Final = 7


def secrets(directory: Path, name: str, source: str) -> None:
    """What the first search costs, and the next, where nothing is found."""
    write(directory, source)
    print(f"secrets, {name}: {apart('secrets', cwd=directory)}")


def search() -> None:
    """Print the figures of this process."""
    sources = Sources(os.getcwd())
    scope = scope_of_a_run(os.getcwd())
    heap = Heap(sys.modules, scope)
    taken: dict[str, list[float]] = {}
    for _ in range(_SEARCHES):
        context = Context(sources, Recording(sources), (tempfile.gettempdir(),), lambda: heap)
        context.look_at_memory()
        for label, is_new in (("a canary", True), ("a secret", False), ("another secret", False)):
            retained_secret.capture(context)
            context.canaries.add("password", make_marker(), is_new=is_new)
            taken.setdefault(label, []).append(milliseconds(partial(retained_secret.capture, context)))
        taken.setdefault("known ones", []).append(median_ms(partial(retained_secret.capture, context), 10))
    told = ", ".join(f"for {label} {statistics.median(each):.1f} ms" for label, each in taken.items())
    print(
        f"{len(heap.things()):,} objects, a search {told} (bar {BAR:.0f} ms), "
        f"of that a look at the memory {median_ms(heap.look, 30):.1f} ms"
    )


if __name__ == "__main__":
    import pytest  # noqa: F401 - part of every process that is looked at
    import shop  # type: ignore[import-not-found] # noqa: F401

    search()
