"""What a line of the table is: one thing that the interpreter or the operating system keeps for the whole process."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping
from operator import is_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.compare import same as identical
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.spell import spell_key
from pytest_stateless.interpreter.gate import Holder


class _Mark:
    """Stands for what is no value."""


ABSENT: Final = _Mark()
"""Nothing is there."""
UNKNOWN: Final = _Mark()
"""What is there can't be told, because what keeps it isn't loaded, or isn't of this system."""
WHOLE: Final = _Mark()
"""The label of a thing that is one value."""


class Items(tuple[Any, ...]):
    """Things in an order, as a list of the program holds them: told one by one."""

    __slots__ = ()


class Numbers(NamedTuple):
    """Many numbers that a function of C gave: equal by one comparison."""

    held: tuple[int, ...]


Reading = Mapping[Any, Any]
"""What there is, by label: an item's ``WHOLE`` or its entries. Values are held, never asked anything."""

Again = Callable[[Any], "Reading | None"]
"""Reads anew, given what was read before: that very reading where nothing changed, which is told more cheaply."""


class Gated(dict[Any, Any]):
    """A reading that holds what tells cheaply whether anything changed since."""

    __slots__ = ("gate",)

    def __init__(self, reading: Reading, gate: Any) -> None:
        super().__init__(reading)
        self.gate = gate


Place = tuple[object, object]
"""Where the memory holds the same: a container, and a label in it or ``WHOLE`` for all that it holds."""


class Item(NamedTuple):
    """One line of the table."""

    name: str
    """Its subject as a report spells it, or how the subjects of its entries begin."""
    read: Callable[[], Reading | None]
    """What there is now, or None where that can't be told. It changes nothing and imports nothing."""
    why: str
    """Why it matters, in one sentence."""
    mend: str
    """What a test or the program does about it."""
    warns: Callable[[str], bool] = lambda _: False
    """Whether a change is a warning rather than an error, by what is said of it."""
    tell: Callable[[Any, Any], str] | None = None
    """What is said of a change, where that is more than what was and what is."""
    otherwise: Callable[[Any, Reading], Any] = lambda label, reading: ABSENT
    """What counts for a label that a reading lacks; a change from or to ``UNKNOWN`` isn't told."""
    spell: Callable[[str, Any], str] = lambda name, label: f"{name}[{spell_key(label)}]"
    """How the subject of an entry is spelled, of the item's name and the entry's label."""
    show: Callable[[Any], str] | None = None
    """How values are shown that can't be secret; None for their type and size."""
    view: Callable[[Any], Any] = lambda found: found
    """What a value is to be called by its type and size, where that is another thing."""
    is_first_use: Callable[[Any, Any], bool] | None = None
    """Whether a change is no more than that a library set itself up."""
    by_import: bool = False
    """Whether what an import does to it comes with the import, as an import's own classes do."""
    put: Callable[[Any, Any], object] | None = None
    """Puts the value of a label there, for a moment, to find out who does that; None where doing it twice shows."""
    again: Again | None = None
    """Reads it in later looks; None where ``read`` does, or where that has an ``again`` of its own."""
    holders: Callable[[], Iterator[Holder]] | None = None
    """All that it is read from, beside the modules themselves, where that is in the memory: while nothing moves in
    there, the reading is that of before. None where it must be read, or where ``read`` has ``holders`` of its own."""
    places: Callable[[Any], Iterator[Place]] | None = None
    """Where the memory holds what a label is about: who watches it sees the same change."""
    is_followed: bool = True
    """Whether it can be looked at while the user's code is followed line by line."""
    of_tools: bool = False
    """Whether it is told although a test tool did it, because the test asked the tool to."""

    def subject(self, label: object) -> str:
        """What leaked, spelled the same on every run."""
        return self.name if label is WHOLE else self.spell(self.name, label)


_PLAIN: Final = frozenset(map(identity, (str, bytes, int, float, bool, complex, type(None))))


def same(before: Any, after: Any) -> bool:
    """Whether two values are the same object or equal plain ones, without code of the program."""
    if before is after:
        return True
    cls = type(before)
    if cls is not type(after):
        return False
    if identity(cls) in _PLAIN or cls is Numbers:
        return bool(before == after)
    if cls is tuple or cls is Items:
        return len(before) == len(after) and all(map(same, before, after))
    return False


_FEW: Final = 40  # values, up to which a comparison without ctypes is faster


def unchanged(before: Reading, after: Reading) -> bool:
    """Whether two readings hold the same under the very same labels: nearly always so, and quick."""
    if before is after:
        return True
    size = len(before)
    if size != len(after):
        return False
    if size == 1:  # most of the table
        ((label, was),), ((other, now),) = before.items(), after.items()
        return label is other and same(was, now)
    if size > _FEW and identical([*before, *before.values()], [*after, *after.values()]):
        return True
    if not all(map(is_, before, after)):
        return False
    old, new = before.values(), after.values()
    return all(map(is_, old, new)) or all(map(same, old, new))


def loaded(module: str) -> dict[str, Any] | None:
    """The names of a module, where it is loaded."""
    found = sys.modules.get(module)
    return _namespace(found) if type(found) is types.ModuleType else None


_namespace: Final[Callable[[object], dict[str, Any]]] = vars(types.ModuleType)["__dict__"].__get__
"""As ``module_namespace``, without a call in between: a look asks for eighty."""
