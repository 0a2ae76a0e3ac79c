"""Whether large dictionaries are as they were, told by the memory that they are stored in.

To read a dictionary touches each object in it, few of which are in the processor's cache by then: of an application's
own memory, ``sys.modules`` alone would be half the cost. To compare its table touches none.
"""

from __future__ import annotations

import _thread
import ctypes
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_MANY: Final = 128  # entries; of smaller dictionaries many are read with one call
_WORD: Final = 8
_FIXED: Final = dict.__basicsize__
_LAYOUT: Final = 6 * _WORD
"""Counter, type, number of entries, a tag, the table, the values where these are apart: ``PyDictObject``.

The table is one piece of memory with its header and its entries (CPython's Include/internal/pycore_dict.h).
"""
_USED, _TABLE, _VALUES = 2, 4, 5  # words of it
_size_of: Final = dict.__sizeof__
_place: Final = object.__hash__  # the address, divided by 16
_threads: Final = _thread._count
_LETS_NOBODY_IN: Final = sys.version_info >= (3, 12)
"""Whether no other thread takes over between two steps that call no function of Python's."""


class Stored(NamedTuple):
    """A dictionary and what was in its table."""

    dictionary: dict[Any, Any]
    size: int
    """Bytes of both."""
    word: int
    """Which word of the memory has the table's address."""
    copy: bytes


def _memory() -> tuple[Any, Any]:
    """What compares memory without letting other threads run, and all of it, in words from the second one on.

    Nothing where there is no C library to ask in this way: Windows.
    """
    try:
        compare = ctypes.PyDLL(None).memcmp
        compare.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
        return compare, ctypes.cast(_WORD, ctypes.POINTER(ctypes.c_size_t))
    except (OSError, TypeError, AttributeError):
        return None, None


_compare, _words = _memory()


def store(dictionary: dict[Any, Any]) -> Stored | None:
    """Take down what is in the table of a dictionary; None where that doesn't hold all."""
    start = _place(dictionary) * 2 - 1
    if start < 0 or _words[start + _VALUES]:
        return None
    size = _size_of(dictionary)
    table = ctypes.string_at(_words[start + _TABLE], size - _FIXED)
    return Stored(dictionary, size, start + _TABLE, table)


def is_as_stored(stored: Stored) -> bool:
    """Whether the table is the same; False where another thread might replace it while it is looked at.

    What it has the addresses of must have been kept since, or an address may have been used again.
    """
    return (_LETS_NOBODY_IN or not _threads()) and _is_the_same(*stored)


def _is_the_same(dictionary: dict[Any, Any], size: int, word: int, copy: bytes) -> bool:
    return _size_of(dictionary) == size and not _compare(_words[word], copy, size - _FIXED)


def is_large(dictionary: dict[Any, Any]) -> bool:
    """Whether it is worth it."""
    return TRUSTED and len(dictionary) >= _MANY


_CHANGES: Final[tuple[Callable[[dict[Any, Any]], object], ...]] = (
    lambda some: some.update(dict.fromkeys(list(some)[:1], object())),
    lambda some: some.update(dict.fromkeys(list(some)[-1:], object())),
    lambda some: some.popitem(),
    lambda some: some.pop(next(iter(some))),
    lambda some: some.update({"new": None}),
    lambda some: some.update({"new": some.popitem()[1]}),
    lambda some: some.clear(),
)


def _agrees() -> bool:
    """Whether the memory shows each change, and nothing where there is none."""
    for keys in ("abcdefgh", range(8)):
        for change in _CHANGES:
            some = {key: object() for key in keys}
            before, start = dict(some), _place(some) * 2 - 1
            if start < 0 or _words[start + _USED] != len(some):
                return False
            stored = store(some)
            if stored is None or not _is_the_same(*stored):
                return False
            change(some)
            if _is_the_same(*stored):
                return False
            del before  # it kept what was there
    return True


TRUSTED: Final = (
    sys.implementation.name == "cpython" and _FIXED == _LAYOUT and _compare is not None and _agrees()
)
"""Whether dictionaries are stored as this module expects it."""
