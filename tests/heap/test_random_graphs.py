"""Graphs of objects that nobody would write, and what happened to them: exactly that is reported."""

# mypy can't infer the lambdas that take their place's name and value as defaults.
# mypy: disable-error-code="misc, arg-type"

from __future__ import annotations

import itertools
import re
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pytest_stateless.leak import Leak
    from tests.heap.conftest import Watch, WatchAbsorbing, WindowsOn

SETTINGS: Final = settings(
    max_examples=100,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)


class Plain:
    """An instance with a dictionary."""


class Slotted:
    """An instance with nothing but slots."""

    __slots__ = ("alpha", "beta", "gamma")


class Both(Slotted):
    """Slots and a dictionary."""


class More(Both):
    """Slots, a dictionary, and slots again."""

    __slots__ = ("delta",)


class Shelf(dict[Any, Any]):
    """A dictionary with attributes."""


class Row(list[Any]):
    """A list with attributes."""


class Bag(set[Any]):
    """A set with attributes."""


class Line(deque[Any]):
    """A queue with attributes."""


class Drawer(dict[Any, Any]):
    """A dictionary with slots."""

    __slots__ = ("alpha", "beta")


class Rack(list[Any]):
    """A list with slots."""

    __slots__ = ("alpha", "beta")


@dataclass
class Place:
    """One thing in the graph that can be changed, and how what changes there is spelled."""

    path: str
    kind: str
    holds: Any
    """The container, or what has the attributes."""


@dataclass
class World:
    """A graph under construction."""

    draw: st.DrawFn
    module: types.ModuleType
    places: list[Place] = field(default_factory=list)
    size: int = 0
    names: int = 0

    def leaf(self) -> Any:
        return self.draw(_LEAVES)

    def name(self) -> str:
        self.names += 1
        return f"name{self.names}"

    def several(self, at_most: int = 3) -> range:
        return range(self.draw(st.integers(0, at_most)))

    def node(self, path: str, depth: int) -> Any:
        """A new thing at ``path``, with all that it holds."""
        self.size += 1
        if depth == 0 or self.size > 40:
            return self.leaf()
        return getattr(self, "_" + self.draw(st.sampled_from(_KINDS)))(path, depth - 1)

    def _note(self, path: str, kind: str, holds: Any) -> Any:
        self.places.append(Place(path, kind, holds))
        return holds

    def _fill_items(self, path: str, mapping: Any, depth: int) -> Any:
        for _ in self.several():
            key = self.draw(_KEYS)
            if key not in mapping:
                mapping[key] = self.node(f"{path}[{key!r}]", depth)
        return self._note(path, "items", mapping)

    def _fill_attributes(self, path: str, thing: Any, depth: int) -> Any:
        for _ in self.several():
            name = self.name()
            setattr(thing, name, self.node(f"{path}.{name}", depth))
        return self._note(path, "attributes", thing)

    def _fill_slots(self, path: str, thing: Any, depth: int, slots: tuple[str, ...]) -> Any:
        for name in slots:
            if self.draw(st.booleans()):
                setattr(thing, name, self.node(f"{path}.{name}", depth))
        return self._note(path, "slots", thing)

    def _fill_sequence(self, path: str, sequence: Any, depth: int) -> Any:
        for position in self.several():
            sequence.append(self.node(f"{path}[{position}]", depth))
        return self._note(path, "sequence", sequence)

    def _fill_set(self, path: str, items: set[Any]) -> Any:
        items |= {self.leaf() for _ in self.several()}
        return self._note(path, "set", items)

    def _dict(self, path: str, depth: int) -> Any:
        return self._fill_items(path, {}, depth)

    def _defaultdict(self, path: str, depth: int) -> Any:
        return self._fill_items(path, defaultdict(list), depth)

    def _ordered(self, path: str, depth: int) -> Any:
        return self._fill_items(path, OrderedDict(), depth)

    def _counter(self, path: str, depth: int) -> Any:
        return self._fill_items(path, Counter(), depth)

    def _shelf(self, path: str, depth: int) -> Any:
        return self._fill_attributes(path, self._fill_items(path, Shelf(), depth), depth)

    def _drawer(self, path: str, depth: int) -> Any:
        return self._fill_slots(path, self._fill_items(path, Drawer(), depth), depth, ("alpha", "beta"))

    def _list(self, path: str, depth: int) -> Any:
        return self._fill_sequence(path, [], depth)

    def _row(self, path: str, depth: int) -> Any:
        return self._fill_attributes(path, self._fill_sequence(path, Row(), depth), depth)

    def _rack(self, path: str, depth: int) -> Any:
        return self._fill_slots(path, self._fill_sequence(path, Rack(), depth), depth, ("alpha", "beta"))

    def _deque(self, path: str, depth: int) -> Any:
        return self._fill_sequence(path, deque(), depth)

    def _line(self, path: str, depth: int) -> Any:
        return self._fill_attributes(path, self._fill_sequence(path, Line(), depth), depth)

    def _set(self, path: str, depth: int) -> Any:
        return self._fill_set(path, set())

    def _bag(self, path: str, depth: int) -> Any:
        return self._fill_attributes(path, self._fill_set(path, Bag()), depth)

    def _tuple(self, path: str, depth: int) -> Any:
        return tuple(self.node(f"{path}[{position}]", depth) for position in self.several())

    def _plain(self, path: str, depth: int) -> Any:
        return self._fill_attributes(path, Plain(), depth)

    def _slotted(self, path: str, depth: int) -> Any:
        return self._fill_slots(path, Slotted(), depth, ("alpha", "beta", "gamma"))

    def _both(self, path: str, depth: int) -> Any:
        both = self._fill_slots(path, Both(), depth, ("alpha", "beta", "gamma"))
        return self._fill_attributes(path, both, depth)

    def _more(self, path: str, depth: int) -> Any:
        more = self._fill_slots(path, More(), depth, ("alpha", "beta", "gamma", "delta"))
        return self._fill_attributes(path, more, depth)

    def _class(self, path: str, depth: int) -> Any:
        made = type("Made", (), {"__module__": self.module.__name__})
        return self._fill_attributes(path, made, depth)

    def _function(self, path: str, depth: int) -> Any:
        def model(first: Any = None, *, second: Any = None) -> Any:
            return cell

        cell = self.node(f"{path}.<closure>.cell", depth)
        defaults = (self.node(f"{path}.<defaults>.first", depth),)
        function = types.FunctionType(
            model.__code__, vars(self.module), "function", defaults, model.__closure__
        )
        kept = {"second": self.node(f"{path}.<defaults>['second']", depth)}
        function.__kwdefaults__ = kept
        self._note(f"{path}.<defaults>", "items", kept)
        assert function.__closure__ is not None
        self._note(f"{path}.<closure>.cell", "cell", function.__closure__[0])
        return self._fill_attributes(path, function, depth)


