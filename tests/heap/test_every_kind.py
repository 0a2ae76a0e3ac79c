"""Every kind of state, each in a module: what changes is told under its path, what doesn't is not."""

from __future__ import annotations

import array
import bz2
import codecs
import collections
import contextvars
import copy
import ctypes
import dataclasses
import decimal
import enum
import functools
import hashlib
import io
import itertools
import lzma
import mmap
import random
import re
import sqlite3
import struct
import threading
import types
import weakref
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.expected import is_expected
from pytest_stateless.heap.holders import local_namespace

if TYPE_CHECKING:
    from tests.heap.conftest import Watch

Module = Any


def generator() -> Iterator[int]:
    """A generator that waits in two places."""
    yield 1
    yield 2


class Thing:
    """Something that can be spoken of weakly."""


KEPT: list[Thing] = []
"""Held by the tests, not by what is watched."""


class Rows:
    """Has items by number, and so an iterator of Python's own."""

    def __getitem__(self, number: int) -> int:
        if number > 3:
            raise IndexError
        return number


class Color(enum.Enum):
    """An enumeration whose members may carry more."""

    RED = 1


@dataclasses.dataclass
class Cart:
    """A dataclass."""

    items: list[str] = dataclasses.field(default_factory=list)


class RefusalError(Exception):
    """An exception with attributes of its own."""

    code = 0


Pair = collections.namedtuple("Pair", "one other")


NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name")


def named() -> contextvars.Context:
    """A context with a variable in it."""
    context = contextvars.Context()
    context.run(NAME.set, "eve")
    return context


def acquired() -> Any:
    """A lock that is held."""
    lock = threading.Lock()
    lock.acquire()
    return lock


OPENED: list[sqlite3.Connection] = []
"""Connections to be closed after a test."""

USER: contextvars.ContextVar[list[int]] = contextvars.ContextVar("user", default=[])  # noqa: B039 - the point of it


@pytest.fixture(autouse=True)
def _close_connections() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


class Local(threading.local):
    """A thread's own, with an ``__init__`` that must not run for a look."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1


class Buffer(bytearray):
    """A buffer with attributes."""


def database(*statements: str) -> sqlite3.Connection:
    """A database in memory with a table of carts."""
    connection = sqlite3.connect(":memory:")
    OPENED.append(connection)
    for statement in ("CREATE TABLE cart (item)", *statements):
        connection.execute(statement)
    connection.commit()
    return connection


def empty_database() -> sqlite3.Connection:
    """A database in memory without a table."""
    OPENED.append(sqlite3.connect(":memory:"))
    return OPENED[-1]


def committed(connection: sqlite3.Connection, *statements: str) -> None:
    """Run statements and commit them."""
    for statement in statements:
        connection.execute(statement)
    connection.commit()


def turned() -> Iterator[str]:
    """A cycle that is in its second round, where only its place moves."""
    cycle = itertools.cycle("ab")
    for _ in range(3):
        next(cycle)
    return cycle


def small_map(size: int = 16) -> mmap.mmap:
    """Memory that isn't backed by a file."""
    return mmap.mmap(-1, size)


def cached(module: Module, decorator: Any) -> Any:
    """A function of the module's own under a cache."""
    module.decorator = decorator
    exec("@decorator\ndef f(*arguments, **named): return float(len(arguments))", vars(module))
    return module.f


def set_local(module: Module) -> None:
    module.state = threading.local()
    module.state.user = "bob"


def with_cart(module: Module, state: Any) -> None:
    """Put a value into the module beside a class that stays."""
    module.Cart, module.state = Cart, state


def fresh(value: Callable[[], Any]) -> Callable[[Module], None]:
    """Puts a new value into the module, as ``state``."""

    def make(module: Module) -> None:
        module.state = value()

    return make


