"""Every door to the file system that Python has, on a real disk, and the well-behaved twins of what leaks."""
# ruff: noqa: SIM115 - how a file is opened is what is tested

from __future__ import annotations

import codecs
import dbm.dumb
import importlib
import io
import logging
import os
import py_compile
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
import threading
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.detectors import Context, Detector, file_write
from pytest_stateless.leak import Leak, Owner
from pytest_stateless.noted import State

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the table was measured on Linux")


@dataclass(frozen=True)
class Door:
    """One way to change the file system: what is there before, what is done, what is told."""

    do: Callable[[Path], object]
    told: dict[str, str]
    prepare: Callable[[Path], object] = lambda root: None


def text(name: str, content: str = "before") -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(content)


def existing(*names: str) -> Callable[[Path], object]:
    return lambda root: [(root / name).write_text("before") for name in names]


def within_directory(root: Path, do: Callable[[int], object]) -> None:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        do(descriptor)
    finally:
        os.close(descriptor)


def within_directory_for_writing(path: Path, do: Callable[[int], object]) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        do(descriptor)
    finally:
        os.close(descriptor)


def write_under_another_name(root: Path) -> None:
    os.link(root / "a", root / "tmp" / "a")
    (root / "tmp" / "a").write_text("x")


def at_the_same_time(path: Path, act: Callable[[], object]) -> None:
    found = os.stat(path)
    act()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def close(opened: Any) -> None:
    opened.write("x" if isinstance(opened, io.TextIOBase | codecs.StreamReaderWriter) else b"x")
    opened.close()


def os_open(path: Any, flags: int = os.O_WRONLY | os.O_CREAT, **more: Any) -> None:
    descriptor = os.open(path, flags, 0o644, **more)
    os.write(descriptor, b"x")
    os.close(descriptor)


def log(root: Path) -> None:
    handler = logging.FileHandler(root / "a")
    handler.emit(logging.LogRecord("a", logging.INFO, "a", 1, "x", None, None))
    handler.close()


def named_temporary(root: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=root, delete=False, prefix="a") as file:
        os.rename(file.name, root / "a")


