"""What of the memory is watched: where to begin, and what to leave out, as data."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_stateless.heap.graph import (
    Kind,
    Plan,
    function_module,
    is_heap_type,
    module_name_of,
    mro_of,
    name_of,
    plan_of,
)
from pytest_stateless.heap.holders import descriptors
from pytest_stateless.heap.readers import SHOWING_ALL, reader_of


def _everything(_: str) -> bool:
    return True


@dataclass(frozen=True)
class Scope:
    """What of the memory is watched: where to begin, and what to leave out, as data."""

    modules: frozenset[str] | None = None
    """Names of the modules to begin with and whose classes and functions are entered; None for every module."""
    without_packages: frozenset[str] = frozenset()
    """Top-level packages whose modules, functions, classes and instances are left out."""
    without_types: frozenset[str] = frozenset()
    """Types, spelled ``module.Name``, whose instances (and those of subclasses) are left out."""
    without_attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By type, spelled ``module.Name``: attributes of its instances that are left out."""
    without_objects: frozenset[int] = frozenset()
    """Identities of objects that are left out."""

    owns: Callable[[str], bool] = _everything
    """Whether a module is the application's, by its name: more is watched of its functions."""

    def enters_module(self, name: str) -> bool:
        """Whether the state of the module called ``name`` is watched."""
        if self.leaves_out(name):
            return False
        return self.modules is None or name in self.modules

    def owns_function(self, function: object) -> bool:
        """Whether a function is the application's, by the module that it was written in."""
        if type(function) is not types.FunctionType:
            return False
        return self.owns_home(function_module(function))

    def owns_home(self, home: object) -> bool:
        """Whether what was defined in a module of that name is the application's."""
        return type(home) is str and self.enters_module(home) and self.owns(home)

    def leaves_out(self, name: object) -> bool:
        """Whether a module of that name belongs to a package that is left out."""
        return type(name) is str and name.partition(".")[0] in self.without_packages

    def plan(self, cls: type) -> Plan:
        """How instances of ``cls`` are read, ``ATOM`` where they are left out."""
        plan = with_reader(plan_of(cls), cls)
        if plan.kind is Kind.ATOM:
            return plan
        if is_heap_type(cls) and self.leaves_out(module_name_of(cls)):
            return Plan(Kind.ATOM)
        bases = set(spelled_bases(cls))
        if self.without_types & bases:
            return Plan(Kind.ATOM)
        return plan._replace(
            unwatched=_of_bases(self.without_attributes, bases),
            parts=bool(descriptors(cls)) and cls is not types.FunctionType,
            elsewhere=_of_bases(_LEADING_ELSEWHERE, bases),
        )


def with_reader(plan: Plan, cls: type) -> Plan:
    """The plan of a class with the reader of what no referent of its instances shows."""
    reader = reader_of(cls)
    if reader is None or plan.kind in (Kind.HELD, Kind.CACHE):
        return plan
    whole = plan.kind is Kind.ATOM or (plan.kind is Kind.OPAQUE and reader in SHOWING_ALL)
    return plan._replace(kind=Kind.INSIDE if whole else plan.kind, reader=reader)


_LEADING_ELSEWHERE: Final = {"logging.Logger": frozenset({"parent", "manager"})}


def _of_bases(table: Mapping[str, frozenset[str]], bases: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(table[base] for base in bases if base in table))


def spelled_bases(cls: type) -> Iterator[str]:
    """``module.Name`` of a class and of all that it inherits from."""
    for base in mro_of(cls):
        yield f"{module_name_of(base)}.{name_of(base)}"