CHANGES = [
    pytest.param(fresh(bytearray), lambda m: m.state.extend(b"bob"), ["  changed inside: 3 bytes, was 0 bytes"], id="bytearray"),
    pytest.param(fresh(lambda: bytearray(b"ab")), lambda m: m.state.reverse(), ["  changed inside: 2 bytes"], id="bytearray-same-size"),
    pytest.param(fresh(lambda: Buffer(b"a")), lambda m: m.state.append(1), ["  changed inside: 2 bytes, was 1 byte"], id="bytearray-subclass"),
    pytest.param(fresh(lambda: bytearray(1 << 17)), lambda m: m.state.__setitem__(70_000, 1), ["  changed inside: 131072 bytes"], id="bytearray-large"),
    pytest.param(fresh(lambda: bytearray(1 << 23)), lambda m: m.state.__setitem__(slice(0, 1 << 23), b"\1" * (1 << 23)), ["  changed inside: 8388608 bytes"], id="bytearray-huge"),
    pytest.param(fresh(lambda: memoryview(bytearray(2))), lambda m: m.state.__setitem__(0, 1), ["  changed inside: 2 bytes"], id="memoryview"),
    pytest.param(fresh(lambda: array.array("d", [1.0])), lambda m: m.state.append(2.0), ["  changed inside: 16 bytes, was 8 bytes"], id="array"),
    pytest.param(fresh(small_map), lambda m: m.state.write(b"bob"), ["  changed inside: 16 bytes"], id="mmap"),
    pytest.param(fresh(small_map), lambda m: m.state.close(), ["  changed inside"], id="mmap-closed"),
    pytest.param(fresh(lambda: memoryview(array.array("i", range(6)))[::2]), lambda m: m.state.__setitem__(1, 9), ["  changed inside: 24 bytes"], id="view-with-steps"),
    pytest.param(fresh(lambda: (ctypes.c_int * 2)()), lambda m: m.state.__setitem__(0, 7), ["  changed inside: 8 bytes"], id="ctypes-array"),
    pytest.param(fresh(lambda: ctypes.c_int(1)), lambda m: setattr(m.state, "value", 7), ["  changed inside: 4 bytes"], id="ctypes-number"),
    pytest.param(fresh(io.BytesIO), lambda m: m.state.write(b"bob"), ["  changed inside: 3 bytes, was 0 bytes"], id="BytesIO"),
    pytest.param(fresh(lambda: io.BytesIO(b"ab")), lambda m: m.state.read(1), ["  changed inside: 2 bytes"], id="BytesIO-read"),
    pytest.param(fresh(io.BytesIO), lambda m: m.state.close(), ["  changed inside: closed, was 0 bytes"], id="BytesIO-closed"),
    pytest.param(fresh(io.StringIO), lambda m: m.state.write("b"), ["  changed inside: 1 character, was 0 characters"], id="StringIO"),
    pytest.param(fresh(lambda: io.StringIO("ab")), lambda m: m.state.close(), ["  changed inside: closed, was 2 characters"], id="StringIO-closed"),
    pytest.param(fresh(lambda: random.Random(1)), lambda m: m.state.random(), ["  random numbers drawn from it"], id="Random-drawn"),
    pytest.param(fresh(lambda: random.Random(1)), lambda m: m.state.seed(2), ["  seeded anew"], id="Random-seeded"),
    pytest.param(fresh(itertools.count), lambda m: next(m.state), ["  changed inside"], id="count"),
    pytest.param(fresh(turned), lambda m: next(m.state), ["  changed inside"], id="cycle"),
    pytest.param(fresh(lambda: itertools.repeat("a", 3)), lambda m: next(m.state), ["  changed inside"], id="repeat"),
    pytest.param(fresh(lambda: itertools.islice(range(5), 3)), lambda m: next(m.state), ["  changed inside", "<range_iterator>  changed inside"], id="islice"),
    pytest.param(fresh(lambda: iter([1, 2])), lambda m: next(m.state), ["  changed inside"], id="list-iterator"),
    pytest.param(fresh(lambda: iter((1, 2))), lambda m: next(m.state), ["  changed inside"], id="tuple-iterator"),
    pytest.param(fresh(lambda: iter(range(9))), lambda m: next(m.state), ["  changed inside"], id="range-iterator"),
    pytest.param(fresh(lambda: iter("ab")), lambda m: next(m.state), ["  changed inside"], id="str-iterator"),
    pytest.param(fresh(lambda: iter({"a": 1, "b": 2})), lambda m: next(m.state), ["  changed inside"], id="dict-iterator"),
    pytest.param(fresh(lambda: iter(Rows())), lambda m: next(m.state), ["  changed inside"], id="iterator-by-number"),
    pytest.param(fresh(lambda: iter(collections.deque("ab"))), lambda m: next(m.state), ["  changed inside"], id="deque-iterator"),
    pytest.param(fresh(lambda: reversed(collections.deque("ab"))), lambda m: next(m.state), ["  changed inside"], id="deque-iterator-reversed"),
    pytest.param(fresh(lambda: reversed({"a": 1, "b": 2})), lambda m: next(m.state), ["  changed inside"], id="dict-iterator-reversed"),
    pytest.param(fresh(lambda: reversed({"a": 1, "b": 2}.items())), lambda m: next(m.state), ["  changed inside"], id="dict-item-iterator-reversed"),
    pytest.param(fresh(lambda: re.finditer("a", "aa")), lambda m: next(m.state), ["<builtin_method><SRE_Scanner>  changed inside"], id="matches"),
    pytest.param(fresh(lambda: re.compile("a").scanner("aa")), lambda m: m.state.search(), ["  changed inside"], id="scanner"),
    pytest.param(fresh(lambda: struct.iter_unpack("b", b"ab")), lambda m: next(m.state), ["  changed inside"], id="unpack-iterator"),
    pytest.param(fresh(generator), lambda m: next(m.state), ["  changed inside"], id="generator"),
    pytest.param(fresh(generator), lambda m: m.state.close(), ["  changed inside: ended"], id="generator-closed"),
    pytest.param(fresh(lambda: hashlib.sha256(b"a")), lambda m: m.state.update(b"bob"), ["  changed inside"], id="sha256"),
    pytest.param(fresh(lambda: hashlib.blake2b(b"a")), lambda m: m.state.update(b"bob"), ["  changed inside"], id="blake2b"),
    pytest.param(fresh(lambda: hashlib.shake_128(b"a")), lambda m: m.state.update(b"bob"), ["  changed inside"], id="shake"),
    pytest.param(fresh(zlib.compressobj), lambda m: m.state.compress(b"bob"), ["  changed inside"], id="zlib"),
    pytest.param(fresh(zlib.decompressobj), lambda m: m.state.decompress(zlib.compress(b"bob")[:8]), ["  changed inside"], id="zlib-decompressor"),
    pytest.param(fresh(bz2.BZ2Compressor), lambda m: m.state.compress(b"bob"), ["  changed inside"], id="bz2"),
    pytest.param(fresh(bz2.BZ2Decompressor), lambda m: m.state.decompress(bz2.compress(b"bob")[:8]), ["  changed inside"], id="bz2-decompressor"),
    pytest.param(fresh(lzma.LZMACompressor), lambda m: m.state.compress(b"bob"), ["  changed inside"], id="lzma"),
    pytest.param(fresh(lzma.LZMADecompressor), lambda m: m.state.decompress(lzma.compress(b"bob")[:8]), ["  changed inside"], id="lzma-decompressor"),
    pytest.param(fresh(codecs.getincrementaldecoder("shift_jis")), lambda m: m.state.decode(b"\x82"), ["  changed inside"], id="decoder-of-several-bytes"),
    pytest.param(fresh(lambda: decimal.Context(prec=5)), lambda m: setattr(m.state, "prec", 6), ["  changed inside"], id="decimal-precision"),
    pytest.param(fresh(lambda: decimal.Context(traps=[])), lambda m: m.state.traps.__setitem__(decimal.Inexact, True), ["  changed inside"], id="decimal-traps"),
    pytest.param(fresh(database), lambda m: committed(m.state, "INSERT INTO cart VALUES (1)"), ["['cart']  changed inside: 1 row, was 0 rows"], id="sqlite-inserted"),
    pytest.param(fresh(database), lambda m: m.state.execute("INSERT INTO cart VALUES (1)"), ["  changed inside: a transaction is open"], id="sqlite-not-committed"),
    pytest.param(fresh(lambda: database("INSERT INTO cart VALUES (1)")), lambda m: committed(m.state, "UPDATE cart SET item = 2"), ["['cart']  changed inside: 1 row"], id="sqlite-updated"),
    pytest.param(fresh(database), lambda m: committed(m.state, "CREATE TABLE user (name)"), ["['user']  added: 0 rows"], id="sqlite-created"),
    pytest.param(fresh(database), lambda m: committed(m.state, "DROP TABLE cart"), ["['cart']  removed: 0 rows"], id="sqlite-dropped"),
    pytest.param(fresh(empty_database), lambda m: committed(m.state, "CREATE TABLE user (name)"), ["['user']  added: 0 rows"], id="sqlite-empty"),
    pytest.param(fresh(database), lambda m: m.state.close(), ["  changed inside"], id="sqlite-closed"),
    pytest.param(fresh(database), lambda m: setattr(m.state, "row_factory", sqlite3.Row), [".row_factory  changed: class Row, was None"], id="sqlite-rows"),
    pytest.param(fresh(database), lambda m: setattr(m.state, "text_factory", bytes), [".text_factory  changed: class bytes, was class str"], id="sqlite-texts"),
    pytest.param(fresh(database), lambda m: setattr(m.state, "isolation_level", "EXCLUSIVE"), [".isolation_level  changed: str (9 characters), was str (0 characters)"], id="sqlite-isolation"),
    pytest.param(fresh(lambda: collections.defaultdict(int)), lambda m: setattr(m.state, "default_factory", list), [".default_factory  changed: class list, was class int"], id="defaultdict-factory"),
    pytest.param(fresh(lambda: contextvars.ContextVar("user")), lambda m: m.state.set("bob"), ["  added: str (3 characters)"], id="context-variable"),
    pytest.param(fresh(lambda: USER), lambda m: m.state.get().append(1), ["  added item: int"], id="context-variable-default"),
    pytest.param(fresh(threading.local), lambda m: setattr(m.state, "user", "bob"), [".user  added: str (3 characters)"], id="thread-local-first"),
    pytest.param(set_local, lambda m: setattr(m.state, "user", "eve2"), [".user  changed: str (4 characters), was str (3 characters)"], id="thread-local"),
    pytest.param(set_local, lambda m: setattr(m.state, "carts", []), [".carts  added: list (0 items)"], id="thread-local-more"),
    pytest.param(fresh(lambda: functools.partial(print, [])), lambda m: m.state.args[0].append(1), [".args[0]  added item: int"], id="partial"),
    pytest.param(fresh(lambda: functools.partial(print)), lambda m: setattr(m.state, "user", "bob"), ["  added: dict (1 item)"], id="partial-first-attribute"),
    pytest.param(fresh(lambda: functools.partial(print)), lambda m: m.state.__setstate__((max, (), {}, None)), ["  changed: builtin_function_or_method object"], id="partial-of-another-function"),
    pytest.param(fresh(lambda: [].append), lambda m: m.state(1), ["<list>  added item: int"], id="built-in-method"),
    pytest.param(fresh(lambda: Cart().items.append), lambda m: m.state("a"), ["<list>  added item: str (1 character)"], id="method-of-a-field"),
    pytest.param(fresh(Cart), lambda m: m.state.items.append("a"), [".items  added item: str (1 character)"], id="dataclass"),
    pytest.param(lambda m: with_cart(m, weakref.WeakKeyDictionary()), lambda m: m.state.__setitem__(Cart, "bob"), [".data[<ReferenceType>]  added: str (3 characters)"], id="weak-key-that-stays"),
    pytest.param(fresh(lambda: weakref.WeakKeyDictionary({Cart: []})), lambda m: m.state[Cart].append(1), [".data[<ReferenceType>]  added item: int"], id="value-of-a-weak-key"),
    pytest.param(lambda m: with_cart(m, weakref.WeakSet()), lambda m: m.state.add(Cart), [".data  added item: ReferenceType object"], id="weak-set-of-what-stays"),
    pytest.param(lambda m: with_cart(m, weakref.WeakValueDictionary()), lambda m: m.state.__setitem__("a", Cart), [".data['a']  added: KeyedRef object"], id="weak-value-that-stays"),
    pytest.param(fresh(contextvars.Context), lambda m: m.state.run(NAME.set, "bob"), ["['name']  added: str (3 characters)"], id="context-that-was-run"),
    pytest.param(fresh(named), lambda m: m.state.run(NAME.set, "bob"), ["['name']  changed: str (3 characters)"], id="context-that-was-run-again"),
    pytest.param(fresh(named), lambda m: m.state.run(USER.set, []), ["['user']  added: list (0 items)"], id="context-with-one-more"),
    pytest.param(fresh(threading.Lock), lambda m: m.state.acquire(), ["  left acquired"], id="lock"),
    pytest.param(fresh(threading.RLock), lambda m: (m.state.acquire(), m.state.acquire()), ["  left acquired"], id="lock-of-a-thread"),
    pytest.param(fresh(threading.Condition), lambda m: m.state.acquire(), ["._lock  left acquired"], id="condition"),
    pytest.param(fresh(lambda: {"a": threading.Lock()}), lambda m: in_thread(m.state["a"].acquire), ["['a']  left acquired"], id="lock-left-by-a-thread-that-ended"),
    pytest.param(fresh(lambda: ValueError("a")), lambda m: setattr(m.state, "args", ("bob",)), [".args  changed: tuple (1 item)"], id="exception"),
    pytest.param(fresh(lambda: RefusalError("a")), lambda m: setattr(m.state, "args", ()), [".args  changed: tuple (0 items), was tuple (1 item)"], id="exception-of-the-program"),
    pytest.param(fresh(lambda: ValueError("a")), lambda m: setattr(m.state, "user", "bob"), [".user  added: str (3 characters)"], id="attribute-of-an-exception"),
    pytest.param(fresh(lambda: Pair([], 1)), lambda m: m.state.one.append("a"), [".one  added item: str (1 character)"], id="namedtuple"),
]  # fmt: skip