def codecs_open(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since 3.14
        close(codecs.open(str(root / "a"), "w", "utf-8"))


def in_a_thread(root: Path) -> None:
    thread = threading.Thread(target=(root / "a").write_text, args=("x",))
    thread.start()
    thread.join()


def make_and_write(root: Path) -> None:
    os.makedirs(root / "a")
    (root / "a" / "b").write_text("x")


def remove_entries(root: Path) -> None:
    for entry in os.scandir(root):
        os.remove(entry)


def write_after_chdir(root: Path) -> None:
    os.chdir("d")
    close(open("a", "w"))


def zipped(root: Path) -> None:
    with zipfile.ZipFile(root / "a", "w") as archive:
        archive.writestr("x", "x")


def dumb_database(root: Path) -> None:
    with dbm.dumb.open(str(root / "a"), "n") as database:
        database[b"x"] = b"x"


def bind_unix(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(os.path.relpath(root / "a"))  # a path as long as a test's would not fit


def sqlite(database: Any, **more: Any) -> None:
    connection = sqlite3.connect(database, **more)
    connection.execute("create table t (x)")
    connection.commit()
    connection.close()


def trace(root: Path) -> None:
    tracemalloc.start()
    try:
        tracemalloc.take_snapshot().dump(str(root / "a"))
    finally:
        tracemalloc.stop()


def link_to(target: str, name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).symlink_to(root / target)


def all_of(*prepare: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [one(root) for one in prepare]


def directory(*names: str) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        for name in names:
            (root / name).mkdir()

    return make


class Spelled(str):
    """A path as some libraries have it."""

    __slots__ = ()

    def __str__(self) -> str:
        return "elsewhere"


CREATED = {"a": "created"}
DOORS = {
    "open-w": Door(lambda r: close(open(r / "a", "w")), CREATED),
    "open-a": Door(lambda r: close(open(r / "a", "a")), {"a": "modified"}, existing("a")),
    "open-rplus": Door(lambda r: close(open(r / "a", "r+")), {"a": "modified"}, text("a", "y")),
    "open-rplus-with-the-time-put-back": Door(
        lambda r: at_the_same_time(r / "a", lambda: close(open(r / "a", "r+"))),
        {"a": "modified"},
        text("a", "y"),
    ),
    "open-w-empties": Door(lambda r: open(r / "a", "w").close(), {"a": "truncated"}, existing("a")),
    "open-x-bytes-path": Door(lambda r: close(open(os.fsencode(r / "a"), "xb")), CREATED),
    "open-subclass-of-str": Door(lambda r: close(open(Spelled(r / "a"), "w")), CREATED),
    "open-relative": Door(lambda r: close(open("a", "w")), CREATED),
    "open-through-dots": Door(lambda r: close(open("d/.././a", "w")), CREATED, directory("d")),
    "open-after-chdir": Door(write_after_chdir, {"d/a": "created"}, directory("d")),
    "os-open": Door(lambda r: os_open(r / "a"), CREATED),
    "os-open-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os_open("a", dir_fd=fd)),
        {"d/a": "created"},
        directory("d"),
    ),
    "opener-dir-fd": Door(
        lambda r: within_directory(
            r / "d",
            lambda fd: close(
                open("a", "w", opener=lambda path, flags: os.open(path, flags, 0o644, dir_fd=fd))
            ),
        ),
        {"d/a": "created"},
        directory("d"),
    ),
    "open-descriptor-of-file": Door(
        lambda r: close(open(os.open(r / "a", os.O_WRONLY | os.O_CREAT), "w")), CREATED
    ),
    "open-through-link": Door(
        lambda r: close(open(r / "l", "w")), {"a": "modified"}, all_of(text("a", "before"), link_to("a", "l"))
    ),
    "open-through-dangling-link": Door(lambda r: close(open(r / "l", "w")), CREATED, link_to("a", "l")),
    "open-through-link-in-tmp": Door(
        lambda r: close(open(r / "tmp" / "l", "w")), CREATED, all_of(directory("tmp"), link_to("a", "tmp/l"))
    ),
    "open-through-linked-directory": Door(
        lambda r: close(open(r / "l" / "a", "w")),
        {"d/a": "created"},
        all_of(directory("d"), link_to("d", "l")),
    ),
    "reopen-descriptor": Door(
        lambda r: within_directory(r / "a", lambda fd: close(open(f"/proc/self/fd/{fd}", "r+"))),
        {"a": "modified"},
        text("a", ""),
    ),
    "pathlib-write-text": Door(lambda r: (r / "a").write_text("x"), CREATED),
    "pathlib-touch-new": Door(lambda r: (r / "a").touch(), CREATED),
    "pathlib-touch-old": Door(
        lambda r: (r / "a").touch(),
        {"a": "time of modification changed"},
        all_of(existing("a"), lambda r: os.utime(r / "a", (1, 1))),
    ),
    "io-fileio": Door(lambda r: close(io.FileIO(str(r / "a"), "w")), CREATED),
    "codecs-open": Door(codecs_open, CREATED),
    "shutil-copyfile": Door(lambda r: shutil.copyfile(r / "b", r / "a"), CREATED, existing("b")),
    "shutil-copy2": Door(lambda r: shutil.copy2(r / "b", r / "a"), CREATED, existing("b")),
    "shutil-copytree": Door(
        lambda r: shutil.copytree(r / "d", r / "e"),
        {"e/a": "created"},
        all_of(directory("d"), existing("d/a")),
    ),
    "shutil-make-archive": Door(
        lambda r: shutil.make_archive(str(r / "a"), "zip", r / "d"), {"a.zip": "created"}, directory("d")
    ),
    "logging-file-handler": Door(log, CREATED),
    "tempfile-named": Door(named_temporary, {"a": "renamed from *"}),
    "tempfile-directory": Door(
        lambda r: os.rename(tempfile.mkdtemp(dir=r), r / "a"), {"a": "renamed from *"}
    ),
    "zipfile": Door(zipped, CREATED),
    "dbm-dumb": Door(dumb_database, {"a.dat": "created", "a.dir": "created", "a.bak": "renamed from a.dir"}),
    "tracemalloc-dump": Door(trace, CREATED),
    "os-truncate": Door(lambda r: os.truncate(r / "a", 0), {"a": "truncated"}, existing("a")),
    "os-truncate-descriptor": Door(
        lambda r: within_directory_for_writing(r / "a", lambda fd: os.ftruncate(fd, 2)),
        {"a": "modified"},
        existing("a"),
    ),
    "os-chmod": Door(
        lambda r: os.chmod(r / "a", 0o600), {"a": "mode changed to 0600, was 0644"}, existing("a")
    ),
    "os-setxattr": Door(
        lambda r: os.setxattr(r / "a", "user.a", b"x"), {"a": "extended attributes changed"}, existing("a")
    ),
    "os-removexattr": Door(
        lambda r: os.removexattr(r / "a", "user.a"),
        {"a": "extended attributes changed"},
        all_of(existing("a"), lambda r: os.setxattr(r / "a", "user.a", b"x")),
    ),
    "os-chmod-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.chmod("a", 0o600, dir_fd=fd)),
        {"d/a": "mode changed to 0600, was 0644"},
        all_of(directory("d"), existing("d/a")),
    ),
    "os-chmod-through-link": Door(
        lambda r: os.chmod(r / "l", 0o600),
        {"a": "mode changed to 0600, was 0644"},
        all_of(existing("a"), link_to("a", "l")),
    ),
    "os-fchmod": Door(
        lambda r: within_directory(r / "a", lambda fd: os.fchmod(fd, 0o600)),
        {"a": "mode changed to 0600, was 0644"},
        existing("a"),
    ),
    "chmod-directory": Door(
        lambda r: (r / "d").chmod(0o700), {"d": "mode changed to 0700, was 0755"}, directory("d")
    ),
    "os-utime": Door(
        lambda r: os.utime(r / "a", (1, 1)), {"a": "time of modification changed"}, existing("a")
    ),
    "os-utime-descriptor": Door(
        lambda r: within_directory(r / "a", lambda fd: os.utime(fd, (1, 1))),
        {"a": "time of modification changed"},
        existing("a"),
    ),
    "os-utime-of-a-link": Door(
        lambda r: os.utime(r / "l", (1, 1), follow_symlinks=False),
        {"l": "time of modification changed"},
        all_of(existing("a"), link_to("a", "l")),
    ),
    "shutil-move": Door(
        lambda r: shutil.move(r / "a", r / "b"), {"a": "renamed to b", "b": "renamed from a"}, existing("a")
    ),
    "shutil-rmtree": Door(
        lambda r: shutil.rmtree(r / "d"), {"d/a": "deleted"}, all_of(directory("d"), existing("d/a"))
    ),
    "os-rename": Door(
        lambda r: os.rename(r / "a", r / "b"), {"a": "renamed to b", "b": "renamed from a"}, existing("a")
    ),
    "os-replace": Door(
        lambda r: os.replace(r / "a", r / "b"),
        {"a": "renamed to b", "b": "replaced by a"},
        all_of(existing("a"), text("b", "other")),
    ),
    "os-link-into-tmp-and-write-there": Door(
        write_under_another_name,
        {"a": "modified"},
        all_of(directory("tmp"), existing("a")),
    ),
    "os-rename-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.rename("a", "b", src_dir_fd=fd, dst_dir_fd=fd)),
        {"d/a": "renamed to d/b", "d/b": "renamed from d/a"},
        all_of(directory("d"), existing("d/a")),
    ),
    "os-rename-into-tmp": Door(
        lambda r: os.rename(r / "a", r / "tmp" / "a"),
        {"a": "renamed to tmp/a"},
        all_of(directory("tmp"), existing("a")),
    ),
    "os-link": Door(lambda r: os.link(r / "b", r / "a"), {"a": "created (hard link to b)"}, existing("b")),
    "os-link-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.link("b", "a", src_dir_fd=fd, dst_dir_fd=fd)),
        {"d/a": "created (hard link to d/b)"},
        all_of(directory("d"), existing("d/b")),
    ),
    "os-symlink": Door(lambda r: os.symlink("b", r / "a"), {"a": "created (symbolic link)"}),
    "os-symlink-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.symlink("b", "a", dir_fd=fd)),
        {"d/a": "created (symbolic link)"},
        directory("d"),
    ),
    "os-mkdir": Door(lambda r: os.mkdir(r / "a"), {"a": "created (directory)"}),
    "os-mkdir-trailing-slash": Door(lambda r: os.mkdir(f"{r}/a/"), {"a": "created (directory)"}),
    "os-mkdir-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.mkdir("a", dir_fd=fd)),
        {"d/a": "created (directory)"},
        directory("d"),
    ),
    "os-makedirs": Door(lambda r: os.makedirs(r / "a" / "b"), {"a/b": "created (directory)"}),
    "makedirs-and-write": Door(make_and_write, {"a/b": "created"}),
    "os-rmdir": Door(lambda r: os.rmdir(r / "d"), {"d": "deleted"}, directory("d")),
    "os-unlink": Door(lambda r: os.unlink(r / "a"), {"a": "deleted"}, existing("a")),
    "os-unlink-link": Door(
        lambda r: os.unlink(r / "l"), {"l": "deleted"}, all_of(existing("a"), link_to("a", "l"))
    ),
    "os-unlink-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.unlink("a", dir_fd=fd)),
        {"d/a": "deleted"},
        all_of(directory("d"), existing("d/a")),
    ),
    "os-remove-entry-of-scandir": Door(remove_entries, {"a": "deleted"}, existing("a")),
    "os-mkfifo": Door(lambda r: os.mkfifo(r / "a"), {"a": "created (fifo)"}),
    "os-mkfifo-dir-fd": Door(
        lambda r: within_directory(r / "d", lambda fd: os.mkfifo("a", dir_fd=fd)),
        {"d/a": "created (fifo)"},
        directory("d"),
    ),
    "os-mknod": Door(lambda r: os.mknod(r / "a", stat.S_IFIFO | 0o644), {"a": "created (fifo)"}),
    "bind-unix": Door(bind_unix, {"a": "created (socket)"}),
    "sqlite": Door(lambda r: sqlite(str(r / "a")), CREATED),
    "sqlite-path": Door(lambda r: sqlite(r / "a"), CREATED),
    "sqlite-uri": Door(lambda r: sqlite(f"file:{r}/a%20b?mode=rwc", uri=True), {"a b": "created"}),
    "sqlite-insert": Door(lambda r: sqlite(r / "a"), {"a": "modified"}, text("a", "")),
}


