"""The decisions as a table of events, the paths that arguments mean, and the one hook."""

from __future__ import annotations

import _thread
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless import audit
from pytest_stateless.audit import DECISIONS, SPAWNS, Attempt, Recording, follow_links, look, resolve
from pytest_stateless.source import Sources

W, R = os.O_WRONLY | os.O_CREAT, os.O_RDONLY


@pytest.mark.parametrize(
    ("event", "args", "attempts"),
    [
        pytest.param("open", ("a", "r", R | os.O_CLOEXEC), [], id="open-reading"),
        pytest.param("open", ("a", "w", W), [Attempt("open", "a")], id="open-writing"),
        pytest.param("open", ("a", None, W), [Attempt("open", "a")], id="os-open-writing"),
        pytest.param("open", ("a", None, R), [], id="os-open-reading"),
        pytest.param("open", ("a", None, os.O_RDWR), [Attempt("open", "a")], id="os-open-read-write"),
        pytest.param("open", ("a", None, os.O_TRUNC), [Attempt("open", "a")], id="os-open-truncating"),
        pytest.param("open", ("a", None, os.O_APPEND), [Attempt("open", "a")], id="os-open-appending"),
        pytest.param("open", ("a", "a", None), [Attempt("open", "a")], id="mode-alone"),
        pytest.param("open", ("a", "rb+", None), [Attempt("open", "a")], id="update"),
        pytest.param("open", ("a", "x", None), [Attempt("open", "a")], id="exclusive"),
        pytest.param("open", ("a", "rb", None), [], id="reading-mode-alone"),
        pytest.param("open", (7, "w", W), [Attempt("open", 7)], id="descriptor"),
        pytest.param("os.mkdir", ("a", 0o777, -1), [Attempt("mkdir", "a", follow=False)], id="mkdir"),
        pytest.param(
            "os.mkdir", ("a", 0o777, 5), [Attempt("mkdir", "a", 5, follow=False)], id="mkdir-dir-fd"
        ),
        pytest.param("os.remove", ("a", -1), [Attempt("remove", "a", follow=False)], id="remove"),
        pytest.param("os.rmdir", ("a", 5), [Attempt("rmdir", "a", 5, follow=False)], id="rmdir-dir-fd"),
        pytest.param(
            "os.rename",
            ("a", "b", 5, 6),
            [
                Attempt("rename-from", "a", 5, "b", 6, follow=False),
                Attempt("rename-to", "b", 6, "a", 5, follow=False),
            ],
            id="rename",
        ),
        pytest.param(
            "os.link", ("a", "b", -1, 6), [Attempt("link", "b", 6, "a", -1, follow=False)], id="link"
        ),
        pytest.param(
            "os.symlink", ("a", "b", 6), [Attempt("symlink", "b", 6, "a", follow=False)], id="symlink"
        ),
        pytest.param("os.truncate", (7, 100), [Attempt("truncate", 7)], id="ftruncate"),
        pytest.param("os.chmod", ("a", 0o600, 5), [Attempt("chmod", "a", 5)], id="chmod-dir-fd"),
        pytest.param("os.chown", ("a", 1, 2, -1), [Attempt("chown", "a")], id="chown"),
        pytest.param("os.utime", ("a", (1, 1), None, 5), [Attempt("utime", "a", 5)], id="utime-dir-fd"),
        pytest.param("os.setxattr", ("a", "user.a", b"x", 1), [Attempt("setxattr", "a")], id="setxattr"),
        pytest.param("os.removexattr", ("a", "user.a"), [Attempt("setxattr", "a")], id="removexattr"),
        pytest.param("os.chflags", ("a", 2), [Attempt("chmod", "a")], id="chflags"),
        pytest.param("sqlite3.connect", ("a.db",), [Attempt("open", "a.db")], id="sqlite"),
        pytest.param("sqlite3.connect", (b"a.db",), [Attempt("open", "a.db")], id="sqlite-bytes"),
        pytest.param("sqlite3.connect", (Path("a.db"),), [Attempt("open", "a.db")], id="sqlite-path"),
        pytest.param("sqlite3.connect", (":memory:",), [], id="sqlite-in-memory"),
        pytest.param("sqlite3.connect", ("",), [], id="sqlite-temporary"),
        pytest.param("sqlite3.connect", (7,), [], id="sqlite-refused"),
        pytest.param("sqlite3.connect", ("file:a.db?mode=ro",), [Attempt("open", "a.db")], id="sqlite-uri"),
        pytest.param(
            "sqlite3.connect",
            ("file:///v/a%20b.db",),
            [Attempt("open", "/v/a b.db")],
            id="sqlite-uri-absolute",
        ),
        pytest.param(
            "sqlite3.connect", ("file:a?mode=memory&cache=shared",), [], id="sqlite-uri-in-memory-by-name"
        ),
        pytest.param("sqlite3.connect", ("file::memory:",), [], id="sqlite-uri-in-memory"),
        pytest.param("sqlite3.connect", ("file:",), [], id="sqlite-uri-temporary"),
    ],
)
def test_what_an_event_attempts(event: str, args: tuple[Any, ...], attempts: list[Attempt]) -> None:
    assert list(DECISIONS[event](*args)) == attempts