QUIET = [
    pytest.param(fresh(lambda: mmap.mmap(-1, 16, access=mmap.ACCESS_READ)), lambda m: m.state.read(4), id="mmap-to-read"),
    pytest.param(fresh(weakref.WeakKeyDictionary), lambda m: m.state.__setitem__(Thing(), 1), id="weak-key-that-goes"),
    pytest.param(fresh(weakref.WeakSet), lambda m: m.state.add(Thing()), id="weak-set-of-what-goes"),
    pytest.param(fresh(weakref.WeakKeyDictionary), lambda m: (KEPT.append(Thing()), m.state.__setitem__(KEPT[-1], 1)), id="weak-key-that-a-fixture-holds"),
    pytest.param(fresh(weakref.WeakKeyDictionary), lambda m: list(m.state), id="weak-keys-read"),
    pytest.param(fresh(weakref.WeakValueDictionary), lambda m: m.state.__setitem__("a", Thing()), id="weak-value"),
    pytest.param(fresh(threading.Lock), lambda m: (m.state.acquire(), m.state.release()), id="lock-released"),
    pytest.param(fresh(threading.RLock), lambda m: in_thread(lambda: m.state.__enter__() and m.state.__exit__(None, None, None)), id="lock-of-a-thread-released"),
    pytest.param(fresh(threading.Condition), lambda m: m.state.__enter__() and m.state.__exit__(None, None, None), id="condition-released"),
    pytest.param(fresh(threading.Condition), lambda m: (m.state.__enter__() and m.state.wait(0.001)) or m.state.__exit__(None, None, None), id="condition-waited-for"),
    pytest.param(fresh(threading.Condition), lambda m: in_thread(m.state.acquire), id="condition-of-another-thread"),
    pytest.param(fresh(threading.Event), lambda m: (m.state.set(), m.state.clear()), id="event"),
    pytest.param(fresh(acquired), lambda m: m.state.release(), id="lock-acquired-before-and-released"),
    pytest.param(fresh(named), lambda m: m.state.run(lambda: NAME.reset(NAME.set("bob"))), id="context-that-ends-as-it-began"),
    pytest.param(fresh(named), lambda m: (m.state.run(NAME.get), m.state.copy().run(NAME.set, "bob")), id="context-read-and-copied"),
    pytest.param(lambda m: with_cart(m, weakref.WeakValueDictionary({"a": Cart})), lambda m: m.state.__setitem__("a", Cart), id="weak-value-again"),
    pytest.param(fresh(lambda: bytearray(b"ab")), lambda m: (m.state.append(1), m.state.pop()), id="bytearray-put-back"),
    pytest.param(fresh(lambda: bytearray(b"ab")), lambda m: m.state.decode(), id="bytearray-read"),
    pytest.param(fresh(lambda: io.BytesIO(b"ab")), lambda m: m.state.getvalue(), id="BytesIO-read"),
    pytest.param(fresh(lambda: io.BytesIO(b"ab")), lambda m: (m.state.read(), m.state.seek(0)), id="BytesIO-wound-back"),
    pytest.param(fresh(lambda: random.Random(1)), lambda m: m.state.setstate(m.state.getstate()), id="Random-put-back"),
    pytest.param(fresh(lambda: hashlib.sha256(b"a")), lambda m: m.state.hexdigest(), id="sha256-read"),
    pytest.param(fresh(lambda: decimal.Context(prec=5)), lambda m: m.state.divide(decimal.Decimal(1), decimal.Decimal(3)), id="decimal-flags"),
    pytest.param(fresh(lambda: re.compile("a").scanner("aa")), lambda m: m.state.pattern.search("aa"), id="scanner-of-a-pattern-that-is-used"),
    pytest.param(fresh(lambda: iter(Rows())), lambda m: list(copy.copy(m.state)), id="iterator-copied"),
    pytest.param(fresh(zlib.compressobj), lambda m: m.state.copy().flush(), id="zlib-copied"),
    pytest.param(fresh(lambda: functools.partial(print)), lambda m: vars(m.state), id="partial-asked-for-attributes"),
    pytest.param(fresh(lambda: functools.partial(print, end="")), lambda m: m.state(), id="partial-called"),
    pytest.param(fresh(lambda: collections.defaultdict(int)), lambda m: m.state.get("a"), id="defaultdict-read"),
    pytest.param(fresh(database), lambda m: swapped(m.state, "row_factory", sqlite3.Row), id="sqlite-rows-put-back"),
    pytest.param(fresh(database), lambda m: setattr(m.state, "isolation_level", m.state.isolation_level), id="sqlite-isolation-again"),
    pytest.param(fresh(database), lambda m: list(m.state.execute("SELECT * FROM cart")), id="sqlite-read"),
    pytest.param(fresh(database), lambda m: (m.state.execute("INSERT INTO cart VALUES (1)"), m.state.rollback()), id="sqlite-rolled-back"),
    pytest.param(fresh(database), lambda m: committed(m.state, "INSERT INTO cart VALUES (1)", "DELETE FROM cart"), id="sqlite-deleted-again"),
    pytest.param(fresh(lambda: database("INSERT INTO cart VALUES (1)")), lambda m: committed(m.state, "DELETE FROM cart", "INSERT INTO cart VALUES (1)"), id="sqlite-inserted-again"),
    pytest.param(fresh(lambda: contextvars.ContextVar("user")), lambda m: m.state.reset(m.state.set("bob")), id="context-variable-reset"),
    pytest.param(fresh(lambda: contextvars.ContextVar("user")), lambda m: contextvars.copy_context().run(m.state.set, "bob"), id="context-variable-of-another-context"),
    pytest.param(set_local, lambda m: (setattr(m.state, "a", 1), delattr(m.state, "a")), id="thread-local-deleted"),
    pytest.param(set_local, lambda m: in_thread(lambda: setattr(m.state, "user", "eve")), id="thread-local-of-another-thread"),
    pytest.param(fresh(lambda: ValueError("a")), lambda m: raised(m.state), id="exception-raised"),
    pytest.param(fresh(lambda: ValueError("a")), lambda m: setattr(m.state, "args", ("".join("a"),)), id="exception-with-equal-arguments"),
    pytest.param(fresh(lambda: collections.OrderedDict(a=1, b=2)), lambda m: m.state.move_to_end("a"), id="order-of-keys"),
    pytest.param(fresh(lambda: Color.RED), lambda m: (Color(1), Color["RED"], Color.RED.name), id="enum-read"),
]  # fmt: skip


