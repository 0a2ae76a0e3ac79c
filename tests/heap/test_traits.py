"""What an entry is recognised by beside its path."""

from __future__ import annotations

import _thread
import builtins
import datetime as dt
import functools
import re
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from pytest_stateless.heap.about import About
from pytest_stateless.heap.change import Change
from pytest_stateless.heap.chunk import Content
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import Kind, class_namespace
from pytest_stateless.heap.path import Path
from pytest_stateless.heap.readers import Inside
from pytest_stateless.heap.traits import traits_of

NOTHING = Content([], [])


def _class(module: object, **namespace: object) -> Any:
    return type("Made", (), {"__module__": module, **namespace})


def _function(module: str) -> types.FunctionType:
    return types.FunctionType((lambda: None).__code__, {"__name__": module})


def _decorated(module: str, decorator: str) -> types.FunctionType:
    function = _function(decorator)
    function.__module__ = module
    return function


def about(
    container: Any = None,
    kind: Kind = Kind.DICT,
    namespace: bool = True,
    holder: type | None = None,
    module: str = "library.part",
    home: str = "",
    written: str = "",
    owner: str = "dependency",
) -> About:
    """A changed container of a library's module; the application is ``shop``, the test tool ``tool``."""
    path = Path(module, f"{module}.thing", namespace, holder, home)
    change = Change(kind, {} if container is None else container, NOTHING, NOTHING)
    return About(
        path,
        change,
        owner=owner,
        imported=frozenset({"fresh"}),
        application=frozenset({"shop", "shop.cart"}),
        tools=frozenset({"tool", "pytest_stateless"}),
        written=lambda: frozenset({written}),
        lasts=lambda thing: thing is KEPT_BY_THE_SHOP or thing is SHOP,
    )


LIBRARY = _class("library")
SHOP = _class("shop")
FRESH = _class("fresh")


class Referent:
    """What a weak reference can refer to."""


class _Kept:
    def __get__(self, instance: object, owner: type) -> None: ...

    def __set__(self, instance: object, value: object) -> None: ...


class _CachedProperty(property):
    def __get__(self, instance: Any, owner: type | None = None, /) -> Any: ...

    def __set__(self, instance: object, value: object) -> None: ...


_GET = _function("shop")
HEIR = type("Heir", (_class("shop", a=5),), {"__module__": "shop"})
SUB = type("Sub", (_class("library", _a=len, a=len),), {"__module__": "library"})
KEPT = Referent()
KEPT_BY_THE_SHOP, DROPPED_BY_THE_SHOP = SHOP(), SHOP()


