"""Kinds of lines that the table has many of: what a module keeps under a name, a list, a registry, a setting."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any, Final

from pytest_stateless.heap.compare import same as identical
from pytest_stateless.heap.graph import class_namespace, namespace_of
from pytest_stateless.interpreter.gate import Holder
from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Gated,
    Item,
    Items,
    Place,
    Reading,
    loaded,
)

FIXTURE: Final = "put it back, best by a fixture (monkeypatch.setattr)"


class _Held:
    """What a module holds under a name, and how a kind of line reads it."""

    __slots__ = ("missing", "module", "name")

    def __init__(self, module: str, name: str, missing: Any = UNKNOWN) -> None:
        self.module = module
        self.name = name
        self.missing = missing

    def held(self) -> Any:
        """What is there."""
        found = loaded(self.module)
        return self.missing if found is None else found.get(self.name, self.missing)

    def holders(self) -> Iterator[Holder]:
        """As ``Item.holders``."""
        found = loaded(self.module)
        if found is not None:
            yield Holder(found)


class Attribute(_Held):
    """Reads what a module holds under a name."""

    def __call__(self) -> Reading:
        """As ``Item.read``."""
        return {WHOLE: self.held()}

    def again(self, before: Reading) -> Reading:
        """As ``Item.again``."""
        held = self.held()
        return before if held is before[WHOLE] else {WHOLE: held}


def put_attribute(module: str, name: str) -> Callable[[Any, Any], object]:
    """Puts a value where ``attribute`` reads it."""

    def put(_: object, value: object) -> None:
        found = loaded(module)
        if found is not None and value is ABSENT:
            found.pop(name, None)
        elif found is not None:
            found[name] = value

    return put


def place_of(module: str, *names: str, inside: bool = False) -> Callable[[Any], Iterator[Place]]:
    """The place of names in a module, and all places in what they hold if ``inside``."""

    def places(label: object) -> Iterator[Place]:
        found = loaded(module)
        for name in names if found is not None else ():
            assert found is not None
            yield found, name
            if inside:
                yield found.get(name), label

    return places


def value(read: Callable[[], Any]) -> Callable[[], Reading]:
    """Reads one value by a function."""
    return lambda: {WHOLE: read()}


class Things(_Held):
    """Reads the things in a list that a module holds under a name."""

    def holders(self) -> Iterator[Holder]:
        """As ``Item.holders``."""
        yield from super().holders()
        held = self.held()
        if type(held) is list:
            yield Holder(held)

    def __call__(self) -> Reading:
        """As ``Item.read``."""
        held = self.held()
        return {WHOLE: Items(held) if type(held) is list else self.missing}

    def again(self, before: Reading) -> Reading:
        """As ``Item.again``."""
        held, known = self.held(), before[WHOLE]
        if type(held) is list and type(known) is Items:
            return before if len(held) == len(known) and all(map(is_, held, known)) else {WHOLE: Items(held)}
        return self()


class Entries(_Held):
    """Reads the entries of a dictionary that a module holds under a name."""

    def holders(self) -> Iterator[Holder]:
        """As ``Item.holders``."""
        yield from super().holders()
        held = self.held()
        if type(held) is dict:
            yield Holder(held, is_keyed=True)

    def __call__(self) -> Reading | None:
        """As ``Item.read``."""
        held = self.held()
        return dict(held) if type(held) is dict else None

    def again(self, before: Reading) -> Reading | None:
        """As ``Item.again``."""
        held = self.held()
        if type(held) is dict and len(held) == len(before) and all(map(is_, held, before)):
            return before if all(map(is_, held.values(), before.values())) else dict(held)
        return self()


class Many:
    """Reads a dictionary of many entries, which are compared by the storage of lists."""

    def __init__(self, live: Callable[[], dict[Any, Any]]) -> None:
        self.live = live

    def holders(self) -> Iterator[Holder]:
        """As ``Item.holders``."""
        yield Holder(self.live(), is_keyed=True)

    def __call__(self) -> Reading:
        """As ``Item.read``."""
        found = dict(self.live())
        return Gated(found, ([*found], [*found.values()]))

    def again(self, before: Any) -> Reading:
        """As ``Item.again``."""
        found = self.live()
        names, values = before.gate
        return before if identical([*found.values()], values) and identical([*found], names) else self()


def within(thing: Any) -> Iterator[Holder]:
    """The holders of what an object of Python's has: since 3.11 that may not be in its dictionary."""
    if thing is not None:
        yield Holder(thing)
        yield Holder(namespace_of(thing))


def within_class(cls: object) -> Iterator[Holder]:
    """The holders of what a class has."""
    if type(cls) is type:
        yield Holder(class_namespace(cls))


def put_entry(module: str, name: str) -> Callable[[Any, Any], object]:
    """Puts an entry where ``entries`` reads it."""

    def put(label: Any, new: Any) -> None:
        held = (loaded(module) or {}).get(name)
        if type(held) is dict:
            if new is ABSENT:
                held.pop(label, None)
            else:
                held[label] = new

    return put


def c_function(module: str, name: str, default: Any = UNKNOWN) -> Callable[[], Reading]:
    """Reads by a function of a C module, where that is loaded."""

    def read() -> Reading:
        function = (loaded(module) or {}).get(name)
        return {WHOLE: default if type(function) is not types.BuiltinFunctionType else function()}

    return read


# ----------------------------------------------------------------------------------------------------- whole lines


def kept(
    module: str,
    name: str,
    why: str,
    mend: str = FIXTURE,
    missing: Any = UNKNOWN,
    is_first_use: Callable[[Any, Any], bool] | None = None,
) -> Item:
    """What a module keeps under a name."""
    return Item(
        f"{module}.{name}",
        Attribute(module, name, missing),
        why,
        mend,
        is_first_use=is_first_use,
        put=put_attribute(module, name),
        places=place_of(module, name),
    )


def listed(module: str, name: str, why: str, by_import: bool = False) -> Item:
    """A list that a module keeps under a name."""
    return Item(
        f"{module}.{name}",
        Things(module, name),
        why,
        "take out what was put in, best by a fixture",
        by_import=by_import,
        places=place_of(module, name, inside=True),
    )


def registry(module: str, name: str, live: dict[Any, Any] | None = None) -> Item:
    """A dictionary in which anybody registers something; ``live`` is that itself, where it has many entries."""
    return Item(
        f"{module}.{name}",
        Entries(module, name) if live is None else Many(lambda: live),
        "the other processes don't have it",
        "register it where the process starts",
        by_import=True,
        put=put_entry(module, name),
        places=place_of(module, name, inside=True),
    )


def setting(name: str, get: str, why: str, set_: str | None = None, module: types.ModuleType = sys) -> Item:
    """A value that a function of a module gives and another sets."""
    getter: Any = getattr(module, get, None)
    setter: Any = getattr(module, set_, None) if set_ else None
    return Item(
        name,
        value(lambda: UNKNOWN if getter is None else getter()),
        why,
        "put it back, or set it where the process starts",
        show=str,
        put=None if setter is None else lambda _, new: setter(*new) if type(new) is tuple else setter(new),
    )