def raised(error: Exception) -> None:
    """Raise an exception that is kept, which takes its traceback in."""
    with pytest.raises(type(error)):
        raise error


def swapped(thing: Any, name: str, value: object) -> None:
    """Set an attribute for a moment."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    setattr(thing, name, before)


def in_thread(act: Callable[[], object]) -> None:
    """Do something in a thread that ends."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


@pytest.mark.parametrize(("make", "act"), QUIET)
def test_what_is_the_same_again_is_not_told(
    make: Callable[[Module], object], act: Callable[[Module], object], module: types.ModuleType, watch: Watch
) -> None:
    make(module)
    assert told(watch(module, lambda: act(module)), module) == []


def test_a_look_makes_nothing_a_threads_own(module: types.ModuleType, watch: Watch) -> None:
    vars(module)["state"] = local = Local()
    made = Local.made
    before: list[object] = []
    in_thread(lambda: before.extend([local_namespace(local), *watch(module, lambda: None)]))
    assert before == [None]
    assert Local.made == made


def test_a_look_at_a_database_calls_nothing_of_the_program(module: types.ModuleType, watch: Watch) -> None:
    calls: list[object] = []

    def called(*arguments: object) -> int:
        calls.append(arguments)
        return 0

    class Connection(sqlite3.Connection):
        def cursor(self, *arguments: Any, **named: Any) -> Any:
            called(*arguments)
            return super().cursor(*arguments, **named)

    connection = sqlite3.connect(":memory:", factory=Connection)
    OPENED.append(connection)
    sqlite3.Connection.execute(connection, "CREATE TABLE cart (item)")
    connection.row_factory = connection.text_factory = called
    connection.set_authorizer(called)
    connection.set_trace_callback(called)
    connection.set_progress_handler(called, 1)
    vars(module)["state"] = connection
    calls.clear()
    assert watch(module, lambda: None) == []
    assert calls == []
    connection.set_authorizer(lambda *_: sqlite3.SQLITE_OK)
    connection.set_trace_callback(None)
    leaks = watch(module, lambda: committed(connection, "INSERT INTO cart VALUES (1)"))
    assert "changed inside: 1 row, was 0 rows" in [leak.message for leak in leaks]


