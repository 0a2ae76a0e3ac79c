"""How containers are reached from modules, and how the way is spelled."""

from __future__ import annotations

import functools
import sys
import textwrap
import types
import weakref
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path as File
from typing import Any

import pytest

from pytest_stateless.heap import path
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.path import Path, find_paths
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from tests.heap.conftest import both_ways

Modules = dict[str, types.ModuleType]
Make = Callable[[Any], Any]


@pytest.fixture
def modules() -> Iterator[Callable[..., Modules]]:
    """Loads modules of the given names, empty or of the given source."""
    loaded: list[str] = []

    def load(*names: str, **sources: str) -> Modules:
        made = {}
        for name in (*names, *sources):
            module = made[name] = sys.modules[name] = types.ModuleType(name)
            loaded.append(name)
            exec(textwrap.dedent(sources.get(name, "")), vars(module))
            vars(module).pop("__builtins__", None)  # which leads to everything
        return made

    yield load
    for name in loaded:
        vars(sys.modules.pop(name)).clear()


def path_to(target: object, modules: Modules, scope: Scope | None = None) -> Path | None:
    """The way to one container: the same whether or not it is known from the start what leads there."""
    found, narrowed = both_ways([target], modules, scope or Scope(frozenset(modules)), [modules])
    assert found == narrowed
    return found.get(identity(target))


class Plain:
    """An instance of any names."""

    def __init__(self, **values: object) -> None:
        vars(self).update(values)

    def method(self) -> None:
        """To be bound."""


class Slots:
    """An instance of one name."""

    __slots__ = ("kept",)

    def __init__(self, kept: object) -> None:
        self.kept = kept


class Shelf(dict[Any, Any]):
    """A dictionary with attributes."""

    __slots__ = ("__dict__", "kept")


class Row(list[Any]):
    """A list with attributes."""


Pair = namedtuple("Pair", "left right")
KEY = Plain()  # of weak containers


def _closure(cell: object) -> Callable[[], object]:
    return types.FunctionType((lambda: cell).__code__, {}, closure=(types.CellType(cell),))


def _defaults(value: object) -> Callable[[], object]:
    def function(kept: object = None) -> None: ...

    return types.FunctionType(function.__code__, {}, argdefs=(value,))


def _attribute(thing: Any, value: object) -> Any:
    thing.kept = value
    return thing


def _slot_of_a_shelf(value: object) -> Shelf:
    shelf = Shelf()
    shelf.kept = value
    return shelf


def _class(**namespace: object) -> type:
    return type("Class", (), {"__module__": None, **namespace})


