"""Which files other programs write: those that are older than the window and none of our children."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_stateless import proc
from pytest_stateless.detectors.strangers import _descends, written_by_strangers

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[Path]:
    """A file that a process writes whose parent is gone, and one that it reads."""
    written = Path(os.path.realpath(tmp_path)) / "log"
    (written.parent / "read").touch()
    script = f"exec 3<{written.parent}/read; sleep 60 >{written} & echo $!"
    number = int(subprocess.run(["sh", "-c", script], capture_output=False, stdout=subprocess.PIPE).stdout)
    end = time.monotonic() + 10
    while not written.exists() and time.monotonic() < end:
        time.sleep(0.01)
    yield written
    os.kill(number, 9)


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) + 1


@on_linux
def test_a_stranger_that_is_older_writes_what_it_holds_open(orphan: Path) -> None:
    paths = {str(orphan), str(orphan.parent / "read"), str(orphan.parent / "other")}
    assert written_by_strangers(paths, now()) == {str(orphan)}
    assert written_by_strangers(paths, now() - 100) == frozenset()


@on_linux
def test_children_and_this_process_are_no_strangers(tmp_path: Path) -> None:
    path = Path(os.path.realpath(tmp_path)) / "log"
    with path.open("w") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file):
        assert written_by_strangers({str(path)}, now()) == frozenset()


def test_a_system_without_a_list_of_processes_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> list[str]:
        raise FileNotFoundError

    monkeypatch.setattr(proc._Real, "listdir", fail)
    assert written_by_strangers({"/srv/shop/a"}, 1e9) == frozenset()


def test_parents_in_a_circle_lead_to_nobody() -> None:
    # The list is read while processes end, and numbers are given anew.
    known = {one: proc.Stat("a", "S", other, 0, ()) for one, other in ((7, 8), (8, 7))}
    assert not _descends(7, 9, known)
    assert _descends(7, 8, known)
