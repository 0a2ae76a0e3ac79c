"""Whether a connection to a database has a transaction open: one line a driver in ``DRIVERS``.

It is asked of the objects in C that the connections of the drivers are or have inside, by C functions of the very
type: no code of the program runs, and nothing is sent, for the client libraries know it from the server's last answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.graph import module_name_of, mro_of, name_of


class Driver(NamedTuple):
    """How the connections of a driver are read."""

    name: str
    asks: Callable[[Any, Any], bool]
    """Whether a transaction is open, of the type and the connection; may raise where that is closed."""
    rolls_back: Callable[[Any, Any], object] | None
    """Ends the transaction; may raise. None where that takes an event loop."""


_LEFT_OPEN: Final = frozenset({2, 3})
"""PQTRANS_INTRANS and PQTRANS_INERROR of libpq; while a statement runs, it is PQTRANS_ACTIVE."""

_PSYCOPG: Final = Driver(
    "psycopg",
    lambda cls, connection: cls.transaction_status.__get__(connection) in _LEFT_OPEN,
    lambda cls, connection: cls.exec_(connection, b"ROLLBACK"),
)

DRIVERS: Final[dict[tuple[str, str], Driver]] = {
    ("sqlite3", "Connection"): Driver(
        "sqlite3",
        lambda cls, connection: cls.in_transaction.__get__(connection),
        lambda cls, connection: cls.rollback(connection),
    ),
    ("psycopg_binary.pq", "PGconn"): _PSYCOPG,
    ("psycopg_c.pq", "PGconn"): _PSYCOPG,
    ("psycopg2.extensions", "connection"): Driver(
        "psycopg2",
        lambda cls, connection: cls.get_transaction_status(connection) in _LEFT_OPEN,
        lambda cls, connection: cls.rollback(connection),
    ),
    ("asyncpg.protocol.protocol", "BaseProtocol"): Driver(
        "asyncpg", lambda cls, protocol: cls.is_in_transaction(protocol), None
    ),
}
"""By module and name of a type in C, as the type itself says. An instance of a subclass is read as of the base."""


def driver_of(connection: object) -> tuple[type, Driver] | None:
    """The type in C and the driver of a connection; None for anything else."""
    for base in mro_of(type(connection)):
        driver = DRIVERS.get((module_name_of(base), name_of(base)))
        if driver is not None:
            return base, driver
    return None


def is_in_transaction(connection: object) -> bool:
    """Whether a connection has a transaction open, and nothing works on it just now."""
    found = driver_of(connection)
    try:
        return found is not None and bool(found[1].asks(found[0], connection))
    except Exception:  # each driver has its own for a connection that is closed
        return False


def roll_back(connection: object) -> bool:
    """End the transaction of a connection, as the server does when the process ends. Returns whether it could be."""
    found = driver_of(connection)
    if found is None or found[1].rolls_back is None:
        return False
    try:
        found[1].rolls_back(found[0], connection)
    except Exception:  # of another thread, or closed
        return False
    return not is_in_transaction(connection)