_LEAVES: Final = st.one_of(
    st.integers(1000, 10**6),
    st.text(min_size=1, max_size=5),
    st.none(),
    st.tuples(st.integers(1000, 10**6), st.text(max_size=3)),
    st.builds(object),
    st.binary(max_size=3),
    st.frozensets(st.integers(1000, 2000), max_size=3),
)
_KEYS: Final = st.one_of(
    st.sampled_from("abcdef"), st.integers(0, 5), st.tuples(st.sampled_from("abc")), st.none()
)
_KINDS: Final = sorted(
    name.removeprefix("_") for name in vars(World) if re.fullmatch("_[a-z]+", name) and name != "_note"
)


# ------------------------------------------------------------------------------------------------- mutations


@dataclass
class Mutation:
    """Something that happens to one place, how it is undone, and what must be reported of it."""

    subject: str
    verb: str
    do: Callable[[], object]
    undo: Callable[[], object]


def _is_leaf(value: object) -> bool:
    """Whether nothing in the graph goes out of reach with the value."""
    return type(value) in (int, str, type(None), bytes, object, frozenset) or (
        type(value) is tuple and all(type(part) in (int, str) for part in value)
    )


def mutations(place: Place) -> list[Mutation]:
    """All that may happen at a place."""
    found: list[Mutation] = _MUTATE[place.kind](place)
    return found


def _of_items(place: Place) -> list[Mutation]:
    mapping, new = place.holds, object()
    fresh = next(name for name in map("new{}".format, itertools.count()) if name not in mapping)
    found = [
        Mutation(
            f"{place.path}[{fresh!r}]",
            "added",
            lambda: mapping.__setitem__(fresh, new),
            lambda: mapping.pop(fresh),
        )
    ]
    for key, value in mapping.items():
        if _is_leaf(value):
            subject = f"{place.path}[{key!r}]"
            restore = lambda key=key, value=value: mapping.__setitem__(key, value)  # noqa: E731
            found += [
                Mutation(subject, "removed", lambda key=key: mapping.pop(key), restore),
                Mutation(subject, "changed", lambda key=key: mapping.__setitem__(key, new), restore),
            ]
    return found


