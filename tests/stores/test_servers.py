"""Clients of a real PostgreSQL and a real Redis: work with them leaves nothing, what they leave open is told."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import Project

IS_CERTAIN = bool(os.environ.get("STATELESS_SERVERS"))
"""Whether a server or a client that can't be had is a failure."""


def needs(*names: str) -> None:
    missing = [name for name in names if name.islower() and importlib.util.find_spec(name) is None]
    if missing and not IS_CERTAIN:
        pytest.skip(f"not installed: {', '.join(missing)}")


def program(name: str, *elsewhere: str) -> str:
    places = [os.environ.get("PATH", ""), *elsewhere]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None and IS_CERTAIN:
        pytest.fail(f"{name} isn't installed")
    if found is None:
        pytest.skip(f"{name} isn't installed")
    return found


@contextmanager
def served(command: list[str], directory: Path, user: str | None, ready: list[str]) -> Iterator[None]:
    """Runs a server until the block ends; ``ready`` is a command that succeeds once it answers."""
    with open(directory / "log", "wb") as log:
        server = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, user=user)
    try:
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            assert server.poll() is None, (directory / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    """Both servers, each at a socket in a directory of its own. PostgreSQL refuses to run as root."""
    needs("psycopg", "psycopg_pool", "redis", "sqlalchemy")
    binaries = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    initdb, postgres = program("initdb", *binaries), program("postgres", *binaries)
    ready, redis = program("pg_isready", *binaries), program("redis-server")
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(dir="/tmp") as base, ExitStack() as stack:
        directory = Path(base)
        if user is not None:
            os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
        made = [initdb, "-D", base + "/data", "-A", "trust", "-U", "shop", "-N"]
        subprocess.run(made, cwd=base, check=True, capture_output=True, user=user)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={base}", "-c", "fsync=off"]
        stack.enter_context(
            served([postgres, "-D", base + "/data", *options], directory, user, [ready, "-q", "-h", base])
        )
        socket = f"{base}/redis.sock"
        command = [redis, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", base]
        stack.enter_context(served(command, directory, None, ["redis-cli", "-s", socket, "--no-raw", "ping"]))
        yield {
            "SHOP_DATABASE": f"host={base} user=shop dbname=postgres",
            "SHOP_HOST": base,
            "SHOP_REDIS": socket,
        }


SHOP = """
import os
from concurrent.futures import ThreadPoolExecutor
import psycopg, psycopg_pool, redis, sqlalchemy
from sqlalchemy import orm

DATABASE = os.environ["SHOP_DATABASE"]
CONNECTION = psycopg.connect(DATABASE, autocommit=True)
POOL = psycopg_pool.ConnectionPool(DATABASE, min_size=1, max_size=4, open=True)
POOL.wait()
LENT, FAILED = psycopg.connect(DATABASE), psycopg.connect(DATABASE)
SESSIONS = orm.scoped_session(orm.sessionmaker())
ENGINE = sqlalchemy.create_engine("postgresql+psycopg://shop@/postgres?host=" + os.environ["SHOP_HOST"])
REDIS = redis.Redis(unix_socket_path=os.environ["SHOP_REDIS"])
OPEN = []

class Base(orm.DeclarativeBase): pass

class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    who: orm.Mapped[str]

Base.metadata.create_all(ENGINE)
"""
WORK = """
import pytest, shop
from shop import *

pytestmark = [pytest.mark.stateless, pytest.mark.parametrize("n", range(7))]

def test_connection(n):
    assert CONNECTION.execute("select %s::int", [n]).fetchone() == (n,)

def test_pool(n):
    with POOL.connection() as one:
        assert one.execute("select %s::int", [n]).fetchone() == (n,)

def test_threads(n):
    def ask(number):
        with POOL.connection() as one:
            return one.execute("select pg_sleep(0.01), %s::int", [number]).fetchone()[1]
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(ask, range(6))) == list(range(6))

def test_engine(n):
    with ENGINE.connect() as one:
        assert one.execute(sqlalchemy.text("select 5")).scalar() == 5

def test_orm(n):
    with orm.Session(ENGINE) as session:
        session.add(Order(who=f"bob {n}"))
        session.commit()
        order = session.scalars(sqlalchemy.select(Order).where(Order.who == f"bob {n}")).first()
        session.delete(order)
        session.commit()

def test_redis(n):
    REDIS.set("order", n)
    with REDIS.pipeline() as pipeline:
        pipeline.incr("orders")
        pipeline.get("order")
        assert pipeline.execute()[1] == str(n).encode()
"""
LEFT = """
import pytest, shop
from shop import *

pytestmark = pytest.mark.stateless

def test_connection_left_open(): OPEN.append(psycopg.connect(DATABASE))
def test_pool_left_open():
    pool = psycopg_pool.ConnectionPool(DATABASE, min_size=1, open=True)
    pool.wait()
    OPEN.append(pool)
def test_client_left_open():
    client = redis.Redis(unix_socket_path=os.environ["SHOP_REDIS"])
    client.ping()
    OPEN.append(client)
def test_user_on_a_connection(): CONNECTION.user = "bob"
def test_session_left_open():
    session = orm.Session(ENGINE)
    session.add(Order(who="al"))
    session.flush()
    OPEN.append(session)
def test_thread_s_session_left():
    SESSIONS(bind=ENGINE).scalar(sqlalchemy.text("select 5"))
def test_transaction_left_open(): LENT.execute("select 5")
def test_transaction_failed():
    with pytest.raises(psycopg.errors.UndefinedTable):
        FAILED.execute("select * from nowhere")
def test_transaction_ended():
    LENT.rollback()
    with LENT.transaction(): LENT.execute("select 5")
def test_thread_s_session_ended():
    SESSIONS.remove()
    SESSIONS(bind=ENGINE).scalar(sqlalchemy.text("select 5"))
    SESSIONS.commit()
def test_returned_by_the_pool():
    POOL.putconn(one := POOL.getconn())
    with POOL.connection() as one: one.execute("select 1")
def test_closed_again():
    with psycopg.connect(DATABASE) as one: one.execute("select 1")
    with psycopg_pool.ConnectionPool(DATABASE, min_size=1) as pool:
        with pool.connection() as one: one.execute("select 1")
    client = redis.Redis(unix_socket_path=os.environ["SHOP_REDIS"])
    client.ping()
    client.close()
"""


CLOSES = """
import pytest, shop

@pytest.fixture(scope="session", autouse=True)
def _end():
    yield
    for one in [shop.POOL, *shop.OPEN]:
        one.close()
"""


@pytest.fixture
def shop(servers: dict[str, str], project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name, value in servers.items():
        monkeypatch.setenv(name, value)
    project.write("shop.py", SHOP)
    project.write("conftest.py", CLOSES)
    return project


def told(project: Project) -> dict[str, set[str]]:
    return {
        test["nodeid"].partition("::test_")[2]: {
            f"{leak['rule']} {leak['subject']}" for leak in test["leaks"] if leak["severity"] == "error"
        }
        for test in project.report()["tests"]
    }


def test_work_with_a_backing_service_leaves_nothing(shop: Project) -> None:
    shop.write("test_shop.py", WORK)
    result = shop.run_apart("--stateless-report=json:leaks.json")
    result.assert_outcomes(passed=42)


def test_what_clients_leave_open_is_told(shop: Project) -> None:
    shop.write("test_shop.py", LEFT)
    shop.run_apart("--stateless-report=json:leaks.json")
    kept = "module-state shop.OPEN"
    found = told(shop)
    threads = {leak for leak in found["pool_left_open"] if leak.startswith("thread ")}
    assert threads
    assert found == {
        "connection_left_open": {kept},
        "pool_left_open": {kept, *threads},
        "client_left_open": {kept},
        "user_on_a_connection": {"module-state shop.CONNECTION.user"},
        "session_left_open": {kept, "open-transaction shop.OPEN"},
        # The pool has none left: what it counts of its connections isn't its own business.
        "thread_s_session_left": {
            "open-transaction shop.SESSIONS",
            "module-state shop.ENGINE.pool._overflow",
        },
        "transaction_left_open": {"open-transaction shop.LENT"},
        "transaction_failed": {"open-transaction shop.FAILED"},
        "closed_again": set(),
    }


LAZY = """
import os
import sqlalchemy

HOST = os.environ["SHOP_HOST"]
ENGINES = [
    sqlalchemy.create_engine(f"postgresql+psycopg://shop@/postgres?host={HOST}"),
    sqlalchemy.create_engine(f"postgresql+psycopg2://shop@/postgres?host={HOST}"),
    sqlalchemy.create_engine(f"sqlite:///{HOST}/shop.db"),
]
"""
ASKS = """
import pytest, shop, sqlalchemy

@pytest.mark.stateless
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("number", range(3))
def test_ask(number, again):
    with shop.ENGINES[number].connect() as one:
        assert one.execute(sqlalchemy.text("select 5")).scalar() == 5
"""


def test_an_engine_that_connects_on_first_use_is_fine(shop: Project) -> None:
    needs("psycopg2")
    shop.write("conftest.py", "")
    shop.write("shop.py", LAZY)
    shop.write("test_shop.py", ASKS)
    shop.run_apart().assert_outcomes(passed=6)
