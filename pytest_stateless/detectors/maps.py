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

    sizes: list[str]
    """Of the address space, and of what in it is the process's alone, in pages."""
    maps: frozenset[Map]


def read(context: Context) -> frozenset[Map]:
    """The maps. The table takes a tenth of a millisecond, so it is read only if the address space has other sizes."""
    last: _Seen | None = context.last.get(_KEY)
    sizes = _sizes()
    if last is None or last.sizes != sizes:
        last = context.last[_KEY] = _Seen(sizes, parse(text("/proc/self/maps")))
    return last.maps


def _sizes() -> list[str]:
    """The second of them differs where a map took the place of as much plain memory. proc_pid_statm(5)"""
    return text("/proc/self/statm").split()[0:6:5]


def parse(table: str) -> frozenset[Map]:
    """The maps of files that have a name: what has none is shared with no stranger."""
    found = (Map(path, int(inode)) for inode, path in _SHARED.findall(table))
    return frozenset(one for one in found if not one.path.endswith(_UNNAMED))


class MapEvidence(NamedTuple):
    """A file that was mapped while nobody told by which line."""

    path: str

    def looks(self) -> tuple[MapLook, ...]:
        """How to look at it."""
        return (MapLook(self.path),)

    def undo(self) -> None:
        """Nothing is put back: who mapped it may use it."""


class MapLook:
    """Looks at where a file is mapped, whenever the address space has other sizes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sizes: list[str] = []
        self._now: tuple[str, ...] = ()
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self._before = self._look()

    def moved(self) -> bool:
        """Whether something else is there than before."""
        return self._look() != self._before

    def _look(self) -> tuple[str, ...]:
        sizes = _sizes()
        if sizes != self._sizes:
            self._sizes, self._now = sizes, addresses(text("/proc/self/maps"), self._path)
        return self._now


def addresses(table: str, path: str) -> tuple[str, ...]:
    """Where in the memory a file is mapped for others to see."""
    return tuple(found[0].partition(" ")[0] for found in _SHARED.finditer(table) if found[2] == path)
