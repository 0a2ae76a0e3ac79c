"""Small programs against all that is known of leftovers: those that keep state are told, the healthy ones aren't.

Each is a library and an application that uses it. A new entry in ``expected`` gets two rows here: the program that it
is for, and a program that leaks and that it might hide.
"""

from __future__ import annotations

import builtins
import colorsys
import gc
import sys
import textwrap
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.detectors import Context, module_state
from pytest_stateless.environment import scope_of
from pytest_stateless.expected import is_expected, softened
from pytest_stateless.heap import words
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import Leak, Severity
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from pytest_stateless.unwatched import TOOL_PACKAGES

SHOP, LIBRARY = "stateless_shop", "stateless_library"

Modules = tuple[Any, Any]


@pytest.fixture(autouse=True)
def _standard_library_as_before() -> Iterator[None]:
    before = {module: dict(vars(module)) for module in (builtins, colorsys)}
    yield
    for module, names in before.items():
        for name in vars(module).keys() - names.keys():
            delattr(module, name)
        vars(module).update(names)
    sys.modules.pop("stateless_cart", None)


@pytest.fixture
def load() -> Iterator[Callable[[str, str], Modules]]:
    """Makes the two modules of their text; in that of the application ``library`` is the other.

    In the end it calls the ``close`` of the application, if there is one.
    """

    def make(library: str, shop: str) -> Modules:
        for name, text in (
            (LIBRARY, library),
            (SHOP, f"import {LIBRARY} as library\n{textwrap.dedent(shop)}"),
        ):
            sys.modules[name] = types.ModuleType(name)
            exec(textwrap.dedent(text), vars(sys.modules[name]))
        return sys.modules[LIBRARY], sys.modules[SHOP]

    yield make
    for name in (LIBRARY, SHOP):
        vars(sys.modules.pop(name, types)).get("close", int)()


def left_by(act: Callable[[Any], object], shop: Any, more: tuple[str, ...]) -> list[str]:
    """The subjects of what is left, beside what is expected."""
    return sorted({leak.subject for leak in leaks_of(act, shop, more)})


def leaks_of(
    act: Callable[[Any], object], shop: Any, more: tuple[str, ...] = (), then: Callable[[], object] = int
) -> list[Leak]:
    """What is left, beside what is expected; ``then`` is done before it is judged."""
    sources = Sources("/", frozenset({SHOP}), frozenset(TOOL_PACKAGES))
    scope = scope_of(sources, frozenset({SHOP, LIBRARY, *more}))
    context = Context(sources, Recording(sources), (), lambda: Heap(sys.modules, scope))
    before = module_state.capture(context)
    act(shop)
    after = module_state.capture(context)
    then()
    leaks = list(module_state.compare(before, after))
    return [softened(leak) for leak in leaks if not is_expected(leak)]


def leaking(name: str, library: str, shop: str, *subjects: str, more: tuple[str, ...] = ()) -> Any:
    """A program whose ``act`` keeps something: the subjects, without the names of the modules."""
    return pytest.param(library, shop, sorted(subjects), more, id=name)


SIGNAL = """
    import weakref
    class Signal:
        def __init__(self):
            self.receivers = []
        def connect(self, receiver, key=1):
            self.receivers.append((key, weakref.ref(receiver)))
        def clear(self):
            self.receivers = [one for one in self.receivers if one[1]() is not None]
    saved = Signal()
"""
DESCRIPTOR = """
    class Field:
        def __set_name__(self, owner, name):
            self.name = name
        def __get__(self, instance, owner):
            return instance.__dict__.get(self.name)
        def __set__(self, instance, value):
            instance.__dict__[self.name] = value
"""

POOL = """
    import queue
    class Connection:
        def __init__(self):
            self.sent, self.statements, self.notes = 0, Statements(), []
        cursor = commit = rollback = close = lambda self: None
    class Statements:
        def __init__(self):
            self.names = {}
    class Record:
        def __init__(self):
            self.connection, self.row = Connection(), 'al'
            self._told, self.words = {"version": 7}, Words()
        def renew(self):
            self.connection, self._told, self.words = Connection(), {"version": 8}, Words()
    class Jobs(queue.Queue):
        pass
    class Pool:
        def __init__(self):
            self.free, self.jobs, self.stats = [Record()], Jobs(), {}
            self.lent, self.rows, self.user, self.state = 0, [], 1, 'idle'
        def ask(self):
            record = self.free.pop()
            self.lent += 1
            self.stats["asked"] = self.stats.get("asked", 0) + 1
            self.jobs.unfinished_tasks += 1
            record.connection.sent += 1
            record.connection.statements.names["select 1"] = "s_1"
            self.free.append(record)
        def grow(self):
            self.free.append(Record())
        def renew(self):
            self.free[0].renew()
        def drop(self):
            self.free[0].connection = self.free[0].words = None
        def begin(self):
            self.state = 'in transaction'
        def keep(self, row):
            self.rows.append(row)
    class Words:
        pass
    class Holder:
        def __init__(self, **things):
            self.things = things
    class Wrapper(Connection):
        def __init__(self):
            self.connection, self.queries, self.cache, self._answer = Connection(), [], Cache(), Answer()
        def read(self):
            self._answer = Answer()
        def ask(self, query):
            self.queries.append(query)
    class Answer:
        pass
    class Cache:
        def __init__(self):
            self.rows = ['al']
    Cache.__module__ = "stateless_cache"
"""

WAITING = """\
import asyncio
LOOP = asyncio.new_event_loop()
LOOP.close()
waiter, QUEUE, EVENT = LOOP.create_future(), asyncio.Queue(), asyncio.Event()
def act():
"""
TEST_CLIENT = """
    class Client:
        def __init__(self, app=None):
            self.app, self.cookies = app, {}
    Client.__module__ = "werkzeug.test"
"""
TABLE = """
    class Locale:
        def __init__(self, name):
            self.name = name
    class Store:
        def __init__(self):
            self.kept = {}
        def find(self, name):
            self.kept[name] = Locale(name)
    class Rows(dict):
        pass
    STORE = Store()
    NAMES = ("de", "fr", "path", "a", "sqlite")
    TABLE, LOADERS = {}, {"de": lambda: Locale("de")}
    def find(name):
        return TABLE.setdefault(name, Locale(name))
    def load():
        TABLE["de"] = LOADERS["de"]()
        LOADERS["de"] = None
    def register():
        TABLE["locale"], TABLE["find"] = Locale, find
    class Factory:
        def __init__(self):
            self.found, self._found, self._rows = {}, {}, {}
        def find(self, name):
            self.found[name] = Locale(name)
        def make(self, name, what=None):
            self._found[name] = what or Locale(name)
        def keep(self, name, row):
            self._rows[name] = row
    FACTORY = Factory()
    class Asked(dict):
        def __missing__(self, key):
            self[key] = value = {key: 1}
            return value
    ASKED = Asked()
    def note(kind, what):
        TABLE[kind] = what
"""


MARKERS = """
    import weakref
    _markers = set()
    class Marker:
        __slots__ = ("name", "kinds")
        def __init__(self, name):
            self.name, self.kinds = name, set()
            _markers.add(self)
        def note(self, kind):
            self.kinds.add(weakref.ref(kind, self._forget))
        def _forget(self, reference):
            self.kinds.discard(reference)
            if not self.kinds:
                _markers.discard(self)
    def register(kind):
        Marker(kind.__name__).note(kind)
    class Loaders:
        def __init__(self):
            self.found = {}
        def load(self, name):
            self.found[name] = lambda: (Marker, weakref)
        def choose(self, name):
            kind = Marker
            self.found[name] = lambda: kind
        def keep(self, name, value):
            self.found[name] = lambda: value
    LOADERS = Loaders()
"""