def test_a_buffer_that_the_program_makes_is_not_asked_for(module: types.ModuleType, watch: Watch) -> None:
    calls = []

    class Hostile(bytearray):
        def __buffer__(self, flags: int) -> memoryview:
            calls.append(flags)
            return memoryview(b"")

    vars(module)["state"] = Hostile(b"a")
    watch(module, lambda: None)
    assert calls == []


def test_an_attribute_of_a_metaclass_is_told(module: types.ModuleType, watch: Watch) -> None:
    meta = type("Meta", (type,), {"__module__": module.__name__})
    vars(module)["state"] = meta("Cart", (), {"__module__": module.__name__})
    (leak,) = watch(module, lambda: setattr(meta, "seen", 1))
    assert leak.subject.endswith(".seen")
    assert leak.message == "added: int"


DEFINITIONS = [
    pytest.param(lambda m: setattr(m.Cart, "__bases__", (m.Other,)), "Cart.__bases__", "changed: tuple (1 item)", id="bases"),
    pytest.param(lambda m: setattr(m.Cart, "__class__", m.Meta), "Cart.__class__", "changed: class Meta, was class Former", id="metaclass"),
    pytest.param(lambda m: setattr(m, "__class__", m.Lazy), "__class__", "changed: class Lazy, was class module", id="module"),
]  # fmt: skip

