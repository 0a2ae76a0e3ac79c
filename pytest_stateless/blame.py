"""Watches places of the memory while the user's code runs, and tells the line after which each of them moved.

Between two events of the user's code (a line begins, a function is entered or left) only the line before the later of
the two can have done it, be it by a call into a dependency. So at each event the watched places are looked at.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from pytest_stateless.leak import Origin, Owner
from pytest_stateless.source import Sources

_DEPTH: Final = 200  # frames; a framework's stack is 60 to 100 deep
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
        self._chains: list[Chain | None] = [None for _ in looks]

    @property
    def chain(self) -> Chain | None:
        """Who moved it, by the strongest evidence there is; None where it stayed."""
        return next((chain for chain in self._chains if chain is not None), None)

    def check(self, culprit: Callable[[], Chain]) -> None:
        """Look, and blame whoever was at work when it moved; who is blamed is cleared once it is all undone."""
        for position, look in enumerate(self._looks):
            if not look.moved():
                self._chains[position] = None
            else:
                if self._chains[position] is None:
                    self._chains[position] = culprit()
                return  # weaker evidence has no say any more

    def rebase(self) -> None:
        """Leave out what happened until now and wasn't blamed on anybody."""
        for chain, look in zip(self._chains, self._looks, strict=True):
            if chain is None:
                look.rebase()


class Trail:
    """Follows the user's code from event to event. Takes texts and numbers, and keeps no frame."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._watched: list[list[Watch]] = []
        self._home = _get_ident()
        self._places: dict[int, tuple[str, int, str] | None] = {self._home: None}
        """By thread: the file, line and function that the user's code in it is at."""
        self._thread = self._home
        """The thread that the last event was in."""
        self._lines: set[tuple[str, int]] = set()
        self.floor: types.CodeType | None = None
        """Where the program ends and what runs it begins."""

    def is_followed(self, code: types.CodeType) -> bool:
        """Whether it is the user's code."""
        return self._sources.owner(code.co_filename) is Owner.APPLICATION

    def ran(self, origin: Origin) -> bool:
        """Whether a line of the user's code ran."""
        places = ((self._sources.relative(file), line) for file, line in self._lines)
        return (origin.file, origin.line) in places

    # ------------------------------------------------------------------------------------------- what is watched

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

    def reaches(self, frame: types.FrameType, line: int) -> None:
        """The user's function is about to run a line: if something moved, it was the line before."""
        self._look(frame)
        self._at(frame, line)
        self._lines.add((frame.f_code.co_filename, line))

    def leaves(self, frame: types.FrameType) -> None:
        """The user's function returns, waits or fails: its caller's line goes on."""
        self._look(frame)
        caller = next(self._users(frame.f_back), None)
        if caller is not None:
            self._at(caller, caller.f_lineno)
        elif _get_ident() == self._home:
            self._places[self._home] = None
        else:  # the number of a thread that ended goes to another
            self._places.pop(_get_ident(), None)

    def _at(self, frame: types.FrameType, line: int) -> None:
        code = frame.f_code
        self._thread = _get_ident()
        self._places[self._thread] = code.co_filename, line, code.co_name

    def _look(self, frame: types.FrameType | None) -> None:
        if self._watched:
            for watch in self._watched[-1]:
                watch.check(lambda: self._chain(frame))

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
        places = [place, *((one.f_code.co_filename, one.f_lineno, one.f_code.co_name) for one in callers)]
        return tuple(Origin(self._sources.relative(file), line, name) for file, line, name in places)

    def _users(self, frame: types.FrameType | None) -> Iterator[types.FrameType]:
        """The frames of the user's code, outwards, up to what runs the test."""
        for _ in range(_DEPTH):
            if frame is None or frame.f_code is self.floor:
                return
            if self.is_followed(frame.f_code):
                yield frame
            frame = frame.f_back
