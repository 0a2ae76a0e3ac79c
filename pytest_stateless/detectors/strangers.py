"""Finds the files that programs write which are older than the first window and no children of this process.

What reads the tests' output and keeps it in the project (``pytest | tee log.txt``), a server of the user's: they write
while tests run, and must not be taken for a child of one. Linux only; nothing elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from typing import Final

from pytest_stateless import proc
from pytest_stateless.proc import Stat


class _Real:
    """Held where no mock and no faked file system replaces them."""

    lstat = staticmethod(os.lstat)
    getpid = staticmethod(os.getpid)


_WRITABLE: Final = 0o200  # of the link that stands for a descriptor in /proc


def written_by_strangers(paths: Container[str], since: float) -> frozenset[str]:
    """Which of the paths are open for writing in a process that started before ``since`` and is no child of ours.

    ``since`` is in seconds since the system started.
    """
    found = {process: stat for process in proc.processes() if (stat := proc.stat_of(process)) is not None}
    ours = _Real.getpid()
    return frozenset(
        path
        for number, stat in found.items()
        if stat.started <= since * proc.TICKS and not _descends(number, ours, found)
        for path in _written_by(number)
        if path in paths
    )


def _descends(number: int, ancestor: int, known: dict[int, Stat]) -> bool:
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
    for name in proc.names(directory):
        path = f"{directory}/{name}"
        try:
            writable = _Real.lstat(path).st_mode & _WRITABLE
        except OSError:  # it was closed, or the process ended
            continue
        if writable:
            yield proc.link(path)
