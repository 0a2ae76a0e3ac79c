"""How a container is reached from a module, spelled as Python: ``shop.cart.CARTS['bob'].items``.

A breadth-first search from the namespaces of the modules, the application's first, so that the shortest path through
the application's own names wins. It runs only when something leaked.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.graph import (
    Kind,
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


class _Step(NamedTuple):
    parent: int | None
    label: str
    thing: Any
    namespace: bool
    module: str


Edge = tuple[str, Any, bool]
"""Label, what is reached, whether that is a namespace."""


def find_paths(
    targets: Iterable[object], heap: Heap, groups: Sequence[Mapping[str, types.ModuleType]]
) -> dict[int, Path]:
    """Find the shortest path to each target, by identity; targets that no module reaches are left out.

    ``groups`` are modules by name in the order of preference: all that is reached from one group is found through it.
    """
    search = _Search(heap, {identity(target) for target in targets})
    for group in groups:
        if search.wanted:
            search.run(search.roots(group))
    if search.wanted:
        search.run(list(search.foreign.values()))
    return search.found


class _Search:
    def __init__(self, heap: Heap, wanted: set[int]) -> None:
        self.heap = heap
        self.wanted = wanted
        self.found: dict[int, Path] = {}
        self.steps: dict[int, _Step] = {}
        self.rivals: dict[int, list[_Step]] = {}
        """Further modules that name an object, beside the one through which it was met first."""
        self.foreign: dict[int, _Step] = {}
        """Classes and functions met away from home: entered last, if nothing better leads inside."""

    def roots(self, modules: Mapping[str, types.ModuleType]) -> list[_Step]:
        level = []
        for name, module in modules.items():
            if self.heap.plan(type(module)).kind is Kind.MODULE and self.heap.scope.enters_module(name):
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
                    if place not in following:
                        following[place] = found
                    elif step.parent is None:
                        self.rivals.setdefault(place, []).append(found)
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
        labels = [step.label]
        namespace = step.namespace
        while step.parent is not None:
            rivals = self.rivals.get(identity(step.thing))
            if rivals:
                step = _at_home([step, *rivals])
                labels[-1] = step.label
            step = self.steps[step.parent]  # type: ignore[index]
            labels.append(step.label)
        return Path(step.module, "".join(reversed(labels)), namespace)

    def _edges(self, step: _Step) -> Iterator[Edge]:
        thing = step.thing
        for label, held, namespace in edges(self.heap, thing, step.namespace):
            plan = self.heap.plan(type(held))
            if plan.kind is Kind.ATOM or plan.kind is Kind.MODULE:
                continue
            if self._abroad(plan.kind, held, step.module):
                self.foreign.setdefault(
                    identity(held), _Step(identity(thing), label, held, namespace, step.module)
                )
                continue
            yield label, held, namespace

    def _abroad(self, kind: Kind, thing: Any, module: str) -> bool:
        if kind is Kind.CLASS:
            home: object = class_namespace(thing).get("__module__") if is_heap_type(thing) else None
        elif kind is Kind.FUNCTION:
            home = thing.__globals__.get("__name__")
        else:
            return False
        return type(home) is str and home != module and self.heap.has_module(home)


def edges(heap: Heap, thing: Any, namespace: bool) -> Iterator[Edge]:
    """What ``thing`` holds, each with the spelling that leads there."""
    plan = heap.plan(type(thing))
    kind = plan.kind
    if kind is Kind.DICT or kind is Kind.MAPPING:
        for key, value in list(dict.items(thing)):
            if not (namespace and key == "__builtins__" if type(key) is str else False):
                yield spell_entry(key, namespace), value, False
                yield "<key>", key, False
    elif kind is Kind.LIST or type(thing) is tuple:
        for position, value in enumerate(list(thing)):
            yield f"[{position}]", value, False
    elif kind is Kind.FUNCTION:
        for what, name, value in function_state(thing):
            yield f".{what}.{name}".rstrip(".") if what else "", value, not what
    elif kind is Kind.CLASS:
        if is_heap_type(thing):
            yield "", class_namespace(thing), True
    elif type(thing) is types.CellType:
        for value in get_referents(thing):
            yield "", value, False
    elif type(thing) is property or type(thing) is classmethod or type(thing) is staticmethod:
        for value in get_referents(thing):
            yield "", value, False
    else:
        yield from _instance_edges(plan, thing)
        return
    if plan.namespace is not None:
        yield "", plan.namespace(thing), True


def _instance_edges(plan: Any, thing: Any) -> Iterator[Edge]:
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


def _at_home(steps: list[_Step]) -> _Step:
    """Of several modules that name an object, the one that defines it rather than imports it."""
    homes = [step for step in steps if step.label[1:] not in _imported_names(step)]
    return (homes or steps)[0]


def _imported_names(step: _Step) -> frozenset[str]:
    """The names that a module's source binds by ``from … import …``."""
    return frozenset(_from_imports(step.module))


def _from_imports(module: str) -> Iterator[str]:
    import sys

    loaded = sys.modules.get(module)
    file = module_namespace(loaded).get("__file__") if type(loaded) is types.ModuleType else None
    if type(file) is not str or not file.endswith(".py"):
        return
    try:
        with _open(file, "rb") as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name
