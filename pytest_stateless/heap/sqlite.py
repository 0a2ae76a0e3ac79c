"""What a database in memory holds: read past the connection, so that no callback of the program's runs.

A ``sqlite3.Connection`` shows its number of changes, which counts what was rolled back, and no content. The C library
that the module is linked with gives the content as the bytes of a database file, and a number that moves with every
commit (https://sqlite.org/c3ref/serialize.html, https://sqlite.org/c3ref/c_fcntl_begin_atomic_write.html). Where the
library can't be reached through ctypes, connections aren't read.
"""

from __future__ import annotations

import ctypes
import sys
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

_MAIN: Final = b"main"
_DATA_VERSION: Final = 35  # SQLITE_FCNTL_DATA_VERSION
_READ_ONLY: Final = 4  # SQLITE_DESERIALIZE_READONLY
_LIMIT: Final = 1 << 24  # bytes of a database; of a larger one only commits are noticed


@dataclass(frozen=True, eq=False)
class Database:
    """The content of a database in memory at one moment."""

    version: int
    """Moves with every commit."""
    content: bytes | None
    """The bytes of a database file; None where the database is too large, or can't be read just now."""
    in_transaction: bool = False
    """Whether a transaction is open: its changes can't be read without a statement."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Database):
            return NotImplemented
        if self.in_transaction != other.in_transaction:
            return False
        if self.content is None or other.content is None:
            return self.version == other.version
        return self.content == other.content

    def __hash__(self) -> int:
        return self.version


@lru_cache(maxsize=1)
def _library() -> Any:
    """The C library behind ``sqlite3``, or None where it can't be trusted to be laid out as this module expects."""
    module = sys.modules.get("_sqlite3")
    try:
        library = ctypes.CDLL(module.__file__)  # type: ignore[union-attr]
        pointer = ctypes.c_void_p
        library.sqlite3_db_filename.restype = ctypes.c_char_p
        library.sqlite3_db_filename.argtypes = (pointer, ctypes.c_char_p)
        library.sqlite3_file_control.argtypes = (pointer, ctypes.c_char_p, ctypes.c_int, pointer)
        library.sqlite3_backup_init.restype = pointer
        library.sqlite3_backup_init.argtypes = (pointer, ctypes.c_char_p, pointer, ctypes.c_char_p)
        library.sqlite3_backup_step.argtypes = (pointer, ctypes.c_int)
        library.sqlite3_backup_finish.argtypes = (pointer,)
        library.sqlite3_serialize.restype = pointer
        library.sqlite3_serialize.argtypes = (pointer, ctypes.c_char_p, pointer, ctypes.c_uint)
        library.sqlite3_deserialize.argtypes = (
            *(pointer, ctypes.c_char_p, pointer, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint),
        )
        library.sqlite3_get_autocommit.argtypes = (pointer,)
        library.sqlite3_free.argtypes = (pointer,)
        return library if _agrees(library, module) else None
    except (OSError, AttributeError, TypeError):
        return None


def _agrees(library: Any, module: Any) -> bool:
    """Whether a connection begins with its pointer to the database, as in CPython's Modules/_sqlite/connection.h."""
    probe = module.connect(":memory:")
    try:
        place = _pointer(id(probe))
        return bool(place) and library.sqlite3_db_filename(place, _MAIN) in (b"", None)
    finally:
        probe.close()


def _pointer(address: int) -> int | None:
    """The database of the connection at an address; None where it is closed."""
    return ctypes.c_void_p.from_address(address + object.__basicsize__).value


def is_in_memory(address: int) -> bool:
    """Whether ``read`` gives the content of the database of the connection at an address."""
    library = _library()
    place = _pointer(address) if library is not None else None
    return place is not None and not library.sqlite3_db_filename(place, _MAIN)


def read(address: int, before: Database | None) -> Database | None:
    """The content of the database of the connection at ``address``; None where it is a file or closed.

    ``before`` is what it was; it is returned where nothing was committed since.
    """
    library = _library()
    place = _pointer(address) if library is not None else None
    if place is None or library.sqlite3_db_filename(place, _MAIN):
        return None
    version = ctypes.c_uint()
    library.sqlite3_file_control(place, _MAIN, _DATA_VERSION, ctypes.byref(version))
    in_transaction = not library.sqlite3_get_autocommit(place)
    if (
        before is not None
        and before.version == version.value
        and not (before.in_transaction or in_transaction)
    ):
        return before
    content = None if in_transaction else _serialized(library, place)
    return Database(version.value, content, in_transaction)


def _serialized(library: Any, place: int) -> bytes | None:
    """The bytes of a database, by way of a copy: statements on the program's connection would call its callbacks.

    A backup copies page by page and runs no statement (https://sqlite.org/backup.html).
    """
    module: Any = sys.modules["_sqlite3"]
    copy = module.connect(":memory:")
    try:
        target = _pointer(id(copy))
        backup = library.sqlite3_backup_init(target, _MAIN, place, _MAIN)
        if not backup:
            return None
        library.sqlite3_backup_step(backup, -1)
        if library.sqlite3_backup_finish(backup):  # it is locked
            return None
        return _bytes_of(library, target)
    finally:
        copy.close()


def _bytes_of(library: Any, place: int | None) -> bytes | None:
    size = ctypes.c_int64()
    content = library.sqlite3_serialize(place, _MAIN, ctypes.byref(size), 0)
    if not content:
        return b"" if size.value == 0 else None  # without a table in it
    try:
        return ctypes.string_at(content, size.value) if size.value <= _LIMIT else None
    finally:
        library.sqlite3_free(content)


_TABLES: Final = (
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
)

Rows = Counter[object]
"""The rows of one table, each with how often it is there."""


def rows_of(database: Database) -> dict[str, Rows] | None:
    """The rows of each table of the program's, read through a connection of our own; None where they can't be."""
    if database.content is None:
        return None
    if not database.content:
        return {}
    module: Any = sys.modules["_sqlite3"]
    mine = module.connect(":memory:")
    try:
        kept = ctypes.create_string_buffer(database.content, len(database.content))
        size = len(database.content)
        library = _library()
        if library.sqlite3_deserialize(_pointer(id(mine)), _MAIN, kept, size, size, _READ_ONLY):
            return None
        return {name: _rows(mine, name) for (name,) in mine.execute(_TABLES).fetchall()}
    except module.Error:  # a virtual table, say
        return None
    finally:
        mine.close()


def _rows(mine: Any, table: str) -> Rows:
    quoted = table.replace('"', '""')
    return Counter(mine.execute(f'SELECT * FROM "{quoted}"').fetchall())