def lines_of(function: Any) -> set[int]:
    """The lines that a function's code, and that of the functions written in it, lies on."""
    first, lines = function.__code__, set()
    codes = [first]
    while codes:
        code = codes.pop()
        lines |= {line for _, _, line in code.co_lines() if line}
        codes += [constant for constant in code.co_consts if hasattr(constant, "co_lines")]
    return lines


@pytest.fixture(params=[True, False], ids=["watched", "unwatched"])
def context(context: Context, request: pytest.FixtureRequest) -> Context:
    """With and without what sees changes whoever makes them: the same is told of Python's own writes."""
    if not request.param:
        context.watches = None
    return context


@pytest.fixture(autouse=True)
def _in_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(project)
    before = os.umask(0o022)
    yield
    os.umask(before)


HELPERS = lines_of(os_open) | lines_of(sqlite) | lines_of(within_directory_for_writing)


def check(leaks: list[Leak], told: dict[str, str]) -> None:
    assert sorted(leak.subject for leak in leaks) == sorted(told)
    for leak in leaks:
        assert fnmatchcase(leak.message, told[leak.subject]), leak


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_every_door_is_seen_with_the_line_that_did_it(door: Door, project: Path, left_by: LeftBy) -> None:
    door.prepare(project)
    leaks = [leak for leak in left_by(file_write, lambda: door.do(project)) if "by-import" not in leak.traits]
    check(leaks, door.told)
    for leak in leaks:
        assert leak.origin is not None
        assert leak.origin.file == __file__
        assert leak.origin.line in lines_of(door.do) | HELPERS
        assert leak.owner is Owner.APPLICATION
        assert leak.traits == set()


