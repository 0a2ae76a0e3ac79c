"""What the last look saw stands for as long as the signs are the same: nothing is lost, or told of another."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless import contents, looks
from pytest_stateless.detectors import DETECTORS, STEADY, Context, open_descriptor
from pytest_stateless.detectors.signs import written_files
from pytest_stateless.leak import Leak, Rule
from pytest_stateless.looks import Looks
from pytest_stateless.window import Windows

LIBC = ctypes.CDLL(None, use_errno=True)
linux = pytest.mark.skipif(sys.platform != "linux", reason="the system's own functions")


class Numbers:
    """Sees a number, which depends on a sign."""

    RULE = Rule("numbers", "There are numbers.")
    PATIENT = False

    def __init__(self) -> None:
        self.number, self.sign = 0, "first"

    def capture(self, _: Context) -> int:
        self.number += 1
        return self.number

    def carry(self, end: int, _: Context) -> int:
        return -end

    def compare(self, before: int, after: int) -> Iterator[Leak]:
        yield from ()

    def absorb(self, before: int, *_: int) -> int:
        return before


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> Numbers:
    made = Numbers()
    monkeypatch.setitem(STEADY, "numbers", lambda _: made.sign)
    return made


@pytest.mark.parametrize(
    ("signs", "seen"),
    [
        pytest.param(["first", "first", "first"], [1, 1, 1], id="the-same"),
        pytest.param(["first", "second", "second"], [1, 2, 2], id="another"),
        pytest.param(["first", "second", "first"], [1, 2, 3], id="as-it-was-before-the-last-look"),
        pytest.param(["first", None, "first"], [1, 2, 3], id="none-between"),
        pytest.param([None, None], [1, 2], id="none"),
    ],
)
def test_a_look_is_had_where_the_signs_differ(
    signs: list[Any], seen: list[int], context: Context, numbers: Numbers
) -> None:
    made = Looks(context, [numbers])
    found = []
    for numbers.sign in signs:
        found.append(made.all([])["numbers"])
    assert found == seen


def test_what_was_forgotten_doesnt_stand(context: Context, numbers: Numbers) -> None:
    made = Looks(context, [numbers])
    assert made.one(numbers) == 1
    made.forget()
    assert made.one(numbers) == 2


def test_a_fork_looks_for_itself(context: Context, numbers: Numbers, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Looks(context, [numbers])
    assert made.one(numbers) == 1
    monkeypatch.setattr(looks._Real, "getpid", lambda: 0)
    assert [made.one(numbers), made.one(numbers)] == [2, 2]


def test_signs_that_fail_are_reported_as_the_look(
    context: Context, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STEADY, "numbers", lambda _: 1 / 0)
    errors: list[Any] = []
    assert Looks(context, [numbers]).all(errors) == {}
    assert [error.detector for error in errors] == ["numbers"]


@pytest.mark.parametrize("ends", ["close", "let_go"])
def test_each_test_begins_with_a_look(ends: str, context: Context, numbers: Numbers) -> None:
    windows = Windows(context, [numbers])
    window = windows.open()
    windows.close(window)
    if ends == "let_go":
        windows.let_go()
    assert windows.open().before == {"numbers": 2}
    windows.abandon()


@pytest.mark.parametrize(
    ("sign", "seen"), [pytest.param("first", -1, id="the-same"), pytest.param("second", 2, id="another")]
)
def test_what_is_carried_over_stands_in_the_next_test(
    sign: str, seen: int, context: Context, numbers: Numbers
) -> None:
    windows = Windows(context, [numbers])
    windows.close(windows.open())
    assert windows.open(undisturbed=True).before == {"numbers": -1}
    numbers.sign = sign
    assert windows.look("numbers") == seen
    windows.abandon()


def test_what_was_seen_since_is_not_carried_over(context: Context, numbers: Numbers) -> None:
    made = Looks(context, [numbers])
    ended = made.all([])
    numbers.sign = "second"
    made.all([])
    made.begin(ended)
    assert made.all([], ended) == {"numbers": -1}
    assert made.one(numbers) == 3


@linux
@pytest.mark.parametrize("later", [1_000, 10_000_000_000], ids=["just-now", "long-ago"])
def test_a_file_that_was_written_just_now_may_be_written_again_without_a_sign(
    later: int, recorded: Context, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project.joinpath("log.txt").open("w") as log:
        assert written_files(recorded) is None
        changed = os.fstat(log.fileno()).st_ctime_ns
        monkeypatch.setattr(contents._Real, "time_ns", lambda: changed + later)
        assert (written_files(recorded) is None) is (later < 100_000_000)


# ------------------------------------------------------------------------- what no audit event tells of


class Before:
    """What the test had before its first request."""

    def __init__(self, root: Path, keep: ExitStack) -> None:
        self.keep = keep
        self.temporary = os.open(root.parent / "temporary.txt", os.O_RDWR | os.O_CREAT)
        self.file = os.open(root / "log.txt", os.O_RDWR | os.O_CREAT)
        os.write(self.file, b"begun")
        self.memory = keep.enter_context(mmap.mmap(self.file, 5))
        self.path = os.fsencode(root / "opened.txt")
        self.socket = keep.enter_context(socket.socket())
        self.socket.bind(("127.0.0.1", 0))
        self.pipe = os.pipe()
        for number in (self.temporary, self.file, *self.pipe):
            keep.callback(_close, number)


def _close(number: int) -> None:
    LIBC.close(number)


def duplicate(before: Before) -> None:
    before.keep.callback(_close, LIBC.dup(before.pipe[0]))


def replace_by_another(before: Before) -> None:
    LIBC.dup2(before.file, before.pipe[1])


def write(before: Before) -> None:
    os.write(before.file, b"line")


def store(before: Before) -> None:
    before.memory[:4] = b"LINE"


def write_as_much(before: Before) -> None:
    os.pwrite(before.file, b"LINE", 0)


def open_and_write(before: Before) -> None:
    made = LIBC.open(before.path, os.O_WRONLY | os.O_CREAT, 0o600)
    LIBC.write(made, b"line", 4)
    LIBC.close(made)


def listen(before: Before) -> None:
    LIBC.listen(before.socket.fileno(), 5)


def lock(before: Before) -> None:
    LIBC.flock(before.file, 2)  # LOCK_EX


def fork(before: Before) -> None:
    child = LIBC.fork()
    if not child:
        LIBC.pause()
        LIBC._exit(0)
    before.keep.callback(os.waitpid, child, 0)
    before.keep.callback(os.kill, child, signal.SIGKILL)


def start_a_thread(before: Before) -> None:
    ended = threading.Event()
    made = threading.Thread(target=ended.wait, name="worker")
    before.keep.callback(made.join)
    before.keep.callback(ended.set)
    made.start()


TOLD: dict[Callable[[Before], None], str] = {
    duplicate: "open-descriptor",
    replace_by_another: "open-descriptor",
    write: "file-write",
    store: "file-write",
    write_as_much: "file-write",
    open_and_write: "file-write",
    listen: "listening-socket",
    lock: "file-lock",
    fork: "child-process",
    start_a_thread: "thread",
}


@linux
def test_a_lock_that_native_code_takes_is_seen_of_its_descriptor(recorded: Context, project: Path) -> None:
    made = Looks(recorded, [open_descriptor])
    with project.joinpath("log.txt").open("w") as log:
        before = made.one(open_descriptor)
        LIBC.flock(log.fileno(), 2)  # LOCK_EX
        after = made.one(open_descriptor)
        assert [log.fileno() in look.locked for look in (before, after)] == [False, True]


@linux
@pytest.mark.parametrize("act", TOLD, ids=lambda act: act.__name__)
@pytest.mark.parametrize("when", ["in-a-request", "between", "in-the-next"])
def test_what_native_code_does_is_told_of_whom_it_is_of(
    act: Callable[[Before], None], when: str, context: Context, project: Path
) -> None:
    detectors = [one for one in DETECTORS if one.RULE.id in STEADY]
    windows = Windows(context, detectors, sleep=lambda _: None)
    with ExitStack() as keep:
        before = Before(project, keep)
        window = windows.open()
        told: dict[str | None, set[str]] = {}
        for name in ("1st", "2nd", "3rd"):
            request = windows.open(shares=True)
            if (name, when) in (("2nd", "in-a-request"), ("3rd", "in-the-next")):
                act(before)
            windows.pass_on(request, (), name)
            if name == "2nd" and when == "between":
                act(before)
        found = windows.close(window)
    for leak in found.leaks:
        told.setdefault(leak.request, set()).add(leak.rule)
    request_of = {"in-a-request": "2nd", "between": None, "in-the-next": "3rd"}
    assert found.errors == []
    assert told == {request_of[when]: {TOLD[act]}}
