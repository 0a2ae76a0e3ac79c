"""How this process imports, and the names that every module of it sees."""

from __future__ import annotations

import builtins
import importlib.machinery
import sys
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.interpreter.item import (
    ABSENT,
    Item,
    Place,
    Reading,
)
from pytest_stateless.interpreter.kinds import FIXTURE, Entries, Many, listed, place_of, put_entry


def _finders() -> Reading:
    """The entries of the cache that aren't the import system's own."""
    found = sys.path_importer_cache
    return {
        path: finder
        for path, finder in list(found.items())
        if type(finder) is not _FileFinder and type(path) is str and _is_foreign(finder)
    }


_FileFinder: Final = importlib.machinery.FileFinder
_OWN_FINDERS: Final = ("_frozen_importlib_external", "importlib._bootstrap_external", "zipimport")


def _is_foreign(finder: object) -> bool:
    module = type.__dict__["__module__"].__get__(type(finder)) if finder is not None else ""
    return finder is not None and not (type(module) is str and module in _OWN_FINDERS)


def _is_import(before: Any, after: Any) -> bool:
    return before is ABSENT


def _put_module(label: Any, new: Any) -> None:
    if new is not ABSENT:
        sys.modules[label] = new


def _place_of_module(label: object) -> Iterator[Place]:
    yield sys.modules, label


def _put_builtin(label: Any, new: Any) -> None:
    if new is ABSENT:
        vars(builtins).pop(label, None)
    else:
        vars(builtins)[label] = new


def _place_of_builtin(label: object) -> Iterator[Place]:
    yield vars(builtins), label


ITEMS: Final = (
    listed("sys", "path", "modules may come from elsewhere from now on"),
    listed("sys", "meta_path", "all later imports go through it", by_import=True),
    listed("sys", "path_hooks", "all later imports go through it", by_import=True),
    Item(
        "sys.path_importer_cache",
        _finders,
        "later imports from there go through it",
        "take it out again",
        by_import=True,
    ),
    Item(
        "zipimport cache",
        Entries("zipimport", "_zip_directory_cache"),
        "an archive that is replaced is read as it was before",
        "call zipimport.zipimporter.invalidate_caches(), or read archives with zipfile",
        warns=lambda _: True,
        by_import=True,
        put=put_entry("zipimport", "_zip_directory_cache"),
        places=place_of("zipimport", "_zip_directory_cache", inside=True),
    ),
    Item(
        "sys.modules",
        Many(lambda: sys.modules),
        "who imports it from now on gets another module than the others have",
        "use monkeypatch.setitem or monkeypatch.delitem on sys.modules",
        is_first_use=_is_import,
        put=_put_module,
        places=_place_of_module,
    ),
    Item(
        "builtins",
        Many(lambda: vars(builtins)),
        "every module of the process sees it",
        FIXTURE,
        spell=lambda name, label: f"{name}.{label}",
        put=_put_builtin,
        places=_place_of_builtin,
    ),
)
"""The lines of the table about imports and built-in names."""