OWN = """
    import types
    GLYPHS = (("a", "b"), ("c",))
    Cache, _prefixes, PREFIXES, codes = {}, {}, {"Atom": "at"}, ("alpha", "beta")
    class Facts(dict):
        pass
    class Number:
        def __init__(self):
            self._facts = Facts()
        def ask(self):
            self._facts["real"] = True
        def learn(self):
            self._facts = Facts(self._facts, finite=None)
        def forget(self):
            self._facts = Facts()
        def note(self, name, value):
            self._facts[name] = value
        def note_anew(self, name, value):
            self._facts = Facts(self._facts, **{name: value})
        def show(self, name):
            self.facts[name] = True
    ONE = Number()
    SHOWN = Number()
    SHOWN.facts = SHOWN._facts
    del SHOWN._facts
    def glyphs(number):
        Cache[number] = GLYPHS[number]
    def prefix():
        _prefixes["atom"] = PREFIXES["Atom"]
    def names():
        globals()["str"] = str
    def put(key, value):
        Cache[key] = value
    class Slotted:
        __slots__ = ("_absent", "_cache", "cache")
        def __init__(self):
            self._cache, self.cache = {}, {}
        def resolve(self):
            self._cache[(int, str)] = put
        def show(self):
            self.cache[(int, str)] = Slotted()
        def find(self):
            self.cache[(int, str)] = put
    DISPATCH = Slotted()
    class Moved:
        def __init__(self, name):
            self.name = name
        def __get__(self, instance, owner):
            found = instance.__dict__[self.name] = types.ModuleType
            delattr(owner, self.name)
            return found
    class Lazy(types.ModuleType):
        quote = Moved("quote")
    moves = Lazy("stateless_library.moves")
    import weakref
    class Ordered:
        def __init__(self):
            self._items, self._order = {}, []
        def add(self, thing):
            self._items[id(thing)] = weakref.ref(thing)
            self._order.append(id(thing))
        def forget_later(self):
            thing = Number()
            thing.itself = thing
            weakref.finalize(thing, self._order.remove, 5).atexit = False
            self._order.append(5)
        def keep(self, number):
            self._items[number] = 1
            self._order.append(number)
    ORDERED, KEPT = Ordered(), Number()
"""


