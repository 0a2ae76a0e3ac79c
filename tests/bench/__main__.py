"""Prints what the plugin costs on this machine: medians and ratios of paired runs.

Runs are paired and take turns, so that what else the machine does falls on both; the median of the pairs counts. Whole
runs are measured in CPU time, single steps by the clock.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

PAIRS = 7
TESTS = 300  # marked tests of an application
PLUGINS_OFF = ("randomly", "rerunfailures", "asyncio", "anyio", "hypothesispytest", "xdist", "cacheprovider")

TRIVIAL = (
    "import pytest\n\n@pytest.mark.parametrize('n', range(2000))\ndef test_trivial(n):\n    assert n >= 0\n"
)

FLASK = """
import flask
app = flask.Flask("shop")

@app.get("/")
def index():
    return "hello"
"""
FASTAPI = """
import fastapi
import pydantic

class Item(pydantic.BaseModel):
    name: str
    price: float = 0.0

app = fastapi.FastAPI()

@app.get("/")
def index() -> Item:
    return Item(name="cup")
"""
DJANGO = """
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                    "django.contrib.sessions", "django.contrib.messages", "rest_framework"],
    ROOT_URLCONF="shop", SECRET_KEY="x",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
)
django.setup()
import django.contrib.admin.sites
import rest_framework.views
import rest_framework.viewsets
import rest_framework.serializers
import rest_framework.routers
import django.test
urlpatterns = []
"""
APPLICATIONS = {
    "Flask": ("flask", FLASK),
    "FastAPI": ("fastapi", FASTAPI),
    "Django with DRF": ("rest_framework", DJANGO),
}

MARKED = """
import pytest
import shop
{mark}
@pytest.mark.parametrize("n", range({tests}))
def test_trivial(n):
    assert n >= 0
"""


def pytest_seconds(directory: Path, *arguments: str) -> float:
    """CPU time of one run, which depends less on what else the machine does than the clock."""
    off = [part for plugin in PLUGINS_OFF for part in ("-p", f"no:{plugin}")]
    command = [sys.executable, "-m", "pytest", "-q", *off, *arguments]
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
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


def unmarked(directory: Path) -> None:
    """2,000 trivial tests without a marker, with and without the plugin."""
    (directory / "test_trivial.py").write_text(TRIVIAL)
    times = pairs(
        lambda: pytest_seconds(directory), lambda: pytest_seconds(directory, "-p", "no:stateless"), 2 * PAIRS
    )
    ratio = statistics.median(with_it / without for with_it, without in times)
    with_it, without = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"unmarked, 2,000 tests      with {with_it:.3f} s, without {without:.3f} s, ratio {ratio:.3f}")


def start_up(directory: Path) -> None:
    """An empty suite, with and without the plugin."""
    times = pairs(
        lambda: pytest_seconds(directory, "--co"),
        lambda: pytest_seconds(directory, "--co", "-p", "no:stateless"),
        15,
    )
    difference = statistics.median(with_it - without for with_it, without in times)
    print(f"start-up                   {difference * 1000:+.1f} ms over plain pytest")


def marked(directory: Path, name: str, source: str) -> None:
    """What a marked test costs over an unmarked one, for each scope, and without the first, which discovers."""
    (directory / "shop.py").write_text(source)
    for kind, mark in (("marked", "pytestmark = pytest.mark.stateless"), ("unmarked", "")):
        for tests in (1, 1 + TESTS):
            (directory / f"test_{kind}_{tests}.py").write_text(MARKED.format(mark=mark, tests=tests))

    def cost(kind: str, *arguments: str) -> float:
        many, one = (
            pytest_seconds(directory, f"test_{kind}_{tests}.py", *arguments) for tests in (1 + TESTS, 1)
        )
        return (many - one) / TESTS

    for scope in ("all", "application"):
        times = pairs(lambda: cost("marked", "--stateless-scope", scope), lambda: cost("unmarked"))  # noqa: B023
        fixed = statistics.median(checked - plain for checked, plain in times)
        print(f"marked, {name:16}   {fixed * 1000:.2f} ms a test, scope {scope}")


def memory(directory: Path, name: str, source: str) -> None:
    """The watched memory of an application in a process of its own."""
    (directory / "shop.py").write_text(source)
    code = (
        "import sys; sys.path[:0] = ['.', sys.argv[1]]; import tests.bench.__main__ as b; b.look_at_memory()"
    )
    here = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, here], cwd=directory, capture_output=True, text=True, check=False
    )
    print(f"memory, {name}: {(done.stdout or done.stderr).strip()}")


def look_at_memory() -> None:
    """Print how large the heap is and what discovering it, a look, a collection and a snapshot cost."""
    import pytest  # noqa: F401 - part of every process that is looked at
    import shop  # type: ignore[import-not-found] # noqa: F401

    from pytest_stateless.expected import TOOL_PACKAGES, UNWATCHED_TYPES, unwatched_objects
    from pytest_stateless.heap.scope import Scope
    from pytest_stateless.heap.snapshot import Heap

    scope = Scope(
        without_packages=frozenset({*TOOL_PACKAGES, "tests"}),
        without_types=frozenset(UNWATCHED_TYPES),
        without_objects=unwatched_objects(),
    )

    def median_ms(step: Callable[[], object], times: int) -> float:
        taken = []
        for _ in range(times):
            begin = time.perf_counter()
            step()
            taken.append(time.perf_counter() - begin)
        return statistics.median(taken) * 1000

    discovery = median_ms(lambda: Heap(sys.modules, scope), 5)
    heap = Heap(sys.modules, scope)
    look = median_ms(heap.look, 30)
    collection = median_ms(gc.collect, 10)
    counts = heap.containers, heap.references
    del heap
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    heap = Heap(sys.modules, scope)
    megabytes = (tracemalloc.get_traced_memory()[0] - before) / 1e6
    assert heap.containers  # kept until here: it is what the memory is measured of
    print(
        f"{counts[0]:,} containers, {counts[1]:,} references; discovery {discovery:.0f} ms, look {look:.2f} ms, "
        f"gc.collect {collection:.1f} ms, {megabytes:.1f} MB"
    )


def main() -> None:
    """Measure everything, or what is named."""
    parser = argparse.ArgumentParser(prog="tests.bench")
    parser.add_argument("what", nargs="*", default=["memory", "marked", "unmarked", "start-up"])
    wanted = parser.parse_args().what
    print(f"CPython {platform.python_version()}, {_processor()}, {platform.system()} {platform.release()}")
    for name, (package, source) in APPLICATIONS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not installed")
            continue
        for step in (memory, marked):
            if step.__name__ in wanted:
                with tempfile.TemporaryDirectory() as directory:
                    step(Path(directory), name, source)
    for whole, label in ((unmarked, "unmarked"), (start_up, "start-up")):
        if label in wanted:
            with tempfile.TemporaryDirectory() as directory:
                whole(Path(directory))


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


if __name__ == "__main__":
    main()
