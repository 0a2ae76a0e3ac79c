"""What a look at the application's own containers alone sees, of what it leads to and of what a library has."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_stateless.heap.change import changes
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap

Modules = dict[str, types.ModuleType]


class Thing:
    """An instance of any names."""


class World:
    """A small application, and a library that has much."""

    def __init__(self) -> None:
        self.shop: Any = types.ModuleType("own_shop")
        self.library: Any = types.ModuleType("own_library")
        self.modules: Modules = {"own_shop": self.shop, "own_library": self.library}
        self.shop.CARTS, self.shop.LINK, self.shop.HOLDER = {"bob": ["tea"]}, {}, Thing()
        self.spare, self.nested = ["spare"], {"deep": [{}]}
        self.library.TABLE, self.library.SHELF = {}, {"a": {"b": {"c": {"d": (self.spare, self.nested)}}}}
        self.library.MANY = [[number] for number in range(2000)]
        self.shop.view = types.FunctionType((lambda: None).__code__, {"__name__": "own_shop"})
        self.shop.MANY = [[number] for number in range(200)]
        self.shop.NEST, self.library.NEST = {}, {}
        own, other = self.shop.NEST, self.library.NEST
        for number in range(8):  # at each depth, the library has more
            own["within"], other["within"] = {number: 1}, {number: 1}
            other.update({place: {place: 1} for place in range(300)})
            own, other = own["within"], other["within"]

    def heap(self, **scope: Any) -> Heap:
        """The memory of both."""
        return Heap(self.modules, Scope(owns=lambda name: name.startswith("own_shop"), **scope), divided=True)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    sys.modules.update(world.modules)
    yield world
    for name in world.modules:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("act", "place"),
    [
        pytest.param(lambda world: world.shop.CARTS.update(eve=[]), lambda world: world.shop.CARTS, id="a-table"),
        pytest.param(lambda world: world.shop.CARTS["bob"].append("cup"), lambda world: world.shop.CARTS["bob"], id="within"),
        pytest.param(lambda world: setattr(world.shop.HOLDER, "a", 1), lambda world: vars(world.shop.HOLDER), id="an-attribute"),
        pytest.param(lambda world: world.library.MANY[0].append(1), lambda world: None, id="of-a-library"),
        pytest.param(lambda world: None, lambda world: None, id="nothing"),
    ],
)  # fmt: skip
def test_it_sees_the_applications_own(
    act: Callable[[World], object], place: Callable[[World], object], world: World
) -> None:
    heap = world.heap()
    before = heap.look()
    act(world)
    after, places = heap.look_at_own()
    wanted = place(world)
    found = [change.container for change in changes(before, after)]
    assert places is not None
    assert (found == []) is (wanted is None)
    assert wanted is None or identity(wanted) in places & set(map(identity, found))


@pytest.mark.parametrize(
    ("link", "linked"),
    [
        pytest.param(lambda world: world.shop.LINK.update(to=world.spare), "SPARE", id="directly"),
        pytest.param(lambda world: world.shop.LINK.update(to=[world.spare]), "SPARE", id="in-a-list"),
        pytest.param(lambda world: setattr(world.shop.HOLDER, "to", world.spare), "SPARE", id="by-an-attribute"),
        pytest.param(lambda world: world.shop.LINK.update(to=world.nested), "NESTED", id="with-all-within"),
        pytest.param(lambda world: setattr(world.shop.view, "to", world.spare), "SPARE", id="by-a-function"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("looked", ["all", "own", "not"])
def test_what_a_library_had_before_is_the_applications_own_from_its_link_on(
    link: Callable[[World], object], linked: str, looked: str, world: World
) -> None:
    heap = world.heap()
    heap.look_at_own()
    link(world)
    if looked == "all":
        heap.look()
    elif looked == "own":
        heap.look_at_own()
    before = heap.look_at_own()[0] if looked != "not" else heap.look()
    inner = world.nested["deep"] if linked == "NESTED" else world.spare
    inner.append("more")
    after, places = heap.look_at_own()
    assert places is not None
    assert any(change.container is inner for change in changes(before, after))


def test_a_module_that_the_application_imports_is_its_own(world: World) -> None:
    heap = world.heap()
    heap.look_at_own()
    late: Any = types.ModuleType("own_shop_late")
    late.STATE = {}
    heap.await_import()
    world.modules["own_shop_late"] = late
    heap.meet()
    before, _ = heap.look_at_own()
    late.STATE["bob"] = 1
    after, _ = heap.look_at_own()
    assert [change.container for change in changes(before, after)] == [late.STATE]


@pytest.mark.parametrize(
    "narrow",
    [
        pytest.param({"modules": frozenset({"own_shop"})}, id="nothing-else-is-watched"),
        pytest.param({"without_packages": frozenset({"own_library"})}, id="most-is-its-own"),
    ],
)
def test_where_it_would_save_little_all_is_looked_at(narrow: dict[str, Any], world: World) -> None:
    heap = world.heap(**narrow)
    assert heap.look_at_own()[1] is None
    assert (heap._own is None) is ("modules" in narrow)  # nothing is found out in vain


def test_where_nobody_asked_for_it_all_is_looked_at(world: World) -> None:
    heap = Heap(world.modules, Scope())
    before = heap.look()
    world.library.TABLE["a"] = 1
    after, places = heap.look_at_own()
    assert places is None
    assert [change.container for change in changes(before, after)] == [world.library.TABLE]


def test_what_is_linked_and_changed_is_seen_at_once(world: World) -> None:
    heap = world.heap()
    heap.look()
    world.shop.LINK["to"] = world.spare
    world.spare.append("before")
    before, _ = heap.look_at_own()
    assert list(changes(before, heap.look())) == []


def test_they_are_found_where_chunks_were_split(world: World) -> None:
    heap = world.heap()
    heap.look_at_own()
    for _ in range(4):
        world.shop.MANY[0].append(1)
        heap.look_at_own()
    heap.settle()
    before, _ = heap.look_at_own()
    for kept in world.shop.MANY:
        kept.append(2)
    after, places = heap.look_at_own()
    assert places is not None
    assert len(list(changes(before, after))) == len(world.shop.MANY)


def test_nothing_that_was_let_go_of_counts(world: World) -> None:
    heap = world.heap()
    world.shop.CARTS["eve"] = ["cup"]
    heap.look_at_own()
    place = identity(world.shop.CARTS.pop("eve"))
    _, places = heap.look_at_own()
    assert places is not None
    assert place in places  # the heap keeps it
    heap.lose([place], [place])
    heap.settle()
    _, places = heap.look_at_own()
    assert places is not None
    assert place not in places


def test_they_are_found_where_chunks_were_put_in_another_order(world: World) -> None:
    heap = world.heap()
    for number in range(8):
        world.shop.CARTS[f"user-{number}"] = [number]
        heap.look()
        world.library.TABLE[f"key-{number}"] = [number]
        heap.look()
        heap.settle()
    before, places = heap.look_at_own()
    assert places is not None
    world.shop.CARTS["user-1"].append(2)
    after, _ = heap.look_at_own()
    assert [change.container for change in changes(before, after)] == [world.shop.CARTS["user-1"]]


def test_few_of_the_chunks_are_looked_at(world: World) -> None:
    heap = world.heap()
    own = heap._own
    assert own is not None
    kinds = [chunk.kind for position in own.positions if (chunk := heap._chunks[position])]
    assert len(kinds) == len(set(kinds))


def test_no_containers_of_others_are_looked_at(world: World) -> None:
    heap = world.heap()
    own = heap._own
    assert own is not None
    looked_at = [
        thing for position in own.positions if (chunk := heap._chunks[position]) for thing in chunk.containers
    ]
    assert own.find().issuperset(map(identity, looked_at))


def test_only_what_the_heap_keeps_counts(world: World) -> None:
    heap = world.heap()
    assert heap._own is not None
    assert heap._own.find() <= set(map(identity, heap.things()))
