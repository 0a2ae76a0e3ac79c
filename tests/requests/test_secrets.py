"""What a request sends, read from what a client was given, and which of it is secret."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pytest_stateless.requests.sent import Sent, of_arguments, of_environ, of_scope, secrets_in

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n'
    b'--x\r\ncontent-disposition: form-data; name="token"; filename="a"\r\n\r\nfile-1\r\n--x--\r\n'
)


def sent(body: bytes | str = b"", kind: str = "", query: str = "", **headers: str) -> Sent:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    raw = body.encode() if isinstance(body, str) else body
    return Sent(query, (*named, ("content-type", kind)), raw)


SECRET: dict[str, tuple[Sent, list[tuple[str, str]]]] = {
    "form": (sent("user=bob&password=hunter2&next=%2F1", FORM), [("password", "hunter2")]),
    "form-with-charset": (sent("pwd=s%C3%A9cret1", f"{FORM}; charset=utf-8"), [("pwd", "sécret1")]),
    "multipart": (sent(MULTIPART, 'multipart/form-data; boundary="x"'), [("password", "hunter2")]),
    "multipart-without-boundary": (sent(MULTIPART, "multipart/form-data"), []),
    "json": (
        sent(json.dumps({"user": {"name": "bob-1", "password": "hunter2"}, "n": 1}), JSON),
        [("password", "hunter2")],
    ),
    "json-list": (sent('{"tokens": ["key-00001", 3]}', JSON), [("tokens", "key-00001")]),
    "json-of-its-own": (
        sent('{"token": "key-00001"}', "application/vnd.shop+json"),
        [("token", "key-00001")],
    ),
    "broken-json": (sent('{"token": ', JSON), []),
    "deep-json": (sent("[" * 100_000, JSON), []),
    "other-body": (sent("password=hunter2", "text/plain"), []),
    "query": (sent(query="token=abc-123&page=2"), [("token", "abc-123")]),
    "bearer": (sent(authorization="Bearer abc-123"), [("token", "abc-123")]),
    "no-scheme": (sent(authorization="abc-123"), [("token", "abc-123")]),
    "basic": (sent(authorization="Basic Ym9iOmh1bnRlcjI="), [("password", "hunter2")]),
    "wrong-basic": (sent(authorization="Basic hunter2!"), [("token", "hunter2!")]),
    "header": (sent(x_api_key="abc-123", accept="text/html-1"), [("header x-api-key", "abc-123")]),
    "cookies": (
        sent(cookie='sessionid="abc-123"; theme=dark-mode; tracking=0123456789abcdef'),
        [("cookie sessionid", "abc-123"), ("cookie tracking", "0123456789abcdef")],
    ),
    "short": (sent("password=a1b2c", FORM), []),
    "word": (sent("password=password", FORM), []),
    "number": (sent("pin=12345678", FORM), []),
    "long-word": (
        sent("password=correcthorsebatterystaple", FORM),
        [("password", "correcthorsebatterystaple")],
    ),
    "nothing": (sent(), []),
}


@pytest.mark.parametrize("name", SECRET)
def test_what_has_the_name_of_a_secret_and_is_hardly_found_by_chance_is_one(name: str) -> None:
    given, found = SECRET[name]
    assert list(secrets_in(given)) == found


class Payload:
    """A client's own class for a body."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO()
        self._content.write(content)


def closed() -> io.BytesIO:
    made = io.BytesIO(b"body")
    made.close()
    return made


@pytest.mark.parametrize(
    ("stream", "body"),
    [
        pytest.param(io.BytesIO(b"body"), b"body", id="bytesio"),
        pytest.param(Payload(b"body"), b"body", id="of-a-client"),
        pytest.param(closed(), b"", id="closed"),
        pytest.param(None, b"", id="none"),
        pytest.param(open, b"", id="other"),
    ],
)
def test_a_body_in_memory_is_looked_at_and_not_read(stream: Any, body: bytes) -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "a=1",
        "CONTENT_TYPE": FORM,
        "HTTP_X_KEY": "k",
        "wsgi.input": stream,
    }
    for _ in range(2):
        assert of_environ(environ) == Sent("a=1", (("content-type", FORM), ("x-key", "k")), body)


def test_a_body_that_was_read_in_part_is_looked_at_from_there() -> None:
    stream = io.BytesIO(b"headbody")
    stream.seek(4)
    assert of_environ({"wsgi.input": stream}).body == b"body"


def test_a_scope_is_read() -> None:
    scope = {"query_string": b"a=1", "headers": [(b"X-Key", b"k")], "_body_file": io.BytesIO(b"of Django")}
    assert of_scope(scope) == Sent("a=1", (("x-key", "k"),), b"of Django")
    assert of_scope(scope, b"body").body == b"body"
    assert of_scope({"query_string": "a=1"}) == Sent("a=1")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"json": {"password": "hunter2"}}, [("password", "hunter2")]),
        ({"data": {"password": "hunter2", "file": open}}, [("password", "hunter2")]),
        ({"data": b"password=hunter2", "headers": {"Content-Type": FORM}}, [("password", "hunter2")]),
        ({"params": {"token": "abc-123"}}, [("token", "abc-123")]),
        ({"cookies": {"sid": "0123456789abcdef"}}, [("cookie sid", "0123456789abcdef")]),
        ({"headers": {"Authorization": "Bearer abc-123"}}, [("token", "abc-123")]),
        ({"headers": [("Authorization", "Bearer abc-123")]}, []),
        ({}, []),
    ],
)
def test_arguments_are_read_where_they_are_plain(
    arguments: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    assert list(secrets_in(of_arguments(arguments))) == found


def test_all_that_is_sent_is_searched() -> None:
    given = of_arguments({"headers": {"A": "b"}, "data": b"body"}, "q=1")
    assert given.raw == b"q=1\na: b\nbody"
