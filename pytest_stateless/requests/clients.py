"""Makes windows of the requests that the known test clients send, while a checked test runs.

A client is known by the function that each of its requests goes through. A stand-in takes the place of that function
in packages that are imported already, or are imported meanwhile, and gives it back.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, NamedTuple

from pytest_stateless.requests.asgi import asgi_name, wrap_asgi
from pytest_stateless.requests.sent import Sent, of_arguments, of_environ, of_scope
from pytest_stateless.requests.windows import RequestWindows
from pytest_stateless.requests.wsgi import wrap_wsgi, wsgi_name

Current = Callable[[], Any]
"""Gives the windows of the test that runs; None where requests are no business of a test."""
StandIn = Callable[[Callable[..., Any], Current], Callable[..., Any]]
"""Makes what takes the place of a function."""
Around = Callable[..., AbstractContextManager[object]]
"""Makes what a call happens in."""
Wrap = Callable[..., Any]
"""Wraps an application."""


def _first_argument(wrap: Wrap) -> StandIn:
    """For a function that is given the application."""

    def make(real: Callable[..., Any], current: Current) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(app: Any, *arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            requests = current()
            if requests is not None:
                app = wrap(app, requests, by_client=True)
            return real(app, *arguments, **named)

        return call

    return make


def _attribute(wrap: Wrap) -> StandIn:
    """For a method of what has the application as its attribute ``app``."""

    def make(real: Callable[..., Any], current: Current) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            requests = current()
            if requests is not None and "app" in self.__dict__:
                self = _with_app(self, wrap(self.__dict__["app"], requests, by_client=True))
            return real(self, *arguments, **named)

        return call

    return make


def _with_app(transport: Any, app: Any) -> Any:
    """The same transport with another application. Other threads may use the transport as it is."""
    other: Any = object.__new__(type(transport))
    other.__dict__.update(transport.__dict__, app=app)
    return other


def calling(around: Around) -> StandIn:
    """For a method; ``around`` is given what the test has, and the arguments."""

    def make(real: Callable[..., Any], current: Current) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            requests = current()
            if requests is None:
                return real(self, *arguments, **named)
            with around(requests, self, *arguments, **named):
                return real(self, *arguments, **named)

        return call

    return make


def awaiting(around: Around) -> StandIn:
    """As ``calling``, for a coroutine method."""

    def make(real: Callable[..., Any], current: Current) -> Callable[..., Any]:
        @functools.wraps(real)
        async def call(self: Any, *arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            requests = current()
            if requests is None:
                return await real(self, *arguments, **named)
            with around(requests, self, *arguments, **named):
                return await real(self, *arguments, **named)

        return call

    return make


class _Asked(NamedTuple):
    """What a client is asked to send."""

    name: str
    sent: Callable[[], Sent]
    """Found out only where somebody wants to know."""


def _call(asked: Callable[..., _Asked]) -> StandIn:
    """For a method that returns when the request has ended; ``asked`` is given the client and the arguments."""

    def around(requests: RequestWindows, *arguments: Any, **named: Any) -> AbstractContextManager[None]:
        request = asked(*arguments, **named)
        requests.hear(*request)
        return requests.request(request.name, by_client=True)

    return calling(around)


def _awaited(asked: Callable[..., _Asked]) -> StandIn:
    """For a coroutine method that returns when the request has ended."""

    def around(requests: RequestWindows, *arguments: Any, **named: Any) -> AbstractContextManager[object]:
        request = asked(*arguments, **named)
        requests.hear(*request)
        return requests.task(request.name, by_client=True)

    return awaiting(around)


def _of_environ(client: Any, **environ: Any) -> _Asked:
    def sent() -> Sent:
        return of_environ({**client.defaults, "HTTP_COOKIE": _cookies_of(client), **environ})

    return _Asked(wsgi_name({"PATH_INFO": "/", **environ}), sent)


def _of_scope(client: Any, **scope: Any) -> _Asked:
    def sent() -> Sent:
        cookies = (b"cookie", _cookies_of(client).encode("latin-1", "replace"))
        return of_scope({**scope, "headers": [*scope.get("headers", ()), cookies]})

    return _Asked(asgi_name({"type": "http", "method": "GET", "path": "/", **scope}) or "", sent)


def _cookies_of(client: Any) -> str:
    return "; ".join(f"{name}={cookie.coded_value}" for name, cookie in client.cookies.items())


def _of_webob(_: Any, request: Any, *__: Any, **___: Any) -> _Asked:
    environ: Mapping[str, Any] = request.environ
    return _Asked(wsgi_name(environ), lambda: of_environ(environ))


def _of_address(_: Any, method: str, path: object, **named: Any) -> _Asked:
    address, _, query = str(path).partition("#")[0].partition("?")
    return _Asked(f"{method} {address}", lambda: of_arguments(named, query))


class Client(NamedTuple):
    """A test client."""

    module: str
    function: str
    """What each request goes through: a function of the module, or a method as ``Class.method``."""
    stand_in: StandIn


CLIENTS: Final = (
    Client("werkzeug.test", "run_wsgi_app", _first_argument(wrap_wsgi)),  # Flask's client, too
    Client("webtest.app", "TestApp.do_request", _call(_of_webob)),
    Client("django.test.client", "Client.request", _call(_of_environ)),  # the REST framework's, too
    Client("django.test.client", "AsyncClient.request", _awaited(_of_scope)),
    Client("starlette.testclient", "_TestClientTransport.handle_request", _attribute(wrap_asgi)),
    Client("aiohttp.test_utils", "TestClient._request", _awaited(_of_address)),
    *(
        client
        for package in ("httpx", "httpx2")
        for client in (
            Client(package, "WSGITransport.handle_request", _attribute(wrap_wsgi)),
            Client(package, "ASGITransport.handle_async_request", _attribute(wrap_asgi)),
        )
    ),
)


class Clients:
    """The stand-ins, in their places while a checked test runs."""

    def __init__(self, clients: Sequence[Client] = CLIENTS) -> None:
        self._clients = clients
        self._requests: Any = None
        self._made: dict[Client, tuple[Any, Any]] = {}
        """For each client the real function and its stand-in, the same for all tests: they are looked at."""
        self._taken: list[tuple[Any, str, Client]] = []

    def begin(self, requests: Any) -> None:
        """From now on requests of test clients are windows of these, or what the stand-ins else ask for."""
        self.end()
        self._requests = requests
        self.join()

    def join(self) -> None:
        """Take the places in the packages that are imported and weren't before."""
        for client in self._clients if self._requests is not None else ():
            if client.module not in sys.modules:
                continue
            place, name = _place_of(client)
            found = None if place is None else vars(place).get(name)
            if type(found) is not types.FunctionType or found is self._made.get(client, (None, None))[1]:
                continue
            if self._made.get(client, (None, None))[0] is not found:
                self._made[client] = found, client.stand_in(found, self._current)
            self._taken.append((place, name, client))
            setattr(place, name, self._made[client][1])

    def end(self) -> None:
        """Give the places back, but for those that somebody else took meanwhile."""
        self._requests = None
        while self._taken:
            place, name, client = self._taken.pop()
            real, stand_in = self._made[client]
            if vars(place).get(name) is stand_in:
                setattr(place, name, real)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Requests that are sent within belong to no test."""
        requests, self._requests = self._requests, None
        try:
            yield
        finally:
            self._requests = requests

    def _current(self) -> Any:
        return self._requests


def _place_of(client: Client) -> tuple[Any, str]:
    """The module or class that has the function, None where it isn't imported; and the name that it has there."""
    place: Any = sys.modules.get(client.module)
    *classes, name = client.function.split(".")
    for one in classes:
        place = vars(place).get(one) if type(place) is types.ModuleType else None
    found = place if isinstance(place, (types.ModuleType, type)) else None
    return found, name