DEFINED = """
import types
class Former(type): ...
class Meta(Former): ...
class Base(metaclass=Former): ...
class Other(metaclass=Former): ...
class Cart(Base): ...
class Lazy(types.ModuleType): ...
"""


@pytest.mark.parametrize(("act", "subject", "message"), DEFINITIONS)
def test_a_part_of_a_definition_that_is_replaced_is_told(
    act: Callable[[Module], object], subject: str, message: str, module: types.ModuleType, watch: Watch
) -> None:
    exec(DEFINED, vars(module))
    found = [leak for leak in watch(module, lambda: act(module)) if not is_expected(leak)]
    assert [(leak.subject, leak.message) for leak in found] == [(f"{module.__name__}.{subject}", message)]


FUNCTIONS = [
    pytest.param("def f(a, b=[]): return b", lambda f: f(1).append(2), ["f.<defaults>.b  added item: int"], id="default"),
    pytest.param("def f(*, b=[]): return b", lambda f: f().append(2), ["f.<defaults>['b']  added item: int"], id="keyword-default"),
    pytest.param("def f(a=1): return a", lambda f: setattr(f, "__defaults__", (2,)), ["f.__defaults__  changed: tuple (1 item)"], id="defaults-replaced"),
    pytest.param("def f(*, a=1): return a", lambda f: setattr(f, "__kwdefaults__", {"a": 3}), ["f.__kwdefaults__  changed: dict (1 item)"], id="keyword-defaults-replaced"),
    pytest.param("def f(a=1): return a", lambda f: setattr(f, "__code__", (lambda a=1: 2).__code__), ["f.__code__  changed: code object"], id="code-replaced"),
    pytest.param("def f(): pass", lambda f: setattr(f, "calls", 1), ["f.calls  added: int"], id="attribute"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "act", "leaks"), FUNCTIONS)
