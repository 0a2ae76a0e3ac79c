"""What the ``stateless`` fixture gives to a test."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_stateless.requests import RequestWindows
    from pytest_stateless.serving import ServedWindows, Server


class Stateless:
    """Windows inside a test."""

    def __init__(
        self,
        requests: RequestWindows | None,
        served: Callable[[], ServedWindows] | None = None,
        look_for: Callable[[str, str], None] | None = None,
    ) -> None:
        self._requests = requests
        self._look_for = look_for
        self._served = served
        self._servers = ExitStack()

    def request(self, name: str) -> AbstractContextManager[None]:
        """A window around a block: what the block leaves behind is reported as ``during <name>``."""
        return nullcontext() if self._requests is None else self._requests.request(name)

    def canary(self, name: str = "canary") -> str:
        """A text that is nowhere else, to be sent as a secret: ``canary-`` and 24 hexadecimal digits.

        Where it is still found after the request is a leak of the rule ``retained-secret``, which calls it ``name``.
        """
        from pytest_stateless.canaries import make_marker

        marker = make_marker()
        if self._look_for is not None:
            self._look_for(name, marker)
        return marker

    def wrap(self, app: Any, *, interface: str | None = None) -> Any:
        """A WSGI or ASGI application whose every request is a window.

        ``interface`` is ``"wsgi"`` or ``"asgi"`` where the callable doesn't show which it is. Raises TypeError for
        what can't be called and ValueError for another interface.
        """
        __tracebackhide__ = True
        from pytest_stateless.requests import INTERFACES, interface_of, wrap_asgi, wrap_wsgi

        kind = interface_of(app) if interface is None else interface
        if kind not in INTERFACES:
            raise ValueError(f"interface={interface!r}: write {' or '.join(map(repr, INTERFACES))}")
        if self._requests is None:
            return app
        return wrap_asgi(app, self._requests) if kind == "asgi" else wrap_wsgi(app, self._requests)

    def serve(self, app: Any, *, interface: str | None = None, server: str | None = None) -> Server:
        """Serve a WSGI or ASGI application in a child process, which checks each request, until it is closed.

        ``app`` is the application, or text that names it: ``"shop.wsgi:app"``. ``server`` is ``"uvicorn"`` for ASGI,
        ``"gunicorn"`` or ``"wsgiref"`` for WSGI; without it, the first of them that is installed. Raises TypeError,
        ValueError, and ServeError where the application doesn't start.
        """
        __tracebackhide__ = True
        from pytest_stateless.served import Unchecked
        from pytest_stateless.serving import Server

        windows = Unchecked() if self._served is None else self._served()
        made = Server(app, interface, server, windows)
        self._servers.callback(made.close)
        return made

    def close(self) -> None:
        """Stop the servers that still run."""
        self._servers.close()
