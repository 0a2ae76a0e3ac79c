"""What is told as a transaction left open, and under which name."""

from __future__ import annotations

import contextvars
import dataclasses
import gc
import sqlite3
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.detectors import Context, Detector, open_transaction
from pytest_stateless.detectors.open_transaction import TransactionEvidence
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.scope import Scope
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.leak import SINCE, Leak, Owner

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]


@pytest.fixture
def context(context: Context) -> Context:
    """With no more of the memory than the one module: discovering all of it takes half a second."""
    scope = Scope(frozenset({"contract_shop"}))
    return dataclasses.replace(context, make_heap=lambda: Heap(sys.modules, scope))


class Shop:
    """The application's module, whose file is in the project."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.module: Any = types.ModuleType("contract_shop")
        self.module.__file__ = str(root / "contract_shop.py")
        monkeypatch.setitem(sys.modules, "contract_shop", self.module)
        self.opened: list[sqlite3.Connection] = []

    def connect(self, name: str | Path = "shop.db") -> sqlite3.Connection:
        """A connection in autocommit mode."""
        path = name if name == ":memory:" else self.root / name
        self.opened.append(sqlite3.connect(path, isolation_level=None))
        return self.opened[-1]

    def begun(self, name: str | Path = "shop.db") -> sqlite3.Connection:
        """A connection with a transaction open."""
        connection = self.connect(name)
        connection.execute("BEGIN")
        return connection


@pytest.fixture
def shop(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    made = Shop(project, monkeypatch)
    yield made
    for connection in made.opened:
        connection.close()


class Pool:
    """A pool as a library would make it."""

    __module__ = "pool_library"

    def __init__(self, *idle: object) -> None:
        self.idle = deque(idle)


class Store:
    """A class of the application."""

    __module__ = "contract_shop"

    def __init__(self, pool: object) -> None:
        self.pool = pool


def local_of(connection: object) -> threading.local:
    local = threading.local()
    local.session = connection
    return local


def variable_of(connection: object) -> contextvars.ContextVar[object]:
    variable: contextvars.ContextVar[object] = contextvars.ContextVar("session")
    variable.set(connection)
    return variable


@pytest.mark.parametrize(
    ("keep", "subject"),
    [
        pytest.param(lambda one: one, "contract_shop.kept", id="itself"),
        pytest.param(lambda one: [None, one], "contract_shop.kept", id="in-a-list"),
        pytest.param(lambda one: [(None, one)], "contract_shop.kept", id="in-a-tuple-in-a-list"),
        pytest.param(lambda one: {"bob": Pool(one)}, "contract_shop.kept['bob']", id="in-a-dictionary"),
        pytest.param(Pool, "contract_shop.kept", id="in-a-pool"),
        pytest.param(lambda one: Pool(Pool(one)), "contract_shop.kept", id="in-a-pool-of-pools"),
        pytest.param(lambda one: Store(Pool(one)), "contract_shop.kept.pool", id="in-the-store-of-the-shop"),
        pytest.param(local_of, "contract_shop.kept", id="of-a-thread"),
        pytest.param(variable_of, "contract_shop.kept", id="of-a-context"),
    ],
)
def test_it_is_told_of_what_the_application_has(
    keep: Callable[[object], object], subject: str, shop: Shop, left_by: LeftBy
) -> None:
    (leak,) = left_by(open_transaction, lambda: setattr(shop.module, "kept", keep(shop.begun())))
    assert (leak.rule, leak.subject) == ("open-transaction", subject)
    assert leak.message == "sqlite3: a transaction is open"
    assert leak.owner is Owner.APPLICATION


def test_those_behind_one_thing_are_told_together(shop: Shop, left_by: LeftBy) -> None:
    (leak,) = left_by(
        open_transaction, lambda: setattr(shop.module, "kept", Pool(shop.begun("a.db"), shop.begun("b.db")))
    )
    assert (leak.subject, leak.message) == ("contract_shop.kept", "sqlite3: 2 transactions are open")


def test_one_that_begins_on_an_old_connection_is_told(shop: Shop, left_by: LeftBy) -> None:
    shop.module.kept = shop.connect()
    (leak,) = left_by(open_transaction, lambda: shop.module.kept.execute("BEGIN"))
    assert leak.subject == "contract_shop.kept"


def _end(shop: Shop) -> None:
    shop.module.kept = shop.begun()
    shop.module.kept.execute("COMMIT")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_end, id="ended"),
        pytest.param(lambda shop: setattr(shop.module, "kept", shop.connect()), id="never-begun"),
        pytest.param(lambda shop: setattr(shop.module, "kept", shop.begun(":memory:")), id="in-memory"),
        pytest.param(lambda shop: shop.begun(), id="kept-by-no-module"),
    ],
)
def test_no_leak(act: Callable[[Shop], object], shop: Shop, left_by: LeftBy) -> None:
    assert left_by(open_transaction, lambda: act(shop)) == []


def test_what_was_open_before_is_nobodys(shop: Shop, left_by: LeftBy) -> None:
    shop.module.kept = shop.begun()
    assert left_by(open_transaction, lambda: shop.module.kept.execute("CREATE TABLE t (a)")) == []


def test_a_connection_that_only_the_plugin_still_holds_is_not_told(shop: Shop, left_by: LeftBy) -> None:
    shop.module.kept = shop.connect()

    def lose() -> None:
        shop.module.kept.execute("BEGIN")
        del shop.module.kept

    assert left_by(open_transaction, lose) == []


def test_a_second_run_sees_it_begin_again(shop: Shop, left_by: LeftBy) -> None:
    (leak,) = left_by(open_transaction, lambda: setattr(shop.module, "kept", shop.begun()))
    evidence = leak.evidence
    assert type(evidence) is TransactionEvidence
    evidence.roll_back()
    (look,) = evidence.looks()
    assert not look.moved()
    shop.module.kept.execute("BEGIN")
    assert look.moved()
    look.rebase()
    assert not look.moved()
    assert evidence.undo() is None  # type: ignore[func-returns-value]


def test_the_memory_is_looked_at_once_in_a_look(recorded: Context) -> None:
    recorded.begin_look()
    first = recorded.look_at_memory()
    assert recorded.look_at_memory()[1] is first[1]
    recorded.begin_look()
    assert recorded.look_at_memory()[1] is not first[1]
    recorded.end_look()


# ------------------------------------------------------------------------------------------------- Django


class Wrapper:
    """As Django keeps account of a connection."""

    def __init__(self, **found: object) -> None:
        self.__dict__ |= {
            "connection": object(),
            "in_atomic_block": False,
            "autocommit": True,
            "settings_dict": {"AUTOCOMMIT": True},
            **found,
        }


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> threading.local:
    """Where Django has its connections, by their aliases."""
    local = threading.local()
    module: Any = types.ModuleType("django.db")
    module.connections = types.SimpleNamespace(_connections=types.SimpleNamespace(_storage=local))
    monkeypatch.setitem(sys.modules, "django.db", module)
    return local


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param({"in_atomic_block": True}, True, id="in-a-block"),
        pytest.param({"autocommit": False}, True, id="switched-off"),
        pytest.param({"autocommit": False, "settings_dict": {"AUTOCOMMIT": False}}, False, id="always-off"),
        pytest.param({"in_atomic_block": True, "connection": None}, False, id="closed"),
        pytest.param({}, False, id="at-rest"),
    ],
)
def test_django_knows_of_its_transactions(
    found: dict[str, object], told: bool, connections: threading.local, left_by: LeftBy
) -> None:
    leaks = left_by(open_transaction, lambda: setattr(connections, "default", Wrapper(**found)))
    assert [leak.subject for leak in leaks] == ["django.db.connections['default']"] * told


def test_those_of_other_threads_are_known(connections: threading.local, left_by: LeftBy) -> None:
    done = threading.Event()

    def work() -> None:
        connections.other = Wrapper(in_atomic_block=True)
        done.wait()

    thread = threading.Thread(target=work)

    def act() -> None:
        thread.start()
        while not any("other" in names for names in _namespaces(connections)):
            pass

    (leak,) = left_by(open_transaction, act)
    done.set()
    thread.join()
    assert leak.subject == "django.db.connections['other']"


def _namespaces(local: threading.local) -> list[dict[str, object]]:
    found = [one for one in gc.get_referents(local) if type(one) is dict]
    return [inner for one in found for inner in list(one.values()) if type(inner) is dict]


@pytest.mark.parametrize("is_fresh", [True, False])
def test_one_that_was_not_looked_for_may_have_been_begun_before(
    is_fresh: bool, shop: Shop, context: Context
) -> None:
    before = open_transaction.capture(context)
    assert before.fresh is None
    shop.module.kept = shop.begun()
    places = frozenset({identity(shop.module.kept)} if is_fresh else ())
    (leak,) = open_transaction.compare(before._replace(fresh=places), open_transaction.capture(context))
    assert (SINCE in leak.traits) is not is_fresh