def test_a_function_is_state(
    body: str, act: Callable[[Any], object], leaks: list[str], module: types.ModuleType, watch: Watch
) -> None:
    exec(body, vars(module))
    function = vars(module)["f"]
    found = [leak for leak in watch(module, lambda: act(function)) if not is_expected(leak)]
    assert [f"{leak.subject}  {leak.message}" for leak in found] == [
        f"{module.__name__}.{leak}" for leak in leaks
    ]


CACHES = [
    pytest.param(functools.lru_cache, lambda f: f("tea"), ["f.<cache>['tea']  added: a result"], id="argument"),
    pytest.param(functools.lru_cache, lambda f: f("tea", amount=2), ["f.<cache>[('tea', <object>, 'amount', 2)]  added: a result"], id="named-argument"),
    pytest.param(functools.cache, lambda f: f(1, 2), ["f.<cache>[(1, 2)]  added: float"], id="unbounded"),
    pytest.param(functools.cache, lambda f: f(), [], id="constant"),
    pytest.param(functools.lru_cache, lambda f: f(), [], id="constant-of-a-bounded-cache"),
    pytest.param(functools.cache, lambda f: (f(1), f.cache_clear()), [], id="emptied-again"),
]  # fmt: skip


@pytest.mark.parametrize(("decorator", "act", "leaks"), CACHES)
def test_what_the_applications_caches_remember_by_an_argument_is_state(
    decorator: Any, act: Callable[[Any], object], leaks: list[str], module: types.ModuleType, watch: Watch
) -> None:
    function = cached(module, decorator)
    found = [leak for leak in watch(module, lambda: act(function)) if not is_expected(leak)]
    assert [f"{leak.subject}  {leak.message}" for leak in found] == [
        f"{module.__name__}.{leak}" for leak in leaks
    ]


