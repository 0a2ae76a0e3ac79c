"""The table of what is looked at: a line an item, by topic in the files beside this one."""

from __future__ import annotations

from typing import Final

from pytest_stateless.interpreter import kernel, library, logs, numbers, python, signals, system
from pytest_stateless.interpreter.item import Item, Reading

ITEMS: Final[tuple[Item, ...]] = (
    *system.ITEMS,
    *signals.ITEMS,
    *python.ITEMS,
    *logs.ITEMS,
    *numbers.ITEMS,
    *library.ITEMS,
)


def look() -> tuple[Reading | None, ...]:
    """What there is of each item now."""
    kernel.forget()
    return tuple([item.read() for item in ITEMS])
