"""WSGI applications: a request lasts until its body was read to the end or closed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest
import werkzeug.test

from pytest_stateless.requests import interface_of, wrap_wsgi

if TYPE_CHECKING:
    from tests.requests.conftest import Served

StartResponse = Callable[..., Any]


def environ(path: str = "/", **more: str) -> dict[str, Any]:
    """What a server would pass."""
    found: dict[str, Any] = {"PATH_INFO": path, "wsgi.input": io.BytesIO(), **more}
    setup_testing_defaults(found)
    return found


def start(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], object]:
    """Takes the answer's start as a server would."""
    return lambda _: None


class Body:
    """A body that says what happens to it."""

    def __init__(self, served: Served, parts: Iterable[bytes]) -> None:
        self._served, self._parts = served, iter(parts)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        part = next(self._parts)
        self._served.add(f"sent {part.decode()}")
        return part

    def close(self) -> None:
        self.closed += 1
        self._served.add("closed")


def app_with(body: Iterable[bytes], *headers: tuple[str, str]) -> Callable[..., Iterable[bytes]]:
    """An application that answers with a body."""

    def app(_: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), *headers])
        return body

    return app


def test_a_streamed_body_belongs_to_its_request(served: Served) -> None:
    body = Body(served, [b"a", b"b"])
    answer = wrap_wsgi(app_with(body), served.requests)(environ("/stream"), start)
    assert b"".join(answer) == b"ab"
    assert body.closed == 1
    assert served.found == [(name, "GET /stream (1st request)") for name in ("closed", "sent a", "sent b")]
    answer.close()  # type: ignore[attr-defined]  # as a server does
    assert body.closed == 1


def test_a_body_closed_early_ends_its_request(served: Served) -> None:
    body = Body(served, [b"a", b"b"])
    answer: Any = wrap_wsgi(app_with(body), served.requests)(environ(), start)
    assert next(iter(answer)) == b"a"
    assert served.found == []
    answer.close()
    assert [name for name, _ in served.found] == ["closed", "sent a"]


def test_a_body_as_long_as_it_said_ends_its_request(served: Served) -> None:
    body = Body(served, [b"ab", b"cd"])
    answer = wrap_wsgi(app_with(body, ("Content-Length", "4")), served.requests)(environ(), start)
    parts = iter(answer)
    assert next(parts) == b"ab"
    assert served.found == []
    assert next(parts) == b"cd"  # a client that has all asks for no more
    assert [name for name, _ in served.found] == ["closed", "sent ab", "sent cd"]


def test_a_body_longer_than_it_said_is_passed_on_whole(served: Served) -> None:
    body = Body(served, [b"ab", b"cd", b"ef"])
    answer = wrap_wsgi(app_with(body, ("Content-Length", "1")), served.requests)(environ(), start)
    assert list(answer) == [b"ab", b"cd", b"ef"]
    assert body.closed == 1


def test_a_length_that_is_no_number_is_not_counted(served: Served) -> None:
    body = Body(served, [b"ab"])
    answer = wrap_wsgi(app_with(body, ("Content-Length", "many")), served.requests)(environ(), start)
    assert list(answer) == [b"ab"]


def test_an_application_that_raises_ends_its_request(served: Served) -> None:
    def app(_: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        served.add("half done")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        wrap_wsgi(app, served.requests)(environ("/", REQUEST_METHOD="POST"), start)
    assert served.found == [("half done", "POST / (1st request)")]


def test_a_body_that_raises_when_closed_ends_its_request(served: Served) -> None:
    class Broken(Body):
        def close(self) -> None:
            super().close()
            raise ZeroDivisionError

    answer: Any = wrap_wsgi(app_with(Broken(served, [])), served.requests)(environ(), start)
    with pytest.raises(ZeroDivisionError):
        answer.close()
    assert served.found == [("closed", "GET / (1st request)")]


def test_the_name_has_the_whole_path(served: Served) -> None:
    path = "/käse".encode().decode("latin-1")
    list(wrap_wsgi(app_with(Body(served, [])), served.requests)(environ(path, SCRIPT_NAME="/shop"), start))
    assert served.found == [("closed", "GET /shop/käse (1st request)")]


def test_the_wrapped_application_keeps_to_the_protocol(served: Served) -> None:
    app = validator(wrap_wsgi(validator(app_with([b"hello"])), served.requests))
    body: Any = app(environ(QUERY_STRING="", SCRIPT_NAME=""), start)
    assert b"".join(body) == b"hello"
    body.close()


def test_requests_of_a_flask_client_are_windows(served: Served) -> None:
    app = flask.Flask("shop")

    @app.post("/login/<name>")
    def login(name: str) -> str:
        served.add(name)
        return "welcome"

    assert interface_of(app) == "wsgi"
    client = werkzeug.test.Client(wrap_wsgi(app, served.requests))
    for name in ("bob", "eve"):
        assert client.post(f"/login/{name}").status_code == 200  # the body isn't read
    assert served.found == [
        ("bob", "POST /login/bob (1st request)"),
        ("eve", "POST /login/eve (2nd request)"),
    ]


def test_what_cannot_be_called_is_no_application() -> None:
    with pytest.raises(TypeError, match=r"takes a WSGI or ASGI application, not str"):
        interface_of("app")