@pytest.mark.parametrize(
    ("library", "shop", "subjects", "more"),
    [
        leaking("key-of-a-user-on-a-library", "api_key = None", "def act(): library.api_key = 'bob'",
                "library.api_key"),
        leaking("key-on-a-library-imported-on-the-way", "api_key = None",
                """
                def act():
                    import stateless_library
                    stateless_library.api_key = 'bob'
                """,
                "library.api_key"),
        leaking("librarys-switch-turned-off", "_enabled = True", "def act(): library._enabled = False",
                "library._enabled"),
        leaking("librarys-session-thrown-away", "_session = object()", "def act(): library._session = None",
                "library._session"),
        leaking("user-on-a-librarys-object", "class Client: user = None",
                "CLIENT = library.Client()\ndef act(): CLIENT.user = 'bob'", "shop.CLIENT.user"),
        leaking("object-of-the-application-in-a-library",
                "_last = None\ndef remember(thing):\n    global _last\n    _last = thing",
                "class Cart: pass\ndef act(): library.remember(Cart())", "library._last"),
        leaking("objects-of-the-application-in-a-librarys-new-table",
                "_table = {}\ndef remember(thing):\n    global _table\n    _table = {'last': thing}",
                "class Cart: pass\ndef act(): library.remember(Cart())", "library._table"),
        leaking("library-that-counts", "class Client: calls = 0\ndef call(): Client.calls += 1",
                "def act(): library.call()", "library.Client.calls"),
        leaking("library-that-counts-in-private-for-each-client",
                "class Client:\n    def __init__(self): self._calls = 7\n    def call(self): self._calls += 1",
                "CLIENT = library.Client()\ndef act(): CLIENT.call()", "shop.CLIENT._calls"),
        leaking("private-count-of-the-application", "", "_orders = 5\ndef act():\n    global _orders\n    _orders += 1",
                "shop._orders"),
        leaking("private-count-that-the-application-sets", "_count = 5", "def act(): library._count += 1",
                "library._count"),
        leaking("private-count-that-went-back", "_left = 5\ndef take():\n    global _left\n    _left -= 1",
                "def act(): library.take()", "library._left"),
        leaking("functions-that-the-application-swaps", "def pay(): pass\ndef pay_nothing(): pass",
                "def act(): library.pay = library.pay_nothing", "library.pay"),
        leaking("function-of-the-application-in-a-librarys-place",
                "def pay(): pass\ndef choose(one):\n    global pay\n    pay = one",
                "def mine(): pass\ndef act(): library.choose(mine)", "library.pay"),
        leaking("number-of-orders-by-the-name-of-a-counter", "", "class Order: creation_counter = 0\n"
                "def act(): Order.creation_counter += 1", "shop.Order.creation_counter"),
        leaking("user-in-a-namespace", "",
                "from types import SimpleNamespace\nNOW = SimpleNamespace(user=None)\ndef act(): NOW.user = 'bob'",
                "shop.NOW.user"),
        leaking("generator-of-the-application-that-moves", "",
                "def make():\n    yield 1\n    yield 2\nNUMBERS = make()\ndef act(): next(NUMBERS)", "shop.NUMBERS"),
        leaking("bytes-that-grow", "", "KEPT = bytearray()\ndef act(): KEPT.extend(b'bob')", "shop.KEPT"),
        leaking("numbers-of-orders", "",
                "import itertools\nNUMBERS = itertools.count()\ndef act(): next(NUMBERS)", "shop.NUMBERS"),
        leaking("user-of-a-thread", "",
                "import threading\nNOW = threading.local()\ndef act(): NOW.user = 'bob'", "shop.NOW.user"),
        leaking("user-on-a-function", "", "def view(): pass\nview.user = None\ndef act(): view.user = 'bob'",
                "shop.view.user"),
        leaking("user-behind-a-descriptor", DESCRIPTOR,
                "class Session: user = library.Field()\nNOW = Session()\ndef act(): NOW.user = 'bob'",
                "shop.NOW.user"),
        leaking("time-that-a-tool-made",
                """
                import datetime
                class Frozen(datetime.datetime):
                    __module__ = 'freezegun.api'
                """,
                "SEEN = {}\ndef act(): SEEN['bob'] = library.Frozen(2024, 1, 1)", "shop.SEEN['bob']"),
        leaking("carts-by-a-weak-key-that-stays", "",
                """
                import weakref
                class App: pass
                APP, CARTS = App(), weakref.WeakKeyDictionary()
                CARTS[APP] = {}
                def act(): CARTS[APP]['bob'] = 1
                """,
                "shop.CARTS.data[<ReferenceType>]['bob']"),
        leaking("new-entry-of-a-weak-key-that-stays", "",
                """
                import weakref
                class App: pass
                APP, CARTS = App(), weakref.WeakKeyDictionary()
                def act(): CARTS[APP] = {}
                """,
                "shop.CARTS.data[<ReferenceType>]"),
        leaking("weak-reference-to-a-function-that-stays", "",
                "import weakref\nWATCHERS = []\ndef watch(): pass\ndef act(): WATCHERS.append(weakref.ref(watch))",
                "shop.WATCHERS"),
        leaking("receiver-of-a-librarys-signal", SIGNAL,
                "def receive(): pass\ndef act(): library.saved.connect(receive)", "library.saved.receivers"),
        leaking("method-of-an-object-that-stays-at-a-librarys-signal",
                SIGNAL.replace("weakref.ref(receiver)", "weakref.WeakMethod(receiver)"),
                """
                class Audit:
                    def receive(self): pass
                AUDIT = Audit()
                def act(): library.saved.connect(AUDIT.receive)
                """,
                "library.saved.receivers"),
        leaking("cache-of-a-template-engine-used-as-ones-own", "",
                "from jinja2.utils import LRUCache\nRECENT = LRUCache(9)\ndef act(): RECENT['bob'] = 1",
                "shop.RECENT._mapping['bob']", "shop.RECENT._queue", more=("jinja2.utils",)),
        leaking("compiled-formulas", "", "ALL = {}\ndef act(): ALL['1+1'] = compile('1+1', 'x', 'eval')",
                "shop.ALL['1+1']"),
        leaking("modules-by-customer", "",
                "from types import ModuleType\nALL = {}\ndef act(): ALL['bob'] = ModuleType('bob')",
                "shop.ALL['bob']"),
        leaking("thing-among-the-modules", "",
                "import sys\nclass Cart: pass\ndef act(): sys.modules['stateless_cart'] = Cart()",
                "sys.modules['stateless_cart']", more=("sys",)),
        leaking("module-that-must-not-be-imported", "",
                "import sys\ndef act(): sys.modules['stateless_cart'] = None",
                "sys.modules['stateless_cart']", more=("sys",)),
        leaking("loggers-by-customer", "", "import logging\nALL = {}\ndef act(): ALL['bob'] = logging.Logger('bob')",
                "shop.ALL['bob']"),
        leaking("catalogues-by-customer", "",
                "import gettext\nALL = {}\ndef act(): ALL['bob'] = gettext.NullTranslations()", "shop.ALL['bob']"),
        leaking("warnings-that-are-kept", "",
                """
                import warnings
                KEPT = []
                def act():
                    with warnings.catch_warnings(record=True) as log:
                        warnings.simplefilter('always')
                        warnings.warn('x')
                    KEPT.extend(log)
                """,
                "shop.KEPT"),
        leaking("other-items-in-another-kind-of-sequence", "", "ALL = [1]\ndef act():\n    global ALL\n    ALL = (2,)",
                "shop.ALL"),
        leaking("visitor-without-a-value", "", "SEEN = {}\ndef act(): SEEN['bob'] = None", "shop.SEEN['bob']"),
        leaking("owner-on-a-class", "", "class Cart: pass\ndef act(): Cart.owner = 'bob'", "shop.Cart.owner"),
        leaking("value-that-hides-that-of-the-class", "",
                "class Cart: total = 0\nNOW = Cart()\ndef act(): NOW.total = 5", "shop.NOW.total"),
        leaking("member-made-by-a-user", "",
                """
                import enum
                class Kind(enum.Enum):
                    A = 1
                    @classmethod
                    def _missing_(cls, value):
                        made = object.__new__(cls)
                        made._name_ = made._value_ = value
                        cls._value2member_map_[value] = made
                        return made
                def act(): Kind('bob')
                """,
                "shop.Kind._value2member_map_['bob']"),
        leaking("names-under-the-name-of-the-built-in-ones", "",
                "ALL = {}\ndef act(): ALL['__builtins__'] = {'bob': 1}", "shop.ALL['__builtins__']"),
        leaking("name-among-the-built-in-ones", "", "import builtins\ndef act(): builtins.tenant = 'bob'",
                "builtins.tenant", more=("builtins",)),
        leaking("built-in-function-replaced", "",
                "import builtins\nreal = print\ndef quiet(*texts): pass\ndef act(): builtins.print = quiet",
                "builtins.print", more=("builtins",)),
        leaking("built-in-name-taken-away", "", "import builtins\ndef act(): del builtins.exit",
                "builtins.exit", more=("builtins",)),
        leaking("function-of-the-standard-library-replaced", "",
                "import colorsys\ndef mine(*_): pass\ndef act(): colorsys.rgb_to_yiq = mine",
                "colorsys.rgb_to_yiq", more=("colorsys",)),
        leaking("class-given-another-base", "",
                "class A: pass\nclass B: pass\nclass Cart(A): pass\ndef act(): Cart.__bases__ = (B,)",
                "shop.Cart.__bases__"),
        leaking("descriptor-of-a-library-that-the-application-replaces",
                "class Lazy:\n    def __get__(self, *_): return 1\nclass Client: user = Lazy()",
                "def act(): library.Client.user = 'bob'", "library.Client.user"),
        leaking("descriptor-of-a-library-that-another-takes-the-place-of",
                "class Lazy:\n    def __get__(self, *_): return 1\nclass Client: user = Lazy()",
                "def act(): setattr(library.Client, 'user', staticmethod(print))", "library.Client.user"),
        leaking("note-of-the-application-on-a-class-that-a-library-made",
                "class Meta(type): pass\nclass Form(metaclass=Meta): pass",
                "class Login(library.Form): _user = None\ndef act(): Login._user = 'bob'", "shop.Login._user"),
        leaking("patterns-by-customer", "",
                "import re\nALL = {}\ndef act(): ALL['bob'] = re.compile('bob')", "shop.ALL['bob']"),
        leaking("number-of-orders-near-the-time", "import time\nclass Till: pass\nTILL = Till()\nTILL._count = 7",
                "def act(): setattr(library.TILL, '_count', 8)", "library.TILL._count"),
        leaking("user-in-a-context-that-is-kept", "",
                "import contextvars\nUSER = contextvars.ContextVar('user')\nNOW = contextvars.copy_context()\n"
                "def act(): NOW.run(USER.set, 'bob')", "shop.NOW['user']"),
        leaking("class-registered-with-an-abstract-one", "",
                "import abc\nclass Store(abc.ABC): pass\nclass Memory: pass\ndef act(): Store.register(Memory)",
                "shop.Store._abc_registry"),
        leaking("thing-that-stays-in-a-weak-registry", "",
                "import weakref\nclass Cart: pass\nCART = Cart()\nBY_USER = weakref.WeakValueDictionary()\n"
                "def act(): BY_USER['bob'] = CART", "shop.BY_USER.data['bob']"),
        leaking("lock-left-acquired", "",
                "import threading\nLOCK = threading.Lock()\nAGAIN = threading.RLock()\n"
                "def act():\n    LOCK.acquire()\n    AGAIN.acquire()", "shop.LOCK", "shop.AGAIN"),
        leaking("lock-of-an-object-of-the-application", "",
                "import threading\nclass Till:\n    def __init__(self): self.lock = threading.Lock()\n"
                "TILLS = [Till()]\ndef act(): TILLS[0].lock.acquire()", "shop.TILLS[0].lock"),
        leaking("user-on-an-item-of-a-librarys-object",
                "class Field: user = None\nclass Model: fields = {'a': Field()}",
                "def act(): library.Model.fields['a'].user = 'bob'", "library.Model.fields['a'].user"),
        leaking("event-that-is-set", "",
                "import threading\nOPEN = threading.Event()\ndef act(): OPEN.set()", "shop.OPEN._flag"),
        leaking("event-of-an-object-of-the-application", "",
                "import threading\nclass Shop:\n    ever = threading.Event()\n"
                "    def __init__(self): self.opened = [threading.Event()]\n"
                "SHOP = Shop()\ndef act():\n    SHOP.opened[0].set()\n    SHOP.ever.set()",
                "shop.SHOP.opened[0]._flag", "shop.Shop.ever._flag"),
        leaking("method-of-a-library-replaced-by-the-applications", "class Client:\n    def send(self): pass",
                "CLIENT = library.Client()\ndef fake(): pass\ndef act(): CLIENT.send = fake", "shop.CLIENT.send"),
        leaking("class-of-a-librarys-metaclass-told-of-its-user",
                "class Meta(type): pass\nclass Form(metaclass=Meta): pass",
                "class Login(library.Form): __user__ = 'al'\ndef act(): Login.__user__ = 'bob'",
                "shop.Login.__user__"),
        leaking("state-of-the-applications-own-switch", "",
                "import enum\nclass Door(enum.Enum): OPEN = 1; SHUT = 2\nclass Shop: _door = Door.SHUT\nSHOP = Shop()\n"
                "SHOP._door = Door.SHUT\ndef act(): SHOP._door = Door.OPEN", "shop.SHOP._door"),
        leaking("words-of-a-refusal-that-is-kept", "",
                "REFUSAL = ValueError('no')\ndef act(): REFUSAL.args = ('bob',)", "shop.REFUSAL.args"),
        leaking("ending-that-was-added", "",
                "import mimetypes\nmimetypes.init()\ndef act(): mimetypes.add_type('x/bob', '.statelessbob')",
                "mimetypes.types_map['.statelessbob']", more=("mimetypes",)),
        leaking("function-of-the-application-taken-out-of-a-library",
                "class App:\n    def __init__(self): self.before = []\n    def forget(self): self.before.clear()",
                "def check(): pass\nAPP = library.App()\nAPP.before.append(check)\ndef act(): APP.forget()",
                "shop.APP.before"),
        leaking("setting-of-a-connection", POOL,
                "CONNECTION = library.Connection()\ndef configure(one): one.sent = True\n"
                "def act(): configure(CONNECTION)", "shop.CONNECTION.sent"),
        leaking("nothing-that-the-application-sets", "class Client: pass",
                "CLIENT = library.Client()\ndef act(): CLIENT.user = None", "shop.CLIENT.user"),
        leaking("text-in-a-librarys-table", TABLE, "def act(): library.TABLE['bob'] = 'tea'", "library.TABLE['bob']"),
        leaking("object-of-the-application-in-a-librarys-table", TABLE,
                "class Cart: pass\ndef act(): library.TABLE['bob'] = Cart()", "library.TABLE['bob']"),
        leaking("class-of-the-application-in-a-librarys-table", TABLE,
                "class Cart: pass\ndef act(): library.TABLE['bob'] = Cart", "library.TABLE['bob']"),
        leaking("object-of-the-application-in-an-object-in-a-librarys-table", TABLE,
                "class Cart: pass\ndef act():\n    library.find('bob')\n    library.TABLE['bob'].cart = Cart()",
                "library.TABLE['bob']"),
        leaking("number-of-pythons-in-a-librarys-table", TABLE,
                "import fractions\ndef act(): library.TABLE['bob'] = fractions.Fraction(1, 3)", "library.TABLE['bob']"),
        leaking("rows-in-a-librarys-table", TABLE, "def act(): library.TABLE['bob'] = library.Rows(drink='tea')",
                "library.TABLE['bob']"),
        leaking("text-in-the-place-of-a-librarys-function", TABLE, "def act(): library.LOADERS['de'] = 'bob'",
                "library.LOADERS['de']"),
        leaking("object-of-a-library-in-a-store-of-the-library", TABLE, "def act(): library.STORE.find('bob')",
                "library.STORE.kept['bob']"),
        leaking("object-of-a-library-in-a-store-of-its-own", TABLE,
                "STORE = library.Store()\ndef act(): STORE.find('bob')", "shop.STORE.kept['bob']"),
        leaking("object-of-a-library-in-a-table-of-the-application", TABLE,
                "TABLE = {}\ndef act(): TABLE['bob'] = library.Locale('bob')", "shop.TABLE['bob']"),
        leaking("table-that-another-object-takes-a-place-in", TABLE,
                "library.find('bob')\ndef act(): library.TABLE['bob'] = library.Locale('al')", "library.TABLE['bob']"),
        leaking("marker-of-a-class-that-stays", MARKERS, "class Cart: pass\ndef act(): library.register(Cart)",
                "library._markers"),
        leaking("marker-of-nothing", MARKERS, "def act(): library.Marker('bob')", "library._markers"),
        leaking("marker-taken-out-of-the-applications-set", MARKERS,
                "MARKERS = {library.Marker('bob')}\ndef act(): MARKERS.clear()", "shop.MARKERS"),
        leaking("loader-with-a-text", MARKERS, "def act(): library.LOADERS.keep('bob', 'tea')",
                "library.LOADERS.found['bob']"),
        leaking("loader-of-the-applications", MARKERS, "LOADERS = library.Loaders()\ndef act(): LOADERS.load('de')",
                "shop.LOADERS.found['de']"),
        leaking("object-that-a-librarys-factory-shows", TABLE, "def act(): library.FACTORY.find('bob')",
                "library.FACTORY.found['bob']"),
        leaking("row-that-a-librarys-factory-keeps-to-itself", TABLE,
                "def act(): library.FACTORY.keep('bob', {'drink': 'tea'})", "library.FACTORY._rows['bob']"),
        leaking("object-of-the-application-in-a-librarys-factory", TABLE,
                "class Cart: pass\ndef act(): library.FACTORY.make('bob', Cart())", "library.FACTORY._found['bob']"),
        leaking("object-in-a-factory-of-the-application", TABLE,
                "FACTORY = library.Factory()\ndef act(): FACTORY.make('bob')", "shop.FACTORY._found['bob']"),
        leaking("texts-in-a-list-in-a-librarys-table", TABLE,
                "def act(): library.TABLE['bob'] = [library.find, 'tea']", "library.TABLE['bob']"),
        leaking("table-of-the-application-that-makes-what-it-is-asked-for", TABLE,
                "ASKED = library.Asked()\ndef act(): ASKED['bob']", "shop.ASKED['bob']"),
        leaking("object-of-the-application-in-a-table-that-makes-others", TABLE,
                "class Cart: pass\ndef act(): library.ASKED['bob'] = Cart()", "library.ASKED['bob']"),
        leaking("another-value-in-a-table-that-makes-others", TABLE,
                "library.ASKED['bob']\ndef act(): library.ASKED['bob'] = {'bob': 2}", "library.ASKED['bob']"),
        leaking("what-the-application-had-for-a-thread", "",
                "import threading\nHAD = {threading.get_ident(): {'user': 'bob'}}\ndef act(): HAD.clear()",
                "shop.HAD[<int>]"),
        leaking("what-a-library-has-for-a-thread", "import threading\nHAS = {}\n"
                "def use(user): HAS[threading.get_ident()] = {'user': user}",
                "def act(): library.use('bob')", "library.HAS[<int>]"),
        leaking("pattern-in-the-place-of-the-applications-text", "",
                "import re\nTEXTS = {'a': 'x+'}\ndef act(): TEXTS['a'] = re.compile(TEXTS['a'])", "shop.TEXTS['a']"),
        leaking("object-by-a-class", TABLE,
                "class Cart: pass\ndef act(): library.note(Cart, Cart())", "library.TABLE[<type>]"),
        leaking("object-within-what-is-noted-by-a-class", TABLE,
                "class Cart: pass\ndef act(): library.note(Cart, {'last': [Cart()]})", "library.TABLE[<type>]"),
        leaking("by-a-class-in-a-table-of-the-application", "",
                "class Cart: pass\nTABLE = {}\ndef act(): TABLE[Cart] = 'bob'", "shop.TABLE[<type>]"),
        leaking("another-note-by-a-class", TABLE,
                "library.note(int, 'al')\ndef act(): library.note(int, 'bob')", "library.TABLE[<type>]"),
        leaking("state-that-an-application-set-up-at-its-start", TEST_CLIENT,
                "class Test: client = library.Client()\nTest.client.app_state = {'carts': {}}\n"
                "def act(): Test.client.app_state['carts']['bob'] = 1", "shop.Test.client.app_state['carts']['bob']"),
        leaking("what-a-queue-that-tasks-wait-for-has", "", WAITING + "    QUEUE.put_nowait('bob'), EVENT.set()\n",
                "shop.QUEUE._queue", "shop.QUEUE._unfinished_tasks",
                "shop.EVENT._value"),
        leaking("application-behind-a-test-client", TEST_CLIENT,
                "class App:\n    def __init__(self): self.seen = []\n    def __call__(self): pass\n"
                "class Test: client = library.Client(App())\n"
                "def act(): Test.client.app.seen.append('bob')", "shop.Test.client.app.seen"),
        leaking("note-by-a-class-in-a-store", TABLE,
                "class Cart: pass\ndef act(): library.STORE.kept[Cart] = 'bob'", "library.STORE.kept[<type>]"),
        leaking("users-a-library-has-met", TABLE, "def act(): library.TABLE['bob'] = True", "library.TABLE['bob']"),
        leaking("fact-by-a-word-of-a-user", OWN, "def act(): library.ONE.note('bobby', True)",
                "library.ONE._facts['bobby']"),
        leaking("number-beside-a-table", OWN, "def act(): library.ORDERED.keep(5)", "library.ORDERED._order",
                "library.ORDERED._items[5]"),
        leaking("number-that-another-table-has-weakly", OWN,
                "library.ORDERED.add(library.KEPT)\nSEEN = []\ndef act(): SEEN.append(id(library.KEPT))", "shop.SEEN"),
        leaking("number-among-facts", OWN, "def act(): library.ONE.note('real', 5)", "library.ONE._facts['real']"),
        leaking("fact-that-changed", OWN, "library.ONE.ask()\ndef act(): library.ONE.note('real', False)",
                "library.ONE._facts['real']"),
        leaking("number-among-more-facts", OWN, "def act(): library.ONE.note_anew('real', 5)", "library.ONE._facts"),
        leaking("users-word-among-more-facts", OWN, "def act(): library.ONE.note_anew('bobby', True)",
                "library.ONE._facts"),
        leaking("facts-that-were-forgotten", OWN, "library.ONE.ask()\ndef act(): library.ONE.forget()",
                "library.ONE._facts"),
        leaking("facts-that-are-shown", OWN, "def act(): library.SHOWN.show('real')", "library.SHOWN.facts['real']"),
        leaking("tuple-of-a-users", OWN, "def act(): library.put(1, ('a', 'tea'))", "library.Cache[1]"),
        leaking("constant-by-a-users-word", OWN, "def act(): library.put('bobby', library.codes)",
                "library.Cache['bobby']"),
        leaking("another-constant-in-the-place-of-one", OWN,
                "library.put(1, library.GLYPHS)\ndef act(): library.put(1, library.codes)", "library.Cache[1]"),
        leaking("name-of-pythons-by-another-name", OWN, "def act(): vars(library)['who'] = str", "library.who"),
        leaking("table-that-a-slot-shows", OWN, "def act(): library.DISPATCH.show()",
                "library.DISPATCH.cache[(<type>, <type>)]"),
        leaking("descriptor-of-a-library-that-the-application-takes-out", OWN, "def act(): del library.Lazy.quote",
                "library.Lazy.quote"),
        leaking("modules-the-application-has-met", "", "MET = {}\ndef act(): MET[__name__] = True",
                "shop.MET['stateless_shop']"),
        leaking("number-in-defaults-of-defaults", "",
                "from collections import defaultdict\nSEEN = defaultdict(lambda: defaultdict(dict))\n"
                "def act(): SEEN['bob'][404]['x'] = 1", "shop.SEEN['bob']"),
        leaking("rows-that-a-pool-keeps", POOL, "POOL = library.Pool()\ndef act(): POOL.keep('bob')", "shop.POOL.rows"),
        leaking("user-on-a-pool", POOL, "POOL = library.Pool()\ndef act(): POOL.user = 5", "shop.POOL.user"),
        leaking("transaction-left-open", POOL, "POOL = library.Pool()\ndef act(): POOL.begin()",
                "shop.POOL.state"),
        leaking("number-on-a-connection", POOL, "CONNECTION = library.Connection()\ndef act(): CONNECTION.user = 5",
                "shop.CONNECTION.user"),
        leaking("object-of-the-application-on-a-connection", POOL,
                "class Cart: pass\nPOOL = library.Pool()\n"
                "def act(): POOL.free[0].connection.notes.append(Cart())", "shop.POOL.free[0].connection.notes"),
        leaking("row-beside-a-connection", POOL,
                "POOL = library.Pool()\ndef act(): vars(POOL.free[0])['row'] = 'bob'", "shop.POOL.free[0].row"),
        leaking("answer-without-a-connection-made-anew", POOL,
                "POOL = library.Pool()\ndef act(): vars(POOL.free[0])['_told'] = {'user': 'bob'}",
                "shop.POOL.free[0]._told"),
        leaking("number-beside-a-connection", POOL,
                "STATE = library.Holder(db=library.Connection())\ndef act(): STATE.things['cart'] = 5",
                "shop.STATE.things['cart']"),
        leaking("applications-own-count-of-queries", POOL,
                "class Db:\n    def __init__(self): self.connection, self.asked = library.Connection(), 0\n"
                "    def ask(self): self.asked += 1\nDB = Db()\ndef act(): DB.ask()", "shop.DB.asked"),
        leaking("database-in-memory-behind-a-pool",
                """
                import sqlite3
                class Database(sqlite3.Connection): pass
                class Pool:
                    def __init__(self): self.free = [sqlite3.connect(':memory:', factory=Database)]
                    def ask(self, text): self.free[0].execute(text)
                """,
                "POOL = library.Pool()\nPOOL.ask('create table t (a)')\ndef finish(): POOL.free[0].close()\n"
                "def act(): POOL.ask(\"insert into t values ('bob')\")", "shop.POOL.free[0]"),
        leaking("queries-that-a-wrapper-keeps", POOL, "DB = library.Wrapper()\ndef act(): DB.ask('bob')",
                "shop.DB.queries"),
        leaking("rows-in-a-cache-beside-a-connection", POOL,
                "DB = library.Wrapper()\ndef act(): DB.cache.rows.append('bob')", "shop.DB.cache.rows"),
    ],
)  # fmt: skip
def test_a_program_that_keeps_something_is_told(
    library: str, shop: str, subjects: list[str], more: tuple[str, ...], load: Callable[[str, str], Modules]
) -> None:
    _, module = load(library, shop)
    try:
        found = left_by(lambda program: program.act(), module, more)
    finally:
        vars(module).get("finish", bool)()
    assert [subject.removeprefix("stateless_") for subject in found if "_inv" not in subject] == subjects


