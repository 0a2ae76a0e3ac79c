"""What changed in a module's memory is told by its path; what is the same isn't."""

from __future__ import annotations

import sys
import textwrap
import types
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.detectors import Context, module_state
from pytest_stateless.expected import is_expected
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import SINCE, Leak
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources

NAME = "stateless_shop"

SHOP = """
from weakref import ref
from collections import Counter, OrderedDict, defaultdict, deque

class Cart:
    total = 0
    def __init__(self):
        self.items = ["tea"]
        self.owner = None

class Slim:
    __slots__ = ("items", "owner")
    def __init__(self):
        self.items = ["tea"]

class Names(list):
    pass

class Book(dict):
    pass

def counter():
    number = 0
    def count():
        nonlocal number
        number += 1
    return count

def keep(item, kept=[], *, also={}):
    kept.append(item)
    also[item] = True

count = counter()
cart, slim, names, book = Cart(), Slim(), Names(), Book()
RATE, NAN, NOTHING = 1.5, float("nan"), None
CARTS = {"bob": cart, "deep": {"er": [{"items": set()}]}}
LIST, SET, DEQUE, DEFAULT = [1, [2]], {1}, deque([1]), defaultdict(list)
ORDERED, COUNTER, PAIR = OrderedDict(a=1, b=2), Counter(a=1), (1, [2])
WEAK = [("receiver", ref(Cart))]
class Kind:
    pass

kind = Kind()
kind.holds = Slim

class Marked(dict):
    __slots__ = ("mark",)

odd = Cart()
odd.__dict__ = Marked(total=1000)
"""

Act = Callable[[Any], object]


@pytest.fixture
def shop() -> Iterator[types.ModuleType]:
    """A module with one of every kind of container."""
    module = types.ModuleType(NAME)
    sys.modules[NAME] = module
    exec(textwrap.dedent(SHOP), module.__dict__)
    yield module
    del sys.modules[NAME]


def context_of(*names: str, show_values: bool = False) -> Context:
    """What watches some modules only."""
    sources = Sources("/", frozenset(names))
    modules = {name: sys.modules[name] for name in names}
    return Context(
        sources, Recording(sources), (), lambda: Heap(modules, Scope(frozenset(names))), show_values
    )


def left_by(act: Act, shop: types.ModuleType, context: Context | None = None) -> list[Leak]:
    """What is left of an act on the shop, but for what is expected."""
    context = context or context_of(NAME)
    before = module_state.capture(context)
    act(shop)
    leaks = list(module_state.compare(before, module_state.capture(context)))
    return [leak for leak in leaks if not is_expected(leak)]


def told(leaks: list[Leak]) -> list[str]:
    """Subject and message of each, without the module's name."""
    return sorted(f"{leak.subject.removeprefix(NAME)}  {leak.message}" for leak in leaks)


