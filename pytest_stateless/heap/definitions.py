"""Which module defines what another one has under a name: told by the ``from`` imports in its source."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import types
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import chain
from typing import Final

from pytest_stateless.heap.ancestry import loaded
from pytest_stateless.heap.graph import module_namespace
from pytest_stateless.heap.memory import address, addresses

_open: Final = open  # a test may replace it
_HOPS: Final = 8  # re-exports through packages' __init__ files


class Definitions:
    """Where the names of modules come from, as long as none is bound anew."""

    def of(self, module: str, label: str) -> tuple[str, str]:
        """The module that defines what a module has under an attribute, and the attribute there."""
        for _ in range(_HOPS):
            name = label[1:]
            thing = loaded(module).get(name, label)
            if address(thing) not in self._shared:  # its source needn't be read
                break
            origins = (
                origin for origin in _origins(module, name) if loaded(origin[0]).get(origin[1]) is thing
            )
            module, name = next(origins, (module, ""))
            if not name:
                break
            label = f".{name}"
        return module, label

    @cached_property
    def _shared(self) -> frozenset[int]:
        """The addresses of all that modules have more than once."""
        namespaces = (
            module_namespace(module)
            for module in list(sys.modules.values())
            if type(module) is types.ModuleType
        )
        values = list(chain.from_iterable(list(dict.values(namespace)) for namespace in namespaces))
        return frozenset(place for place, times in Counter(addresses(values)).items() if times > 1)


def _origins(module: str, name: str) -> Iterator[tuple[str, str]]:
    """Modules that a module may have a name from, each with the name there."""
    imported = _from_imports(module, name)
    yield from imported.get(name, ())
    yield from ((home, name) for home, _ in imported.get("*", ()))


def _from_imports(module: str, name: str) -> Mapping[str, list[tuple[str, str]]]:
    """The names that a module's source binds by ``from … import …``, each with the modules and the names there.

    Empty if ``name`` can't be one of them.
    """
    namespace = loaded(module)
    file, package = namespace.get("__file__"), namespace.get("__package__")
    if type(file) is not str or not file.endswith(".py"):
        return {}
    if not _may_import(file, name):
        return {}
    return _from_imports_of(file, package if type(package) is str else "")


def _may_import(file: str, name: str) -> bool:
    """Whether a source is worth parsing for a name, which takes some twenty times as long as this does."""
    word = re.escape(name.encode(errors="replace"))
    return bool(re.search(rb"\*|\b%s\b" % word, _imported_names(file)))


_FROM_IMPORT: Final = re.compile(
    rb"\bfrom\b(?:[^\n;#\\]|\\\r?\n)+?\bimport\b((?:[^\n;#\\(]|\\\r?\n)*(?:\((?:[^)#]|#[^\n]*)*)?)"
)


@lru_cache(maxsize=256)
def _imported_names(file: str) -> bytes:
    """A text with all names that ``from … import …`` binds in a source."""
    try:
        with _open(file, "rb") as source:
            return b"\n".join(_FROM_IMPORT.findall(source.read()))
    except OSError:
        return b""


@lru_cache(maxsize=256)
def _from_imports_of(file: str, package: str) -> Mapping[str, list[tuple[str, str]]]:
    try:
        with _open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom):
            dotted = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(dotted, package) if node.level and package else dotted
            for alias in node.names:
                found.setdefault(alias.asname or alias.name, []).append((home, alias.name))
    return found


_BLOCKS: Final = ("body", "handlers", "orelse", "finalbody", "cases")


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """All statements, the outermost first."""
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        for block in _BLOCKS:
            inner = getattr(node, block, None)
            if isinstance(inner, list):  # not what a lambda or a conditional expression has there
                waiting.extend(inner)
