"""Lists the files of a directory, again only where the directory may have changed since.

A file that comes, goes or takes another's place changes the directory's times, but they are those of the kernel's
clock, which stands still for up to 10 ms: what changes right after a listing may leave them as they were. So a listing
is taken over only if it was made so late that the clock had gone on since the change before. jiffies tell, which move
with that very clock, and which nobody mocks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors.context import Context

_LATER: Final = 0.05  # seconds, several of the clock's longest steps
_FINE: Final = 1_000_000  # nanoseconds; a file system whose times are multiples of that isn't trusted

Entries = tuple[tuple[str, int], ...]
"""Name and inode of each file."""


class _Real:
    """Functions of the operating system, held where neither a test's mock nor a faked file system replaces them."""

    scandir: Callable[..., Any] = staticmethod(os.scandir)
    stat = staticmethod(os.stat)
    times = staticmethod(os.times)


class _Seen(NamedTuple):
    """What the last look found."""

    state: tuple[int, ...]
    """Of the directory; empty where there is none."""
    since: float
    """When it was first seen so, in seconds."""
    lasts: bool
    """Whether a change after the listing would show in the directory's state."""
    entries: Entries


def read(directory: str, context: Context) -> Entries:
    """The regular files of a directory; the very same tuple as last time where it is known that nothing changed."""
    state = _state(directory)
    last: _Seen | None = context.last.get(directory)
    is_same = last is not None and last.state == state
    if last is not None and is_same and last.lasts:
        return last.entries
    now = _Real.times().elapsed
    since = last.since if last is not None and is_same else now
    entries = _listed(directory) if state else ()
    lasts = entries is not None and (not state or (now - since >= _LATER and state[-1] % _FINE > 0))
    context.last[directory] = _Seen(state, since, lasts, entries or ())
    return entries or ()


def _state(directory: str) -> tuple[int, ...]:
    try:
        found = _Real.stat(directory)
    except OSError:  # not there
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _listed(directory: str) -> Entries | None:
    """The files; None where they can't be listed just now, as if too many descriptors are open."""
    try:
        with _Real.scandir(directory) as entries:
            return tuple(
                (entry.name, entry.inode()) for entry in entries if entry.is_file(follow_symlinks=False)
            )
    except OSError:
        return None
