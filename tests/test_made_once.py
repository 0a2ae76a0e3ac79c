"""What further runs of a test show that a library makes once is no leak; what each run would do again is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import CountedProject

LIBRARY = """
import enum
import threading
from collections import namedtuple
from types import SimpleNamespace

_names, _objects, _kept, _seen, names = {}, {}, {}, set(), {}


def transform(name):
    if name not in _names:
        _names[name] = name.upper() + "!"
    return _names[name]


def transform_for_all(name):
    if name not in names:
        names[name] = name.upper() + "!"
    return names[name]


def remember(name, make):
    if name not in _objects:
        _objects[name] = make()


def memo(function):
    cache = {}

    def asked(name):
        if name not in cache:
            cache[name] = function(name)
        return cache[name]

    return asked


@memo
def doubled(name):
    return name * 2


def get_or_set(name, make):
    if name not in _names:
        _names[name] = make()
    return _names[name]


def get_or_set_with_time(name, make):
    if name not in _names:
        _names[name] = (1.5, [make()])


Row = namedtuple("Row", "name")
_rows, _profiles, _known, grids = {}, {}, {"a": 1}, {}


def row(name):
    if name not in _rows:
        _rows[name] = Row(name.upper() + "!")


def profile(name, make):
    if name not in _profiles:
        _profiles[name] = SimpleNamespace(name=make())


def know(name):
    if (name, len) not in _known:
        _known[name, len] = object()


def grid(size):
    if size not in grids:
        grids[size] = [[None, True] * size]


class Machine:
    def __init__(self):
        self.turns = 0

    def turn(self):
        self.turns += 1


class Runner:
    pool, spare, jobs = [], [], []


def run(pool, turns=1, user=None):
    machine = pool.pop() if pool else Machine()
    for _ in range(turns):
        machine.turn()
    machine.user = user
    pool.append(machine)


def queue():
    Runner.jobs.append(Machine())


def keep(name, value):
    _kept[name] = value


def see(name):
    _seen.add(name)


_filled, _later = [], ["a"]


def fill():
    if not _filled:
        _filled.extend(["a", "b"])


def fill_later():
    if len(_later) == 1:
        _later.append("b")


class Zones(list):
    def ask(self):
        if not len(self):
            self.extend(["UTC", "CET"])


ZONES = Zones()
colours = {"red": "#f00", "blue": "#00f"}


def colour(name):
    if isinstance(colours[name], str):
        colours[name] = tuple(map(ord, colours[name]))
    return colours[name]


class Backend:
    pass


NOW = threading.local()


def backend():
    if not hasattr(NOW, "backend"):
        NOW.backend = Backend()


class User:
    def __init__(self, name):
        self.name = name


class Guest:
    __slots__ = ("name", "since")

    def __init__(self, name):
        self.name = [name]


def sign_in(name, kind=User):
    if not hasattr(NOW, kind.__name__):
        setattr(NOW, kind.__name__, kind(name))


def connect():
    NOW.connection = Backend()


class Ready:
    def start(self):
        pass


class Engine(Ready):
    def __init__(self):
        self._options = (1, 2)

    def start(self):
        if type(self) is Engine:
            del self._options
            self.__class__ = Ready


ENGINE = Engine()


class Limiter:
    def __init__(self):
        self._store = None

    def set_up(self):
        self._store = Store()

    def hit(self, user):
        self._store.hits[user] = 1
        self._store.backend = Backend()


class Store:
    def __init__(self):
        self.hits, self.backend = {}, None


class Way(enum.IntFlag):
    SHORT = 1


class Words:
    _split, _by_way, _given, _kept, split = {}, {Way.SHORT: {}}, {}, {}, {}

    @classmethod
    def of(cls, name, table):
        if name not in table:
            table[name] = name.upper() + "!"

    @classmethod
    def given(cls, name, make):
        if name not in cls._given:
            cls._given[name] = make()


class Rules(dict):
    pass


_rules = Rules(language="")
_recent = {"a": "one", "b": "two"}
_formats = {"a": "one", "b": "two"}


def rules_for(language):
    global _rules
    if _rules["language"] != language:
        _rules = Rules(language=language)