@pytest.mark.parametrize(
    ("entry", "traits"),
    [
        pytest.param(Entry("a", ABSENT, 1), {"added", "value:builtins.int"}, id="added"),
        pytest.param(Entry("a", 1, ABSENT), {"removed", "was:builtins.int"}, id="removed"),
        pytest.param(Entry("a", 1, "b"), {"changed", "was:builtins.int", "value:builtins.str"}, id="changed"),
        pytest.param(Entry("a", 1, True), {"value:builtins.bool", "value:builtins.int"}, id="bases-of-a-value"),
        pytest.param(Entry("a", None, 1), {"was:builtins.NoneType"}, id="none"),
        pytest.param(Entry("a", 1, LIBRARY()), {"value:library.Made"}, id="instance"),
        pytest.param(Entry("a", 1, _class("tool.part")()), {"value:of-a-tool"}, id="instance-of-a-tool"),
        pytest.param(Entry("a", _class("tool")(), ABSENT), {"was:of-a-tool", "removed"}, id="tools-instance-removed"),
        pytest.param(Entry("a", 1, [_class("tool")()]), {"value:of-a-tool"}, id="list-of-a-tools-instances"),
        pytest.param(Entry("a", 1, _function("tool.part")), {"value:of-a-tool"}, id="function-of-a-tool"),
        pytest.param(Entry("a", 1, types.MethodType(_function("tool"), 1)), {"value:of-a-tool"}, id="method-of-a-tool"),
        pytest.param(Entry("a", ABSENT, _function("fresh")), {"value:imported"}, id="function-just-imported"),
        pytest.param(Entry("a", ABSENT, _class("fresh")), {"value:imported"}, id="class-just-imported"),
        pytest.param(Entry("a", ABSENT, weakref.ref(FRESH)), {"value:imported"}, id="weakly-a-class-just-imported"),
        pytest.param(Entry("a", ABSENT, types.ModuleType("fresh")), {"value:imported", "value:builtins.module"},
                     id="module-just-imported"),
        pytest.param(Entry("a", ABSENT, weakref.ref(KEPT)), {"weak"}, id="weak-reference"),
        pytest.param(Entry(weakref.ref(KEPT), ABSENT, 1), {"weak"}, id="weak-key"),
        pytest.param(Entry("a", weakref.proxy(KEPT), ABSENT), {"weak"}, id="weak-proxy-removed"),
        pytest.param(Entry("a", ABSENT, SHOP()), {"value:of-the-application"}, id="object-of-the-application"),
        pytest.param(Entry("a", re.compile("a"), re.compile("b")), {"was:pattern", "value:pattern"}, id="patterns"),
        pytest.param(Entry("a", ABSENT, vars(builtins)), {"value:built-in-names"}, id="built-in-names"),
        pytest.param(Entry("a", ABSENT, _decorated("fresh", "old")), {"value:imported"}, id="decorated-function"),
        pytest.param(Entry("a", ABSENT, _decorated("old", "fresh")), {"value:imported"}, id="function-of-a-decorator"),
        pytest.param(Entry("__doc__", ABSENT, "text"), {"class-detail"}, id="detail-of-a-class"),
        pytest.param(Entry("a", ABSENT, {}), {"empty", "added"}, id="empty-dictionary"),
        pytest.param(Entry("a", ABSENT, _thread.allocate_lock()), {"empty", "added"}, id="lock"),
        pytest.param(Entry("a", None, 1), {"in:builtins.dict", "owner:dependency"}, id="where-it-is"),
    ],
)  # fmt: skip
def test_an_entry_has_its_traits(entry: Entry, traits: set[str]) -> None:
    assert traits - set(traits_of(about(), entry)) == set()


@pytest.mark.parametrize(
    ("entry", "absent"),
    [
        pytest.param(Entry("a", 1, _class("library", **dict.fromkeys(vars(re.Pattern)))()), "value:pattern", id="in-python"),
        pytest.param(Entry("a", 1, [_class("tool")(), 1]), "value:of-a-tool", id="list-of-a-tools-and-others"),
        pytest.param(Entry("a", 1, []), "value:of-a-tool", id="empty-list"),
        pytest.param(Entry("a", 1, Inside("1 row", 1)), "value:of-a-tool", id="what-a-reader-found"),
        pytest.param(Entry("a", 1, type("Frozen", (dt.datetime,), {"__module__": "tool"})(2024, 1, 1)),
                     "value:of-a-tool", id="time-that-a-tool-made"),
        pytest.param(Entry("a", 1, {}), "value:built-in-names", id="empty-dict"),
        pytest.param(Entry("a", 1, _class("toolbox")()), "value:of-a-tool", id="longer-name-than-the-tools"),
        pytest.param(Entry("a", ABSENT, _function("stale")), "value:imported", id="function-imported-before"),
        pytest.param(Entry("a", ABSENT, _class("fresh")()), "value:imported", id="instance-of-an-imported-class"),
        pytest.param(Entry("a", ABSENT, _class(property())), "value:imported", id="class-without-a-module"),
        pytest.param(Entry("a", ABSENT, int), "value:imported", id="builtin-class"),
        pytest.param(Entry("a", ABSENT, LIBRARY()), "weak", id="no-weak-reference"),
        pytest.param(Entry("__docs__", ABSENT, "text"), "class-detail", id="no-detail-of-a-class"),
        pytest.param(Entry("a", ABSENT, [1]), "empty", id="list-with-an-item"),
        pytest.param(Entry("a", ABSENT, ""), "empty", id="empty-text"),
        pytest.param(Entry(7, ABSENT, "text"), "class-detail", id="label-that-is-no-text"),
        pytest.param(Entry("a", ABSENT, LIBRARY()), "value:builtins.object", id="base-of-all"),
    ],
)  # fmt: skip
def test_an_entry_has_no_other_traits(entry: Entry, absent: str) -> None:
    assert absent not in set(traits_of(about(), entry))


