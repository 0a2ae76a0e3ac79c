"""How functions, classes and names that a program gave are spelled: the same on every run, without its code."""

from __future__ import annotations

import re
import types
from typing import Any, Final

from pytest_stateless.heap.graph import Kind, module_name_of, name_of, plan_of, unwrapped
from pytest_stateless.heap.spell import without_run

_RANDOM: Final = re.compile(r"\b(?=[0-9a-f-]*\d)[0-9a-f]{8}[0-9a-f-]*\b")  # an id, a digest
_NUMBER: Final = re.compile(r"\d+")
_LIMIT: Final = 100  # characters of a name that are shown
_NATIVE: Final = (types.BuiltinFunctionType, types.MethodDescriptorType, types.MethodWrapperType)


def stable(name: str) -> str:
    """A name without the numbers and ids in it: ``ThreadPoolExecutor-3_0`` and ``-4_0`` are the same kind of thing."""
    return _NUMBER.sub("*", _RANDOM.sub("*", without_run(name)))[:_LIMIT]


def spell_class(cls: type) -> str:
    """A class by its module and qualified name."""
    return _dotted(module_name_of(cls), name_of(cls))


def spell_callable(function: Any) -> str:
    """A function by its module and qualified name, a method by its function, anything else by its class."""
    function = unwrapped(function)
    kind = type(function)
    if kind is types.FunctionType:
        return _dotted(function.__module__, function.__qualname__)
    if any(kind is native for native in _NATIVE):
        return str(function.__qualname__)
    return spell_class(function if plan_of(kind).kind is Kind.CLASS else kind)


def spell_frame(frame: types.FrameType) -> str:
    """The function that a frame runs, by its module and qualified name (its plain name before 3.11)."""
    code = frame.f_code
    return _dotted(dict.get(frame.f_globals, "__name__"), getattr(code, "co_qualname", code.co_name))


def code_place(code: types.CodeType) -> str:
    """Where a function is defined, as the recording notes it."""
    return f"{code.co_filename}:{code.co_firstlineno}"


def _dotted(module: object, name: str) -> str:
    return f"{module}.{name}" if type(module) is str and module and module != "builtins" else str(name)
