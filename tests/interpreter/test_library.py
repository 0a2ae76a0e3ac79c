"""What the standard library sets up by itself is told from what the program gave it."""

from __future__ import annotations

import ssl
import urllib.request
from typing import Any

import pytest

from pytest_stateless.interpreter.library import _is_default_opener


def with_headers(opener: Any, headers: list[Any]) -> Any:
    opener.addheaders = headers
    return opener


def with_context(context: ssl.SSLContext) -> Any:
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def without_names() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


OPENERS: dict[str, tuple[Any, bool]] = {
    "default": (urllib.request.build_opener(), True),
    "asks-for-certificates": (with_context(ssl.create_default_context()), True),
    "trusts-anybody": (with_context(ssl._create_unverified_context()), False),
    "asks-for-no-name": (with_context(without_names()), False),
    "proxy": (
        urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://proxy.invalid:1"})),
        False,
    ),
    "cookies": (urllib.request.build_opener(urllib.request.HTTPCookieProcessor()), False),
    "token": (with_headers(urllib.request.build_opener(), [("Authorization", "s3cret")]), False),
    "another-agent": (with_headers(urllib.request.build_opener(), [("User-agent", "shop")]), False),
    "no-headers": (with_headers(urllib.request.build_opener(), []), False),
    "object": (object(), False),
}


@pytest.mark.parametrize(("opener", "expected"), OPENERS.values(), ids=OPENERS)
def test_the_opener_that_urlopen_makes_is_its_own(opener: Any, expected: bool) -> None:
    assert _is_default_opener(None, opener) is expected
    assert not _is_default_opener(object(), opener)


def test_a_proxy_of_the_environment_is_of_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:1")
    assert _is_default_opener(None, urllib.request.build_opener())