@pytest.mark.parametrize(
    ("module", "keeper", "kept_by_library"),
    [
        ("shop.cart", "", False),
        ("shop.cart", "library.part", True),
        ("library.part", "", True),
        ("library.part", "shop.cart", False),
    ],
)
def test_what_a_librarys_object_keeps_is_the_librarys(
    module: str, keeper: str, kept_by_library: bool
) -> None:
    where = about(module=module)
    where = where._replace(path=where.path._replace(keeper=keeper))
    assert ("kept-by-library" in set(traits_of(where, Entry("a", ABSENT, 1)))) is kept_by_library


def test_an_object_that_another_library_took_in_is_still_its_packages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, entry, home = LIBRARY(), Entry("de", ABSENT, LIBRARY()), types.ModuleType("library.zones")
    one._table = {}
    where = about(one._table, namespace=False, module="other.part")
    where = where._replace(path=where.path._replace(things=({"zone": one}, one, vars(one), one._table)))
    monkeypatch.setitem(sys.modules, "library.zones", home)
    assert "in-a-librarys-table" not in set(traits_of(where, entry))
    vars(home)["found"] = one
    assert "in-a-librarys-table" in set(traits_of(where, entry))


@pytest.mark.parametrize("owner", ["dependency", "application"])
def test_attributes_of_a_threads_own_have_traits(owner: str) -> None:
    where = about(threading.local(), Kind.HELD, False)._replace(owner=owner)
    assert {"added", "attribute"} <= set(traits_of(where, Entry("user", ABSENT, 1)))


@pytest.mark.parametrize("label", ["__doc__", "a"])
def test_items_have_no_traits_of_attributes(label: str) -> None:
    traits = set(traits_of(about(namespace=False), Entry(label, None, 1)))
    assert traits.isdisjoint({"class-detail", "first-use", "lazy"})


def _made_by(module: str) -> Any:
    """A class of the application's whose metaclass is of this module."""
    made: Any = type("Meta", (type,), {"__module__": module})("Made", (), {"__module__": "shop"})
    return about(class_namespace(made), holder=made)


