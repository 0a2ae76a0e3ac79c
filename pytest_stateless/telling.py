"""The lines in which children tell what they write: as lists of plain values, and back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless.commands import spell_command
from pytest_stateless.leak import Owner
from pytest_stateless.noted import State, Write
from pytest_stateless.recording import Recording
from pytest_stateless.source import Place

_read_literal: Final = ast.literal_eval  # held where no mock replaces it


def plain_write(write: Write) -> list[Any]:
    """A write as a list of lists, texts and numbers."""
    before = None if write.before is None else list(write.before)
    told = [write.operation, write.path, write.other, before, write.content]
    return [*told, plain_place(write.place), write.fate]


def plain_place(place: Place | None) -> list[Any] | None:
    """A place as a list of texts and numbers."""
    return None if place is None else [*place[:3], place.owner.value, *place[4:]]


def _place(plain: list[Any] | None) -> Place | None:
    if plain is None:
        return None
    file, line, function, owner, by_tool, importing = plain
    return Place(file, line, function, Owner(owner), by_tool, importing)


def writes_of(line: bytes, recording: Recording) -> Iterator[Write]:
    """What a line tells; nothing where it isn't whole."""
    try:
        found = _read_literal(line.decode("ascii"))
        yield _forked(found) if len(found) == 7 else _told(found, recording)
    except (ValueError, TypeError, LookupError, SyntaxError):  # a child wrote half a line, or something else
        return


def _forked(found: list[Any]) -> Write:
    operation, path, other, before, content, place, fate = found
    state = None if before is None else State(*before)
    return Write(operation, path, other, state, _place(place), fate, "fork", content)


def _told(found: list[Any], recording: Recording) -> Write:
    operation, path, other, before, content, stack, command, start = found
    place = recording.sources.place(_frames(stack)) or _place(_read_literal(start))
    state = None if before is None else State(*before)
    told = spell_command(command or ["python"], recording.show_values)
    return Write(operation, path, other, state, place, child=told, content=content)


class _Code(NamedTuple):
    co_filename: str
    co_name: str


class _Frame(NamedTuple):
    """What ``Sources.place`` asks of a frame."""

    f_code: _Code
    f_lineno: int
    f_back: Any


def _frames(stack: list[Any]) -> Any:
    frame = None
    for file, line, function in reversed(stack):
        frame = _Frame(_Code(file, function), line, frame)
    return frame
