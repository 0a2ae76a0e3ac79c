"""What is watched, what a look costs, and what snapshots say of each other."""

from __future__ import annotations

import contextlib
import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from pytest_stateless.heap.ancestry import ancestors
from pytest_stateless.heap.change import Snapshot, absorb, by_key, changes, safe_key, without
from pytest_stateless.heap.chunk import CHUNK, Chunk, Content, make_chunk
from pytest_stateless.heap.diff import entries
from pytest_stateless.heap.graph import Kind, identity, plan_of
from pytest_stateless.heap.scope import Scope, spelled_bases
from pytest_stateless.heap.snapshot import Heap

Act = Callable[[Any], object]


class Plain:
    """An instance of any names."""

    def __init__(self, **values: object) -> None:
        vars(self).update(values)


class Slots:
    """An instance of names that are known beforehand."""

    __slots__ = ("alpha", "beta", "gamma")

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Shelf(dict[Any, Any]):
    """A dictionary with slots."""

    __slots__ = ("alpha", "beta")


class Bag(set[Any]):
    """A set of a class of its own."""


A, B, C, D = Plain(), Plain(), Plain(), Plain()


@pytest.fixture
def shop() -> Iterator[Any]:
    """A loaded module with nothing in it."""
    module = sys.modules["stateless_shop"] = types.ModuleType("stateless_shop")
    yield module
    del sys.modules["stateless_shop"]


def heap_of(module: types.ModuleType, **scope: Any) -> Heap:
    """The memory that one module leads to."""
    return Heap({module.__name__: module}, Scope(frozenset({module.__name__}), **scope))


def watches(heap: Heap, container: object) -> bool:
    """Whether the heap sees what happens to a container."""
    return any(container is each for chunk in heap.look() if chunk for each in chunk.containers)


def changed(before: Snapshot, after: Snapshot) -> list[object]:
    """The containers that differ."""
    return [change.container for change in changes(before, after)]


# ------------------------------------------------------------------------------------------------- the scope


@pytest.mark.parametrize(
    ("scope", "name", "enters"),
    [
        pytest.param(Scope(), "shop", True, id="every-module"),
        pytest.param(Scope(frozenset({"shop"})), "shop", True, id="named"),
        pytest.param(Scope(frozenset({"shop"})), "shop.cart", False, id="not-named"),
        pytest.param(Scope(without_packages=frozenset({"tool"})), "tool.part", False, id="of-a-tool"),
        pytest.param(Scope(without_packages=frozenset({"tool"})), "toolbox", True, id="longer-name-than-the-tools"),
        pytest.param(Scope(frozenset({"tool"}), frozenset({"tool"})), "tool", False, id="named-and-left-out"),
    ],
)  # fmt: skip
def test_a_scope_knows_its_modules(scope: Scope, name: str, enters: bool) -> None:
    assert scope.enters_module(name) is enters


@pytest.mark.parametrize(
    ("scope", "cls", "kind"),
    [
        pytest.param(Scope(), Plain, Kind.OBJECT, id="all"),
        pytest.param(Scope(without_packages=frozenset({Plain.__module__.partition(".")[0]})), Plain, Kind.ATOM,
                     id="package-left-out"),
        pytest.param(Scope(without_types=frozenset({f"{Plain.__module__}.Plain"})), Plain, Kind.ATOM, id="type-left-out"),
        pytest.param(Scope(without_types=frozenset({"builtins.set"})), Bag, Kind.ATOM, id="base-left-out"),
        pytest.param(Scope(without_types=frozenset({"builtins.dict"})), OrderedDict, Kind.ATOM, id="builtin-base-left-out"),
        pytest.param(Scope(without_packages=frozenset({"builtins"})), dict, Kind.DICT, id="builtins-stay"),
        pytest.param(Scope(), str, Kind.ATOM, id="text"),
    ],
)  # fmt: skip
def test_a_scope_knows_its_types(scope: Scope, cls: type, kind: Kind) -> None:
    assert scope.plan(cls).kind is kind


