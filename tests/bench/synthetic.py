"""A heap made for measuring: how cost grows with containers, and that it doesn't with windows."""

from __future__ import annotations

import gc
import statistics
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from pytest_stateless.detectors import Context, module_state
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from tests.bench.measure import apart, median_ms, megabytes, milliseconds

SIZES: Final = (10**4, 10**5, 10**6)
WINDOWS: Final = 1000
_NAME: Final = "synthetic_heap"


class _Instance:
    def __init__(self, number: int) -> None:
        self.number, self.name, self.owner, self.state = number, str(number), None, "new"


class _Slotted:
    __slots__ = ("name", "number", "owner", "state")

    def __init__(self, number: int) -> None:
        self.number, self.name, self.owner, self.state = number, str(number), None, "new"


def _container(number: int) -> Any:
    """One in five of each kind, with some four references each."""
    kind = number % 5
    if kind == 0:
        return {"number": number, "name": str(number), "owner": None, "state": "new"}
    if kind == 1:
        return [number, str(number), None, "new"]
    if kind == 2:
        return {number, str(number), None, "new"}
    return _Instance(number) if kind == 3 else _Slotted(number)


def module_of(size: int) -> types.ModuleType:
    """A loaded module with about so many containers in rows of a hundred."""
    module = types.ModuleType(_NAME)
    vars(module)["rows"] = [
        [_container(row + column) for column in range(100)] for row in range(0, size, 100)
    ]
    sys.modules[_NAME] = module
    return module


def heap_of(module: types.ModuleType) -> Heap:
    """Watches the module and nothing else."""
    return Heap({_NAME: module}, Scope(frozenset({_NAME, __name__})))


def synthetic() -> None:
    """Each size in a process of its own, then windows in a row on the middle one."""
    looks: list[tuple[int, float]] = []
    for size in SIZES:
        print(said := apart("synthetic", str(size)))
        if (found := _figures(said)) is not None:
            looks.append(found)
    for (fewer, one), (more, other) in pairwise(looks):
        growth = (other / one) / (more / fewer)
        print(f"    {fewer:,} to {more:,} containers: a look's cost for each container, ratio {growth:.2f}")
    print(apart("synthetic", "windows"))


def _figures(said: str) -> tuple[int, float] | None:
    """Containers and milliseconds of a look, of what ``look_at`` printed."""
    words = said.replace(",", "").split()
    if "containers" not in words or "look" not in words:
        return None
    return int(words[words.index("containers") - 1]), float(words[words.index("look") + 1])


def look_at(size: int) -> None:
    """Print what a heap of a size costs."""
    module = module_of(size)
    discovery = milliseconds(lambda: heap_of(module))
    heap = heap_of(module)
    look = median_ms(heap.look, 30 if size < 10**6 else 10)
    collection = median_ms(gc.collect, 5)
    containers, references = heap.containers, heap.references
    del heap
    size_mb = megabytes(lambda: heap_of(module))
    print(
        f"synthetic: {containers:,} containers, {references:,} references\n"
        f"    discovery {discovery:.0f} ms, look {look:.3f} ms, {look * 1e6 / containers:.1f} ns a container, "
        f"gc.collect {collection:.1f} ms, snapshot {size_mb:.1f} MB"
    )


def windows_in_a_row() -> None:
    """Print what the last of many windows cost against the first ones: each keeps something new, and looks twice."""
    module = module_of(10**5)
    sources = Sources("/", frozenset({_NAME}))
    context = Context(sources, Recording(sources), (), lambda: heap_of(module))
    costs = list(_costs(module, context))
    first, tenth, last = (statistics.median(costs[at : at + 10]) for at in (1, 11, len(costs) - 10))
    print(
        f"windows in a row on {len(module.rows) * 100:,} containers: the first ten {first:.2f} ms each, "
        f"the next ten {tenth:.2f} ms, the last ten of {WINDOWS:,} {last:.2f} ms; ratio {last / first:.2f}"
    )


def _costs(module: types.ModuleType, context: Context) -> Iterator[float]:
    for number in range(WINDOWS + 1):
        yield milliseconds(lambda: module_state.capture(context))
        module.rows[number % len(module.rows)][0]["kept"] = [number]
        module_state.capture(context)
        context.rest()


if __name__ == "__main__":
    if sys.argv[1] == "windows":
        windows_in_a_row()
    else:
        look_at(int(sys.argv[1]))
