"""``file-write``: files and directories outside the temporary directories are not what they were."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from pytest_stateless import children
from pytest_stateless.detectors import descriptors
from pytest_stateless.detectors.authors import family
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.happened import (
    Happened,
    Held,
    Writes,
    between,
    first_place,
    nothing_came,
)
from pytest_stateless.detectors.signs import is_childless, written_files
from pytest_stateless.detectors.states import CAME_AND_WENT, DELETED, MADE, describe, undone
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import DENIED, FAKED, Change, State, Write
from pytest_stateless.paths import PathEvidence, look
from pytest_stateless.recording import Recording
from pytest_stateless.source import Place, Sources
from pytest_stateless.zones import SHARED_MEMORY, Zones, below_any, within

RULE: Final = Rule("file-write", "A file or directory outside the temporary directories was changed.")
PATIENT: Final = False

_FOLLOWED: Final = 50  # files that are looked at after each line of a second run: 100 microseconds
_RANDOM_NAME: Final = re.compile(r"(?<=^/dev/shm/)psm_[0-9a-f]+$")  # multiprocessing.shared_memory's


class _Real:
    """Held where no faked file system replaces them."""

    path = os.path


def capture(context: Context) -> Writes:
    """The attempts and changes so far, with the state of each path that they name now."""
    zones = context.zones
    recording = context.recording
    context.see()
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
    contents = _contents(recording, attempts, now)
    relatives = family(context, [one for one in changes if one.path in now and not _is_gone_again(one, now)])
    held, held_contents = _held_files(context)
    return Writes(
        *(attempts, now, held, zones, context.sources),
        changes=changes,
        family=relatives,
        contents=contents,
        held_contents=held_contents,
    )


def _contents(
    recording: Recording, attempts: tuple[Write, ...], now: Mapping[str, tuple[str, State | None]]
) -> dict[str, int]:
    """What is in the files now of which it is known what was in them, where they were written since."""
    found: dict[str, int] = {}
    for write in attempts:
        path, state = now.get(write.path, ("", None))
        if write.content is None or write.before is None or state is None:
            continue
        if path in found or state.size != write.before.size:
            continue
        faked = write.fate == FAKED
        if state == write.before and not faked:  # pyfakefs keeps the times of a file of the real disk
            continue
        content = (recording.content_of_fake if faked else recording.contents.now)(path, state)
        if content is not None:
            found[path] = content
    return found


def _is_gone_again(change: Change, now: Mapping[str, tuple[str, State | None]]) -> bool:
    """Whether nothing is left of it: nobody need know whose it was."""
    return change.before is None and now[change.path][1] is None


def carry(end: Writes, context: Context) -> Writes:
    """As the contract says."""
    context.see()
    changes = tuple(context.recording.changes)
    relatives = family(context)
    return Writes(
        *((), {}, end.held, end.zones, end.sources),
        changes=changes,
        family=relatives,
        held_contents=end.held_contents,
    )


def signs(context: Context) -> object:
    """As ``STEADY`` says. Where something was written, what is there now must be looked at."""
    context.see()
    recording = context.recording
    children.collect(recording)
    if recording.writes or recording.changes or not is_childless(context):
        return None
    return written_files(context)


def _held_files(context: Context) -> tuple[dict[Held, tuple[int, int]], dict[Held, int]]:
    held, contents = {}, {}
    zones = context.zones
    for descriptor, known in descriptors.table(context).items():
        if not stat.S_ISREG(known.st_mode):
            continue
        found = descriptors.writable_file(descriptor, known)
        if found is not None:
            path, state = found
            file = Held(path, state.device, state.inode)
            held[file] = (state.size, state.modified)
            content = context.held.now(path, state, descriptor) if zones.count(path) else None
            if content is not None:
                contents[file] = content
    return held, contents


def absorb(before: Writes, start: Writes, end: Writes) -> Writes:
    """As the contract says."""
    attempts = range(len(start.attempts), len(end.attempts))
    changes = range(len(start.changes), len(end.changes))
    held = {file: now for file, now in end.held.items() if start.held.get(file) != now}
    return before._replace(
        absorbed=before.absorbed | set(attempts),
        absorbed_changes=before.absorbed_changes | set(changes),
        held={**before.held, **held},
        held_contents={
            **{file: content for file, content in before.held_contents.items() if file not in held},
            **{file: content for file, content in end.held_contents.items() if file in held},
        },
    )


def compare(before: Writes, after: Writes) -> Iterator[Leak]:
    """One leak for each path that differs from what it was before the first attempt."""
    if nothing_came(before, after) and before.held == after.held:
        return
    happened = between(before, after)
    told: dict[str, Leak] = {}
    for path, writes in happened.attempts.items():
        denied = [write for write in writes if write.fate == DENIED]
        what = _denied(denied[0]) if denied else _became(path, happened, after)
        if what:
            told[path] = _announced(path, what, denied or writes, after.sources)
    for file, state in after.held.items():
        was, path = before.held.get(file), file.path
        if was is None or was == state or path in told or not after.zones.count(path):
            continue
        if path in happened.begun and happened.begun[path] == happened.contents[path]:
            continue
        if path not in happened.changes or happened.author(path) is not None:
            told[path] = _leak(path, _grown(was, state), None, after.sources, PathEvidence(path))
    for path in happened.changes.keys() - happened.attempts.keys() - told.keys():
        leak = _unannounced(path, happened, after.sources)
        if leak is not None:
            told[path] = leak
    shown = [told[path] for path in sorted(told) if not _is_told_below(path, told)]
    followed = [leak for leak in shown if leak.evidence is not None]
    yield from (replace(leak, evidence=None) if leak in followed[_FOLLOWED:] else leak for leak in shown)


def _became(path: str, happened: Happened, after: Writes) -> str:
    return describe(happened.story(path), happened.now[path], after.sources, happened.contents.get(path))


def transient(before: Writes, after: Writes) -> Iterator[Leak]:
    """A note for each path at which something was done and put back: no leak, but good to know."""
    if nothing_came(before, after):
        return
    happened = between(before, after)
    gone: set[str] = set()
    for path in sorted(happened.attempts.keys() | happened.changes.keys()):
        if within(path, SHARED_MEMORY) or below_any(path, gone) or _goes_on(path, happened, after):
            continue  # what lay in a directory came and went with it
        note = (_put_back if path in happened.attempts else _gone_again)(path, happened, after)
        if note is not None:
            gone |= {path} if happened.now[path] is None else set()
            yield note


def _goes_on(path: str, happened: Happened, after: Writes) -> bool:
    """Whether what was at a path was moved to another that counts: it is told there what became of it."""
    last = happened.attempts.get(path, [None])[-1]
    return last is not None and last.operation == "rename-from" and last.other in after.now


def _put_back(path: str, happened: Happened, after: Writes) -> Leak | None:
    """What Python attempted and nothing is left of."""
    writes, sources = happened.attempts[path], after.sources
    if any(write.fate == DENIED for write in writes) or _became(path, happened, after):
        return None
    what = undone(happened.story(path), sources) or (CAME_AND_WENT if happened.came_and_went(path) else "")
    return _announced(path, what, writes, sources) if what else None


def _gone_again(path: str, happened: Happened, after: Writes) -> Leak | None:
    """What native code made and deleted again, or a child whose command names it; but for what SQLite needs."""
    if not happened.came_and_went(path) or happened.openings(path):
        return None
    author = happened.sure_author(path)
    return author and _leak(path, f"{CAME_AND_WENT} {author.name}", author.place, after.sources)


def _announced(path: str, what: str, writes: list[Write], sources: Sources) -> Leak:
    faked = _IN_MEMORY if any(write.fate == FAKED for write in writes) else ""
    return _leak(path, f"{what}{faked}{_by_child(writes)}", first_place(writes), sources)


def _unannounced(path: str, happened: Happened, sources: Sources) -> Leak | None:
    """What no event of Python's told of, if it is there to stay and was ours."""
    changes = happened.changes[path]
    what = describe(happened.unannounced(path), happened.now[path], sources, happened.contents.get(path))
    if not what:
        return None
    openings = happened.openings(path)
    if openings:
        return _leak(path, what, first_place(openings), sources)
    author = happened.author(path)
    if author is None:
        return None
    how = (
        "; events were lost, and all files compared"
        if any(one.operation == "scan" for one in changes)
        else ""
    )
    evidence = PathEvidence(path) if author.is_followed else None
    return _leak(path, f"{what} {author.name}{how}", author.place, sources, evidence)


def _is_told_below(path: str, told: Mapping[str, Leak]) -> bool:
    """Whether what was told of something below says it already: a directory made for a file, or gone with it."""
    comes_with = told[path].message.startswith((MADE, DELETED))
    return comes_with and any(other != path and within(other, path) for other in told)


def _leak(
    path: str, what: str, place: Place | None, sources: Sources, evidence: PathEvidence | None = None
) -> Leak:
    traits = set()
    if place is not None and place.by_tool:
        traits.add("by-tool")
    if place is not None and place.importing:
        traits.add("by-import")
    if os.path.dirname(path) == SHARED_MEMORY:
        traits |= _of_memory(what)
    owner = place.owner if place is not None else Owner.UNKNOWN
    subject = _RANDOM_NAME.sub("psm_*", sources.relative(path))
    return RULE.leak(subject, what, sources.origin(place), owner, traits, evidence)


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
