"""Finds secrets in the files that were written within a window."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from pytest_stateless import children
from pytest_stateless.canaries import Secret
from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.context import Context
from pytest_stateless.needles import Found, Straw, found_in
from pytest_stateless.noted import State
from pytest_stateless.paths import look
from pytest_stateless.source import Place
from pytest_stateless.zones import Zones

LARGEST: Final = 1 << 26
"""Bytes of a file that are searched: its last ones, where a log grows."""

_SQLITE: Final = b"SQLite format 3\0"
_OF_SQLITE: Final = ("-journal", "-wal", "-shm")
_NEITHER_FOLLOWS_NOR_WAITS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_COMPILED: Final = ".pyc"  # has the constants of the tests


class _Real:
    """Held where no mock and no faked file system replaces them."""

    open = staticmethod(os.open)
    file = staticmethod(io.FileIO)
    fstat = staticmethod(os.fstat)
    path = os.path


Holding = dict[str, tuple[Place | None, Found]]
"""By path, the line that wrote first and what was found, by the positions of secrets."""


def files_with(context: Context, secrets: Sequence[Secret]) -> Holding:
    """The files that were written since the recording began and have a secret in them.

    Left out are files of pytest's own, ``tmp_path`` among them, and databases of SQLite: a backing service.
    """
    zones = Zones(context.sources.root, context.of_pytest, context.watched)
    holding: Holding = {}
    for path, place in _written(context).items():
        state = look(path)
        if state is None or not stat.S_ISREG(state.mode) or not zones.count(path):
            continue
        found = _found(context, path, state, secrets)
        if found:
            holding[path] = place, found
    return holding


def _written(context: Context) -> dict[str, Place | None]:
    """The paths at which something was written or opened for it, each with the first line that is known to do it."""
    recording = context.recording
    context.see()
    children.collect(recording)
    found: dict[str, Place | None] = {}
    for path, place in (
        *((write.path, write.place) for write in recording.writes),
        *((change.path, None) for change in recording.changes),
        *((path, None) for path in _open_for_writing(context)),
    ):
        found[_resolved(path)] = found.get(_resolved(path)) or place
    return found


def _resolved(path: str) -> str:
    directory, name = _Real.path.split(path)
    return _Real.path.join(_Real.path.realpath(directory), name)


def _open_for_writing(context: Context) -> Iterator[str]:
    for descriptor, known in descriptors.table(context).items():
        file = descriptors.writable_file(descriptor) if stat.S_ISREG(known.st_mode) else None
        if file is not None:
            yield file[0]


def _found(context: Context, path: str, state: State, secrets: Sequence[Secret]) -> Found:
    known, since, found = context.canaries.read.get(path, (None, 0, {}))
    if known != state:
        since, found = 0, {}
    if since < len(secrets):
        straw = Straw(os.fsencode(path) + b"\n" + _content(path))
        needles = [secret.needle for secret in secrets]
        found = {**found, **found_in(straw, needles, range(since, len(secrets)))}
        context.canaries.read[path] = state, len(secrets), found
    return found


def _content(path: str) -> bytes:
    """The end of a file; nothing of a database, and where it isn't ours to read."""
    if path.endswith((_COMPILED, *_OF_SQLITE)):
        return b""
    try:
        descriptor = _Real.open(path, os.O_RDONLY | _NEITHER_FOLLOWS_NOR_WAITS)
    except OSError:
        return b""
    with _Real.file(descriptor) as file:
        if file.read(len(_SQLITE)) == _SQLITE:
            return b""
        size = _Real.fstat(descriptor).st_size
        file.seek(max(0, size - LARGEST))
        return file.read(LARGEST)
