"""Reads what the Linux kernel tells of the process in one file, once for each look at the table."""

from __future__ import annotations

import os
from typing import Final

_STATUS: Final = "/proc/self/status"
_MASKS: Final = (
    ("umask", b"\nUmask:\t", 8),  # since Linux 4.7
    ("ignored", b"\nSigIgn:\t", 16),
    ("caught", b"\nSigCgt:\t", 16),
)


class _Real:
    """Held where neither a mock nor a faked file system replaces them."""

    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)


class _Last:
    """What was read in the look that goes on."""

    status: dict[str, int] | None = None


def forget() -> None:
    """A look at the table begins."""
    _Last.status = None


def status() -> dict[str, int]:
    """The masks among what the kernel tells, -1 for what it doesn't; none on macOS and Windows."""
    if _Last.status is None:
        _Last.status = _read()
    return _Last.status


def _read() -> dict[str, int]:
    try:
        descriptor = _Real.open(_STATUS, os.O_RDONLY)
    except OSError:
        return {}
    try:
        text = _Real.read(descriptor, 1 << 14)
    finally:
        _Real.close(descriptor)
    return {name: _mask(text, line, base) for name, line, base in _MASKS}


def _mask(text: bytes, line: bytes, base: int) -> int:
    start = text.find(line)
    if start < 0:
        return -1
    start += len(line)
    return int(text[start : text.index(b"\n", start)], base)
