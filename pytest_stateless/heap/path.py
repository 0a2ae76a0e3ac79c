"""How a container is reached from a module, spelled as Python: ``shop.cart.CARTS['bob'].items``.

A breadth-first search from the namespaces of the modules, the application's first, so that the shortest path through
the application's own names wins. It runs only when something leaked.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import is_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.graph import (
    Kind,
    Plan,
    class_namespace,
    function_state,
    get_referents,
    identity,
    is_heap_type,
    module_namespace,
    name_of,
)
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import spell_entry

_open: Final = open  # a test may replace it


class Path(NamedTuple):
    """Where a container is."""

    module: str
    text: str
    namespace: bool
    """Whether its entries are attributes of what the text names, rather than items."""
    holder: type | None = None
    """The class whose namespace it is, or whose instance's; None for a module's and for what is no namespace."""


class _Step(NamedTuple):
    parent: int | None
    label: Label
    thing: Any
    namespace: bool
    module: str


Label = str | tuple[object, bool]
"""A spelling, or a key and whether it is an attribute: most edges lead nowhere and are never spelled."""

Edge = tuple[Label, Any, bool]
"""Label, what is reached, whether that is a namespace."""


def _spelled(label: Label) -> str:
    return label if isinstance(label, str) else spell_entry(*label)


def find_paths(
    targets: Iterable[object], heap: Heap, groups: Sequence[Mapping[str, types.ModuleType]]
) -> dict[int, Path]:
    """Find the shortest path to each target, by identity; targets that no module reaches are left out.

    ``groups`` are modules by name in the order of preference: all that is reached from one group is found through it.
    """
    wanted = {identity(target) for target in targets}
    known = {place: heap.paths[place] for place in wanted if place in heap.paths}
    search = _Search(heap, wanted - known.keys())
    for group in groups:
        if search.wanted:
            search.run(search.roots(group))
    if search.wanted:
        search.run(list(search.foreign.values()))
    heap.paths.update(search.found)
    return known | search.found


class _Search:
    def __init__(self, heap: Heap, wanted: set[int]) -> None:
        self.heap = heap
        self.wanted = wanted
        self.found: dict[int, Path] = {}
        self.steps: dict[int, _Step] = {}
        self.foreign: dict[int, _Step] = {}
        """Classes and functions met away from home: entered last, if nothing better leads inside."""

    def roots(self, modules: Mapping[str, types.ModuleType]) -> list[_Step]:
        level = []
        for name, module in modules.items():
            if name in _MIRRORED or not self.heap.scope.enters_module(name):
                continue
            if self.heap.plan(type(module)).kind is Kind.MODULE:
                level.append(_Step(None, name, module_namespace(module), True, name))
        return level

    def run(self, level: list[_Step]) -> None:
        while level and self.wanted:
            level = [step for step in level if self._arrive(step)]
            following: dict[int, _Step] = {}
            for step in level:
                for label, thing, namespace in self._edges(step):
                    place = identity(thing)
                    if place in self.steps:
                        continue
                    found = _Step(identity(step.thing), label, thing, namespace, step.module)
                    following.setdefault(place, found)
            level = list(following.values())

    def _arrive(self, step: _Step) -> bool:
        place = identity(step.thing)
        if place in self.steps:
            return False
        self.steps[place] = step
        if place in self.wanted:
            self.wanted.discard(place)
            self.found[place] = self._path(step)
        return True

    def _path(self, step: _Step) -> Path:
        labels = [_spelled(step.label)]
        namespace, holder = step.namespace, self._holder(step)
        while step.parent is not None:
            step = self.steps[step.parent]
            labels.append(_spelled(step.label))
        if len(labels) > 1:
            labels[-1], labels[-2] = _defined_at(labels[-1], labels[-2])
        return Path(labels[-1], "".join(reversed(labels)), namespace, holder)

    def _holder(self, step: _Step) -> type | None:
        if not step.namespace or step.parent is None:
            return None
        thing = self.steps[step.parent].thing
        return thing if self.heap.plan(type(thing)).kind is Kind.CLASS else type(thing)

    def _edges(self, step: _Step) -> Iterator[Edge]:
        thing = step.thing
        skipped = self._leading_away(step)
        for label, held, namespace in edges(self.heap, thing, step.namespace):
            if skipped and _spelled(label) in skipped:
                continue
            plan = self.heap.plan(type(held))
            if plan.kind is Kind.ATOM or plan.kind is Kind.MODULE:
                continue
            if plan.kind is Kind.CLASS and not is_heap_type(held):
                continue
            if self._abroad(plan.kind, held, step.module):
                self.foreign.setdefault(
                    identity(held), _Step(identity(thing), label, held, namespace, step.module)
                )
                continue
            yield label, held, namespace

    def _leading_away(self, step: _Step) -> tuple[str, ...]:
        if not step.namespace or step.parent is None:
            return ()
        owner = self.heap.plan(type(self.steps[step.parent].thing))
        return tuple(f".{name}" for name in owner.elsewhere)

    def _abroad(self, kind: Kind, thing: Any, module: str) -> bool:
        if kind is Kind.CLASS:
            home: object = class_namespace(thing).get("__module__")
        elif kind is Kind.FUNCTION:
            home = thing.__globals__.get("__name__")
        else:
            return False
        return type(home) is str and home != module and self.heap.has_module(home)


_NOT_FOLLOWED: Final = frozenset({"__builtins__", "__spec__", "__loader__"})
_MIRRORED: Final = frozenset({"posix", "nt"})
"""Modules whose state has its name elsewhere, in ``os``."""


def edges(heap: Heap, thing: Any, namespace: bool) -> Iterator[Edge]:
    """What ``thing`` holds, each with the spelling that leads there."""
    plan = heap.plan(type(thing))
    if plan.kind is Kind.DICT or plan.kind is Kind.MAPPING:
        yield from _mapping_edges(thing, namespace)
        if plan.namespace is not None:
            yield "", plan.namespace(thing), True
    elif plan.kind is Kind.LIST or type(thing) is tuple:
        for position, value in enumerate(list(thing)):
            yield (position, False), value, False
    elif plan.kind is Kind.FUNCTION:
        for what, name, value in function_state(thing):
            yield f".{what}.{name}".rstrip(".") if what else "", value, not what
    elif plan.kind is Kind.CLASS:
        yield "", class_namespace(thing), True
    elif any(map(is_, _TRANSPARENT, [type(thing)] * len(_TRANSPARENT))):
        for value in get_referents(thing):
            yield "", value, False
    else:
        yield from _instance_edges(plan, thing)


_TRANSPARENT: Final = (types.CellType, property, classmethod, staticmethod)
"""What has no place of its own in the spelling of a path."""


def _mapping_edges(mapping: Any, namespace: bool) -> Iterator[Edge]:
    for key, value in list(dict.items(mapping)):
        if not (namespace and type(key) is str and key in _NOT_FOLLOWED):
            yield (key, namespace), value, False
            yield "<key>", key, False


def _instance_edges(plan: Plan, thing: Any) -> Iterator[Edge]:
    named = set()
    if plan.namespace is not None:
        own = plan.namespace(thing)
        named = {identity(own), *map(identity, own.values())}
        yield "", own, True
    for name, get in plan.slots:
        try:
            value = get(thing)
        except AttributeError:  # not set
            continue
        named.add(identity(value))
        yield f".{name}", value, False
    for value in get_referents(thing):
        if identity(value) not in named:
            yield f"<{name_of(type(value))}>", value, False


# ------------------------------------------------------------------------------------- who defines a name

_HOPS: Final = 8  # re-exports through packages' __init__ files


def _defined_at(module: str, label: str) -> tuple[str, str]:
    """Where a module's name comes from: the module that defines it, and its label there."""
    for _ in range(_HOPS):
        origin = _from_imports(module).get(label[1:])
        if origin is None:
            break
        home, name = origin
        if _namespace(home).get(name, None) is not _namespace(module).get(label[1:], label):
            break
        module, label = home, f".{name}"
    return module, label


def _namespace(module: str) -> Mapping[str, object]:
    loaded = sys.modules.get(module)
    return module_namespace(loaded) if type(loaded) is types.ModuleType else {}


def _from_imports(module: str) -> Mapping[str, tuple[str, str]]:
    """The names that a module's source binds by ``from … import …``, each with the module and the name there."""
    namespace = _namespace(module)
    file, package = namespace.get("__file__"), namespace.get("__package__")
    if type(file) is not str or not file.endswith(".py"):
        return {}
    return _from_imports_of(file, package if type(package) is str else "")


@lru_cache(maxsize=256)
def _from_imports_of(file: str, package: str) -> Mapping[str, tuple[str, str]]:
    try:
        with _open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return {}
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            dotted = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(dotted, package) if node.level and package else dotted
            for alias in node.names:
                found[alias.asname or alias.name] = (home, alias.name)
    return found