def test_bases_are_spelled_by_their_modules() -> None:
    assert list(spelled_bases(Bag)) == [f"{__name__}.Bag", "builtins.set", "builtins.object"]
    assert list(spelled_bases(type("Nowhere", (), {"__module__": 5}))) == [".Nowhere", "builtins.object"]


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        pytest.param({}, ["hidden", "shown"], id="all"),
        pytest.param({"without_attributes": {f"{__name__}.Plain": frozenset({"hidden", "none"})}}, ["shown"], id="attribute"),
        pytest.param({"without_types": frozenset({f"{__name__}.Plain"})}, [], id="type"),
    ],
)  # fmt: skip
def test_what_the_scope_leaves_out_is_not_watched(scope: dict[str, Any], seen: list[str], shop: Any) -> None:
    shop.top = Plain(hidden=[], shown=[])
    hidden, shown = shop.top.hidden, shop.top.shown
    heap = heap_of(shop, **scope)
    assert [name for name, kept in (("hidden", hidden), ("shown", shown)) if watches(heap, kept)] == seen
    before = heap.look()
    hidden.append(1)
    shown.append(1)
    assert len(changed(before, heap.look())) == len(seen)


def test_objects_are_left_out_by_identity(shop: Any) -> None:
    shop.kept = []
    heap = heap_of(shop, without_objects=frozenset({identity(shop.kept)}))
    before = heap.look()
    shop.kept.append(1)
    assert changed(before, heap.look()) == []


def _function(module: str, says: str, kept: object) -> types.FunctionType:
    def function(cell: object = None) -> None: ...

    made = types.FunctionType(function.__code__, {"__name__": module}, argdefs=(kept,))
    made.__module__ = says
    return made


@pytest.mark.parametrize(
    ("home", "says", "entered"),
    [
        pytest.param("stateless_shop", "stateless_shop", True, id="own"),
        pytest.param("library", "library", False, id="a-librarys"),
        pytest.param("library", "stateless_shop", True, id="a-librarys-that-wraps-an-own"),
        pytest.param("tool", "stateless_shop", False, id="a-tools-that-wraps-an-own"),
    ],
)
def test_functions_are_entered_by_their_home(home: str, says: str, entered: bool, shop: Any) -> None:
    kept: list[int] = []
    shop.function = _function(home, says, kept)
    assert watches(heap_of(shop, without_packages=frozenset({"tool"})), kept) is entered


@pytest.mark.parametrize(
    ("module", "entered"),
    [("stateless_shop", True), ("library", False), (5, True)],
    ids=["own", "a-librarys", "nobodys"],
)
def test_classes_are_entered_by_their_home(module: object, entered: bool, shop: Any) -> None:
    kept: list[int] = []
    shop.Class = type("Class", (), {"__module__": module, "kept": kept})
    assert watches(heap_of(shop), kept) is entered


def test_a_module_without_a_name_is_watched(shop: Any) -> None:
    shop.kept = kept = []
    shop.__name__ = None
    assert watches(Heap({"stateless_shop": shop}, Scope(frozenset())), kept)


def test_what_is_in_sys_modules_and_no_module_is_watched() -> None:
    kept: list[int] = []
    modules: Any = {"odd": Plain(kept=kept)}
    heap = Heap(modules, Scope(frozenset()))
    assert watches(heap, kept)
    assert heap.has_module("odd") is False
    assert Heap(modules, Scope()).has_module("odd")


# -------------------------------------------------------------------------------------------------- looking


def test_a_look_at_what_did_not_change_shares_everything(shop: Any) -> None:
    shop.carts = {"bob": [1, {2}, deque([3]), Plain(a=1), Slots(alpha=1), Shelf(a=1)]}
    heap = heap_of(shop)
    before = heap.look()
    after = heap.look()
    assert before is not after
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert heap.churn == 0


@pytest.mark.parametrize("number", [0, CHUNK - 1, CHUNK, 3 * CHUNK])
def test_the_container_that_changed_is_told_of_many(number: int, shop: Any) -> None:
    shop.carts = [[position] for position in range(3 * CHUNK + 1)]
    heap = heap_of(shop)
    before = heap.look()
    shop.carts[number].append(1)
    (found,) = changed(before, heap.look())
    assert found is shop.carts[number]


