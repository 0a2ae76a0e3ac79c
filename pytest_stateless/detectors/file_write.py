"""``file-write``: files and directories outside the temporary directories are not what they were."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pytest_stateless import children
from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.authors import Author, Family, family
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.states import DELETED, MADE, describe
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import DENIED, FAKED, Change, State, Write
from pytest_stateless.paths import look
from pytest_stateless.source import Place, Sources
from pytest_stateless.zones import SHARED_MEMORY, Zones, within

RULE: Final = Rule("file-write", "A file or directory outside the temporary directories was changed.")
PATIENT: Final = False

_RANDOM_NAME: Final = re.compile(r"(?<=^/dev/shm/)psm_[0-9a-f]+$")  # multiprocessing.shared_memory's


class _Real:
    """Held where no faked file system replaces them."""

    path = os.path


class Held(NamedTuple):
    """A regular file that is open for writing."""

    path: str
    device: int
    inode: int


class Writes(NamedTuple):
    """The attempts and changes up to one moment, and what there is at their paths and behind open descriptors."""

    attempts: tuple[Write, ...]
    now: dict[str, tuple[str, State | None]]
    """By the path of an attempt: the path with its directory's links resolved, and what is there. Only what counts."""
    held: dict[Held, tuple[int, int]]
    """Size and time of modification of files that are open for writing."""
    zones: Zones
    sources: Sources
    absorbed: frozenset[int] = frozenset()
    """Positions of attempts that belong to another window."""
    changes: tuple[Change, ...] = ()
    """What is seen in watched directories, whoever did it."""
    absorbed_changes: frozenset[int] = frozenset()
    family: Family = Family()


def capture(context: Context) -> Writes:
    """The attempts and changes so far, with the state of each path that they name now."""
    zones = context.zones
    recording = context.recording
    _see(context)
    children.collect(recording)
    attempts, changes = tuple(recording.writes), tuple(recording.changes)
    faked = {write.path for write in attempts if write.fate == FAKED}
    now: dict[str, tuple[str, State | None]] = {}
    directories: dict[str, str] = {}
    for path in {write.path for write in attempts} | {change.path for change in changes}:
        directory, name = _Real.path.split(path)
        if directory not in directories:
            directories[directory] = _Real.path.realpath(directory)
        resolved = _Real.path.join(directories[directory], name)
        if zones.count(resolved):
            now[path] = resolved, (recording.look_at_fake if path in faked else look)(path)
    relatives = family(context, [one for one in changes if one.path in now and not _is_gone_again(one, now)])
    held = _held_files(context)
    return Writes(attempts, now, held, zones, context.sources, changes=changes, family=relatives)


def _is_gone_again(change: Change, now: Mapping[str, tuple[str, State | None]]) -> bool:
    """Whether nothing is left of it: nobody need know whose it was."""
    return change.before is None and now[change.path][1] is None


def carry(end: Writes, context: Context) -> Writes:
    """As the contract says."""
    _see(context)
    changes = tuple(context.recording.changes)
    relatives = family(context)
    return Writes((), {}, end.held, end.zones, end.sources, changes=changes, family=relatives)


def _see(context: Context) -> None:
    """Note what changed in the watched directories."""
    if context.watches is not None:
        context.recording.changes += context.watches.look()


def _held_files(context: Context) -> dict[Held, tuple[int, int]]:
    held = {}
    for descriptor, known in descriptors.table(context).items():
        if not stat.S_ISREG(known.st_mode):
            continue
        found = descriptors.writable_file(descriptor)
        if found is not None:
            path, state = found
            held[Held(path, state.device, state.inode)] = (state.size, state.modified)
    return held


def absorb(before: Writes, start: Writes, end: Writes) -> Writes:
    """As the contract says."""
    attempts = range(len(start.attempts), len(end.attempts))
    changes = range(len(start.changes), len(end.changes))
    held = {file: now for file, now in end.held.items() if start.held.get(file) != now}
    return before._replace(
        absorbed=before.absorbed | set(attempts),
        absorbed_changes=before.absorbed_changes | set(changes),
        held={**before.held, **held},
    )


def compare(before: Writes, after: Writes) -> Iterator[Leak]:
    """One leak for each path that differs from what it was before the first attempt."""
    now = dict(after.now.values())
    attempts, changes = _attempts(before, after), _changes(before, after)
    relatives = after.family.since(before.family)
    new = _new_directories(attempts, changes)
    told: dict[str, Leak] = {}
    for path, writes in attempts.items():
        denied = [write for write in writes if write.fate == DENIED]
        story = [*_unannounced_beginning(path, now[path], changes.get(path, []), relatives, new), *writes]
        what = _denied(denied[0]) if denied else describe(story, now[path], after.sources)
        if what and any(write.fate == FAKED for write in writes):
            what += _IN_MEMORY
        if what:
            what += _by_child(denied or writes)
            told[path] = _leak(path, what, _first_place(denied or writes), after.sources)
    for file, state in after.held.items():
        was, path = before.held.get(file), file.path
        if was is None or was == state or path in told or not after.zones.count(path):
            continue
        if path not in changes or _author(path, changes[path], relatives) is not None:
            told[path] = _leak(path, _grown(was, state), None, after.sources)
    for path in changes.keys() - attempts.keys() - told.keys():
        leak = _unannounced(path, changes[path], now[path], attempts, after, relatives)
        if leak is not None:
            told[path] = leak
    yield from (told[path] for path in sorted(told) if not _is_told_below(path, told))