def recent(name):
    if name not in _recent:
        _recent.pop(next(iter(_recent)))
        _recent[name] = name.upper() + "!"


def forget(name):
    _formats.pop(name, None)


class Registry:
    parts = ("locks", "rooms")

    def __init__(self):
        self.makers = {}

    def load(self, name, module=threading):
        if name not in self.makers:
            self.makers[name] = lambda: module.Lock

    def load_for(self, name, user):
        if name not in self.makers:
            self.makers[name] = lambda: user

    def load_through_another(self, name, user):
        if name not in self.makers:
            make = lambda: user
            self.makers[name] = lambda: make()

    def load_by_default(self, name, user):
        if name not in self.makers:
            self.makers[name] = lambda user=user: user


REGISTRY = Registry()
"""

HEALTHY = """
import library


def test_remembers():
    library.transform("ab")


def test_remembers_in_a_closure():
    library.doubled("ab")


def test_remembers_a_row():
    library.row("ab")


def test_remembers_a_profile():
    library.profile("ab", str)


def test_knows():
    library.know("ab")


def test_draws_a_grid():
    library.grid(2)


def test_lends_a_machine():
    library.run(library.Runner.pool)


def test_fills():
    library.fill()


def test_fills_itself():
    library.ZONES.ask()


def test_takes_in():
    library.colour("red")


def test_makes_on_first_use():
    library.backend()


def test_signs_in():
    library.sign_in("bob")


def test_lets_in():
    library.sign_in("bob", library.Guest)


def test_becomes():
    library.ENGINE.start()


def test_splits():
    library.Words.of("ab", library.Words._split)


def test_splits_by_way():
    library.Words.of("ab", library.Words._by_way[library.Way.SHORT])


def test_makes_rules():
    library.rules_for("nl")


def test_makes_room():
    library.recent("cd")


def test_remembers_a_small_number():
    library.get_or_set("small", lambda: float(len("abc")))


def test_loads():
    library.REGISTRY.load("locks")


def test_loads_by_another_word():
    library.REGISTRY.load("al's")
"""

LEAKING = """
import library
import pytest


class Cart:
    pass


class Other:
    pass


CART = Cart()
CART._rows = 1
MINE = Cart()


def test_remembers_for_all():
    library.transform_for_all("ab")


@library.memo
def cart(name):
    return name + "'s cart"


def test_remembers_by_the_librarys_function():
    cart("bob")


def test_remembers_a_cart():
    library.remember("bob", Cart)


def test_remembers_what_it_was_given():
    library.get_or_set("user", user)


def test_remembers_a_number_that_it_was_given():
    library.get_or_set("number", lambda: len(str(library)) * 7919)


def test_remembers_a_price_that_it_was_given():
    library.get_or_set("price", lambda: len(str(library)) / 7919)


def test_remembers_what_it_was_given_with_more():
    library.get_or_set_with_time("also", user)


def test_remembers_what_it_was_given_in_an_object():
    library.profile("carl", user)


def test_lends_a_machine_to_a_user():
    library.run(library.Runner.spare, user="bobby")


def test_splits_for_all():
    library.Words.of("ab", library.Words.split)


def test_splits_what_it_was_given():
    library.Words.given("user", user)


def test_keeps_a_cart_with_a_class():
    library.Words.given("cart", Cart)


def test_keeps_a_text_with_a_class():
    library.Words._kept["al"] = "tea" * len(str(library))


def test_forgets():
    library.forget("a")


def test_loads_for_a_user():
    library.REGISTRY.load_for("rooms", "bob")


def test_loads_for_a_user_by_default():
    library.REGISTRY.load_by_default("parts", "bob")


def test_loads_through_another():
    library.REGISTRY.load_through_another("impls", "bob")


def test_loads_from_a_cart():
    library.REGISTRY.load("makers", Cart)


def test_queues_a_machine():
    library.queue()


def user():
    return "bob" * len("abc")


def test_keeps_a_constant():
    library.keep("bob", "tea")


def test_keeps_a_text():
    library.keep("al", "tea" * len(str(library)))


