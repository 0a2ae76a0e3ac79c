"""A window for each request: by hand, by wrapping a WSGI or ASGI application, or by a test client that is known."""

from __future__ import annotations

from pytest_stateless.requests.alike import EVERY, Answered, compared, noted
from pytest_stateless.requests.asgi import wrap_asgi
from pytest_stateless.requests.clients import Clients
from pytest_stateless.requests.lifespans import LIFESPANS
from pytest_stateless.requests.sent import Listen, Sent, secrets_in
from pytest_stateless.requests.windows import RequestWindows, ordinal
from pytest_stateless.requests.wrap import INTERFACES, interface_of
from pytest_stateless.requests.wsgi import wrap_wsgi

__all__ = [
    "EVERY",
    "INTERFACES",
    "LIFESPANS",
    "Answered",
    "Clients",
    "Listen",
    "RequestWindows",
    "Sent",
    "compared",
    "interface_of",
    "noted",
    "ordinal",
    "secrets_in",
    "wrap_asgi",
    "wrap_wsgi",
]
