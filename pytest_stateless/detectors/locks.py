"""Reads which locks on files this process holds, where the kernel shows them (Linux)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context

_KINDS: Final = {"FLOCK": "flock", "POSIX": "lockf", "OFDLCK": "open file description", "LEASE": "lease"}
_SHORT: Final = 2048  # the kernel gives at least most of a page of a table at once, unless that is all


class Held(NamedTuple):
    """A lock."""

    kind: str
    inode: int
    is_shared: bool


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    getpid = staticmethod(os.getpid)


def read(context: Context) -> list[tuple[int, Held]]:
    """The locks, each with a descriptor of its file; read once in a look."""
    found = None if context.shared is None else context.shared.get("locks")
    if found is None:
        found = list(_read(descriptors.table(context)))
        if context.shared is not None:
            context.shared["locks"] = found
    return found


def _read(table: descriptors.Table) -> Iterator[tuple[int, Held]]:
    numbers: dict[int, list[int]] = {}
    locks = list(held(_text("/proc/locks"), _Real.getpid()))
    for number, state in table.items() if locks else ():
        numbers.setdefault(state.st_ino, []).append(number)
    for lock, is_own in locks:
        candidates = numbers.get(lock.inode, [])
        # Of a lock that belongs to an open file, the kernel tells the process only at its descriptor.
        owning = [number for number in candidates if is_own or _is_at(number, lock)]
        if owning:
            yield owning[0], lock


def _is_at(number: int, lock: Held) -> bool:
    lines = _text(f"/proc/self/fdinfo/{number}").splitlines()
    told = "\n".join(line.partition(":")[2] for line in lines if line.startswith("lock:"))
    return any(found == lock for found, _ in held(told, -1))


def held(text: str, process: int) -> Iterator[tuple[Held, bool]]:
    """The locks in a table of the kernel's that are of a process, or of nobody that it knows. proc_locks(5)"""
    owners: Collection[str] = (str(process), "-1")
    for line in text.splitlines():
        fields = line.split()
        if (
            len(fields) >= 6 and fields[4] in owners and fields[1] in _KINDS
        ):  # one that waits has an arrow there
            inode = int(fields[5].rpartition(":")[2])
            yield Held(_KINDS[fields[1]], inode, fields[3] == "READ"), fields[4] != "-1"


def _text(path: str) -> str:
    try:
        descriptor = _Real.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        read = pieces = _Real.read(descriptor, 65536)
        while len(read) > _SHORT:
            read = _Real.read(descriptor, 65536)
            pieces += read
        return pieces.decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        _Real.close(descriptor)
