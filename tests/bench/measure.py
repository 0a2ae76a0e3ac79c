"""Times and sizes: medians of things that take turns, in this process and in others."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAIRS: Final = 7
_PLUGINS_OFF: Final = (
    *("randomly", "rerunfailures", "asyncio", "anyio", "hypothesispytest", "xdist", "cacheprovider"),
    *("django", "hygiene", "leaks"),
)


def pytest_seconds(directory: Path, *arguments: str) -> float:
    """CPU time of one run, which depends less on what else the machine does than the clock."""
    off = [part for plugin in _PLUGINS_OFF for part in ("-p", f"no:{plugin}") if plugin not in arguments]
    command = [sys.executable, "-m", "pytest", "-q", *off, *arguments]
    # Compiled modules are kept, as users' are: without them, start-up is compilation.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 5):
        raise SystemExit(done.stdout + done.stderr)
    return end.ru_utime - begin.ru_utime + end.ru_stime - begin.ru_stime


def pairs(
    one: Callable[[], float], other: Callable[[], float], count: int = PAIRS
) -> list[tuple[float, float]]:
    """Times of two things that take turns, after a first round that warms up."""
    one(), other()
    return [(one(), other()) for _ in range(count)]


def milliseconds(step: Callable[[], object]) -> float:
    """What one call takes."""
    begin = time.perf_counter()
    step()
    return (time.perf_counter() - begin) * 1000


def median_ms(step: Callable[[], object], times: int) -> float:
    """What a call takes in the median."""
    return statistics.median(milliseconds(step) for _ in range(times))


def megabytes(make: Callable[[], object]) -> float:
    """What something allocates and keeps."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = make()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del made  # kept until here: it is what the memory is measured of
    return (after - before) / 1e6


def apart(module: str, *arguments: str, cwd: Path = ROOT) -> str:
    """What a module of the benchmarks prints, run in a process of its own that finds the modules of ``cwd``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(cwd), str(ROOT)))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"tests.bench.{module}", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.rstrip() if done.returncode == 0 else done.stderr.rstrip()
