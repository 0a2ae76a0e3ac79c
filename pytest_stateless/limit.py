"""Ends what waits for ever: a test that runs again may wait for what its first run keeps, such as a lock.

A signal breaks the wait, as a timeout of pytest's does. So there is a limit in the main thread only, on systems that
have the signal, and where nobody else has set one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

SECONDS: Final = 60.0
"""For the second run of a test, which is followed at each line."""


class TooLong(BaseException):
    """Raised in the midst of whatever runs; no ``except Exception`` of the program's takes it."""


class _Real:
    """Held where no test's mock replaces them."""

    getsignal = staticmethod(signal.getsignal)
    set_handler = staticmethod(signal.signal)
    gettimer: Any = getattr(signal, "getitimer", None)  # none on Windows
    settimer: Any = getattr(signal, "setitimer", None)
    current = staticmethod(threading.current_thread)
    main = staticmethod(threading.main_thread)


@dataclass
class Limit:
    """A time that something may take."""

    exceeded: bool = False
    over: bool = False
    """Whether nothing is limited any more."""

    def _exceed(self, *_: object) -> None:
        if not self.over:
            self.exceeded = True
            raise TooLong


@contextmanager
def limited(seconds: float) -> Iterator[Limit]:
    """Raise TooLong within after so many seconds, and again after as many: a teardown may wait as well."""
    limit = Limit()
    if not _is_free():
        yield limit
        return
    handler = limit._exceed
    before = _Real.set_handler(signal.SIGALRM, handler)
    _Real.settimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield limit
    finally:
        try:
            limit.over = True
        finally:  # though the time was over in the middle of that
            if _Real.getsignal(signal.SIGALRM) is handler:  # else the program has taken it
                _Real.settimer(signal.ITIMER_REAL, 0)
                _Real.set_handler(signal.SIGALRM, before)


def _is_free() -> bool:
    if _Real.settimer is None or _Real.current() is not _Real.main():
        return False
    unused = _Real.gettimer(signal.ITIMER_REAL) == (0.0, 0.0)
    return unused and _Real.getsignal(signal.SIGALRM) is signal.SIG_DFL