@pytest.mark.parametrize(
    ("make", "grow"),
    [
        pytest.param(list, lambda top, new: top.append(new), id="in-a-list"),
        pytest.param(lambda: [None], lambda top, new: top.__setitem__(0, new), id="in-place-of-another"),
        pytest.param(dict, lambda top, new: top.update(a=new), id="in-a-dict"),
        pytest.param(OrderedDict, lambda top, new: top.update(a=new), id="in-an-ordered-dict"),
        pytest.param(Plain, lambda top, new: setattr(top, "kept", new), id="as-an-attribute"),
        pytest.param(Slots, lambda top, new: setattr(top, "alpha", new), id="in-a-slot"),
        pytest.param(Shelf, lambda top, new: setattr(top, "alpha", new), id="in-a-slot-of-a-dict"),
        pytest.param(deque, lambda top, new: top.append(new), id="in-a-deque"),
        pytest.param(lambda: type("Class", (), {"__module__": None}), lambda top, new: setattr(top, "kept", new),
                     id="on-a-class"),
        pytest.param(lambda: _function("stateless_shop", "", 1), lambda top, new: setattr(top, "kept", new),
                     id="on-a-function"),
        pytest.param(dict, lambda top, new: top.update({Slots(alpha=new): 1}), id="held-by-a-key"),
        pytest.param(OrderedDict, lambda top, new: top.update({Slots(alpha=new): 1}), id="held-by-a-key-of-an-ordered-dict"),
        pytest.param(set, lambda top, new: top.add(Slots(alpha=new)), id="held-in-a-set"),
        pytest.param(Bag, lambda top, new: top.add(Slots(alpha=new)), id="held-in-a-subclass-of-set"),
        pytest.param(list, lambda top, new: top.append((1, (new,))), id="in-tuples"),
        pytest.param(Plain, lambda top, new: setattr(top, "__dict__", {"kept": new}), id="in-another-dictionary"),
    ],
)  # fmt: skip
def test_what_arrives_is_watched_from_then_on(
    make: Callable[[], Any], grow: Callable[[Any, Any], object], shop: Any
) -> None:
    shop.top = make()
    heap = heap_of(shop)
    heap.look()
    new: list[int] = []
    grow(shop.top, new)
    before = heap.look()
    assert watches(heap, new)
    new.append(1)
    assert [found is new for found in changed(before, heap.look())] == [True]


def test_functions_with_attributes_from_the_start_are_watched(shop: Any) -> None:
    shop.function = _function("stateless_shop", "", 1)
    shop.function.calls = 1
    heap = heap_of(shop)
    before = heap.look()
    shop.function.calls = 2
    assert changed(before, heap.look()) == [{"calls": 2}]


def test_the_dictionaries_of_functions_may_be_of_a_subclass(shop: Any) -> None:
    class Hostile(dict[str, int]):
        def __len__(self) -> int:
            raise AssertionError("asked")

        __iter__ = keys = __bool__ = __len__  # type: ignore[assignment]

    shop.function = _function("stateless_shop", "", 1)
    shop.function.__dict__ = Hostile()
    heap = heap_of(shop)
    before = heap.look()
    shop.function.calls = 1
    assert [found is shop.function.__dict__ for found in changed(before, heap.look())] == [True]


def test_attributes_set_in_another_order_keep_their_names(shop: Any) -> None:
    """3.11 and later share the names of attributes, in the order of the first instance of the class."""
    cls: Any = type("Class", (), {"__module__": None})
    first, second = cls(), cls()
    first.alpha, first.beta = 1000, 2000
    second.beta, second.alpha = 3000, 4000
    shop.things = [first, second]
    heap = heap_of(shop)
    before = heap.look()
    second.gamma = 5000
    (change,) = (change for change in changes(before, heap.look()) if change.container is vars(second))
    assert dict(by_key(change.before).values()) == {"beta": 3000, "alpha": 4000}
    assert dict(by_key(change.after).values()) == vars(second)
    heap.settle()
    before = heap.look()
    del second.gamma
    (change,) = (change for change in changes(before, heap.look()) if change.container is vars(second))
    assert dict(by_key(change.before).values()) == {"beta": 3000, "alpha": 4000, "gamma": 5000}
    assert dict(by_key(change.after).values()) == {"beta": 3000, "alpha": 4000}


