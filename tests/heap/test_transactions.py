from __future__ import annotations

import importlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.heap.transactions import DRIVERS, driver_of, is_in_transaction, roll_back


class Subclass(sqlite3.Connection):
    @property
    def in_transaction(self) -> bool:  # type: ignore[override]
        pytest.fail("the program's code ran")

    def rollback(self) -> None:
        pytest.fail("the program's code ran")


@pytest.fixture(params=[sqlite3.Connection, Subclass])
def connection(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "shop.db", factory=request.param)
    connection.execute("CREATE TABLE orders (who TEXT)")
    yield connection
    connection.close()


def write(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO orders VALUES ('bob')")


def test_a_transaction_is_open_until_it_is_committed(connection: sqlite3.Connection) -> None:
    assert not is_in_transaction(connection)
    write(connection)
    assert is_in_transaction(connection)
    connection.commit()
    assert not is_in_transaction(connection)


def test_what_was_left_is_rolled_back(connection: sqlite3.Connection) -> None:
    write(connection)
    assert roll_back(connection)
    assert not is_in_transaction(connection)
    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_a_closed_connection_has_no_transaction(connection: sqlite3.Connection) -> None:
    write(connection)
    connection.close()
    assert not is_in_transaction(connection)
    assert not roll_back(connection)


def test_the_connection_of_another_thread_is_asked_and_left_alone(connection: sqlite3.Connection) -> None:
    write(connection)
    found: list[bool] = []
    thread = threading.Thread(
        target=lambda: found.extend([is_in_transaction(connection), roll_back(connection)])
    )
    thread.start()
    thread.join()
    assert found == [True, False]
    assert is_in_transaction(connection)


@pytest.mark.parametrize("thing", [None, object(), "connection", Path()])
def test_nothing_else_has_a_transaction(thing: Any) -> None:
    assert driver_of(thing) is None
    assert not is_in_transaction(thing)
    assert not roll_back(thing)


@pytest.mark.parametrize(("module", "name"), DRIVERS, ids=".".join)
def test_the_types_are_where_the_drivers_have_them(module: str, name: str) -> None:
    if module.startswith("psycopg_"):
        pytest.importorskip("psycopg", exc_type=ImportError)
    pytest.importorskip(module.partition(".")[0], exc_type=ImportError)
    cls = vars(importlib.import_module(module))[name]
    assert (cls.__module__, cls.__name__) == (module, name)
    asked = {"in_transaction", "transaction_status", "get_transaction_status", "is_in_transaction"}
    assert len(asked & set(vars(cls))) == 1