def test_a_thread_without_a_line_of_the_users_is_seen_without_one(project: Path, left_by: LeftBy) -> None:
    leaks = left_by(file_write, lambda: in_a_thread(project))
    check(leaks, CREATED)
    assert leaks[0].origin is None
    assert leaks[0].owner is Owner.UNKNOWN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_given_to_somebody_else_is_told(project: Path, left_by: LeftBy) -> None:
    existing("a", "b", "c")(project)
    os.symlink("c", "l")

    def give_away() -> None:
        os.chown("a", 1, 2)
        within_directory(project / "b", lambda descriptor: os.fchown(descriptor, 1, 2))
        os.lchown("l", 1, 2)

    told = "owner changed to 1:2, was 0:0"
    check(left_by(file_write, give_away), {"a": told, "b": told, "l": told})


# ------------------------------------------------------------------------------ descriptors opened before


def append(descriptor: int) -> None:
    os.lseek(descriptor, 0, os.SEEK_END)
    os.write(descriptor, b"more")


def append_to_file_object(descriptor: int) -> None:
    with open(descriptor, "a", closefd=False) as file:
        file.write("more")


def truncate_file_object(descriptor: int) -> None:
    with open(descriptor, "r+", closefd=False) as file:
        file.truncate(2)


def copy_in(copy: Callable[[int, int], object]) -> Callable[[int], None]:
    def do(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_END)
        with open(__file__, "rb") as file:
            copy(file.fileno(), descriptor)

    return do