@pytest.mark.parametrize(
    ("act", "lines"),
    [
        pytest.param(lambda m: setattr(m, "RATE", 2.5), [".RATE  changed: float"], id="rebound"),
        pytest.param(
            lambda m: setattr(m, "RATE", "two"), [".RATE  changed: str (3 characters), was float"], id="other-type"
        ),
        pytest.param(lambda m: setattr(m, "new", b"x"), [".new  added: bytes (1 byte)"], id="added"),
        pytest.param(lambda m: delattr(m, "LIST"), [".LIST  removed: list (2 items)"], id="deleted"),
        pytest.param(lambda m: m.CARTS.update(eve=[1]), [".CARTS['eve']  added: list (1 item)"], id="dict-added"),
        pytest.param(lambda m: m.CARTS.pop("bob"), [".CARTS['bob']  removed: Cart object"], id="dict-removed"),
        pytest.param(lambda m: m.CARTS["deep"]["er"][0]["items"].add(1),
                     [".CARTS['deep']['er'][0]['items']  added item: int"], id="deep"),
        pytest.param(lambda m: m.LIST.append(3), [".LIST  added item: int"], id="list-grown"),
        pytest.param(lambda m: m.LIST.pop(), [".LIST  removed item: list (1 item)"], id="list-shrunk"),
        pytest.param(lambda m: m.LIST.__setitem__(0, "x"), [".LIST[0]  changed: str (1 character), was int"],
                     id="list-item"),
        pytest.param(lambda m: m.SET.add(2), [".SET  added item: int"], id="set"),
        pytest.param(lambda m: m.DEQUE.appendleft(0), [".DEQUE  added item: int"], id="deque"),
        pytest.param(lambda m: m.DEFAULT["a"].append(1), [".DEFAULT['a']  added: list (1 item)"], id="defaultdict"),
        pytest.param(lambda m: m.ORDERED.update(c=3), [".ORDERED['c']  added: int"], id="ordered-dict"),
        pytest.param(lambda m: m.COUNTER.update("a"), [".COUNTER['a']  changed: int"], id="counter"),
        pytest.param(lambda m: m.PAIR[1].append(3), [".PAIR[1]  added item: int"], id="list-in-tuple"),
        pytest.param(lambda m: m.names.append("x"), [".names  added item: str (1 character)"], id="list-subclass"),
        pytest.param(lambda m: m.book.update(a=1), [".book['a']  added: int"], id="dict-subclass"),
        pytest.param(lambda m: setattr(m.cart, "owner", "eve"),
                     [".cart.owner  changed: str (3 characters), was None"], id="attribute"),
        pytest.param(lambda m: setattr(m.cart, "note", 1), [".cart.note  added: int"], id="attribute-added"),
        pytest.param(lambda m: delattr(m.cart, "owner"), [".cart.owner  removed: None"], id="attribute-removed"),
        pytest.param(lambda m: m.cart.items.append(1), [".cart.items  added item: int"], id="attribute-inside"),
        pytest.param(lambda m: setattr(m.slim, "items", 1), [".slim.items  changed: int, was list (1 item)"],
                     id="slot"),
        pytest.param(lambda m: setattr(m.slim, "owner", 1), [".slim.owner  added: int"], id="slot-set"),
        pytest.param(lambda m: delattr(m.slim, "items"), [".slim.items  removed: list (1 item)"], id="slot-deleted"),
        pytest.param(lambda m: setattr(m.Cart, "total", 9), [".Cart.total  changed: int"], id="class-attribute"),
        pytest.param(lambda m: setattr(m.keep, "calls", 1), [".keep.calls  added: int"], id="function-attribute"),
        pytest.param(
            lambda m: m.keep("x"),
            [".keep.<defaults>.kept  added item: str (1 character)", ".keep.<defaults>['also']['x']  added: bool"],
            id="mutable-defaults",
        ),
        pytest.param(lambda m: m.count(), [".count.<closure>.number  changed: int"], id="closure"),
        pytest.param(lambda m: setattr(m.cart, "__class__", type("Other", (m.Cart,), {})),
                     [".cart.__class__  changed: class Other, was class Cart"], id="class-replaced"),
        pytest.param(lambda m: m.CARTS.update({f"k{n}": n for n in range(250)}), [".CARTS  +250 keys"], id="many"),
        pytest.param(lambda m: m.CARTS.update({**{f"k{n}": n for n in range(9)}, "odd": "x"}),
                     [".CARTS  +9 keys", ".CARTS['odd']  added: str (1 character)"], id="many-and-one-of-another-type"),
        pytest.param(lambda m: vars(m.cart).update({f"k{n}": n for n in range(9)}), [".cart  +9 attributes"],
                     id="many-attributes"),
        pytest.param(lambda m: m.SET.update(range(10, 20)), [".SET  +10 items"], id="many-items"),
        pytest.param(lambda m: m.CARTS.update({"x" * 50: 1}), [".CARTS[<str (50 characters)>]  added: int"],
                     id="key-that-may-be-a-token"),
        pytest.param(lambda m: m.CARTS.update({"0123456789abcdef": 1}),
                     [".CARTS[<str (16 characters)>]  added: int"], id="key-that-is-an-id"),
        pytest.param(lambda m: m.CARTS.update({2**40: 1}), [".CARTS[<int>]  added: int"], id="key-that-is-an-address"),
        pytest.param(lambda m: m.CARTS.update({m.Cart: 1}), [".CARTS[<type>]  added: int"], id="key-of-another-type"),
    ],
)  # fmt: skip
def test_what_changed_is_told_by_its_path(act: Act, lines: list[str], shop: types.ModuleType) -> None:
    assert told(left_by(act, shop)) == sorted(lines)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda m: None, id="nothing"),
        pytest.param(lambda m: setattr(m, "RATE", float("1.5")), id="equal-number"),
        pytest.param(lambda m: setattr(m, "NAN", float("nan")), id="another-nan"),
        pytest.param(lambda m: setattr(m, "CARTS", dict(m.CARTS)), id="equal-dict"),
        pytest.param(lambda m: setattr(m, "LIST", [1, [2]]), id="equal-nested-list"),
        pytest.param(lambda m: setattr(m, "SET", {1}), id="equal-set"),
        pytest.param(lambda m: setattr(m, "DEQUE", deque([1])), id="equal-deque"),
        pytest.param(lambda m: setattr(m, "ORDERED", OrderedDict(a=1, b=2)), id="equal-ordered-dict"),
        pytest.param(lambda m: setattr(m, "COUNTER", Counter(a=1)), id="equal-counter"),
        pytest.param(lambda m: (m.LIST.append(3), m.LIST.pop()), id="put-back"),
        pytest.param(lambda m: m.CARTS.update(bob=m.CARTS.pop("bob")), id="key-put-back"),
        pytest.param(
            lambda m: vars(m.cart).update(owner=1) or vars(m.cart).update(owner=None), id="attribute-put-back"
        ),
        pytest.param(lambda m: m.DEFAULT["asked for"], id="empty-entry-of-a-defaultdict"),
        pytest.param(
            lambda m: m.WEAK.__setitem__(0, ("receiver", weakref.ref(m.Cart, print))),
            id="weak-reference-anew",
        ),
        pytest.param(
            lambda m: (setattr(m.kind, "other", 1), delattr(m.kind, "other")),  # type: ignore[func-returns-value]
            id="attribute-added-and-removed-beside-one-that-holds-a-class",
        ),
        pytest.param(lambda m: vars(m.cart), id="instance-asked-for-its-dict"),
        pytest.param(
            lambda m: (
                vars(m.odd).__setattr__("mark", [1])
                or vars(m.odd).update(total=5)
                or m.odd.__setattr__("__dict__", {"total": 1000})
            ),
            id="namespace-with-slots-replaced-by-what-it-was",
        ),
    ],
)  # fmt: skip
def test_what_is_the_same_is_not_told(act: Act, shop: types.ModuleType) -> None:
    assert told(left_by(act, shop)) == []


