"""How values, keys and paths are spelled: the same on every run, safe to print, and without secrets."""

from __future__ import annotations

import re
import tempfile
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from pytest_stateless.heap.graph import Kind, identity, mro_of, name_of, plan_of

_KEY_LIMIT: Final = 40  # characters of a key that are shown; a longer one may be a token
_VALUE_LIMIT: Final = 200
_KEY_DEPTH: Final = 4  # of tuples within tuples
_NUMBER_LIMIT: Final = 10**9  # larger numbers are ids, addresses, times: other ones on every run
_FLOAT_LIMIT: Final = 12  # characters of a fraction that somebody wrote; a longer one was measured

_ADDRESS: Final = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_PYTEST_TEMP: Final = re.compile(r"(?:/[\w.+-]+)*/pytest-of-[\w.+-]+/pytest-\d+(?:/popen-gw\d+)?")
_IN_TEMP: Final = re.compile(r"<tmp>/[^\s'\"]+")
_MADE_UP: Final = re.compile(r"(?<=/)(tmp|[\w.-]*[-_])[a-z0-9_]{8}(?![\w-])", re.ASCII)
"""Names that tempfile makes up."""


def _beginning(directories: set[str]) -> re.Pattern[str]:
    """Finds paths in directories, the innermost first."""
    known = sorted((one for one in directories if len(one) > 1), key=len, reverse=True)
    return re.compile(rf"(?:{'|'.join(map(re.escape, known)) or '(?!)'})(?![\w.-])")


_SYSTEM_TEMP: Final = _beginning({tempfile.gettempdir()})


class _Temporary:
    """The directory of pytest's own whose name differs from run to run, wherever it is."""

    pattern = _beginning(set())


def take_for_temporary(directories: Iterable[str]) -> None:
    """From now on, spell these directories as temporary ones: pytest's, where it was told to have them elsewhere."""
    _Temporary.pattern = _beginning(set(directories))


_RANDOM: Final = re.compile(
    r"(?=.*\d)[0-9a-fA-F-]{16,}|(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[\w+/=-]{20,}", re.ASCII
)
"""An id, a digest or a token: another one on every run, and perhaps a secret."""

_WORDS: Final = re.compile(r"(?:(?:[A-Za-z]{1,16}|\d{1,8})?[/=_+-]){2,}(?:[A-Za-z]{1,16}|\d{1,8})?", re.ASCII)
"""Words and numbers between separators: a name that somebody composed, ``LIMIT/bob/5/1/minute``."""

_TEXTS: Final = frozenset(map(identity, (str, bytes)))
_PLAIN: Final = frozenset(map(identity, (int, float, bool, complex, type(None))))


def without_run(text: str) -> str:
    """A text without what differs from run to run: temporary directories and addresses."""
    for known in (_Temporary.pattern, _PYTEST_TEMP, _SYSTEM_TEMP):
        text = known.sub("<tmp>", text)
    if "<tmp>/" in text:
        text = _IN_TEMP.sub(lambda path: _MADE_UP.sub(r"\1*", path[0]), text)
    return _ADDRESS.sub("0x…", text)


def spell_key(key: object, depth: int = _KEY_DEPTH) -> str:
    """A dictionary's key: plain text and numbers as they are, what may be a secret or an id by its size or type."""
    kind = identity(type(key))
    if kind in _TEXTS:
        text = without_run(key if type(key) is str else key.decode("latin-1"))  # type: ignore[attr-defined]
        if len(text) > _KEY_LIMIT or (_RANDOM.fullmatch(text) and not _WORDS.fullmatch(text)):
            return f"<{spell_type(key)}>"
        return repr(text) if type(key) is str else f"b{text!r}"
    if kind in _PLAIN:
        return f"<{spell_type(key)}>" if _is_of_this_run(key) else repr(key)
    if type(key) is tuple and len(key) <= 8 and depth:
        parts = [spell_key(part, depth - 1) for part in key]
        return f"({', '.join(parts)}{',' if len(key) == 1 else ''})"
    return f"<{name_of(type(key))}>"


def _is_of_this_run(number: object) -> bool:
    if type(number) is int or type(number) is float:
        return abs(number) >= _NUMBER_LIMIT or (type(number) is float and len(repr(number)) > _FLOAT_LIMIT)
    return False


def spell_entry(label: object, attribute: bool) -> str:
    """One step of a path: ``.name`` for an attribute, else ``['key']`` or ``[0]``."""
    if attribute and type(label) is str and label.isidentifier() and len(label) <= 2 * _KEY_LIMIT:
        return f".{label}"
    return f"[{spell_key(label)}]"


def spell_type(value: object) -> str:
    """The type and size of a value: ``list (2 items)``, ``Cart object``, ``None``."""
    if value is None:
        return "None"
    cls = type(value)
    if name_of(cls) == "_lru_list_elem":  # of functools, which doesn't show what it holds
        return "a result"
    kind = identity(cls)
    if kind in _TEXTS:
        unit = "character" if cls is str else "byte"
        return f"{cls.__name__} ({_count(len(value), unit)})"  # type: ignore[arg-type]
    if kind in _PLAIN:
        return cls.__name__
    size = _size(value)
    if size is not None:
        return f"{name_of(cls)} ({_count(size, 'item')})"
    plan = plan_of(cls)
    if plan.kind is Kind.CLASS:
        return f"class {name_of(value)}"  # type: ignore[arg-type]
    if plan.kind is Kind.FUNCTION:
        return f"function {str.__str__(value.__qualname__)}"  # type: ignore[attr-defined]
    if plan.kind is Kind.MODULE:
        return "module"
    return f"{name_of(cls)} object"


_SIZES: Final = (dict, list, set, deque, tuple, frozenset, bytearray)


def _size(value: Any) -> int | None:
    for base in mro_of(type(value)):
        for sized in _SIZES:
            if base is sized:
                return int(sized.__len__(value))
    return None


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def spell_value(value: object) -> str:
    """A bounded rendering of a value that runs no code of the program."""
    text = _render(value, 4)
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"


def _render(value: Any, depth: int) -> str:
    cls = type(value)
    kind = identity(cls)
    if kind in _TEXTS:
        return repr(value[:_VALUE_LIMIT])
    if kind in _PLAIN:
        return repr(value) if cls is not int or abs(value) < 10**_VALUE_LIMIT else "<int>"
    if depth and cls is dict:
        pairs = list(dict.items(value))[:20]
        inside = [f"{_render(key, depth - 1)}: {_render(held, depth - 1)}" for key, held in pairs]
        return "{" + ", ".join(inside + ["…"] * (len(value) > 20)) + "}"
    brackets = _BRACKETS.get(kind)
    if depth and brackets:
        inside = [_render(held, depth - 1) for held in list(value)[:20]]
        return brackets[0] + ", ".join(inside + ["…"] * (len(value) > 20)) + brackets[1]
    return f"<{spell_type(value)}>"


_BRACKETS: Final = {
    identity(list): ("[", "]"),
    identity(tuple): ("(", ")"),
    identity(set): ("{", "}"),
    identity(frozenset): ("frozenset({", "})"),
    identity(deque): ("deque([", "])"),
}
