"""What ``stateless.serve`` gives to a test: a server that runs until it is closed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from pytest_stateless.requests import INTERFACES, interface_of
from pytest_stateless.serving.child import Child, Inside, Note
from pytest_stateless.serving.process import ServeError, ServerProcess
from pytest_stateless.serving.servers import server_for


class ServedWindows(Protocol):
    """The windows of the test that a server is part of."""

    def process(self) -> ServerProcess | None:
        """One that is kept for this server; None where there is to be a new one."""
        ...

    def inside(self, tell: Callable[[Note], None]) -> Inside:
        """In the child: the windows of its requests, which ``tell`` what they find."""
        ...

    def take(self, process: ServerProcess) -> None:
        """The server has stopped: take over what the child told, and end it, or keep it for later."""
        ...


class Server:
    """An application under a real HTTP server, in a child process: ``with stateless.serve(app) as server: ...``"""

    url: str
    """``http://127.0.0.1:PORT``, without a slash at the end."""

    def __init__(self, app: Any, interface: str | None, server: str | None, windows: ServedWindows) -> None:
        """Start it. Raises TypeError, ValueError or ServeError where the application can't be served."""
        __tracebackhide__ = True
        if not hasattr(os, "fork"):
            raise ServeError("stateless.serve() forks, which this system can't")
        if interface is not None and interface not in INTERFACES:
            raise ValueError(f"interface={interface!r}: write {' or '.join(map(repr, INTERFACES))}")
        kind = interface or (None if isinstance(app, str) else interface_of(app))
        if kind is not None:
            server = server_for(kind, server)
        self._windows = windows
        self._process: ServerProcess | None = None

        def live(control: socket.socket, tell: Callable[[Note], None]) -> None:
            Child(control, tell, windows.inside(tell)).live(app, kind, server)

        self._process = windows.process() or ServerProcess(live)
        try:
            # Made after the fork, of which the child would keep it.
            with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
                self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                self._process.serve(listener)
        except BaseException:
            self._process.end()
            self._process = None
            raise

    def close(self) -> None:
        """Stop it. Raises ServeError where it was lost before, or can't be stopped and was killed."""
        process, self._process = self._process, None
        if process is not None:
            try:
                process.stop()
            finally:
                self._windows.take(process)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except ServeError:
            if error is None:  # else it is what came of this, and is told
                raise

    def __repr__(self) -> str:
        return f"<server at {self.url}, {'closed' if self._process is None else 'running'}>"
