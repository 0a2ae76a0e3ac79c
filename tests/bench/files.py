"""What it costs to see every write: setting up by the size of the project, and looking where nothing was written."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pytest_stateless.detectors import Context, file_write
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from pytest_stateless.watches import Watches
from pytest_stateless.watches.roots import Root
from tests.bench.measure import megabytes, milliseconds

PROJECTS = ((100, 1_000), (1_000, 10_000), (9_000, 45_000), (100_000, 0))
"""Directories and files."""
LOOKS = 1_000


def files(directory: Path) -> None:
    """Print a row for each size of a project."""
    print(
        "\nfile-write: directories, files: set-up, memory; a look and a carried look, without watches and with them"
    )
    if sys.platform != "linux":
        print("nothing is watched on this system")
        return
    for directories, number in PROJECTS:
        print(f"{directories:>8,} {number:>7,}: {_row(directory / str(directories), directories, number)}")


def _row(top: Path, directories: int, number: int) -> str:
    for one in range(directories):
        made = top / str(one // 100) / str(one)
        made.mkdir(parents=True)
        for file in range(number // directories):
            made.joinpath(f"{file}.py").touch()
    context = _context(top)
    without = _looks(context)
    kept: list[Watches] = []
    set_up = statistics.median(milliseconds(lambda: kept.append(_watching(context))) for _ in range(3))
    memory = megabytes(lambda: kept.append(_watching(context)))
    context.watches = kept.pop()
    for other in kept:
        other.close()
    row = f"{set_up:.0f} ms, {memory:.1f} MB; {without}, {_looks(context)}; {'; '.join(context.notices)}"
    context.close()
    return row


def _watching(context: Context) -> Watches:
    made = Watches([Root(context.sources.root, True)], context.zones)
    made.look()
    return made


def _context(top: Path) -> Context:
    sources = Sources(str(top))
    return Context(sources, Recording(sources), (), lambda: Heap({}, Scope()))


def _looks(context: Context) -> str:
    end = file_write.capture(context)
    look = _microseconds(lambda: file_write.capture(context))
    carried = _microseconds(lambda: file_write.carry(end, context))
    return f"{look:.0f} and {carried:.1f} µs"


def _microseconds(step: Callable[[], object]) -> float:
    times = []
    for _ in range(LOOKS):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6
