"""What of the memory is watched: where to begin, and what to leave out, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_stateless.heap.graph import Kind, Plan, is_heap_type, module_name_of, mro_of, name_of, plan_of


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

    def enters_module(self, name: str) -> bool:
        """Whether the state of the module called ``name`` is watched."""
        if self.leaves_out(name):
            return False
        return self.modules is None or name in self.modules

    def leaves_out(self, name: object) -> bool:
        """Whether a module of that name belongs to a package that is left out."""
        return type(name) is str and name.partition(".")[0] in self.without_packages

    def plan(self, cls: type) -> Plan:
        """How instances of ``cls`` are read, ``ATOM`` where they are left out."""
        plan = plan_of(cls)
        if plan.kind is Kind.ATOM:
            return plan
        if is_heap_type(cls) and self.leaves_out(module_name_of(cls)):
            return Plan(Kind.ATOM)
        bases = set(spelled_bases(cls))
        if self.without_types & bases:
            return Plan(Kind.ATOM)
        return plan._replace(
            unwatched=_of_bases(self.without_attributes, bases),
            elsewhere=_of_bases(_LEADING_ELSEWHERE, bases),
        )


_LEADING_ELSEWHERE: Final = {"logging.Logger": frozenset({"parent", "manager"})}


def _of_bases(table: Mapping[str, frozenset[str]], bases: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*(table[base] for base in bases if base in table))


def spelled_bases(cls: type) -> Iterator[str]:
    """``module.Name`` of a class and of all that it inherits from."""
    for base in mro_of(cls):
        module = type.__dict__["__module__"].__get__(base) if not is_heap_type(base) else module_name_of(base)
        yield f"{module}.{name_of(base)}"
