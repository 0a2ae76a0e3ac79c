"""Whether what a library keeps may be of a user: it speaks of what the library didn't know by itself."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import KEYED, Kind, is_heap_type, module_name_of, mro_of, plan_of
from pytest_stateless.heap.tables import is_made_by_its_table

_DEPTH: Final = 3  # of objects and containers in what is kept
_MANY: Final = (
    100  # texts: what holds more was read from a file, say, and has many a word of the application's
)
_SHORTEST: Final = 3  # characters of a constant: shorter ones are everywhere


def traits_of(about: About, entry: Entry) -> Iterator[str]:
    """The one that says so."""
    if is_strange(about, entry):
        yield "strange"


def is_strange(about: About, entry: Entry) -> bool:
    """Whether a library got something that is called or holds what it didn't know by itself.

    That is an object of a library's under a key of the program's, or an object or text with a constant of the
    application's in it.
    """
    if about.words is None or entry.after is ABSENT or about.path.module in about.application:
        return False
    if about.attributes:
        return about.path.home not in about.application and _says(about, entry.after)
    if entry.before is not ABSENT:
        return False
    value: Any = entry.after
    if about.change.kind not in KEYED:
        return _is_an_object(value) and _says(about, value)
    parts = [one for one in (value if type(value) in (list, tuple) else (value,)) if _is_an_object(one)]
    if not parts and not is_made_by_its_table(about, entry):
        return False
    named = any(_is_unknown(about, text, value) for text in texts_in(entry.label))
    return named or any(_is_numbered(one, entry.label) for one in parts) or _says(about, value)


def texts_in(value: object, depth: int = _DEPTH) -> Iterator[str]:
    """The texts in a value: in containers, and in attributes of instances of Python classes."""
    bases = mro_of(type(value))
    if any(base is str for base in bases):
        yield str.__str__(value)  # what a subclass makes of itself doesn't count
        return
    if any(base is bytes for base in bases):
        yield bytes.decode(value, "latin-1")  # type: ignore[arg-type]
        return
    if depth <= 0 or plan_of(type(value)).kind in (Kind.CLASS, Kind.FUNCTION, Kind.MODULE):
        return
    for part in _parts_of(value):
        yield from texts_in(part, depth - 1)


def _parts_of(thing: Any) -> Iterator[object]:
    bases = mro_of(type(thing))
    if any(base is dict for base in bases):
        yield from [*dict.keys(thing), *dict.values(thing)]
    for cls in (tuple, list, set, frozenset):
        if any(base is cls for base in bases):
            yield from list(cls.__iter__(thing))
    plan = plan_of(type(thing))
    if plan.namespace is not None:
        yield from list(dict.values(plan.namespace(thing)))
    for _, get in plan.slots:
        with suppress(AttributeError):  # not set
            yield get(thing)


def _is_an_object(value: object) -> bool:
    cls = type(value)
    own = is_heap_type(cls) and plan_of(cls).kind in (Kind.OBJECT, Kind.MAPPING, Kind.WALK, Kind.SEQUENCE)
    return own and not any(base is enum.Enum for base in mro_of(cls))


def _is_numbered(thing: Any, number: object) -> bool:
    """Whether an object notes the number that it is kept under."""
    return type(number) is int and any(type(part) is int and part == number for part in _parts_of(thing))


def _says(about: About, value: object) -> bool:
    words, texts = about.words, list(islice(texts_in(value), _MANY + 1))
    return (
        words is not None
        and len(texts) <= _MANY
        and any(
            len(text) >= _SHORTEST and words.says(text) and _is_unknown(about, text, value) for text in texts
        )
    )


def _is_unknown(about: About, text: str, value: object) -> bool:
    """Whether neither the library that keeps a value nor the one that made it knows a text."""
    words = about.words
    homes = {about.path.module.partition(".")[0], module_name_of(type(value)).partition(".")[0]} - {
        "builtins"
    }
    return bool(text) and words is not None and not any(words.knows(home, text) for home in homes)