def _attempts(before: Writes, after: Writes) -> dict[str, list[Write]]:
    """The window's own attempts, by the path that they come to."""
    found: dict[str, list[Write]] = {}
    for position, write in enumerate(after.attempts):
        if position >= len(before.attempts) and position not in before.absorbed and write.path in after.now:
            found.setdefault(after.now[write.path][0], []).append(write)
    return found


def _changes(before: Writes, after: Writes) -> dict[str, list[Change]]:
    """The window's own changes, by their path."""
    found: dict[str, list[Change]] = {}
    for position, change in enumerate(after.changes):
        own = position >= len(before.changes) and position not in before.absorbed_changes
        if own and change.path in after.now:
            found.setdefault(after.now[change.path][0], []).append(change)
    return found


def _new_directories(
    attempts: Mapping[str, list[Write]], changes: Mapping[str, list[Change]]
) -> frozenset[str]:
    """Paths at which nothing was in the beginning, but for those that were renamed: what is below them is new."""
    made = {
        path
        for path, writes in attempts.items()
        if (writes[0].operation, writes[0].before) == ("mkdir", None)
    }
    seen = {path for path, (one, *_) in changes.items() if one.before is None and not one.other}
    return frozenset(made | seen)


def _unannounced_beginning(
    path: str, now: State | None, changes: list[Change], relatives: Family, new: frozenset[str]
) -> Iterator[Write]:
    """What came before the first attempt at a path, and nobody told of."""
    if changes and _author(path, changes, relatives) is not None:
        yield Write(changes[0].operation, path, changes[0].other, changes[0].before, None)
    elif now is None and ((changes and changes[0].before is None) or _is_below(path, new)):
        yield Write("create", path, "", None, None)  # whoever made it: it is gone as it came


def _is_below(path: str, directories: frozenset[str]) -> bool:
    return any(within(path, directory) for directory in directories if directory != path)


def _first_place(writes: list[Write]) -> Place | None:
    return next((write.place for write in writes if write.place is not None), None)


def _unannounced(
    path: str,
    changes: list[Change],
    now: State | None,
    attempts: Mapping[str, list[Write]],
    after: Writes,
    relatives: Family,
) -> Leak | None:
    """What no event of Python's told of, if it is there to stay and was ours."""
    writes = [Write(one.operation, path, one.other, one.before, None) for one in changes]
    what = describe(writes, now, after.sources)
    if not what:
        return None
    database = next((path[: -len(end)] for end in _COMPANIONS if path.endswith(end)), "")
    if database in attempts:
        return _leak(path, what, _first_place(attempts[database]), after.sources)
    author = _author(path, changes, relatives)
    if author is None:
        return None
    how = (
        "; events were lost, and all files compared"
        if any(one.operation == "scan" for one in changes)
        else ""
    )
    return _leak(path, f"{what} {author.name}{how}", author.place, after.sources)


def _author(path: str, changes: list[Change], relatives: Family) -> Author | None:
    """Who changed a path, if it was changed and need have been ours."""
    owns = {change.own for change in changes}
    return relatives.author(path, next((own for own in (True, None) if own in owns), False)) if owns else None


_COMPANIONS: Final = ("-journal", "-wal", "-shm")
"""Of SQLite, which opens them itself. https://www.sqlite.org/tempfiles.html"""


def _is_told_below(path: str, told: Mapping[str, Leak]) -> bool:
    """Whether what was told of something below says it already: a directory made for a file, or gone with it."""
    comes_with = told[path].message.startswith((MADE, DELETED))
    return comes_with and any(other != path and within(other, path) for other in told)


def _leak(path: str, what: str, place: Place | None, sources: Sources) -> Leak:
    traits = set()
    if place is not None and place.by_tool:
        traits.add("by-tool")
    if place is not None and place.importing:
        traits.add("by-import")
    if os.path.dirname(path) == SHARED_MEMORY:
        traits |= _of_memory(what)
    owner = place.owner if place is not None else Owner.UNKNOWN
    subject = _RANDOM_NAME.sub("psm_*", sources.relative(path))
    return RULE.leak(subject, what, sources.origin(place), owner, traits)


def _of_memory(what: str) -> set[str]:
    """Whether shared memory was made, or was taken away past Python's functions for files."""
    return (
        {"memory-made"} if what == "created" else {"memory-removed"} if what.startswith(_REMOVED) else set()
    )


_REMOVED: Final = f"{DELETED} by "


def _by_child(writes: list[Write]) -> str:
    """Of the write whose place is shown."""
    write = next((write for write in writes if write.place is not None), writes[0])
    return f" by a child process ({write.child})" if write.child else ""


def about_to_leak(write: Write, zones: Zones, sources: Sources) -> Leak | None:
    """The leak that an attempt is on the way to; None where its path doesn't count."""
    directory, name = _Real.path.split(write.path)
    path = _Real.path.join(_Real.path.realpath(directory), name)
    return _leak(path, _denied(write), write.place, sources) if zones.count(path) else None


def _denied(write: Write) -> str:
    return f"denied: {_DOING.get(write.operation, write.operation)}"


def _grown(before: tuple[int, int], after: tuple[int, int]) -> str:
    size = f", {after[0] - before[0]:+d} bytes" if after[0] != before[0] else ""
    return f"modified through a descriptor opened before{size}"


_DOING: Final = {"open": "open for writing", "rename-from": "rename", "rename-to": "rename"}
_IN_MEMORY: Final = " (in memory only)"
