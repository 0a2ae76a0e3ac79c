"""Looks again and again at the one place of the memory that a leak is about, and says whether it moved.

As everywhere in the heap, what is held is compared by identity, and no code of the program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.change import is_plain_key, safe_key
from pytest_stateless.heap.compare import same
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import (
    KEYED,
    NAMED,
    Kind,
    Plan,
    children,
    get_referents,
    identity,
    iterate_sequence,
    mro_of,
    plan_of,
)
from pytest_stateless.heap.holders import REGISTRY, held, is_held, local_namespace, parts_of
from pytest_stateless.heap.scope import with_reader

_get: Final[Callable[..., object]] = vars(dict)["get"]  # typed as what takes any key
_NESTED: Final = 50  # containers within a leaked value that are looked at with it


def always() -> bool:
    """True."""
    return True


def nothing() -> None:
    """None."""


class Evidence(NamedTuple):
    """Where a leak was seen. It holds live objects, so it goes no further than the checks."""

    kind: Kind
    container: Any
    entries: tuple[Entry, ...]
    attributes: bool
    """Whether the entries are attributes rather than items."""
    holder: type | None = None
    """The class whose namespace the container is, or whose instance's."""
    growth: int = 1
    """How many keys came to the container, or, negative, went from it, altogether."""
    is_there: Callable[[], bool] = always
    """Whether the container is still where it was; else another may be used in its stead."""
    anew: Callable[[], object] = nothing
    """Gives that other one, None where there is none."""


class Look:
    """One way to look at a place, and what was there."""

    def __init__(self, read: Callable[[], list[object]]) -> None:
        self._read = read
        self.before: list[object] = []
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self.before = list(self._look())

    def moved(self) -> bool:
        """Whether something else is there than before."""
        return not same(self._look(), self.before)

    def _look(self) -> list[object]:
        try:
            return self._read()
        except RuntimeError:  # another thread is changing a dictionary: the next look will tell
            return self.before


class ValueLook:
    """Looks at the value under one label; the most frequent look, and so kept short."""

    def __init__(self, find: Callable[[object], object], label: object) -> None:
        self._find = find
        self._label = label
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self.before = self._find(self._label)

    def moved(self) -> bool:
        """Whether another value is there than before."""
        return self._find(self._label) is not self.before


class Growth:
    """Looks whether as many keys came to a mapping, or went from it, as in the first run, whichever they are."""

    def __init__(self, mapping: Any, growth: int) -> None:
        self._mapping = mapping
        self._growth = growth
        self.rebase()

    def rebase(self) -> None:
        """From now on, what is there now is what was there before."""
        self.before = dict.__len__(self._mapping)

    def moved(self) -> bool:
        """Whether there is as much more, or less, than before."""
        growth = dict.__len__(self._mapping) - self.before
        return growth >= self._growth if self._growth > 0 else growth <= self._growth


AnyLook = Look | ValueLook | Growth


def looks_at(evidence: Evidence) -> tuple[AnyLook, ...]:
    """How to look at the place of a leak, the strongest evidence first.

    That another value is at a key says more than that something within the value moved: the leak of the first run may
    still be there, and then only its inside changes. That other keys came says least: it is all there is where keys
    differ from run to run, but it may be a neighbour's.
    """
    if not evidence.is_there():
        other = evidence.anew()
        if type(other) is type(evidence.container):
            evidence = evidence._replace(container=other)
    container, entries = evidence.container, evidence.entries
    find = _finder(evidence) if len(entries) == 1 else None
    if find is None:
        whole = partial(held, container) if evidence.kind is Kind.HELD else reader_of(container)
        return Look(whole), *_look_within(entry.after for entry in entries)
    (entry,) = entries
    looks: list[AnyLook] = [ValueLook(find, entry.label)]
    looks += _look_within([find(entry.label)])
    if not evidence.attributes and (entry.before is ABSENT or entry.after is ABSENT):
        looks.append(Growth(container, evidence.growth))
    return tuple(looks)


def _finder(evidence: Evidence) -> Callable[[object], object] | None:
    """Gives the value under a label; None where labels aren't the same in each run, or there are none."""
    if not is_plain_key(evidence.entries[0].label):
        return None
    container: Any = evidence.container
    if evidence.kind in NAMED:
        return lambda label: _attribute(container, label)
    if evidence.kind is Kind.HELD and evidence.attributes and evidence.entries[0].label != REGISTRY:
        return lambda label: _held(container, label)
    if evidence.kind not in KEYED:
        return None
    if all(map(is_plain_key, list(dict.keys(container)))):
        return lambda label: _get(container, label, ABSENT)
    # A key of a class of the program might be asked whether it equals the label.
    return lambda label: _scan(container, safe_key(label))


