"""What every registered detector keeps to. A new one needs a line in ``LEAVING`` here, and a section in the docs."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import os
import pkgutil
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_stateless import detectors
from pytest_stateless.detectors import DETECTORS, RULES, STEADY, Context, Detector
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import Leak, Rule
from pytest_stateless.window import Windows

DOCS = Path(__file__).parents[2] / "docs"


class Place:
    """Somewhere that things can be left behind, by name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.module = types.ModuleType("stateless_contract")
        self.undo = ExitStack()
        self.loop = asyncio.new_event_loop()
        self.undo.callback(self.loop.close)


def leave_state(place: Place, name: str) -> None:
    setattr(place.module, name, [name])
    place.undo.callback(delattr, place.module, name)


def leave_file(place: Place, name: str) -> None:
    place.root.joinpath(name).write_text(name)
    place.undo.callback(os.unlink, place.root / name)


def leave_socket(place: Place, name: str) -> None:
    made = place.undo.enter_context(socket.socket(socket.AF_UNIX))
    made.bind(f"\0stateless-contract-{name}-{id(place)}" if sys.platform == "linux" else f"{name}.sock")
    made.listen()


def leave_open(place: Place, name: str) -> None:
    place.undo.callback(os.close, os.open(place.root / name, os.O_RDWR | os.O_CREAT))


def leave_variable(place: Place, name: str) -> None:
    place.undo.callback(os.environ.pop, name, None)
    os.environ[name] = name


def leave_lock(place: Place, name: str) -> None:
    import fcntl

    descriptor = os.open(place.root / name, os.O_RDWR | os.O_CREAT)
    place.undo.callback(os.close, descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def leave_memory(place: Place, name: str) -> None:
    path = f"/dev/shm/stateless-{name}-{os.getpid()}-{id(place)}"
    place.undo.callback(os.unlink, path)
    Path(path).touch()


NAMES = ("left", "first", "second", "before", "after", "theirs", "mine", "inner", "outer")


def address_of(name: str) -> str:
    """One of the loopback interface's, for each name, and for each of xdist's workers."""
    return f"127.{1 + os.getpid() // 250 % 250}.{os.getpid() % 250}.{1 + NAMES.index(name)}"


def leave_port(place: Place, name: str) -> None:
    place.undo.enter_context(socket.create_server((address_of(name), 9191)))


SPELLED: dict[str, Callable[[str], str]] = {"unexpected-port": address_of}
"""How a name shows in the subject, where it isn't there itself."""


def leave_thread(place: Place, name: str) -> None:
    ended = threading.Event()
    made = threading.Thread(target=ended.wait, name=name)
    place.undo.callback(made.join)
    place.undo.callback(ended.set)
    made.start()


def leave_child(place: Place, name: str) -> None:
    command = [sys.executable, "-S", "-E", "-c", "input()", name]
    place.undo.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL))


async def wait() -> None:
    await asyncio.Event().wait()


def leave_task(place: Place, name: str) -> None:
    coroutine: Any = wait()
    coroutine.__qualname__ = name
    task = place.loop.create_task(coroutine)
    place.undo.callback(lambda: place.loop.run_until_complete(asyncio.wait([task])))
    place.undo.callback(task.cancel)


def leave_transaction(place: Place, name: str) -> None:
    database = sqlite3.connect(place.root / f"{name}.db", isolation_level=None)
    place.undo.callback(database.close)
    database.execute("BEGIN")
    setattr(place.module, name, database)


def leave_secret(place: Place, name: str) -> None:
    setattr(place.module, name, secret_of(name))
    place.undo.callback(delattr, place.module, name)


def secret_of(name: str) -> str:
    """What a test sends under a name."""
    return f"canary-{name}-7"


LEAVING: dict[str, Callable[[Place, str], None]] = {
    "module-state": leave_state,
    "retained-secret": leave_secret,
    "file-write": leave_file,
    "listening-socket": leave_socket,
    "file-lock": leave_lock,
    "open-descriptor": leave_open,
    "interpreter-state": leave_variable,
    "shared-memory": leave_memory,
    "unexpected-port": leave_port,
    "thread": leave_thread,
    "child-process": leave_child,
    "async-task": leave_task,
    "open-transaction": leave_transaction,
}


def spelled(detector: Detector, name: str) -> str:
    return SPELLED.get(detector.RULE.id, str)(name)


every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=[rule.id for rule in RULES])


@pytest.fixture
def context(context: Context) -> Context:
    """With no more of the memory than the one module: discovering all of it takes half a second."""
    scope = Scope(frozenset({"stateless_contract"}))
    for name in NAMES:
        context.canaries.add(name, secret_of(name))
    return dataclasses.replace(context, make_heap=lambda: Heap(sys.modules, scope))


