"""What changed in a container, and which changes are none."""

from __future__ import annotations

import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.heap.change import Change
from pytest_stateless.heap.chunk import make_chunk
from pytest_stateless.heap.diff import ABSENT, WHOLE, Changes, Entry, entries, summarise
from pytest_stateless.heap.graph import Kind, identity, plan_of

Act = Callable[[Any], object]


class Slots:
    """An instance of names that are known beforehand."""

    __slots__ = ("alpha", "beta", "gamma")

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Other(Slots):
    """Another class of the same layout."""

    __slots__ = ()


class Plain:
    """An instance of any names."""

    def __init__(self, **values: object) -> None:
        vars(self).update(values)

    def get(self) -> None: ...

    def put(self) -> None: ...


class Shelf(dict[Any, Any]):
    """A dictionary of a class of its own."""

    __slots__ = ("alpha",)


class OtherPlain(Plain):
    """Another class of such instances."""


class Slotted:
    """An instance with slots."""

    __slots__ = ("one", "two")

    def __init__(self, *values: object) -> None:
        for name, value in zip(self.__slots__, values, strict=False):
            setattr(self, name, value)


class RefusalError(ValueError):
    """Holds what its attributes don't show."""

    code = 1

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        vars(self)["code"] = 2


class Equal(Plain):
    """Equal to all, if it were asked."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("asked")

    __hash__ = object.__hash__


A, B, C = Plain(), Plain(), Plain()


def change_of(container: Any, act: Act, kind: Kind | None = None) -> Change:
    """A container before and after something happened to it."""
    plan = plan_of(type(container))
    if plan.namespace is not None:
        plan.namespace(container)
    kind = plan.kind if kind is None else kind
    before = make_chunk(kind, (container,), plan_of)
    act(container)
    after = make_chunk(kind, (container,), plan_of)
    assert before is not None
    assert after is not None
    return Change(kind, container, next(before.contents()), next(after.contents()))


def told(change: Change, changed: Changes | None = None) -> list[tuple[object, ...]]:
    """Entries with words for what is nothing."""
    words = {identity(ABSENT): "-", identity(WHOLE): "*"}
    return [
        tuple(words.get(identity(part), part) for part in entry) for entry in entries(change, changed or {})
    ]


@pytest.mark.parametrize(
    ("container", "act", "found"),
    [
        pytest.param({"a": A}, lambda c: c.update(b=B), [("b", "-", B)], id="dict-added"),
        pytest.param({"a": A}, lambda c: c.clear(), [("a", A, "-")], id="dict-removed"),
        pytest.param({"a": A}, lambda c: c.update(a=B), [("a", A, B)], id="dict-changed"),
        pytest.param({1: A}, lambda c: c.update({1: B, 2: C}), [(1, A, B), (2, "-", C)], id="dict-of-numbers"),
        pytest.param({"a": A, "b": B}, lambda c: c.update(a=B, b=A), [("a", A, B), ("b", B, A)], id="dict-swapped"),
        pytest.param({"a": A}, lambda c: c.update({5: B}), [(5, "-", B)], id="dict-of-text-gets-a-number"),
        pytest.param({1: A}, lambda c: (c.clear(), c.update({True: A})), [(True, "-", A), (1, A, "-")],
                     id="equal-key-of-another-type"),
        pytest.param({"a": A, "b": B}, lambda c: c.update(a=c.pop("a")), [], id="dict-order"),
        pytest.param({Equal(): A}, lambda c: c.update({Equal(): A}), None, id="hostile-keys"),
        pytest.param(OrderedDict(a=A), lambda c: c.update(b=B), [("b", "-", B)], id="ordered-dict"),
        pytest.param(Counter("a"), lambda c: c.update("b"), [("b", "-", 1)], id="counter"),
        pytest.param(defaultdict(list), lambda c: c["a"], [], id="defaultdict-asked"),
        pytest.param(defaultdict(list, a=[]), lambda c: c.clear(), [], id="defaultdict-emptied-of-nothing"),
        pytest.param(defaultdict(list), lambda c: c["a"].append(A), [("a", "-", [A])], id="defaultdict-added"),
        pytest.param({}, lambda c: c.update(a=[]), [("a", "-", [])], id="dict-gets-an-empty-list"),
        pytest.param([A], lambda c: c.append(B), [("*", "-", B)], id="list-grown"),
        pytest.param([A, B], lambda c: c.pop(0), [("*", A, "-")], id="list-shrunk"),
        pytest.param([A, B], lambda c: c.reverse(), [(0, A, B), (1, B, A)], id="list-reversed"),
        pytest.param([A], lambda c: c.append(A), [("*", "-", A)], id="list-has-it-twice"),
        pytest.param([A, B], lambda c: c.__setitem__(slice(None), [C]), [("*", A, C), ("*", B, "-")], id="list-replaced"),
        pytest.param([1000, A], lambda c: c.__setitem__(slice(None), [int("1000")]), [("*", A, "-")],
                     id="list-shrunk-with-an-equal-number"),
        pytest.param([A, "x" * 9], lambda c: c.__setitem__(slice(None), ["".join("x" * 9)]), [("*", A, "-")],
                     id="list-shrunk-with-an-equal-text-elsewhere"),
        pytest.param(deque([A, B]), lambda c: c.rotate(), [(0, A, B), (1, B, A)], id="deque-rotated"),
        pytest.param(deque(), lambda c: c.append(A), [("*", "-", A)], id="deque-grown"),
        pytest.param({A}, lambda c: c.add(B), [("*", "-", B)], id="set-grown"),
        pytest.param({A}, lambda c: (c.clear(), c.add(B)), [("*", A, "-"), ("*", "-", B)], id="set-replaced"),
        pytest.param({1000}, lambda c: (c.clear(), c.add(int("1000"))), [], id="set-of-an-equal-number"),
        pytest.param({(1, "a")}, lambda c: (c.clear(), c.add((1, "".join(["a"])))), [], id="set-of-an-equal-tuple"),
        pytest.param(Slots(alpha=A), lambda c: setattr(c, "alpha", B), [("alpha", A, B)], id="slot-changed"),
        pytest.param(Slots(beta=A), lambda c: setattr(c, "alpha", B), [("alpha", "-", B)], id="slot-set"),
        pytest.param(Slots(alpha=A, beta=B), lambda c: delattr(c, "alpha"), [("alpha", A, "-")], id="slot-deleted"),
        pytest.param(Slots(alpha=1000), lambda c: setattr(c, "alpha", int("1000")), [], id="slot-equal"),
        pytest.param(Slots(alpha=A), lambda c: (delattr(c, "alpha"), setattr(c, "beta", B)),
                     [("alpha", A, "-"), ("beta", "-", B)], id="one-slot-for-another"),
        pytest.param(Slots(alpha=A), lambda c: setattr(c, "__class__", Other), [("__class__", Slots, Other)], id="class"),
        pytest.param(Slots(alpha=int), lambda c: setattr(c, "__class__", Other), [("__class__", Slots, Other)],
                     id="class-of-what-holds-a-class"),
        pytest.param(Shelf(a=A), lambda c: c.update(b=B), [("b", "-", B)], id="items-of-a-dict-with-slots"),
        pytest.param(Plain(), lambda c: setattr(c, "__dict__", {"a": A}), [("a", "-", A)], id="namespace-replaced"),
        pytest.param(Plain(a=1000), lambda c: setattr(c, "__dict__", {"a": int("1000")}), [],
                     id="namespace-replaced-by-an-equal-one"),
        pytest.param(Plain(a=A), lambda c: setattr(c, "__dict__", {"a": B}), [("a", A, B)], id="namespace-with-another"),
        pytest.param(Plain(a=A), lambda c: setattr(c, "__dict__", {"a": A, "b": B}), [("b", "-", B)],
                     id="namespace-with-one-more"),
        pytest.param(types.CellType(A), lambda c: setattr(c, "cell_contents", B), [("*", A, B)], id="cell"),
        pytest.param(types.CellType(1000), lambda c: setattr(c, "cell_contents", int("1000")), [], id="cell-equal"),
        pytest.param(types.CellType(A), lambda c: delattr(c, "cell_contents"), [("*", A, "-")], id="cell-emptied"),
        pytest.param(iter([A]), list, [("*", [A], "-")], id="iterator-exhausted"),
    ],
)  # fmt: skip
def test_what_differs_is_told_entry_by_entry(
    container: Any, act: Act, found: list[tuple[object, ...]] | None
) -> None:
    change = change_of(container, act)
    if found is None:
        assert len(entries(change, {})) == 1
    else:
        assert told(change) == found


def test_an_attribute_less_in_another_namespace_is_told() -> None:
    change = change_of(Plain(a=A, b=B), lambda thing: setattr(thing, "__dict__", {"a": A}))
    (entry,) = entries(change, {})
    assert (entry.before, entry.after) == (B, ABSENT)


def test_slots_of_a_container_are_told_without_its_items() -> None:
    shelf = Shelf(a=A)

    def act(thing: Any) -> None:
        thing.alpha = B
        thing["b"] = C

    assert told(change_of(shelf, act, Kind.SLOTS)) == [("alpha", "-", B)]


def test_a_class_that_hides_its_dictionary_hides_no_change() -> None:
    class Liar:
        __dict__ = property(lambda self: {})  # type: ignore[assignment]

    liar: Any = Liar()
    liar.kept = A
    found = entries(change_of(liar, lambda thing: setattr(thing, "kept", B)), {})
    # 3.10 keeps attributes in a dictionary, which is a container of its own.
    assert [(entry.before, entry.after) for entry in found] in ([(A, B)], [])


def test_attributes_that_moved_to_a_dictionary_are_no_change_of_their_instance() -> None:
    thing = Plain(a=A)

    def act(thing: Any) -> None:
        for number in range(50):
            setattr(thing, f"a{number}", B)

    namespace = change_of(thing.__dict__, lambda _: None)
    change = change_of(thing, act)
    assert entries(change, {identity(thing.__dict__): namespace}) == []


# --------------------------------------------------------------------------------------------------- equality


def _cycle() -> list[Any]:
    made: list[Any] = [int("1000")]
    made.append(made)
    return made


def _deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(3000):
        made = [made]
    return made


class Text(str):
    """Text of another type."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("make", "another", "equal"),
    [
        pytest.param(lambda: int("1000"), None, True, id="int"),
        pytest.param(lambda: 1, lambda: True, False, id="int-and-bool"),
        pytest.param(lambda: 1, lambda: 1.0, False, id="int-and-float"),
        pytest.param(lambda: float("nan"), None, True, id="nan"),
        pytest.param(lambda: float("nan"), lambda: 1.0, False, id="nan-and-number"),
        pytest.param(lambda: complex("nan"), None, True, id="complex-nan"),
        pytest.param(lambda: "".join("ab"), None, True, id="text"),
        pytest.param(lambda: "ab", lambda: Text("ab"), False, id="text-of-a-subclass"),
        pytest.param(lambda: Text("ab"), None, False, id="of-one-subclass"),
        pytest.param(lambda: bytearray(b"a"), None, True, id="bytearray"),
        pytest.param(lambda: bytearray(b"a"), lambda: b"a", False, id="bytearray-and-bytes"),
        pytest.param(lambda: range(9), None, True, id="range"),
        pytest.param(lambda: [1000, [2000]], lambda: [int("1000"), [2000]], True, id="nested-lists"),
        pytest.param(lambda: [1, [2]], lambda: [1, [3]], False, id="nested-lists-that-differ"),
        pytest.param(lambda: [1], lambda: (1,), False, id="list-and-tuple"),
        pytest.param(lambda: [1], lambda: [1, 2], False, id="longer-list"),
        pytest.param(lambda: (1, [2]), None, True, id="tuple"),
        pytest.param(lambda: deque([1]), None, True, id="deque"),
        pytest.param(lambda: deque([1]), lambda: deque([1], maxlen=3), False, id="deque-with-a-bound"),
        pytest.param(lambda: {1, "a", (2, frozenset({3}))}, None, True, id="set"),
        pytest.param(lambda: {1, 2}, lambda: {1, 3}, False, id="sets-that-differ"),
        pytest.param(lambda: {1}, lambda: {True}, False, id="sets-of-other-types"),
        pytest.param(lambda: {1}, lambda: frozenset({1}), False, id="set-and-frozenset"),
        pytest.param(lambda: {"a": {"b": [1]}}, None, True, id="dicts"),
        pytest.param(lambda: {"a": 1, "b": 2}, lambda: {"b": 2, "a": 1}, True, id="dicts-of-another-order"),
        pytest.param(lambda: {"a": 1}, lambda: {"b": 1}, False, id="dicts-of-other-keys"),
        pytest.param(lambda: {"a": 1}, lambda: {"a": 2}, False, id="dicts-of-other-values"),
        pytest.param(lambda: {1: "a"}, lambda: {True: "a"}, False, id="dicts-of-other-types-of-keys"),
        pytest.param(lambda: {"a": 1}, lambda: OrderedDict(a=1), False, id="dict-and-ordered-dict"),
        pytest.param(lambda: OrderedDict(a=1), None, True, id="ordered-dict"),
        pytest.param(lambda: Counter("aab"), None, True, id="counter"),
        pytest.param(lambda: defaultdict(list, a=[1]), None, True, id="defaultdict"),
        pytest.param(lambda: defaultdict(list, a=[1]), lambda: defaultdict(set, a=[1]), False,
                     id="defaultdict-of-another-default"),
        pytest.param(lambda: Shelf(a=1), None, False, id="dict-subclass"),
        pytest.param(lambda: [A], None, True, id="list-of-the-same-object"),
        pytest.param(lambda: [Plain()], None, False, id="list-of-other-objects"),
        pytest.param(lambda: Plain(a=1, b=[2]), None, True, id="instances-that-hold-the-same"),
        pytest.param(lambda: Plain(a=1), lambda: Plain(a=2), False, id="instances-that-differ"),
        pytest.param(lambda: Plain(a=1), lambda: Plain(b=1), False, id="instances-of-other-attributes"),
        pytest.param(lambda: Plain(a=Plain(b=1)), None, True, id="instances-in-instances"),
        pytest.param(lambda: Plain(a=1), lambda: OtherPlain(a=1), False, id="instances-of-other-classes"),
        pytest.param(lambda: Plain(a=1).get, None, True, id="methods-of-instances-that-hold-the-same"),
        pytest.param(lambda: Plain(a=1).get, lambda: Plain(a=2).get, False, id="methods-of-instances-that-differ"),
        pytest.param(lambda: Plain(a=1).get, lambda: Plain(a=1).put, False, id="other-methods"),
        pytest.param(lambda: weakref.ref(A, print), None, True, id="weak-references-to-one-thing"),
        pytest.param(lambda: weakref.ref(A, print), lambda: weakref.ref(B, print), False, id="weak-references-to-two"),
        pytest.param(lambda: Slotted(1, 2), None, True, id="slots-that-hold-the-same"),
        pytest.param(lambda: Slotted(1), None, True, id="slots-of-which-one-is-empty"),
        pytest.param(lambda: Slotted(1), lambda: Slotted(1, 2), False, id="slots-of-which-one-was-filled"),
        pytest.param(lambda: Equal(a=1), lambda: Equal(a=2), False, id="objects-that-say-they-are-equal"),
        pytest.param(lambda: RefusalError(1), None, False, id="exceptions-that-hold-more-than-attributes"),
        pytest.param(object, None, False, id="sentinel"),
        pytest.param(Equal, None, False, id="object-that-is-equal-to-all"),
        pytest.param(lambda: [Equal()], None, False, id="list-of-such-objects"),
        pytest.param(lambda: {Equal()}, None, False, id="set-of-such-objects"),
        pytest.param(lambda: {Equal(): 1}, None, False, id="dict-of-such-objects"),
        pytest.param(_cycle, None, True, id="cycle"),
        pytest.param(lambda: [1000, _cycle()], lambda: [_cycle(), 1000], False, id="cycle-elsewhere"),
        pytest.param(_deep, None, True, id="deeper-than-the-stack"),
        pytest.param(lambda: [_deep()], lambda: [[_deep()]], False, id="deeper-by-one"),
        pytest.param(lambda: list(map(str, range(50_000))), None, True, id="long"),
        pytest.param(lambda: set(map(str, range(50_000))), None, True, id="large-set"),
        pytest.param(lambda: None, lambda: 0, False, id="none-and-zero"),
    ],
)  # fmt: skip
def test_only_plain_values_of_the_same_types_are_equal(
    make: Callable[[], Any], another: Callable[[], Any] | None, equal: bool
) -> None:
    one, other = make(), (another or make)()
    change = change_of({"key": one}, lambda kept: kept.update(key=other))
    assert (entries(change, {}) == []) is equal


