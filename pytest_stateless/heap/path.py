"""How a container is reached from a module, spelled as Python: ``shop.cart.CARTS['bob'].items``.

A breadth-first search from the namespaces of the modules, the application's first, so that the shortest path through
the application's own names wins. It runs only when something leaked.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import Context, ContextVar
from itertools import chain, count, pairwise, repeat
from operator import is_
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from pytest_stateless.heap import holders
from pytest_stateless.heap.ancestry import ancestors, is_root, loaded
from pytest_stateless.heap.definitions import Definitions
from pytest_stateless.heap.graph import (
    KEYED,
    Kind,
    Plan,
    class_namespace,
    function_module,
    function_state,
    get_bases,
    get_referents,
    identity,
    is_heap_type,
    iterate_sequence,
    members_of,
    module_name_of,
    module_namespace,
    mro_of,
    name_of,
)
from pytest_stateless.heap.home import home_of
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import spell_entry

_FREELY: Final = 2000  # things that are looked at before it is known which of them lead anywhere
_STEPS: Final = 24  # of a path that are told; of a longer one, half of them from either end


class Path(NamedTuple):
    """Where a container is."""

    module: str
    text: str
    namespace: bool
    """Whether its entries are attributes of what the text names, rather than items."""
    holder: type | None = None
    """The class whose namespace it is, or whose instance's; None for a module's and for what is no namespace."""
    home: str = ""
    """The module of the function whose attributes they are."""
    keeper: str = ""
    """The module that made the class of the nearest instance on the way, weak containers aside; else the first one."""
    user: str = ""
    """The same of the next instance on the way, which uses the nearest one; else the first module."""
    things: tuple[Any, ...] = ()
    """What is on the way from the module to the container, and the container itself."""


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
    wanted = {identity(target): target for target in targets}
    known = {place: heap.paths[place][0] for place in wanted if _still_leads(heap, place)}
    without = heap.lost | known.keys()
    search = _Search(heap, {place: target for place, target in wanted.items() if place not in without})
    roots = [search.roots(group) for group in groups] if search.wanted else []
    for level in roots:
        search.name(level)
    if search.wanted and groups:
        search.elsewhere = set(_elsewhere(heap, groups))
    for level in roots:
        if search.wanted:
            search.run(level)
            search.elsewhere.clear()
            search.lose()
    while search.wanted and search.foreign:
        away, search.foreign = search.foreign, {}
        search.run(list(away.values()))
    heap.paths.update((place, (path, search.chain(place))) for place, path in search.found.items())
    return known | search.found


def _elsewhere(heap: Heap, groups: Sequence[Mapping[str, types.ModuleType]]) -> Iterator[tuple[object, int]]:
    """Name and identity of what modules of later groups have under a name that is one in the first group too."""
    own = {label for namespace in _namespaces(heap, groups[0]) for label in namespace if type(label) is str}
    for namespace in chain.from_iterable(_namespaces(heap, group) for group in groups[1:]):
        yield from ((label, identity(dict.get(namespace, label))) for label in own & namespace.keys())


def _namespaces(heap: Heap, group: Mapping[str, types.ModuleType]) -> Iterator[dict[str, object]]:
    for name, module in group.items():
        if heap.scope.enters_module(name) and heap.plan(type(module)).kind is Kind.MODULE:
            yield module_namespace(module)


def _still_leads(heap: Heap, place: int) -> bool:
    """Whether a path that was found before still leads there."""
    _, steps = heap.paths.get(place, (None, ()))
    return _leads(heap, steps)


class Way(NamedTuple):
    """The path to a container that was found last. The heap isn't kept for it: it would keep all of the program."""

    scope: Scope
    steps: Sequence[_Step]

    def leads(self) -> bool:
        """Whether modules still lead to the container by it."""
        return _leads(self.scope, self.steps)

    def end(self) -> object:
        """What modules lead to now by the same names, where something on the way was made anew; None for nothing."""
        thing: object = loaded(self.steps[0].module) if self.steps else None
        for parent, step in pairwise(self.steps):
            spelled = _spelled(step.label)
            found = (
                held
                for label, held, namespace in edges(self.scope, thing, parent.namespace)
                if namespace is step.namespace and _spelled(label) == spelled
            )
            thing = next(found, None)
        return thing


def way_to(heap: Heap, container: object) -> Way:
    """The path by which modules were found to lead to a container."""
    _, steps = heap.paths[identity(container)]
    return Way(heap.scope, steps)


def _leads(heap: Heap | Scope, steps: Sequence[_Step]) -> bool:
    if not steps or steps[0].thing is not loaded(steps[0].module):
        return False
    return all(_holds(heap, parent, step) for parent, step in pairwise(steps))


def _holds(heap: Heap | Scope, parent: _Step, step: _Step) -> bool:
    if parent.namespace and type(step.label) is tuple and type(step.label[0]) is str:
        return dict.get(parent.thing, step.label[0]) is step.thing
    spelled = _spelled(step.label)
    return any(
        held is step.thing and _spelled(label) == spelled
        for label, held, _ in edges(heap, parent.thing, parent.namespace)
    )


