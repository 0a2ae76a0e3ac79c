"""What a recording notes through the one hook."""

from __future__ import annotations

import _thread
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_stateless import audit
from pytest_stateless.attempts import DECISIONS, Attempt
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(Sources("/srv/shop"))


@pytest.fixture
def started(recording: Recording) -> Iterator[Recording]:
    previous = audit.start(recording)
    yield recording
    audit.stop(previous)


def test_the_hook_notes_what_is_attempted_while_a_recording_is_open(
    started: Recording, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("x")
    (write,) = started.writes
    assert (write.operation, write.path, write.before) == ("open", str(tmp_path / "a"), None)
    assert started.broken == []
    assert audit.current() is started


def test_the_hook_notes_nothing_when_it_is_closed(recording: Recording, tmp_path: Path) -> None:
    audit.stop(audit.start(recording))
    (tmp_path / "a").write_text("x")
    assert recording.writes == []


def test_a_recording_within_another_gives_its_place_back(started: Recording, tmp_path: Path) -> None:
    inner = Recording(started.sources)
    previous = audit.start(inner)
    (tmp_path / "inner").write_text("x")
    audit.stop(previous)
    (tmp_path / "outer").write_text("x")
    assert [Path(write.path).name for write in inner.writes] == ["inner"]
    assert [Path(write.path).name for write in started.writes] == ["outer"]


def test_the_hook_is_installed_once(monkeypatch: pytest.MonkeyPatch, recording: Recording) -> None:
    installed: list[object] = []
    monkeypatch.setattr(audit, "_installed", False)
    monkeypatch.setattr(sys, "addaudithook", installed.append)
    for _ in range(2):
        audit.stop(audit.start(recording))
    assert installed == [audit._hook]


# CPython doesn't trace what a hook calls: from here on it is called by hand, so that its coverage is seen.


@pytest.fixture
def hooked(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> Recording:
    monkeypatch.setattr(audit, "_open_recording", recording)
    return recording


def test_an_event_of_another_kind_is_passed_over(hooked: Recording) -> None:
    audit._hook("os.listdir", ("/",))
    assert (hooked.writes, hooked.binds, hooked.broken) == ([], [], [])


def test_without_a_recording_every_event_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_open_recording", None)
    audit._hook("os.mkdir", ())


@pytest.mark.parametrize("error", [ValueError("odd"), KeyboardInterrupt(), RecursionError()], ids=repr)
def test_what_fails_in_the_hook_is_kept_and_not_raised(
    error: BaseException, hooked: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> tuple[Attempt, ...]:
        raise error

    monkeypatch.setitem(DECISIONS, "os.mkdir", fail)
    audit._hook("os.mkdir", ("a", 0o777, -1))
    assert hooked.broken == [f"os.mkdir: {type(error).__name__}: {error}"]


def test_an_attempt_is_noted_with_its_state_and_line(hooked: Recording, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    hooked.forget()
    audit._hook("os.rename", (str(tmp_path / "a"), str(tmp_path / "b"), -1, -1))
    source, target = hooked.writes
    assert (source.operation, source.path, source.other) == (
        "rename-from",
        str(tmp_path / "a"),
        str(tmp_path / "b"),
    )
    assert source.before is not None
    assert source.before.size == 5
    assert source.place is not None
    assert (source.place.file, source.place.function) == (__file__, sys._getframe().f_code.co_name)
    assert (target.operation, target.path, target.before) == ("rename-to", str(tmp_path / "b"), None)


def test_an_attempt_through_a_link_is_noted_at_both_ends(hooked: Recording, tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("a")
    hooked.forget()
    audit._hook("os.chmod", (str(tmp_path / "l"), 0o600, -1))
    assert [write.path for write in hooked.writes] == [str(tmp_path / "l"), str(tmp_path / "a")]


def test_an_attempt_at_the_link_itself_is_noted_there(hooked: Recording, tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("a")
    hooked.forget()
    audit._hook("os.remove", (str(tmp_path / "l"), -1))
    assert [write.path for write in hooked.writes] == [str(tmp_path / "l")]


def test_an_attempt_at_no_file_is_not_noted(hooked: Recording) -> None:
    audit._hook("os.truncate", (9999, 0))
    assert hooked.writes == []


@pytest.mark.parametrize(
    ("address", "noted"),
    [
        pytest.param(("127.0.0.1", 9100), ("127.0.0.1", 9100), id="ipv4"),
        pytest.param(("::1", 9100, 0, 0), ("::1", 9100), id="ipv6"),
        pytest.param((7, 1), ("", 1), id="netlink"),
        pytest.param(("eth0", "x"), ("eth0", 0), id="no-port"),
        pytest.param("/srv/a.sock", ("/srv/a.sock", 0), id="unix"),
        pytest.param(b"/srv/a.sock", ("/srv/a.sock", 0), id="unix-bytes"),
        pytest.param("\0shop", ("\0shop", 0), id="abstract"),
        pytest.param("", ("", 0), id="unix-name-that-the-system-chooses"),
        pytest.param((), ("", 0), id="odd"),
    ],
)
def test_a_bind_is_noted_with_its_socket_and_line(
    address: object, noted: tuple[str, int], hooked: Recording
) -> None:
    with socket.socket() as made:
        audit._hook("socket.bind", (made, address))
        inode = os.fstat(made.fileno()).st_ino
    (bind,) = hooked.binds
    assert (bind.inode, bind.address, bind.port) == (inode, *noted)
    assert bind.place is not None
    assert bind.place.file == __file__
    is_file = noted[0].startswith("/")
    assert [(write.operation, write.path) for write in hooked.writes] == [("bind", noted[0])] * is_file
    assert hooked.broken == []


def test_a_bind_of_a_closed_socket_is_noted_as_nobodys(hooked: Recording) -> None:
    made = socket.socket()
    made.close()
    audit._hook("socket.bind", (made, ("127.0.0.1", 0)))
    assert [bind.inode for bind in hooked.binds] == [-1]
    assert hooked.broken == []


def test_a_recording_forgets(hooked: Recording) -> None:
    with socket.socket() as made:
        audit._hook("socket.bind", (made, "/srv/a.sock"))
    hooked.forget()
    assert (hooked.writes, hooked.binds) == ([], [])


def test_children_are_noted_with_the_line_that_asked_for_them(started: Recording) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)
    (spawn,) = started.spawns
    assert spawn.command == f"{sys.executable} -c "
    assert spawn.place is not None
    assert spawn.place.function == "test_children_are_noted_with_the_line_that_asked_for_them"
    started.forget()
    assert started.spawns == []


def run(*_: object) -> None:
    pass


announced = pytest.mark.skipif(sys.version_info < (3, 12), reason="doors stand in for the event")


@announced
def test_threads_are_noted_with_the_line_that_started_them(started: Recording) -> None:
    made = threading.Thread(target=run)
    made.start()
    made.join()
    (start,) = started.starts
    assert start.thread == object.__hash__(made)
    assert start.by == object.__hash__(threading.current_thread())
    assert start.place is not None
    assert start.place.function == "test_threads_are_noted_with_the_line_that_started_them"
    started.forget()
    assert started.starts == []


@announced
def test_a_thread_without_an_object_is_noted_by_its_function(started: Recording) -> None:
    ended = threading.Event()
    _thread.start_new_thread(run, ())
    _thread.start_new_thread(ended.set, ())
    assert ended.wait(10)
    _thread.start_new_thread(print, ("",))
    codes = [start.code.rpartition(":") for start in started.starts]
    assert codes[0] == (__file__, ":", str(run.__code__.co_firstlineno))
    assert codes[1][0] == threading.__file__
    assert codes[2] == ("", "", "")
    assert started.broken == []


def test_what_the_plugin_opens_to_look_around_is_not_noted(started: Recording, tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert audit.unnoticed(path.write_text, "tea") == 3
    thread = threading.Thread(target=path.write_text, args=["other"])

    def look() -> None:
        thread.start()
        thread.join()

    audit.unnoticed(look)
    assert [write.path for write in started.writes] == [str(path)]  # the other thread's
    with pytest.raises(ZeroDivisionError):
        audit.unnoticed(lambda: 1 / 0)
    path.write_text("coffee")
    assert len(started.writes) == 2
