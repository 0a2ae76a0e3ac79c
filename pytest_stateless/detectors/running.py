"""Looks at the threads of this process: those that Python started, and those that the kernel alone knows."""

from __future__ import annotations

import _thread
import os
import queue
import re
import sys
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors import kernel
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.spelling import code_place, spell_callable, spell_class, spell_frame, stable
from pytest_stateless.heap.graph import identity, module_name_of, mro_of, plan_of

_DEFAULT_NAME: Final = re.compile(r"Thread-\d+( \(.*\))?")
_KEY: Final = "threads"
_MAIN: Final = "MainThread"
_LOOKS: Final = 8  # at a native thread; a window takes no more than five
_DEPTH: Final = 1000  # frames of a stack
_QUEUE: Final = queue.__file__
_POOL: Final = os.path.join(os.path.dirname(threading.__file__), "concurrent", "futures", "thread.py")


class Native(NamedTuple):
    """A thread that Python didn't start."""

    task: int
    name: str
    waits: bool
    """Whether it waits until another thread wakes it."""


class Running(NamedTuple):
    """A thread that Python started."""

    task: int
    """The kernel's number; 0 where it isn't known."""
    thread: int
    """Identity of its ``threading.Thread``, or what Python calls it where it has none."""
    code: str
    """Where the function that it runs is defined, for one without a ``threading.Thread``."""
    subject: str
    name: str
    traits: frozenset[str] = frozenset()


class _Real:
    """Held where neither a mock nor a library that puts something else in the place of threads replaces it."""

    active: Mapping[int, Any] = vars(threading)["_active"]
    count = staticmethod(_thread._count)
    current_frames = staticmethod(sys._current_frames)
    namespace = staticmethod(threading.Thread.__dict__["__dict__"].__get__)
    thread = threading.Thread
    timer = threading.Timer
    main = vars(threading)["_MainThread"]
    dummy = threading._DummyThread


class _Standing(NamedTuple):
    """The threads at a moment."""

    known: dict[int, Any]
    """Those that ``threading`` started, by what Python calls them."""
    has_others: bool
    """Whether others run Python code."""
    tasks: int
    """How many the kernel counts; 0 where it doesn't say."""


def _standing() -> _Standing:
    known = {ident: thread for ident, thread in dict(_Real.active).items() if _is_started(thread)}
    has_others = _Real.count() != sum(type(thread) is not _Real.main for thread in known.values())
    return _Standing(known, has_others, kernel.task_count())


def threads(context: Context) -> tuple[tuple[Running, ...], tuple[Native, ...]]:
    """The threads that Python started, and the others."""
    started = {start.thread for start in context.recording.starts}
    known, has_others, count = context.once(_KEY, _standing)
    frames: dict[int, types.FrameType] = {}
    if has_others or any(identity(thread) in started for thread in known.values()):
        frames = _Real.current_frames()
    running = [
        _running(thread, frames.get(ident) if identity(thread) in started else None, context)
        for ident, thread in known.items()
    ]
    tasks = frozenset(thread.task for thread in running)
    if has_others:
        running += _anonymous(frames, known)
    natives = _natives(tasks) if count != len(tasks) else ()
    return tuple(running), tuple(natives)


def settled(context: Context) -> tuple[tuple[int, int], ...] | None:
    """The threads by their identities; None where one was started since the recording began, or past ``threading``.

    What such a thread does may change.
    """
    known, has_others, count = context.once(_KEY, _standing)
    if context.recording.starts or has_others or count not in (0, len(known)):
        return None
    return tuple((ident, identity(thread)) for ident, thread in known.items())


def _is_started(thread: Any) -> bool:
    """Whether it stands for a thread that ``threading`` started: others get a dummy when they ask who they are."""
    return type(thread) is not _Real.dummy and any(base is _Real.thread for base in mro_of(type(thread)))