class _Search:
    def __init__(self, heap: Heap, wanted: dict[int, object]) -> None:
        self.heap = heap
        self.wanted = wanted
        """By identity."""
        self.found: dict[int, Path] = {}
        self.steps: dict[int, _Step] = {}
        self.foreign: dict[int, _Step] = {}
        """Classes and functions met away from home: entered last, if nothing better leads inside."""
        self._named: set[int] = set()
        """Namespaces that were found already, and yet are to be searched."""
        self.elsewhere: set[tuple[object, int]] = set()
        """What modules of later groups have under the same name: it was imported from there, and is found there."""
        self._definitions = Definitions()
        self._within: set[int] | None = None
        """All that leads to something wanted; None for as long as everything is looked at."""

    def roots(self, modules: Mapping[str, types.ModuleType]) -> list[_Step]:
        level = []
        for name, module in modules.items():
            if name in _MIRRORED or not self.heap.scope.enters_module(name):
                continue
            if self.heap.plan(type(module)).kind is Kind.MODULE:
                namespace = module_namespace(module)
                own = namespace.get("__name__")
                if type(own) is str and own != name and namespace is loaded(own):
                    continue  # an alias
                level.append(_Step(None, name, namespace, True, name))
                if identity(module) in self.wanted:
                    self._arrive(_Step(None, name, module, False, name))
        return level

    def name(self, level: list[_Step]) -> None:
        """Find what is a module's own namespace, without a search."""
        for step in level:
            if identity(step.thing) in self.wanted and self._arrive(step):
                self._named.add(identity(step.thing))

    def run(self, level: list[_Step]) -> None:
        while level and self.wanted:
            if len(self.steps) + len(level) > _FREELY:
                self._narrow()
            level = [step for step in level if self._leads(step.thing)]
            level = [step for step in level if self._arrive(step) or identity(step.thing) in self._named]
            following: dict[int, _Step] = {}
            for step in level:
                for label, thing, namespace in self._edges(step):
                    place = identity(thing)
                    if place in self.steps:
                        continue
                    found = _Step(identity(step.thing), label, thing, namespace, step.module)
                    following.setdefault(place, found)
            level = list(following.values())

    def lose(self) -> None:
        """Want no longer what no module leads to."""
        if self.wanted:
            self.heap.lose(self.wanted, self._narrow())
            for place in self.wanted.keys() & self.heap.lost:
                del self.wanted[place]

    def _narrow(self) -> set[int]:
        """From now on, look only at what leads to something wanted."""
        if self._within is None:
            self._within = ancestors(list(self.wanted.values()), self.heap)
        return self._within

    def _leads(self, thing: object) -> bool:
        return self._within is None or identity(thing) in self._within

    def _arrive(self, step: _Step) -> bool:
        place = identity(step.thing)
        if place in self.steps:
            return False
        self.steps[place] = step
        if place in self.wanted:
            del self.wanted[place]
            self.found[place] = self._path(step)
        return True

    def chain(self, place: int) -> list[_Step]:
        """The steps from a module to what was found."""
        step: _Step | None = self.steps[place]
        steps = []
        while step is not None:
            steps.append(step)
            step = None if step.parent is None else self.steps[step.parent]
        return steps[::-1]

    def _path(self, step: _Step) -> Path:
        steps = self.chain(identity(step.thing))
        half = _STEPS // 2
        shown = steps if len(steps) <= _STEPS else [*steps[:half], *steps[-half:]]
        labels = [_spelled(one.label) for one in shown]
        if len(labels) > 1:
            labels[0], labels[1] = self._definitions.of(labels[0], labels[1])
        if shown is not steps:
            labels.insert(half, "…")
        things = tuple(one.thing for one in steps)
        return Path(
            labels[0], "".join(labels), step.namespace, *self._holder(step), *self._keepers(steps), things
        )

    def _keepers(self, steps: list[_Step]) -> tuple[str, str]:
        classes = [type(step.thing) for step in reversed(steps)]
        homes = (
            module_name_of(cls)
            for cls in classes
            if is_heap_type(cls) and self.heap.plan(cls).kind is Kind.OBJECT
        )
        kept = (home for home in homes if home not in _OF_WEAK_CONTAINERS)
        return next(kept, steps[0].module), next(kept, steps[0].module)

    def _holder(self, step: _Step) -> tuple[type | None, str]:
        if not step.namespace or step.parent is None:
            return None, ""
        thing = self.steps[step.parent].thing
        kind = self.heap.plan(type(thing)).kind
        return thing if kind is Kind.CLASS else type(thing), home_of(thing) if kind is Kind.FUNCTION else ""

    def _edges(self, step: _Step) -> Iterator[Edge]:
        thing = step.thing
        skipped = self._leading_away(step)
        for label, held, namespace in edges(self.heap, thing, step.namespace):
            if not self._leads(held) or (skipped and _spelled(label) in skipped):
                continue
            plan = self.heap.plan(type(held))
            if plan.kind is Kind.ATOM:
                continue
            if step.parent is None and (label[0], identity(held)) in self.elsewhere:
                continue
            if plan.kind is Kind.MODULE and is_root(held, self.heap):
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
            home = function_module(thing)
        else:
            return False
        return type(home) is str and home != module and self.heap.has_module(home)


