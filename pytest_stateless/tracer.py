"""Follows the user's code from event to event: by ``sys.monitoring``, or by ``sys.settrace`` before Python 3.12."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Final, Protocol

_TOOL: Final = "pytest-stateless"
_TOOL_IDS: Final = (4, 3, 5, 2, 0, 1)
"""Those that have a meaning by convention last: https://docs.python.org/3/library/sys.monitoring.html"""

_getframe: Final = sys._getframe  # a test may replace it
_identity: Final[Callable[[object], int]] = object.__hash__
"""Codes that are equal are the same to a dictionary, but each has its own events."""


class Followed(Protocol):
    """Who wants to know."""

    floor: types.CodeType | None

    def is_followed(self, code: types.CodeType) -> bool:
        """Whether the events of this code are wanted."""
        ...

    def enters(self, frame: types.FrameType) -> None:
        """A function begins or goes on."""
        ...

    def reaches(self, frame: types.FrameType, line: int) -> bool:
        """A function is about to run a line. Returns whether this line isn't wanted any more."""
        ...

    def leaves(self, frame: types.FrameType, value: object) -> None:
        """A function returns or waits with a value, or fails with an exception."""
        ...


def follow(followed: Followed, run: Callable[[], object]) -> bool:
    """Run something and follow it. Returns whether it could be followed; if not, it wasn't run.

    Raises what handling an event raised, once the run is over: the program never sees it.
    """
    tracer = _Tracer(followed)
    if not tracer.start():
        return False
    followed.floor = follow.__code__
    try:
        run()
    finally:
        tracer.stop()
    if tracer.broken is not None:
        raise tracer.broken
    return True


class _Guard:
    """An error is the plugin's and must not become the program's."""

    broken: Exception | None = None

    def guarded(self, event: Callable[..., bool | None], *arguments: Any) -> bool | None:
        """Handle an event; after an error, none any more."""
        if self.broken is None:
            try:
                return event(*arguments)
            except Exception as error:
                self.broken = error
        return None


if sys.version_info >= (3, 12):
    _monitoring: Final = sys.monitoring
    _EVENTS: Final = _monitoring.events
    _GLOBAL: Final = _EVENTS.PY_START | _EVENTS.PY_RESUME | _EVENTS.PY_THROW | _EVENTS.PY_UNWIND
    _LOCAL: Final = _EVENTS.LINE | _EVENTS.PY_RETURN | _EVENTS.PY_YIELD

    class _Tracer(_Guard):
        """Follows by sys.monitoring, which any number of tools share."""

        def __init__(self, followed: Followed) -> None:
            self._followed = followed
            self._tool = -1
            self._codes: dict[int, tuple[types.CodeType, bool]] = {}

        def start(self) -> bool:
            """Take a free place among the tools; False if there is none."""
            free = [number for number in _TOOL_IDS if _monitoring.get_tool(number) is None]
            if not free:
                return False
            self._tool = free[0]
            _monitoring.use_tool_id(self._tool, _TOOL)
            for event, callback in self._callbacks().items():
                _monitoring.register_callback(self._tool, event, callback)
            _monitoring.set_events(self._tool, _GLOBAL)
            # Another tool that had this number may have switched events off for some code.
            _monitoring.restart_events()
            return True

        def stop(self) -> None:
            """Give the place back."""
            _monitoring.set_events(self._tool, 0)
            for code, followed in self._codes.values():
                if followed:
                    _monitoring.set_local_events(self._tool, code, 0)
            for event in self._callbacks():
                _monitoring.register_callback(self._tool, event, None)
            _monitoring.free_tool_id(self._tool)

        def _callbacks(self) -> dict[int, Callable[..., Any]]:
            return {
                _EVENTS.PY_START: self._start,
                _EVENTS.PY_RESUME: self._start,
                _EVENTS.PY_THROW: self._throw,
                _EVENTS.LINE: self._line,
                _EVENTS.PY_RETURN: self._leave,
                _EVENTS.PY_YIELD: self._leave,
                _EVENTS.PY_UNWIND: self._leave,
            }

        def _follows(self, code: types.CodeType) -> bool:
            known = self._codes.get(_identity(code))
            if known is None:
                known = self._codes[_identity(code)] = code, self._followed.is_followed(code)
                if known[1]:
                    _monitoring.set_local_events(self._tool, code, _LOCAL)
            return known[1]

        def _start(self, code: types.CodeType, offset: int) -> object:
            if not self._follows(code):
                return _monitoring.DISABLE
            self.guarded(self._followed.enters, _getframe(1))
            return None

        def _throw(self, code: types.CodeType, offset: int, error: BaseException) -> None:
            if self._follows(code):
                self.guarded(self._followed.enters, _getframe(1))

        def _line(self, code: types.CodeType, line: int) -> object:
            return _monitoring.DISABLE if self.guarded(self._followed.reaches, _getframe(1), line) else None

        def _leave(self, code: types.CodeType, offset: int, value: object) -> None:
            if self._follows(code):
                self.guarded(self._followed.leaves, _getframe(1), value)

else:  # pragma: no cover - where coverage measures on these versions, it has the one place itself

    class _Tracer(_Guard):
        """Follows by sys.settrace, which has one place."""

        def __init__(self, followed: Followed) -> None:
            self._followed = followed
            self._stopped = False

        def start(self) -> bool:
            """Take the place if it is free. Threads that run already aren't followed."""
            if sys.gettrace() is not None or threading.gettrace() is not None:
                return False
            sys.settrace(self._trace)
            threading.settrace(self._trace)
            return True

        def stop(self) -> None:
            """Give the place back, unless somebody else took it. Threads that still run do so at their next event."""
            self._stopped = True
            if sys.gettrace() == self._trace:
                sys.settrace(None)
            if threading.gettrace() == self._trace:
                threading.settrace(None)

        def _trace(self, frame: types.FrameType, event: str, argument: object) -> Any:
            followed = self._followed
            if self._stopped:
                sys.settrace(None)
                return None
            if event == "call":
                if not followed.is_followed(frame.f_code):
                    return None
                self.guarded(followed.enters, frame)
            elif event == "line":
                # For the rest of this call no line is wanted, since a single one can't be switched off.
                frame.f_trace_lines = not self.guarded(followed.reaches, frame, frame.f_lineno)
            elif event == "return":
                self.guarded(followed.leaves, frame, argument)
            return self._trace
