"""Stand-ins for the functions of test clients: when they are in place, and what they make of a request."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.requests.clients import CLIENTS, Clients
from pytest_stateless.requests.wsgi import wrap_wsgi

if TYPE_CHECKING:
    from tests.requests.conftest import Served

_MODULES = {client.module for client in CLIENTS}


def run_wsgi_app(app: Callable[..., Iterable[bytes]], environ: dict[str, str]) -> list[bytes]:
    """What Werkzeug's client sends its requests through."""
    return list(app(environ, lambda status, headers: None))


@pytest.fixture
def werkzeug(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package that looks like Werkzeug, the only client that is imported."""
    for name in _MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module: Any = types.ModuleType("werkzeug.test")
    module.run_wsgi_app = run_wsgi_app
    monkeypatch.setitem(sys.modules, "werkzeug.test", module)
    return module  # type: ignore[no-any-return]


@pytest.fixture
def clients() -> Iterator[Clients]:
    """No stand-ins yet, and none afterwards."""
    clients = Clients()
    yield clients
    clients.end()


def send(werkzeug: Any, app: Any, path: str = "/") -> list[bytes]:
    """Send a request."""
    return werkzeug.run_wsgi_app(app, {"PATH_INFO": path})  # type: ignore[no-any-return]


def adding(served: Served) -> Callable[..., Iterable[bytes]]:
    """An application that leaves the path of each request behind."""

    def app(environ: dict[str, str], start_response: Callable[..., Any]) -> Iterable[bytes]:
        served.add(environ["PATH_INFO"])
        return [b""]

    return app


def test_a_function_is_given_back(werkzeug: Any, clients: Clients, served: Served) -> None:
    clients.begin(served.requests)
    assert werkzeug.run_wsgi_app is not run_wsgi_app
    clients.end()
    assert werkzeug.run_wsgi_app is run_wsgi_app


def test_the_stand_in_of_the_next_test_is_the_same(werkzeug: Any, clients: Clients, served: Served) -> None:
    clients.begin(served.requests)
    stand_in = werkzeug.run_wsgi_app
    clients.begin(served.requests)
    assert werkzeug.run_wsgi_app is stand_in
    assert stand_in.__wrapped__ is run_wsgi_app


def test_a_package_that_is_imported_meanwhile_is_joined(
    werkzeug: types.ModuleType, clients: Clients, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "werkzeug.test")
    clients.begin(served.requests)
    monkeypatch.setitem(sys.modules, "werkzeug.test", werkzeug)
    clients.join()
    send(werkzeug, adding(served), "/late")
    assert served.left() == [("/late", "GET /late (1st request)")]


def test_where_somebody_else_took_the_place_it_stays_theirs(
    werkzeug: Any, clients: Clients, served: Served
) -> None:
    clients.begin(served.requests)
    ours = werkzeug.run_wsgi_app

    def theirs(*arguments: Any) -> Any:
        return ours(*arguments)

    werkzeug.run_wsgi_app = theirs
    clients.end()
    assert werkzeug.run_wsgi_app is theirs
    send(werkzeug, adding(served), "/between")
    clients.begin(served.requests)
    send(werkzeug, adding(served), "/once")
    assert served.left() == [("/once", "GET /once (1st request)"), ("/between", None)]


@pytest.mark.parametrize("found", [None, 3, len, types.SimpleNamespace()], ids=repr)
def test_what_is_no_function_is_let_alone(
    found: object, werkzeug: Any, clients: Clients, served: Served
) -> None:
    werkzeug.run_wsgi_app = found
    clients.begin(served.requests)
    assert werkzeug.run_wsgi_app is found


def test_nothing_is_looked_at_or_imported_where_no_client_is(
    werkzeug: object, clients: Clients, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "werkzeug.test")
    before = set(sys.modules)
    clients.begin(served.requests)
    assert set(sys.modules) == before


def test_a_request_that_is_sent_meanwhile_is_of_no_test(
    werkzeug: Any, clients: Clients, served: Served
) -> None:
    clients.begin(served.requests)
    with clients.paused(), served.windows.absorbing():
        send(werkzeug, adding(served), "/fixture")
    send(werkzeug, adding(served), "/test")
    assert served.left() == [("/test", "GET /test (1st request)")]


def test_a_wrapped_application_and_its_client_are_one_request(
    werkzeug: Any, clients: Clients, served: Served
) -> None:
    clients.begin(served.requests)
    app = wrap_wsgi(adding(served), served.requests)
    send(werkzeug, app, "/a")
    assert served.found == [("/a", "GET /a (1st request)")]  # at once: the test asked for it
    send(werkzeug, app, "/b")
    assert served.found[1:] == [("/b", "GET /b (2nd request)")]


def test_what_a_client_sends_within_a_window_is_of_that(
    werkzeug: Any, clients: Clients, served: Served
) -> None:
    clients.begin(served.requests)
    with served.requests.request("checkout"):
        send(werkzeug, adding(served), "/a")
        send(werkzeug, adding(served), "/b")
    assert served.found == [("/a", "checkout (1st request)"), ("/b", "checkout (1st request)")]


def test_what_an_application_sends_to_another_is_nested(
    werkzeug: Any, clients: Clients, served: Served
) -> None:
    clients.begin(served.requests)

    def outer(environ: dict[str, str], start_response: Callable[..., Any]) -> Iterable[bytes]:
        send(werkzeug, adding(served), "/inner")
        return adding(served)(environ, start_response)

    send(werkzeug, outer, "/outer")
    assert served.left() == [("/inner", "GET /inner (2nd request)"), ("/outer", "GET /outer (1st request)")]


def test_what_is_put_back_before_the_test_ends_is_no_leak(
    werkzeug: Any, clients: Clients, served: Served
) -> None:
    clients.begin(served.requests)
    send(werkzeug, adding(served), "/put-back")
    send(werkzeug, adding(served), "/stays")
    served.names.there.remove("/put-back")
    assert served.left() == [("/stays", "GET /stays (2nd request)")]
