"""What a recording notes through the one hook."""

from __future__ import annotations

import _thread
import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless import audit
from pytest_stateless.attempts import DECISIONS, RUN, Attempt
from pytest_stateless.recording import Recording
from pytest_stateless.source import Place, Sources


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


def here(hooked: Recording, event: str, *args: object) -> None:
    """An event of a line of this function."""
    audit._hook(event, args)


def opened_by(found: tuple[Place | None, bool]) -> str:
    place, _ = found
    return "" if place is None else place.function


@pytest.mark.parametrize(
    ("mode", "flags", "is_write"),
    [
        pytest.param("r", os.O_RDONLY, False, id="to-read"),
        pytest.param("w", os.O_WRONLY | os.O_CREAT, True, id="to-write"),
        pytest.param(None, os.O_RDWR, True, id="by-flags"),
    ],
)
def test_who_opens_a_file_is_noted_and_a_write_only_where_it_writes(
    mode: str | None, flags: int, is_write: bool, hooked: Recording
) -> None:
    here(hooked, "open", "/srv/shop/a", mode, flags)
    assert opened_by(hooked.openings.of_file("/srv/shop/a")) == "here"
    assert [write.path for write in hooked.writes] == ["/srv/shop/a"] * is_write


def test_what_a_stand_in_noted_already_is_no_second_write(hooked: Recording) -> None:
    hooked.at_the_door.add(threading.get_ident())
    here(hooked, "open", "/srv/shop/a", "w", os.O_WRONLY)
    assert hooked.writes == []
    assert opened_by(hooked.openings.of_file("/srv/shop/a")) == "here"  # the stand-in doesn't note who
    hooked.at_the_door.clear()
    here(hooked, "open", "/srv/shop/a", "w", os.O_WRONLY)
    assert len(hooked.writes) == 1


@pytest.mark.parametrize(
    ("database", "path"),
    [
        ("/srv/shop/a.db", "/srv/shop/a.db"),
        ("file:/srv/shop/b.db?mode=rw", "/srv/shop/b.db"),
        (":memory:", ""),
    ],
    ids=["path", "uri", "memory"],
)
def test_who_connects_to_a_database_is_noted(database: str, path: str, hooked: Recording) -> None:
    here(hooked, "sqlite3.connect", database)
    assert [(write.operation, write.path) for write in hooked.writes] == [("open", path)] * bool(path)
    assert opened_by(hooked.openings.of_file(path or "/srv/shop/:memory:")) == "here" * bool(path)


def test_who_makes_a_socket_is_noted(hooked: Recording) -> None:
    with socket.socket() as made:
        here(hooked, "socket.__new__", made, 2, 1, 0)
        assert opened_by(hooked.openings.of_socket(made)) == "here"


@pytest.mark.parametrize(
    ("event", "args", "command"),
    [
        pytest.param("subprocess.Popen", ("sh", ["sh", "-c", "true"], None, None), "sh -c true", id="popen"),
        pytest.param("subprocess.Popen", ("sh", None, None, None), "sh", id="popen-without-arguments"),
        pytest.param("os.posix_spawn", ("sh", ["sh", b"-c"], {}), "sh -c", id="posix-spawn"),
        pytest.param("os.system", (b"true",), "true", id="system"),
        pytest.param("os.fork", (), "fork", id="fork"),
    ],
)
def test_a_child_is_noted_once_with_its_test(
    event: str, args: tuple[object, ...], command: str, hooked: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "test_shop.py::test_a (call)")
    for _ in range(2):  # subprocess tells of it, and so does what it calls
        here(hooked, event, *args)
    (spawn,) = hooked.spawns
    assert (spawn.command.line, spawn.test) == (command, "test_shop.py::test_a")
    assert spawn.place is not None
    assert spawn.place.function == "here"
    here(hooked, "os.system", "another")
    assert [spawn.command.line for spawn in hooked.spawns] == [command, "another"]


@pytest.mark.parametrize(
    ("function", "code"),
    [
        pytest.param(opened_by, f"{__file__}:{opened_by.__code__.co_firstlineno}", id="function"),
        pytest.param(print, "", id="built-in"),
    ],
)
def test_a_thread_is_noted_with_what_it_runs(function: Any, code: str, hooked: Recording) -> None:
    here(hooked, "_thread.start_new_thread", function, (), None)
    (start,) = hooked.starts
    assert (start.thread, start.code) == (0, code)
    assert start.by == object.__hash__(threading.current_thread())


