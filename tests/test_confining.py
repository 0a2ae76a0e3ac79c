"""How a child is started so that it writes no more than it may, seen in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from pytest_stateless import audit, children, confined, landlock
from pytest_stateless.noted import Write
from pytest_stateless.paths import look
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

pytestmark = pytest.mark.skipif(not landlock.version(), reason="the kernel has no Landlock")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory in which children may write below ``may`` alone."""
    (tmp_path / "may").mkdir()
    monkeypatch.chdir(tmp_path)
    recording = Recording(Sources(str(tmp_path)))
    recording.writable = ("/dev", "/proc", str(tmp_path / "may"))
    previous = audit.start(recording)
    children.install()
    try:
        yield tmp_path
    finally:
        children.remove()
        audit.stop(previous)
        children.clear_away()


def spawned(text: str) -> None:
    os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", text], os.environ), 0)


WAYS: Final[dict[str, Callable[[str], object]]] = {
    "run": lambda text: subprocess.run(["sh", "-c", text]),
    "shell": lambda text: subprocess.run(text, shell=True),
    "preexec-fn": lambda text: subprocess.run(["sh", "-c", text], preexec_fn=lambda: None),
    "system": lambda text: os.system(text),
    "posix-spawn": spawned,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_child_writes_where_it_may_and_nowhere_else(way: Callable[[str], object], here: Path) -> None:
    way("echo tea > a; echo tea > may/a")
    assert not (here / "a").exists()
    assert (here / "may" / "a").read_text() == "tea\n"
    (here / "a").touch()  # as ever


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_where_nothing_is_denied_children_are_let_alone(way: Callable[[str], object], here: Path) -> None:
    recording = audit.current()
    assert recording is not None
    recording.writable = None
    way("echo tea > a")
    assert (here / "a").exists()


def test_who_serves_later_tests_too_is_let_alone(here: Path) -> None:
    serves = "from multiprocessing.forkserver import main"
    subprocess.run(["sh", "-c", f"echo tea > a # {serves}"], check=True)
    assert (here / "a").exists()


@pytest.mark.parametrize(
    ("operation", "path", "refused"),
    [
        pytest.param("open", "a", True, id="elsewhere"),
        pytest.param("open", "may/a", False, id="where-it-may"),
        pytest.param("open", "link/a", False, id="by-a-link-to-where-it-may"),
        pytest.param("open", "may/out/a", True, id="by-a-link-to-elsewhere"),
        pytest.param("remove", "link", True, id="of-a-link-itself"),
        pytest.param("remove", "missing", False, id="of-nothing"),
        pytest.param("chmod", "a", False, id="kept-from-nobody"),
    ],
)
def test_what_was_refused_is_known_by_its_path(
    operation: str, path: str, refused: bool, tmp_path: Path
) -> None:
    (tmp_path / "may").mkdir()
    (tmp_path / "link").symlink_to("may")
    (tmp_path / "may" / "out").symlink_to(tmp_path)
    where = str(tmp_path / path)
    there = None if path == "missing" else look(str(tmp_path))
    write = Write(operation, where, "", there, None)
    assert confined.refuses((str(tmp_path / "may"),), write) is refused
    assert not confined.refuses(None, write)


def in_a_thread(call: Callable[[], Any]) -> list[Any]:
    """What it gave or raised; the thread ends with what it gave up."""
    given: list[Any] = []

    def run() -> None:
        try:
            given.append(call())
        except BaseException as error:
            given.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return given


def test_what_a_child_does_first_is_done_before_it_is_confined(tmp_path: Path) -> None:
    def prepare_and_write() -> None:
        confined._prepare((tmp_path / "first").touch, ())
        (tmp_path / "then").touch()

    (error,) = in_a_thread(prepare_and_write)
    assert type(error) is PermissionError
    assert error.filename == str(tmp_path / "then")
    assert os.listdir(tmp_path) == ["first"]


@pytest.mark.parametrize("forked", [True, False])
def test_a_forked_child_is_confined_before_it_becomes_another_program(forked: bool, tmp_path: Path) -> None:
    recording = Recording(Sources(str(tmp_path)))
    recording.writable = ("/dev",)
    recording.send = (lambda writes: None) if forked else None

    def become_and_write() -> None:
        assert recording.note("os.exec", ("/bin/sh", ["sh"], None)) is None
        (tmp_path / "a").touch()

    (given,) = in_a_thread(become_and_write)
    assert type(given) is (PermissionError if forked else type(None))
    assert (tmp_path / "a").exists() is not forked


def test_what_may_be_written_may_be_one_file(tmp_path: Path) -> None:
    (tmp_path / "may").write_text("coffee")

    def write() -> None:
        landlock.confine([str(tmp_path / "may"), str(tmp_path / "missing")])
        (tmp_path / "may").write_text("tea")
        (tmp_path / "other").touch()

    (error,) = in_a_thread(write)
    assert (type(error), error.filename) == (PermissionError, str(tmp_path / "other"))
    assert os.listdir(tmp_path) == ["may"]
    assert (tmp_path / "may").read_text() == "tea"


def test_a_handler_that_raises_waits_for_the_call(tmp_path: Path) -> None:
    def raise_it(*_: object) -> None:
        raise KeyError("alarm")

    def call() -> None:
        while sys._current_frames()[main].f_code is not landlock._wait.__code__:
            time.sleep(0.001)
        time.sleep(0.01)  # to its lock
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.05)
        done.append(1)

    main, done = threading.get_ident(), list[int]()
    before = signal.signal(signal.SIGUSR1, raise_it)
    try:
        with pytest.raises(KeyError, match="alarm"):
            landlock.confined([str(tmp_path)], call)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert done == [1]


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_right_is_given_up_that_the_system_asks_for_first(
    refused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    libc, calls = landlock._libc(), []

    def call(function: Any, *arguments: Any) -> int:
        calls.append("prctl" if function is libc.prctl else arguments[0])
        if calls.count(arguments[0]) <= refused and function is not libc.prctl:
            raise PermissionError(1, "not permitted")
        return 0

    monkeypatch.setattr(landlock, "_call", call)
    if refused == 2:
        with pytest.raises(PermissionError):
            landlock._restrict(7)
    else:
        landlock._restrict(7)
    assert calls == [446, "prctl", 446][: 3 if refused else 1]


class _Older:
    """A C library without system calls."""


@pytest.mark.parametrize(
    ("name", "value", "version"),
    [
        pytest.param("_call", lambda *_: 1, 0, id="moves-nothing-yet"),
        pytest.param("_call", lambda *_: 2, 2, id="old-enough"),
        pytest.param("_libc", _Older, 0, id="another-library"),
    ],
)
def test_which_versions_will_do(name: str, value: Any, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, name, value)
    assert landlock.version.__wrapped__() == version


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert landlock.version.__wrapped__() == 0


def test_an_older_kernel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It doesn't know the number of the call."""
    monkeypatch.setattr(landlock, "_CREATE", 100_000)
    assert landlock.version.__wrapped__() == 0