@pytest.mark.parametrize(
    ("library", "shop"),
    [
        pytest.param("""
                     import contextvars
                     depth = contextvars.ContextVar('depth')
                     class Worker:
                         def __init__(self): self.context = contextvars.copy_context()
                         def work(self): self.context.run(depth.set, 1)
                     """,
                     "WORKER = library.Worker()\ndef act(): WORKER.work()", id="context-that-a-library-works-in"),
        pytest.param("", """
                     import asyncio
                     LOOPS = [asyncio.new_event_loop()]
                     async def wait(): await asyncio.sleep(0)
                     async def generate(): yield 1
                     async def iterate():
                         async for _ in generate(): await wait()
                     def act():
                         loop = LOOPS[0]
                         loop.run_until_complete(asyncio.wait_for(iterate(), 1))
                         loop.run_until_complete(loop.shutdown_asyncgens())
                     def close(): LOOPS[0].close()
                     """, id="event-loop-that-runs"),
        pytest.param("", """
                     import sys
                     PRICES, NAME = list[int], int | None
                     if sys.version_info >= (3, 12):
                         exec('type Rates = list[int]\\nclass Till[T: (int, str)]: pass')
                     def act():
                         PRICES.__parameters__, NAME.__parameters__
                         if sys.version_info >= (3, 12):
                             Rates.__value__, Till.__type_params__[0].__constraints__
                     """, id="types-that-are-asked-for-what-they-are-made-of"),
        pytest.param("import threading\nclass Client:\n    def __init__(self): self.ready = threading.Event()\n"
                     "    def connect(self): self.ready.set()",
                     "CLIENT = library.Client()\ndef act(): CLIENT.connect()", id="event-of-a-librarys-object"),
        pytest.param("", """
                     import abc
                     class Store(abc.ABC): pass
                     class Memory: pass
                     def act():
                         class Local: pass
                         Store.register(Local)
                         assert isinstance(Local(), Store) and not isinstance(Memory(), Store)
                     """, id="class-of-a-moment-registered-with-an-abstract-one-that-is-asked"),
        pytest.param("""
                     import threading
                     class Pool:
                         def __init__(self): self.lock = threading.Lock()
                         def work(self): self.lock.acquire()
                     """,
                     "POOL = library.Pool()\ndef act(): POOL.work()", id="lock-that-a-library-works-with"),
        pytest.param("import abc\nclass Store(abc.ABC): pass",
                     "class Memory: pass\ndef act(): library.Store.register(Memory)",
                     id="class-registered-with-a-librarys-which-is-told-elsewhere"),
        pytest.param("import weakref\n_known = weakref.WeakValueDictionary()\ndef note(it): _known[id(it)] = it",
                     "class Cart: pass\nCART = Cart()\ndef act(): library.note(CART)", id="librarys-weak-registry"),
        pytest.param("_session = None\ndef use():\n    global _session\n    _session = object()",
                     "def act(): library.use()", id="library-that-sets-itself-up"),
        pytest.param("_table = {}\ndef use():\n    global _table\n    _table = {ValueError: KeyError}",
                     "def act(): library.use()", id="table-that-a-library-fills-on-first-use"),
        pytest.param("_session = object()\ndef use():\n    global _session\n    _session = None",
                     "def act(): library.use()", id="what-a-library-will-set-up-again"),
        pytest.param("class Field:\n    def name(self): self._name_cache = 'n'",
                     "FIELD = library.Field()\ndef act(): FIELD.name()", id="private-note-of-a-librarys-object"),
        pytest.param("""
                     class Lazy:
                         def __get__(self, instance, owner):
                             owner.pattern = found = 'compiled'
                             return found
                     class Template: pattern = Lazy()
                     """,
                     "def act(): library.Template.pattern", id="descriptor-that-a-library-replaces-by-its-value"),
        pytest.param("""
                     class Meta(type):
                         def __init__(cls, *_): cls.__schema__ = {}
                         def __call__(cls):
                             cls.__schema__ = {'name': str}
                             return type.__call__(cls)
                     class Model(metaclass=Meta): pass
                     """,
                     "class Login(library.Model): pass\ndef act(): Login()", id="what-a-metaclass-builds-of-a-class"),
        pytest.param("""
                     class Mapper:
                         def columns(self):
                             def memo(): return ['id']
                             self.columns = memo
                             return memo()
                     """,
                     "MAPPER = library.Mapper()\ndef act(): MAPPER.columns()", id="method-that-a-library-remembers"),
        pytest.param("""
                     import enum
                     class State(enum.Enum): UNOPENED = 1; OPENED = 2
                     class Client:
                         def __init__(self): self._state = State.UNOPENED
                         def get(self): self._state = State.OPENED
                     """,
                     "CLIENT = library.Client()\ndef act(): CLIENT.get()", id="position-of-a-librarys-switch"),
        pytest.param("", """
                     import functools
                     @functools.singledispatch
                     def show(thing): return 'thing'
                     @show.register
                     def show_number(thing: int): return 'number'
                     def act(): return show(1), show('a'), show(True)
                     """, id="dispatch-by-type"),
        pytest.param("""
                     class Meta(type):
                         def __init__(cls, *_): cls._fields = None
                         def __call__(cls):
                             cls._fields = ['name']
                             return type.__call__(cls)
                     class Form(metaclass=Meta): pass
                     """,
                     "class Login(library.Form): pass\ndef act(): Login()", id="note-of-a-librarys-metaclass"),
        pytest.param("import re\nclass Pattern:\n    def __init__(self): self.known = {}\nURL = Pattern()",
                     "import re\ndef act(): library.URL.known[1] = re.compile('x')",
                     id="pattern-that-a-library-compiles"),
        pytest.param("""
                     import time
                     from email.utils import formatdate
                     class Clock:
                         def __init__(self): self.tick(time.time() - 2)
                         def tick(self, now): self._seconds, self._date = int(now), formatdate(now, usegmt=True)
                     CLOCK = Clock()
                     """,
                     "import time\ndef act(): library.CLOCK.tick(time.time())", id="clock-that-a-library-keeps"),
        pytest.param("""
                     class Field:
                         def __init__(self, name): self.name, self.inner = name, None
                         def bind(self): self.inner = Field('a')
                     FIELD = Field('x')
                     FIELD.bind()
                     """,
                     "def act(): library.FIELD.bind()", id="object-replaced-by-one-that-holds-the-same"),
        pytest.param("def use(): use.done = True", "def act(): library.use()", id="note-on-a-librarys-function"),
        pytest.param("class Field:\n    creation_counter = 0\n    def __init__(self): Field.creation_counter += 1",
                     "def act(): library.Field()", id="library-that-numbers-definitions"),
        pytest.param("class Lexer:\n    @classmethod\n    def use(cls): cls._tokens = {1: 2}",
                     "def act(): library.Lexer.use()", id="private-note-on-a-librarys-class"),
        pytest.param("class View:\n    @classmethod\n    def use(cls): cls.suffix = None",
                     "class Own(library.View): pass\ndef act(): Own.use()", id="nothing-declared-on-a-class"),
        pytest.param("class Field:\n    to = ['id']\n    def use(self): self.to = tuple(self.to)",
                     "FIELD = library.Field()\nFIELD.to = ['id']\ndef act(): FIELD.use()", id="list-made-a-tuple"),
        pytest.param(SIGNAL, "def act(): library.saved.connect(lambda: None)", id="receiver-that-is-gone"),
        pytest.param(SIGNAL, "library.saved.connect(lambda: None)\ndef act(): library.saved.clear()",
                     id="receivers-that-were-gone-are-cleared-away"),
        pytest.param("", "import enum\nclass May(enum.Flag):\n    A, B = 1, 2\ndef act(): May(3)",
                     id="combination-of-flags"),
        pytest.param("", "NAMES = {}\ndef act(): eval('1', NAMES)", id="built-in-names-given-by-eval"),
        pytest.param("",
                     """
                     import pytest
                     class Store:
                         def save(self): pass
                     STORE = Store()
                     def act():
                         with pytest.MonkeyPatch.context() as patch:
                             patch.setattr(STORE, 'save', 1)
                     """,
                     id="method-put-back-where-the-class-has-it"),
        pytest.param("",
                     """
                     import weakref
                     class Cart: pass
                     SEEN = weakref.WeakKeyDictionary()
                     def act(): SEEN[Cart()] = 1
                     """,
                     id="weak-key-that-is-gone"),
        pytest.param("def make():\n    yield 1\n    yield 2\nclass Context: pass\n"
                     "CONTEXT = Context()\nCONTEXT.gen = make()\ndef use(): next(CONTEXT.gen)",
                     "def act(): library.use()", id="generator-of-a-library-that-begins"),
        pytest.param("import itertools\nNUMBERS = itertools.count()\ndef use(): next(NUMBERS)",
                     "def act(): library.use()", id="library-that-numbers-what-it-makes"),
        pytest.param("import threading\nNOW = threading.local()\n"
                     "def use():\n    NOW.__dict__.setdefault('stack', []).append(1)\n    NOW.stack.pop()",
                     "def act(): library.use()", id="stack-of-a-thread-that-is-empty-again"),
        pytest.param("import weakref\nNOTES = weakref.WeakKeyDictionary()\ndef use(cls): NOTES[cls] = object()",
                     "class Cart: pass\ndef act(): library.use(Cart)", id="note-of-a-library-on-a-class"),
        pytest.param("from contextlib import contextmanager\n"
                     "def __getattr__(name):\n"
                     "    value = globals()[name] = contextmanager(lambda: None)\n"
                     "    value.__module__ = 'stateless_library.parts'\n    return value",
                     "def act(): library.fail_after", id="lazy-export-that-a-decorator-made"),
        pytest.param(
            """
            import sys, types
            class Lazy(types.ModuleType):
                def __getattr__(self, name):
                    self.__dict__[name] = 'made'
                    return 'made'
            sys.modules[__name__].__class__ = Lazy
            """,
            "def act(): library.anything", id="module-that-keeps-what-it-makes"),
        pytest.param(
            """
            class Settings:
                def __getattr__(self, name):
                    self.__dict__[name] = 'made'
                    return 'made'
                def clear(self): self.__dict__.clear()
            settings = Settings()
            """,
            "library.settings.DEBUG\ndef act(): library.settings.clear()", id="what-is-made-again-is-dropped"),
        pytest.param(
            """
            class cached(property):
                def __get__(self, instance, owner):
                    value = instance.__dict__[self.fget.__name__] = self.fget(instance)
                    return value
                def __set__(self, instance, value):
                    instance.__dict__[self.fget.__name__] = value
            """,
            """
            class Cart:
                @library.cached
                def total(self): return 5
            CART = Cart()
            def act(): CART.total
            """,
            id="cached-property-made-of-a-property"),
        pytest.param("class App:\n    def __init__(self): self.once = [begin]\n    def ask(self): self.once.pop()()\n"
                     "def begin(): pass", "APP = library.App()\ndef act(): APP.ask()",
                     id="function-that-a-library-calls-once"),
        pytest.param("import threading\nnow = threading.local()\ndef spawn():\n    now.child = 5\n    now.child = None",
                     "def act(): library.spawn()", id="nothing-that-a-library-sets"),
        pytest.param("", "from collections import defaultdict\nSPEC = defaultdict(lambda: defaultdict(dict))\n"
                     "def act(): SPEC[None][404].get('x'), SPEC[None][None]", id="defaults-of-defaults-that-are-asked"),
        pytest.param(TABLE, "def act(): library.find('de'), library.find('fr')", id="locales-that-a-library-read"),
        pytest.param(OWN, "def act(): library.ONE.ask()", id="fact-that-a-library-found-out"),
        pytest.param(OWN, "def act(): library.ORDERED.add(library.ONE)", id="order-of-weak-entries"),
        pytest.param(OWN, "def act(): library.ONE.learn()", id="facts-that-a-library-replaces-by-more"),
        pytest.param(OWN, "def act(): library.glyphs(0)", id="constant-that-a-library-looked-up"),
        pytest.param(OWN, "def act(): library.names()", id="name-of-pythons-that-a-library-takes-in"),
        pytest.param(OWN, "def act(): library.DISPATCH.resolve()", id="function-in-a-private-slot"),
        pytest.param(OWN, "def act(): library.DISPATCH.find()", id="function-in-a-public-slot"),
        pytest.param(OWN, "def act(): library.moves.quote", id="descriptor-of-a-lazy-module"),
        pytest.param(TABLE, "def act(): library.load()", id="function-that-a-library-drops-after-its-call"),
        pytest.param(MARKERS, "def act():\n    class Cart: pass\n    library.register(Cart)",
                     id="marker-that-goes-with-its-class"),
        pytest.param(MARKERS, "import gc\ndef make():\n    class Cart: pass\n    library.register(Cart)\nmake()\n"
                     "def act(): gc.collect()", id="marker-that-went-with-its-class"),
        pytest.param(MARKERS, "def act(): library.LOADERS.load('sqlite')", id="loader-that-a-librarys-object-found"),
        pytest.param(MARKERS, "def act(): library.LOADERS.choose('sqlite')", id="loader-that-has-a-class"),
        pytest.param(TABLE, "def act(): library.register()", id="classes-and-functions-that-a-library-registers"),
        pytest.param(TABLE, "def act(): library.TABLE[__name__] = True", id="module-that-a-library-has-met"),
        pytest.param("import threading\nHAD = {threading.get_ident(): {'app': 1}}\ndef release(): HAD.clear()",
                     "def act(): library.release()", id="what-a-library-had-for-a-thread"),
        pytest.param("import re\nclass Body: patterns = {'a': 'x+'}\n"
                     "def use(): Body.patterns['a'] = re.compile(Body.patterns['a'])",
                     "def act(): library.use()", id="pattern-that-a-library-compiles-in-place"),
        pytest.param(TABLE, "def act(): library.FACTORY.make('de')",
                     id="objects-that-a-librarys-factory-keeps-to-itself"),
        pytest.param(TABLE, "def act(): library.TABLE.update(path=[library.find, library.Locale('a')])",
                     id="functions-that-a-library-compiled"),
        pytest.param(TABLE, "def act(): library.ASKED['sqlite']",
                     id="table-of-a-library-that-makes-what-it-is-asked-for"),
        pytest.param(TABLE, "class Cart: pass\n"
                     "def act(): library.note(Cart, 'c'), library.note(int, {int: [library.find]})",
                     id="what-a-library-notes-of-classes"),
        pytest.param("", WAITING + "    QUEUE._getters.append(waiter), EVENT._waiters.append(waiter)\n",
                     id="tasks-that-wait"),
        pytest.param(TEST_CLIENT, "class Test: client = library.Client()\n"
                     "def act(): Test.client.cookies['session'] = 'bob'", id="cookies-of-a-test-client"),
        pytest.param("import threading\nnow = threading.local()\ndef log(): now.locked = False",
                     "def act(): library.log()", id="no-that-a-library-sets"),
        pytest.param("_numbers = 7\nclass Pool:\n    _number = 3\n    def __init__(self):\n        global _numbers\n"
                     "        _numbers += 1\n        Pool._number += 1", "def act(): library.Pool()",
                     id="library-that-numbers-what-it-makes"),
        pytest.param("def _best(): pass\ndef wait():\n    global wait\n    wait = _best", "def act(): library.wait()",
                     id="function-that-a-library-chooses-on-first-use"),
        pytest.param(POOL, "POOL = library.Pool()\ndef act(): POOL.ask(), POOL.ask()", id="pool-that-lends"),
        pytest.param(POOL, "POOL = library.Pool()\ndef act(): POOL.grow()", id="pool-that-grows"),
        pytest.param(POOL, "DB = library.Wrapper()\ndef act(): DB.read()", id="last-answer-of-a-connection"),
        pytest.param(POOL, "POOL = library.Pool()\ndef act(): POOL.renew()", id="pool-that-connects-anew"),
        pytest.param(POOL, "POOL = library.Pool()\ndef act(): POOL.drop()", id="pool-that-lost-a-connection"),
        pytest.param(
            """
            import socket
            class Client:
                def __init__(self): self.ends, self.pool, self.used = None, [], 0
                def ask(self):
                    self.pool.append(socket.socket())
                    self.used += 1
                def close(self): self.pool.pop().close()
            """,
            "CLIENT = library.Client()\ndef act(): CLIENT.ask()\nfinish = CLIENT.close", id="client-with-a-socket"),
    ],
)  # fmt: skip
def test_a_healthy_program_is_not_told(library: str, shop: str, load: Callable[[str, str], Modules]) -> None:
    _, module = load(library, shop)
    try:
        assert left_by(lambda program: program.act(), module, ()) == []
    finally:
        vars(module).get("finish", bool)()


