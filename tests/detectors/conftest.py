"""What the tests of the detectors share: a context on a small project, and a window around a block."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_stateless import audit, children, doors, loop_doors
from pytest_stateless.detectors import Context, Detector
from pytest_stateless.detectors.offspring import now
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import Leak
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from pytest_stateless.unwatched import TOOL_PACKAGES, UNWATCHED_TYPES, unwatched_objects
from pytest_stateless.watches import Watches
from pytest_stateless.watches.roots import Root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's root directory; it lies in a temporary directory, and yet is watched."""
    path = Path(os.path.realpath(tmp_path)) / "project"
    path.mkdir()
    return path


def _measured() -> Iterator[str]:
    """Where forked children put what coverage saw of them, when they end."""
    data = os.environ.get("COVERAGE_FILE")
    if data:
        yield os.path.realpath(os.path.dirname(data))


@pytest.fixture
def context(project: Path) -> Iterator[Context]:
    """What detectors look through, with the directories around the project and ``tmp`` in it as temporary ones."""
    sources = Sources(str(project), tools=frozenset(TOOL_PACKAGES))
    temp = (str(project.parent), str(project / "tmp"), *_measured())
    scope = Scope(
        without_packages=frozenset(TOOL_PACKAGES),
        without_types=frozenset(UNWATCHED_TYPES),
        without_objects=unwatched_objects(),
    )
    ports = (range(8000, 8011),)
    made = Context(sources, Recording(sources), temp, lambda: Heap(sys.modules, scope), ports=ports)
    if sys.platform == "linux":
        made.watches = Watches([Root(str(project), True)], made.zones)
    yield made
    made.close()
    children.clear_away()


@pytest.fixture
def recorded(context: Context) -> Iterator[Context]:
    """The context while its recording is open."""
    context.recording.began = now()
    previous = audit.start(context.recording)
    doors.install()
    loop_doors.install()
    try:
        yield context
    finally:
        loop_doors.remove()
        doors.remove()
        audit.stop(previous)


@pytest.fixture
def left_by(recorded: Context) -> Callable[[Detector, Callable[[], object]], list[Leak]]:
    """What a detector says that a function left behind."""

    def left(detector: Detector, act: Callable[[], object]) -> list[Leak]:
        before = detector.capture(recorded)
        kept = act()
        after = detector.capture(recorded)
        del kept
        # Modules of Python's own that were never imported on this machine are compiled, far from the project's root.
        leaks = [leak for leak in detector.compare(before, after) if "/__pycache__/" not in leak.subject]
        assert recorded.recording.broken == []
        return leaks

    return left
