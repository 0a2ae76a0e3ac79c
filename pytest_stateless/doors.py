"""Stands in for the few functions that do something without an audit event, or with one that doesn't say where.

It also stands in for those that give a descriptor without one, ``os.pipe`` and its like, for ``socket.listen``, for
``signal.set_wakeup_fd``, which nothing reads, and for what ``atexit`` has, which before Python 3.14 nothing counts.

``os.open`` doesn't tell its hooks the ``dir_fd`` that a relative path starts from; ``os.mkfifo`` and ``os.mknod``
tell nothing, and neither does a thread that starts before Python 3.12. The stand-ins are in place from the first
window of a row to the end of the last, and while one is open they note the attempt before they call the real one.
"""

from __future__ import annotations

import _thread
import atexit
import functools
import os
import signal
import socket
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Final

from pytest_stateless import audit
from pytest_stateless.attempts import WRITING, Attempt
from pytest_stateless.interpreter import exits, wakeup
from pytest_stateless.opening import WITHOUT_EVENT
from pytest_stateless.recording import Recording

_getframe: Final = sys._getframe
_get_ident: Final = threading.get_ident


def _standing_in(real: Callable[..., Any], decide: Callable[..., Attempt | None]) -> Callable[..., Any]:
    @functools.wraps(real)
    def door(*args: Any, **kwargs: Any) -> Any:
        recording = audit.current()
        if recording is not None:
            try:
                attempt = decide(*args, **kwargs)
            except Exception:  # wrong arguments: the real one says what is wrong with them
                attempt = None
            if attempt is not None:
                refusal = _note(recording, attempt, _getframe(1))
                if refusal is not None:
                    __tracebackhide__ = True
                    raise refusal
                return _call_noted(recording, real, *args, **kwargs)
        return real(*args, **kwargs)

    door.__module__ = "os"
    return door


def _giving(real: Callable[..., Any]) -> Callable[..., Any]:
    """Stands in for a function that gives descriptors."""
    name = real.__name__

    @functools.wraps(real)
    def door(*args: Any, **kwargs: Any) -> Any:
        made = real(*args, **kwargs)
        recording = audit.current()
        if recording is not None and recording.openings.are_wanted:
            try:
                recording.openings.note_made(name, made, _getframe(1))
            except Exception as error:
                recording.broken.append(f"os.{real.__name__}: {type(error).__name__}: {error}")
        return made

    door.__module__ = "os"
    return door


def _note(recording: Recording, attempt: Attempt, frame: types.FrameType) -> OSError | None:
    try:
        return recording.note_attempts([attempt], frame)
    except Exception as error:
        recording.broken.append(f"os.{attempt.operation}: {type(error).__name__}: {error}")
        return None