@pytest.mark.parametrize("names", [("alpha",), ("beta", "alpha")])
def test_a_namespace_that_is_met_before_its_instance_is_watched(names: tuple[str, ...], shop: Any) -> None:
    """On 3.13 it shows nothing of what it holds: that lies in the instance."""
    thing: Any = Plain(**dict.fromkeys(names, 1000))
    shop.kept = [vars(thing), [[thing]]]
    heap = heap_of(shop)
    for value in ([1], [2]):
        before = heap.look()
        thing.alpha = value
        (change,) = (change for change in changes(before, heap.look()) if entries(change, {}))
        assert change.container is vars(thing)
        assert by_key(change.after)["str", "alpha"] == ("alpha", value)


def test_a_namespace_that_is_met_empty_before_its_instance_is_watched(shop: Any) -> None:
    thing: Any = Plain()
    shop.kept = [vars(thing), [[thing]]]
    heap = heap_of(shop)
    before = heap.look()
    thing.alpha = 1000
    (change,) = (change for change in changes(before, heap.look()) if entries(change, {}))
    assert change.before == Content([], [])
    assert dict(by_key(change.after).values()) == {"alpha": 1000}


def test_what_a_namespace_holds_is_watched_where_nothing_leads_to_its_instance(shop: Any) -> None:
    thing: Any = Plain(kept=[])
    shop.kept = [vars(thing)]
    heap = heap_of(shop)
    before = heap.look()
    thing.kept.append(A)
    assert [found is thing.kept for found in changed(before, heap.look())] == [True]


def test_churn_counts_what_was_replaced(shop: Any) -> None:
    shop.kept = [A, B]
    heap = heap_of(shop)
    shop.kept[:] = [C, D]
    heap.look()
    assert heap.churn == 2
    shop.kept.clear()
    heap.look()
    assert heap.churn == 4


def test_containers_and_references_are_counted(shop: Any) -> None:
    heap = heap_of(shop)
    containers, references = heap.containers, heap.references
    shop.kept = [[A], [B]]
    heap.look()
    assert heap.containers - containers >= 3
    assert heap.references - references >= 5


def test_small_chunks_are_joined(shop: Any) -> None:
    shop.carts = {}
    heap = heap_of(shop)
    heap.look()
    heap.settle()
    for number in range(2 * CHUNK):
        shop.carts[number] = [number]
        heap.look()
    assert heap.is_scattered
    containers, references = heap.containers, heap.references
    heap.settle()
    assert not heap.is_scattered
    assert (heap.containers, heap.references) == (containers, references)
    before = heap.look()
    for number in (0, CHUNK, 2 * CHUNK - 1):
        shop.carts[number].append(1)
    found = changed(before, heap.look())
    assert [any(one is shop.carts[number] for one in found) for number in (0, CHUNK, 2 * CHUNK - 1)] == [
        True
    ] * 3
    assert len(found) == 3


