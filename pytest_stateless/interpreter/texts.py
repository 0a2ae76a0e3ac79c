"""What the process knows of texts and files: codecs, types of files, dialects, catalogues of messages."""

from __future__ import annotations

import encodings.aliases
import gc
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from pytest_stateless.heap.graph import namespace_of
from pytest_stateless.heap.spell import spell_key
from pytest_stateless.interpreter.gate import Holder
from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Item,
    Items,
    Place,
    Reading,
    loaded,
)
from pytest_stateless.interpreter.kinds import (
    Attribute,
    c_function,
    kept,
    registry,
    within,
)

_PROCESS: Final = "the other processes don't have it"
_START: Final = "register it where the process starts"


def _types(strict: bool) -> Callable[[], Reading | None]:
    """Reads one of the tables of types of files, once somebody used them: they are filled from the system's then."""

    def read() -> Reading | None:
        if (loaded("mimetypes") or {}).get("inited") is not True:
            return {}
        table = _table(strict)
        return None if table is None else dict(table)

    return read


def _table(strict: bool) -> dict[Any, Any] | None:
    maps = namespace_of((loaded("mimetypes") or {}).get("_db")).get("types_map")
    found = maps[strict] if type(maps) is tuple and len(maps) == 2 else None
    return found if type(found) is dict else None


def _holders_of_types() -> Iterator[Holder]:
    yield from Attribute("mimetypes", "_db").holders()
    found = (loaded("mimetypes") or {}).get("_db")
    yield from within(found)
    maps = namespace_of(found).get("types_map")
    if type(maps) is tuple:
        yield Holder(maps)
        yield from (Holder(one, is_keyed=True) for one in maps if type(one) is dict)


def _places_of_type(strict: bool) -> Callable[[object], Iterator[Place]]:
    def places(label: object) -> Iterator[Place]:
        yield _table(strict), label

    return places


class _Fresh:
    """The types of files as the first use of them finds them."""

    maps: Any = None


def _type_at_first(strict: bool) -> Callable[[Any, Reading], Any]:
    def otherwise(label: Any, _: Reading) -> Any:
        if _Fresh.maps is None:
            module: Any = loaded("mimetypes") or {}
            try:
                found = module["MimeTypes"](list(filter(os.path.isfile, module["knownfiles"])))
            except (OSError, KeyError, TypeError, ValueError):  # a test has replaced what it needs
                return UNKNOWN
            _Fresh.maps = namespace_of(found)["types_map"]
        return _Fresh.maps[strict].get(label, ABSENT) if type(label) is str else ABSENT

    return otherwise


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


def _holders_of_codecs() -> Iterator[Holder]:
    if not _Codecs.looked:
        _find_codecs()
    for held in (_Codecs.searches, _Codecs.errors):
        if held is not None:
            yield Holder(held, is_keyed=type(held) is dict)


ITEMS: Final = (
    *(
        Item(
            "mimetypes",
            _types(strict),
            _PROCESS,
            _START,
            otherwise=_type_at_first(strict),
            by_import=True,
            places=_places_of_type(strict),
            holders=_holders_of_types,
        )
        for strict in (True, False)
    ),
    kept("gettext", "_current_domain", "messages come from another catalogue"),
    registry("_csv", "_dialects")._replace(
        name="csv dialect", spell=lambda name, label: f"{name} {spell_key(label)}"
    ),
    Item(
        "csv.field_size_limit()", c_function("_csv", "field_size_limit", UNKNOWN), _PROCESS, _START, show=str
    ),
    registry("encodings.aliases", "aliases", encodings.aliases.aliases),
    Item("codecs.register()", _searches, _PROCESS, _START, by_import=True, holders=_holders_of_codecs),
    Item(
        "codecs.register_error()",
        _error_handlers,
        _PROCESS,
        _START,
        by_import=True,
        spell=lambda name, label: f"{name} {spell_key(label)}",
        holders=_holders_of_codecs,
    ),
)
"""The lines of the table about texts and files."""
