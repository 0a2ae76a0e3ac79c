"""The files that standard output and error went to before pytest took them.

Whoever calls the tests may redirect them into the project. What a test prints past pytest's capture, with ``-s`` or
``capsys.disabled()``, is a stream of events, as a twelve-factor process writes it, and no file of the program's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Final


def files_of(descriptors: tuple[int, ...]) -> Iterator[str]:
    """Paths of the regular files among some descriptors; none where the system doesn't tell."""
    for descriptor in descriptors:
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                yield os.path.realpath(f"/proc/self/fd/{descriptor}")
        except OSError:  # closed
            continue


def identities_of(descriptors: Iterable[int]) -> frozenset[tuple[int, int]]:
    """Device and inode of what some descriptors lead to."""
    found = set()
    for descriptor in descriptors:
        try:
            state = os.fstat(descriptor)
        except OSError:  # closed
            continue
        found.add((state.st_dev, state.st_ino))
    return frozenset(found)


# At import, which is when pytest loads its plugins: its capture starts after that.
STREAMS: Final = tuple(files_of((1, 2)))
STANDARD: Final = identities_of((0, 1, 2))
