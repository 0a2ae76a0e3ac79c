"""What the child process does: serves when it is told to, and ends with its parent."""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol

from pytest_stateless.requests import RequestWindows, interface_of, wrap_asgi, wrap_wsgi
from pytest_stateless.serving.process import AGAIN, ENDED, PASSED, PATIENCE, READY, SERVE
from pytest_stateless.serving.servers import SERVERS, server_for
from pytest_stateless.source import is_own

_LOOK: Final = 1.0  # seconds between looks whether the parent lives
Note = dict[str, Any]
"""Plain values, as the child tells them to its parent."""


class _OverError(BaseException):
    """The parent wants nothing any more."""


class _Real:
    """Held where no test's mock replaces it."""

    sleep = staticmethod(time.sleep)


class Inside(Protocol):
    """The windows of the requests."""

    def requests(self) -> RequestWindows | None:
        """Those of this run of the test; None where nothing is checked."""
        ...

    def keep(self, app: Any) -> None:
        """Have the memory lead to the application, which a server's process has for as long as it lives."""
        ...

    def finish(self) -> bool:
        """No more requests come: tell what was found. Returns whether the test is wanted once more."""
        ...

    def blame(self, again: Callable[[], bool]) -> None:
        """Find who did it. ``again`` serves in another run of the test, and returns whether that passed."""
        ...


class Child:
    """Serves one application, as often as it is told to."""

    def __init__(self, control: socket.socket, tell: Callable[[Note], None], windows: Inside) -> None:
        self._control = control
        self._tell = tell
        self._windows = windows
        self._parent = os.getppid()
        self._reruns = 0

    def live(self, app: Any, interface: str | None, server: str | None) -> None:
        """Until the other end of the control socket is closed."""
        _log_to_standard_error()
        try:
            app = application_of(app) if isinstance(app, str) else app
            kind = interface or interface_of(app)
            _, serve = SERVERS[server_for(kind, server)]

            def serve_once(listener: socket.socket) -> None:
                serve(self._wrapped(app, kind), listener, self._started)

            self._serve_next(serve_once)
            wanted = self._windows.finish()
            self._control.sendall(ENDED)
            if wanted:
                self._windows.blame(partial(self._again, serve_once))
                self._control.sendall(ENDED)
            self._is_told_more()
        except _OverError:
            return
        except BaseException as error:
            self._tell({"failed": _spell(error)})
            raise SystemExit(1) from error  # it was told: nobody prints it

    def _serve_next(self, serve: Callable[[socket.socket], None]) -> bytes:
        """Serve if that is what the parent wants next. Returns what it said."""
        if not self._is_told_more():
            return b""
        word, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        if descriptors:
            serve(socket.socket(fileno=descriptors[0]))
        return word

    def _again(self, serve: Callable[[socket.socket], None]) -> bool:
        """Serve in another run of the test. Returns whether it passed, and served."""
        if self._reruns:
            self._control.sendall(AGAIN)
        self._reruns += 1
        word = self._serve_next(serve)
        served = word == SERVE
        if served:
            self._control.sendall(ENDED)
            word = self._control.recv(1) if self._is_told_more() else b""
        if not word:
            raise _OverError
        return word == PASSED and served  # a test may fail before it came to this

    def _wrapped(self, app: Any, interface: str) -> Any:
        requests = self._windows.requests()
        if requests is None:
            return app
        self._windows.keep(app)
        return wrap_asgi(app, requests) if interface == "asgi" else wrap_wsgi(app, requests)

    def _started(self, stop: Callable[[], None]) -> None:
        threading.Thread(target=self._await_stop, args=(stop,), daemon=True).start()
        self._control.sendall(READY)

    def _await_stop(self, stop: Callable[[], None]) -> None:
        """Stop when told to. Where the parent is gone, also this process ends."""
        if self._is_told_more() and self._control.recv(1):
            stop()
            return
        stop()
        _Real.sleep(PATIENCE)
        os._exit(1)

    def _is_told_more(self) -> bool:
        """Wait for the parent's next word, or the end of it. Returns whether there may be one."""
        while not select.select([self._control], [], [], _LOOK)[0]:
            if os.getppid() != self._parent:  # it was killed, and a fork of it still has the socket
                return False
        return True


def application_of(text: str) -> Any:
    """The application that ``module:attribute`` names. Raises ValueError for another text, and what the import does."""
    module, _, attributes = text.partition(":")
    if not module or not attributes:
        raise ValueError(f"{text!r} names no application; write 'module:attribute'")
    found = import_module(module)
    for name in attributes.split("."):
        found = getattr(found, name)
    return found


def _log_to_standard_error() -> None:
    """What pytest's handlers take in this process nobody would see."""
    root = logging.getLogger()
    others = [one for one in root.handlers if not type(one).__module__.startswith("_pytest.")]
    if len(others) < len(root.handlers):
        handler = logging.StreamHandler(sys.stderr)
        handler.setLevel(logging.WARNING)
        root.handlers[:] = others or [handler]


def _spell(error: BaseException) -> str:
    """An error with the lines of code that are not the plugin's own or the import system's."""
    told = traceback.TracebackException.from_exception(error)
    own = [one for one in told.stack if is_own(one.filename) or one.filename.startswith("<frozen importlib")]
    told.stack = traceback.StackSummary.from_list([one for one in told.stack if one not in own])
    return "".join(told.format()).rstrip()
