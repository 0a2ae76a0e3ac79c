"""Whether two lists hold the very same objects: the innermost step of every look at the heap.

The portable way, ``all(map(is_, ...))``, costs 6 to 20 ns a reference, a third of a look. Where ctypes shows the
storage of a list as this module expects it, ``memcmp`` over the two arrays of pointers does the same in a fraction of
that, but for short lists (see ``tests/bench``). Neither compares two objects, so no code of the program runs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from operator import is_
from typing import Final

from pytest_stateless.heap.memory import ITEMS

Same = Callable[[list[object], list[object]], bool]
_FEW: Final = 50  # objects, up to which the portable way is as fast


def same_by_identity(now: list[object], before: list[object]) -> bool:
    """Whether two lists hold the very same objects in the same order."""
    return len(now) == len(before) and all(map(is_, now, before))


def same_by_memory() -> Same | None:
    """``same_by_identity`` by comparing the lists' storage, or None where that can't be trusted."""
    try:
        memcmp = ctypes.CDLL(None).memcmp
        # All of the memory, from the second word on, in words: the first one would be where nothing is.
        words = ctypes.cast(_WORD, ctypes.POINTER(ctypes.c_size_t))
    except (OSError, TypeError, AttributeError):  # no C library to ask in this way: Windows
        return None
    memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    place = _place

    def same(now: list[object], before: list[object]) -> bool:
        size = len(now)
        if size != len(before):
            return False
        one, other = place(now), place(before)  # the addresses, divided by 16; negative ones had a remainder
        if size < _FEW or one < 0 or other < 0:
            return all(map(is_, now, before))
        return not memcmp(words[one * 2 + _AFTER], words[other * 2 + _AFTER], size * _WORD)

    trusted = sys.implementation.name == "cpython" and _WORD == 8 and _agrees(same)
    return same if trusted else None


_place: Final = object.__hash__
"""``id``, and to look at an address by ctypes, would raise audit events, which cost more than all the rest."""
_WORD: Final = ctypes.sizeof(ctypes.c_void_p)
_AFTER: Final = ITEMS // _WORD - 1
"""How many words after its beginning a list has the pointer to its items, of words that are counted from the second."""


def _agrees(same: Same) -> bool:
    one, other = object(), object()
    many, others = [one] * _FEW, [*[one] * (_FEW - 1), other]
    pairs = [(many, many), (many, others), (others, others), ([], []), ([one], [other]), ([one], many)]
    return all(same(list(now), list(before)) == same_by_identity(now, before) for now, before in pairs)


same: Same = same_by_memory() or same_by_identity
