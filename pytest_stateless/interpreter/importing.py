"""How this process imports, and the names that every module of it sees."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader, FileFinder, ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, Final
from weakref import ProxyType

from pytest_stateless.heap.graph import namespace_of
from pytest_stateless.interpreter.item import (
    ABSENT,
    Gated,
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


_FileFinder: Final = FileFinder
_OWN_FINDERS: Final = ("_frozen_importlib_external", "importlib._bootstrap_external", "zipimport")


def _is_foreign(finder: object) -> bool:
    module = type.__dict__["__module__"].__get__(type(finder)) if finder is not None else ""
    return finder is not None and not (type(module) is str and module in _OWN_FINDERS)


def _is_import(before: Any, after: Any) -> bool:
    return before is ABSENT


class _Made:
    """Names under which modules were imported, as far as anybody looked: theirs need not be looked at again."""

    imported: Final[set[str]] = set()


def _made_by_hand() -> Reading:
    """What stands among the modules and no loader has made: an import leaves its spec in what it makes."""
    modules: dict[str, Any] = sys.modules
    found = {}
    by_extension = False
    for name, module in list(modules.items()):
        if type(name) is not str or name in _Made.imported or type(module) is ProxyType:
            continue  # a weak reference stays no longer than what it leads to
        spec = namespace_of(module).get("__spec__")
        if spec is None:
            found[name] = module
            continue
        _Made.imported.add(name)
        by_extension = by_extension or _is_an_extensions(spec)
    if by_extension:
        # An import in another thread isn't seen to begin and end. What Cython compiles brings modules without a spec.
        brought = [name for name, module in found.items() if _is_of_native_code(module)]
        _Made.imported.update(brought)
        found = {name: module for name, module in found.items() if name not in brought}
    return Gated(found, _last_of(modules))


def _is_an_extensions(spec: object) -> bool:
    return type(spec) is ModuleSpec and type(vars(spec).get("loader")) is ExtensionFileLoader


def _is_of_native_code(module: object) -> bool:
    """Whether no function in a module was written in Python."""
    held = namespace_of(module).values()
    return type(module) is ModuleType and not any(type(one) is FunctionType for one in held)


def _made_again(before: Any) -> Reading:
    (was, last), (now, latest) = before.gate, _last_of(sys.modules)
    return before if was == now and last is latest else _made_by_hand()


def _last_of(modules: dict[str, Any]) -> tuple[int, object]:
    """Another one for as long as something that came is there: what comes stands at the end."""
    return len(modules), next(reversed(modules), None)


def _is_told_as_replaced(before: Any, after: Any) -> bool:
    return before is not ABSENT or after is ABSENT


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
        holders=Many(lambda: sys.path_importer_cache).holders,
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
        "sys.modules",
        _made_by_hand,
        "who imports it from now on gets what the other processes don't have",
        "use monkeypatch.setitem on sys.modules",
        is_first_use=_is_told_as_replaced,
        by_import=True,
        again=_made_again,
        holders=Many(lambda: sys.modules).holders,
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