KEEPING = (
    TABLE
    + """
    class User:
        def __init__(self, name, notes=None):
            self.name, self.notes = name, notes
    class Slotted:
        __slots__ = ("name",)
        def __init__(self, name):
            self.name = name
    class Bag(dict):
        pass
    last = current = _text = None
    _met, _words = {}, {}
    def note_in_private(name):
        _met[name] = True
    def put_word():
        _words["de"] = NAMES[1]
    def sign_in(name, kind=User):
        TABLE[name] = kind(name)
    def sign_in_with(key, name):
        TABLE[key] = User("a", {"who": name})
    def note_last(name):
        global last
        last = User(name)
    def note_text(name):
        global _text
        _text = name
    calls = 7
    def call():
        global calls
        calls += 1
"""
)


@pytest.mark.parametrize(
    ("act", "subject"),
    [
        pytest.param("library.sign_in('bobby')", "TABLE['bobby']", id="object-by-a-name"),
        pytest.param("library.sign_in(b'bobby')", "TABLE[b'bobby']", id="object-by-bytes"),
        pytest.param("library.sign_in('bobby', library.Slotted)", "TABLE['bobby']", id="object-with-slots"),
        pytest.param("library.sign_in(('de', 'bobby'))", "TABLE[('de', 'bobby')]", id="part-of-the-key"),
        pytest.param("library.sign_in('de/bobby')", "TABLE['de/bobby']", id="part-of-a-path"),
        pytest.param("library.sign_in(42)", "TABLE[42]", id="object-by-its-number"),
        pytest.param("library.FACTORY.make('bobby')", "FACTORY._found['bobby']", id="in-a-factory"),
        pytest.param("library.ASKED['bobby']", "ASKED['bobby']", id="made-when-asked-for"),
        pytest.param("library.sign_in_with('de', 'bobby')", "TABLE['de']", id="constant-deep-within"),
        pytest.param("library.note_last('bobby')", "last", id="object-on-first-use"),
        pytest.param("library.note_text('bobby')", "_text", id="text-on-first-use"),
        pytest.param("library.note_in_private('bobby')", "_met['bobby']", id="yes-in-a-private-table"),
        pytest.param("library.put_word()", "_words['de']", id="word-of-its-own"),
        pytest.param("library.call()", "calls", id="public-count"),
    ],
)
def test_what_a_library_keeps_and_did_not_know_is_a_warning(
    act: str, subject: str, load: Callable[[str, str], Modules]
) -> None:
    _, module = load(KEEPING, f"def act(): {act}")
    (leak,) = leaks_of(lambda program: program.act(), module)
    assert leak.subject == f"{LIBRARY}.{subject}"
    assert leak.severity is Severity.WARNING


