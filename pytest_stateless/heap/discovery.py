"""Walks through what modules lead to, and sorts what can change by how it is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pytest_stateless.heap.graph import (
    EMBEDDED,
    WATCHED,
    Kind,
    Plan,
    children,
    class_namespace,
    function_module,
    get_referents,
    identity,
    is_heap_type,
    module_namespace,
)
from pytest_stateless.heap.holders import cache_namespace, cache_of
from pytest_stateless.heap.scope import Scope


class Plans:
    """How instances of each class are read; remembered."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.known: dict[int, tuple[Plan, type]] = {}
        """By the identity of the class, which is kept so that this stays its own."""

    def of(self, cls: type) -> Plan:
        """How instances of ``cls`` are read."""
        known = self.known.get(identity(cls))
        if known is None:
            known = self.known[identity(cls)] = self._scope.plan(cls), cls
        return known[0]


class Discovery:
    """One walk or several, that meet each thing once."""

    def __init__(self, scope: Scope, plans: Plans, seen: dict[int, object]) -> None:
        """``seen`` are things that were met before, by identity; those that are met now are added."""
        self._scope, self._plans, self.seen = scope, plans, seen

    def walk(self, roots: Iterable[object]) -> dict[Kind, list[Any]]:
        """All that the roots lead to and that wasn't met yet, level by level: what can change, by its kind."""
        found: dict[Kind, list[Any]] = {kind: [] for kind in WATCHED}
        seen, plans = self.seen, self._plans.known
        level: list[Any] = list(roots)
        while level:
            arrived: list[Any] = []
            for thing in level:
                cls = type(thing)
                known = plans.get(identity(cls))
                plan = known[0] if known is not None else self._plans.of(cls)
                kind = plan.kind
                if kind is Kind.ATOM:
                    continue
                place = identity(thing)
                if place in seen:
                    continue
                seen[place] = thing
                if kind >= Kind.DICT:
                    if EMBEDDED and kind is Kind.DICT and thing and not get_referents(thing):
                        kind = Kind.MAPPING  # the namespace of an instance that wasn't met yet
                        arrived += dict.values(thing)
                    found[kind].append(thing)
                elif not self._enters(kind, thing):
                    continue
                arrived += self._children(plan, thing, found)
            level = arrived
        return found

    def _children(self, plan: Plan, thing: Any, found: dict[Kind, list[Any]]) -> Iterable[object]:
        """What a thing holds, after what is special about its namespace."""
        if plan.kind is Kind.FUNCTION:
            namespace = thing.__dict__
            if type(namespace) is dict and not namespace:
                self._add(Kind.EMPTY_DICT, namespace, found)
        own = Kind.FUNCTION <= plan.kind <= Kind.MODULE and self._is_own_definition(plan.kind, thing)
        if own or plan.parts:
            found[Kind.HELD].append(thing)
        if plan.slots and plan.kind is not Kind.OBJECT:
            found[Kind.SLOTS].append(thing)
        if plan.reader is not None and plan.kind is not Kind.INSIDE:
            found[Kind.INSIDE].append(thing)
        if plan.kind is Kind.CACHE:
            return self._of_cache(thing)
        if plan.namespace is not None:
            namespace = plan.namespace(thing)
            for name in plan.unwatched:
                value = dict.get(namespace, name)
                self.seen[identity(value)] = value
            if EMBEDDED:  # its referents don't show all that it holds
                self._add(Kind.MAPPING, namespace, found)
                return [*dict.values(namespace), *children(plan.kind, plan, thing)]
        return children(plan.kind, plan, thing)

    def _is_own_definition(self, kind: Kind, thing: Any) -> bool:
        """Whether a thing is a function, class or module of the application, whose parts may be replaced."""
        if kind is Kind.FUNCTION:
            return self._scope.owns_function(thing)
        if kind is Kind.CLASS:
            return is_heap_type(thing) and self._scope.owns_home(class_namespace(thing).get("__module__"))
        return kind is Kind.MODULE and self._scope.owns_home(module_namespace(thing).get("__name__"))

    def _of_cache(self, wrapper: Any) -> list[object]:
        """What a function under ``functools.lru_cache`` leads to, and what it remembers if it is the application's."""
        namespace = cache_namespace(wrapper)
        remembered = (
            cache_of(wrapper) if self._scope.owns_function(dict.get(namespace, "__wrapped__")) else None
        )
        return [namespace] if remembered is None else [namespace, remembered]

    def _add(self, kind: Kind, container: Any, found: dict[Kind, list[Any]]) -> None:
        """Watch a container as one of a kind that its type doesn't tell."""
        if identity(container) not in self.seen:
            self.seen[identity(container)] = container
            found[kind].append(container)

    def _enters(self, kind: Kind, thing: Any) -> bool:
        if kind in (Kind.WALK, Kind.CACHE):
            return True
        if kind is Kind.MODULE:
            return self._enters_what_is_of(module_namespace(thing).get("__name__"))
        if kind is Kind.CLASS:
            return is_heap_type(thing) and self._enters_what_is_of(class_namespace(thing).get("__module__"))
        home = function_module(thing)
        if self._enters_what_is_of(home):
            return True
        # A decorator's function says by its __module__ whose function it wraps.
        return not self._scope.leaves_out(home) and self._enters_what_is_of(thing.__module__)

    def _enters_what_is_of(self, name: object) -> bool:
        return self._scope.enters_module(name) if type(name) is str else True
