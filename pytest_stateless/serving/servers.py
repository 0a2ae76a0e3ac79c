"""The real HTTP servers that an application can run under, each in this very process."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final
from wsgiref import simple_server

Started = Callable[[Callable[[], None]], None]
"""Told when the server accepts connections, with a function that stops it, called by another thread."""
Serving = Callable[[Any, socket.socket, Started], None]
"""Serves an application on a listening socket until it is stopped. Requests that still run then are given up."""

GRACE: Final = 1.0
"""Seconds that a server which is stopped waits for requests and connections."""
_THREADS: Final = 16  # a browser opens six connections to a host, some of them before it needs them


def server_for(interface: str, wanted: str | None) -> str:
    """The name of the server that is to be used. Raises ValueError for one that is unknown, unfit or not installed."""
    __tracebackhide__ = True
    fit = [name for name, (kind, _) in SERVERS.items() if kind == interface]
    if wanted is None:
        found = next((name for name in fit if _is_installed(name)), None)
        if found is None:
            raise ValueError("an ASGI application needs a server; install one with: pip install uvicorn")
        return found
    if wanted not in fit:
        raise ValueError(f"server={wanted!r}: for {interface.upper()}, write {' or '.join(map(repr, fit))}")
    if not _is_installed(wanted):
        raise ValueError(f"server={wanted!r} isn't installed; install it with: pip install {wanted}")
    return wanted


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # somebody keeps it from being imported
        return False


# -------------------------------------------------------------------------------------------------- wsgiref


class _QuietHandler(simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Say nothing of a request; errors are told by their tracebacks."""


class _ThreadingServer(simple_server.WSGIServer):
    """A thread for each connection, since a browser opens some that it doesn't use at once."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(("127.0.0.1", 0), _QuietHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        threading.Thread(target=self._answer, args=(request, client_address), daemon=True).start()

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except ConnectionError:  # the client is gone
            pass
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


def _serve_by_wsgiref(app: Any, listener: socket.socket, started: Started) -> None:
    with _ThreadingServer(listener) as server:
        server.set_app(app)
        started(server.shutdown)
        server.serve_forever(poll_interval=0.02)


# ------------------------------------------------------------------------------------------------- gunicorn


def _serve_by_gunicorn(app: Any, listener: socket.socket, started: Started) -> None:
    """By one of its threaded workers. Its arbiter would put another process between the worker and the test."""
    base: Any = import_module("gunicorn.app.base")
    workers: Any = import_module("gunicorn.workers.gthread")

    class Application(base.BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self) -> Any:
            return app

    class Worker(workers.ThreadWorker):  # type: ignore[misc]
        def handle(self, conn: Any) -> Any:
            conn.data_ready = True  # else it waits with a poller of its own, where a request may see it
            return super().handle(conn)

    def ready(worker: Any) -> None:
        started(lambda: worker.handle_exit(signal.SIGTERM, None))

    settings = {
        "threads": _THREADS,
        "graceful_timeout": int(GRACE),
        "loglevel": "warning",
        "post_worker_init": ready,
    }
    application = Application()
    cfg = application.cfg
    listener.setblocking(False)
    Worker(1, os.getppid(), [listener], application, 0, cfg, cfg.logger_class(cfg)).init_process()


# -------------------------------------------------------------------------------------------------- uvicorn


def _serve_by_uvicorn(app: Any, listener: socket.socket, started: Started) -> None:
    import uvicorn

    class StartedServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            started(self._stop)

        def _stop(self) -> None:
            self.should_exit = True

    config = uvicorn.Config(
        app, interface="asgi3", log_level="warning", timeout_graceful_shutdown=int(GRACE), access_log=False
    )
    StartedServer(config).run(sockets=[listener])


SERVERS: Final[dict[str, tuple[str, Serving]]] = {
    "uvicorn": ("asgi", _serve_by_uvicorn),
    "gunicorn": ("wsgi", _serve_by_gunicorn),
    "wsgiref": ("wsgi", _serve_by_wsgiref),
}
"""By name: whose applications a server serves, and how. The first that is installed is taken."""