def _of_named(place: Place, names: list[str]) -> list[Mutation]:
    thing, new = place.holds, object()
    found = []
    for name in names:
        subject = f"{place.path}.{name}"
        if not hasattr(thing, name):
            found.append(
                Mutation(
                    subject,
                    "added",
                    lambda name=name: setattr(thing, name, new),
                    lambda name=name: delattr(thing, name),
                )
            )
        elif _is_leaf(value := getattr(thing, name)):
            restore = lambda name=name, value=value: setattr(thing, name, value)  # noqa: E731
            found += [
                Mutation(subject, "removed", lambda name=name: delattr(thing, name), restore),
                Mutation(subject, "changed", lambda name=name: setattr(thing, name, new), restore),
            ]
    return found


def _of_attributes(place: Place) -> list[Mutation]:
    own = [name for name in vars(place.holds) if name.startswith("name")]
    return _of_named(place, [*own, "fresh"])


def _of_slots(place: Place) -> list[Mutation]:
    slots = [name for cls in type(place.holds).__mro__ for name in vars(cls).get("__slots__", ())]
    return _of_named(place, slots)


def _of_sequence(place: Place) -> list[Mutation]:
    sequence, new = place.holds, object()
    found = [Mutation(place.path, "added", lambda: sequence.append(new), lambda: sequence.pop())]
    if sequence and _is_leaf(last := sequence[-1]):
        found.append(Mutation(place.path, "removed", lambda: sequence.pop(), lambda: sequence.append(last)))
    for position, value in enumerate(sequence):
        if _is_leaf(value):
            found.append(
                Mutation(
                    f"{place.path}[{position}]",
                    "changed",
                    lambda position=position: sequence.__setitem__(position, new),
                    lambda position=position, value=value: sequence.__setitem__(position, value),
                )
            )
    return found


def _of_set(place: Place) -> list[Mutation]:
    items, new = place.holds, object()
    found = [Mutation(place.path, "added", lambda: items.add(new), lambda: items.discard(new))]
    found += [
        Mutation(
            place.path, "removed", lambda item=item: items.discard(item), lambda item=item: items.add(item)
        )
        for item in items
    ]
    return found


def _of_cell(place: Place) -> list[Mutation]:
    cell, new = place.holds, object()
    if not _is_leaf(value := cell.cell_contents):
        return []
    return [
        Mutation(
            place.path,
            "changed",
            lambda: setattr(cell, "cell_contents", new),
            lambda: setattr(cell, "cell_contents", value),
        )
    ]


_MUTATE: Final[dict[str, Callable[[Place], list[Mutation]]]] = {
    "items": _of_items,
    "attributes": _of_attributes,
    "slots": _of_slots,
    "sequence": _of_sequence,
    "set": _of_set,
    "cell": _of_cell,
}


def _build(data: st.DataObject, module: types.ModuleType, depth: int = 4) -> World:
    world = World(data.draw, module)
    _draw_module(world, depth)
    return world


def _draw_module(world: World, depth: int) -> None:
    name = world.module.__name__
    for letter in "AB":
        setattr(world.module, letter, world.node(f"{name}.{letter}", depth))
    world.module.NUMBER = 1000  # type: ignore[attr-defined]
    world.places.append(Place(name, "module", world.module))


def _of_module(place: Place) -> list[Mutation]:
    return _of_named(place, ["NUMBER", "NEW"])


_MUTATE["module"] = _of_module


def _told(leaks: list[Leak]) -> list[tuple[str, str]]:
    return sorted((leak.subject, leak.message.split()[0].rstrip(":")) for leak in leaks)


def _reported(watch: Watch, world: World, act: Callable[[], object]) -> list[tuple[str, str]]:
    return _told(watch(world.module, act))


def _chosen(data: st.DataObject, world: World, at_most: int = 3) -> list[Mutation]:
    places = data.draw(st.lists(st.sampled_from(world.places), max_size=at_most, unique_by=id))
    return [data.draw(st.sampled_from(found)) for place in places if (found := mutations(place))]


@given(data=st.data())
@SETTINGS
def test_exactly_what_changed_is_reported(
    data: st.DataObject, watch: Watch, new_module: Callable[[], types.ModuleType]
) -> None:
    world = _build(data, new_module())
    chosen = _chosen(data, world)

    def act() -> None:
        for mutation in chosen:
            mutation.do()

    assert _reported(watch, world, act) == sorted((mutation.subject, mutation.verb) for mutation in chosen)


@given(data=st.data())
@SETTINGS
def test_what_is_put_back_is_no_leak(
    data: st.DataObject, watch: Watch, new_module: Callable[[], types.ModuleType]
) -> None:
    world = _build(data, new_module())
    chosen = _chosen(data, world)

    def act() -> None:
        for mutation in chosen:
            mutation.do()
            mutation.undo()

    assert _reported(watch, world, act) == []


