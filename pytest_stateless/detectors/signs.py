"""What looks at the system depend on, as values that are cheap to get and to compare."""

from __future__ import annotations

import stat

from pytest_stateless.contents import is_settled
from pytest_stateless.detectors import descriptors, offspring
from pytest_stateless.detectors.context import Context


def is_childless(context: Context) -> bool:
    """Whether no child is there, and none was since the recording began: what it does, it may do at any time."""
    recording = context.recording
    if recording.spawns or recording.reaped not in (None, offspring.reaped_by(context)):
        return False
    return not offspring.may_have_children(context)


def open_files(context: Context) -> list[tuple[object, ...]]:
    """Which descriptors are open, and for what: all that an ``Opened`` is known again by."""
    return [
        # What has no inode of its own shares one with all the like.
        (number, state[:3], stat.S_IFMT(state.st_mode) == 0 and descriptors.link_of(number))
        for number, state in descriptors.table(context).items()
    ]


def written_files(context: Context) -> list[tuple[int, ...]] | None:
    """What of the open files moves as they are written or get other names; None where one was changed just now."""
    found: list[tuple[int, ...]] = [
        (number, *state[:7], state.st_mtime_ns, state.st_ctime_ns)
        for number, state in descriptors.table(context).items()
        if stat.S_ISREG(state.st_mode) and state.st_nlink
    ]
    return found if all(is_settled(file[-1]) for file in found) else None
