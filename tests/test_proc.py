"""What Linux tells in /proc, and what is said where it tells nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_stateless import proc

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

BETWEEN = " ".join(str(number) for number in range(5, 22))
AFTER = " ".join(str(number) for number in range(23, 53))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param(f"7 (tee) S 4 {BETWEEN} 2200 {AFTER}\n", "tee", id="plain"),
        pytest.param(f"7 (a) S 3 (b) S 4 {BETWEEN} 2200 {AFTER}\n", "a) S 3 (b", id="name-with-parentheses"),
        pytest.param(f"7 (a\n) S 4 {BETWEEN} 2200 {AFTER}\n", "a\n", id="name-of-two-lines"),
    ],
)
def test_a_process_is_read(text: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc, "text", lambda _: text)
    assert proc.stat_of(7) == proc.Stat(name, "S", 4, 2200, ("48", "49"))


@pytest.mark.parametrize("text", ["", "7 (tee) S 4", "nonsense"])
def test_a_process_that_tells_nothing_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc, "text", lambda _: text)
    assert proc.stat_of(7) is None


def command_soon(process: int) -> str:
    """The command line; it isn't there yet when ``Popen`` returns."""
    end = time.monotonic() + 10
    while not proc.command_of(process).line and time.monotonic() < end:
        time.sleep(0.001)
    return proc.command_of(process).line


@on_linux
def test_a_child_is_found_with_its_name_and_command(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "3600"]) as made:
        try:
            found = proc.stat_of(made.pid)
            assert found is not None
            assert found.name == "a) S (b"
            assert found.parent == os.getpid()
            assert made.pid in proc.children_of("self")
            assert made.pid in proc.processes()
            assert command_soon(made.pid) == f"{program} 3600"
            assert proc.link(f"/proc/{made.pid}/exe") == os.path.realpath("/bin/sleep")
        finally:
            made.kill()
    assert made.pid not in proc.children_of("self")


@pytest.mark.parametrize("size", [0, 1, 2048, 2049, 4096, 4097, 70_000])
def test_a_file_is_read_to_its_end(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    assert proc.content(str(path)) == b"x" * size


def test_of_a_long_file_the_beginning_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1_000_000)
    assert len(proc.content(str(path), 4096)) == 4096
    assert 100_000 <= len(proc.content(str(path), 100_000)) < 200_000


def test_bytes_that_are_no_text_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a\xff")
    assert proc.text(str(path)) == "a\ufffd"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/proc/0/stat"])
def test_what_cannot_be_read_is_empty(path: str) -> None:
    assert proc.content(path) == b""
    assert proc.text(path) == ""
    assert proc.link(path) == ""
    assert proc.names("/nowhere") == []


@pytest.mark.parametrize("process", [0, -1])
def test_a_process_that_is_gone_has_nothing(process: int) -> None:
    assert proc.stat_of(process) is None
    assert proc.command_of(process).line == ""
    assert proc.children_of(process) == []


@on_linux
def test_neither_a_mock_nor_what_was_opened_changes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        for name in ("open", "read", "close", "listdir", "readlink"):
            patch.setattr(os, name, None)
        found = proc.text("/proc/self/comm"), proc.names("/proc/self/task"), proc.link("/proc/self")
    assert all(found)
    assert os.listdir("/proc/self/fd") == before