def _running(thread: Any, frame: types.FrameType | None, context: Context) -> Running:
    own = _Real.namespace(thread)
    name, task = own.get("_name"), own.get("_native_id")
    name = name if type(name) is str else ""
    number = task if type(task) is int else 0
    if type(thread) is _Real.main and name == _MAIN:  # of which nothing is to be found out
        return Running(number, identity(thread), "", name, name)
    what = _what(thread, own)
    traits = set() if frame is None else set(_traits(own, frame, context))
    if frame is not None and context.pools.serves_an_idle_one(thread):
        traits |= {"idle", "lasting-pool"}
    if {what.partition(".")[0], module_name_of(type(thread)).partition(".")[0]} & context.sources.tools:
        traits.add("by-tool")
    subject = what if _DEFAULT_NAME.fullmatch(name) or not name else stable(name)
    return Running(number, identity(thread), "", subject, name, frozenset(traits))


def _what(thread: Any, own: Mapping[str, Any]) -> str:
    """What the thread does: its target, or the class whose ``run`` it runs."""
    if type(thread) is _Real.timer:
        return f"Timer of {spell_callable(own.get('function'))}"
    target = own.get("_target")
    return spell_class(type(thread)) if target is None else spell_callable(target)


def _traits(own: Mapping[str, Any], frame: types.FrameType, context: Context) -> Iterator[str]:
    """What the thread is doing, of one that was started within a window."""
    if _is_idle(frame) or _waits_for_a_lock(frame, own.get("_native_id")):
        yield "idle"
    pool = _pool(own.get("_args"))
    if pool is not None:
        namespace = plan_of(type(pool)).namespace
        if namespace is not None and namespace(pool).get("_thread_name_prefix") == "asyncio":
            yield "default-pool"
        if context.pools.has(pool) or (context.heap is not None and context.heap.has_met(pool)):
            yield "lasting-pool"


def _is_idle(frame: types.FrameType | None) -> bool:
    """Whether a thread waits for an item of a queue, as the workers of pools do that have no work."""
    while frame is not None:
        file, function = frame.f_code.co_filename, frame.f_code.co_name
        if file == _QUEUE and function == "get":
            return True
        if file == _POOL:
            return function == "_worker"  # the queue that it waits for is written in C
        if file != threading.__file__:
            return False
        frame = frame.f_back
    return False


def _waits_for_a_lock(frame: types.FrameType | None, task: object) -> bool:
    """Whether the function that a thread runs waits by itself until another thread lets it go on: for a job."""
    runs = None if frame is None else frame.f_back
    if runs is None or (runs.f_code.co_filename, runs.f_code.co_name) != (threading.__file__, "run"):
        return False
    return type(task) is int and kernel.waits(task)


def _pool(args: Any) -> Any:
    """The executor of ``concurrent.futures`` whose worker has these arguments."""
    first = args[0] if type(args) is tuple and args else None
    return first() if type(first) is weakref.ref else None


def _anonymous(frames: Mapping[int, types.FrameType], known: Mapping[int, Any]) -> Iterator[Running]:
    """The threads that run Python code and were started past ``threading``."""
    for ident, frame in frames.items():
        if ident in known:
            continue
        outermost = frame
        for _ in range(_DEPTH):
            if outermost.f_back is None:
                break
            outermost = outermost.f_back
        code = outermost.f_code
        if code.co_filename != threading.__file__:  # else it begins or ends right now
            yield Running(0, ident, code_place(code), spell_frame(outermost), code.co_name)


_met: dict[int, tuple[Native, int]] = {}
"""Native threads by their numbers, and how often each was looked at: to read a name costs as much as all else."""


def _natives(known: frozenset[int]) -> Iterator[Native]:
    tasks = kernel.tasks() - known
    for gone in _met.keys() - tasks:
        _met.pop(gone, None)
    for task in sorted(tasks):
        native, looks = _met.get(task, (None, 0))
        if native is None or looks < _LOOKS:
            native = Native(task, kernel.name_of(task), kernel.waits(task))
            _met[task] = native, looks + 1
        yield native
