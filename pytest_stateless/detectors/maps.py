"""Reads which files are mapped into the memory so that others see what is written there (Linux)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.proc import text

_KEY: Final = "maps"
_SHARED: Final = re.compile(r"^\S+ .w.s \S+ \S+ (\d+) +(/.*)$", re.MULTILINE)
"""A line of /proc/self/maps that speaks of memory which can be written and is shared. proc_pid_maps(5)"""
_UNNAMED: Final = " (deleted)"


class Map(NamedTuple):
    """A file that is mapped."""

    path: str
    inode: int


class _Seen(NamedTuple):
    """What the last look found."""

    size: str
    """Of the address space, in pages."""
    maps: frozenset[Map]


def read(context: Context) -> frozenset[Map]:
    """The maps. The table takes a tenth of a millisecond, so it is read only if the address space has another size."""
    last: _Seen | None = context.last.get(_KEY)
    size = text("/proc/self/statm").partition(" ")[0]
    if last is None or last.size != size:
        last = context.last[_KEY] = _Seen(size, parse(text("/proc/self/maps")))
    return last.maps


def parse(table: str) -> frozenset[Map]:
    """The maps of files that have a name: what has none is shared with no stranger."""
    found = (Map(path, int(inode)) for inode, path in _SHARED.findall(table))
    return frozenset(one for one in found if not one.path.endswith(_UNNAMED))
