"""Reads the environment as the C library has it, which ``os.putenv`` changes past ``os.environ``."""

from __future__ import annotations

import ctypes
import sys
from typing import Any, Final

_POINTER: Final = ctypes.sizeof(ctypes.c_void_p)
_ORDER: Final = sys.byteorder


def _find() -> ctypes.c_void_p | None:
    """Where the C library keeps its array of variables; None where it can't be asked so (Windows)."""
    try:
        return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
    except (OSError, TypeError, ValueError, AttributeError):
        return None


_environ: Final = _find()


class _Last:
    """What was read last, by what tells whether it still stands."""

    address: int | None = None
    pointers: bytes = b""
    variables: dict[bytes, bytes] = {}  # noqa: RUF012 - replaced, never changed
    python: dict[Any, Any] | None = None
    differing: dict[bytes, Any] = {}  # noqa: RUF012 - replaced, never changed


def differing(python: dict[Any, Any]) -> dict[bytes, Any] | None:
    """The variables that C code sees otherwise than in ``python``, with their value or ``"not set"``.

    None where they can't be read.
    """
    if _environ is None:
        return None
    if not _is_as_before() or python != _Last.python:
        there = _Last.variables
        found: dict[bytes, Any] = {name: text for name, text in there.items() if python.get(name) != text}
        found.update((name, "not set") for name in python if name not in there)
        _Last.python, _Last.differing = python, found
    return _Last.differing


def variables() -> dict[bytes, bytes] | None:
    """All variables as C code sees them, which is what a child inherits; None where they can't be read."""
    if _environ is None:
        return None
    _is_as_before()
    return _Last.variables


def _is_as_before() -> bool:
    """Whether the array of pointers is that of the last time; if not, read it anew."""
    address = _environ.value if _environ is not None else None
    # The same array has at least the length that it had, so that nothing past its end is read.
    same_array = address is not None and address == _Last.address
    if same_array and ctypes.string_at(address, len(_Last.pointers)) == _Last.pointers:  # type: ignore[arg-type]
        return True
    pointers = _pointers(address)
    _Last.address = address
    _Last.pointers = b"".join(pointer.to_bytes(_POINTER, _ORDER) for pointer in (*pointers, 0))
    _Last.variables = dict(filter(None, map(_variable, pointers)))
    return False


def _pointers(address: int | None) -> list[int]:
    found = []
    while address and (pointer := ctypes.c_void_p.from_address(address).value):
        found.append(pointer)
        address += _POINTER
    return found


def _variable(pointer: int) -> tuple[bytes, bytes] | None:
    name, equals, text = ctypes.string_at(pointer).partition(b"=")
    return (name, text) if equals else None