@pytest.mark.parametrize(
    ("where", "entry", "expected"),
    [
        pytest.param(about(), Entry("a", None, 1), True, id="constant-for-none"),
        pytest.param(about(), Entry("a", False, True), True, id="true-for-false"),
        pytest.param(about(), Entry("a", "", "text"), True, id="text-for-no-text"),
        pytest.param(about(), Entry("a", object(), 1), True, id="constant-for-a-marker"),
        pytest.param(about(), Entry("a", None, LIBRARY()), True, id="its-own-object-for-none"),
        pytest.param(about(), Entry("a", None, SHOP()), False, id="applications-object-for-none"),
        pytest.param(about(), Entry("a", None, SHOP), False, id="applications-class-for-none"),
        pytest.param(about(), Entry("a", None, _function("shop.cart")), False, id="applications-function-for-none"),
        pytest.param(about(), Entry("a", 0, 1), False, id="number-for-a-number"),
        pytest.param(about(), Entry("a", 1, 2), False, id="again"),
        pytest.param(about(), Entry("a", ABSENT, 1), False, id="added"),
        pytest.param(about(), Entry("a", None, ABSENT), False, id="removed"),
        pytest.param(about(), Entry("_dirty", True, False), True, id="private-switch"),
        pytest.param(about(), Entry("dirty", True, False), False, id="public-switch"),
        pytest.param(about(module="shop.cart"), Entry("a", None, 1), False, id="the-applications"),
        pytest.param(about(module="shop.cart"), Entry("_a", True, False), False, id="the-applications-switch"),
        pytest.param(about(holder=_class("library", a=None)), Entry("a", ABSENT, 1), True, id="none-of-the-class"),
        pytest.param(about(holder=_class("library", a=5)), Entry("a", ABSENT, 1), False, id="number-of-the-class"),
        pytest.param(about(holder=_class("library")), Entry("a", ABSENT, 1), False, id="nothing-of-the-class"),
        pytest.param(about(holder=_class("library")), Entry("_a", ABSENT, 1), True, id="private-and-nothing-of-the-class"),
        pytest.param(about(holder=_class("shop")), Entry("_a", ABSENT, 1), False, id="private-of-the-application"),
        pytest.param(about(class_namespace(SUB), holder=SUB), Entry("_a", ABSENT, _function("library")), True,
                     id="private-function-of-a-class-where-its-base-has-one"),
        pytest.param(about(class_namespace(SUB), holder=SUB), Entry("_a", ABSENT, _function("shop")), False,
                     id="private-function-of-the-application"),
        pytest.param(about(class_namespace(SUB), holder=SUB), Entry("a", ABSENT, _function("library")), False,
                     id="public-function-of-a-class-where-its-base-has-one"),
        pytest.param(about(holder=SUB), Entry("_a", ABSENT, _function("library")), False,
                     id="private-function-of-an-instance"),
        pytest.param(about(), Entry("_a", ABSENT, 1), False, id="private-of-a-module"),
        pytest.param(about(holder=_class("library")), Entry("a", ABSENT, []), True, id="empty-list"),
        pytest.param(about(holder=_class("shop")), Entry("a", ABSENT, []), False, id="empty-list-of-the-application"),
        pytest.param(about(), Entry("a", {}, {1: 2}), True, id="table-for-an-empty-one"),
        pytest.param(about(), Entry("a", {0: 1}, {1: 2}), False, id="table-for-another"),
        pytest.param(about(), Entry("a", {}, {1: SHOP()}), False, id="table-with-an-object-of-the-application"),
        pytest.param(about(), Entry("a", None, [SHOP]), False, id="list-with-a-class-of-the-application"),
        pytest.param(about(written="a"), Entry("a", None, 1), False, id="set-by-the-application"),
        pytest.param(about(written="b"), Entry("a", None, 1), True, id="another-set-by-the-application"),
        pytest.param(about(written="_a"), Entry("_a", True, False), False, id="switched-by-the-application"),
        pytest.param(about(holder=types.FunctionType, home="library"), Entry("a", ABSENT, 1), True, id="of-a-function"),
        pytest.param(about(holder=types.FunctionType, home="shop"), Entry("a", None, 1), False,
                     id="of-a-function-of-the-application"),
        pytest.param(about(holder=types.SimpleNamespace, module="shop"), Entry("a", None, 1), False,
                     id="of-a-built-in-things-in-the-application"),
        pytest.param(about(holder=_class("shop", a=None)), Entry("a", ABSENT, 1), False, id="of-the-applications-class"),
        pytest.param(about(), Entry("a", (), (1,)), True, id="tuple-for-an-empty-one"),
        pytest.param(about(), Entry("a", frozenset(), frozenset({1})), True, id="frozenset-for-an-empty-one"),
        pytest.param(about(holder=LIBRARY), Entry("_a", ABSENT, LIBRARY()), True, id="its-own-object-in-private"),
        pytest.param(about(holder=_class("library", _a=LIBRARY())), Entry("_a", ABSENT, LIBRARY()), True, id="one-of-its-own"),
        pytest.param(about(holder=LIBRARY), Entry("a", ABSENT, LIBRARY()), False, id="its-own-object-in-public"),
        pytest.param(about(LIBRARY(), Kind.OBJECT, False), Entry("a", None, 1), True, id="slot"),
        pytest.param(about(SHOP(), Kind.OBJECT, False), Entry("a", None, 1), False, id="slot-of-the-application"),
        pytest.param(about(SHOP(), Kind.SLOTS, False), Entry("a", None, 1), False, id="slot-of-its-container"),
        pytest.param(_made_by("library"), Entry("__a__", ABSENT, (1,)), True, id="what-a-librarys-metaclass-made"),
        pytest.param(_made_by("library"), Entry("a", ABSENT, (1,)), False, id="public-beside-a-librarys-metaclass"),
        pytest.param(_made_by("abc"), Entry("__a__", ABSENT, (1,)), False, id="abstract-class-of-the-application"),
        pytest.param(_made_by("shop"), Entry("__a__", ABSENT, (1,)), False, id="the-applications-metaclass"),
        pytest.param(about(holder=threading.Event), Entry("_flag", False, True), True, id="event-of-a-library"),
        pytest.param(about(holder=threading.Event, module="shop.cart"), Entry("_flag", False, True), False,
                     id="event-of-the-application"),
    ],
)  # fmt: skip
def test_a_library_that_sets_itself_up_is_recognised(where: About, entry: Entry, expected: bool) -> None:
    assert ("first-use" in set(traits_of(where, entry))) is expected


