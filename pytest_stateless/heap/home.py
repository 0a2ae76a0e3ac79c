"""Where a definition comes from."""

from __future__ import annotations

import types
from typing import Any

from pytest_stateless.heap.graph import (
    Kind,
    class_namespace,
    function_module,
    is_heap_type,
    module_namespace,
    plan_of,
)


def home_of(value: Any) -> str:
    """The module that a class, function, method or module comes from; empty for anything else."""
    return next(iter(homes_of(value)), "")


def homes_of(value: Any) -> tuple[str, ...]:
    """As ``home_of``; for a function that a decorator made also the module of the decorator, last."""
    kind = plan_of(type(value)).kind
    found: tuple[object, ...] = ()
    if type(value) is types.MethodType:
        return homes_of(value.__func__)
    if kind is Kind.CLASS:
        found = (class_namespace(value).get("__module__"),) if is_heap_type(value) else ()
    elif kind is Kind.FUNCTION:
        found = value.__module__, function_module(value)
    elif kind is Kind.MODULE:
        found = (module_namespace(value).get("__name__"),)
    return tuple(name for name in found if type(name) is str)