def test_a_cache_that_was_filled_before_may_be_emptied(module: types.ModuleType, watch: Watch) -> None:
    function = cached(module, functools.cache)
    function(1)
    assert [leak for leak in watch(module, function.cache_clear) if not is_expected(leak)] == []


def test_a_result_that_changes_in_a_cache_is_told(module: types.ModuleType, watch: Watch) -> None:
    exec("@decorator\ndef f(): return []", vars(module) | {"decorator": functools.cache}, vars(module))
    function = vars(module)["f"]
    vars(module)["kept"] = function
    function()
    (leak,) = watch(module, lambda: function().append(1))
    assert leak.message == "added item: int"


def told(leaks: list[Any], module: types.ModuleType) -> list[str]:
    """What leaked under ``state``, without what is known and fine."""
    start = f"{module.__name__}.state"
    assert all(leak.subject.startswith(start) for leak in leaks if not is_expected(leak)), leaks
    return [f"{leak.subject[len(start) :]}  {leak.message}" for leak in leaks if not is_expected(leak)]


@pytest.mark.parametrize(("make", "act", "leaks"), CHANGES)
def test_a_change_is_told(
    make: Callable[[Module], object],
    act: Callable[[Module], object],
    leaks: list[str],
    module: types.ModuleType,
    watch: Watch,
) -> None:
    make(module)
    assert told(watch(module, lambda: act(module)), module) == leaks
