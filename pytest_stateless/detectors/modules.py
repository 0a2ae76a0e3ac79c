"""Whose the loaded modules are, in the order in which paths begin at them."""

from __future__ import annotations

import types
from collections.abc import Mapping

from pytest_stateless.heap.graph import Kind, module_namespace, plan_of
from pytest_stateless.leak import Owner
from pytest_stateless.source import FIXTURES, Sources

Groups = dict[Owner, dict[str, types.ModuleType]]


def by_owner(modules: Mapping[str, types.ModuleType], sources: Sources) -> Groups:
    """The modules in the order in which paths prefer them; those imported later first, since they define more."""
    groups: Groups = {owner: {} for owner in (Owner.APPLICATION, Owner.DEPENDENCY, Owner.STANDARD_LIBRARY)}
    for name, module in reversed(list(modules.items())):
        if type(name) is str and plan_of(type(module)).kind is Kind.MODULE:
            file = module_namespace(module).get("__file__")
            groups[sources.owner_of_module(name, file)][name] = module
    own = groups[Owner.APPLICATION]
    if FIXTURES in own:  # what has a name in the program, too, goes by that
        own[FIXTURES] = own.pop(FIXTURES)
    return groups


def owner_in(groups: Groups, module: str) -> Owner:
    """Whose a module is."""
    return next((owner for owner, modules in groups.items() if module in modules), Owner.UNKNOWN)
