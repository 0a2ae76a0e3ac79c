"""Tells a WSGI from an ASGI application."""

from __future__ import annotations

import inspect
from typing import Final

INTERFACES: Final = ("wsgi", "asgi")


def interface_of(app: object) -> str:
    """``asgi`` where calling the application gives a coroutine, else ``wsgi``. Raises TypeError for no callable."""
    __tracebackhide__ = True
    if not callable(app):
        raise TypeError(f"stateless takes a WSGI or ASGI application, not {type(app).__name__}")
    called = getattr(app, "__call__", None)  # noqa: B004 - the method itself is asked, not whether it is there
    return "asgi" if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(called) else "wsgi"
