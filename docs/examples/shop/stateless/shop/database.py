"""The backing service: SQLite (`sqlite:///shop.db`) or PostgreSQL (`postgresql://...`), by DATABASE_URL."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from flask import current_app

TABLES = (
    """
    CREATE TABLE IF NOT EXISTS orders (
        number TEXT PRIMARY KEY,
        customer TEXT NOT NULL,
        date TEXT NOT NULL
    )""",
    """
    CREATE TABLE IF NOT EXISTS lines (
        number TEXT NOT NULL REFERENCES orders,
        product TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        cents INTEGER NOT NULL
    )""",
)


@contextmanager
def transaction() -> Iterator[Callable[..., Any]]:
    """Give a function `execute(statement, *values)`; commit after the block, or roll back where it raises."""
    url: str = current_app.config["DATABASE_URL"]
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite, lite:
            yield lambda statement, *values: lite.execute(statement, values)
    else:
        import psycopg  # here, so that a shop with SQLite does without it

        with psycopg.connect(url) as postgres:
            yield lambda statement, *values: postgres.execute(statement.replace("?", "%s"), values)


def create_tables() -> None:
    """Create the tables of the shop where they are missing."""
    with transaction() as execute:
        for table in TABLES:
            execute(table)