def test_a_thread_is_noted_with_the_object_whose_method_it_runs(hooked: Recording) -> None:
    thread = threading.Thread()
    here(hooked, "_thread.start_joinable_thread", thread.run, 1, None)
    (start,) = hooked.starts
    assert start.thread == object.__hash__(thread)
    assert start.code == f"{threading.__file__}:{threading.Thread.run.__code__.co_firstlineno}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fcntl")
@pytest.mark.parametrize(
    ("event", "operation", "is_lock"),
    [
        pytest.param("fcntl.flock", "LOCK_EX", True, id="flock"),
        pytest.param("fcntl.flock", "LOCK_UN", False, id="flock-let-go"),
        pytest.param("fcntl.lockf", "LOCK_SH", True, id="lockf"),
        pytest.param("fcntl.fcntl", "F_SETLK", True, id="fcntl"),
        pytest.param("fcntl.fcntl", "F_GETFD", False, id="fcntl-of-another-kind"),
    ],
)
def test_a_lock_is_noted_with_its_file(
    event: str, operation: str, is_lock: bool, hooked: Recording, tmp_path: Path
) -> None:
    import fcntl

    with (tmp_path / "lock").open("w") as file:
        here(hooked, event, file.fileno(), getattr(fcntl, operation), 0)
        inode = os.fstat(file.fileno()).st_ino
    assert [lock.inode for lock in hooked.locks] == [inode] * is_lock
    assert hooked.broken == []


def test_a_loop_that_begins_to_run_is_met(hooked: Recording) -> None:
    async def serve() -> None:
        here(hooked, RUN)
        assert [loop for loop, _ in hooked.loops.open()] == [asyncio.get_running_loop()]

    here(hooked, RUN)
    assert hooked.loops.open() == []
    asyncio.run(serve())


@pytest.mark.parametrize(
    ("event", "name", "is_refused"),
    [
        pytest.param("os.mkdir", "new", True, id="makes"),
        pytest.param("os.mkdir", "old", False, id="what-is-there-cannot-be-made"),
        pytest.param("os.remove", "old", True, id="removes"),
        pytest.param("os.remove", "new", False, id="what-is-not-there-cannot-be-removed"),
    ],
)
def test_a_write_is_refused_where_the_system_would_not_refuse_it(
    event: str, name: str, is_refused: bool, hooked: Recording, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    hooked.forget()
    hooked.refuse = lambda write: f"{write.operation} is refused"
    with pytest.raises(PermissionError, match="is refused") if is_refused else nullcontext():
        here(hooked, event, str(tmp_path / name), 0o777, -1)
    assert [write.fate for write in hooked.writes] == ["denied" if is_refused else ""]
    hooked.refuse = lambda _: None
    here(hooked, event, str(tmp_path / name), 0o777, -1)
    assert hooked.writes[-1].fate == ""
    assert hooked.broken == []


def test_a_forked_child_tells_the_process_that_it_came_from(hooked: Recording) -> None:
    sent: list[str] = []
    hooked.send = lambda writes: sent.extend(write.path for write in writes)
    here(hooked, "os.truncate", "/srv/shop/a", 0)
    assert sent == ["/srv/shop/a"]


@pytest.mark.parametrize("name", ["127.0.0.1", "::1"])
def test_who_listens_is_noted_with_the_address(name: str, hooked: Recording) -> None:
    with socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET) as made:
        made.bind((name, 0))
        hooked.note_listen(made, sys._getframe())
        assert [(listen.host, listen.port) for listen in hooked.listens] == [made.getsockname()[:2]]
        assert hooked.listens[0].inode == os.fstat(made.fileno()).st_ino


def test_who_listens_at_a_file_is_not_noted(hooked: Recording, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        hooked.note_listen(made, sys._getframe())
    assert hooked.listens == []


def test_a_recording_forgets(hooked: Recording) -> None:
    with socket.socket() as made:
        audit._hook("socket.bind", (made, "/srv/a.sock"))
    hooked.forget()
    assert (hooked.writes, hooked.binds) == ([], [])


def test_children_are_noted_with_the_line_that_asked_for_them(started: Recording) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)
    (spawn,) = started.spawns
    assert spawn.command.line == f"{sys.executable} -c "
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
