"""What each detector costs a clean window: a look at its end, and what is carried over to the next one's beginning."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pytest_stateless import audit, doors
from pytest_stateless.detectors import DETECTORS, Context, Detector, async_task, module_state
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from tests.bench.applications import FLASK, write
from tests.bench.measure import apart, median_ms, milliseconds
from tests.bench.memory import scope_of_a_run

BAR: Final = 500.0  # microseconds of all but the memory, on 3.13
_TIMES: Final = 300
_TASKS: Final = 10
_SETTLED: Final = 0.1  # seconds from when on a look trusts the times of a directory that it has seen


def detectors(directory: Path) -> None:
    """Each detector in the process of the Flask application."""
    write(directory, FLASK)
    print(apart("detectors", cwd=directory))


def look_at_each() -> None:
    """Print the figures of this process."""
    sources = Sources(os.getcwd())
    recording = Recording(sources)
    context = Context(
        sources, recording, (tempfile.gettempdir(),), lambda: Heap({}, scope_of_a_run(os.getcwd()))
    )
    previous = audit.start(recording)
    doors.install()
    try:
        _look_of_all(context)
        time.sleep(_SETTLED)
        costs = {detector.RULE.id: _cost(detector, context) for detector in DETECTORS}
        together = _cost_of_all(context)
    finally:
        doors.remove()
        audit.stop(previous)
    del costs["module-state"]  # tests.bench.memory has the figures of real memories
    print("detectors, a clean window of a Flask process, in the median:")
    for name, (look, carry) in costs.items():
        print(f"    {name}: look {look:.1f} µs, carry {carry:.1f} µs")
    print(f"    async-task with {_TASKS} tasks in the current loop: look {_look_at_tasks(context):.1f} µs")
    carried = sum(carry for _, carry in costs.values())
    print(f"    each for itself {sum(map(sum, costs.values())):.0f} µs")
    print(f"    together, in one look, {together + carried:.0f} µs (bar {BAR:.0f} µs)")


def _cost(detector: Detector, context: Context) -> tuple[float, float]:
    """Microseconds of a look and of carrying over what it saw, as a window does it."""
    end = detector.capture(context)

    def carry() -> None:
        nonlocal end
        end = audit.unnoticed(detector.carry, end, context)

    return _median(lambda: audit.unnoticed(detector.capture, context)), _median(carry)


def _cost_of_all(context: Context) -> float:
    """Microseconds of one look of all of them, which read the table of descriptors and its like together."""
    return statistics.median(_look_of_all(context) for _ in range(_TIMES)) * 1000


def _look_of_all(context: Context) -> float:
    context.begin_look()
    context.look_at_memory()  # which has figures of its own
    others = [detector for detector in DETECTORS if detector is not module_state]
    took = milliseconds(lambda: [audit.unnoticed(detector.capture, context) for detector in others])
    context.end_look()
    return took


def _look_at_tasks(context: Context) -> float:
    """Microseconds of a look at a loop in which nothing is new."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    tasks = [loop.create_task(asyncio.sleep(3600)) for _ in range(_TASKS)]
    loop.run_until_complete(asyncio.sleep(0))
    try:
        return _median(lambda: async_task.capture(context))
    finally:
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()


def _median(step: Callable[[], object]) -> float:
    return median_ms(step, _TIMES) * 1000


if __name__ == "__main__":
    import pytest  # noqa: F401 - part of every process that is looked at
    import shop  # type: ignore[import-not-found] # noqa: F401

    look_at_each()
