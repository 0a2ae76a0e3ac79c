"""What an import changes in what was there before is the import's; what is changed afterwards isn't."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from pytest_stateless.heap.change import changes
from pytest_stateless.heap.diff import ABSENT, entries
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap

LIBRARY = """
class Format: loaded = False
FORMATS, FILTERS, NAMES, LATER, names = {"a": 1}, ["x", "y"], {"z"}, {}, 1
def work(): pass
SAME = Format()
"""


@pytest.fixture
def library() -> Any:
    module = types.ModuleType("stateless_library")
    exec(LIBRARY, vars(module))
    return module


@pytest.fixture
def heap(library: Any) -> Heap:
    return Heap({"stateless_library": library}, Scope())


def told(heap: Heap, act: Callable[[], object]) -> list[tuple[object, object]]:
    """Labels and new values of what differs after something was done, but for what an import brought."""
    before = heap.look()
    act()
    found = list(changes(heap.begun(before), heap.look()))
    return [
        (entry.label if type(entry.label) is str else None, entry.after)
        for change in found
        for entry in heap.without_imported(change.container, entries(change, {}))
    ]


def importing(heap: Heap, act: Callable[[], object]) -> None:
    heap.await_import()
    act()
    heap.meet()


CHANGES: list[Any] = [
    pytest.param(lambda it: it.FORMATS.update(b=2), id="key"),
    pytest.param(lambda it: it.FORMATS.update(a=2), id="another-value"),
    pytest.param(lambda it: it.FILTERS.insert(0, "z"), id="item"),
    pytest.param(lambda it: it.FILTERS.remove("x"), id="item-taken-out"),
    pytest.param(lambda it: it.NAMES.add("y"), id="member"),
    pytest.param(lambda it: setattr(it, "names", 2), id="attribute-of-a-module"),
    pytest.param(lambda it: setattr(it.Format, "loaded", True), id="attribute-of-a-class"),
    pytest.param(lambda it: setattr(it.SAME, "loaded", True), id="attribute-of-an-object"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_an_import_changes_is_not_told(
    change: Callable[[Any], object], library: Any, heap: Heap
) -> None:
    assert told(heap, lambda: importing(heap, lambda: change(library))) == []


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_is_told_without_an_import(
    change: Callable[[Any], object], library: Any, heap: Heap
) -> None:
    assert told(heap, lambda: (importing(heap, lambda: None), change(library))) != []


def test_what_comes_before_and_after_is_told_beside_it(library: Any, heap: Heap) -> None:
    def act() -> None:
        library.FORMATS["before"] = 1
        importing(heap, lambda: library.FORMATS.update(within=2))
        library.FORMATS["after"] = 3

    assert told(heap, act) == [("before", 1), ("after", 3)]


def test_what_an_import_put_there_and_is_replaced_is_told(library: Any, heap: Heap) -> None:
    def act() -> None:
        importing(heap, lambda: library.FORMATS.update(a="imported"))
        library.FORMATS["a"] = "bob"

    assert told(heap, act) == [("a", "bob")]


def test_what_is_put_into_what_an_import_brought_is_told(library: Any, heap: Heap) -> None:
    modules = heap._modules

    def load() -> None:
        modules["stateless_plugin"] = types.ModuleType("stateless_plugin")
        library.FORMATS["carts"] = {}

    def act() -> None:
        importing(heap, load)
        library.FORMATS["carts"]["bob"] = 1

    assert ("bob", 1) in told(heap, act)


GONE: list[tuple[object, object]] = [("x", ABSENT), ("y", ABSENT)]
CAME: list[tuple[object, object]] = [(ABSENT, "s"), (ABSENT, "t")]


@pytest.mark.parametrize(
    ("imported", "more", "left"),
    [
        pytest.param(lambda it: it.append("s"), lambda it: it.append("s"), [(ABSENT, "s")], id="same-again"),
        pytest.param(
            lambda it: it.remove("x"), lambda it: it.remove("y"), [("y", ABSENT)], id="another-gone"
        ),
        pytest.param(
            lambda it: it.append("s"), lambda it: it.__delitem__(slice(2)), GONE, id="came-and-gone"
        ),
        pytest.param(lambda it: it.remove("x"), lambda it: it.extend("st"), CAME, id="gone-and-came"),
        pytest.param(lambda it: it.extend("ss"), lambda it: it.pop(), [], id="fewer"),
        pytest.param(lambda it: it.clear() or it.append("s"), lambda it: None, [], id="replaced"),
    ],
)
def test_in_a_list_an_item_counts_as_often_as_an_import_brought_it(
    imported: Callable[[list[str]], object],
    more: Callable[[list[str]], object],
    left: list[tuple[object, object]],
    library: Any,
    heap: Heap,
) -> None:
    before = heap.look()
    importing(heap, lambda: imported(library.FILTERS))
    more(library.FILTERS)
    (change,) = changes(heap.begun(before), heap.look())
    found = heap.without_imported(change.container, entries(change, {}))
    assert [(entry.before, entry.after) for entry in found] == left


def test_in_a_later_window_the_same_value_is_told(library: Any, heap: Heap) -> None:
    assert told(heap, lambda: importing(heap, lambda: library.FORMATS.update(a=None))) == []
    heap.settle()
    library.FORMATS["a"] = 5
    heap.look()
    assert told(heap, lambda: library.FORMATS.update(a=None)) == [("a", None)]


def test_the_modules_themselves_are_left_to_others(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    heap = Heap(sys.modules, Scope(frozenset({"sys"})))
    monkeypatch.setattr(sys, "stateless_library", None, raising=False)
    before = heap.look()
    importing(heap, lambda: monkeypatch.setattr(sys, "stateless_library", library))
    labels = [
        entry.label
        for change in changes(before, heap.look())
        for entry in heap.without_imported(change.container, entries(change, {}))
    ]
    assert "stateless_library" in labels


@pytest.mark.parametrize(
    "text",
    ["class Kept: pass\nkept = Kept()", "def kept(): pass", "class kept: pass"],
    ids=["object", "function", "class"],
)
def test_what_a_module_left_that_is_gone_is_not_kept(text: str, library: Any, heap: Heap) -> None:
    def load() -> weakref.ref[Any]:
        module = heap._modules["stateless_plugin"] = types.ModuleType("stateless_plugin")
        exec(text, vars(module))
        library.FORMATS["kept"] = vars(module)["kept"]
        return weakref.ref(vars(module)["kept"])

    before = heap.look()
    heap.await_import()
    kept = load()
    heap.meet()
    del heap._modules["stateless_plugin"], library.FORMATS["kept"]
    gc.collect()
    assert kept() is None
    assert list(changes(heap.begun(before), heap.look())) == []


def test_a_module_that_replaces_itself_takes_nothing_along(library: Any, heap: Heap) -> None:
    class Lazy(types.ModuleType):
        pass

    modules, parts = heap._modules, types.ModuleType("stateless_parts")
    vars(parts)["carts"] = carts = {"al": 1}

    def load() -> None:
        modules["stateless_lazy"] = types.ModuleType("stateless_lazy")
        modules["stateless_parts"] = parts
        library.FORMATS["parts"] = [carts]

    before = heap.look()
    importing(heap, load)
    modules["stateless_lazy"] = Lazy("stateless_lazy")
    gc.collect()
    carts["bob"] = 1
    assert any(change.container is carts for change in changes(heap.begun(before), heap.look()))
