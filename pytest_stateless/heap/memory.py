"""Where objects lie in memory, for what nothing else shows."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

HEADER: Final = object.__basicsize__
"""Bytes of what every object begins with."""

_ADDRESS_BITS: Final = ctypes.sizeof(ctypes.c_void_p) * 8


def address(thing: object) -> int:
    """Where an object lies. ``id`` would raise an audit event; the default hash is the address, rotated by 4 bits."""
    rotated = object.__hash__(thing) & (1 << _ADDRESS_BITS) - 1
    return (rotated << 4 | rotated >> _ADDRESS_BITS - 4) & (1 << _ADDRESS_BITS) - 1


READS_MEMORY: Final = sys.implementation.name == "cpython" and address(HEADER) == id(HEADER)


def first_pointer(thing: object) -> int | None:
    """The address in the first field of an object of a C type; None where there is none, or memory isn't read."""
    return ctypes.c_void_p.from_address(address(thing) + HEADER).value if READS_MEMORY else None


def addresses(things: list[Any]) -> list[int]:
    """Where objects lie, of many in a seventh of the time: as the list of them has it in memory."""
    return _pointers(things) if things and _SHOWS_ITEMS else list(map(address, things))


def _pointers(things: list[Any]) -> list[int]:
    start = ctypes.c_void_p.from_address(address(things) + ITEMS).value
    return memoryview(ctypes.string_at(start or 0, len(things) * _POINTER)).cast("P").tolist()


_POINTER: Final = ctypes.sizeof(ctypes.c_void_p)
ITEMS: Final = list.__basicsize__ - 2 * _POINTER
"""Where a list has the pointer to its items: it ends in that and the number of places allocated.

``PyListObject`` in CPython's Include/cpython/listobject.h.
"""
_SHOWS_ITEMS: Final = READS_MEMORY and _pointers([HEADER, None]) == [address(HEADER), address(None)]
