"""Which paths count: those outside the temporary directories that are no faces of the kernel's."""

from __future__ import annotations

import os
from collections.abc import Container
from typing import Final, NamedTuple

KERNEL: Final = ("/dev", "/proc", "/sys")
"""Directories whose files are faces of the kernel's."""
SHARED_MEMORY: Final = "/dev/shm"


class Zones(NamedTuple):
    """Which paths count: the longest of these directories that a path lies in decides."""

    root: str
    temp: tuple[str, ...]
    watched: tuple[str, ...] = ()
    """Directories that the user named to be watched, like the root directory."""

    def count(self, path: str) -> bool:
        """Whether a write at ``path`` counts: it is neither temporary nor a face of the kernel's."""
        zones = (self.root, *self.watched, *self.temp)
        ruling = max((zone for zone in zones if within(path, zone)), key=len, default="")
        if ruling:
            return ruling not in self.temp
        return within(path, SHARED_MEMORY) or not any(within(path, zone) for zone in KERNEL)


def within(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or lies below it."""
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def below_any(path: str, directories: Container[str]) -> bool:
    """Whether ``path`` lies below one of many directories."""
    while (parent := os.path.dirname(path)) != path:
        if parent in directories:
            return True
        path = parent
    return False
