"""What a request sends, and what of it is secret by the name that it is sent under."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pytest_stateless.commands import names_a_secret

_LONGEST: Final = 1 << 20  # bytes of a body that are read
_SHORTEST: Final = 6  # characters of a secret: shorter ones are everywhere
_ANY: Final = 16  # characters from which on a text is by itself none that everybody uses
_DEPTH: Final = 8  # of objects within objects in JSON
_KINDS: Final = (re.compile(r"[^\W\d_]"), re.compile(r"\d"), re.compile(r"[\W_]"))


class _Real:
    """Held where no test's mock replaces them."""

    loads = staticmethod(json.loads)
    dumps = staticmethod(json.dumps)


class Sent(NamedTuple):
    """What a request sends beside its method and its path."""

    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, cookies among them."""
    body: bytes = b""

    @property
    def raw(self) -> bytes:
        """All of it, to be searched."""
        lines = (f"{name}: {value}" for name, value in self.headers)
        return "\n".join((self.query, *lines)).encode("utf-8", "surrogatepass") + b"\n" + self.body


Listen = Callable[[str, Callable[[], Sent]], None]
"""Told the name of each request before the application is asked, and how to find out what it sends. Never raises."""


def of_environ(environ: Mapping[str, Any]) -> Sent:
    """What a WSGI environment carries; its body is looked at and not read."""
    headers = [
        (name.removeprefix("HTTP_").replace("_", "-").lower(), str.__str__(value))
        for name, value in environ.items()
        if isinstance(value, str) and (name.startswith("HTTP_") or name == "CONTENT_TYPE")
    ]
    return Sent(environ.get("QUERY_STRING") or "", tuple(headers), _content(environ.get("wsgi.input")))


def of_scope(scope: Mapping[str, Any], body: bytes = b"") -> Sent:
    """What an ASGI scope carries."""
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope.get("headers", ())
    )
    return Sent(_query(scope.get("query_string", b"")), headers, body or _content(scope.get("_body_file")))


def _query(given: str | bytes) -> str:
    return given.decode("latin-1") if isinstance(given, bytes) else given


def of_arguments(arguments: Mapping[str, Any], query: str = "") -> Sent:
    """What the keyword arguments of a client of aiohttp's say, where they are plain dictionaries, texts or bytes."""
    headers = [(str(name).lower(), str(value)) for name, value in _pairs(arguments.get("headers"))]
    cookies = "; ".join(f"{name}={value}" for name, value in _pairs(arguments.get("cookies")))
    if cookies:
        headers.append(("cookie", cookies))
    query = "&".join(filter(None, (query, urllib.parse.urlencode(list(_pairs(arguments.get("params")))))))
    given = arguments.get("json") or arguments.get("data")
    if type(given) is bytes:
        return Sent(query, tuple(headers), given)
    headers.append(("content-type", "application/json"))
    return Sent(query, tuple(headers), _Real.dumps(given, default=lambda _: None).encode())


def _pairs(given: object) -> Iterable[tuple[Any, Any]]:
    return given.items() if type(given) is dict else ()


def _content(stream: Any) -> bytes:
    """What is still to be read of a body that lies in memory, also inside a client's own class."""
    inside = getattr(stream, "__dict__", {}).values()
    found = next((one for one in (stream, *inside) if type(one) is io.BytesIO and not one.closed), None)
    if found is None:
        return b""
    start = found.tell() if found is stream else 0  # Django's goes back before it is read
    return bytes(found.getbuffer()[start:][:_LONGEST])


# ------------------------------------------------------------------------------------------------ what of it is secret


def secrets_in(sent: Sent) -> Iterator[tuple[str, str]]:
    """Names and values of the secrets that a request sends: passwords, tokens, cookies."""
    for name, value in _named(sent):
        if _is_telling(value):
            yield name, value


def _named(sent: Sent) -> Iterator[tuple[str, str]]:
    yield from _fields(urllib.parse.parse_qsl(sent.query))
    yield from _fields(_of_body(dict(sent.headers).get("content-type", ""), sent.body))
    for name, value in sent.headers:
        if name == "cookie":
            yield from _cookies(value)
        elif name in ("authorization", "proxy-authorization"):
            yield from _authorization(value)
        elif names_a_secret(name):
            yield f"header {name}", value


def _fields(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return (pair for pair in pairs if names_a_secret(pair[0]))


def _cookies(header: str) -> Iterator[tuple[str, str]]:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        value = value.strip('"')
        if names_a_secret(name) or len(value) >= _ANY:
            yield f"cookie {name}", value


def _authorization(header: str) -> Iterator[tuple[str, str]]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        yield "token", value or scheme
        return
    try:
        yield "password", base64.b64decode(value).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        yield "token", value


def _is_telling(value: str) -> bool:
    """Whether a value is hardly found by chance: no plain word or number, which is in many places."""
    if len(value) < _SHORTEST:
        return False
    return len(value) >= _ANY or sum(kind.search(value) is not None for kind in _KINDS) > 1


def _of_body(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    kind, _, rest = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == "application/x-www-form-urlencoded":
        yield from urllib.parse.parse_qsl(body.decode("utf-8", "replace"))
    elif kind == "multipart/form-data":
        yield from _of_multipart(rest, body)
    elif kind == "application/json" or kind.endswith("+json"):
        try:
            yield from _of_json(_Real.loads(body), "", _DEPTH)
        except (ValueError, RecursionError):
            return


def _of_json(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if type(value) is dict and depth:
        for key, held in value.items():
            yield from _of_json(held, key, depth - 1)
    elif type(value) is list and depth:
        for held in value:
            yield from _of_json(held, name, depth - 1)
    elif type(value) is str:
        yield name, value


_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)')
_FIELD: Final = re.compile(rb'(?i)content-disposition:[^\r\n]*;\s*name="([^"]*)"(?![^\r\n]*filename)')


def _of_multipart(parameters: str, body: bytes) -> Iterator[tuple[str, str]]:
    """The fields of a form that are no files (RFC 7578)."""
    boundary = _BOUNDARY.search(parameters)
    for part in body.split(b"--" + boundary[1].encode()) if boundary else ():
        head, _, value = part.partition(b"\r\n\r\n")
        field = _FIELD.search(head)
        if field:
            yield field[1].decode("utf-8", "replace"), value.removesuffix(b"\r\n").decode("utf-8", "replace")
