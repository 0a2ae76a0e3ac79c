"""What was attempted and what changed on the disk up to one moment, and what of it happened in one window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

from pytest_stateless.detectors.authors import Author, Family
from pytest_stateless.noted import FAKED, Change, State, Write
from pytest_stateless.source import Place, Sources
from pytest_stateless.zones import Zones, below_any

_T = TypeVar("_T", Write, Change)


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
    contents: Mapping[str, int] = {}
    """What stands for what is in the files now of which it is known what was in them, by path."""
    held_contents: Mapping[Held, int] = {}
    """The same of files that are open, short and can be read there."""


class Happened(NamedTuple):
    """What happened in one window, by the path that it came to."""

    attempts: dict[str, list[Write]]
    changes: dict[str, list[Change]]
    now: dict[str, State | None]
    family: Family
    new: frozenset[str]
    """Paths at which nothing was in the beginning, but for those that were renamed: what is below them is new."""
    begun: Mapping[str, int] = {}
    """What stands for what was in a file in the beginning that was open all the time, by path."""
    contents: Mapping[str, int] = {}
    """What stands for what is in a file now."""

    def author(self, path: str) -> Author | None:
        """Who changed a path, if it was changed and need have been ours."""
        owns = {change.own for change in self.changes.get(path, ())}
        if not owns:
            return None
        return self.family.author(path, next((own for own in (True, None) if own in owns), False))

    def sure_author(self, path: str) -> Author | None:
        """Who changed a path, where it was surely one of ours: nobody was asked what strangers write."""
        return self._replace(family=self.family._replace(ours=())).author(path)

    def story(self, path: str) -> list[Write]:
        """What was attempted at a path, after what came before it and nobody told of."""
        return self._with_content(path, [*self._beginning(path), *self.attempts[path]])

    def unannounced(self, path: str) -> list[Write]:
        """What was seen at a path that nobody told of."""
        seen = self.changes[path]
        return self._with_content(
            path, [Write(one.operation, path, one.other, one.before, None) for one in seen]
        )

    def _with_content(self, path: str, writes: list[Write]) -> list[Write]:
        """Of a file that was open all the time, nobody read before the first write what was in it."""
        first = writes[0]
        if first.content is None and all(write.fate != FAKED for write in writes):
            writes[0] = first._replace(content=self.begun.get(path))
        return writes

    def _beginning(self, path: str) -> Iterator[Write]:
        seen, first = self.changes.get(path), self.attempts[path][0]
        if seen and self.author(path) is not None:
            content = first.content if seen[0].before == first.before else None
            yield Write(seen[0].operation, path, seen[0].other, seen[0].before, None, content=content)
        elif self.now[path] is None and ((seen and seen[0].before is None) or below_any(path, self.new)):
            yield Write("create", path, "", None, None)  # whoever made it: it is gone as it came

    def came_and_went(self, path: str) -> bool:
        """Whether something was seen to be made and deleted at a path."""
        seen = self.changes.get(path)
        return (
            seen is not None and seen[0].before is None is self.now[path] and seen[-1].operation == "remove"
        )

    def openings(self, path: str) -> list[Write]:
        """The attempts at a database, where the path is of a file that SQLite keeps beside one."""
        return self.attempts.get(
            next((path[: -len(end)] for end in _COMPANIONS if path.endswith(end)), ""), []
        )


_COMPANIONS: Final = ("-journal", "-wal", "-shm")
"""Of SQLite, which opens them itself. https://www.sqlite.org/tempfiles.html"""


def first_place(writes: list[Write]) -> Place | None:
    """The first line that is known of."""
    return next((write.place for write in writes if write.place is not None), None)


def nothing_came(before: Writes, after: Writes) -> bool:
    """Whether nothing was attempted or changed between two moments, by whomever: so it is with nearly all tests."""
    return len(before.attempts) == len(after.attempts) and len(before.changes) == len(after.changes)


def between(before: Writes, after: Writes) -> Happened:
    """What happened between two moments, but for what others did."""
    attempts = _by_path(after.attempts, len(before.attempts), before.absorbed, after)
    changes = _by_path(after.changes, len(before.changes), before.absorbed_changes, after)
    made = {path for path, (one, *_) in attempts.items() if (one.operation, one.before) == ("mkdir", None)}
    seen = {path for path, (one, *_) in changes.items() if one.before is None and not one.other}
    family = after.family.since(before.family)
    held = before.held_contents.keys() & after.held_contents.keys()
    begun = {file.path: before.held_contents[file] for file in held}
    contents = {**after.contents, **{file.path: after.held_contents[file] for file in held}}
    return Happened(
        attempts, changes, dict(after.now.values()), family, frozenset(made | seen), begun, contents
    )


def _by_path(
    ones: tuple[_T, ...], start: int, absorbed: frozenset[int], after: Writes
) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = {}
    for position in range(start, len(ones)):
        one = ones[position]
        if position not in absorbed and one.path in after.now:
            found.setdefault(after.now[one.path][0], []).append(one)
    return found
