from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from pytest_stateless.detectors import descriptors

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
