"""Paths of pathlib up to 3.10 that were made before the disk was faked reach the fake through their accessor."""

from __future__ import annotations

import os
import pathlib
import posixpath
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_stateless.fake import modules
from pytest_stateless.fake.modules import paths_made_before


def stat(path: str) -> str:
    return f"fake {path}"


FAKES: dict[str, Any] = {
    "io": SimpleNamespace(open=stat),
    "os": SimpleNamespace(stat=stat, path=SimpleNamespace(realpath=stat)),
}


class Accessor:
    """As that of pathlib: functions of the system and of its own."""

    stat = os.stat
    realpath = staticmethod(posixpath.realpath)
    open = staticmethod(modules._Real.open)
    touch = staticmethod(lambda: "own")
    listdir = os.listdir  # which this fake doesn't have


def test_an_accessor_calls_the_fake_and_gets_its_functions_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pathlib, "_NormalAccessor", Accessor, raising=False)
    before = dict(vars(Accessor))
    accessor: Any = Accessor()
    with paths_made_before(FAKES):
        assert [accessor.stat("a"), accessor.realpath("a"), accessor.open("a")] == ["fake a"] * 3
        assert accessor.touch() == "own"
        assert accessor.listdir is os.listdir
    assert dict(vars(Accessor)) == before


def test_where_there_is_no_accessor_nothing_is_put_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pathlib, "_NormalAccessor", raising=False)
    with paths_made_before(FAKES):
        pass
