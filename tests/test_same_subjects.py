"""The same leak has the same subject, and so the same fingerprint, on every run, in every worker, on every Python."""

from __future__ import annotations

from typing import Final

import pytest

from tests.conftest import Project

SHOP: Final = """
import collections, dataclasses, enum, functools, itertools, threading, weakref

class Color(enum.Enum):
    RED = 1

@dataclasses.dataclass(frozen=True)
class Key:
    name: str

class Cart:
    __slots__ = ("items", "__weakref__")
    total = 0
    def __init__(self): self.items = []

class Session:
    user = None

CARTS, BY_KEY, SEEN, ORDERS = {}, {}, set(), collections.deque()
CART, LAST, NAMES = Cart(), collections.OrderedDict(), collections.defaultdict(list)
NUMBERS, NOW, BUFFER = itertools.count(), threading.local(), bytearray()
KNOWN = weakref.WeakKeyDictionary()

@functools.lru_cache
def price(name): return len(name)

def counter():
    count = []
    def step(): count.append(1)
    return step
STEP = counter()

def remember(name, known=[]): known.append(name)
"""
TESTS: Final = """
import os, shop, socket, threading
import pytest
from shop import *

pytestmark = pytest.mark.stateless

def test_keys(tmp_path):
    CARTS["bob"] = Cart()
    CARTS[17] = 1
    CARTS[("al", 3)] = 1
    CARTS[None] = 1
def test_odd_keys(tmp_path):
    BY_KEY[Key("bob")] = 1
    BY_KEY[Color.RED] = 1
    BY_KEY[object()] = 1
    BY_KEY[frozenset({"a", "b"})] = 1
def test_paths(tmp_path):
    CARTS[str(tmp_path)] = 1
    CARTS[f"{tmp_path}/cart"] = 1
def test_set(): SEEN.update({"tea", "milk", Key("bob")})
def test_containers(tmp_path):
    ORDERS.append("tea"); LAST["bob"] = 1; NAMES["bob"].append(1); CART.items.append("tea")
    shop.Cart.total = 5; Session.user = "bob"
def test_inside():
    next(NUMBERS); BUFFER.extend(b"tea"); price("tea"); STEP(); remember("bob"); NOW.user = "bob"
    KNOWN[CART] = "bob"
def test_many():
    CARTS.update({f"cart-{number}": number for number in range(50)})
def test_environment(tmp_path):
    os.environ["SHOP"] = str(tmp_path)
def test_file(): (open("receipt.txt", "w").write("tea"))
def test_socket(): shop.SERVER = socket.create_server(("127.0.0.1", 0))
def test_thread():
    shop.STOP = threading.Event()
    threading.Thread(target=shop.STOP.wait, daemon=True).start()
"""
SUBJECTS: Final = {
    "keys": [
        "module-state shop.CARTS['bob']",
        "module-state shop.CARTS[('al', 3)]",
        "module-state shop.CARTS[17]",
        "module-state shop.CARTS[None]",
    ],
    "odd_keys": [
        "module-state shop.BY_KEY[<Color>]",
        "module-state shop.BY_KEY[<Key>]",
        "module-state shop.BY_KEY[<frozenset>]",
        "module-state shop.BY_KEY[<object>]",
    ],
    "paths": [
        "module-state shop.CARTS['<tmp>/test_paths0']",
        "module-state shop.CARTS['<tmp>/test_paths0/cart']",
    ],
    "set": ["module-state shop.SEEN"] * 3,
    "containers": [
        "module-state shop.CART.items",
        "module-state shop.Cart.total",
        "module-state shop.LAST['bob']",
        "module-state shop.NAMES['bob']",
        "module-state shop.ORDERS",
        "module-state shop.Session.user",
    ],
    "inside": [
        "module-state shop.BUFFER",
        "module-state shop.KNOWN.data[<ReferenceType>]",
        "module-state shop.NOW.user",
        "module-state shop.NUMBERS",
        "module-state shop.STEP.<closure>.count",
        "module-state shop.price.<cache>['tea']",
        "module-state shop.remember.<defaults>.known",
    ],
    "many": ["module-state shop.CARTS"],
    "environment": ["interpreter-state os.environ['SHOP']"],
    "file": ["file-write receipt.txt"],
    "socket": ["listening-socket 127.0.0.1:0", "module-state shop.SERVER"],
    "thread": ["module-state shop.STOP", "thread threading.Event.wait"],
}
"""By the name of the test: the same on every Python that the suite runs on."""


@pytest.mark.parametrize(
    ("seed", "arguments"),
    [
        pytest.param("1", (), id="seed"),
        pytest.param("77", ("--basetemp=elsewhere",), id="another-seed-and-place"),
        pytest.param("5", ("-p", "xdist", "-n", "2"), id="workers"),
        pytest.param("random", ("--stateless-no-blame",), id="no-second-run"),
    ],
)
def test_subjects_are_the_same_on_every_run(
    seed: str, arguments: tuple[str, ...], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    project.write("shop.py", SHOP)
    project.write("test_shop.py", TESTS)
    project.run_apart("--stateless-report=json:leaks.json", *arguments)
    assert {
        test["nodeid"].partition("::test_")[2]: sorted(
            f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]
        )
        for test in project.report()["tests"]
    } == SUBJECTS