GROWN = "modified through a descriptor opened before, +4 bytes"
BEFORE: dict[str, tuple[Callable[[int], object], str]] = {
    "write": (append, GROWN),
    "pwrite": (lambda fd: os.pwrite(fd, b"more", 6), GROWN),
    "writev": (lambda fd: os.writev(fd, [b"before", b"more"]), GROWN),
    "file-object": (append_to_file_object, "modified"),
    "truncate-file-object": (truncate_file_object, "modified"),
    "ftruncate": (lambda fd: os.ftruncate(fd, 2), "modified"),
    "ftruncate-to-nothing": (lambda fd: os.ftruncate(fd, 0), "truncated"),
    "fallocate": (lambda fd: os.posix_fallocate(fd, 0, 10), GROWN),
    "sendfile": (copy_in(lambda source, target: os.sendfile(target, source, 0, 4)), GROWN),
    "copy-file-range": (copy_in(lambda source, target: os.copy_file_range(source, target, 4)), GROWN),
}


@pytest.mark.parametrize(("do", "told"), BEFORE.values(), ids=BEFORE)
def test_a_write_through_a_descriptor_opened_before_is_seen(
    do: Callable[[int], object], told: str, project: Path, left_by: LeftBy
) -> None:
    existing("a")(project)
    descriptor = os.open("a", os.O_RDWR)
    try:
        check(left_by(file_write, lambda: do(descriptor)), {"a": told})
    finally:
        os.close(descriptor)


def time_put_back(descriptor: int) -> None:
    found = os.fstat(descriptor)
    os.pwrite(descriptor, b"AFTER!", 0)
    os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))


def put_back_there(descriptor: int) -> None:
    append(descriptor)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"before", 0)


def put_back_by_writes(descriptor: int) -> None:
    os.pwrite(descriptor, b"AFTER!", 0)
    os.pwrite(descriptor, b"before", 0)


def put_back_but_for_the_mode(descriptor: int) -> None:
    put_back_there(descriptor)
    os.fchmod(descriptor, 0o600)


@pytest.mark.parametrize(
    ("do", "access", "told"),
    [
        pytest.param(put_back_there, os.O_RDWR, {}, id="put-back"),
        pytest.param(put_back_by_writes, os.O_RDWR, {}, id="put-back-without-an-event"),
        pytest.param(put_back_there, os.O_WRONLY, {"a": "modified"}, id="put-back-that-may-not-be-read"),
        pytest.param(
            put_back_but_for_the_mode, os.O_RDWR, {"a": "mode changed to 0600, was 0644"}, id="mode-is-not"
        ),
        pytest.param(
            lambda fd: os.pwrite(fd, b"AFTER!", 0), os.O_RDWR, {"a": "modified through *"}, id="same-length"
        ),
        pytest.param(time_put_back, os.O_RDWR, {"a": "modified"}, id="time-put-back"),
    ],
)
def test_what_is_in_a_short_file_that_is_open_for_reading_too_decides(
    do: Callable[[int], object], access: int, told: dict[str, str], project: Path, left_by: LeftBy
) -> None:
    existing("a")(project)
    os.utime("a", ns=(0, 10**18))  # on some systems, two writes in a row have the same time
    descriptor = os.open("a", access)
    try:
        check(left_by(file_write, lambda: do(descriptor)), told)
    finally:
        os.close(descriptor)


def test_of_open_files_those_that_count_are_read(project: Path, recorded: Context) -> None:
    (project / "tmp").mkdir()
    existing("a", "tmp/a")(project)
    with open("a", "r+"), open("tmp/a", "r+"):
        found = file_write.capture(recorded).held_contents
    assert [file.path for file in found] == [f"{project}/a"]


