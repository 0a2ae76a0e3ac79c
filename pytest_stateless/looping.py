"""Notes which lines made loops and started tasks, so that one that is left over can be blamed on them."""

from __future__ import annotations

import threading
import types
import weakref
from typing import Any, Final

from pytest_stateless import aio
from pytest_stateless.heap.graph import identity
from pytest_stateless.source import Place, Sources

_get_ident: Final = threading.get_ident

Key = weakref.ref[Any]
"""Stands for a loop, a task or a generator, and keeps nothing alive."""


class Loops:
    """The event loops that were met while windows were open, and what was noted of them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[int, Key] = {}
        self._started: dict[int, tuple[Key, Place | None]] = {}
        self.made: dict[int, tuple[Key, Place | None]] = {}
        """Who made a loop, by the identity of its key."""
        self.older: dict[int, Key] = {}
        """What was going on in a loop already when it was met, by the identity of the key."""
        self.set_by: Place | None = None
        """Who set the current loop last."""
        self.in_c: dict[int, Place | None] = {}
        """Who ran loops in C, by the thread: nobody sees them made."""
        self.running_in_c: set[int] = set()
        """The threads in which loops in C run."""

    def forget(self) -> None:
        """Start anew. Loops that are open stay known: who was in them before must not be taken for new."""
        self._started.clear()
        self.made.clear()
        self.older.clear()
        self.set_by = None
        self.in_c.clear()
        self._known = {number: key for number, key in self._known.items() if _is_open(key())}

    # -------------------------------------------------------------------------------------------- noting

    def meet(self, loop: Any) -> Key | None:
        """From now on the loop is known; what goes on in it was there before."""
        key = self._known.get(identity(loop))
        if key is not None and key() is loop:
            return key
        key = aio.key_of(loop)
        if key is not None:
            self._known[identity(loop)] = key
            handles = (handle for handle, _ in aio.callbacks_of(loop))
            for going_on in (*aio.pending(loop), *aio.generators_of(loop), *handles):
                self._note_older(going_on)
        return key

    def _note_older(self, thing: Any) -> None:
        key = aio.key_of(thing)
        if key is not None:
            self.older[identity(key)] = key

    def note_made(self, loop: Any, frame: types.FrameType) -> None:
        """A loop is being made; it has no attributes yet."""
        key = aio.key_of(loop)
        if key is not None:
            self._known[identity(loop)] = key
            self.made[identity(key)] = key, self._sources.place(frame)

    def note_run(self, frame: types.FrameType) -> None:
        """A loop begins to run, or ends, in this thread."""
        loop, thread = aio.about_to_run(), _get_ident()
        self.running_in_c.discard(thread)
        if loop is None:
            return
        self.meet(loop)
        if aio.is_in_c(loop):
            self.running_in_c.add(thread)
            self.in_c[thread] = self._sources.place(frame)

    def note_task(self, task: Any, frame: types.FrameType) -> None:
        """A task was started."""
        key = aio.key_of(task)
        if key is not None:
            self._started[identity(task)] = key, self._sources.place(frame)

    def note_current(self, frame: types.FrameType) -> None:
        """A loop was set as that of this thread."""
        self.set_by = self._sources.place(frame)

    # ------------------------------------------------------------------------------------------- looking up

    def open(self) -> list[tuple[Any, Key]]:
        """The loops that are known and open, each with its key."""
        found = []
        for key in list(self._known.values()):
            loop = key()
            if _is_open(loop):
                found.append((loop, key))
        return found

    def start_of(self, task: Any, key: Key) -> tuple[Place | None, bool]:
        """Who started the task, and whether anybody was seen to."""
        noted, place = self._started.get(identity(task), (None, None))
        return place, noted is key


def _is_open(loop: Any) -> bool:
    return loop is not None and not aio.is_closed(loop)
