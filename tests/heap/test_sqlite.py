"""Databases in memory: what is read of them, and what is said where they can't be read."""

from __future__ import annotations

import sqlite3
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_stateless.heap import sqlite
from pytest_stateless.heap.sqlite import Database, read, rows_of
from pytest_stateless.leak import Leak

pytestmark = pytest.mark.skipif(sqlite._library() is None, reason="sqlite3 can't be reached through ctypes")


@pytest.fixture
def shop() -> Iterator[sqlite3.Connection]:
    """A database in memory with a table of one row."""
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE carts (user, item)")
    made.execute("INSERT INTO carts VALUES ('bob', 'tea')")
    made.commit()
    yield made
    made.close()


def content(connection: sqlite3.Connection, before: Database | None = None) -> Database:
    found = read(id(connection), before)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        pytest.param(Database(1, b"a"), Database(2, b"a"), True, id="same-content"),
        pytest.param(Database(1, b"a"), Database(1, b"b"), False, id="other-content"),
        pytest.param(Database(1, None), Database(1, b"a"), True, id="no-commit-since"),
        pytest.param(Database(1, None), Database(2, None), False, id="a-commit-since"),
        pytest.param(Database(1, None, True), Database(1, None), False, id="a-transaction-ended"),
        pytest.param(Database(1, b"a", True), Database(1, b"a"), False, id="a-transaction-began"),
        pytest.param(Database(1, b"a"), 1, False, id="something-else"),
    ],
)
def test_databases_are_equal_by_what_they_hold_or_by_their_commits(
    one: Database, other: object, equal: bool
) -> None:
    assert (one == other) is equal


def test_the_rows_of_each_table_are_read(shop: sqlite3.Connection) -> None:
    shop.execute('CREATE TABLE "of ""mine" (a)')
    shop.commit()
    assert rows_of(content(shop)) == {"carts": Counter({("bob", "tea"): 1}), 'of "mine': Counter()}


def test_a_database_without_a_table_is_empty() -> None:
    connection = sqlite3.connect(":memory:")
    found = content(connection)
    connection.close()
    assert rows_of(found) == {}
    gives_nothing = types.SimpleNamespace(sqlite3_serialize=lambda *_: None)  # as some releases do
    assert sqlite._bytes_of(gives_nothing, 1) == b""
    assert rows_of(Database(1, b"")) == {}


def test_what_was_read_is_given_again_where_nothing_was_committed(shop: sqlite3.Connection) -> None:
    before = content(shop)
    assert content(shop, before) is before
    shop.execute("INSERT INTO carts VALUES ('eve', 'tea')")
    within = content(shop, before)
    assert (within.in_transaction, within.content) == (True, None)
    shop.rollback()
    assert content(shop, within) == before
    shop.execute("DELETE FROM carts")
    shop.commit()
    assert content(shop, before) != before


@pytest.mark.parametrize("path", ["closed", "file"])
def test_what_is_closed_or_a_file_is_not_read(path: str, tmp_path: Any) -> None:
    connection = sqlite3.connect(":memory:" if path == "closed" else tmp_path / "a.db")
    if path == "closed":
        connection.close()
    assert read(id(connection), None) is None
    connection.close()


def test_a_large_database_is_known_by_its_commits(
    shop: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_LIMIT", 100)
    before = content(shop)
    assert before.content is None
    assert rows_of(before) is None
    shop.execute("INSERT INTO carts VALUES ('eve', 'tea')")
    shop.commit()
    assert content(shop) != before


def test_a_database_that_another_connection_writes_to_is_known_by_its_commits() -> None:
    name = "file:stateless_shop?mode=memory&cache=shared"
    one, other = (sqlite3.connect(name, uri=True, timeout=0) for _ in range(2))
    one.execute("CREATE TABLE carts (user)")
    one.commit()
    other.execute("INSERT INTO carts VALUES ('eve')")
    locked = content(one)
    other.rollback()
    free = content(one)
    one.close()
    other.close()
    assert (locked.content, locked.in_transaction) == (None, False)
    assert free.content


@pytest.mark.parametrize(
    "library",
    [
        pytest.param({"sqlite3_backup_init": lambda *_: None}, id="no-copy-begins"),
        pytest.param(
            {
                "sqlite3_backup_init": lambda *_: 1,
                "sqlite3_backup_step": lambda *_: 0,
                "sqlite3_backup_finish": lambda *_: 0,
                "sqlite3_serialize": lambda _, __, size, ___: setattr(size._obj, "value", 8),
            },
            id="no-memory-for-the-bytes",
        ),
    ],
)
def test_a_database_that_cannot_be_copied_has_no_content(library: dict[str, Callable[..., Any]]) -> None:
    assert sqlite._serialized(types.SimpleNamespace(**library), 1) is None


def test_what_is_no_database_has_no_rows(shop: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows_of(Database(1, b"no database" * 1000)) is None
    found = content(shop)
    refusing = types.SimpleNamespace(sqlite3_deserialize=lambda *_: 1)
    monkeypatch.setattr(sqlite, "_library", lambda: refusing)
    assert rows_of(found) is None


def test_where_the_library_cannot_be_reached_nothing_is_read(
    shop: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "_sqlite3")
    assert sqlite._library.__wrapped__() is None
    monkeypatch.undo()
    monkeypatch.setattr(sqlite, "_library", lambda: None)
    assert read(id(shop), None) is None


def test_what_a_window_left_in_a_database_is_told(
    shop: sqlite3.Connection, module: types.ModuleType, watch: Callable[..., list[Leak]]
) -> None:
    vars(module)["SHOP"] = shop

    def told(act: Callable[[], object]) -> list[str]:
        found = watch(module, act)
        return [f"{leak.subject.partition('.')[2]}  {leak.message}" for leak in found]

    def undone() -> None:
        shop.execute("DELETE FROM carts")
        shop.rollback()

    def sold() -> None:
        shop.execute("INSERT INTO carts VALUES ('eve', 'tea')")
        shop.commit()

    assert told(undone) == []
    assert told(sold) == ["SHOP['carts']  changed inside: 2 rows, was 1 row"]
    assert len(told(lambda: shop.execute("DELETE FROM carts"))) == 1  # a transaction that stays open