def test_a_file_that_was_written_often_is_read_once(
    project: Path, recorded: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    existing("a")(project)
    for _ in range(3):
        (project / "a").write_text("AFTER!")
    reads: list[str] = []

    def now(path: str, state: State) -> int:
        reads.append(path)
        return 7

    monkeypatch.setattr(recorded.recording.contents, "now", now)
    assert file_write.capture(recorded).contents == {f"{project}/a": 7}
    assert reads == [f"{project}/a"]


def test_a_log_opened_before_is_seen(project: Path, left_by: LeftBy) -> None:
    handler = logging.FileHandler("log")
    try:
        record = logging.LogRecord("a", logging.INFO, "a", 1, "x", None, None)
        check(
            left_by(file_write, lambda: handler.emit(record)),
            {"log": "modified through a descriptor opened before, +2 bytes"},
        )
    finally:
        handler.close()


def test_a_database_opened_before_is_seen(project: Path, left_by: LeftBy) -> None:
    with closing(sqlite3.connect("db")) as connection:
        connection.execute("create table t (x)")

        def insert() -> None:
            connection.execute("insert into t values (1)")
            connection.commit()

        check(left_by(file_write, insert), {"db": "modified through a descriptor opened before*"})


# ---------------------------------------------------------------------------------------- shared memory


@pytest.fixture
def block() -> Iterator[Callable[[], SharedMemory]]:
    made: list[SharedMemory] = []

    def make(name: str | None = None) -> SharedMemory:
        made.append(SharedMemory(name, create=True, size=16))
        return made[-1]

    yield make
    for memory in made:
        memory.close()
        with suppress(FileNotFoundError):
            memory.unlink()


def test_shared_memory_is_created_under_a_name_that_is_the_same_on_every_run(
    block: Callable[..., SharedMemory], left_by: LeftBy
) -> None:
    (leak,) = left_by(file_write, block)
    assert (leak.subject, leak.message) == ("/dev/shm/psm_*", "created")
    assert leak.origin is not None
    assert leak.origin.file == __file__


def test_shared_memory_keeps_the_name_that_it_was_given(
    block: Callable[..., SharedMemory], left_by: LeftBy
) -> None:
    name = f"stateless-{os.getpid()}"
    check(left_by(file_write, lambda: block(name)), {f"/dev/shm/{name}": "created"})


def test_shared_memory_that_was_unlinked_is_no_leak(
    block: Callable[..., SharedMemory], left_by: LeftBy
) -> None:
    assert left_by(file_write, lambda: block().unlink()) == []


# ------------------------------------------------------------------------------------ well-behaved twins


def put_back(root: Path) -> None:
    os.rename(root / "a", root / "b")
    os.rename(root / "b", root / "a")


def chmod_and_back(root: Path) -> None:
    os.chmod(root / "a", 0o600)
    os.chmod(root / "a", 0o644)


def utime_and_back(root: Path) -> None:
    found = os.stat(root / "a")
    (root / "a").touch()
    os.utime(root / "a", ns=(found.st_atime_ns, found.st_mtime_ns))


def rewrite(path: Path) -> None:
    text = path.read_text()
    path.write_text("meanwhile")
    path.write_text(text)


def replace_by_the_same(path: Path) -> None:
    path.with_suffix(".new").write_text(path.read_text())
    os.replace(path.with_suffix(".new"), path)


def delete_and_make_anew(path: Path) -> None:
    text = path.read_text()
    path.unlink()
    path.write_text(text)


def write_in_deleted_directory(root: Path) -> None:
    (root / "gone").mkdir()
    os.chdir(root / "gone")
    os.rmdir(root / "gone")
    with suppress(FileNotFoundError):
        open("a", "w").close()
    os.chdir(root)


def created_and_deleted(root: Path) -> None:
    (root / "new").mkdir()
    (root / "new" / "a").write_text("x")
    shutil.rmtree(root / "new")


def made_by_two_names(root: Path) -> None:
    (root / "l" / "new").write_text("x")
    (root / "d" / "new").unlink()


def anonymous(root: Path) -> None:
    with tempfile.TemporaryFile(dir=root) as file:
        file.write(b"x")


def refused(root: Path) -> None:
    for attempt in (
        lambda: os.mkdir(root / "d"),
        lambda: os.rmdir(root / "d"),  # it isn't empty
        lambda: os.rename(root / "missing", root / "b"),
        lambda: open(root / "missing" / "a", "w"),
        lambda: open(root / "a", "x"),
        lambda: os.mkfifo(root / "a"),
        lambda: os.open("a\0b", os.O_WRONLY),
    ):
        with suppress(OSError, ValueError):
            attempt()


TWINS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda r: None,
    "read": lambda r: (r / "a").read_text(),
    "read-through-link": lambda r: (r / "l" / "a").read_text(),
    "read-write-without-a-write": lambda r: open(r / "a", "r+").close(),
    "append-nothing": lambda r: open(r / "a", "a").close(),
    "os-open-without-a-write": lambda r: os.close(os.open(r / "a", os.O_RDWR | os.O_CREAT)),
    "os-open-dir-fd-for-reading": lambda r: within_directory(
        r, lambda fd: os.close(os.open("a", os.O_RDONLY, dir_fd=fd))
    ),
    "stat-and-list": lambda r: (os.stat(r / "a"), os.listdir(r), list(r.rglob("*"))),
    "makedirs-exist-ok": lambda r: os.makedirs(r / "d", exist_ok=True),
    "created-and-deleted": created_and_deleted,
    "created-and-deleted-by-another-name": made_by_two_names,
    "put-back": put_back,
    "written-with-the-same": lambda r: (r / "a").write_text("before"),
    "rewritten-and-back": lambda r: rewrite(r / "a"),
    "long-rewritten-and-back": lambda r: rewrite(r / "long"),
    "replaced-by-the-same": lambda r: replace_by_the_same(r / "a"),
    "deleted-and-made-anew": lambda r: delete_and_make_anew(r / "a"),
    "linked-into-a-temporary-directory": lambda r: os.link(r / "a", r / "tmp" / "a"),
    "chmod-to-the-same": lambda r: os.chmod(r / "a", 0o644),
    "chmod-and-back": chmod_and_back,
    "chown-to-the-same": lambda r: os.chown(r / "a", os.getuid(), os.getgid()),
    "utime-and-back": utime_and_back,
    "temporary-file-without-a-name": anonymous,
    "named-temporary-file-that-is-closed": lambda r: tempfile.NamedTemporaryFile(dir=r).close(),
    "below-a-temporary-directory": lambda r: (r / "tmp" / "a").write_text("x"),
    "beside-the-project": lambda r: (r.parent / "a").write_text("x"),
    "through-a-link-to-a-temporary-directory": lambda r: (r / "to-tmp" / "a").write_text("x"),
    "in-a-deleted-directory": write_in_deleted_directory,
    "devices": lambda r: open("/dev/null", "w").close(),
    "sqlite-in-memory": lambda r: sqlite(":memory:"),
    "sqlite-read": lambda r: sqlite_read(r / "db"),
    "pipe": lambda r: os.close(os.dup(1)),
    "refused": refused,
}


