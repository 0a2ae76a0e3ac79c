"""A later look, which is given the last one, says what a first look would say."""

from __future__ import annotations

import builtins
import copyreg
import random
import resource
import shutil
import signal
import sys
import types
from collections.abc import Callable, Iterator

import pytest

from pytest_stateless.interpreter.difference import differences
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE
from pytest_stateless.interpreter.table import ITEMS, Seen, look

NAMES = [item.name for item in ITEMS]
Act = Callable[[pytest.MonkeyPatch], object]


class Point:
    """A class of the program's own."""


ACTS: dict[str, tuple[str, Act]] = {
    "name": ("sys.excepthook", lambda patch: patch.setattr(sys, "excepthook", print)),
    "name-gone": ("sys.excepthook", lambda patch: patch.delattr(sys, "excepthook")),
    "list-grows": ("sys.path", lambda patch: patch.syspath_prepend("/nowhere")),
    "list-of-the-same-length": ("sys.path", lambda patch: patch.setattr(sys, "path", [*sys.path[1:], "x"])),
    "list-in-another-order": ("sys.path", lambda patch: patch.setattr(sys, "path", sys.path[::-1])),
    "list-is-none": ("sys.meta_path", lambda patch: patch.setattr(sys, "meta_path", tuple(sys.meta_path))),
    "entry-added": (
        "copyreg.dispatch_table",
        lambda patch: patch.setitem(copyreg.dispatch_table, Point, len),
    ),
    "entry-replaced": (
        "copyreg.dispatch_table",
        lambda patch: patch.setitem(copyreg.dispatch_table, next(iter(copyreg.dispatch_table)), len),
    ),
    "entries-are-none": (
        "shutil._UNPACK_FORMATS",
        lambda patch: patch.setattr(shutil, "_UNPACK_FORMATS", types.MappingProxyType({})),
    ),
    "module-added": (
        "sys.modules",
        lambda patch: patch.setitem(sys.modules, "shop", types.ModuleType("shop")),
    ),
    "module-replaced": (
        "sys.modules",
        lambda patch: patch.setitem(sys.modules, "shutil", types.ModuleType("shutil")),
    ),
    "module-gone": ("sys.modules", lambda patch: patch.delitem(sys.modules, "shutil")),
    "built-in-name": ("builtins", lambda patch: patch.setattr(builtins, "shop", 1, raising=False)),
    "handler": ("signal", lambda _: signal.signal(signal.SIGUSR2, lambda *_: None)),
}


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """The handler that is put back."""
    before = signal.getsignal(signal.SIGUSR2)
    yield
    signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize(("name", "act"), ACTS.values(), ids=ACTS)
def test_what_changed_is_read_as_in_a_first_look(name: str, act: Act) -> None:
    position = NAMES.index(name)
    before = look()
    with pytest.MonkeyPatch.context() as patch:
        act(patch)
        again, first = look(last=before), look()
    assert differing(again, first) == []
    now = again.readings[position]
    assert now is not before.readings[position]
    assert name in differing(before, again) or (now is not None and now[WHOLE] is UNKNOWN)


def differing(seen: Seen, other: Seen) -> list[str]:
    """The items that two looks read differently."""
    return [
        item.name
        for item, one, two in zip(ITEMS, seen.readings, other.readings, strict=True)
        if (one is None) is not (two is None) or differences(item, one, two)
    ]


def test_numbers_drawn_and_put_back() -> None:
    state, position = random.getstate(), NAMES.index("random")
    before = look()
    random.random()
    drawn = look(last=before)
    assert differing(before, drawn) == ["random"]
    random.setstate(state)
    assert differing(before, look(last=drawn)) == []
    assert look(last=before).readings[position] is before.readings[position]


def test_a_limit_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = look()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    lowered = look(last=before)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert differing(before, lowered) == ["resource limit"]
    assert differing(before, look(last=lowered)) == []


def test_where_nothing_changed_each_gated_reading_is_the_very_same() -> None:
    before = look()
    after = look(last=before)
    gated = {"sys.modules", "builtins", "signal", "random", "resource limit", "sys.path", "sys.excepthook"}
    same = {name for name, was, now in zip(NAMES, before.readings, after.readings, strict=True) if was is now}
    assert gated <= same


def test_what_could_not_be_told_may_be_told_later() -> None:
    """An item that is left out in one look is read in the next."""
    without = look(frozenset({"random"}))
    position = NAMES.index("random")
    assert without.readings[position] is None
    assert look(frozenset({"random"}), without).readings[position] is None
    assert differing(look(last=without), look()) == []
