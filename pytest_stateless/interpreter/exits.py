"""What runs when the process ends: how many callbacks came to ``atexit``."""

from __future__ import annotations

import sys
from typing import Any, Final

from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Reading

_atexit: Final[Any] = sys.modules.get("atexit") or __import__("atexit")
_count: Final[Any] = getattr(_atexit, "_ncallbacks", None)
_unregister: Final[Any] = _atexit.unregister
COUNTS_GONE: Final = sys.version_info < (3, 14)
"""Whether a callback that was taken out counts for ever."""


class _Listener:
    """No function shows the callbacks, but whoever takes out what isn't there is asked about each."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, callback: object) -> bool:
        self.heard.append(id(callback))  # holding it would keep what it closes from being cleared away
        return False


class _Last:
    """What was found when there were last more."""

    count = 0
    callbacks = frozenset[int]()
    came = 0


def read() -> Reading:
    """How many there are; where that doesn't tell, how many have come. weakref has one from its first finalizer on."""
    if _count is None:
        return {WHOLE: UNKNOWN}
    return {WHOLE: (_came(_count()) if COUNTS_GONE else _count()) - _of_weakref()}


def _came(count: int) -> int:
    """They are asked only when there are more: a callback may be an instance that has code for comparisons."""
    if count != _Last.count:
        listener = _Listener()
        _unregister(listener)
        found = frozenset(listener.heard)
        _Last.count, _Last.came = count, _Last.came + len(found - _Last.callbacks)
        _Last.callbacks = found
    return _Last.came


def _of_weakref() -> bool:
    finalize = (sys.modules.get("weakref") or _atexit).__dict__.get("finalize")
    return type(finalize) is type and finalize.__dict__.get("_registered_with_atexit") is True


def are_fewer(before: Any, after: Any) -> bool:
    """Whether none came."""
    return type(before) is int and type(after) is int and after <= before


def tell(before: int, after: int) -> str:
    """Which they are can't be seen without asking them."""
    return f"{after - before} more" if after > before else f"{before - after} fewer"