def test_large_chunks_stay_when_small_ones_are_joined(shop: Any) -> None:
    shop.carts = [[] for _ in range(CHUNK)]
    heap = heap_of(shop)
    whole = [chunk for chunk in heap.look() if chunk and len(chunk.containers) >= CHUNK // 2]
    assert whole
    heap.settle()
    after = heap.look()
    assert all(any(chunk is kept for kept in after) for chunk in whole)


def pieces(heap: Heap, container: object) -> list[Chunk]:
    return [chunk for chunk in heap.look() if chunk and any(one is container for one in chunk.containers)]


def test_what_changes_again_and_again_ends_up_in_a_small_chunk(shop: Any) -> None:
    shop.carts = [[number] for number in range(CHUNK)]
    heap = heap_of(shop)
    restless, still = shop.carts[100], shop.carts[101]
    containers = heap.containers
    for number in range(40):
        restless.append(number)
        heap.look()
        heap.settle()
    (chunk,) = pieces(heap, restless)
    assert len(chunk.containers) <= 8
    assert heap.containers == containers
    before = heap.look()
    still.append(1)
    restless.append(1)
    assert len(changed(before, heap.look())) == 2


def test_restless_chunks_stay_small_when_others_are_joined(shop: Any) -> None:
    shop.carts = [[number] for number in range(CHUNK)]
    shop.more = {}
    heap = heap_of(shop)
    restless = shop.carts[100]
    for number in range(2 * CHUNK):
        restless.append(number)
        shop.more[number] = [number]
        heap.look()
        heap.settle()
    (chunk,) = pieces(heap, restless)
    assert len(chunk.containers) <= 8
    assert not heap.is_scattered


def test_a_chunk_that_changed_once_stays_whole(shop: Any) -> None:
    shop.carts = [[number] for number in range(CHUNK)]
    heap = heap_of(shop)
    shop.carts[0].append(1)
    heap.look()
    before = pieces(heap, shop.carts[0])
    heap.settle()
    assert all(one is other for one, other in zip(before, pieces(heap, shop.carts[0]), strict=True))


def test_looking_again_looks_at_the_named_modules_alone(shop: Any) -> None:
    other = types.ModuleType("other")
    shop.cart = []
    heap = Heap({"shop": shop, "other": other}, Scope())
    before = heap.look()
    shop.cart.append(1)
    vars(other)["count"] = 1
    again = heap.look_again(["other", "missing"])
    assert [one is vars(other) for one in changed(before, again)] == [True]
    assert [one is shop.cart for one in changed(again, heap.look())] == [True]


def test_a_namespace_apart_is_alone_and_watched_once_with_all_that_it_leads_to(shop: Any) -> None:
    other: Any = types.ModuleType("other")
    other.carts = [[]]
    shop.cart = []
    heap = Heap({"shop": shop, "other": other}, Scope(), apart=("other", "missing"))
    homes = [chunk for chunk in heap.look() if chunk and any(one is vars(other) for one in chunk.containers)]
    assert [len(chunk.containers) for chunk in homes] == [1]
    assert [watches(heap, one) for one in (shop.cart, other.carts, other.carts[0])] == [True] * 3
    before = heap.look()
    other.carts[0].append(1)
    other.count = 1
    found = changed(before, heap.look_again(["other"]))
    assert [one is vars(other) for one in found] == [True]
    assert len(changed(before, heap.look())) == 2


def test_what_arrives_when_looking_again_is_watched(shop: Any) -> None:
    heap = heap_of(shop)
    heap.look()
    shop.filters = ["a"]
    before = heap.look_again([shop.__name__])
    assert watches(heap, shop.filters)
    shop.filters.append("b")
    assert changed(before, heap.look()) == [shop.filters]


def test_a_module_that_is_met_begins_with_what_it_holds_then(shop: Any) -> None:
    later = types.ModuleType("stateless_later")
    vars(later)["kept"] = [A]
    modules = {shop.__name__: shop}
    heap = Heap(modules, Scope())
    before = heap.look()
    modules["stateless_later"] = later
    heap.meet()
    assert changed(heap.begun(before), heap.look()) == [modules]
    vars(later)["kept"].append(B)
    assert changed(before, heap.look()) == [modules]
    assert changed(heap.begun(before), heap.look()) == [modules, vars(later)["kept"]]
    assert heap.begun(heap.look()) == heap.look()


def test_what_was_met_is_forgotten_when_the_heap_settles(shop: Any) -> None:
    heap = heap_of(shop)
    before = heap.look()
    heap._modules["stateless_later"] = types.ModuleType("stateless_later")
    heap.scope = Scope()
    heap.meet()
    assert len(heap.begun(before)) > len(before)
    heap.settle()
    assert heap.begun(before) == before


def test_a_container_that_no_module_leads_to_is_watched_no_longer(shop: Any) -> None:
    shop.carts, shop.kept = {"bob": [A]}, [B]
    gone = shop.carts["bob"]
    heap = heap_of(shop)
    heap.look()
    shop.carts.clear()
    gone.append(B)
    heap.look()
    heap.lose([identity(gone), identity(shop.kept)], ancestors([gone, shop.kept], heap))
    assert heap.lost == {identity(gone)}
    heap.settle()
    assert not watches(heap, gone)
    assert watches(heap, shop.kept)


def test_a_container_that_a_module_leads_to_again_is_watched_again(shop: Any) -> None:
    shop.carts = {"bob": [A]}
    gone = shop.carts.pop("bob")
    heap = heap_of(shop)
    shop.carts["bob"] = gone
    heap.look()
    del shop.carts["bob"]
    heap.look()
    heap.lose([identity(gone)], ancestors([gone], heap))
    heap.settle()
    shop.carts["eve"] = gone
    before = heap.look()
    gone.append(B)
    assert changed(before, heap.look()) == [gone]


def test_who_was_asked_about_is_not_asked_again_until_the_next_look(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.kept = [A]
    heap = heap_of(shop)
    heap.lose([identity(shop.kept)], ancestors([shop.kept], heap))
    with monkeypatch.context() as patch:
        patch.setattr(Heap, "_discover", None)
        heap.lose([identity(shop.kept)], ancestors([shop.kept], heap))
    kept, shop.kept = shop.kept, None
    heap.look()
    heap.lose([identity(kept)], ancestors([kept], heap))
    assert heap.lost == {identity(kept)}


def test_a_heap_does_not_watch_itself(shop: Any) -> None:
    shop.heap = heap = heap_of(shop)
    before = heap.look()
    assert changed(before, heap.look()) == []


# -------------------------------------------------------------------------------- containers that don't hold still


class Restless(tuple[Any, ...]):
    """Containers of which there are others whenever they are asked for."""

    __slots__ = ()
    turns: list[Iterable[Any]]

    def __iter__(self) -> Iterator[Any]:
        turn = self.turns.pop(0) if self.turns else super().__iter__()
        if isinstance(turn, Exception):
            raise turn
        return iter(turn)


def restless(*turns: Any) -> Any:
    """A list within, after the turns before."""
    made = type("Restless", (Restless,), {"turns": list(turns), "__slots__": ()})
    return made(([A],))


@pytest.mark.parametrize(
    ("containers", "referents"),
    [
        pytest.param(restless(), [A], id="still"),
        pytest.param(restless([[A], [B]]), [A], id="more-for-a-moment"),
        pytest.param(restless(RuntimeError()), [A], id="size-changed-for-a-moment"),
        pytest.param(restless(*[[[A], [B]], [[A]]] * 5), None, id="more-again-and-again"),
        pytest.param(restless(*[RuntimeError()] * 5), None, id="size-changed-again-and-again"),
    ],
)
def test_a_reading_is_tried_again_while_another_thread_interferes(
    containers: Any, referents: list[object] | None
) -> None:
    chunk = make_chunk(Kind.LIST, containers, plan_of)
    assert (chunk and chunk.referents) == referents


def _replaced(heap: Heap, kind: Kind, containers: Any) -> None:
    for position, chunk in enumerate(heap._chunks):
        if chunk is not None and chunk.kind is kind:
            heap._chunks[position] = chunk._replace(containers=containers)


@pytest.mark.parametrize("turns", [1, 6], ids=["once", "all-the-time"])
def test_a_look_survives_what_another_thread_does(turns: int, shop: Any) -> None:
    shop.kept = [A]
    heap = heap_of(shop)
    before = heap.look()
    _replaced(heap, Kind.LIST, restless(*[RuntimeError()] * turns))
    after = heap.look()
    assert changed(before, after) == []


# ------------------------------------------------------------------------------------------------- absorbing


def _snapshots(container: Any, acts: Iterable[Act]) -> Iterator[Snapshot]:
    kinds = [plan_of(type(container)).kind]
    if kinds[0] is not Kind.OBJECT and plan_of(type(container)).slots:
        kinds.append(Kind.SLOTS)
    for act in (lambda _: None, *acts):
        act(container)
        yield tuple(make_chunk(kind, (container,), plan_of) for kind in kinds)


def held(snapshot: Snapshot) -> list[Any]:
    """What the only container held: entries by their keys, or elements."""
    found: list[Any] = []
    for chunk in snapshot:
        assert chunk is not None
        (content,) = chunk.contents()
        if chunk.kind in (Kind.OBJECT, Kind.SLOTS):
            found.append(dict(zip(content.keys, content.referents, strict=False)))
        elif content.keys:
            found.append(dict(by_key(content).values()))
        else:
            found.append(content.referents)
    return found


@pytest.mark.parametrize(
    ("container", "test", "fixture", "absorbed"),
    [
        pytest.param({"a": A}, lambda c: None, lambda c: c.update(b=B), [{"a": A, "b": B}], id="fixture-only"),
        pytest.param({"a": A}, lambda c: c.update(b=B), lambda c: None, [{"a": A}], id="test-only"),
        pytest.param({"a": A}, lambda c: c.update(b=B), lambda c: c.update(c=C), [{"a": A, "c": C}], id="both-add"),
        pytest.param({"a": A}, lambda c: c.update(a=B), lambda c: c.update(c=C), [{"a": A, "c": C}], id="changed-and-added"),
        pytest.param({"a": A, "b": B}, lambda c: c.pop("a"), lambda c: c.pop("b"), [{"a": A}], id="both-remove"),
        pytest.param({"a": A}, lambda c: c.update(a=B), lambda c: c.update(a=C), [{"a": C}], id="both-change-one"),
        pytest.param({"a": A}, lambda c: c.update(b=B), lambda c: c.pop("b"), [{"a": A}], id="fixture-clears-up"),
        pytest.param({1: A}, lambda c: c.update({2: B}), lambda c: c.update({3: C}), [{1: A, 3: C}], id="number-keys"),
        pytest.param({D: A}, lambda c: c.update({B: B}), lambda c: c.update({C: C}), [{D: A, C: C}], id="object-keys"),
        pytest.param(OrderedDict(a=A), lambda c: c.update(b=B), lambda c: c.update(c=C), [{"a": A, "c": C}],
                     id="ordered-dict"),
        pytest.param(Slots(alpha=A, beta=B), lambda c: setattr(c, "alpha", C), lambda c: setattr(c, "beta", D),
                     [{"alpha": A, "beta": D}], id="slots-changed"),
        pytest.param(Slots(alpha=A), lambda c: setattr(c, "beta", B), lambda c: setattr(c, "gamma", C),
                     [{"alpha": A, "gamma": C}], id="slots-set"),
        pytest.param(Slots(alpha=A, beta=B), lambda c: delattr(c, "alpha"), lambda c: delattr(c, "beta"),
                     [{"alpha": A}], id="slots-deleted"),
        pytest.param(Shelf(), lambda c: setattr(c, "alpha", A), lambda c: (setattr(c, "beta", B), c.update(a=C)),
                     [{"a": C}, {"beta": B}], id="dict-with-slots"),
        pytest.param(deque([A]), lambda c: c.append(B), lambda c: c.append(C), [[A, C]], id="deque-grown"),
        pytest.param(deque([A, B]), lambda c: c.popleft(), lambda c: c.append(C), [[B, C, A]], id="deque-lost-and-grown"),
        pytest.param(deque([A, B]), lambda c: c.__setitem__(0, C), lambda c: c.__setitem__(1, D), [[A, D]],
                     id="deque-positions"),
        pytest.param([A], lambda c: c.append(B), lambda c: c.append(C), [[C, A]], id="list-from-its-end"),
        pytest.param(Bag([A]), lambda c: None, lambda c: c.clear(), [[]], id="set-cleared-by-the-fixture"),
    ],
)  # fmt: skip
def test_what_is_absorbed_was_there_already_and_nothing_else(
    container: Any, test: Act, fixture: Act, absorbed: list[Any]
) -> None:
    before, start, end = _snapshots(container, (test, fixture))
    assert held(absorb(before, start, end)) == absorbed


def test_what_was_absorbed_can_be_absorbed_again(shop: Any) -> None:
    shop.kept = {}
    heap = heap_of(shop)
    before = heap.look()
    for name in ("one", "two"):
        shop.kept[f"test-{name}"] = A
        start = heap.look()
        shop.kept[f"fixture-{name}"] = B
        before = absorb(before, start, heap.look())
    (change,) = changes(before, heap.look())
    assert set(by_key(change.before)) == {("str", "fixture-one"), ("str", "fixture-two")}


def test_containers_met_within_the_interval_belong_to_it(shop: Any) -> None:
    shop.kept = {}
    heap = heap_of(shop)
    before = heap.look()
    shop.kept["test"] = in_test = []
    start = heap.look()
    shop.kept["fixture"] = in_fixture = []
    end = heap.look()
    absorbed = absorb(before, start, end)
    in_test.append(1)
    in_fixture.append(1)
    found = changed(absorbed, heap.look())
    assert [any(one is other for one in found) for other in (shop.kept, in_test, in_fixture)] == [
        True,
        False,
        True,
    ]
    assert None in absorbed  # what the test itself brought in is told where it hangs


def test_nothing_absorbed_changes_nothing(shop: Any) -> None:
    shop.kept = [A]
    heap = heap_of(shop)
    before = heap.look()
    shop.kept.append(A)
    start = heap.look()
    absorbed = absorb(before, start, heap.look())
    assert all(one is other for one, other in zip(absorbed, before, strict=True))


# ------------------------------------------------------------------------------------------------------ keys


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("a" * 5, "".join("a" * 5), True, id="text"),
        pytest.param(1, True, False, id="number-and-bool"),
        pytest.param(1, 1.0, False, id="number-and-fraction"),
        pytest.param("a", b"a", False, id="text-and-bytes"),
        pytest.param((1, ("a",)), (1, tuple("a")), True, id="tuples"),
        pytest.param((1,), (True,), False, id="tuples-of-other-types"),
        pytest.param(frozenset({1, 2}), frozenset({2, 1}), True, id="frozensets"),
        pytest.param(frozenset({1}), frozenset({True}), False, id="frozensets-of-other-types"),
        pytest.param(range(3), range(3), True, id="ranges"),
        pytest.param(Plain(), Plain(), False, id="objects"),
        pytest.param(A, A, True, id="one-object"),
        pytest.param((A,), (A,), True, id="tuples-of-one-object"),
        pytest.param(("object", identity(A)), A, False, id="what-stands-for-an-object"),
    ],
)
def test_keys_are_compared_by_type_and_value(one: object, other: object, same: bool) -> None:
    assert (safe_key(one) == safe_key(other)) is same