@pytest.mark.parametrize(
    ("where", "entry", "traits"),
    [
        pytest.param(about(), Entry("_a", LIBRARY(), None), {"dropped"}, id="private"),
        pytest.param(about(), Entry("a", LIBRARY(), None), set(), id="public"),
        pytest.param(about(), Entry("_a", SHOP(), None), set(), id="object-of-the-application"),
        pytest.param(about(module="shop"), Entry("_a", LIBRARY(), None), set(), id="of-the-application"),
        pytest.param(about(written="_a"), Entry("_a", LIBRARY(), None), set(), id="by-the-application"),
        pytest.param(about(), Entry("_a", LIBRARY(), 1), set(), id="not-to-none"),
        pytest.param(about(holder=_class("shop", a=5)), Entry("a", ABSENT, 5), {"as-inherited"}, id="as-the-class-says"),
        pytest.param(about(holder=_class("shop", a=5)), Entry("a", 5, ABSENT), {"as-inherited"}, id="no-more"),
        pytest.param(about(holder=_class("shop", a=5)), Entry("a", ABSENT, 6), set(), id="not-as-the-class-says"),
        pytest.param(about(holder=_class("shop", a=5)), Entry("a", 6, 5), set(), id="that-was-another"),
        pytest.param(about(holder=_class("shop", a=len)), Entry("a", ABSENT, print), set(), id="another-function"),
        pytest.param(about(holder=_class("shop", a=_GET)), Entry("a", types.MethodType(_GET, 1), ABSENT), {"as-inherited"},
                     id="method-that-the-class-has"),
        pytest.param(about(class_namespace(HEIR), holder=HEIR), Entry("a", 5, ABSENT), set(), id="a-class-as-its-base-says"),
        pytest.param(about(None, Kind.DICT, False), Entry("a", ABSENT, None), set(), id="item-without-a-value"),
        pytest.param(about(holder=SHOP), Entry("a", ABSENT, None), set(), id="nothing-on-an-instance"),
        pytest.param(about(class_namespace(SHOP), holder=SHOP), Entry("a", ABSENT, None), {"declared"},
                     id="nothing-on-a-class"),
        pytest.param(about(class_namespace(SHOP), holder=SHOP), Entry("a", ABSENT, 1), set(), id="one-on-a-class"),
        pytest.param(about(), Entry("a", [KEPT], (KEPT,)), {"same-items"}, id="same-items"),
        pytest.param(about(), Entry("a", [KEPT], (1,)), set(), id="other-items"),
        pytest.param(about(), Entry("a", [KEPT], [KEPT]), set(), id="same-kind-of-sequence"),
        pytest.param(about(), Entry("a", ABSENT, weakref.ref(KEPT_BY_THE_SHOP)), {"weak", "lasting"}, id="lasting"),
        pytest.param(about(), Entry("a", ABSENT, weakref.ref(DROPPED_BY_THE_SHOP)), {"weak"}, id="not-known"),
        pytest.param(about(), Entry("a", ABSENT, weakref.ref(SHOP)), {"weak", "lasting"}, id="definition"),
        pytest.param(about(), Entry("a", ABSENT, weakref.ref(LIBRARY)), {"weak"}, id="librarys-definition"),
        pytest.param(about(), Entry(weakref.ref(SHOP), ABSENT, 1), {"weak", "lasting"}, id="note-on-a-definition"),
        pytest.param(about(owner="application"), Entry(weakref.ref(KEPT_BY_THE_SHOP), ABSENT, 1), {"weak", "lasting"},
                     id="applications-note-on-what-lasts"),
        pytest.param(about(), Entry("a", ABSENT, (1, weakref.ref(KEPT))), {"weak-inside"}, id="inside"),
        pytest.param(about(), Entry("a", ABSENT, (1, weakref.ref(KEPT_BY_THE_SHOP))), {"weak-inside", "lasting-inside"},
                     id="lasting-inside"),
        pytest.param(about(), Entry("a", [(1, weakref.ref(KEPT))], []), {"weak"}, id="weak-ones-cleared"),
        pytest.param(about(), Entry("a", [(1, weakref.ref(KEPT)), 1], []), set(), id="others-cleared-with-them"),
        pytest.param(about(), Entry("a", [(1, weakref.ref(KEPT_BY_THE_SHOP))], []), set(), id="lasting-ones-cleared"),
    ],
)  # fmt: skip
def test_what_says_no_more_than_before_is_recognised(where: About, entry: Entry, traits: set[str]) -> None:
    words = {
        "dropped",
        "as-inherited",
        "declared",
        "same-items",
        "weak",
        "weak-inside",
        "lasting",
        "lasting-inside",
    }
    assert words & set(traits_of(where, entry)) == traits


