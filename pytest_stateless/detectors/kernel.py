"""Reads what Linux tells of this process's own threads; elsewhere there is nothing to read."""

from __future__ import annotations

import os
from typing import Final

from pytest_stateless.proc import names, text

_TASKS: Final = "/proc/self/task"
_OWN_AND_PARENT: Final = 2  # links of a directory beside those of the directories in it


class _Real:
    """Held where no mock and no faked file system replaces it."""

    stat = staticmethod(os.stat)


def task_count() -> int:
    """How many threads the process has; 0 where the system doesn't tell. A single call, as a gate for ``tasks``."""
    try:
        return max(0, _Real.stat(_TASKS).st_nlink - _OWN_AND_PARENT)
    except OSError:
        return 0


def tasks() -> frozenset[int]:
    """The kernel's numbers of all threads of the process, those that Python doesn't know included."""
    return frozenset(map(int, names(_TASKS)))


def name_of(task: int) -> str:
    """What a thread is called, 15 bytes at most; by default as the one that started it. Empty where it is gone."""
    return text(f"{_TASKS}/{task}/comm").rstrip("\n")


def process_name() -> str:
    """What the process is called, which is also what its first thread is."""
    return text("/proc/self/comm").rstrip("\n")


def waits(task: int) -> bool:
    """Whether a thread waits until another thread wakes it, not for time to pass or for anybody outside."""
    return text(f"{_TASKS}/{task}/wchan").startswith("futex")
