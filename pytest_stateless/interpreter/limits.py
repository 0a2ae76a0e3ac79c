"""The limits and rights that the system gives the process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from pytest_stateless.interpreter.item import (
    UNKNOWN,
    Gated,
    Item,
    Reading,
)
from pytest_stateless.interpreter.kinds import (
    value,
)

try:
    import resource

    _resource: Any = resource
except ImportError:  # Windows
    _resource = None

_LIMITS: Final = (
    {name: getattr(_resource, name) for name in dir(_resource) if name.startswith("RLIMIT_")}
    if _resource is not None
    else {}
)
_NUMBERS: Final = {number: name for name, number in reversed(_LIMITS.items())}
_getrlimit: Final[Any] = getattr(_resource, "getrlimit", None)
_setrlimit: Final[Any] = getattr(_resource, "setrlimit", None)
_getpriority: Final[Any] = getattr(os, "getpriority", None)
_setpriority: Final[Any] = getattr(os, "setpriority", None)
_getaffinity: Final[Any] = getattr(os, "sched_getaffinity", None)
_setaffinity: Final[Any] = getattr(os, "sched_setaffinity", None)
_identities: Final = [
    get for name in ("getuid", "geteuid", "getgid", "getegid") if (get := getattr(os, name, None))
]


def _limits() -> Reading:
    return _named(list(map(_getrlimit, _NUMBERS)))


def _limits_again(before: Any) -> Reading:
    limits = list(map(_getrlimit, _NUMBERS))
    return before if limits == before.gate else _named(limits)


def _named(limits: list[Any]) -> Reading:
    return Gated(dict(zip(_NUMBERS.values(), limits, strict=True)), limits)


def _spell_limit(found: Any) -> str:
    return " of ".join("unlimited" if part == -1 else str(part) for part in found)


def _call(function: Any, *args: Any) -> Callable[[], Any]:
    """Calls a function where the system has it."""
    return lambda: UNKNOWN if function is None else function(*args)


def _affinity() -> Any:
    return UNKNOWN if _getaffinity is None else tuple(sorted(_getaffinity(0)))


ITEMS: Final = (
    Item(
        "resource limit",
        _limits if _getrlimit is not None else lambda: None,
        "later requests fail, or are let through, by limits that one of them set",
        "set limits where the process starts",
        show=_spell_limit,
        spell=lambda name, label: f"{name} {label}",
        put=lambda label, new: _setrlimit(_LIMITS[label], new),
        again=_limits_again if _getrlimit is not None else None,
    ),
    Item(
        "nice value",
        value(_call(_getpriority, getattr(os, "PRIO_PROCESS", 0), 0)),
        "the process is slower from now on",
        "set it where the process starts",
        show=str,
        put=lambda _, new: _setpriority(os.PRIO_PROCESS, 0, new),
    ),
    Item(
        "processor affinity",
        value(_affinity),
        "the process keeps to other processors from now on",
        "set it where the process starts",
        show=str,
        put=lambda _, new: _setaffinity(0, new),
    ),
    Item(
        "user and group",
        value(lambda: tuple(get() for get in _identities)),
        "the process has other rights from now on",
        "change them where the process starts",
        show=str,
    ),
)
"""The lines of the table about limits and rights."""