def _lazy_module(name: str) -> Any:
    return about({"__getattr__": print}, module=name)


@pytest.mark.parametrize(
    ("where", "entry", "expected"),
    [
        pytest.param(about(holder=_class("shop", a=functools.cached_property(len))), Entry("a", ABSENT, 1), True,
                     id="cached-property"),
        pytest.param(about(holder=_class("shop", a=functools.cached_property(len))), Entry("a", 1, 2), False,
                     id="cached-property-that-changes"),
        pytest.param(about(holder=_class("shop", a=_function("shop"))), Entry("a", ABSENT, 1), False, id="method"),
        pytest.param(about(holder=_class("shop", a=_Kept())), Entry("a", ABSENT, 1), False, id="descriptor-that-keeps"),
        pytest.param(about(holder=_class("shop", a=_CachedProperty(len))), Entry("a", ABSENT, 1), True,
                     id="cached-property-made-of-a-property"),
        pytest.param(about(holder=_class("shop", a=property(len, len))), Entry("a", ABSENT, 1), False, id="property"),
        pytest.param(about(holder=_class("shop", a=functools.cached_property(len))), Entry("a", 1, ABSENT), True,
                     id="cached-property-that-is-dropped"),
        pytest.param(about(holder=_class("library", __getattr__=len)), Entry("a", 1, ABSENT), True,
                     id="attribute-that-will-be-made-again"),
        pytest.param(about(holder=_class("library", __getattr__=len), written="a"), Entry("a", ABSENT, 1), False,
                     id="attribute-that-the-application-sets"),
        pytest.param(about(holder=_class("shop", a=5)), Entry("a", ABSENT, 1), False, id="class-attribute"),
        pytest.param(about(holder=_class("shop")), Entry("a", ABSENT, 1), False, id="nothing-on-the-class"),
        pytest.param(about(holder=_class("library", __getattr__=len)), Entry("a", ABSENT, 1), True,
                     id="library-that-makes-its-attributes"),
        pytest.param(about(holder=_class("shop", __getattr__=len)), Entry("a", ABSENT, 1), False,
                     id="application-that-makes-its-attributes"),
        pytest.param(about(holder=_class("library")), Entry("a", "Made", SHOP), True, id="class-for-its-name"),
        pytest.param(about(holder=_class("library")), Entry("a", "shop.Made", SHOP), True, id="class-for-its-full-name"),
        pytest.param(about(), Entry("a", "shop.Made", SHOP), True, id="class-for-its-name-in-a-module"),
        pytest.param(about(holder=_class("library")), Entry("a", "Unmade", SHOP), False, id="class-for-a-longer-name"),
        pytest.param(about(holder=_class("library")), Entry("a", "Other", SHOP), False, id="class-for-another-name"),
        pytest.param(about(holder=_class("library")), Entry("a", SHOP, "Made"), False, id="name-for-a-class"),
        pytest.param(about(holder=_class("library")), Entry("a", "Made", SHOP()), False, id="instance-for-a-name"),
        pytest.param(about(holder=_class("library"), written="a"), Entry("a", "Made", SHOP), False,
                     id="class-for-its-name-by-the-application"),
        pytest.param(about(holder=_class("shop")), Entry("a", "Made", SHOP), False,
                     id="class-for-its-name-in-the-application"),
        pytest.param(about(), Entry("a", ABSENT, _class("library.other")), True, id="a-packages-own-class"),
        pytest.param(about(), Entry("a", ABSENT, _function("library")), True, id="a-packages-own-function"),
        pytest.param(about(), Entry("a", ABSENT, _class("library")()), False, id="a-packages-own-instance"),
        pytest.param(about(), Entry("a", ABSENT, _class("elsewhere")), False, id="class-from-elsewhere"),
        pytest.param(about(), Entry("a", ABSENT, 1), False, id="number"),
        pytest.param(about(module="shop.cart"), Entry("a", ABSENT, _function("shop")), False, id="the-applications-function"),
        pytest.param(_lazy_module("shop.cart"), Entry("a", ABSENT, _function("shop")), True, id="the-applications-lazy-export"),
    ],
)  # fmt: skip
def test_what_is_computed_on_first_use_is_recognised(where: About, entry: Entry, expected: bool) -> None:
    assert ("lazy" in set(traits_of(where, entry))) is expected


