"""A WSGI application whose every request is a window (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pytest_stateless.requests.sent import of_environ
from pytest_stateless.requests.windows import Group, RequestWindows

WSGIApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def wrap_wsgi(app: WSGIApplication, requests: RequestWindows, *, by_client: bool = False) -> WSGIApplication:
    """The same application; the window of a request closes when its body has been read to the end or closed."""

    def windowed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        name = wsgi_name(environ)
        requests.hear(name, lambda: of_environ(environ))
        group = requests.begin(name, by_client=by_client)
        body = _Body(requests, group)

        def started(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            body.expect(headers)
            return start_response(status, headers, *error)

        try:
            with requests.within(group):
                body.parts = app(environ, started)
        except BaseException:
            requests.end(group)
            raise
        return body

    return windowed


def wsgi_name(environ: Mapping[str, Any]) -> str:
    """What a request is called: its method and its path, without the query, which may hold secrets."""
    # PEP 3333: the bytes of the path, read as Latin-1
    raw = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = raw.encode("latin-1", "replace").decode("utf-8", "replace") or "/"
    return f"{environ.get('REQUEST_METHOD', 'GET')} {path}"


class _Body:
    """The application's body; the request ends with it."""

    parts: Iterable[bytes] = ()

    def __init__(self, requests: RequestWindows, group: Group) -> None:
        self._requests = requests
        self._group = group
        self._ended = False
        self._missing: int | None = None
        """Bytes still to come, where the application said how many there are."""

    def expect(self, headers: list[tuple[str, str]]) -> None:
        """Note how long the body will be."""
        for name, value in headers:
            if name.lower() == "content-length" and value.isdecimal():
                self._missing = int(value)

    def __iter__(self) -> Iterator[bytes]:
        rest = iter(self.parts)
        while True:
            part = self._next(rest)
            if part is None:
                self.close()
                return
            last = None
            if self._missing is not None:
                self._missing -= len(part)
                if self._missing <= 0:
                    # A client that has all it was promised may never ask again: let the application finish.
                    last = self._next(rest)
                    if last is None:
                        self.close()
            yield part
            if self._ended:  # what was closed must not be asked again
                return
            if last is not None:
                yield last

    def _next(self, rest: Iterator[bytes]) -> bytes | None:
        with self._requests.within(self._group):
            return next(rest, None)

    def close(self) -> None:
        """Close the application's body and end the request, once."""
        if self._ended:
            return
        self._ended = True
        try:
            close = getattr(self.parts, "close", None)
            if close is not None:
                with self._requests.within(self._group):
                    close()
        finally:
            self._requests.end(self._group)
