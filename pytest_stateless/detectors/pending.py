"""Looks at the event loops that are open, and at what goes on in them."""

from __future__ import annotations

import operator
import os
import threading
import types
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pytest_stateless import aio
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.spelling import spell_class
from pytest_stateless.heap.graph import identity
from pytest_stateless.leak import Owner
from pytest_stateless.looping import Key
from pytest_stateless.source import Place, Sources

_LOOKS: Final = 8  # at a task; a window takes no more than five
_IDLE: Final = frozenset({("queues.py", "get"), ("streams.py", "_wait_for_data"), ("locks.py", "wait")})
"""Functions of asyncio in which a task waits for something to do: a job, what comes on a connection, an event."""

_ASYNCIO: Final = os.path.join(os.path.dirname(threading.__file__), "asyncio")
_get_ident: Final = threading.get_ident

_Frames = list[tuple[Any, types.FrameType]]


class OpenLoop(NamedTuple):
    """An event loop that is open."""

    key: Key
    made: bool
    """Whether it was seen to be made; else it may be of any age."""
    place: Place | None
    elsewhere: bool
    """Whether it runs in another thread."""


class Work(NamedTuple):
    """A task that is pending, an asynchronous generator that has not ended, or a function that is to be called."""

    key: Key
    loop: int
    """The identity of the loop's key."""
    subject: str
    message: str
    place: Place | None
    traits: frozenset[str]
    looks: int = 1


class Settled(NamedTuple):
    """What goes on in a loop, all of it for long; nothing is new as long as the marks are the same."""

    marks: list[Key]
    works: list[Work]


class Looking:
    """One look at what goes on in loops."""

    def __init__(self, context: Context, before: Mapping[int, Work], settled: Mapping[int, Settled]) -> None:
        self._context = context
        self._before = before
        self._settled = settled
        self.settled: dict[int, Settled] = {}
        """The loops in which nothing is new, by the identities of their keys."""

    def loop(self, loop: Any, key: Key, known: OpenLoop | None) -> OpenLoop:
        """A loop that is open."""
        noted = self._context.recording.loops.made.get(identity(key))
        place = noted[1] if noted is not None else known and known.place
        thread = aio.thread_of(loop)
        here = thread in (0, _get_ident())
        return OpenLoop(key, noted is not None, place, not here)

    def works(self, loop: Any, key: Key) -> list[Work]:
        """What goes on in a loop."""
        marks, known = aio.marks(loop), self._settled.get(identity(key))
        if known is None or marks is None or not _same(marks, known.marks):
            works = list(self._all_works(loop, key))
            if marks is None or any(work.looks < _LOOKS for work in works):
                return works
            known = Settled(marks, works)
        self.settled[identity(key)] = known
        return known.works

    def task(self, task: Any, loop: Key) -> Work | None:
        """What a task is; None where nothing can stand for it."""
        return next(self._known_or_new(task, loop, self._task), None)

    def _all_works(self, loop: Any, key: Key) -> Iterator[Work]:
        for task in aio.pending(loop):
            yield from self._known_or_new(task, key, self._task)
        for generator in aio.generators_of(loop):
            yield from self._known_or_new(generator, key, self._generator)
        for handle, function in aio.callbacks_of(loop):
            yield from self._known_or_new(handle, key, self._callback, function)

    def _known_or_new(self, thing: Any, loop: Key, describe: Any, *more: Any) -> Iterator[Work]:
        key = aio.key_of(thing)
        if key is None:
            return
        known = self._before.get(identity(key))
        if known is not None and known.looks >= _LOOKS:
            yield known
        else:
            looks = 1 if known is None else known.looks + 1
            yield describe(thing, key, identity(loop), *more)._replace(looks=looks)

    def _task(self, task: Any, key: Key, loop: int) -> Work:
        sources, frames = self._context.sources, aio.awaits(coroutine := aio.coroutine_of(task))
        place, noted = self._context.recording.loops.start_of(task, key)
        stands = _stands(frames, sources)
        if not noted:
            place = stands
        traits = _traits(place) | ({"idle"} if _is_idle(frames) else set())
        subject = _spelled(_own(frames, sources), sources) if frames else spell_class(type(coroutine))
        return Work(key, loop, subject, _message("pending", stands, sources), place, frozenset(traits))

    def _generator(self, generator: Any, key: Key, loop: int) -> Work:
        sources, frames = self._context.sources, aio.awaits(generator)
        stands = _stands(frames[:1], sources)
        subject = _spelled(frames[0], sources) if frames else spell_class(type(generator))
        message = _message("an asynchronous generator that is not closed", stands, sources)
        return Work(key, loop, subject, message, stands, frozenset(_traits(stands)))

    def _callback(self, handle: Any, key: Key, loop: int, function: types.FunctionType) -> Work:
        sources, code = self._context.sources, function.__code__
        owner = sources.owner(code.co_filename)
        place = Place(code.co_filename, code.co_firstlineno, code.co_name, owner, False, False)
        subject = _spell(function, code, function.__globals__, sources)
        traits = _traits(place) | {"callback"}
        return Work(key, loop, subject, "a function that is to be called", place, frozenset(traits))


def _same(marks: list[Key], others: list[Key]) -> bool:
    return len(marks) == len(others) and all(map(operator.is_, marks, others))


def _traits(place: Place | None) -> set[str]:
    owner = Owner.UNKNOWN if place is None else place.owner
    return {f"owner:{owner.value}"} | ({"by-tool"} if place is not None and place.by_tool else set())


def _own(frames: _Frames, sources: Sources) -> tuple[Any, types.FrameType]:
    """The outermost coroutine of the application's; a library may have wrapped it into one of its own."""
    own = (found for found in frames if sources.owner(found[1].f_code.co_filename) is Owner.APPLICATION)
    return next(own, frames[0])


def _stands(frames: _Frames, sources: Sources) -> Place | None:
    """The innermost line of the application's in which something waits, or else the innermost of all."""
    places = [
        Place(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name, owner, False, False)
        for _, frame in frames
        if (owner := sources.owner(frame.f_code.co_filename)) is not Owner.STANDARD_LIBRARY
    ]
    own = [place for place in places if place.owner is Owner.APPLICATION]
    return next(iter([*own[::-1], *places[::-1]]), None)


def _message(state: str, stands: Place | None, sources: Sources) -> str:
    return state if stands is None else f"{state}, at {sources.relative(stands.file)}:{stands.line}"


def _is_idle(frames: _Frames) -> bool:
    """Whether a task waits for something to do."""
    code = frames[-1][1].f_code if frames else None
    if code is None or os.path.dirname(code.co_filename) != _ASYNCIO:
        return False
    return (os.path.basename(code.co_filename), code.co_name) in _IDLE


def _spelled(found: tuple[Any, types.FrameType], sources: Sources) -> str:
    coroutine, frame = found
    return _spell(coroutine, frame.f_code, frame.f_globals, sources)


def _spell(named: Any, code: types.CodeType, names: dict[str, Any], sources: Sources) -> str:
    """A coroutine or function by its name and its file, or by its module where that isn't of the project."""
    name, file = str(named.__qualname__), code.co_filename
    relative = sources.relative(file)
    is_own = sources.owner(file) is Owner.APPLICATION
    if is_own and relative != file.replace(os.sep, "/"):
        return f"{name} ({relative})"
    module = dict.get(names, "__name__")
    return f"{module}.{name}" if type(module) is str else name
