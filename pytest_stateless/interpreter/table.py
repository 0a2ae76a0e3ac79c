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


@lru_cache(maxsize=8)
def _readers(without: frozenset[str]) -> tuple[Callable[[], Reading | None], ...]:
    return tuple((lambda: None) if item.name in without else item.read for item in ITEMS)


def _again(item: Item) -> Again:
    """Reads an item in later looks."""
    found: Again | None = item.again or getattr(item.read, "again", None)
    return found or (lambda _: item.read())


_AGAIN: Final = tuple(map(_again, ITEMS))


def look(
    without: frozenset[str] = frozenset(), last: tuple[Reading | None, ...] | None = None
) -> tuple[Reading | None, ...]:
    """What there is of each item now, but for those of some names; given the last look, it is quicker."""
    kernel.forget()
    readers = _readers(without)
    if last is None:
        return tuple([read() for read in readers])
    return tuple(
        [
            read() if before is None else _kept(before, again(before))
            for before, again, read in zip(last, _AGAIN, readers, strict=True)
        ]
    )


def _kept(before: Reading, now: Reading | None) -> Reading | None:
    """The very reading of before where it holds the same: later comparisons and what is absorbed are quick then."""
    return before if type(now) is not Gated and now is not None and unchanged(before, now) else now


def look_again(before: tuple[Reading | None, ...]) -> tuple[Reading | None, ...]:
    """What there is where nothing but pytest and test tools ran since the last look."""
    found = list(before)
    for position in _MOVED:
        known = found[position]
        found[position] = ITEMS[position].read() if known is None else _AGAIN[position](known)
    return tuple(found)