@pytest.mark.parametrize(
    ("container", "act", "now", "equal"),
    [
        pytest.param([1], lambda c: c.append(2), [1], True, id="list-as-it-was"),
        pytest.param([1], lambda c: c.append(2), [1, 2], False, id="list-as-it-became"),
        pytest.param([1, 2, 3], lambda c: c.clear(), [1, 2, 3], True, id="order-of-a-list"),
        pytest.param(deque([1]), lambda c: c.append(2), deque([1]), True, id="deque-as-it-was"),
        pytest.param({1}, lambda c: c.add(2), {1}, True, id="set-as-it-was"),
        pytest.param({1}, lambda c: c.add(2), {1, 2}, False, id="set-as-it-became"),
        pytest.param({"a": 1}, lambda c: c.clear(), {"a": 1}, True, id="dict-as-it-was"),
        pytest.param({"a": 1}, lambda c: c.update(b=1), {"a": 1, "b": 1}, False, id="dict-as-it-became"),
        pytest.param(
            Slotted(1), lambda c: setattr(c, "one", 2), Slotted(2), False, id="slots-as-they-became"
        ),
        pytest.param(
            Plain(a=1), lambda c: setattr(c, "a", 2), Plain(a=2), False, id="attribute-as-it-became"
        ),
    ],
)
def test_a_container_that_was_replaced_counts_as_what_it_was(
    container: Any, act: Act, now: Any, equal: bool
) -> None:
    inner = change_of(container, act)
    outer = change_of({"key": container}, lambda kept: kept.update(key=now))
    changed = {identity(change.container): change for change in (inner, outer)}
    assert (entries(outer, changed) == []) is equal


def test_no_metaclass_is_asked() -> None:
    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            raise AssertionError("asked")

        __hash__ = __instancecheck__ = __eq__  # type: ignore[assignment]

    class Of(metaclass=Meta):
        pass

    kept: Any = defaultdict(list)
    thing = Of()
    assert told(change_of(kept, lambda kept: kept.update(a=thing))) == [("a", "-", thing)]
    assert told(change_of(kept, lambda kept: kept.update(a=Of()))) != []


def test_entries_are_counted_by_what_happened() -> None:
    found = [Entry("a", ABSENT, 1), Entry("b", 1, ABSENT), Entry("c", 1, 2), Entry("d", None, 2)]
    assert summarise(found) == (1, 1, 2)