def test_sees():
    library.see("bob")


def test_fills_later():
    library.fill_later()


def test_sets_a_colour():
    library.colours["blue"] = (0, 0, 255)


def test_connects():
    library.connect()


def test_becomes_another():
    if type(MINE) is Cart:
        MINE.__class__ = Other


def test_drops():
    if hasattr(CART, "_rows"):
        del CART._rows


LIMITER = library.Limiter()


@pytest.fixture(scope="module")
def limiter():
    LIMITER.set_up()


def test_counts_in_what_a_fixture_makes_anew(limiter):
    LIMITER.hit("bob")
"""


def test_what_a_library_makes_once_is_told_from_what_is_kept(counted: CountedProject) -> None:
    counted.write("site-packages/library.py", LIBRARY)
    counted.write(
        "conftest.py", "import sys\nsys.path.insert(0, __file__.replace('conftest.py', 'site-packages'))\n"
    )
    counted.write("test_healthy.py", HEALTHY)
    counted.write("test_leaking.py", LEAKING)
    counted.check_apart()
    left: dict[str, dict[str, list[str]]] = {"error": {}, "warning": {}}
    for test in counted.report()["tests"]:
        for leak in test["leaks"]:
            told = left[leak["severity"]].setdefault(test["nodeid"].partition("::test_")[2], [])
            told.append(leak["subject"])
    assert left["warning"] == {
        "remembers": ["library._names['ab']"],
        "remembers_a_row": ["library._rows['ab']"],
        "remembers_a_profile": ["library._profiles['ab']"],
        "draws_a_grid": ["library.grids[2]"],
        "remembers_in_a_closure": ["library.doubled.<closure>.cache['ab']"],
        "fills": ["library._filled", "library._filled"],
        "fills_itself": ["library.ZONES", "library.ZONES"],
        "signs_in": ["library.NOW.User"],
        "lets_in": ["library.NOW.Guest"],
        "splits": ["library.Words._split['ab']"],
        "splits_by_way": ["library.Words._by_way[<Way>]['ab']"],
        "makes_rules": ["library._rules"],
        "makes_room": ["library._recent['cd']"],
        "remembers_a_small_number": ["library._names['small']"],
    }
    assert left["error"] == {
        "remembers_for_all": ["library.names['ab']"],
        "remembers_by_the_librarys_function": ["test_leaking.cart.<closure>.cache['bob']"],
        "remembers_a_cart": ["library._objects['bob']"],
        "remembers_what_it_was_given": ["library._names['user']"],
        "remembers_a_number_that_it_was_given": ["library._names['number']"],
        "remembers_a_price_that_it_was_given": ["library._names['price']"],
        "remembers_what_it_was_given_with_more": ["library._names['also']"],
        "remembers_what_it_was_given_in_an_object": ["library._profiles['carl']"],
        "lends_a_machine_to_a_user": ["library.Runner.spare"],
        "splits_for_all": ["library.Words.split['ab']"],
        "splits_what_it_was_given": ["library.Words._given['user']"],
        "keeps_a_cart_with_a_class": ["library.Words._given['cart']"],
        "keeps_a_text_with_a_class": ["library.Words._kept['al']"],
        "forgets": ["library._formats['a']"],
        "loads_for_a_user": ["library.REGISTRY.makers['rooms']"],
        "loads_for_a_user_by_default": ["library.REGISTRY.makers['parts']"],
        "loads_through_another": ["library.REGISTRY.makers['impls']"],
        "loads_from_a_cart": ["library.REGISTRY.makers['makers']"],
        "queues_a_machine": ["library.Runner.jobs"],
        "keeps_a_constant": ["library._kept['bob']"],
        "keeps_a_text": ["library._kept['al']"],
        "sees": ["library._seen"],
        "fills_later": ["library._later"],
        "sets_a_colour": ["library.colours['blue']"],
        "connects": ["library.NOW.connection"],
        "becomes_another": ["test_leaking.MINE.__class__"],
        "drops": ["test_leaking.CART._rows"],
        "counts_in_what_a_fixture_makes_anew": ["test_leaking.LIMITER._store.hits['bob']"],
    }