@pytest.mark.parametrize(
    "act",
    [
        pytest.param("library.sign_in('de')", id="word-of-the-library"),
        pytest.param("library.sign_in('DE_fr'.replace('_', '/'))", id="made-of-words-of-the-library"),
        pytest.param("library.sign_in('Europe/Berlin')", id="time-zone"),
        pytest.param("library.sign_in(None)", id="no-text"),
        pytest.param("library.note_text('ab')", id="short-text"),
        pytest.param("library.note_text('x'.join('ab'))", id="text-that-nobody-wrote"),
        pytest.param("library.note_text('fr')", id="text-that-the-library-knows"),
        pytest.param("library.note_text([*map(str, range(200)), 'bobby'])", id="one-text-among-many"),
    ],
)
def test_what_a_library_knew_by_itself_is_not_told(
    act: str, load: Callable[[str, str], Modules], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Berlin").touch()
    monkeypatch.setattr(words, "_ZONES", (str(tmp_path),))
    _, module = load(KEEPING, f"def act(): {act}")
    assert leaks_of(lambda program: program.act(), module) == []


@pytest.mark.parametrize(
    ("act", "subjects"),
    [
        pytest.param("library.moves.quote", [], id="definition"),
        pytest.param("vars(library.moves).update(user='bobby')", [f"{LIBRARY}.moves.user"], id="text"),
        pytest.param(
            "vars(library.moves).update(shop=act)", [f"{LIBRARY}.moves.shop"], id="of-the-application"
        ),
    ],
)
def test_a_lazy_module_takes_in_definitions_alone(
    act: str, subjects: list[str], load: Callable[[str, str], Modules], monkeypatch: pytest.MonkeyPatch
) -> None:
    library, module = load(OWN, f"def act(): {act}")
    name = f"{LIBRARY}.moves"
    monkeypatch.setitem(sys.modules, name, library.moves)
    assert left_by(lambda program: program.act(), module, (name,)) == subjects


@pytest.mark.parametrize(
    ("then", "left"),
    [
        pytest.param(gc.collect, 0, id="gone"),
        pytest.param(gc.get_count, 1, id="there"),
    ],
)
def test_a_number_that_goes_with_garbage_is_not_told(
    then: Callable[[], object], left: int, load: Callable[[str, str], Modules]
) -> None:
    _, module = load(OWN, "def act(): library.ORDERED.forget_later()")
    gc.collect()
    gc.disable()
    try:
        assert len(leaks_of(lambda program: program.act(), module, then=then)) == left
    finally:
        gc.enable()


def test_a_lock_that_a_thread_at_work_holds_is_not_told(load: Callable[[str, str], Modules]) -> None:
    _, module = load(
        "",
        """
        import threading
        LOCK = threading.Lock()
        def work(begun, go):
            with LOCK:
                begun.set()
                go.wait()
        """,
    )
    begun, go = threading.Event(), threading.Event()
    worker = threading.Thread(target=module.work, args=(begun, go))

    def start(_: object) -> None:
        worker.start()
        begun.wait()

    try:
        assert left_by(start, module, ()) == []
        assert module.LOCK.locked()
    finally:
        go.set()
        worker.join()
