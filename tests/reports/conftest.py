"""What the tests of the formats share: hand-made results, and results of any texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from pytest_stateless.leak import Leak, Origin, Owner, Severity
from pytest_stateless.reports.session import REACHES, OpenedPort, PutBack, SessionLeaks, TestLeaks

LEAKS = (
    Leak("module-state", "shop.cart.CARTS['bob']", "added: list (2 items)", owner=Owner.APPLICATION),
    Leak("file-write", "var/receipts/1.pdf", "created", Origin("shop/receipts.py", 31, "save")),
    Leak(
        "listening-socket",
        "0.0.0.0:9100",
        "tcp, fd 14, exposed on all interfaces",
        Origin("shop/metrics.py", 9, "start"),
        request="POST /login (2nd request)",
    ),
)
PORTS = (
    OpenedPort("0.0.0.0:9100", "tcp", "all", "tests/test_shop.py::test_checkout", LEAKS[2].origin, False),
    OpenedPort("127.0.0.1:0", "udp", "loopback", "server (session fixture)", None, True),
)
PUT_BACK = (
    PutBack(
        "shop/cache.tmp", "created and deleted again", "tests/test_shop.py::test_a", LEAKS[1].origin, None
    ),
    PutBack(
        "shop/cache.tmp", "created and deleted again", "tests/test_shop.py::test_b", LEAKS[1].origin, None
    ),
    PutBack("shop", "renamed to s and back", "tests/test_shop.py::test_b", None, "POST /login (2nd request)"),
)
WARNING = Leak(
    "interpreter-state",
    "random",
    "numbers drawn from it; draw less",
    severity=Severity.WARNING,
    why="later requests draw other numbers",
)
ERROR = {"detector": "file-write", "traceback": "Traceback (most recent call last):\nValueError: odd\n"}


@pytest.fixture
def leaks() -> tuple[Leak, ...]:
    """One of each rule."""
    return LEAKS


@pytest.fixture
def session() -> SessionLeaks:
    """A run with a test that failed, one that was only warned of, and one whose detector failed."""
    return SessionLeaks(
        (
            TestLeaks("tests/test_shop.py::test_checkout", "tests/test_shop.py", 12, "failed", LEAKS),
            TestLeaks(
                "tests/test_shop.py::test_login", "tests/test_shop.py", 0, "xfailed", (*LEAKS[:1], WARNING)
            ),
            TestLeaks("tests/test_shop.py::test_odd", "tests/test_shop.py", 30, "passed", (), (ERROR,)),
        ),
        checked=5,
        unused=(("module-state:shop.old.*", "pytest.ini: stateless_allow"),),
        ports=PORTS,
        put_back=PUT_BACK,
        left_out=4,
        notices=("files aren't seen: there are more than 3",),
    )


HOSTILE = st.sampled_from(
    [
        "\n::error::x",
        "\r\n::add-mask::e",
        "  ::stop-commands::x",
        "##[add-mask]e",
        "%0A::error::x",
        "\x1b[31m\x07",
        "\x9b31m",
        "<script>&\"'",
        "]]>",
        "\u202e\u200b\ufeff\u2028\x85",
        "\udcff",  # a byte of a file's name that is no UTF-8
        "\0",
        "a,b:c=d",
        "\\n",
    ]
)
TEXTS = st.lists(HOSTILE | st.text(max_size=8), max_size=3).map("".join)
ORIGINS = st.none() | st.builds(Origin, TEXTS, st.integers(0, 10**6), TEXTS)
RULES = st.sampled_from(["module-state", "file-write", "listening-socket", "another-one"])


@pytest.fixture(scope="session")
def any_leak() -> st.SearchStrategy[Leak]:
    """Leaks of any texts, as a hostile program may leave them."""
    return st.builds(
        Leak,
        RULES,
        TEXTS,
        TEXTS,
        ORIGINS,
        st.sampled_from(Owner),
        request=st.none() | TEXTS,
        chain=st.lists(st.builds(Origin, TEXTS, st.integers(0, 10**6), TEXTS), max_size=3).map(tuple),
        note=st.none() | TEXTS,
        severity=st.sampled_from(Severity),
        why=st.none() | TEXTS,
    )


@pytest.fixture(scope="session")
def any_session(any_leak: st.SearchStrategy[Leak]) -> st.SearchStrategy[SessionLeaks]:
    """Runs of any texts."""
    error: Any = st.fixed_dictionaries({"detector": TEXTS, "traceback": TEXTS})
    outcome = st.sampled_from(["passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun"])
    leaks = st.lists(any_leak, max_size=3).map(tuple)
    errors = st.lists(error, max_size=2).map(tuple)
    test = st.builds(TestLeaks, TEXTS, TEXTS, st.integers(0, 10**6), outcome, leaks, errors)
    unused = st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple)
    port = st.builds(
        OpenedPort,
        TEXTS,
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from(REACHES),
        TEXTS,
        ORIGINS,
        st.booleans(),
    )
    ports = st.lists(port, max_size=2).map(tuple)
    tests = st.lists(test, max_size=3).map(tuple)
    put_back = st.lists(st.builds(PutBack, TEXTS, TEXTS, TEXTS, ORIGINS, st.none() | TEXTS), max_size=2)
    notices = st.lists(TEXTS, max_size=2).map(tuple)
    return st.builds(
        *(SessionLeaks, tests, st.integers(0, 9), unused, ports, put_back.map(tuple), st.integers(0, 9)),
        notices=notices,
    )
