"""A window for each request: by hand, or by wrapping a WSGI or ASGI application.

What wraps a framework's own test client calls ``begin`` and ``end`` too: they are the seam.
"""

from __future__ import annotations

from pytest_stateless.requests.asgi import wrap_asgi
from pytest_stateless.requests.windows import RequestWindows
from pytest_stateless.requests.wrap import INTERFACES, interface_of
from pytest_stateless.requests.wsgi import wrap_wsgi

__all__ = ["INTERFACES", "RequestWindows", "interface_of", "wrap_asgi", "wrap_wsgi"]
