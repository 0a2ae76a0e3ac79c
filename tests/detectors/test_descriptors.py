from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_stateless.detectors import Context, descriptors

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="paths of descriptors are read from /proc")


def test_numbers_lists_what_is_open_and_not_what_was_closed() -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    assert descriptor in descriptors.numbers()
    os.close(descriptor)
    assert descriptors.stat_of(descriptor) is None


def test_numbers_falls_back_to_dev_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_FILES", ("/no/such/directory", "/dev/fd"))
    assert 1 in descriptors.numbers()


def test_numbers_is_empty_where_the_system_shows_no_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_FILES", ("/no/such/directory",))
    assert descriptors.numbers() == []


@pytest.mark.parametrize(
    ("flags", "writable"),
    [
        pytest.param(os.O_RDONLY, False, id="read-only"),
        pytest.param(os.O_WRONLY, True, id="write-only"),
        pytest.param(os.O_RDWR, True, id="read-write"),
        pytest.param(os.O_WRONLY | os.O_APPEND, True, id="append"),
    ],
)
def test_a_file_open_for_writing_is_told_with_its_state(tmp_path: Path, flags: int, writable: bool) -> None:
    path = Path(os.path.realpath(tmp_path)) / "a"
    path.write_text("12345")
    descriptor = os.open(path, flags)
    try:
        found = descriptors.writable_file(descriptor)
    finally:
        os.close(descriptor)
    assert (found is not None) is writable
    if found is not None:
        was = path.stat()
        assert found[0] == str(path)
        assert found[1] == (
            *(was.st_dev, was.st_ino, was.st_mode, was.st_uid, was.st_gid, 5),
            *(was.st_mtime_ns, was.st_ctime_ns),
        )


def test_a_deleted_file_has_no_name_to_tell(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as file:
        os.unlink(file.name)
        assert descriptors.writable_file(file.fileno()) is None


def test_pipes_sockets_directories_and_closed_descriptors_are_no_files(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    directory = os.open(tmp_path, os.O_RDONLY)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for descriptor in (writing, directory, ours.fileno()):
            assert descriptors.writable_file(descriptor) is None
    for descriptor in (reading, writing, directory):
        os.close(descriptor)
    assert descriptors.writable_file(writing) is None


def test_a_file_closed_between_two_looks_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    found = os.fstat(descriptor)
    os.close(descriptor)
    assert stat.S_ISREG(found.st_mode)
    monkeypatch.setattr(descriptors, "stat_of", lambda _: found)
    assert descriptors.writable_file(descriptor) is None


@pytest.mark.parametrize(
    ("answer", "path"),
    [(b"/srv/a\0\0", "/srv/a"), (OSError(), "")],
    ids=["file", "no-file"],
)
def test_where_there_is_no_proc_the_path_is_asked_for(
    answer: bytes | OSError, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fcntl(*_: object) -> bytes:
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(descriptors._Real, "readlink", refuse)
    monkeypatch.setattr(descriptors._Real, "fcntl", fcntl)
    assert descriptors.link_of(1) == ""  # on a system without F_GETPATH
    monkeypatch.setattr(descriptors, "_GET_PATH", 50)
    assert descriptors.link_of(1) == path


def refuse(*_: object) -> str:
    raise OSError


def test_where_nothing_can_be_asked_a_descriptor_is_taken_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "a").open("w") as file:
        assert descriptors.access_of(file.fileno()) == os.O_WRONLY
        monkeypatch.setattr(descriptors._Real, "readlink", refuse)
        assert descriptors.writable_file(file.fileno()) is None
        monkeypatch.setattr(descriptors._Real, "fcntl", None)
        assert descriptors.access_of(file.fileno()) == os.O_RDONLY
        assert descriptors.link_of(file.fileno()) == ""


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories that were listed, in order."""
    asked: list[str] = []

    def listdir(directory: str) -> list[str]:
        asked.append(directory)
        return os.listdir(directory)

    monkeypatch.setattr(descriptors._Real, "listdir", listdir)
    return asked


def opened(flags: int = os.O_RDONLY) -> int:
    return os.open(os.devnull, flags)


def exchange(number: int) -> None:
    """Close it and open another that gets its number."""
    os.dup2(spare := os.open("/", os.O_RDONLY), number)
    os.close(spare)


def move(number: int) -> None:
    """As many are open as before, but others."""
    os.dup2(number, number + 100)
    os.close(number)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors are counted, but for the numbers in which other threads wait for connections."""
    if not descriptors._IS_COUNTED:
        pytest.skip("the system doesn't count descriptors")
    count = descriptors._count
    waiting = count() - len([one for one in descriptors._listed() if descriptors.stat_of(one) is not None])
    monkeypatch.setattr(descriptors, "_count", lambda: count() - waiting)


@pytest.mark.parametrize(
    ("act", "lists"),
    [
        pytest.param(lambda number: None, False, id="nothing"),
        pytest.param(lambda number: opened(), True, id="opened"),
        pytest.param(os.close, True, id="closed"),
        pytest.param(move, True, id="closed-and-another-opened"),
        pytest.param(exchange, False, id="another-file-of-the-number"),
    ],
)
@pytest.mark.usefixtures("counted")
def test_the_table_is_what_is_open_whether_it_is_listed_or_not(
    act: Callable[[int], int | None], lists: bool, context: Context, listed: list[str]
) -> None:
    number, made = opened(), None
    try:
        assert number in descriptors.table(context)
        listed.clear()
        made = act(number)
        found = descriptors.table(context)
        assert bool(listed) is lists
        open_now = [one for one in sorted(descriptors.numbers()) if descriptors.stat_of(one) is not None]
        assert list(found) == open_now
        assert all(os.path.samestat(os.fstat(one), state) for one, state in found.items())
    finally:
        for one in {number, number + 100, made}:
            with contextlib.suppress(OSError, TypeError):
                os.close(one)  # type: ignore[arg-type]


def test_a_connection_is_seen_that_gets_the_number_in_which_a_thread_waited_for_it(context: Context) -> None:
    """The number is counted from the beginning of the wait on."""
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        waits = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        before = descriptors._count()
        waits.start()
        for _ in range(1000 * descriptors._IS_COUNTED):
            if descriptors._count() != before:
                break
            time.sleep(0.001)
        descriptors.table(context)
        assert client.fileno() in descriptors.table(context)
        client.connect(server.getsockname())
        waits.join()
        with accepted[0] as connection:
            assert connection.fileno() in descriptors.table(context)


def test_where_descriptors_are_not_counted_they_are_listed_each_time(
    context: Context, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "_IS_COUNTED", False)
    monkeypatch.setattr(descriptors, "_count", lambda: pytest.fail("asked in vain"))
    tables = [descriptors.table(context) for _ in range(3)]
    assert list(tables[0]) == list(tables[1]) == list(tables[2])
    assert len(listed) == 3


def test_nothing_is_counted_where_there_is_no_such_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_FILES", ("/no/such/directory",))
    assert descriptors._count() == 0


@pytest.mark.usefixtures("counted")
def test_the_plugins_own_descriptors_are_in_no_table(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = opened()
    try:
        monkeypatch.setattr(descriptors, "own_descriptors", lambda: frozenset({number}))
        assert number not in descriptors.table(context)
        assert number not in descriptors.table(context)
    finally:
        os.close(number)