def _call_noted(recording: Recording, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the real one; its own event, which doesn't say where, isn't listened to."""
    thread = _get_ident()
    recording.at_the_door.add(thread)
    try:
        return real(*args, **kwargs)
    finally:
        recording.at_the_door.discard(thread)


def _opened(path: object, flags: int, mode: int = 0, *, dir_fd: int | None = None) -> Attempt | None:
    if dir_fd is None or not flags & WRITING:  # the audit event says it all
        return None
    return Attempt("open", _plain(path), dir_fd)


def _made(path: object, *_: object, dir_fd: int | None = None, **__: object) -> Attempt:
    return Attempt("mknod", _plain(path), -1 if dir_fd is None else dir_fd, follow=False)


def _plain(path: object) -> object:
    return path if type(path) in (str, bytes) else os.fspath(path)  # type: ignore[call-overload]


_DECISIONS: Final = {"open": _opened, "mkfifo": _made, "mknod": _made}
_DOORS: Final = {
    name: (getattr(os, name), _standing_in(getattr(os, name), decide))
    for name, decide in _DECISIONS.items()
    if hasattr(os, name)
} | {name: (getattr(os, name), _giving(getattr(os, name))) for name in WITHOUT_EVENT}


def _listen(self: Any, *backlog: int) -> None:
    """Enable a server to accept connections."""
    _C_SOCKET.listen(self, *backlog)
    recording = audit.current()
    if recording is not None:
        try:
            recording.note_listen(self, _getframe(1))
        except Exception as error:
            recording.broken.append(f"socket.listen: {type(error).__name__}: {error}")


_listen.__name__ = "listen"
_SOCKET: Final = socket.socket
_C_SOCKET: Final[Any] = socket.SocketType


def _starting(real: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(real)
    def door(*args: Any, **kwargs: Any) -> int:
        recording = audit.current()
        if recording is not None and args:
            try:
                recording.note_start(args[0], _getframe(1))
            except Exception as error:
                recording.broken.append(f"_thread.start_new_thread: {type(error).__name__}: {error}")
        return real(*args, **kwargs)

    return door


_STARTS: Final = ((_thread, "start_new_thread"), (_thread, "start_new"), (threading, "_start_new_thread"))
_START: Final = _thread.start_new_thread
_START_DOOR: Final = _starting(_START)
_IS_SILENT: Final = sys.version_info < (3, 12)
"""Whether a thread starts without an audit event."""


class _Listening:
    """Whether a window is open: what reads the interpreter's table isn't to hear of what happens between two."""

    on = False


_WAKE: Final = signal.set_wakeup_fd


@functools.wraps(_WAKE)
def _wake(descriptor: Any, *args: Any, **kwargs: Any) -> int:
    before = _WAKE(descriptor, *args, **kwargs)
    if _Listening.on:
        wakeup.swapped(before, int(descriptor))
    return before


_REGISTER: Final[Any] = atexit.register
_UNREGISTER: Final[Any] = atexit.unregister


@functools.wraps(_REGISTER)
def _register(*args: Any, **kwargs: Any) -> Any:
    callback = _REGISTER(*args, **kwargs)
    if _Listening.on:
        exits.came(callback)
    return callback


@functools.wraps(_UNREGISTER)
def _unregister(*args: Any, **kwargs: Any) -> None:
    _UNREGISTER(*args, **kwargs)
    if _Listening.on:
        exits.went(*args)


_EXITS: Final[dict[str, tuple[Any, Any]]] = {
    "register": (_REGISTER, _register),
    "unregister": (_UNREGISTER, _unregister),
}


_OS: Final = vars(os)


def install() -> None:
    """Put the stand-ins into those of their places that they aren't in yet."""
    _Listening.on = True
    for name, (real, door) in _EXITS.items() if exits.COUNTS_GONE else ():
        if getattr(atexit, name) is real:
            setattr(atexit, name, door)
    if "listen" not in vars(_SOCKET):
        _SOCKET.listen = _listen  # type: ignore[method-assign]
    for module, name in _STARTS if _IS_SILENT else ():
        if getattr(module, name, None) is _START:
            setattr(module, name, _START_DOOR)
    if signal.set_wakeup_fd is _WAKE:
        signal.set_wakeup_fd = _wake
    for name, (real, door) in _DOORS.items():
        if _OS.get(name) is real:  # else somebody else stands there, whose calls end at the real one
            _OS[name] = door
            if name in _DECISIONS and real in os.supports_dir_fd:
                os.supports_dir_fd.add(door)


def rest() -> None:
    """No window is open: what happens now is nobody's."""
    _Listening.on = False


def remove() -> None:
    """Give the places back."""
    rest()
    for name, (real, door) in _EXITS.items():
        if getattr(atexit, name) is door:
            setattr(atexit, name, real)
    if vars(_SOCKET).get("listen") is _listen:
        del _SOCKET.listen
    for module, name in _STARTS:
        if getattr(module, name, None) is _START_DOOR:
            setattr(module, name, _START)
    if signal.set_wakeup_fd is _wake:
        signal.set_wakeup_fd = _WAKE
    for name, (real, door) in _DOORS.items():
        if _OS.get(name) is door:
            _OS[name] = real
        os.supports_dir_fd.discard(door)
