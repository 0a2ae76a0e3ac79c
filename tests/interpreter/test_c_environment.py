"""The environment as C code sees it, beside what os.environ says."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from pytest_stateless.interpreter import c_environment
from pytest_stateless.interpreter.c_environment import differing
from pytest_stateless.interpreter.system import variables

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no array of variables")
NAME = b"STATELESS_C"


@pytest.fixture(autouse=True)
def _unset() -> Any:
    yield
    os.environ.pop("STATELESS_C", None)
    os.unsetenv(NAME)


def seen() -> Any:
    found = differing(variables())
    assert found is not None
    return found.get(NAME)


def test_what_both_say_is_no_difference() -> None:
    assert seen() is None
    os.environ["STATELESS_C"] = "1"
    assert seen() is None
    os.environ["STATELESS_C"] = "2"
    assert seen() is None


def test_what_is_put_past_os_environ_is_seen_however_often_it_changes() -> None:
    for text in ("1", "2", "a longer text than before", ""):
        os.putenv(NAME, text)
        assert seen() == text.encode()
    os.unsetenv(NAME)
    assert seen() is None


def test_what_is_taken_away_past_os_environ_is_seen() -> None:
    os.environ["STATELESS_C"] = "1"
    os.unsetenv(NAME)
    assert seen() == "not set"


def test_many_variables_come_and_go() -> None:
    for number in range(200):
        os.putenv(f"STATELESS_C{number}", "x")
    found = differing(variables())
    assert found is not None
    assert len([name for name in found if name.startswith(NAME)]) == 200
    for number in range(200):
        os.unsetenv(f"STATELESS_C{number}")
    assert seen() is None
    assert not [name for name in differing(variables()) or () if name.startswith(NAME)]


def test_where_there_is_no_array_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_environment, "_environ", None)
    assert differing({}) is None
