"""Reads what Linux tells in /proc of this and of other processes; elsewhere there is nothing to read.

The functions of the operating system are held from the start: neither a test's mock nor a faked file system changes
what is read.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from pytest_stateless import commands
from pytest_stateless.commands import Command

_READING: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_FIRST: Final = 4096  # bytes, which hold most of these files
_FURTHER: Final = 1 << 16
_COMMAND: Final = 1 << 14  # more than is told of a command, so that no secret is cut in two before it is seen
_SHORT: Final = 2048  # the kernel gives at least most of a page of a table at once, unless that is all
_MOST: Final = 1 << 24


class _Real:
    """Held where nobody replaces them."""

    listdir = staticmethod(os.listdir)
    readlink = staticmethod(os.readlink)
    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)


def content(path: str, most: int = _MOST) -> bytes:
    """A file of the kernel's, or its beginning, at least ``most`` bytes; empty where it can't be read."""
    try:
        descriptor = _Real.open(path, _READING)
    except OSError:
        return b""
    try:
        piece = found = _Real.read(descriptor, _FIRST)
        while len(piece) > _SHORT and len(found) < most:
            piece = _Real.read(descriptor, _FURTHER)
            found += piece
        return found
    except OSError:  # the process ended meanwhile
        return b""
    finally:
        _Real.close(descriptor)


def text(path: str, most: int = _MOST) -> str:
    """The same as text."""
    return content(path, most).decode("utf-8", "replace")


def names(directory: str) -> list[str]:
    """What is in a directory; nothing where it can't be read: its process ended, or is somebody else's."""
    try:
        return _Real.listdir(directory)
    except OSError:
        return []


def link(path: str) -> str:
    """Where a link leads to; empty where it can't be read."""
    try:
        return _Real.readlink(path)
    except OSError:
        return ""


# ------------------------------------------------------------------------------------------------- processes


class Stat(NamedTuple):
    """What the kernel says of a process."""

    name: str
    state: str
    parent: int
    started: int
    """Ticks since the system's start."""
    image: tuple[str, ...]
    """Where its arguments lie in memory: somewhere else for each program that is run, and the same after a fork."""


TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
"""In a second."""


def stat_of(process: int) -> Stat | None:
    """What the kernel says of a process; None where it is gone. proc_pid_stat(5)"""
    before, _, rest = text(f"/proc/{process}/stat").rpartition(")")
    fields = rest.split()  # a process may have spaces and brackets in its name
    if len(fields) < 48:
        return None
    return Stat(before.partition("(")[2], fields[0], int(fields[1]), int(fields[19]), tuple(fields[45:47]))


def command_of(process: int, show_values: bool = False) -> Command:
    """The command line; empty where the process is gone, and for a moment while a program begins."""
    words = text(f"/proc/{process}/cmdline", _COMMAND).rstrip("\0").split("\0")
    return commands.command_of(words, show_values)


def processes() -> list[int]:
    """All processes of the system."""
    return [int(name) for name in names("/proc") if name.isdigit()]


def youngest() -> int:
    """The number of the process that was started last; 0 where nobody tells. proc_loadavg(5)"""
    return int(text("/proc/loadavg").rpartition(" ")[2] or 0)


def children_of(process: int | str) -> list[int]:
    """The children of a process, or of ``self``: each thread lists those that it started."""
    tasks = f"/proc/{process}/task"
    return [int(child) for task in names(tasks) for child in text(f"{tasks}/{task}/children").split()]