@pytest.fixture
def place(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(project)
    monkeypatch.setitem(sys.modules, made.module.__name__, made.module)
    monkeypatch.chdir(project)
    with made.undo:
        yield made


@pytest.fixture
def leave(place: Place) -> Callable[[Detector, str], None]:
    """Leaves something behind that a detector notices."""

    def leave_by_name(detector: Detector, name: str) -> None:
        LEAVING[detector.RULE.id](place, name)

    return leave_by_name


Leave = Callable[[Detector, str], None]


@every_detector
def test_a_rule_is_spelled_in_kebab_case_and_said_in_a_sentence(detector: Detector) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", detector.RULE.id)
    assert detector.RULE.summary.endswith(".")
    assert type(detector.PATIENT) is bool


def test_rules_are_told_apart() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


@every_detector
def test_a_rule_has_a_section_in_the_documentation(detector: Detector) -> None:
    _, found, section = (DOCS / "rules.md").read_text("utf-8").partition(f"\n## {detector.RULE.id}\n")
    assert found
    section = section.partition("\n## ")[0]
    for heading in ("What it is.", "Why it breaks statelessness.", "How to mend it.", "How to allow it."):
        assert f"**{heading}**" in section
    assert f"`{detector.RULE.id}:" in section


@every_detector
def test_a_detector_is_silent_when_nothing_happens(
    detector: Detector, recorded: Context, place: Place
) -> None:
    before = detector.capture(recorded)
    after = detector.capture(recorded)
    assert list(detector.compare(before, after)) == []
    assert list(detector.compare(before, before)) == []


steady = pytest.mark.parametrize(
    "detector", [one for one in DETECTORS if one.RULE.id in STEADY], ids=lambda one: one.RULE.id
)


@steady
def test_what_is_left_shows_in_the_signs(detector: Detector, recorded: Context, leave: Leave) -> None:
    signs = STEADY[detector.RULE.id]
    before = signs(recorded)
    recorded.begin_look()
    assert signs(recorded) == before
    recorded.end_look()
    leave(detector, "left")
    after = signs(recorded)
    assert after is None or after != before


@every_detector
def test_a_detector_tells_what_is_left(detector: Detector, recorded: Context, leave: Leave) -> None:
    before = detector.capture(recorded)
    leave(detector, "left")
    after = detector.capture(recorded)
    (leak,) = detector.compare(before, after)
    assert leak.rule == detector.RULE.id
    assert spelled(detector, "left") in leak.subject
    assert leak.message
    assert Leak.from_dict(leak.to_dict()).to_dict() == leak.to_dict()


@every_detector
def test_what_is_undone_in_time_is_nothing(
    detector: Detector, context: Context, leave: Leave, place: Place
) -> None:
    windows = Windows(context, [detector], sleep=lambda _: None)
    window = windows.open()
    leave(detector, "left")
    place.undo.close()
    findings = windows.close(window)
    assert findings.errors == []
    if detector.RULE.id != "unexpected-port":  # which tells of those that were closed, too
        assert findings.leaks == []


UNDOING_IS_A_CHANGE: Final = ("module-state", "interpreter-state", "file-write")


@every_detector
def test_what_an_earlier_test_left_is_blamed_on_no_later_one(
    detector: Detector, context: Context, leave: Leave, place: Place
) -> None:
    windows = Windows(context, [detector], sleep=lambda _: None)

    def left(act: Callable[[], object]) -> int:
        window = windows.open()
        act()
        return len(windows.close(window).leaks)

    assert left(lambda: leave(detector, "left")) == 1
    assert left(lambda: None) == 0
    assert left(place.undo.close) == (detector.RULE.id in UNDOING_IS_A_CHANGE)


@every_detector
def test_comparing_looks_at_nothing_but_its_two_values(
    detector: Detector, recorded: Context, leave: Leave
) -> None:
    before = detector.capture(recorded)
    leave(detector, "first")
    after = detector.capture(recorded)
    leave(detector, "second")
    subjects = [leak.subject for leak in detector.compare(before, after)]
    assert len(subjects) == 1
    assert spelled(detector, "first") in subjects[0]
    assert [leak.subject for leak in detector.compare(before, after)] == subjects


@every_detector
def test_a_subject_is_the_same_on_every_run(
    detector: Detector, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for run in ("first", "second"):
        root = tmp_path / run
        root.mkdir()
        monkeypatch.chdir(root)
        here = Place(root)
        context.sources.root = str(root)
        monkeypatch.setitem(sys.modules, here.module.__name__, here.module)
        windows = Windows(context, [detector], sleep=lambda _: None)
        with here.undo:
            window = windows.open()
            LEAVING[detector.RULE.id](here, "left")
            found.append([leak.subject.replace(str(id(here)), "") for leak in windows.close(window).leaks])
        windows.let_go()
    assert len(found[0]) == 1
    assert found[0] == found[1]


@every_detector
def test_what_is_carried_over_is_what_a_look_would_see(
    detector: Detector, recorded: Context, leave: Leave
) -> None:
    detector.capture(recorded)
    leave(detector, "before")
    end = detector.capture(recorded)
    recorded.rest()
    carried, seen = detector.carry(end, recorded), detector.capture(recorded)
    assert list(detector.compare(carried, seen)) == []
    assert list(detector.compare(seen, carried)) == []
    leave(detector, "after")
    (leak,) = detector.compare(carried, detector.capture(recorded))
    assert spelled(detector, "after") in leak.subject


@every_detector
def test_nothing_is_carried_over_from_what_was_let_go(
    detector: Detector, recorded: Context, leave: Leave
) -> None:
    end = detector.capture(recorded)
    recorded.let_go()
    carried = detector.carry(end, recorded)
    leave(detector, "after")
    assert len(list(detector.compare(carried, detector.capture(recorded)))) == 1


@every_detector
def test_absorbing_leaves_nothing_to_tell_where_only_the_absorbed_happened(
    detector: Detector, recorded: Context, leave: Leave
) -> None:
    before = detector.capture(recorded)
    start = detector.capture(recorded)
    leave(detector, "theirs")
    end = detector.capture(recorded)
    assert list(detector.compare(detector.absorb(before, start, end), end)) == []


@every_detector
def test_absorbing_keeps_what_else_happened(detector: Detector, recorded: Context, leave: Leave) -> None:
    before = detector.capture(recorded)
    leave(detector, "before")
    start = detector.capture(recorded)
    leave(detector, "theirs")
    end = detector.capture(recorded)
    leave(detector, "after")
    after = detector.capture(recorded)
    subjects = [leak.subject for leak in detector.compare(detector.absorb(before, start, end), after)]
    assert len(subjects) == 2
    assert all(spelled(detector, "theirs") not in subject for subject in subjects)


@every_detector
def test_absorbing_twice_is_absorbing_once(detector: Detector, recorded: Context, leave: Leave) -> None:
    before = detector.capture(recorded)
    start = detector.capture(recorded)
    leave(detector, "theirs")
    end = detector.capture(recorded)
    once = detector.absorb(before, start, end)
    leave(detector, "mine")
    after = detector.capture(recorded)
    twice = detector.absorb(once, start, end)
    assert [leak.subject for leak in detector.compare(twice, after)] == [
        leak.subject for leak in detector.compare(once, after)
    ]


@every_detector
def test_a_window_of_its_own_is_not_told_again_by_the_outer_one(
    detector: Detector, context: Context, leave: Leave, place: Place
) -> None:
    windows = Windows(context, [detector], sleep=lambda _: None)
    outer = windows.open()
    inner = windows.open()
    leave(detector, "inner")
    assert len(windows.close(inner).leaks) == 1
    leave(detector, "outer")
    (leak,) = windows.close(outer).leaks
    assert spelled(detector, "outer") in leak.subject


class Failing:
    """A registered detector one half of which fails."""

    PATIENT = False

    def __init__(self, detector: Detector, fails: str) -> None:
        self._detector = detector
        self._fails = fails
        self.RULE = Rule("failing", "It fails.")

    def __getattr__(self, name: str) -> Any:
        if name == self._fails:
            raise RuntimeError(f"{name} failed")
        return getattr(self._detector, name)


@every_detector
@pytest.mark.parametrize("half", ["capture", "compare"])
def test_a_failing_neighbour_hides_nothing(
    detector: Detector, half: str, context: Context, leave: Leave
) -> None:
    windows = Windows(context, [Failing(detector, half), detector], sleep=lambda _: None)
    window = windows.open()
    leave(detector, "left")
    findings = windows.close(window)
    assert [leak.rule for leak in findings.leaks] == [detector.RULE.id]
    assert {error.detector for error in findings.errors} == {"failing"}
    assert f"RuntimeError: {half} failed" in findings.errors[0].traceback


@every_detector
@pytest.mark.parametrize("half", ["capture", "compare", "absorb"])
def test_a_failing_half_is_reported_under_the_rule(
    detector: Detector, half: str, context: Context, leave: Leave, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"{half} failed")

    monkeypatch.setattr(detector, half, fail)
    windows = Windows(context, [detector], sleep=lambda _: None)
    outer = windows.open()
    inner = windows.open()
    leave(detector, "left")
    errors = [*windows.close(inner).errors, *windows.close(outer).errors]
    assert {error.detector for error in errors} == {detector.RULE.id}
    assert f"RuntimeError: {half} failed" in errors[0].traceback
    assert not windows.are_open


def test_every_detector_is_in_the_registry() -> None:
    modules = [
        importlib.import_module(f"{detectors.__name__}.{found.name}")
        for found in pkgutil.iter_modules(detectors.__path__)
    ]
    written = {module for module in modules if hasattr(module, "RULE")}
    assert set(DETECTORS) == written
    assert {detector.RULE.id for detector in DETECTORS} == set(LEAVING)
