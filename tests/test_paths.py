"""Which paths arguments mean, and what is seen there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_stateless.paths import follow_links, look, resolve


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
