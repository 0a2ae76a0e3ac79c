"""Watches places of the memory while the user's code runs, and tells the line after which each of them moved.

Between two events of the user's code (a line begins, a function is entered or left) only the line before the later of
the two can have done it, be it by a call into a dependency. So at each event the watched places are looked at.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from operator import is_
from typing import Final, Protocol

from pytest_stateless.leak import Origin, Owner
from pytest_stateless.source import Sources

_DEPTH: Final = 200  # frames; a framework's stack is 60 to 100 deep
_OFTEN: Final = 1000  # times that a line ran and moved nothing: from then on it isn't followed
_MANY: Final = 10_000  # texts that are kept
_LARGE: Final = 1000  # numbers below are counts, flags and sizes of anybody's
_get_ident: Final = threading.get_ident  # a test may replace them
_getframe: Final = sys._getframe

Chain = tuple[Origin, ...]
"""Lines of the user's code, each called by the next; empty where other code did it by itself."""


class Look(Protocol):
    """One way to look at a place."""

    def moved(self) -> bool:
        """Whether something else is there than before."""
        ...

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        ...


class Watch:
    """One place, looked at in one or several ways, the strongest evidence first."""

    def __init__(self, looks: Sequence[Look]) -> None:
        self._looks = looks
        self._moved = len(looks)
        """The first look that saw a movement."""
        self._chains: list[Chain | None] = [None for _ in looks]

    @property
    def chain(self) -> Chain | None:
        """Who moved it, by the strongest evidence there is; None where it stayed."""
        return self._chains[self._moved] if self._moved < len(self._looks) else None

    def check(
        self, culprit: Callable[[types.FrameType | None], Chain], frame: types.FrameType | None
    ) -> None:
        """Look, and blame whoever was at work when it moved; who is blamed is cleared once it is all undone."""
        position = 0
        for look in self._looks:
            if look.moved():
                break  # weaker evidence has no say any more
            position += 1
        if position != self._moved:
            self._moved = position
            self._chains[:position] = [None] * position
            if position < len(self._looks) and self._chains[position] is None:
                self._chains[position] = culprit(frame)

    def rebase(self) -> None:
        """Leave out what happened until now and wasn't blamed on anybody."""
        for chain, look in zip(self._chains, self._looks, strict=True):
            if chain is None:
                look.rebase()


def _is_telling(value: object) -> bool:
    """Whether it is a plain value that hardly comes from elsewhere, too."""
    if type(value) is int:
        return abs(value) >= _LARGE
    return type(value) is str or type(value) is bytes or (type(value) is float and not value.is_integer())


class Trail:
    """Follows the user's code from event to event. Takes texts and numbers, and keeps no frame."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._watched: list[list[Watch]] = []
        self._home = _get_ident()
        self._places: dict[int, tuple[types.CodeType, int] | None] = {self._home: None}
        """By thread: the function and line that the user's code in it is at."""
        self._thread = self._home
        """The thread that the last event was in."""
        self._times: dict[tuple[str, int], int] = {}
        """How often lines ran."""
        self._skipped: list[types.CodeType] = []
        """Functions with lines that aren't followed any more."""
        self.given: set[object] = set()
        """Texts, and numbers that aren't everywhere, that the user's functions gave to others that called them."""
        self.floor: types.CodeType | None = None
        """Where the program ends and what runs it begins."""

    def is_followed(self, code: types.CodeType) -> bool:
        """Whether it is the user's code."""
        return self._sources.owner(code.co_filename) is Owner.APPLICATION

    def ran(self, origin: Origin) -> bool:
        """Whether a line of the user's code ran."""
        places = ((self._sources.relative(file), line) for file, line in self._times)
        return (origin.file, origin.line) in places

    # ------------------------------------------------------------------------------------------- what is watched

    def look(self) -> None:
        """Look now, as at an event."""
        self._look(_getframe(1))

    def begin(self, watches: list[Watch]) -> None:
        """Watch these alone until ``end``; what happens meanwhile to those before is nobody's."""
        self._look(_getframe(1))
        self._watched.append(watches)

    def end(self, watches: list[Watch]) -> None:
        """Watch those before again."""
        self._look(_getframe(1))
        self._watched = [others for others in self._watched if others is not watches]
        for watch in self._watched[-1] if self._watched else ():
            watch.rebase()

    # -------------------------------------------------------------------------------------------------- events

    def enters(self, frame: types.FrameType) -> None:
        """The user's function begins or goes on: if something moved, it was its caller's line."""
        self._look(frame.f_back)
        self._at(frame, frame.f_lineno)

    def reaches(self, frame: types.FrameType, line: int) -> bool:
        """The user's function is about to run a line: if something moved, it was the line before.

        Returns whether the line ran often enough to be let alone.
        """
        self._look(frame)
        self._at(frame, line)
        place = frame.f_code.co_filename, line
        times = self._times[place] = self._times.get(place, 0) + 1
        if times == _OFTEN:
            self._skipped.append(frame.f_code)
        return times >= _OFTEN

    def leaves(self, frame: types.FrameType, value: object = None) -> None:
        """The user's function returns, waits or fails: its caller's line goes on."""
        self._look(frame)
        self._note_given(value, frame.f_back)
        caller = next(self._users(frame.f_back), None)
        if caller is not None:
            self._at(caller, caller.f_lineno)
        elif _get_ident() == self._home:
            self._places[self._home] = None
        else:  # the number of a thread that ended goes to another
            self._places.pop(_get_ident(), None)

    def _note_given(self, value: object, caller: types.FrameType | None) -> None:
        if _is_telling(value) and len(self.given) < _MANY and caller and not self.is_followed(caller.f_code):
            self.given.add(value)

    def _at(self, frame: types.FrameType, line: int) -> None:
        thread = self._thread = _get_ident()
        self._places[thread] = frame.f_code, line

    def _look(self, frame: types.FrameType | None) -> None:
        if self._watched:
            for watch in self._watched[-1]:
                watch.check(self._chain, frame)

    # ------------------------------------------------------------------------------------------------ who did it

    def _chain(self, frame: types.FrameType | None) -> Chain:
        """The place where the thread was before this event, and what called it."""
        thread = _get_ident()
        if thread not in self._places:  # its first event: it was started by the one that ran before
            thread = self._thread
        place = self._places.get(thread)
        if place is None:
            return ()
        callers = list(self._users(frame))[1:]
        return self._origin(*self._exact(*place)), *(
            self._origin(one.f_code, one.f_lineno) for one in callers
        )

    def _exact(self, code: types.CodeType, line: int) -> tuple[types.CodeType, int]:
        """A place, or where its function begins if not all lines of it are followed."""
        return code, code.co_firstlineno if any(map(is_, self._skipped, repeat(code))) else line

    def _origin(self, code: types.CodeType, line: int) -> Origin:
        return Origin(self._sources.relative(code.co_filename), line, code.co_name)

    def _users(self, frame: types.FrameType | None) -> Iterator[types.FrameType]:
        """The frames of the user's code, outwards, up to what runs the test."""
        for _ in range(_DEPTH):
            if frame is None or frame.f_code is self.floor:
                return
            if self.is_followed(frame.f_code):
                yield frame
            frame = frame.f_back
