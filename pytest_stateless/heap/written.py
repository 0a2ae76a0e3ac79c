"""Which attributes the application's own code sets on lasting things: told by its instructions, none is run."""

from __future__ import annotations

import gc
import opcode
import sys
import types
from collections.abc import Iterator
from typing import Final

from pytest_stateless.heap.graph import identity, module_namespace


def _numbers(*names: str) -> frozenset[int]:
    return frozenset(opcode.opmap[name] for name in names if name in opcode.opmap)


_WRITES: Final = tuple(_numbers("STORE_ATTR", "DELETE_ATTR"))
_SKIPPED: Final = _numbers(
    "CACHE", "EXTENDED_ARG", "LOAD_ATTR"
)  # between a name and the last of its attributes
_GLOBAL: Final = _numbers("LOAD_GLOBAL", "LOAD_NAME")
_LOCAL: Final = _numbers("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK")
_LOCALS: Final = _numbers("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW")
_ITEM: Final = _numbers("BINARY_SUBSCR") or _numbers("BINARY_OP")  # the latter since 3.14
_KEY: Final = _numbers("LOAD_CONST", "LOAD_SMALL_INT") | _GLOBAL | _LOCAL
_IMPORT: Final = _numbers("IMPORT_NAME", "IMPORT_FROM")
_SWAP: Final = _numbers("SWAP", "ROT_TWO")  # before an attribute is stored that was loaded to be added to
_COPY: Final = _numbers("COPY", "DUP_TOP")  # what whose attribute that is was kept by


def names_written(modules: frozenset[str]) -> frozenset[str]:
    """Names of the attributes that functions of these modules set on what a global name or an import leads to."""
    # By their globals, not by the module's name: garbage of another module of that name has no say.
    namespaces = {
        identity(module_namespace(module))
        for name in modules
        if type(module := sys.modules.get(name)) is types.ModuleType
    }
    codes = {
        thing.__code__
        for thing in gc.get_objects()
        if type(thing) is types.FunctionType and identity(thing.__globals__) in namespaces
    }
    return frozenset(name for code in codes for name in written_by(code))


def written_by(code: types.CodeType) -> Iterator[str]:
    """The same for one piece of code, with the functions within it."""
    ops, arguments = code.co_code[::2], code.co_code[1::2]
    for position in sorted(_positions(ops)):
        if _is_of_a_global(code, ops, arguments, position - 1):
            wide = position and ops[position - 1] == opcode.EXTENDED_ARG
            yield code.co_names[arguments[position] + (arguments[position - 1] << 8 if wide else 0)]
    for constant in code.co_consts:
        if type(constant) is types.CodeType:
            yield from written_by(constant)


def _positions(ops: bytes) -> Iterator[int]:
    """Where attributes are set or deleted."""
    for write in _WRITES:
        position = ops.find(write)
        while position >= 0:
            yield position
            position = ops.find(write, position + 1)


def _is_of_a_global(code: types.CodeType, ops: bytes, arguments: bytes, position: int) -> bool:
    """Whether the instructions before a position load a global or imported name, or an attribute or item of it."""
    if position > 0 and ops[position] in _SWAP:
        while position > 0 and ops[position] not in _COPY:
            position -= 1
        position -= 1
    key = False  # whether the key of an item comes next
    while position > 0 and (ops[position] in _SKIPPED | _ITEM or (key and ops[position] in _KEY)):
        key = ops[position] in _ITEM or (key and ops[position] in _SKIPPED)
        position -= 1
    if position < 0 or ops[position] in _GLOBAL:
        return position >= 0
    index = arguments[position] & 15 if ops[position] in _LOCALS else arguments[position]
    local = ops[position] in _LOCAL or ops[position] in _LOCALS
    return local and code.co_varnames[index] in _imported(code, ops, arguments)


def _imported(code: types.CodeType, ops: bytes, arguments: bytes) -> set[str]:
    following = zip(ops, ops[1:], arguments[1:], strict=False)
    return {
        code.co_varnames[argument]
        for op, after, argument in following
        if op in _IMPORT and after == opcode.opmap["STORE_FAST"]
    }