def _exported(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType(name)
    vars(module)["a"] = value
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("home", "where", "expected"),
    [
        pytest.param("library.inside", _lazy_module("library.part"), True, id="of-the-package"),
        pytest.param("elsewhere", _lazy_module("library.part"), False, id="of-another-package"),
        pytest.param("library.inside", about(), False, id="of-a-module-without-getattr"),
        pytest.param("shop.cart", _lazy_module("shop"), False, id="of-the-application"),
    ],
)
def test_what_another_module_of_the_package_has_is_exported(
    home: str, where: About, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = [1]
    _exported(home, value, monkeypatch)
    assert ("lazy" in set(traits_of(where, Entry("a", ABSENT, value)))) is expected
    assert "lazy" not in set(traits_of(where, Entry("a", ABSENT, [1])))


NOW = time.monotonic() - 0.123456789


@pytest.mark.parametrize(
    ("where", "entry", "expected"),
    [
        pytest.param(about(), Entry("_used", NOW - 1, NOW), True, id="steady-clock"),
        pytest.param(about(), Entry("_used", 1.0, time.time() - 0.123456), True, id="clock-of-the-wall"),
        pytest.param(about(), Entry("used", NOW - 1, NOW), False, id="public"),
        pytest.param(about(module="shop.cart"), Entry("_used", NOW - 1, NOW), False, id="of-the-application"),
        pytest.param(about(), Entry("_used", NOW, NOW - 1), False, id="backwards"),
        pytest.param(about(), Entry("_used", ABSENT, NOW), False, id="added"),
        pytest.param(about(), Entry("_used", NOW - 1, NOW + 3600), False, id="later-than-now"),
        pytest.param(about(), Entry("_rate", -1.0, 0.5), False, id="fraction-that-somebody-wrote"),
        pytest.param(
            about(), Entry("_rate", -1.0, float(int(NOW))), False, id="present-seconds-that-somebody-wrote"
        ),
        pytest.param(about(), Entry("_date", formatdate(0), formatdate(time.time() - 9)), True, id="date"),
        pytest.param(about(), Entry("_date", formatdate(0), formatdate(86400)), False, id="date-of-the-past"),
        pytest.param(
            about(), Entry("_date", "as long as a date is", "as long as a date, too"), False, id="text"
        ),
        pytest.param(about(), Entry("_used", 1, 2), False, id="whole-number"),
        pytest.param(about(namespace=False), Entry("_used", NOW - 1, NOW), False, id="item"),
    ],
)
def test_a_reading_of_the_clock_is_recognised(where: About, entry: Entry, expected: bool) -> None:
    assert ("clock" in set(traits_of(where, entry))) is expected


@pytest.mark.parametrize(
    ("make", "module"),
    [
        pytest.param(about, "library.part", id="a-module's"),
        pytest.param(lambda: about(holder=SHOP), "shop", id="a-class's"),
        pytest.param(lambda: about(SHOP(), Kind.OBJECT), "shop", id="an-instance's"),
    ],
)
def test_who_holds_the_attributes_is_known(make: Callable[[], About], module: str) -> None:
    assert make().holder_module == module
    assert make().attributes


def test_no_metaclass_is_asked() -> None:
    class Meta(type):
        def _raise(cls, *_: object) -> Any:
            raise AssertionError("asked")

        __eq__ = __instancecheck__ = __subclasscheck__ = __getattribute__ = __repr__ = _raise
        __hash__ = _raise  # type: ignore[assignment]

    thing = type.__call__(Meta("Made", (), {"__module__": "shop"}))
    found = set(traits_of(about(), Entry("a", thing, [thing])))
    assert "was:shop.Made" in found
