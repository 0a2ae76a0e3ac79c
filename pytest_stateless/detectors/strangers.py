"""Finds the files that programs write which are older than the first window and no children of this process.

What reads the tests' output and keeps it in the project (``pytest | tee log.txt``), a server of the user's: they write
while tests run, and must not be taken for a child of one. Linux only; nothing elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from typing import Final, NamedTuple


class _Real:
    """Held where no mock and no faked file system replaces them."""

    listdir = staticmethod(os.listdir)
    lstat = staticmethod(os.lstat)
    readlink = staticmethod(os.readlink)
    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    getpid = staticmethod(os.getpid)


_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100  # in a second
_WRITABLE: Final = 0o200  # of the link that stands for a descriptor in /proc


class _Process(NamedTuple):
    parent: int
    started: float
    """In seconds since the system did."""


def written_by_strangers(paths: Container[str], since: float) -> frozenset[str]:
    """Which of the paths are open for writing in a process that started before ``since`` and is no child of ours.

    ``since`` is in seconds since the system started.
    """
    found = dict(_processes())
    ours = _Real.getpid()
    return frozenset(
        path
        for number, process in found.items()
        if process.started <= since and not _descends(number, ours, found)
        for path in _written_by(number)
        if path in paths
    )


def _processes() -> Iterator[tuple[int, _Process]]:
    try:
        names = _Real.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit():
            try:
                yield int(name), parse_process(_read(f"/proc/{name}/stat"))
            except (OSError, ValueError, IndexError):  # it ended
                continue


def _read(path: str) -> bytes:
    descriptor = _Real.open(path, os.O_RDONLY)
    try:
        return _Real.read(descriptor, 4096)
    finally:
        _Real.close(descriptor)


def parse_process(stat: bytes) -> _Process:
    """The parent and the time of the start, from proc_pid_stat(5). The program's name may hold any character."""
    fields = stat[stat.rindex(b")") + 1 :].split()
    return _Process(int(fields[1]), int(fields[19]) / _TICKS)


def _descends(number: int, ancestor: int, known: dict[int, _Process]) -> bool:
    for _ in known:
        if number == ancestor:
            return True
        process = known.get(number)
        if process is None:
            return False
        number = process.parent
    return False


def _written_by(number: int) -> Iterator[str]:
    directory = f"/proc/{number}/fd"
    try:
        for name in _Real.listdir(directory):
            link = f"{directory}/{name}"
            if _Real.lstat(link).st_mode & _WRITABLE:
                yield _Real.readlink(link)
    except OSError:  # it ended, or is another user's
        return