def _scan(mapping: Any, wanted: object) -> object:
    return next((value for key, value in list(dict.items(mapping)) if safe_key(key) == wanted), ABSENT)


def _attribute(thing: Any, name: object) -> object:
    if name == "__class__":
        return type(thing)
    if name == "args" and any(base is BaseException for base in mro_of(type(thing))):
        return _arguments(thing)
    plan = plan_of(type(thing))
    for slot, get in plan.slots:
        if slot == name:
            return _slot(thing, get)
    return ABSENT if plan.namespace is None else _get(plan.namespace(thing), name, ABSENT)


_arguments: Final = vars(BaseException)["args"].__get__


def _held(thing: Any, name: object) -> object:
    """A part of a definition, or an attribute of a thread's own."""
    names = parts_of(thing)
    if names:
        return dict(zip(names, held(thing), strict=False))[str(name)]
    return _get(local_namespace(thing) or {}, name, ABSENT)


def _slot(thing: Any, get: Callable[[Any], object]) -> object:
    try:
        return get(thing)
    except AttributeError:  # not set
        return ABSENT


# ------------------------------------------------------------------------------------------------ what is inside


def reader_of(thing: Any) -> Callable[[], list[object]]:
    """Gives all that one container holds, in an order that stays while nothing changes."""
    plan = with_reader(plan_of(type(thing)), type(thing))
    if plan.kind is Kind.HELD:
        return lambda: held(thing)
    parts = [_ITEMS[plan.kind](thing)] if plan.kind in _ITEMS else []
    if plan.reader is not None:
        parts.append(_inside(plan.reader, thing))
    if plan.namespace is not None or plan.slots:
        parts.append(lambda: _attributes(plan, thing))
    if type(thing) is list:
        return lambda: thing  # its storage is compared in place
    return _joined(parts) if parts else partial(get_referents, thing)


def _inside(reader: Callable[[Any, Any], object], thing: Any) -> Callable[[], list[object]]:
    """Gives what a reader says, as the same object while it says the same."""
    last: list[object] = [None]

    def read() -> list[object]:
        now = reader(thing, last[0])
        if now != last[0]:
            last[0] = now
        return list(last)

    return read


_ITEMS: Final[dict[Kind, Callable[[Any], Callable[[], list[object]]]]] = {
    Kind.DICT: lambda thing: lambda: [*dict.values(thing), *dict.keys(thing)],
    Kind.MAPPING: lambda thing: lambda: [*dict.values(thing), *dict.keys(thing)],
    Kind.SEQUENCE: lambda thing: lambda: list(iterate_sequence(thing)),
    Kind.LOCK: lambda thing: lambda: [is_held(thing)],
    Kind.SET_SUBCLASS: lambda thing: lambda: list(set.__iter__(thing)),
}
"""Readers of the items of what doesn't show them as its referents, or shows more."""


def _attributes(plan: Plan, thing: Any) -> list[object]:
    """What an instance holds, wherever its values are: they may move into a dictionary and out of it."""
    held: list[object] = [type(thing), *(_slot(thing, get) for _, get in plan.slots)]
    if plan.namespace is not None:
        own = plan.namespace(thing)
        held += [*dict.values(own), *dict.keys(own)]
    return held


def _look_within(values: Iterable[object]) -> Iterator[Look]:
    """One look at all containers that the values are and hold."""
    found = _within(values)
    bare = [thing for thing in found if type(thing) is list or type(thing) is set]
    readers = [reader_of(thing) for thing in found if not (type(thing) is list or type(thing) is set)]
    if bare:  # with one call for all of them
        readers.append(partial(get_referents, *bare))
    if readers:
        yield Look(_joined(readers))


def _joined(readers: list[Callable[[], list[object]]]) -> Callable[[], list[object]]:
    return readers[0] if len(readers) == 1 else lambda: list(chain.from_iterable(read() for read in readers))


def _within(values: Iterable[object]) -> list[Any]:
    """The containers that values are and hold, the nearest first, up to a number."""
    found: list[Any] = []
    seen = {identity(ABSENT)}
    level = list(values)
    while level and len(found) < _NESTED:
        following: list[object] = []
        for thing in level:
            plan = plan_of(type(thing))
            if plan.kind in _NOT_ENTERED or identity(thing) in seen:
                continue
            seen.add(identity(thing))
            if plan.kind is Kind.WALK:
                following += children(plan.kind, plan, thing)
            else:
                found.append(thing)
                following += Look(reader_of(thing)).before
        level = following
    return found[:_NESTED]


_NOT_ENTERED: Final = frozenset({Kind.ATOM, Kind.FUNCTION, Kind.CLASS, Kind.MODULE})
"""What can't change, or leads to everything."""