@pytest.mark.parametrize(
    ("make", "text"),
    [
        pytest.param(lambda it: it, "", id="itself"),
        pytest.param(lambda it: {"bob": it}, "['bob']", id="key"),
        pytest.param(lambda it: {("a", 1): it}, "[('a', 1)]", id="tuple-as-key"),
        pytest.param(lambda it: OrderedDict(a=it), "['a']", id="ordered-dict"),
        pytest.param(lambda it: [0, it], "[1]", id="list"),
        pytest.param(lambda it: (0, it), "[1]", id="tuple"),
        pytest.param(lambda it: Pair(0, it), ".right", id="namedtuple"),
        pytest.param(lambda it: deque([0, it]), "[1]", id="deque"),
        pytest.param(lambda it: Row([0, it]), "[1]", id="list-subclass"),
        pytest.param(lambda it: _attribute(Row(), it), ".kept", id="attribute-of-a-list-subclass"),
        pytest.param(lambda it: Shelf(a=it), "['a']", id="dict-subclass"),
        pytest.param(lambda it: _slot_of_a_shelf(it), ".kept", id="slot-of-a-dict-subclass"),
        pytest.param(lambda it: Plain(a=it), ".a", id="attribute"),
        pytest.param(lambda it: vars(Plain(a=it)), "['a']", id="dictionary-of-an-instance"),
        pytest.param(lambda it: Slots(it), ".kept", id="slot"),
        pytest.param(lambda it: types.SimpleNamespace(a=it), ".a", id="simple-namespace"),
        pytest.param(lambda it: _class(a=it), ".a", id="class"),
        pytest.param(lambda it: Plain(a=Plain(b=[{"c": it}])), ".a.b[0]['c']", id="deep"),
        pytest.param(lambda it: {Slots(it): 1}, "<key>.kept", id="held-by-a-key"),
        pytest.param(lambda it: {Slots(it)}, "<Slots>.kept", id="held-in-a-set"),
        pytest.param(lambda it: _defaults(it), ".<defaults>.kept", id="default"),
        pytest.param(lambda it: _closure(it), ".<closure>.cell", id="closure"),
        pytest.param(lambda it: _attribute(_defaults(0), it), ".kept", id="attribute-of-a-function"),
        pytest.param(lambda it: _class(a=staticmethod(_defaults(it))), ".a.<defaults>.kept", id="staticmethod"),
        pytest.param(lambda it: _class(a=property(_defaults(it))), ".a.<defaults>.kept", id="property"),
        pytest.param(lambda it: types.MappingProxyType({"a": it}), "['a']", id="read-only-view"),
        pytest.param(lambda it: functools.partial(print, it), ".args[0]", id="partial"),
        pytest.param(lambda it: functools.partial(print, a=it), ".keywords['a']", id="keyword-of-a-partial"),
        pytest.param(lambda it: Plain(a=it).method, ".__self__.a", id="bound-method"),
        pytest.param(lambda it: defaultdict(_closure(it)), ".default_factory.<closure>.cell", id="default-factory"),
        pytest.param(lambda it: iter([it]), "<list>[0]", id="iterator"),
    ],
)  # fmt: skip
def test_the_way_is_spelled_as_python(make: Make, text: str, modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a")
    it: list[object] = []
    loaded["stateless_a"].top = make(it)  # type: ignore[attr-defined]
    found = path_to(it, loaded)
    assert found is not None
    assert found is not None
    assert found[:3] == ("stateless_a", f"stateless_a.top{text}", False)


@pytest.mark.parametrize(
    ("make", "text", "holder"),
    [
        pytest.param(lambda: (Plain(), vars), "", Plain, id="of-an-instance"),
        pytest.param(lambda: (Row(), vars), "", Row, id="of-a-list-subclass"),
    ],
)
def test_a_namespace_knows_whose_it_is(
    make: Callable[[], Any], text: str, holder: type, modules: Callable[..., Modules]
) -> None:
    loaded = modules("stateless_a")
    thing, namespace_of = make()
    loaded["stateless_a"].top = thing  # type: ignore[attr-defined]
    found = path_to(namespace_of(thing), loaded)
    assert found is not None
    assert found[:4] == ("stateless_a", f"stateless_a.top{text}", True, holder)


def test_the_namespace_of_a_class_is_the_classs_own(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_a="class Cart: kept = []")
    cart: Any = vars(loaded["stateless_a"])["Cart"]
    found = path_to(cart.kept, loaded)
    assert found is not None
    assert found.text == "stateless_a.Cart.kept"
    heap = Heap(loaded, Scope(frozenset(loaded)))
    namespaces = [each for chunk in heap.look() if chunk for each in chunk.containers if type(each) is dict]
    paths = find_paths(namespaces, heap, [loaded]).values()
    assert ("stateless_a", "stateless_a.Cart", True, cart) in [path[:4] for path in paths]
    assert ("stateless_a", "stateless_a", True, None) in [path[:4] for path in paths]


def test_the_shortest_way_wins(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_a="near = []\nfar = {'a': [near]}")
    found = path_to(loaded["stateless_a"].near, loaded)
    assert found is not None
    assert found.text == "stateless_a.near"


def test_the_first_group_wins_over_the_shortest_way(modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_b", stateless_a="far = {'a': [[]]}")
    kept = loaded["stateless_a"].far["a"][0]
    loaded["stateless_b"].near = kept  # type: ignore[attr-defined]
    heap = Heap(loaded, Scope(frozenset(loaded)))
    groups = [{name: loaded[name]} for name in ("stateless_a", "stateless_b")]
    assert find_paths([kept], heap, groups)[identity(kept)].text == "stateless_a.far['a'][0]"


def test_what_was_imported_from_a_later_group_is_found_there(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_a="", stateless_b="cache = {'a': []}\nkept = cache['a']")
    vars(loaded["stateless_a"])["cache"] = vars(loaded["stateless_b"])["cache"]
    kept = vars(loaded["stateless_b"])["kept"]
    heap = Heap(loaded, Scope(frozenset(loaded)))
    groups = [{name: loaded[name]} for name in ("stateless_a", "stateless_b")]
    assert find_paths([kept], heap, groups)[identity(kept)].text == "stateless_b.kept"


@pytest.mark.parametrize(
    ("make", "keeper"),
    [
        pytest.param(lambda it: it, "stateless_a", id="a-module"),
        pytest.param(lambda it: {"b": it}, "stateless_a", id="a-dictionary"),
        pytest.param(lambda it: Plain(a=Plain(a=it)), Plain.__module__, id="an-instance"),
        pytest.param(lambda it: weakref.WeakKeyDictionary({KEY: it}), "stateless_a", id="a-weak-container"),
        pytest.param(
            lambda it: Plain(a=weakref.WeakKeyDictionary({KEY: it})),
            Plain.__module__,
            id="an-instances-weak-container",
        ),
    ],
)
def test_the_keeper_is_who_made_the_nearest_instance(
    make: Callable[[object], object], keeper: str, modules: Callable[..., Modules]
) -> None:
    loaded = modules("stateless_a")
    it: list[object] = []
    vars(loaded["stateless_a"])["top"] = make(it)
    found = path_to(it, loaded)
    assert found is not None
    assert found.keeper == keeper


def test_what_is_a_modules_own_namespace_is_found_without_a_search(
    modules: Callable[..., Modules], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = modules(stateless_a="kept = []", stateless_b="")
    heap = Heap(loaded, Scope(frozenset(loaded)))
    groups = [{name: loaded[name]} for name in ("stateless_a", "stateless_b")]
    wanted = vars(loaded["stateless_b"])
    with monkeypatch.context() as patch:
        patch.setattr(path, "edges", lambda *_: pytest.fail("searched"))
        assert find_paths([wanted], heap, groups)[identity(wanted)].text == "stateless_b"
    kept = vars(loaded["stateless_a"])["kept"]
    both = find_paths([vars(loaded["stateless_a"]), kept], Heap(loaded, Scope(frozenset(loaded))), groups)
    assert {found.text for found in both.values()} == {"stateless_a", "stateless_a.kept"}


def test_a_way_too_long_to_read_is_told_from_both_ends(modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a")
    it: list[Any] = []
    top = it
    for _ in range(100):
        top = [top]
    loaded["stateless_a"].top = {"first": top, "last": 1}  # type: ignore[attr-defined]
    found = path_to(it, loaded)
    assert found is not None
    assert found.text == "stateless_a.top['first']" + "[0]" * 9 + "…" + "[0]" * 12


def test_what_nothing_leads_to_has_no_path(modules: Callable[..., Modules]) -> None:
    assert path_to([], modules("stateless_a")) is None


def test_a_class_at_home_is_not_searched_again_for_its_guests(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_guest="", stateless_home="class Cart:\n  kept = []")
    vars(loaded["stateless_guest"])["Cart"] = vars(loaded["stateless_home"])["Cart"]
    heap = Heap(loaded, Scope(frozenset(loaded)))
    assert find_paths([[]], heap, [{name: module} for name, module in loaded.items()]) == {}


def test_a_module_of_a_test_tools_class_leads_nowhere(modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a")
    kept: list[object] = []
    made: Any = type("Made", (types.ModuleType,), {"__module__": "tool"})("stateless_tools")
    made.kept = kept
    loaded["stateless_tools"] = made
    assert path_to(kept, loaded, Scope(without_packages=frozenset({"tool"}))) is None


@pytest.mark.parametrize("name", ["__builtins__", "__spec__", "__loader__"])
def test_what_the_import_system_put_there_is_not_followed(name: str, modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a")
    it: list[object] = []
    vars(loaded["stateless_a"])[name] = Plain(a=it)
    assert path_to(it, loaded) is None


# ---------------------------------------------------------------------------------------- classes, functions


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param(
            "def make():\n  class Base: kept = it\n  return Base\nclass Shop(make()): pass",
            "stateless_a.Shop.__bases__[0].kept",
            id="base-without-a-name",
        ),
        pytest.param(
            "class Meta(type): kept = it\nShop = Meta('Shop', (), {'__module__': __name__})\ndel Meta",
            "stateless_a.Shop.__class__.kept",
            id="metaclass-without-a-name",
        ),
        pytest.param(
            "class Cart: kept = it\ncart = Cart()\ndel Cart",
            "stateless_a.cart.__class__.kept",
            id="class-without-a-name",
        ),
    ],
)
def test_what_hangs_on_a_nameless_class_is_found(
    source: str, text: str, modules: Callable[..., Modules]
) -> None:
    loaded = modules(stateless_a=f"it = []\n{source}\ndel it")
    found = _only_list(loaded)
    assert found.text == text


def _only_list(loaded: Modules) -> Path:
    """The path to the only list that the modules lead to."""
    heap = Heap(loaded, Scope(frozenset(loaded)))
    lists = [each for chunk in heap.look() if chunk for each in chunk.containers if type(each) is list]
    assert len(lists) == 1
    return find_paths(lists, heap, [loaded])[identity(lists[0])]


def test_a_class_is_named_by_its_home_and_not_by_its_guest(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_guest="", stateless_home="class Cart:\n  deeper = {'a': [0]}")
    loaded["stateless_guest"].Cart = loaded["stateless_home"].Cart  # type: ignore[attr-defined]
    assert _only_list(loaded).text == "stateless_home.Cart.deeper['a']"


def test_nameless_functions_of_two_other_modules_lead_on(modules: Callable[..., Modules]) -> None:
    """A function abroad is entered last, and so is what only such a function leads to."""
    loaded = modules(
        stateless_a="def make(inner):\n  def function(kept=inner): pass\n  return function",
        stateless_b="def make(inner):\n  def function(kept=inner): pass\n  return function",
        stateless_c="hooks = {}",
    )
    inner = loaded["stateless_b"].make([])
    loaded["stateless_c"].hooks["a"] = loaded["stateless_a"].make(inner)
    assert _only_list(loaded).text == "stateless_c.hooks['a'].<defaults>.kept.<defaults>.kept"


def test_a_module_that_is_not_loaded_under_its_name_is_followed(modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a")
    inner = types.ModuleType("stateless_inner")
    inner.kept = []  # type: ignore[attr-defined]
    loaded["stateless_a"].inner = inner  # type: ignore[attr-defined]
    found = path_to(inner.kept, loaded, Scope())
    assert found is not None
    assert found.text == "stateless_a.inner.kept"


def test_a_loaded_module_is_named_by_its_own_name(modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a", stateless_b="kept = []")
    loaded["stateless_a"].b = loaded["stateless_b"]  # type: ignore[attr-defined]
    found = path_to(loaded["stateless_b"].kept, loaded)
    assert found is not None
    assert found.text == "stateless_b.kept"


def test_an_alias_in_sys_modules_is_no_name(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_a="kept = []")
    aliased = {"stateless_alias": loaded["stateless_a"], **loaded}
    found = path_to(loaded["stateless_a"].kept, aliased)
    assert found is not None
    assert found.text == "stateless_a.kept"


def test_what_two_modules_share_is_named_by_os_and_not_by_posix(modules: Callable[..., Modules]) -> None:
    kept: list[object] = []
    module = types.ModuleType("stateless_a")
    vars(module)["kept"] = kept
    mirrored = {"posix": sys.modules["posix"], "stateless_a": module}
    vars(mirrored["posix"])["stateless_kept"] = kept
    try:
        path = path_to(kept, mirrored)
    finally:
        del vars(mirrored["posix"])["stateless_kept"]
    assert path is not None
    assert path.text == "stateless_a.kept"


def test_a_module_that_is_not_watched_is_no_way(modules: Callable[..., Modules]) -> None:
    loaded = modules("stateless_a", "stateless_b")
    kept: list[object] = []
    vars(loaded["stateless_a"]).update(other=loaded["stateless_b"], far={"from": {"here": kept}})
    vars(loaded["stateless_b"]).update(kept=kept)
    path = path_to(kept, loaded, Scope(frozenset({"stateless_a"})))
    assert path is not None
    assert path.text == "stateless_a.far['from']['here']"


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        pytest.param("parent", "stateless_a.far[0][0][0]", id="leads-elsewhere"),
        pytest.param("handlers", "stateless_a.log.handlers", id="own"),
    ],
)
def test_what_leads_to_all_other_loggers_is_no_way(
    attribute: str, text: str, modules: Callable[..., Modules]
) -> None:
    loaded = modules("stateless_a")
    kept: list[object] = []
    logger = type("Logger", (), {"__module__": "logging"})()
    setattr(logger, attribute, kept)
    vars(loaded["stateless_a"]).update(log=logger, far=[[[kept]]])
    path = path_to(kept, loaded)
    assert path is not None
    assert path.text == text


def test_the_parent_of_a_logger_is_no_way_to_it() -> None:
    import logging

    logger = logging.getLogger("stateless.path.of.a.logger")
    modules = {"logging": logging}
    found = path_to(logger.filters, modules, Scope())
    assert found is not None
    assert found.text.startswith("logging.Logger.manager.loggerDict['stateless.path.of.a.logger']")


# ----------------------------------------------------------------------------------------- found once, kept


@pytest.mark.parametrize(
    ("act", "text"),
    [
        pytest.param(lambda m: None, "stateless_a.carts['bob'].items", id="nothing"),
        pytest.param(lambda m: m.carts.update(bob=None, eve=m.carts["bob"]), "stateless_a.carts['eve'].items", id="moved"),
        pytest.param(lambda m: m.carts.clear(), None, id="gone"),
        pytest.param(lambda m: delattr(m, "carts"), None, id="gone-with-what-led-there"),
        pytest.param(lambda m: setattr(m.carts["bob"], "items", []), None, id="replaced"),
        pytest.param(lambda m: m.carts.insert(0, 1) if isinstance(m.carts, list) else None,
                     "stateless_a.carts['bob'].items", id="stays"),
        pytest.param(lambda m: sys.modules.update(stateless_a=types.ModuleType("stateless_a")), None, id="module-replaced"),
    ],
)  # fmt: skip
def test_a_path_found_before_is_told_only_while_it_leads_there(
    act: Callable[[Any], object], text: str | None, modules: Callable[..., Modules]
) -> None:
    loaded = modules(stateless_a="class Cart: pass\ncarts = {'bob': Cart()}\ncarts['bob'].items = []")
    module: Any = loaded["stateless_a"]
    items = module.carts["bob"].items
    heap = Heap(loaded, Scope(frozenset(loaded)))
    assert find_paths([items], heap, [loaded])[identity(items)].text == "stateless_a.carts['bob'].items"
    act(module)
    found = find_paths([items], heap, [{"stateless_a": sys.modules["stateless_a"]}])
    assert [path.text for path in found.values()] == ([text] if text else [])


def test_a_place_in_a_list_may_change(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_a="carts = [[]]")
    module: Any = loaded["stateless_a"]
    kept = module.carts[0]
    heap = Heap(loaded, Scope(frozenset(loaded)))
    find_paths([kept], heap, [loaded])
    module.carts.insert(0, 0)
    assert find_paths([kept], heap, [loaded])[identity(kept)].text == "stateless_a.carts[1]"


# --------------------------------------------------------------------------------------- who defines a name


@pytest.mark.parametrize(
    ("files", "text"),
    [
        pytest.param({"views": "from stateless_pkg.store import CARTS"}, "stateless_pkg.store.CARTS", id="absolute"),
        pytest.param({"views": "from .store import CARTS"}, "stateless_pkg.store.CARTS", id="relative"),
        pytest.param({"views": "from .store import CARTS as BASKETS"}, "stateless_pkg.store.CARTS", id="renamed"),
        pytest.param({"views": "from .store import *"}, "stateless_pkg.store.CARTS", id="all"),
        pytest.param({"views": "from .again import *", "again": "from .store import *"},
                     "stateless_pkg.store.CARTS", id="all-twice"),
        pytest.param({"views": "from .again import CARTS", "again": "from .store import CARTS"},
                     "stateless_pkg.store.CARTS", id="twice"),
        pytest.param({"views": "from .store import CARTS\nCARTS = list(CARTS)\nCARTS = __import__('sys').modules["
                               "'stateless_pkg.store'].CARTS"}, "stateless_pkg.store.CARTS", id="bound-twice"),
        pytest.param({"views": "if True:\n  from .store import CARTS"}, "stateless_pkg.store.CARTS", id="within-a-block"),
        pytest.param({"views": "from stateless_nowhere import CARTS"}, "stateless_pkg.views.CARTS", id="not-to-be-found"),
        pytest.param({"views": "def"}, "stateless_pkg.views.CARTS", id="source-that-cannot-be-read"),
        pytest.param({"views": "from .views import CARTS"}, "stateless_pkg.views.CARTS", id="from-itself"),
        pytest.param({"views": None}, "stateless_pkg.views.CARTS", id="no-source"),
    ],
)  # fmt: skip
def test_a_name_is_told_where_it_is_defined(
    files: dict[str, str | None], text: str, tmp_path: File, modules: Callable[..., Modules]
) -> None:
    names = ["stateless_pkg.store", *(f"stateless_pkg.{name}" for name in files)]
    loaded = modules(*names)
    shared: list[object] = []
    for name, module in loaded.items():
        source = files.get(name.rpartition(".")[2], "CARTS = []")
        file = tmp_path / f"{name}.py"
        if source is not None:
            file.write_text(source)
        label = "BASKETS" if source is not None and "BASKETS" in source else "CARTS"
        vars(module).update({label: shared, "__file__": str(file), "__package__": "stateless_pkg"})
    views = {"stateless_pkg.views": loaded["stateless_pkg.views"]}
    heap = Heap(loaded, Scope(frozenset(loaded)))
    assert find_paths([shared], heap, [views])[identity(shared)].text == text


def test_a_module_without_python_source_defines_what_it_has(modules: Callable[..., Modules]) -> None:
    loaded = modules(stateless_a="kept = []")
    vars(loaded["stateless_a"])["__file__"] = "/usr/lib/stateless_a.so"
    found = path_to(loaded["stateless_a"].kept, loaded)
    assert found is not None
    assert found.text == "stateless_a.kept"
