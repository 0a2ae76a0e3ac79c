"""Reads what Linux tells of this process's own threads and of other processes; elsewhere there is nothing to read."""

from __future__ import annotations

import os
from typing import Final

_TASKS: Final = "/proc/self/task"
_OWN_AND_PARENT: Final = 2  # links of a directory beside those of the directories in it
_ENOUGH: Final = 4096  # bytes
_READING: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


class _Real:
    """Held where no mock and no faked file system replaces them."""

    stat = staticmethod(os.stat)
    listdir = staticmethod(os.listdir)
    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)


def task_count() -> int:
    """How many threads the process has; 0 where the system doesn't tell. A single call, as a gate for ``tasks``."""
    try:
        return max(0, _Real.stat(_TASKS).st_nlink - _OWN_AND_PARENT)
    except OSError:
        return 0


def tasks() -> frozenset[int]:
    """The kernel's numbers of all threads of the process, those that Python doesn't know included."""
    try:
        return frozenset(map(int, _Real.listdir(_TASKS)))
    except OSError:
        return frozenset()


def name_of(task: int) -> str:
    """What a thread is called, 15 bytes at most; by default as the one that started it. Empty where it is gone."""
    return text_of(f"{_TASKS}/{task}/comm").rstrip("\n")


def process_name() -> str:
    """What the process is called, which is also what its first thread is."""
    return text_of("/proc/self/comm").rstrip("\n")


def waits(task: int) -> bool:
    """Whether a thread waits until another thread wakes it, not for time to pass or for anybody outside."""
    return text_of(f"{_TASKS}/{task}/wchan").startswith("futex")


def text_of(path: str, size: int = _ENOUGH) -> str:
    """The beginning of a file of the kernel's; empty where it can't be read."""
    try:
        descriptor = _Real.open(path, _READING)
    except OSError:
        return ""
    try:
        return _Real.read(descriptor, size).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        _Real.close(descriptor)
