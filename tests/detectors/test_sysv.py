"""The number of System V objects, as the kernel gives it, beside its tables."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless import proc
from pytest_stateless.detectors import Context, shared_memory, sysv

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc/sysvipc")

LIBC: Any = ctypes.CDLL(None, use_errno=True)
KEY = 4660 + os.getpid()


def rows(kind: str) -> int:
    return proc.text(shared_memory._TABLES[kind][0]).count("\n") - 1


def is_as_the_table_says(kind: str, least: int) -> bool:
    """Whether as many are counted as are in the table, while no other process makes or removes one."""
    for _ in range(100):
        before, counted, after = rows(kind), sysv.count(kind), rows(kind)
        if before == after:
            return counted == before >= least
    return False


@pytest.mark.parametrize(
    ("kind", "make", "remove"),
    [
        pytest.param(
            "SysV memory",
            lambda: LIBC.shmget(KEY, 3 * mmap.PAGESIZE, 0o1600),
            lambda number: LIBC.shmctl(number, 0, None),
            id="memory",
        ),
        pytest.param(
            "SysV queue",
            lambda: LIBC.msgget(KEY, 0o1600),
            lambda number: LIBC.msgctl(number, 0, None),
            id="queue",
        ),
        pytest.param(
            "SysV semaphores",
            lambda: LIBC.semget(KEY, 3, 0o1600),
            lambda number: LIBC.semctl(number, 0, 0),
            id="semaphores",
        ),
    ],
)
def test_as_many_are_counted_as_the_table_has(
    kind: str, make: Callable[[], int], remove: Callable[[int], int]
) -> None:
    assert is_as_the_table_says(kind, 0)
    number = make()
    if number < 0:
        pytest.skip("none of them here")
    try:
        assert is_as_the_table_says(kind, 1)
    finally:
        remove(number)
    assert is_as_the_table_says(kind, 0)


def answering(result: int) -> Any:
    """A C library whose functions tell nothing and return a number."""
    return SimpleNamespace(shmctl=ctypes.CFUNCTYPE(ctypes.c_int)(lambda: result))


def never(_: None) -> Any:
    pytest.fail("asked where that kills the process")


def refuse(_: None) -> Any:
    raise OSError("no such library")


@pytest.mark.parametrize(
    ("platform", "tables", "library"),
    [
        pytest.param("linux", "/proc", lambda _: answering(-1), id="refused"),
        pytest.param("linux", "/proc", lambda _: answering(0), id="told-nothing"),
        pytest.param("linux", "/proc", refuse, id="no-library"),
        pytest.param("linux", "/proc", lambda _: SimpleNamespace(), id="no-function"),
        pytest.param("linux", "/proc/nowhere", never, id="no-tables"),
        pytest.param("darwin", "/proc", never, id="elsewhere"),
    ],
)
def test_where_the_system_does_not_say_the_number_is_not_known(
    platform: str, tables: str, library: Callable[[None], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysv, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(sysv, "_TABLES", tables)
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert sysv._counter("shmctl", (0, 14), 0)() == -1


@pytest.mark.parametrize(
    ("counted", "read"),
    [
        pytest.param(0, False, id="none"),
        pytest.param(1, True, id="some"),
        pytest.param(-1, True, id="unknown"),
    ],
)
def test_the_table_is_read_where_there_may_be_some(
    counted: int, read: bool, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sysv, "count", lambda _: counted)

    def text(path: str) -> str:
        asked.append(path)
        return ""

    monkeypatch.setattr(proc, "text", text)
    list(shared_memory._numbered(context))
    assert bool(asked) is read
