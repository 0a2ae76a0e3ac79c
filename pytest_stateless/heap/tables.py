"""Whether an entry is a library's own, in a table of its own module: what it knows of locales, zones, classes, modules.

A library fills such tables on first use, the same in every process. What it keeps for others lies in objects that
others made, or is no object of a library's class.
"""

from __future__ import annotations

import sys
from typing import Any

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import KEYED, Kind, is_heap_type, module_name_of, plan_of
from pytest_stateless.heap.home import home_of


def is_in_a_librarys_table(about: About, entry: Entry) -> bool:
    """Whether an entry came that is an object, class or function of a library's, or went after the call of one."""
    if about.change.kind not in KEYED or about.attributes or _is_beside_an_instance(about):
        return False
    if entry.before is not ABSENT:
        return entry.after is None and _is_a_definition(about, entry.before)
    return _is_a_definition(about, entry.after) or _is_an_object(about, entry.after)


def is_by_a_module(about: About, entry: Entry) -> bool:
    """Whether a library noted for a module that is loaded what is yes, no or nothing."""
    if about.change.container is sys.modules:
        return False
    is_new = entry.before is ABSENT and (entry.after is None or type(entry.after) is bool)
    named = type(entry.label) is str and entry.label in sys.modules
    return is_new and named and about.change.kind in KEYED and not about.attributes


def _is_beside_an_instance(about: About) -> bool:
    """Whether an object leads to the table, which somebody made for himself, or a module of the application does."""
    *way, _ = about.path.things or (None,)
    instances = (Kind.OBJECT, Kind.MAPPING, Kind.OPAQUE, Kind.CACHE)
    return about.path.module in about.application or any(plan_of(type(one)).kind in instances for one in way)


def _is_a_definition(about: About, value: Any) -> bool:
    return _is_a_librarys(about, home_of(value))


def _is_an_object(about: About, value: Any) -> bool:
    """Whether it is an instance of a library's class that holds nothing of the application's."""
    cls = type(value)
    plan = plan_of(cls)
    if (
        not is_heap_type(cls)
        or plan.kind is not Kind.OBJECT
        or not _is_a_librarys(about, module_name_of(cls))
    ):
        return False
    held = [] if plan.namespace is None else list(dict.values(plan.namespace(value)))
    return not any(map(about.is_of_the_application, held))


def _is_a_librarys(about: About, module: str) -> bool:
    package = module.partition(".")[0]
    return bool(package) and module not in about.application and package not in sys.stdlib_module_names
