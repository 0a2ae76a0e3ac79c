"""What the ``stateless`` fixture gives to a test."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_stateless.requests import RequestWindows


class Stateless:
    """Windows inside a test."""

    def __init__(self, requests: RequestWindows | None) -> None:
        self._requests = requests

    def request(self, name: str) -> AbstractContextManager[None]:
        """A window around a block: what the block leaves behind is reported as ``during <name>``."""
        return nullcontext() if self._requests is None else self._requests.request(name)

    def wrap(self, app: Any, *, interface: str | None = None) -> Any:
        """A WSGI or ASGI application whose every request is a window.

        ``interface`` is ``"wsgi"`` or ``"asgi"`` where the callable doesn't show which it is. Raises TypeError for
        what can't be called and ValueError for another interface.
        """
        from pytest_stateless.requests import INTERFACES, interface_of, wrap_asgi, wrap_wsgi

        kind = interface_of(app) if interface is None else interface
        if kind not in INTERFACES:
            raise ValueError(f"interface={interface!r}: write {' or '.join(map(repr, INTERFACES))}")
        if self._requests is None:
            return app
        return wrap_asgi(app, self._requests) if kind == "asgi" else wrap_wsgi(app, self._requests)
