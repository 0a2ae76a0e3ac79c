"""What runs around each fork: the functions that came to ``os.register_at_fork``, which nobody can take out again."""

from __future__ import annotations

import gc
import os
import threading
import types
from collections.abc import Iterator, Set
from typing import Any, Final

from pytest_stateless.heap.graph import unwrapped
from pytest_stateless.interpreter.difference import changed_things
from pytest_stateless.interpreter.gate import Holder
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Items, Reading, loaded
from pytest_stateless.zones import within

_STANDARD_LIBRARY: Final = os.path.dirname(threading.__file__)
_KNOWN: Final = (
    ("threading", "_after_fork"),
    ("logging", "_prepareFork"),  # since 3.13
    ("logging", "_acquireLock"),
    ("logging", "_afterFork"),  # since 3.13
    ("logging", "_releaseLock"),
)
"""Functions of the standard library's that are in the interpreter's lists: after a fork in the child, before it, after
it in the parent."""


class _Lists:
    """The interpreter's own lists, found once."""

    found: tuple[list[Any], ...] = ()
    looked = False


def _find() -> None:
    """No function shows them, but the garbage collector knows who refers to what is always in them."""
    _Lists.looked = True
    known = [(loaded(module) or {}).get(name) for module, name in _KNOWN]
    functions = [function for function in known if function is not None]
    lists = [found for found in gc.get_referrers(*functions) if type(found) is list]
    held = _held(lists) | {id(functions), id(known)}
    _Lists.found = tuple(found for found in lists if id(found) not in held)


def _held(lists: list[list[Any]]) -> Set[int]:
    """Identities of what an object holds that holds one of the lists: of the interpreter's own, no object knows.

    A snapshot of the memory has these functions in lists, too.
    """
    found: set[int] = set()
    for holder in gc.get_referrers(*lists):
        # The arguments are a tuple of a moment.
        if holder is not lists and type(holder) not in (tuple, types.ModuleType):
            found.update(map(id, gc.get_referents(holder)))
    return found


def read() -> Reading:
    """All of them, those of one list after those of another."""
    if not _Lists.looked:
        _find()
    if not _Lists.found:
        return {WHOLE: UNKNOWN}
    return {WHOLE: Items([function for held in _Lists.found for function in held])}


def holders() -> Iterator[Holder]:
    """As ``Item.holders``."""
    if not _Lists.looked:
        _find()
    return map(Holder, _Lists.found)


def are_of_python_itself(before: Any, after: Any) -> bool:
    """Whether all that came is the standard library's, which another thread may have imported, or a lock's method."""
    if not (type(before) is type(after) is Items):
        return False
    return not any(map(_is_foreign, changed_things(before, after)[0]))


def _is_foreign(thing: Any) -> bool:
    function = unwrapped(thing)
    if type(function) is not types.FunctionType:
        return False
    file = function.__code__.co_filename
    is_own = within(file, _STANDARD_LIBRARY) and "site-packages" not in file
    return not (is_own or file.startswith("<frozen "))  # os is, since 3.11
