"""The table of what is looked at: a line an item, by topic in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pytest_stateless.interpreter import (
    importing,
    kernel,
    library,
    limits,
    logs,
    numbers,
    python,
    signals,
    system,
    texts,
    tools,
)
from pytest_stateless.interpreter.item import Item, Reading

ITEMS: Final[tuple[Item, ...]] = (
    *system.ITEMS,
    *limits.ITEMS,
    *signals.ITEMS,
    *importing.ITEMS,
    *python.ITEMS,
    *logs.ITEMS,
    *numbers.ITEMS,
    *library.ITEMS,
    *texts.ITEMS,
    *tools.ITEMS,
)


@lru_cache(maxsize=8)
def _readers(without: frozenset[str]) -> tuple[Callable[[], Reading | None], ...]:
    return tuple((lambda: None) if item.name in without else item.read for item in ITEMS)


def look(without: frozenset[str] = frozenset()) -> tuple[Reading | None, ...]:
    """What there is of each item now, but for those of some names."""
    kernel.forget()
    return tuple([read() for read in _readers(without)])
