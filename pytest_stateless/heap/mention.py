"""Whether a library's own code speaks of an attribute, or somebody else keeps something on the library's object."""

from __future__ import annotations

import re
import sys
import types
from functools import lru_cache
from typing import Final

from pytest_stateless.heap.graph import (
    class_namespace,
    is_heap_type,
    module_name_of,
    module_namespace,
    mro_of,
)

_open: Final = open  # a test may replace it

_MANGLED: Final = re.compile(r"_[^_]\w*?(__\w+)")


def is_spoken_of(holder: type, name: object) -> bool:
    """Whether the code of a class speaks of an attribute of its instances, or of its own.

    A name with a leading underscore may be spoken of anywhere in the class's package; another one must be so in a
    module that defines the class or one that it inherits from, because short names are spoken of everywhere. Code
    without source, such as C's, may speak of anything.
    """
    if type(name) is not str:
        return True
    bases = [base for base in mro_of(holder) if is_heap_type(base)]
    if any(name in class_namespace(base) for base in bases):
        return True
    modules = tuple(dict.fromkeys(map(module_name_of, bases)))
    if _any_speaks(modules, name):
        return True
    return name.startswith("_") and any(_package_speaks(module.partition(".")[0], name) for module in modules)


@lru_cache(maxsize=1024)
def _any_speaks(modules: tuple[str, ...], name: str) -> bool:
    mangled = _MANGLED.fullmatch(name)
    spelled = re.escape(mangled[1] if mangled else name)
    pattern = re.compile(rf"\.{spelled}\b|([\"']){spelled}\1|^\s+{spelled}\s*[:=]".encode(), re.MULTILINE)
    for module in modules:
        source = _source_of(module)
        if source is None or pattern.search(source):
            return True
    return False


def _package_speaks(package: str, name: str) -> bool:
    inside = f"{package}."
    modules = [module for module in list(sys.modules) if type(module) is str and module.startswith(inside)]
    # One by one: those that have no source don't speak for the others, and each answer is remembered.
    return any(_source_of(module) is not None and _any_speaks((module,), name) for module in modules)


def _source_of(module: str) -> bytes | None:
    """The source of a loaded module; None where it has none or isn't loaded any more."""
    loaded = sys.modules.get(module)
    if type(loaded) is not types.ModuleType:
        return None
    file = module_namespace(loaded).get("__file__")
    return _read(file) if type(file) is str and file.endswith(".py") else None


@lru_cache(maxsize=64)
def _read(file: str) -> bytes | None:
    try:
        with _open(file, "rb") as source:
            return source.read()
    except OSError:
        return None
