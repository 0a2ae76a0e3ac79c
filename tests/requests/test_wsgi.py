"""WSGI applications: a request lasts until its body was read to the end or closed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest
import werkzeug.test

from pytest_stateless.requests import interface_of, wrap_wsgi

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_body_that_was_closed_is_not_asked_again(served: Served, tmp_path: Path) -> None:
    tmp_path.joinpath("a.txt").write_bytes(b"ab")
    file = FileWrapper(tmp_path.joinpath("a.txt").open("rb"))
    answer = wrap_wsgi(app_with(file, ("Content-Length", "2")), served.requests)(environ(), start)
    assert list(answer) == [b"ab"]
    assert file.filelike.closed


def test_a_body_longer_than_it_said_is_passed_on_whole(served: Served) -> None:
    body = Body(served, [b"ab", b"cd", b"ef"])
    answer = wrap_wsgi(app_with(body, ("Content-Length", "1")), served.requests)(environ(), start)
    assert list(answer) == [b"ab", b"cd", b"ef"]
    assert body.closed == 1


@pytest.mark.parametrize("length", ["many", "", "-1", "²"])
def test_a_length_that_is_no_number_is_not_counted(length: str, served: Served) -> None:
    body = Body(served, [b"ab"])
    answer = wrap_wsgi(app_with(body, ("Content-Length", length)), served.requests)(environ(), start)
    assert next(iter(answer)) == b"ab"
    assert body.closed == 0
    assert list(answer) == []
    assert body.closed == 1


def test_an_empty_body_that_says_so_ends_its_request(served: Served) -> None:
    body = Body(served, [])
    answer = wrap_wsgi(app_with(body, ("content-length", "0")), served.requests)(environ(), start)
    assert list(answer) == []
    assert served.found == [("closed", "GET / (1st request)")]


@pytest.mark.parametrize("length", ["1", "2"], ids=["after-all-was-promised", "as-a-part"])
def test_a_request_that_a_body_makes_is_nested(length: str, served: Served) -> None:
    def body() -> Iterator[bytes]:
        served.add("outer")
        yield b"a"
        with served.requests.request("GET /stock"):
            served.add("inner")

    list(wrap_wsgi(app_with(body(), ("Content-Length", length)), served.requests)(environ(), start))
    assert served.found == [("inner", "GET /stock (2nd request)"), ("outer", "GET / (1st request)")]


def test_a_request_that_the_application_makes_of_itself_is_nested(served: Served) -> None:
    def app(env: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if env["PATH_INFO"] == "/outer":
            list(wrapped(environ("/inner"), start))
        served.add(env["PATH_INFO"])
        start_response("200 OK", [])
        return [b""]

    wrapped = wrap_wsgi(app, served.requests)
    list(wrapped(environ("/outer"), start))
    assert served.found == [("/inner", "GET /inner (2nd request)"), ("/outer", "GET /outer (1st request)")]


def test_a_body_whose_part_raises_ends_its_request_when_closed(served: Served) -> None:
    def parts() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    body = Body(served, parts())
    answer: Any = wrap_wsgi(app_with(body), served.requests)(environ(), start)
    with pytest.raises(ZeroDivisionError):
        list(answer)
    assert (body.closed, served.found) == (0, [])  # closing is the server's duty
    answer.close()
    assert served.found == [("closed", "GET / (1st request)"), ("sent a", "GET / (1st request)")]


def test_a_body_never_closed_ends_with_the_test(served: Served) -> None:
    body = Body(served, [b"a", b"b"])
    answer: Any = wrap_wsgi(app_with(body), served.requests)(environ("/slow"), start)
    assert next(iter(answer)) == b"a"
    served.requests.finish()
    assert served.found == [("sent a", "GET /slow (1st request)")]
    answer.close()
    assert served.found == [("sent a", "GET /slow (1st request)")]
    served.names.there.remove("closed")  # what happens when all requests have ended is the test's own


def test_bodies_read_in_turns_are_one_window_under_both_names(served: Served) -> None:
    bodies = [Body(served, [name, name + name]) for name in (b"a", b"b")]
    answers = [
        iter(wrap_wsgi(app_with(body), served.requests)(environ(f"/{number}"), start))
        for number, body in enumerate(bodies)
    ]
    assert [b"".join(parts) for parts in zip(*answers, strict=True)] == [b"ab", b"aabb"]
    assert {request for _, request in served.found} == {"GET /0 (1st request) and GET /1 (2nd request)"}
    assert [name for name, _ in served.found] == ["closed", "sent a", "sent aa", "sent b", "sent bb"]


def test_what_start_response_is_given_and_gives_is_passed_on(served: Served) -> None:
    given: list[Any] = []
    written: list[bytes] = []

    def keep(*arguments: Any) -> Callable[[bytes], object]:
        given.append(arguments)
        return written.append

    def app(_: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("500 Oh no", [("A", "b")], "error")(b"whole")
        return ()

    assert list(wrap_wsgi(app, served.requests)(environ(), keep)) == []
    assert given == [("200 OK", []), ("500 Oh no", [("A", "b")], "error")]
    assert written == [b"whole"]


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


def test_a_request_that_says_nothing_gets_the_root(served: Served) -> None:
    list(wrap_wsgi(app_with(Body(served, [])), served.requests)({}, start))
    assert served.found == [("closed", "GET / (1st request)")]


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