_AGAIN: Final[dict[type, Callable[[Any], Any]]] = {
    int: lambda value: int(str(value)),
    str: lambda value: "".join(list(value)),
    bytes: lambda value: bytes(bytearray(value)),
    tuple: lambda value: tuple(map(again, value)),
    frozenset: lambda value: frozenset(map(again, value)),
    list: lambda value: list(map(again, value)),
    deque: lambda value: deque(map(again, value)),
    set: lambda value: set(map(again, value)),
    dict: lambda value: {again(key): again(held) for key, held in value.items()},
    OrderedDict: lambda value: OrderedDict((again(key), again(held)) for key, held in value.items()),
    Counter: lambda value: Counter({again(key): again(held) for key, held in value.items()}),
    defaultdict: lambda value: defaultdict(
        value.default_factory, [(again(key), again(held)) for key, held in value.items()]
    ),
}


def again(value: Any) -> Any:
    """An equal value made anew, as far as it is of built-in types."""
    return _AGAIN.get(type(value), lambda same: same)(value)


def _rebind(place: Place) -> None:
    """Put an equal value in the place of each that something holds."""
    holds = place.holds
    if place.kind == "items":
        for key in list(holds):
            holds[key] = again(holds[key])
    elif place.kind == "sequence":
        for position, value in enumerate(list(holds)):
            holds[position] = again(value)
    elif place.kind == "set":
        items = list(map(again, holds))
        holds.clear()
        holds.update(items)
    elif place.kind == "cell":
        holds.cell_contents = again(holds.cell_contents)
    else:
        named = {
            name: getattr(holds, name)
            for name in (*getattr(holds, "__slots__", ()), *getattr(holds, "__dict__", ()))
            if hasattr(holds, name)
        }
        for name, value in named.items():
            if not name.startswith("__"):
                setattr(holds, name, again(value))


@given(data=st.data())
@SETTINGS
def test_equal_values_made_anew_are_no_leak(
    data: st.DataObject, watch: Watch, new_module: Callable[[], types.ModuleType]
) -> None:
    world = _build(data, new_module())
    places = data.draw(st.lists(st.sampled_from(world.places), max_size=5, unique_by=id))
    assert _reported(watch, world, lambda: [_rebind(place) for place in places]) == []


@given(data=st.data())
@SETTINGS
def test_windows_in_a_row_tell_what_each_left(
    data: st.DataObject, windows_on: WindowsOn, new_module: Callable[[], types.ModuleType]
) -> None:
    world = _build(data, new_module(), depth=3)
    window = windows_on(world.module)
    for number in range(data.draw(st.integers(2, 5))):
        chosen = _chosen(data, world, at_most=2)
        name = f"grown{number}"
        grown = _Grown(world.module, name, world.node(f"{world.module.__name__}.{name}", 3))

        def act(chosen: list[Mutation] = chosen, grown: _Grown = grown) -> None:
            for mutation in chosen:
                mutation.do()
            grown.grow()

        expected = [(mutation.subject, mutation.verb) for mutation in chosen]
        assert _told(window(act)) == sorted([*expected, grown.told])


@dataclass
class _Grown:
    """Something new that a window leaves in a module, and later windows change."""

    module: types.ModuleType
    name: str
    value: Any

    def grow(self) -> None:
        setattr(self.module, self.name, self.value)

    @property
    def told(self) -> tuple[str, str]:
        return f"{self.module.__name__}.{self.name}", "added"


@given(data=st.data())
@SETTINGS
def test_what_was_absorbed_is_not_told(
    data: st.DataObject, watch_absorbing: WatchAbsorbing, new_module: Callable[[], types.ModuleType]
) -> None:
    world = _build(data, new_module())
    chosen, others = _two_sets_of(data, world)

    def act() -> None:
        for mutation in chosen:
            mutation.do()

    def absorbed() -> None:
        for mutation in others:
            mutation.do()

    leaks = watch_absorbing(world.module, act, absorbed)
    assert _told(leaks) == sorted((mutation.subject, mutation.verb) for mutation in chosen)


def _two_sets_of(data: st.DataObject, world: World) -> tuple[list[Mutation], list[Mutation]]:
    """Mutations, often of the same containers, that don't concern the same entries."""
    places = data.draw(st.lists(st.sampled_from(world.places), max_size=4, unique_by=id))
    one: list[Mutation] = []
    other: list[Mutation] = []
    for place in places:
        found = mutations(place)
        if found:
            one.append(data.draw(st.sampled_from(found)))
            left = [
                mutation
                for mutation in found
                # Positions in a list move, and the elements of a set have no names.
                if mutation.subject != one[-1].subject and place.kind not in ("sequence", "set")
            ]
            if left:
                other.append(data.draw(st.sampled_from(left)))
    swap = data.draw(st.booleans())
    return (other, one) if swap else (one, other)