def test_a_list_replaced_by_one_equal_to_what_it_became_is_told(shop: types.ModuleType) -> None:
    def act(module: Any) -> None:
        module.LIST.append(3)
        module.LIST = list(module.LIST)

    (line,) = told(left_by(act, shop))
    assert line.startswith(".LIST  changed: list (3 items)")


def test_a_renamed_key_with_the_same_value_is_told(shop: types.ModuleType) -> None:
    shop.CARTS = {"bob": True}  # type: ignore[attr-defined]

    def act(module: Any) -> None:
        module.CARTS["eve"] = module.CARTS.pop("bob")

    assert told(left_by(act, shop)) == [".CARTS['bob']  removed: bool", ".CARTS['eve']  added: bool"]


def test_values_are_shown_only_when_asked_for(shop: types.ModuleType) -> None:
    def act(module: Any) -> None:
        module.CARTS["eve"] = {"card": "4111"}

    (hidden,) = left_by(act, shop)
    assert "4111" not in str(hidden)
    del shop.CARTS["eve"]
    (shown,) = left_by(act, shop, context_of(NAME, show_values=True))
    assert shown.message == "added: dict (1 item) {'card': '4111'}"


def test_shown_values_are_bounded_and_run_no_code(shop: types.ModuleType) -> None:
    class Loud:
        def __repr__(self) -> str:
            raise AssertionError("asked")

    context = context_of(NAME, show_values=True)
    (leak,) = left_by(lambda module: module.CARTS.update(eve=[Loud(), "x" * 1000]), shop, context)
    assert "Loud object>" in leak.message
    assert len(leak.message) < 300


