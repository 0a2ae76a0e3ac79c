"""The one audit hook of the process: while a recording is open it notes who writes, binds, starts a child or a thread.

A hook can't be removed and runs for every audit event of the process, so it is installed once, with the first
recording, and returns at once while none is open. It notes texts and numbers, never objects of the program; what the
attempts came to is judged later.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pytest_stateless.attempts import DECISIONS, EXEC, LOCKS, MAP, RUN, SPAWNS, STARTS
from pytest_stateless.recording import Recording

_get_ident: Final = threading.get_ident

_EVENTS: Final = frozenset(
    {*DECISIONS, *SPAWNS, *STARTS, *LOCKS, EXEC, MAP, RUN, "socket.bind", "socket.__new__"}
)
_open_recording: Recording | None = None
_installed = False
_looking: Final[set[int]] = set()
"""Threads in which the plugin looks around: what it opens for that is nobody's attempt."""

_T = TypeVar("_T")


def unnoticed(look: Callable[..., _T], *args: Any) -> _T:
    """What a look gives, without noting what it does in this thread."""
    thread = _get_ident()
    _looking.add(thread)
    try:
        return look(*args)
    finally:
        _looking.discard(thread)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    recording = _open_recording
    if recording is None or event not in _EVENTS or _get_ident() in _looking:
        return
    refusal = None
    try:
        refusal = recording.note(event, args)
    except BaseException as error:  # anything raised here would abort the user's call
        recording.broken.append(f"{event}: {type(error).__name__}: {error}")
    if refusal is not None:
        __tracebackhide__ = True  # the traceback ends at the culprit
        raise refusal


def start(recording: Recording) -> Recording | None:
    """Make ``recording`` the open one and return the one that was, to be given back to ``stop``."""
    global _open_recording, _installed
    previous = _open_recording
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
    _open_recording = recording
    return previous


def stop(previous: Recording | None) -> None:
    """Close the open recording and give the place back to the one before, if any."""
    global _open_recording
    _open_recording = previous


def current() -> Recording | None:
    """The open recording."""
    return _open_recording