def test_keys_deeper_than_the_stack_are_compared_by_identity_at_last() -> None:
    deep: tuple[Any, ...] = ()
    for _ in range(5000):
        deep = (deep,)
    assert safe_key(deep) == safe_key(deep)
    assert safe_key((deep, 1)) != safe_key((deep, 2))


@pytest.mark.parametrize(
    ("these", "those", "left"),
    [
        pytest.param([A, B], [B], [A], id="one"),
        pytest.param([A, A], [A], [A], id="as-often-as-it-has-too-many"),
        pytest.param([A], [A, A], [], id="fewer"),
        pytest.param([], [A], [], id="none"),
    ],
)
def test_without_counts(these: list[object], those: list[object], left: list[object]) -> None:
    assert without(these, those) == left


@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        pytest.param(Content([1, 2], ["a", "b"]), {"a": 1, "b": 2}, id="values"),
        pytest.param(Content([1, "a", 2, 5], ["a", 5]), {"a": 1, 5: 2}, id="values-and-keys"),
        pytest.param(Content([], []), {}, id="empty"),
    ],
)
def test_values_go_with_their_keys(content: Content, pairs: dict[object, object]) -> None:
    assert dict(by_key(content).values()) == pairs


def test_a_chunk_of_empty_dictionaries_holds_nothing() -> None:
    chunk = make_chunk(Kind.EMPTY_DICT, ({}, {}), plan_of)
    assert chunk == Chunk(Kind.EMPTY_DICT, ({}, {}), [], [], [], [])


def test_a_snapshot_holds_what_it_saw(shop: Any) -> None:
    shop.kept = [Plain()]
    heap = heap_of(shop)
    before = heap.look()
    number = identity(shop.kept[0])
    shop.kept.clear()
    made = []
    with contextlib.suppress(AssertionError):  # were the old one gone, a new one would take its place at once
        for _ in range(1000):
            made.append(Plain())
            assert identity(made[-1]) != number
    assert number not in map(identity, made)
    assert len(changed(before, heap.look())) == 1
