"""The obvious ways to find what changed, on the same heap: the process of the Flask application.

Each way looks once at what the window began with and once more at its end. What it can't look at is left out, and said.
"""

from __future__ import annotations

import copy
import gc
import importlib.util
import os
import pickle
import signal
import statistics
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.snapshot import Heap
from tests.bench.applications import CATALOGUE, write
from tests.bench.measure import apart, median_ms, milliseconds
from tests.bench.memory import scope_of_a_run
from tests.bench.runs import cost_of_a_test

Values = dict[tuple[str, str], Any]
"""By the module and the name in it."""

_LIMIT: Final = 60  # seconds that a way gets
_ROUNDS: Final = 3
_LEAKS_RUNS: Final = (
    9  # of each test by pytest-leaks: five until the count of references settles, four that count
)


class _TooLong(BaseException):
    """A way's time is up."""


class _Way(NamedTuple):
    keep: Callable[[Any], Any]
    differs: Callable[[Any, Any], bool]
    """Whether what was kept and a value now differ."""


WAYS: Final = {
    "copy.deepcopy and ==": _Way(copy.deepcopy, lambda kept, now: bool(kept != now)),
    "pickle.dumps and ==": _Way(pickle.dumps, lambda kept, now: bool(kept != pickle.dumps(now))),
    "copy.deepcopy and DeepDiff": _Way(copy.deepcopy, lambda kept, now: bool(_deep_diff(kept, now))),
}


def _deep_diff(kept: Any, now: Any) -> Any:
    import deepdiff  # type: ignore[import-not-found, unused-ignore]

    return deepdiff.DeepDiff(kept, now)


def alternatives(directory: Path) -> None:
    """Compare in the application's process, and whole runs with other plugins."""
    if importlib.util.find_spec("flask") is None:
        print("alternatives: Flask is not installed")
        return
    write(directory, CATALOGUE)
    print(apart("alternatives", cwd=directory))
    _whole_runs(directory)


def compare_in_process() -> None:
    """Print what each way costs on all modules and on the application's own, and what differs though nothing did."""
    for label, names in (("every module", list(sys.modules)), ("the application's modules", ["shop"])):
        ours = _ours(None if label == "every module" else frozenset(names))
        print(f"alternatives, {label}: pytest-stateless, two looks {ours:.2f} ms")
        for way in WAYS:
            if way.endswith("DeepDiff") and importlib.util.find_spec("deepdiff") is None:
                print(f"    {way}: deepdiff is not installed")
            else:
                _print_way(way, names, ours)
    collection = median_ms(gc.collect, 10)
    print(
        f"    pytest-leaks' way: runs each test {_LEAKS_RUNS} times more and collects after each: at least "
        f"{_LEAKS_RUNS * collection:.0f} ms and nine tests; "
        + (
            ""
            if hasattr(sys, "gettotalrefcount")
            else "it can't run here, only a debug build counts references"
        )
    )


def _ours(modules: frozenset[str] | None) -> float:
    heap = Heap(sys.modules, scope_of_a_run(os.getcwd(), modules))
    return 2 * median_ms(heap.look, 30)


def _print_way(name: str, modules: list[str], ours: float) -> None:
    way = WAYS[name]
    values = _values(modules)
    costs = []
    way.differs(way.keep(0), 0)  # its first use may import something
    try:
        for _ in range(_ROUNDS):
            kept: Values = {}
            false: list[object] = []
            with _time_limit():
                keeping = milliseconds(lambda: _keep(way, values, kept))  # noqa: B023
                costs.append(keeping + milliseconds(lambda: false.extend(_differing(way, kept, values))))  # noqa: B023
    except _TooLong:
        print(
            f"    {name}: doesn't come to an end in {_LIMIT} seconds; {len(kept):,} of {len(values):,} values kept"
        )
        return
    cost = statistics.median(costs)
    print(
        f"    {name}: {cost:.1f} ms, ratio {cost / ours:.1f}; {len(values) - len(kept):,} of {len(values):,} values "
        f"can't be looked at, {len(false):,} differ though nothing changed"
    )


@contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLong

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def _values(modules: list[str]) -> Values:
    return {
        (name, attribute): value
        for name in modules
        if type(module := sys.modules[name]) is types.ModuleType
        for attribute, value in vars(module).items()
        if not attribute.startswith("__")
    }


def _keep(way: _Way, values: Values, kept: Values) -> None:
    for place, value in values.items():
        try:
            kept[place] = way.keep(value)
        except Exception:  # modules, locks, code, proxies without an application, whatever forbids it
            continue


def _differing(way: _Way, kept: Values, values: Values) -> list[object]:
    differing: list[object] = []
    for place, was in kept.items():
        try:
            if way.differs(was, values[place]):
                differing.append(place)
        except Exception:
            differing.append(place)
    return differing


def _whole_runs(directory: Path) -> None:
    """What a checked test costs in a run of pytest: this plugin, and pytest-hygiene where it is installed."""
    marked = "pytestmark = pytest.mark.stateless"
    ours = {
        scope: cost_of_a_test(directory, marked, "--stateless-scope", scope, count=5)
        for scope in ("all", "application")
    }
    print(
        "whole runs, Flask: "
        + ", ".join(f"scope {scope} {cost:.2f} ms a test" for scope, cost in ours.items())
    )
    if importlib.util.find_spec("pytest_hygiene") is None:
        print("    pytest-hygiene: not installed")
        return
    other = cost_of_a_test(directory, "", "-p", "hygiene", "--hygiene", count=5)
    print(
        f"    pytest-hygiene: {other:.2f} ms a test, ratio to scope all {other / ours['all']:.2f}; it looks at eight "
        "settings of the process (environment, sys.path, logging and the like), not at what modules hold"
    )


if __name__ == "__main__":
    import pytest  # noqa: F401 - part of every process that is looked at
    import shop  # type: ignore[import-not-found] # noqa: F401

    compare_in_process()
