"""What runs when the process ends: how many callbacks came to ``atexit``."""

from __future__ import annotations

import sys
import types
from collections import Counter
from typing import Any, ClassVar, Final

from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Reading

_atexit: Final[Any] = sys.modules.get("atexit") or __import__("atexit")
_count: Final[Any] = getattr(_atexit, "_ncallbacks", None)
COUNTS_GONE: Final = sys.version_info < (3, 14)
"""Whether a callback that was taken out counts for ever, so that who takes one out is listened to."""


class _Noted:
    """Callbacks that came while somebody listened, and how many of those were taken out."""

    there: ClassVar[Counter[tuple[int, ...]]] = Counter()
    gone = 0


def came(callback: object) -> None:
    """A callback was registered."""
    _Noted.there[_key(callback)] += 1


def went(callback: object) -> None:
    """A callback was taken out, however often it was registered."""
    _Noted.gone += _Noted.there.pop(_key(callback), 0)


def _key(callback: Any) -> tuple[int, ...]:
    """Which callback it is, without asking it: a method is another object each time it is looked up."""
    if type(callback) is types.MethodType:
        return id(callback.__self__), id(callback.__func__)
    if type(callback) is types.BuiltinMethodType:
        return id(callback.__self__), hash(callback.__name__)
    return (id(callback),)


def read() -> Reading:
    """How many there are, as far as is known. weakref has one from its first finalizer on."""
    if _count is None:
        return {WHOLE: UNKNOWN}
    return {WHOLE: _count() - _Noted.gone - _of_weakref()}


def _of_weakref() -> bool:
    finalize = (sys.modules.get("weakref") or _atexit).__dict__.get("finalize")
    return type(finalize) is type and finalize.__dict__.get("_registered_with_atexit") is True


def are_fewer(before: Any, after: Any) -> bool:
    """Whether none came."""
    return type(before) is int and type(after) is int and after <= before


def tell(before: int, after: int) -> str:
    """Which they are can't be seen without asking them."""
    return f"{after - before} more" if after > before else f"{before - after} fewer"
