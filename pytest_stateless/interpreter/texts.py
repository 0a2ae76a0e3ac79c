"""What the process knows of texts and files: codecs, types of files, dialects, catalogues of messages."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.spell import spell_key
from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Item,
    Items,
    Place,
    Reading,
    loaded,
    own,
)
from pytest_stateless.interpreter.kinds import (
    c_function,
    kept,
    registry,
)

_PROCESS: Final = "the other processes don't have it"
_START: Final = "register it where the process starts"


def _types() -> Reading | None:
    """The types of files, once somebody used them: they are read from the system's tables then."""
    if (loaded("mimetypes") or {}).get("inited") is not True:
        return {}
    return {
        (kind, suffix): name
        for kind, table in zip(("common", "strict"), _maps(_database()), strict=False)
        for suffix, name in list(table.items())
        if type(suffix) is str
    }


def _database() -> Any:
    return (loaded("mimetypes") or {}).get("_db")


def _maps(database: Any) -> tuple[dict[Any, Any], ...]:
    maps = own(database).get("types_map")
    return tuple(table for table in maps if type(table) is dict) if type(maps) is tuple else ()


def _place_of_type(label: tuple[str, str]) -> Iterator[Place]:
    for table in _maps(_database()):
        yield table, label[1]


class _Fresh:
    """The types of files as the first use of them finds them."""

    types: Any = None


def _type_at_first(label: tuple[str, str], _: Reading) -> Any:
    if _Fresh.types is None:
        own: Any = loaded("mimetypes") or {}
        try:
            _Fresh.types = _maps(own["MimeTypes"](list(filter(os.path.isfile, own["knownfiles"]))))
        except (OSError, KeyError, TypeError, ValueError):  # a test has replaced what it needs
            return UNKNOWN
    return _Fresh.types[label[0] == "strict"].get(label[1], ABSENT)


# ------------------------------------------------------------------------------------------------------ codecs


class _Codecs:
    """The interpreter's own list of search functions and table of error handlers, found once."""

    searches: Any = None
    errors: Any = None
    looked = False


def _find_codecs() -> None:
    """No function shows them, but the garbage collector knows who refers to what is always in them."""
    _Codecs.looked = True
    search: Any = (loaded("encodings") or {}).get("search_function")
    errors: Any = (loaded("_codecs") or {}).get("lookup_error")
    if search is None or errors is None:
        return
    ignore = errors("ignore")
    for holder in gc.get_referrers(search, ignore):
        if type(holder) is list and holder and holder[0] is search:
            _Codecs.searches = holder
        elif type(holder) is dict and holder.get("ignore") is ignore and "surrogateescape" in holder:
            _Codecs.errors = holder


def _searches() -> Reading:
    if not _Codecs.looked:
        _find_codecs()
    return {WHOLE: UNKNOWN if _Codecs.searches is None else Items(_Codecs.searches)}


def _error_handlers() -> Reading | None:
    if not _Codecs.looked:
        _find_codecs()
    return None if _Codecs.errors is None else dict(_Codecs.errors)


ITEMS: Final = (
    Item(
        "mimetypes",
        _types,
        _PROCESS,
        _START,
        otherwise=_type_at_first,
        spell=lambda name, label: f"{name}[{spell_key(label[1])}]",
        by_import=True,
        places=_place_of_type,
    ),
    kept("gettext", "_current_domain", "messages come from another catalogue"),
    registry("_csv", "_dialects")._replace(
        name="csv dialect", spell=lambda name, label: f"{name} {spell_key(label)}"
    ),
    Item(
        "csv.field_size_limit()", c_function("_csv", "field_size_limit", UNKNOWN), _PROCESS, _START, show=str
    ),
    Item("codecs.register()", _searches, _PROCESS, _START, by_import=True),
    Item(
        "codecs.register_error()",
        _error_handlers,
        _PROCESS,
        _START,
        by_import=True,
        spell=lambda name, label: f"{name} {spell_key(label)}",
    ),
)
"""The lines of the table about texts and files."""
