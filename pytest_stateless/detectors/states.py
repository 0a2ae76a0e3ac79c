"""Says what became of a path, from its states and from what was attempted there."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Final

from pytest_stateless.noted import State, Write
from pytest_stateless.source import Sources
from pytest_stateless.zones import SHARED_MEMORY, within

MADE: Final = "created (directory)"
DELETED: Final = "deleted"
CAME_AND_WENT: Final = "created and deleted again"


def describe(writes: list[Write], now: State | None, sources: Sources, content: int | None = None) -> str:
    """What happened at one path, from its state before the first attempt to now; empty where it is as it was.

    ``content`` stands for what is in the file now, None where that isn't known.
    """
    before = None if _makes_shared_memory(writes[0]) else writes[0].before
    last = writes[-1]
    if before is None:
        return "" if now is None else _created(last, now, sources)
    if now is None:
        return f"renamed to {sources.relative(last.other)}" if last.operation == "rename-from" else DELETED
    differences = list(
        _differences(before, now, {write.operation for write in writes}, _alike(writes[0].content, content))
    )
    if differences and last.operation == "rename-to":
        return f"replaced by {sources.relative(last.other)}"
    return ", ".join(differences)


def undone(writes: list[Write], sources: Sources) -> str:
    """What was done at one path and put back, where it is as it was; empty where nothing is known to have been done.

    What was there before each further attempt tells what came of those before it.
    """
    first = writes[0].before
    turn = next((place for place, write in enumerate(writes) if (write.before is None) != (first is None)), 0)
    turned, last = writes[turn], writes[turn - 1]
    if first is None:
        if turned.before is None:
            return ""
        end = "moved away" if writes[-1].operation == "rename-from" else "deleted again"
        return f"{_created(last, turned.before, sources)} and {end}"
    if turn and last.operation == "rename-from":
        return f"renamed to {sources.relative(last.other)} and back"
    differences = [DELETED] if turn else list(_passing(first, writes))
    return f"{', '.join(differences)}, and put back" if differences else ""


def _passing(first: State, writes: list[Write]) -> dict[str, None]:
    """How something that was there all the time differed meanwhile."""
    found: dict[str, None] = {}
    operations: set[str] = set()
    for write in writes:
        found.update(
            dict.fromkeys(
                _differences(
                    first, write.before or first, operations, _alike(writes[0].content, write.content)
                )
            )
        )
        operations.add(write.operation)
    return found


def _created(last: Write, now: State, sources: Sources) -> str:
    if last.operation == "rename-to":
        return f"renamed from {sources.relative(last.other)}"
    if last.operation == "link":
        return f"created (hard link to {sources.relative(last.other)})"
    return _KINDS.get(stat.S_IFMT(now.mode), "created")


def _makes_shared_memory(write: Write) -> bool:
    """No event tells of ``shm_open``: the first that is seen is that the memory, still empty, gets its length."""
    fresh = write.before is not None and write.before.size == 0
    return fresh and write.operation == "truncate" and within(write.path, SHARED_MEMORY)


_KINDS: Final = {
    stat.S_IFDIR: MADE,
    stat.S_IFLNK: "created (symbolic link)",
    stat.S_IFSOCK: "created (socket)",
    stat.S_IFIFO: "created (fifo)",
    stat.S_IFCHR: "created (device)",
    stat.S_IFBLK: "created (device)",
}


def _alike(before: int | None, now: int | None) -> bool | None:
    """Whether the same is in a file; None where nobody knows."""
    return None if before is None or now is None else before == now


def _differences(before: State, now: State, operations: set[str], alike: bool | None) -> Iterator[str]:
    if stat.S_IFMT(before.mode) != stat.S_IFMT(now.mode):
        yield "replaced"
        return
    is_directory = stat.S_ISDIR(now.mode)  # its own time tells of what lies in it
    contents = not is_directory and not alike
    if contents and (before.device, before.inode) != (now.device, now.inode):
        yield "replaced"
    elif contents and now.size == 0 < before.size:
        yield "truncated"
    elif contents and (before.size != now.size or _was_rewritten(before, now, operations, alike)):
        yield "modified"
    elif before.modified != now.modified and "utime" in operations:
        yield "time of modification changed"
    if stat.S_IMODE(before.mode) != stat.S_IMODE(now.mode):
        yield f"mode changed to {stat.S_IMODE(now.mode):04o}, was {stat.S_IMODE(before.mode):04o}"
    if (before.user, before.group) != (now.user, now.group):
        yield f"owner changed to {now.user}:{now.group}, was {before.user}:{before.group}"
    if "setxattr" in operations and before.changed != now.changed:
        yield "extended attributes changed"


def _was_rewritten(before: State, now: State, operations: set[str], alike: bool | None) -> bool:
    """Whether something else may be in a file of the same length; its time of modification may be put back."""
    if alike is False:
        return True
    if before.modified != now.modified:
        return bool(operations - {"utime"})
    return "modify" in operations and before.changed != now.changed
