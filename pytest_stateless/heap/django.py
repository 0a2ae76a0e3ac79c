"""The connections of Django to its databases, by the book that Django keeps of them.

Its wrappers of connections aren't watched. A transaction that ``atomic`` has begun is known to them before the driver,
which begins it with the first statement: a whole class of tests may be within one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.graph import get_referents, namespace_of
from pytest_stateless.heap.holders import LOCAL, loaded

_get: Final[Any] = dict.get


def databases() -> Iterator[tuple[str, Any]]:
    """Alias and wrapper of each connection that was made, of every thread; none where Django isn't loaded."""
    local = namespace_of(namespace_of(loaded("django.db", "connections")).get("_connections")).get("_storage")
    for by_thread in get_referents(local) if type(local) is LOCAL else ():
        for of_thread in list(dict.values(by_thread)) if type(by_thread) is dict else ():
            for alias, wrapper in list(dict.items(of_thread)) if type(of_thread) is dict else ():
                if type(alias) is str:
                    yield alias, wrapper


def is_left_open(wrapper: Any) -> bool:
    """Whether a transaction was begun and not ended, or what commits each statement was switched off."""
    namespace = namespace_of(wrapper)
    if _get(namespace, "connection") is None:
        return False
    settings = _get(namespace, "settings_dict")
    usual = dict.get(settings, "AUTOCOMMIT") if type(settings) is dict else None
    switched_off = usual is True and _get(namespace, "autocommit") is False
    return switched_off or _get(namespace, "in_atomic_block") is True