# -------------------------------------------------------------------------------------------------- paths


class Named(str):
    """What it says of itself is not what it is."""

    __slots__ = ()

    def __str__(self) -> str:
        return "elsewhere"


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        pytest.param("/a/b", "/a/b", id="absolute"),
        pytest.param("/a//b/./c/", "/a/b/c", id="untidy"),
        pytest.param(b"/a/\xff", "/a/\udcff", id="bytes"),
        pytest.param(Named("/a/b"), "/a/b", id="subclass-of-str"),
        pytest.param(Path("/a/b"), None, id="path-that-was-not-taken-apart"),
        pytest.param(None, None, id="none"),
        pytest.param(9999, None, id="closed-descriptor"),
        pytest.param("/proc/self/fd/x", None, id="no-number"),
        pytest.param("/dev/fd/9999", None, id="closed-descriptor-by-name"),
    ],
)
def test_an_argument_means_a_path(path: object, resolved: str | None) -> None:
    assert resolve(path, -1) == resolved


def test_a_relative_path_starts_at_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("a/../b", -1) == f"{os.path.realpath(tmp_path)}/b"


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="paths of descriptors are read from /proc")


@needs_proc
def test_a_relative_path_starts_at_the_descriptor_of_a_directory(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        real = os.path.realpath(tmp_path)
        assert resolve("a", descriptor) == f"{real}/a"
        assert resolve("/a", descriptor) == "/a"
        assert resolve(descriptor, -1) == real
        for name in ("/proc/self/fd", "/dev/fd"):
            assert resolve(f"{name}/{descriptor}", -1) == real
    finally:
        os.close(descriptor)
    assert resolve("a", descriptor) is None


@needs_proc
def test_a_descriptor_of_no_file_names_no_path(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "a").open("w") as file:
        os.unlink(file.name)
        assert resolve(file.fileno(), -1) is None
    assert resolve(reading, -1) is None
    os.close(reading)
    os.close(writing)


def test_in_a_deleted_working_directory_a_relative_path_means_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    os.rmdir(tmp_path / "gone")
    assert resolve("a", -1) is None
    assert resolve("/a", -1) == "/a"


def test_links_are_followed_to_what_may_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to(tmp_path / "d" / ".." / "third")
    (tmp_path / "round").symlink_to("round")
    assert follow_links(str(tmp_path / "first")) == str(tmp_path / "third")
    assert follow_links(str(tmp_path / "third")) == str(tmp_path / "third")
    assert follow_links(str(tmp_path / "round")) == str(tmp_path / "round")


def test_a_look_at_a_path_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    (tmp_path / "l").symlink_to("a")
    found = os.lstat(tmp_path / "l")
    assert look(str(tmp_path / "l")) == (
        *(found.st_dev, found.st_ino, found.st_mode, found.st_uid, found.st_gid, 1),
        *(found.st_mtime_ns, found.st_ctime_ns),
    )
    assert look(str(tmp_path / "missing")) is None
    assert look("a\0b") is None


# ---------------------------------------------------------------------------------------------- recording


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


@pytest.mark.parametrize(
    ("event", "args", "command"),
    [
        pytest.param(
            "subprocess.Popen", ("/bin/sh", ["sh", "-c", "true"], None, None), "sh -c true", id="popen"
        ),
        pytest.param("subprocess.Popen", ("/bin/sh", "true", None, None), "true", id="popen-text"),
        pytest.param("subprocess.Popen", ("/bin/sh", [], None, None), "/bin/sh", id="popen-program"),
        pytest.param("os.posix_spawn", ("/bin/sh", [b"sh", Path("x")], {}), "sh x", id="posix-spawn"),
        pytest.param("os.spawn", (0, "sh", ("sh", "a"), None), "sh a", id="spawn"),
        pytest.param("os.system", (b"echo a > b",), "echo a > b", id="system"),
        pytest.param("os.startfile", ("a.pdf", "open"), "a.pdf", id="startfile"),
        pytest.param("os.spawn", (0, "sh", ("sh", object()), None), "sh ?", id="spawn-strange"),
        pytest.param("os.fork", (), "fork", id="fork"),
        pytest.param("os.forkpty", (), "fork", id="forkpty"),
        pytest.param("os.system", ("x" * 1000,), "x" * 200, id="long"),
    ],
)
def test_the_command_of_a_child(event: str, args: tuple[Any, ...], command: str) -> None:
    assert SPAWNS[event](*args) == command


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
