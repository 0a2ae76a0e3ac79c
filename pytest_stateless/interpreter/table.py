"""The table of what is looked at: a line an item, by topic in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

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
from pytest_stateless.interpreter.gate import Gate, Holder
from pytest_stateless.interpreter.item import Again, Gated, Item, Reading, unchanged

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


MOVED_BETWEEN: Final[dict[str, str]] = {
    "warnings.filters": "pytest catches the warnings of each test",
    "warnings.showwarning": "pytest catches the warnings of each test",
    "warnings._showwarnmsg_impl": "pytest catches the warnings of each test",
    "sys.unraisablehook": "pytest watches for errors that nobody caught, before 8.4 in each phase",
    "threading.excepthook": "pytest watches for errors that nobody caught, before 8.4 in each phase",
    "signal": "pytest-timeout sets a handler around each test",
    "timer": "pytest-timeout sets an alarm around each test",
    "sys.stdin": "pytest's capture",
    "sys.stdout": "pytest's capture",
    "sys.stderr": "pytest's capture",
    "logging": "pytest's own handlers",
}
"""Items that pytest and test tools change between two tests, with who does."""

_MOVED: Final = tuple(position for position, item in enumerate(ITEMS) if item.name in MOVED_BETWEEN)


class Seen(NamedTuple):
    """The table at one moment."""

    readings: tuple[Reading | None, ...]
    """One for each item."""
    gate: Gate | None = None
    """Tells whether anything moved since in what the gated items are read from; None where that isn't known."""


def _again(item: Item) -> Again:
    """Reads an item in later looks."""
    found: Again | None = item.again or getattr(item.read, "again", None)
    return found or (lambda _: item.read())


_AGAIN: Final = tuple(map(_again, ITEMS))
_Holders = Callable[[], Iterator[Holder]]


def _holders(item: Item) -> _Holders | None:
    """What an item is read from. For each test, pytest replaces much in the module of warnings: that would open it."""
    found: _Holders | None = item.holders or getattr(item.read, "holders", None)
    return None if item.name.startswith("warnings.") else found


_HOLDERS: Final = tuple(dict.fromkeys(found for found in map(_holders, ITEMS) if found is not None))
_OPEN: Final = tuple(position for position, item in enumerate(ITEMS) if _holders(item) is None)
_MOVED_OPEN: Final = tuple(position for position in _MOVED if position in _OPEN)


@lru_cache(maxsize=8)
def _readers(without: frozenset[str]) -> tuple[Callable[[], Reading | None], ...]:
    return tuple((lambda: None) if item.name in without else item.read for item in ITEMS)


def look(without: frozenset[str] = frozenset(), last: Seen | None = None) -> Seen:
    """What there is of each item now, but for those of some names; given the last look, it is quicker."""
    kernel.forget()
    readers = _readers(without)
    if last is not None and last.gate is not None and last.gate.is_shut():
        return Seen(_read(last.readings, _OPEN, readers), last.gate)
    gate = Gate(chain.from_iterable(holders() for holders in _HOLDERS))
    if last is None:
        return Seen(tuple([read() for read in readers]), gate)
    return Seen(_read(last.readings, range(len(ITEMS)), readers), gate)


def look_again(last: Seen) -> Seen:
    """What there is where nothing but pytest and test tools ran since the last look."""
    is_shut = last.gate is not None and last.gate.is_shut()
    positions = _MOVED_OPEN if is_shut else _MOVED
    return Seen(_read(last.readings, positions, _readers(frozenset())), last.gate if is_shut else None)


_Readers = tuple[Callable[[], Reading | None], ...]


def _read(
    last: tuple[Reading | None, ...], positions: Iterable[int], readers: _Readers
) -> tuple[Reading | None, ...]:
    """Read the items at these positions anew."""
    found = list(last)
    for position in positions:
        before = found[position]
        found[position] = readers[position]() if before is None else _kept(before, _AGAIN[position](before))
    return tuple(found)


def _kept(before: Reading, now: Reading | None) -> Reading | None:
    """The very reading of before where it holds the same: later comparisons and what is absorbed are quick then."""
    return before if type(now) is not Gated and now is not None and unchanged(before, now) else now
