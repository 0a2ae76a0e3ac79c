"""Which things lead to some others, found backwards and without names: of a whole program few lead to any one.

What things hold is read in bulk, a block at a time, as a set of addresses. Each block is then asked, generation after
generation, whether it holds what was found last; only where it does, its things are looked at one by one, in C too.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, compress
from operator import not_
from typing import Any, Final

from pytest_stateless.heap.graph import Kind, get_bases, get_referents, identity, module_namespace
from pytest_stateless.heap.holders import held
from pytest_stateless.heap.memory import addresses
from pytest_stateless.heap.snapshot import Heap

_BLOCK: Final = 128  # things: of larger blocks there are fewer to ask, but each has more parts to be read
_PART: Final = 16  # things of a block that holds something, which are read together the first time

_Block = tuple[list[Any], frozenset[int]]
"""Things, and the addresses of what they hold."""

_Read = Callable[..., Iterable[object]]
"""Gives what all things given hold; what leads nowhere may be among it."""


def ancestors(targets: Sequence[object], heap: Heap) -> set[int]:
    """The identities of the targets and of all that leads to one of them, as far as the heap met it.

    Functions don't lead to their module's namespace, nor do modules where paths begin at it.
    """
    shelves = [_Shelf(read, things) for read, things in _readings(heap)]
    found: set[int] = set()
    fresh = dict(zip(map(identity, targets), targets, strict=True))
    while fresh:
        found.update(fresh)
        places, held_at = set(fresh), set(addresses(list(fresh.values())))
        holding = list(chain.from_iterable(shelf.holding(places, held_at) for shelf in shelves))
        arrived = dict(zip(map(identity, holding), holding, strict=True))
        fresh = {place: arrived[place] for place in arrived.keys() - found}
    return found


class _Shelf:
    """Things that are read alike, in blocks. Few containers: many would make the garbage collector run."""

    def __init__(self, read: _Read, things: list[Any]) -> None:
        self._read = read
        self._blocks = list(self._split(things, _BLOCK))
        self._parts: dict[int, list[_Block]] = {}
        """Of the blocks that held something wanted, by their number."""

    def _split(self, things: list[Any], size: int) -> Iterator[_Block]:
        for start in range(0, len(things), size):
            some = things[start : start + size]
            yield some, frozenset(addresses(list(self._read(*some))))

    def holding(self, places: set[int], held_at: set[int]) -> Iterator[Any]:
        """The things that hold something of these identities, and addresses."""
        for number, (block, holds) in enumerate(self._blocks):
            if not held_at.isdisjoint(holds):
                if number not in self._parts:
                    self._parts[number] = list(self._split(block, _PART))
                for things, held in self._parts[number]:
                    if not held_at.isdisjoint(held):
                        apart = map(places.isdisjoint, map(_identities, map(self._read, things)))
                        yield from compress(things, map(not_, apart))


_identities: Final = partial(map, identity)


# ------------------------------------------------------------------------------------------------ reading in bulk

_APART: Final = frozenset({Kind.FUNCTION, Kind.CLASS, Kind.MODULE, Kind.HELD, Kind.ATOM})
_INSTANCE: Final = len(Kind)
"""Stands among the kinds for whatever has attributes."""


def _readings(heap: Heap) -> Iterator[tuple[_Read, list[Any]]]:
    """All that the heap met, by how it is read."""
    things = heap.things()
    kinds = _kinds(things, heap)

    def of(*wanted: int) -> list[Any]:
        return list(compress(things, kinds.translate(bytes(kind in wanted for kind in range(256)))))

    modules = [things[place] for place in _places_in(kinds, Kind.MODULE)]
    yield _of_functions, of(Kind.FUNCTION)
    yield _of_classes, of(Kind.CLASS)
    yield _of_modules, [module for module in modules if not is_root(module, heap)]
    yield _of_holders, [things[place] for place in _places_in(kinds, Kind.HELD)]
    yield partial(_of_instances, heap), of(_INSTANCE)
    yield _of_mappings, heap.watched_as(Kind.MAPPING)
    yield get_referents, of(*(kind for kind in Kind if kind not in _APART))


def _places_in(kinds: bytes, kind: int) -> Iterator[int]:
    """Where one of the rare kinds is."""
    place = kinds.find(kind)
    while place >= 0:
        yield place
        place = kinds.find(kind, place + 1)


def _kinds(things: list[object], heap: Heap) -> bytes:
    """The kind of each, or that it has attributes."""
    places = addresses(list(map(type, things)))
    try:
        return bytes(map(_table(heap.types(), heap).__getitem__, places))
    except KeyError:  # something took another class since it was met
        return bytes(map(_table(list(map(type, things)), heap).__getitem__, places))


def _table(classes: list[type], heap: Heap) -> dict[int, int]:
    """Kinds by the address of the class."""
    by_place = dict(zip(addresses(classes), classes, strict=True))
    return {place: _kind(heap, cls) for place, cls in by_place.items()}


def _kind(heap: Heap, cls: type) -> int:
    plan = heap.plan(cls)
    return plan.kind if plan.namespace is None else _INSTANCE


_defaults_of, _keywords_of, _closure_of, _attributes_of = (
    vars(types.FunctionType)[name].__get__
    for name in ("__defaults__", "__kwdefaults__", "__closure__", "__dict__")
)
_proxy_of: Final = vars(type)["__dict__"].__get__


def _of_functions(*functions: types.FunctionType) -> Iterator[object]:
    """Not their globals, which are a module's."""
    tuples = chain(map(_defaults_of, functions), map(_closure_of, functions))
    return chain(get_referents(*tuples), map(_keywords_of, functions), map(_attributes_of, functions))


def _of_classes(*classes: type) -> Iterator[object]:
    namespaces = get_referents(*map(_proxy_of, classes))
    return chain(namespaces, map(type, classes), *map(get_bases, classes))


def _of_modules(*modules: types.ModuleType) -> Iterator[object]:
    return map(module_namespace, modules)


def _of_holders(*holders: object) -> Iterator[object]:
    return chain.from_iterable(map(held, holders))


def _of_instances(heap: Heap, *instances: Any) -> Iterator[object]:
    namespaces = [heap.plan(type(thing)).namespace(thing) for thing in instances]  # type: ignore[misc]
    return chain(get_referents(*instances), namespaces)


def _of_mappings(*mappings: dict[object, object]) -> Iterator[object]:
    """The attributes of instances too: on 3.13 their dictionaries don't show them as referents."""
    return chain.from_iterable(map(list, map(dict.values, mappings)))


# ------------------------------------------------------------------------------------------------------- modules


def is_root(module: Any, heap: Heap) -> bool:
    """Whether a module is one that paths begin at, or is left out: a way through it is none."""
    namespace = module_namespace(module)
    name = namespace.get("__name__")
    return type(name) is str and (namespace is loaded(name) or not heap.scope.enters_module(name))


def loaded(module: str) -> Mapping[str, object]:
    """The namespace of a loaded module; an empty one where there is none."""
    found = sys.modules.get(module)
    return module_namespace(found) if type(found) is types.ModuleType else {}
