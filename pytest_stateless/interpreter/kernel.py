"""Reads what the Linux kernel tells of the process in one file, once for each look at the table."""

from __future__ import annotations

from typing import Final

from pytest_stateless.proc import content

_STATUS: Final = "/proc/self/status"
_MASKS: Final = (
    ("umask", b"\nUmask:\t", 8),  # since Linux 4.7
    ("ignored", b"\nSigIgn:\t", 16),
    ("caught", b"\nSigCgt:\t", 16),
)


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
    text = content(_STATUS)
    return {name: _mask(text, line, base) for name, line, base in _MASKS} if text else {}


def _mask(text: bytes, line: bytes, base: int) -> int:
    start = text.find(line)
    if start < 0:
        return -1
    start += len(line)
    return int(text[start : text.index(b"\n", start)], base)
