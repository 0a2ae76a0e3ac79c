"""Notes what imports do to the items that they bring something for: a handler, a filter, a registration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from pytest_stateless.interpreter import kernel
from pytest_stateless.interpreter.difference import absorb
from pytest_stateless.interpreter.item import Reading
from pytest_stateless.interpreter.table import ITEMS

POSITIONS: Final = tuple(position for position, item in enumerate(ITEMS) if item.by_import)

Readings = tuple[Reading | None, ...]


class Import(NamedTuple):
    """What there was of those items before an import and after it."""

    start: Readings
    end: Readings


class Imports:
    """The imports since the windows opened."""

    def __init__(self) -> None:
        self.ended: list[Import] = []
        self._start: Readings | None = None

    def begin(self) -> None:
        """An import begins."""
        self._start = _look()

    def end(self) -> None:
        """It ended, or failed."""
        start, self._start = self._start, None
        if start is not None:
            self.ended.append(Import(start, _look()))

    def forget(self) -> None:
        """No window refers to them."""
        self.ended.clear()
        self._start = None


def _look() -> Readings:
    kernel.forget()
    return tuple([ITEMS[position].read() for position in POSITIONS])


def with_imports(readings: Readings, imports: Sequence[Import]) -> Readings:
    """What there would have been, had the modules been imported before."""
    if not imports:
        return readings
    found = list(readings)
    for start, end in imports:
        for position, first, last in zip(POSITIONS, start, end, strict=True):
            found[position] = absorb(found[position], first, last)
    return tuple(found)