_OF_WEAK_CONTAINERS: Final = frozenset({"weakref", "_weakrefset"})
_NOT_FOLLOWED: Final = frozenset({"__builtins__", "__spec__", "__loader__"})
_MIRRORED: Final = frozenset({"posix", "nt"})
"""Modules whose state has its name elsewhere, in ``os``."""


def edges(heap: Heap | Scope, thing: Any, namespace: bool) -> Iterator[Edge]:
    """What ``thing`` holds, each with the spelling that leads there; of the heap, only its plans are asked."""
    plan = heap.plan(type(thing))
    special = _SPECIAL_EDGES.get(plan.kind)
    if special is not None:
        yield from special(thing)
        return
    if any(map(is_, _TRANSPARENT, repeat(type(thing)))):
        for value in get_referents(thing):
            yield "", value, False
        return
    if plan.kind in KEYED:
        yield from _mapping_edges(thing, namespace)
    else:
        for place, value in zip(_places(thing), _items(plan, thing), strict=False):
            yield (place, type(place) is str), value, False
    if not any(map(is_, _BARE, repeat(type(thing)))):
        yield from _instance_edges(plan, thing)


_TRANSPARENT: Final = (
    *(types.CellType, types.MappingProxyType, property, classmethod, staticmethod),
    SimpleQueue,  # keeps its items in a list before 3.13
    *(memoryview, type(get_referents(memoryview(b""))[0])),  # the latter is between it and what it shows
)
"""What has no place of its own in the spelling of a path."""

_BARE: Final = (dict, list, tuple)
"""What has nothing but items."""


def _mapping_edges(mapping: Any, namespace: bool) -> Iterator[Edge]:
    for key, value in list(dict.items(mapping)):
        if not (namespace and type(key) is str and key in _NOT_FOLLOWED):
            yield (key, namespace), value, False
            yield "<key>", key, False


def _function_edges(function: Any) -> Iterator[Edge]:
    for what, name, value in function_state(function):
        yield f".{what}.{name}".rstrip(".") if what else "", value, not what


def _module_edges(module: Any) -> Iterator[Edge]:
    yield "", module_namespace(module), True


def _holder_edges(holder: Any) -> Iterator[Edge]:
    held = holders.held(holder)
    if type(holder) is Context:
        yield from (((name, False), value, False) for name, value in holders.values_of(held).values())
        return
    for value in held:
        yield "", value, type(holder) is not ContextVar


def _cache_edges(wrapper: Any) -> Iterator[Edge]:
    yield "", holders.cache_namespace(wrapper), True
    remembered = holders.cache_of(wrapper)
    if remembered is not None:
        yield ".<cache>", remembered, False


def _places(thing: Any) -> Iterable[object]:
    """What items are found by: the names of a namedtuple's fields, else numbers."""
    for base in mro_of(type(thing)):
        fields = class_namespace(base).get("_fields") if is_heap_type(base) else None
        if type(fields) is tuple and type(thing) is not tuple and all(type(name) is str for name in fields):
            return chain(fields, count(len(fields)))
    return count()


def _items(plan: Plan, thing: Any) -> list[Any]:
    """What has its place by a number."""
    if plan.kind in (Kind.LIST, Kind.SEQUENCE):
        return list(iterate_sequence(thing))
    if any(map(is_, mro_of(type(thing)), repeat(tuple))):
        return list(tuple.__iter__(thing))
    return []


def _class_edges(cls: type) -> Iterator[Edge]:
    yield "", class_namespace(cls), True
    for position, base in enumerate(get_bases(cls)):
        yield f".__bases__[{position}]", base, False
    yield ".__class__", type(cls), False


def _instance_edges(plan: Plan, thing: Any) -> Iterator[Edge]:
    """Attributes, and what is held without a name."""
    named = set(map(identity, _items(plan, thing)))
    if plan.kind in KEYED:
        named.update(map(identity, chain.from_iterable(dict.items(thing))))
    if plan.namespace is not None:
        own = plan.namespace(thing)
        named.update(map(identity, (own, *dict.values(own))))
        yield "", own, True
    for name, get in plan.slots:
        try:
            value = get(thing)
        except AttributeError:  # not set
            continue
        named.add(identity(value))
        yield f".{name}", value, False
    rest = [value for value in get_referents(thing) if identity(value) not in named]
    unnamed = any(value is not type(thing) for value in rest)
    members = {identity(value): f".{name}" for name, value in members_of(thing)} if unnamed else {}
    for value in rest:
        label = ".__class__" if value is type(thing) else f"<{name_of(type(value))}>"
        yield members.get(identity(value), label), value, False


_SPECIAL_EDGES: Final[Mapping[Kind, Callable[[Any], Iterator[Edge]]]] = {
    Kind.FUNCTION: _function_edges,
    Kind.CLASS: _class_edges,
    Kind.MODULE: _module_edges,
    Kind.CACHE: _cache_edges,
    Kind.HELD: _holder_edges,
}
