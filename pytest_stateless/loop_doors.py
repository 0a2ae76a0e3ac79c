"""Stands in for what makes an event loop, starts a task or timer and sets the current loop: no audit event tells.

The stand-ins are put in by the first window after asyncio was loaded, and stay until the tests that follow one another
have ended: CPython no longer speeds up a class that was changed a thousand times (``MAX_VERSIONS_PER_CLASS``).
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any, Final

from pytest_stateless import aio, audit
from pytest_stateless.heap.graph import class_namespace
from pytest_stateless.recording import Recording

_getframe: Final = sys._getframe


def _making(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note(real, lambda recording, frame: recording.loops.note_made(self, frame), _getframe(1))
        return real(self, *args, **kwargs)

    return door


def _starting(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note(real, lambda recording, frame: recording.loops.meet(self), None)
        task = real(self, *args, **kwargs)
        _note(real, lambda recording, frame: recording.loops.note_task(task, frame), _getframe(1))
        return task

    return door


def _scheduling(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note(real, lambda recording, frame: recording.loops.meet(self), None)
        return real(self, *args, **kwargs)

    return door


def _setting(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        _note(real, lambda recording, frame: recording.loops.note_current(frame), _getframe(1))
        return real(self, *args, **kwargs)

    return door


def _note(real: Any, step: Callable[[Recording, Any], object], frame: types.FrameType | None) -> None:
    recording = audit.current()
    if recording is None:
        return
    try:
        step(recording, frame)
    except Exception as error:
        recording.broken.append(f"{real.__qualname__}: {type(error).__name__}: {error}")


_PLACES: Final = (
    ("asyncio.base_events", "BaseEventLoop", "__init__", _making),
    ("asyncio.base_events", "BaseEventLoop", "create_task", _starting),
    ("asyncio.base_events", "BaseEventLoop", "call_at", _scheduling),
    ("asyncio.events", "BaseDefaultEventLoopPolicy", "set_event_loop", _setting),
    ("asyncio.events", "_BaseDefaultEventLoopPolicy", "set_event_loop", _setting),  # since 3.14
)
_standing: Final[list[tuple[type, str, Any, Any]]] = []
"""The stand-ins: where, the real one, and what stands there."""


def install() -> None:
    """Put the stand-ins into their places, once asyncio is loaded."""
    if _standing or "BaseEventLoop" not in aio.loaded("asyncio.base_events"):
        return
    for module, name, method, make in _PLACES:
        cls: Any = aio.loaded(module).get(name)
        real = class_namespace(cls).get(method) if type(cls) is type else None
        if type(real) is types.FunctionType:
            door = make(real)
            _standing.append((cls, method, real, door))
            setattr(cls, method, door)


def remove() -> None:
    """Give the places back."""
    while _standing:
        cls, method, real, door = _standing.pop()
        if class_namespace(cls).get(method) is door:  # else somebody else stands there
            setattr(cls, method, real)
