"""The stand-ins for functions of ``os``: what they note, and that they change nothing else."""

from __future__ import annotations

import _thread
import inspect
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless import audit, doors
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="paths of descriptors are read from /proc")

NAMES = ("open", "mkfifo", "mknod")


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    made = Recording(Sources("/srv/shop"))
    previous = audit.start(made)
    doors.install()
    yield made
    doors.remove()
    audit.stop(previous)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def noted(recording: Recording) -> list[tuple[str, str]]:
    return [(write.operation, os.path.basename(write.path)) for write in recording.writes]


def test_installing_and_removing_gives_everything_back() -> None:
    before = {name: getattr(os, name) for name in NAMES}
    supporting = set(os.supports_dir_fd)
    doors.install()
    try:
        assert all(getattr(os, name) is not before[name] for name in NAMES)
        assert all(getattr(os, name) in os.supports_dir_fd for name in NAMES)
        doors.install()  # again changes nothing
    finally:
        doors.remove()
    assert {name: getattr(os, name) for name in NAMES} == before
    assert os.supports_dir_fd == supporting


def test_a_stand_in_supports_what_the_real_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", {os.mkfifo})
    doors.install()
    try:
        assert os.mkfifo in os.supports_dir_fd
        assert os.mknod not in os.supports_dir_fd
    finally:
        doors.remove()


@pytest.mark.parametrize("name", NAMES)
def test_a_stand_in_looks_like_the_real_one(name: str) -> None:
    real, door = doors._DOORS[name]
    assert (door.__name__, door.__module__, door.__doc__) == (name, "os", real.__doc__)
    assert inspect.signature(door) == inspect.signature(real)


def mock(*_: object, **__: object) -> Any:
    """As a test puts in."""


def test_a_place_that_somebody_else_took_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", mock)
    doors.install()
    assert vars(os)["open"] is mock
    doors.remove()
    assert vars(os)["open"] is mock


def test_a_place_that_somebody_else_took_meanwhile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    doors.install()
    monkeypatch.setattr(os, "mkfifo", mock)
    doors.remove()
    assert vars(os)["mkfifo"] is mock


def test_an_open_below_a_directory_is_noted_where_it_is(
    recording: Recording, directory: int, tmp_path: Path
) -> None:
    os.close(os.open("a", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=directory))
    first = recording.writes[0]
    assert (first.operation, first.path, first.before) == ("open", f"{os.path.realpath(tmp_path)}/a", None)
    assert first.place is not None
    assert (first.place.file, first.place.line) == (__file__, sys._getframe().f_lineno - 4)
    assert first.place.by_tool is False
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_reading_below_a_directory_is_not_noted(recording: Recording, directory: int, tmp_path: Path) -> None:
    os.close(os.open(".", os.O_RDONLY, dir_fd=directory))
    assert recording.writes == []


def test_an_open_elsewhere_is_left_to_the_hook_with_the_callers_line(
    recording: Recording, tmp_path: Path
) -> None:
    os.close(os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT))
    assert noted(recording) == [("open", "a")]
    place = recording.writes[0].place
    assert place is not None
    assert (place.file, place.by_tool) == (__file__, False)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: os.mkfifo(path), id="mkfifo"),
        pytest.param(lambda path: os.mkfifo(path, 0o600), id="mkfifo-mode"),
        pytest.param(lambda path: os.mkfifo(path=path, mode=0o600), id="mkfifo-by-name"),
        pytest.param(lambda path: os.mkfifo(os.fsencode(path)), id="mkfifo-bytes"),
        pytest.param(lambda path: os.mknod(path, stat.S_IFIFO | 0o600), id="mknod"),
        pytest.param(lambda path: os.mknod(path, mode=stat.S_IFIFO | 0o600, device=0), id="mknod-by-name"),
    ],
)
def test_what_no_event_tells_is_noted(
    make: Callable[[Path], None], recording: Recording, tmp_path: Path
) -> None:
    make(tmp_path / "a")
    assert noted(recording) == [("mknod", "a")]
    assert recording.writes[0].before is None
    assert stat.S_ISFIFO((tmp_path / "a").stat().st_mode)
    assert recording.broken == []


def test_what_no_event_tells_is_noted_below_a_directory(
    recording: Recording, directory: int, tmp_path: Path
) -> None:
    os.mkfifo("a", dir_fd=directory)
    os.mknod("b", stat.S_IFIFO | 0o600, dir_fd=directory)
    real = os.path.realpath(tmp_path)
    assert [write.path for write in recording.writes] == [f"{real}/a", f"{real}/b"]


def test_without_a_recording_the_real_one_is_called(tmp_path: Path) -> None:
    doors.install()
    try:
        os.mkfifo(tmp_path / "a")
    finally:
        doors.remove()
    assert (tmp_path / "a").exists()


def test_wrong_arguments_get_the_real_ones_answer(recording: Recording) -> None:
    with pytest.raises(TypeError, match="mkfifo"):
        os.mkfifo(object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        os.open()  # type: ignore[call-arg]
    assert recording.broken == []


def test_a_test_may_take_the_stack_away(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a library's tests do that runs where Python has no ``sys._getframe``."""
    monkeypatch.delattr(sys, "_getframe")
    os.close(os.dup(0))
    assert recording.broken == []


def test_what_goes_wrong_while_noting_does_not_reach_the_program(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(recording, "note_attempts", fail)
    os.mkfifo(tmp_path / "a")
    assert (tmp_path / "a").exists()
    assert recording.broken == ["os.mknod: RuntimeError: odd"]


def listen() -> None:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()


def start_a_thread() -> None:
    ended = threading.Event()
    _thread.start_new_thread(ended.set, ())
    assert ended.wait(10)


@pytest.mark.parametrize(
    ("noting", "act", "name"),
    [
        pytest.param("note_made", lambda: os.close(os.dup(0)), "os.dup", id="descriptor"),
        pytest.param("note_listen", listen, "socket.listen", id="listen"),
        pytest.param("note_start", start_a_thread, "_thread.start_new_thread", id="thread"),
    ],
)
def test_nor_what_goes_wrong_while_who_did_it_is_noted(
    noting: str, act: Callable[[], object], name: str, silent: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("odd")

    doors.install()
    for holder in (silent.openings, silent):
        if hasattr(holder, noting):
            monkeypatch.setattr(holder, noting, fail)
    act()
    assert silent.broken == [f"{name}: RuntimeError: odd"]


@pytest.fixture
def silent(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """As before 3.11, where no event tells of a thread."""
    monkeypatch.setattr(doors, "_IS_SILENT", True)
    monkeypatch.setattr(audit, "STARTS", frozenset())
    monkeypatch.setattr(audit, "_EVENTS", audit._EVENTS - {"_thread.start_new_thread"})
    return recording


def test_a_thread_that_no_event_tells_of_is_noted(silent: Recording) -> None:
    doors.install()
    ended = threading.Event()
    _thread.start_new_thread(ended.set, ())
    assert ended.wait(10)
    (start,) = silent.starts
    assert start.place is not None
    assert (start.place.file, start.place.function) == (
        __file__,
        "test_a_thread_that_no_event_tells_of_is_noted",
    )


def test_a_thread_that_is_started_wrongly_is_so_as_ever(silent: Recording) -> None:
    doors.install()
    with pytest.raises(TypeError):
        _thread.start_new_thread()  # type: ignore[call-overload]
    assert silent.broken == []


def test_the_place_of_a_thread_that_starts_is_given_back(silent: Recording) -> None:
    real = doors._START
    doors.install()
    assert _thread.start_new_thread is not real
    doors.remove()
    assert _thread.start_new_thread is real
