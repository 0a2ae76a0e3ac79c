"""Whatever moves in the memory that a gated item is read from opens the gate, and nothing else is taken over."""

from __future__ import annotations

import asyncio
import codecs
import csv
import encodings.aliases
import gc
import gettext
import mimetypes
import multiprocessing
import os
import sqlite3
import sys
import time
import types
import unittest.mock
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_stateless.interpreter.gate import Gate, Holder
from pytest_stateless.interpreter.item import Item, loaded
from pytest_stateless.interpreter.kinds import Attribute, Entries, Many, Things
from pytest_stateless.interpreter.table import ITEMS, look, look_again

Act = Callable[[pytest.MonkeyPatch], object]
MODULES = (asyncio, csv, gettext, mimetypes, multiprocessing, sqlite3, urllib.request, ET)


def test_a_gate_is_shut_until_something_moves() -> None:
    links, entries = [object()], {"a": object()}
    gate = Gate([Holder(links), Holder(entries)])
    assert gate.is_shut()
    links.append(1)
    assert not gate.is_shut()


@given(
    st.dictionaries(st.one_of(st.text(max_size=2), st.integers(0, 3)), st.integers(0, 2), max_size=5),
    st.dictionaries(st.one_of(st.text(max_size=2), st.integers(0, 3)), st.integers(0, 2), max_size=5),
)
def test_a_gate_over_a_keyed_dictionary_is_shut_only_where_it_holds_the_same(
    before: dict[Any, int], after: dict[Any, int]
) -> None:
    held = dict(before)
    gate = Gate([Holder(held, is_keyed=True)])
    held.clear()
    held.update(after)
    if list(before.items()) != list(after.items()):
        assert not gate.is_shut()


def test_the_gate_of_a_name_that_became_another_with_the_same_value_is_open() -> None:
    """Of a dictionary with texts for keys, the garbage collector sees the values alone."""
    held = {"a": len}
    gate = Gate([Holder(held, is_keyed=True)])
    held["b"] = held.pop("a")
    assert not gate.is_shut()


# ------------------------------------------------------------------------------------------------- the items


def held_by(item: Item) -> bool:
    """Whether a kind of line reads it that says itself what it is read from."""
    return item.holders is None and type(item.read) in (Attribute, Things, Entries, Many) and is_there(item)


def is_there(item: Item) -> bool:
    read: Any = item.read
    return type(read) is Many or (
        loaded(read.module) is not None and read.name in (loaded(read.module) or {})
    )


def move(item: Item, patch: pytest.MonkeyPatch) -> None:
    read: Any = item.read
    if type(read) is Many:
        patch.setitem(read.live(), "stateless_gate", read)
    elif type(read) is Attribute:
        patch.setitem(loaded(read.module), read.name, read)  # type: ignore[arg-type]
    elif type(read) is Things:
        patch.setitem(loaded(read.module), read.name, [*read.held(), read])  # type: ignore[arg-type]
    else:
        patch.setitem(read.held(), "stateless gate", read)


def replaced(module: str, name: str, value: Any = len) -> Act:
    return lambda patch: patch.setitem(loaded(module), name, value)  # type: ignore[arg-type]


def attribute(thing: Any, name: str, value: Any = len) -> Act:
    return lambda patch: patch.setattr(thing, name, value)


def types_map(strict: int) -> dict[str, str]:
    mimetypes.guess_type("a.txt")
    found: Any = vars(mimetypes)["_db"]
    return found.types_map[strict]  # type: ignore[no-any-return]


ACTS: dict[str, Act] = {
    "finders": lambda patch: patch.setitem(sys.path_importer_cache, "/stateless", types.SimpleNamespace()),
    "module-by-hand": lambda patch: patch.setitem(sys.modules, "stateless_gate", types.ModuleType("x")),
    "flags": attribute(sys, "flags", None),
    "time-zone": attribute(time, "tzname", ("X", "Y")),
    "types-of-files": lambda patch: patch.setitem(types_map(True), ".stateless", "text/plain"),
    "types-of-files-loosely": lambda patch: patch.setitem(types_map(False), ".stateless", "text/plain"),
    "types-of-files-anew": attribute(mimetypes, "_db", mimetypes.MimeTypes()),
    "types-of-files-unread": attribute(mimetypes, "inited", False),
    "start-method": attribute(
        vars(sys.modules["multiprocessing.context"])["_default_context"],
        "_actual_context",
        multiprocessing.get_context("spawn"),
    ),
    "policy": replaced("asyncio.events", "_event_loop_policy"),
}
"""What moves without a kind of line that knows its own holders."""


@pytest.fixture
def shut() -> Iterator[Gate]:
    """The gate of a look, which nothing has moved yet."""
    types_map(True)
    gate = look().gate
    assert gate is not None
    assert gate.is_shut()
    yield gate
    assert gate.is_shut(), "the test has put everything back"


KINDS = [pytest.param(item, id=item.name) for item in ITEMS if held_by(item) if "warnings." not in item.name]


@pytest.mark.parametrize("item", KINDS)
def test_what_a_kind_of_line_reads_opens_the_gate(
    item: Item, shut: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        move(item, patch)
        is_shut = shut.is_shut()
    assert not is_shut


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_what_a_line_reads_opens_the_gate(act: Act, shut: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        act(patch)
        is_shut = shut.is_shut()
    assert not is_shut


def test_a_patch_that_was_started_opens_the_gate(shut: Gate) -> None:
    patcher = unittest.mock.patch("shutil.rmtree")
    patcher.start()
    is_shut = shut.is_shut()
    patcher.stop()
    assert not is_shut


def test_codecs_open_the_gate(shut: Gate) -> None:
    def search(_: str) -> None:
        return None

    codecs.register(search)
    is_shut = shut.is_shut()
    codecs.unregister(search)
    assert not is_shut


def test_a_list_that_grows_and_an_alias_open_the_gate(shut: Gate) -> None:
    gc.callbacks.append(len)  # type: ignore[arg-type]
    grew = not shut.is_shut()
    gc.callbacks.pop()
    encodings.aliases.aliases["stateless_gate"] = "utf_8"
    alias = not shut.is_shut()
    del encodings.aliases.aliases["stateless_gate"]
    assert grew
    assert alias


# ------------------------------------------------------------------------------------------------- the looks


def test_what_no_memory_shows_is_read_though_the_gate_is_shut(
    shut: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = [item.name for item in ITEMS].index("umask")
    before = look()
    old = os.umask(0o027)
    try:
        after = look(last=before)
    finally:
        os.umask(old)
    assert after.gate is before.gate
    assert before.readings[position] != after.readings[position]


def test_between_two_tests_a_gate_that_opened_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What moved there, and wasn't pytest's, is found at the end of the next window."""
    position = [item.name for item in ITEMS].index("sys.path")
    end = look()
    with monkeypatch.context() as patch:
        patch.syspath_prepend("/stateless")
        begin = look_again(end)
        assert begin.gate is None
        assert begin.readings[position] is end.readings[position]
        assert look(last=begin).readings[position] != end.readings[position]


def test_between_two_tests_what_pytest_moves_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    position = [item.name for item in ITEMS].index("warnings.filters")
    end = look()
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["warnings"], "filters", [])
        begin = look_again(end)
        assert begin.gate is end.gate
        assert begin.readings[position] != end.readings[position]