def sqlite_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("select * from sqlite_master").fetchall()


@pytest.mark.parametrize("act", TWINS.values(), ids=TWINS)
def test_nothing_is_said_of_what_leaves_nothing(
    act: Callable[[Path], object], project: Path, left_by: LeftBy
) -> None:
    directory("d", "tmp")(project)
    existing("a", "d/a", "long")(project)
    os.truncate(project / "long", 2 << 20)
    link_to("d", "l")(project)
    link_to("tmp", "to-tmp")(project)
    sqlite(project / "db")
    assert left_by(file_write, lambda: act(project)) == []


def test_an_import_is_marked_as_such(project: Path, left_by: LeftBy, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "imported_here.py").write_text("X = 1")
    monkeypatch.syspath_prepend(project)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    try:
        leaks = left_by(file_write, lambda: importlib.import_module("imported_here"))
    finally:
        sys.modules.pop("imported_here", None)
    assert leaks
    assert {leak.traits for leak in leaks} == {frozenset({"by-import"})}


def test_a_module_compiled_by_hand_is_told_as_one_that_an_import_compiles(
    project: Path, left_by: LeftBy
) -> None:
    (leak,) = left_by(file_write, lambda: py_compile.compile(__file__, cfile="a"))
    assert (leak.subject, leak.traits) == ("a", frozenset({"by-import"}))


def test_what_a_tool_writes_is_marked_as_such(project: Path, left_by: LeftBy) -> None:
    tool = compile("open('a', 'w').close()", "/usr/lib/site-packages/coverage/data.py", "exec")
    (leak,) = left_by(file_write, lambda: exec(tool))
    assert leak.traits == {"by-tool"}