def test_a_container_is_named_where_it_is_defined(
    shop: types.ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "stateless_named"
    package.mkdir()
    (package / "__init__.py").write_text("from .store import CARTS\n")
    (package / "store.py").write_text("CARTS = {}\n")
    (package / "views.py").write_text("from stateless_named import CARTS as BASKETS\n")
    monkeypatch.syspath_prepend(tmp_path)
    views: Any = __import__("stateless_named.views").views
    context = context_of("stateless_named", "stateless_named.store", "stateless_named.views")
    (leak,) = left_by(lambda _: views.BASKETS.update(bob=1), shop, context)
    assert leak.subject == "stateless_named.store.CARTS['bob']"


@pytest.mark.parametrize("last", ["stateless_one", "stateless_other"])
def test_without_source_the_module_that_was_imported_last_names_a_container(
    last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["stateless_one", "stateless_other"]
    kept: list[int] = []
    for name in sorted(names, key=last.__eq__):
        module: Any = types.ModuleType(name)
        module.kept = kept
        monkeypatch.setitem(sys.modules, name, module)
    context = context_of(*names)
    before = module_state.capture(context)
    kept.append(1)
    (leak,) = module_state.compare(before, module_state.capture(context))
    assert leak.subject == f"{last}.kept"


def test_what_is_no_module_in_sys_modules_does_no_harm(
    shop: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: dict[Any, Any] = sys.modules
    monkeypatch.setitem(loaded, "stateless_lazy", object())
    monkeypatch.setitem(loaded, 7, shop)
    assert told(left_by(lambda module: module.LIST.append(3), shop)) == [".LIST  added item: int"]


def test_deleted_and_replaced_modules_are_told_and_imported_ones_are_not(shop: types.ModuleType) -> None:
    sources = Sources("/")
    context = Context(sources, Recording(sources), (), lambda: Heap(sys.modules, Scope(frozenset({"sys"}))))
    before = module_state.capture(context)
    sys.modules[NAME] = types.ModuleType(NAME)
    sys.modules["stateless_new"] = types.ModuleType("stateless_new")
    try:
        leaks = list(module_state.compare(before, module_state.capture(context)))
    finally:
        sys.modules[NAME] = shop
        del sys.modules["stateless_new"]
    subjects = [leak.subject for leak in leaks if not is_expected(leak)]
    assert subjects == [f"sys.modules['{NAME}']"]


def test_what_is_absorbed_is_taken_out_entry_by_entry(shop: types.ModuleType) -> None:
    context = context_of(NAME)
    before = module_state.capture(context)
    shop.CARTS["test"] = 1
    shop.early = 1  # type: ignore[attr-defined]
    start = module_state.capture(context)
    shop.CARTS["fixture"] = 2
    shop.LIST.append("fixture")
    shop.late = 1  # type: ignore[attr-defined]
    end = module_state.capture(context)
    shop.DEQUE.append("test")
    absorbed = module_state.absorb(before, start, end)
    leaks = list(module_state.compare(absorbed, module_state.capture(context)))
    assert told(leaks) == [
        ".CARTS['test']  added: int",
        ".DEQUE  added item: str (4 characters)",
        ".early  added: int",
    ]


def test_nothing_is_kept_alive_once_it_is_let_go(shop: types.ModuleType) -> None:
    context = context_of(NAME)
    module_state.capture(context)
    cart = weakref.ref(shop.cart)
    del shop.cart, shop.CARTS["bob"]
    module_state.capture(context)
    assert cart() is not None  # while windows share the memory, no identity can be used again
    context.let_go()
    assert cart() is None


def test_windows_in_a_row_do_not_grow(shop: types.ModuleType) -> None:
    context = context_of(NAME)

    def window(number: int) -> None:
        before = module_state.capture(context)
        shop.CARTS[f"k{number}"] = {"items": [number]}
        shop.CARTS.pop(f"k{number - 1}", None)
        module_state.compare(before, module_state.capture(context))
        context.rest()

    sizes = []
    for number in range(2000):
        window(number)
        if context.heap is not None:
            sizes.append((context.heap.containers, len(context.heap.look())))
    assert max(size for size, _ in sizes[-500:]) <= max(size for size, _ in sizes[:500])
    assert max(chunks for _, chunks in sizes[-500:]) <= max(chunks for _, chunks in sizes[:500])


@pytest.fixture
def beside_a_library(shop: Any) -> Iterator[tuple[Any, Context]]:
    """A library, and what looks at the shop's own memory alone, too."""
    library: Any = types.ModuleType("stateless_library")
    library.TABLE, library.MANY = {}, [[number] for number in range(2000)]
    modules = {NAME: shop, "stateless_library": library}
    sys.modules["stateless_library"] = library
    sources = Sources("/", frozenset({NAME}))
    scope = Scope(owns=lambda name: name == NAME)
    yield library, Context(sources, Recording(sources), (), lambda: Heap(modules, scope, divided=True))
    del sys.modules["stateless_library"]


def test_of_what_was_not_looked_at_a_leak_may_be_of_the_time_before(
    shop: Any, beside_a_library: tuple[Any, Context]
) -> None:
    library, context = beside_a_library
    module_state.capture(context)
    context.begin_look()
    before = module_state.share(context)
    assert context.look_at_memory()[1] is before.snapshot  # for whoever looks along with it
    assert context.fresh is before.fresh is not None
    context.end_look()
    shop.CARTS["new"] = 1
    library.MANY[0].append("since")
    late: Any = types.ModuleType("stateless_late")
    late.STATE = {}
    assert context.heap is not None
    context.heap.await_import()
    sys.modules["stateless_late"] = context.heap._modules["stateless_late"] = late
    context.heap.meet()
    late.STATE["bob"] = 1
    try:
        leaks = list(module_state.compare(before, module_state.capture(context)))
    finally:
        del sys.modules["stateless_late"]
    found = {leak.subject: SINCE in leak.traits for leak in leaks if leak.subject.startswith("stateless_")}
    assert found == {
        f"{NAME}.CARTS['new']": False,
        "stateless_library.MANY[0]": True,
        "stateless_late.STATE['bob']": False,
    }


def test_where_all_was_looked_at_already_that_is_shared(beside_a_library: tuple[Any, Context]) -> None:
    _, context = beside_a_library
    assert module_state.share(context).fresh is None  # the first look discovers
    context.begin_look()
    whole = context.look_at_memory()[1]
    assert module_state.share(context).snapshot is whole
