"""Paths of pathlib up to 3.10 that were made before the disk was faked reach the fake through their accessor."""

from __future__ import annotations

import os
import pathlib
import posixpath
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
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


@pytest.mark.parametrize("name", ["colorsys", "multiprocessing.nothing", "multiprocessingly"])
def test_what_does_not_work_with_descriptors_or_is_not_there_is_found_by_others(name: str) -> None:
    assert modules._Finder(None).find_spec(name) is None


def test_a_part_in_c_is_found_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModuleSpec("asyncio.native", ExtensionFileLoader("asyncio.native", "native.so"))
    monkeypatch.setattr(f"{modules.__name__}.PathFinder", SimpleNamespace(find_spec=lambda *_: spec))
    assert modules._Finder(None).find_spec("asyncio.native") is spec
    assert "exec_module" not in vars(spec.loader)


def test_the_finder_is_there_for_as_long_as_it_is_wanted() -> None:
    before = list(sys.meta_path)
    with modules.imported_beside(None):
        assert type(sys.meta_path[0]) is modules._Finder
    assert sys.meta_path == before
