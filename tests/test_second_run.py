"""When a leaking test is run once more, and what is then said of its leaks."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CountedProject

FIRST_USE = "only on first use"
UNSEEN = "not found when the test was run again"
EVERYTHING = "--stateless-scope=all"

# --------------------------------------------------------------------------------------------------- what is said


SHOP = """
def add_item(user, item):
    CARTS.setdefault(user, []).append(item)
    return len(CARTS[user])
def test_add_item():
    assert add_item("bob", "tea") == count()
"""


def test_the_line_that_did_it_is_told(counted: CountedProject) -> None:
    counted.write_test(SHOP)
    result = counted.check()
    assert result.parseoutcomes() == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "module-state  test_shop.CARTS[[]'bob'[]]  added: list (1 item)",
            "              by test_shop.py:13 in add_item",
            "",
        ],
        consecutive=True,
    )
    assert counted.runs == 2


@pytest.mark.parametrize("where", [(), ("-p", "xdist", "-n", "1")], ids=["one-process", "xdist"])
def test_its_callers_are_told_with_v(where: tuple[str, ...], counted: CountedProject) -> None:
    counted.write_test(SHOP)
    counted.check_apart("-v", *where).stdout.fnmatch_lines(
        [
            "              by test_shop.py:13 in add_item",
            "                 called by test_shop.py:16 in test_add_item",
            "",
        ],
        consecutive=True,
    )


def test_where_nothing_fails_they_are_told_too(counted: CountedProject) -> None:
    counted.write_test(SHOP)
    counted.check("-v", "--stateless-no-fail").stdout.fnmatch_lines(
        ["              by test_shop.py:13 in add_item", "*called by test_shop.py:16 in test_add_item"]
    )


def test_the_json_report_has_the_chain(counted: CountedProject) -> None:
    counted.write_test(SHOP)
    counted.check()
    (test,) = counted.report()["tests"]
    (leak,) = test["leaks"]
    first = {"file": "test_shop.py", "line": 13, "function": "add_item"}
    last = {"file": "test_shop.py", "line": 16, "function": "test_add_item"}
    assert (leak["origin"], leak["chain"], leak["note"]) == (first, [first, last], None)


def test_junit_xml_has_the_line_or_the_note(counted: CountedProject) -> None:
    counted.write_test(f"{SHOP}def test_engine():\n    if count() == 1: CARTS['engine'] = object()\n")
    counted.path.joinpath("runs.txt").write_text("")
    counted.check_apart("--junitxml=junit.xml", "-k", "add_item")
    assert "by test_shop.py:13 in add_item" in _property(counted)
    counted.path.joinpath("runs.txt").write_text("")
    counted.check_apart("--junitxml=junit.xml", "-k", "engine")
    assert _property(counted).endswith(f"({FIRST_USE})")


def _property(counted: CountedProject) -> str:
    return next(ET.parse(counted.path / "junit.xml").getroot().iter("property")).get("value", "")


NOTES = [
    pytest.param(
        "def test_a():\n    if count() == 1: CARTS['a'] = object()",
        {"CARTS['a']": FIRST_USE},
        2,
        id="first-use",
    ),
    pytest.param(
        "def engine():\n    if 'a' not in CARTS: CARTS['a'] = object()\n    return CARTS['a']\n"
        "def test_a():\n    count()\n    engine()",
        {"CARTS['a']": FIRST_USE},
        2,
        id="first-use-of-an-object",
    ),
    pytest.param(
        "VERSION = None\ndef version():\n    global VERSION\n    if VERSION is None:\n        VERSION = '1.0'\n"
        "def test_a():\n    count()\n    version()",
        {"VERSION": FIRST_USE},
        3,
        id="first-use-of-a-text",
    ),
    pytest.param(
        "VERSION = None\ndef login():\n    global VERSION\n    VERSION = '1.0'\n"
        "def test_a():\n    count()\n    login()",
        {"VERSION": "login"},
        3,
        id="the-same-text-again",
    ),
    pytest.param(
        "class Session:\n    user = None\ndef login(user): Session.user = user\n"
        "def test_a():\n    count()\n    login('bob')",
        {"Session.user": "login"},
        3,
        id="the-same-attribute-again",
    ),
    pytest.param(
        "def test_a():\n    count()\n    CARTS.pop('a', None)\nCARTS['a'] = []",
        {"CARTS['a']": "test_a"},
        3,
        id="removed",
    ),
    pytest.param(
        "USERS = set()\ndef test_a():\n    count()\n    USERS.add('bob')",
        {"USERS": "test_a"},
        3,
        id="the-same-item-again",
    ),
    pytest.param(
        "import uuid\ndef test_a():\n    count()\n    CARTS[str(uuid.uuid4())] = 1",
        None,
        2,
        id="another-key-each-time",
    ),
    pytest.param(
        "class Session:\n    user = None\n"
        "def test_a():\n    count()\n    assert Session.user is None\n    Session.user = 'bob'",
        {"Session.user": "test_a"},
        3,
        id="failed-for-its-own-leak",
    ),
    pytest.param(
        "def test_a():\n    number = count()\n    if number == 1: LEFT.append(1)\n    assert number == 1",
        {"LEFT": "not found: the test failed when it was run again"},
        2,
        id="failed",
    ),
    pytest.param(
        "def test_a():\n    LEFT.append(1)\n    assert count() == 1",
        {"LEFT": "test_a"},
        2,
        id="failed-after-it",
    ),
    pytest.param(
        "def test_a():\n    LEFT.append(1)\n    if count() > 1: raise SystemExit",
        {"LEFT": "test_a"},
        2,
        id="exit",
    ),
    pytest.param(
        "def test_a():\n    LEFT.append(1)\n    if count() > 1: pytest.skip('no')",
        {"LEFT": "test_a"},
        2,
        id="skipped",
    ),
    pytest.param(
        "@pytest.fixture\ndef cart():\n    assert count() == 1\ndef test_a(cart):\n    LEFT.append(1)",
        {"LEFT": "not found: the test failed when it was run again"},
        2,
        id="set-up-failed",
    ),
    pytest.param(
        "@pytest.fixture\ndef cart():\n    yield\n    LEFT.append(1)\n    assert count() == 1\ndef test_a(cart): pass",
        {"LEFT": "cart"},
        2,
        id="left-by-a-teardown-that-fails",
    ),
    pytest.param(
        "@pytest.fixture\ndef cart():\n    LEFT.append(count())\ndef test_a(cart): pass",
        {"LEFT": "cart"},
        2,
        id="left-by-a-fixture",
    ),
    pytest.param(
        "def test_a(monkeypatch):\n    count()\n    monkeypatch.setitem(CARTS, 'a', [])\n    LEFT.append(1)",
        {"LEFT": "test_a"},
        2,
        id="beside-what-is-undone",
    ),
    pytest.param(
        "def test_a():\n    count()\n    CARTS.setdefault('a', [])",
        {"CARTS['a']": "test_a"},
        3,
        id="only-where-there-is-none",
    ),
    pytest.param(
        "class Cart: pass\ndef test_a():\n    count()\n    CARTS.setdefault('a', Cart())",
        {"CARTS['a']": "test_a"},
        3,
        id="an-object-of-the-application-only-where-there-is-none",
    ),
    pytest.param(
        "def cart():\n    if 'a' not in CARTS:\n        CARTS['a'] = []\n    return CARTS['a']\n"
        "def test_a():\n    count()\n    cart()",
        {"CARTS['a']": FIRST_USE},
        3,
        id="first-use-of-a-container",
    ),
    pytest.param(
        "class Shop: pass\nSHOP = Shop()\n@pytest.fixture(scope='module')\ndef store(): SHOP.store = {}\n"
        "def test_a(store):\n    count()\n    SHOP.store['bob'] = 1",
        {"SHOP.store['bob']": UNSEEN},
        3,
        id="in-what-a-fixture-makes-anew",
    ),
    pytest.param(
        "import threading\nLOCK = threading.Lock()\ndef test_a():\n    count()\n    LOCK.acquire()",
        {"LOCK": "test_a"},
        2,
        id="lock-that-a-second-run-would-wait-for",
    ),
    pytest.param(
        "import threading\nFREE = threading.Semaphore(1)\ndef test_a():\n    count()\n    FREE.acquire()",
        {"FREE._value": "test_a"},
        2,
        id="semaphore-that-a-second-run-would-wait-for",
    ),
    pytest.param(
        "import queue\nJOBS = queue.Queue(1)\ndef test_a():\n    count()\n    JOBS.put('a')",
        {"JOBS.unfinished_tasks": "test_a", "JOBS.queue": "test_a"},
        2,
        id="full-queue-that-a-second-run-would-wait-for",
    ),
    pytest.param(
        "import fcntl\ndef test_a():\n    count()\n    LEFT.append(open(RUNS.with_name('lock'), 'w'))\n"
        "    fcntl.flock(LEFT[-1], fcntl.LOCK_EX)",
        {"LEFT": "test_a", "lock": "test_a"},
        2,
        id="lock-on-a-file-that-a-second-run-would-wait-for",
        marks=[
            pytest.mark.skipif(sys.platform != "linux", reason="file-lock is Linux's"),
            pytest.mark.filterwarnings(
                "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
            ),
        ],
    ),
    pytest.param(
        "import threading\ndef work(): LEFT.append(1)\ndef test_a():\n    count()\n"
        "    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()",
        {"LEFT": "work"},
        2,
        id="thread",
    ),
]


@pytest.mark.parametrize(("text", "told", "times"), NOTES)
def test_what_is_said_depends_on_whether_it_happens_again(
    text: str, told: dict[str, str] | None, times: int, counted: CountedProject
) -> None:
    counted.write_test(text)
    result = counted.check()
    result.assert_outcomes(failed=1)
    found = counted.blamed()
    assert found == told if told is not None else list(found.values()) == ["test_a"]
    assert counted.runs == times


def test_a_replaced_function_that_reports_use_is_blamed(counted: CountedProject) -> None:
    counted.write_test(
        """
        import json
        def fake(): pass
        def test_a():
            count()
            json.dumps = fake
        @pytest.mark.stateless(False)
        def test_b(real=json.dumps): json.dumps = real
        """
    )
    counted.check(EVERYTHING).assert_outcomes(failed=1, passed=1)
    assert counted.blamed() == {"json.dumps": "test_a"}
    assert counted.runs == 3


def test_a_note_stands_where_the_line_would(counted: CountedProject) -> None:
    counted.write_test("def test_a():\n    if count() == 1: CARTS['a'] = object()\n")
    counted.check().stdout.fnmatch_lines(
        ["module-state  test_shop.CARTS[[]'a'[]]  added: object object", f"              {FIRST_USE}", ""],
        consecutive=True,
    )


def test_what_other_code_leaves_by_itself_is_not_blamed_on_a_line_of_the_user(
    counted: CountedProject,
) -> None:
    counted.write("site-packages/tool.py", "def begin(): LEFT.append(1)\nLEFT = []\n")
    counted.write(
        "conftest.py",
        """
        import pytest, sys
        sys.path.insert(0, __file__.replace("conftest.py", "site-packages"))
        import tool
        begin = pytest.fixture(tool.begin)
        """,
    )
    counted.write_test("import tool\ndef test_a(begin): count()\n")
    counted.check(EVERYTHING)
    assert counted.blamed() == {"tool.LEFT": "not by a line of your code"}


def test_a_call_into_a_dependency_is_the_users_line(counted: CountedProject) -> None:
    counted.write("site-packages/tool.py", "LEFT = []\ndef begin(): LEFT.append(1)\n")
    counted.write(
        "conftest.py", "import sys\nsys.path.insert(0, __file__.replace('conftest.py', 'site-packages'))\n"
    )
    counted.write_test("import tool\ndef test_a():\n    tool.begin()\n    count()\n")
    counted.check(EVERYTHING)
    assert counted.blamed() == {"tool.LEFT": "test_a"}


# -------------------------------------------------------------------------------------------------- when it is run


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param("def test_a(): count()", (), id="clean"),
        pytest.param(
            "def test_a():\n    count()\n    LEFT.append(1)", ("--stateless-no-blame",), id="no-blame"
        ),
        pytest.param("def test_a():\n    count()\n    LEFT.append(1)", ("--stateless-off",), id="off"),
        pytest.param("def test_a():\n    count()\n    LEFT.append(1)\n    assert 0", (), id="failed"),
        pytest.param(
            "def test_a():\n    count()\n    LEFT.append(1)\n    pytest.skip('no')", (), id="skipped"
        ),
        pytest.param(
            "@pytest.mark.xfail\ndef test_a():\n    count()\n    LEFT.append(1)\n    assert 0",
            (),
            id="xfailed",
        ),
        pytest.param(
            "@pytest.fixture\ndef cart():\n    count()\n    LEFT.append(1)\n    assert 0\ndef test_a(cart): pass",
            (),
            id="set-up-error",
        ),
        pytest.param(
            "@pytest.fixture\ndef cart():\n    yield\n    assert 0\ndef test_a(cart):\n    count()\n    LEFT.append(1)",
            (),
            id="tear-down-error",
        ),
        pytest.param(
            "def test_a():\n    count()\n    LEFT.append(1)",
            ("--stateless-allow=module-state:test_shop.LEFT",),
            id="allowed",
        ),
        pytest.param(
            "import unittest\nclass TestA(unittest.TestCase):\n    def test_a(self):\n        count()\n"
            "        LEFT.append(1)\n        self.fail('own')",
            (),
            id="failed-unittest",
        ),
        pytest.param(
            "@pytest.mark.stateless(False)\ndef test_a():\n    count()\n    LEFT.append(1)",
            (),
            id="not-checked",
        ),
        pytest.param("def test_a():\n    count()\n    LEFT.append(1)", ("--trace",), id="trace"),
    ],
)
def test_a_test_that_needs_no_blame_runs_once(
    text: str, options: tuple[str, ...], counted: CountedProject
) -> None:
    counted.write_test(text)
    if options == ("--trace",):
        counted.run_apart("--stateless", "--stateless-allow=file-write:*", *options, stdin=b"c\nc\nc\n")
    else:
        counted.check(*options)
    assert counted.runs == 1


def test_a_leak_of_another_rule_alone_does_not_run_the_test_again(counted: CountedProject) -> None:
    counted.write_test("def test_a(): count()\n")
    assert counted.found("--stateless") == {"test_shop.py::test_a": ["file-write runs.txt"]}
    assert counted.runs == 1


def test_a_file_that_leaks_beside_keeps_its_own_line(counted: CountedProject) -> None:
    counted.write_test("def test_a():\n    count()\n    LEFT.append(1)\n")
    counted.run("--stateless", "--stateless-report=json:leaks.json")
    assert counted.blamed() == {"LEFT": "test_a", "runs.txt": "count"}


# ------------------------------------------------------------------------------------- fixtures and other tests


def test_what_the_second_run_leaves_is_not_blamed_on_the_next_test(counted: CountedProject) -> None:
    counted.write_test(
        """
        def test_a():
            LEFT.append(1)
            CARTS[count()] = object()
        def test_b(): pass
        class TestC:
            def test_c(self): CARTS["c"] = object()
        """,
    )
    counted.check().assert_outcomes(failed=2, passed=1)
    assert counted.blamed().keys() == {"LEFT", "CARTS[1]", "CARTS['c']"}


def test_the_second_run_has_fresh_fixtures(counted: CountedProject) -> None:
    counted.write_test(
        """
        @pytest.fixture
        def cart():
            return []
        def test_a(cart, tmp_path, monkeypatch, request):
            assert cart == [] and not list(tmp_path.iterdir()) and request.node.funcargs["cart"] is cart
            cart.append(count())
            tmp_path.joinpath("a").write_text("b")
            LEFT.append(1)
        """,
    )
    counted.check().assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a"}
    assert counted.runs == 2


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
@pytest.mark.parametrize("others", ["", "def test_b(self, server): pass"], ids=["last", "one-more"])
def test_a_wider_fixture_is_as_alive_as_for_the_first_run(
    scope: str, others: str, counted: CountedProject
) -> None:
    counted.write_test(
        f"""
        UP = []
        @pytest.fixture(scope="{scope}")
        def server():
            assert UP == []
            UP.append(1)
            yield
            UP.remove(1)
        class TestA:
            def test_a(self, server):
                assert UP == [1]
                LEFT.append(count())
            {others}
        """,
    )
    counted.check().assert_outcomes(failed=1, passed=bool(others))
    assert counted.blamed() == {"LEFT": "test_a"}
    assert counted.runs == 2


@pytest.mark.parametrize("scope", ["module", "session"])
def test_what_a_wider_fixture_does_again_takes_no_blame(scope: str, counted: CountedProject) -> None:
    counted.write_test(
        f"""
        @pytest.fixture(scope="{scope}")
        def server():
            LEFT.append("up")
            yield
            LEFT.append("down")
        def test_a(server):
            count()
            LEFT.append("a")
        """,
    )
    counted.check().assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a"}


def test_each_request_has_its_own_line(counted: CountedProject) -> None:
    counted.write_test(
        """
        import contextlib
        def first(): LEFT.append(1)
        def second(): LEFT.append(2)
        def wsgi(environ, start_response):
            start_response("200 OK", [])
            (first if environ["PATH_INFO"] == "/a" else second)()
            return []
        def test_a(stateless):
            app = stateless.wrap(wsgi)
            for path in ("/a", "/b"):
                environ = {"PATH_INFO": path, "REQUEST_METHOD": "GET"}
                with contextlib.closing(app(environ, lambda *_: None)) as answer:
                    list(answer)
            with stateless.request("job"):
                with stateless.request("part"):
                    LEFT.append(3)
                CARTS["job"] = object()
            LEFT.append(count())
        """,
    )
    counted.check().assert_outcomes(failed=1)
    (test,) = counted.report()["tests"]
    told = {(leak["subject"], leak["request"]): leak["origin"] for leak in test["leaks"]}
    assert {key: where and (where["function"], where["line"]) for key, where in told.items()} == {
        ("test_shop.LEFT", "GET /a (1st request)"): ("first", 13),
        ("test_shop.LEFT", "GET /b (2nd request)"): ("second", 14),
        ("test_shop.LEFT", "part (4th request)"): ("test_a", 27),
        ("test_shop.CARTS['job']", "job (3rd request)"): ("test_a", 28),
        ("test_shop.LEFT", None): ("test_a", 29),
    }


def test_a_request_that_is_never_ended_is_blamed_too(counted: CountedProject) -> None:
    counted.write_test(
        """
        def test_a(stateless):
            stateless._requests.begin("job")
            LEFT.append(count())
        """,
    )
    counted.check()
    assert counted.blamed() == {"LEFT": "test_a"}


def test_what_several_requests_bind_is_followed_from_the_first(counted: CountedProject) -> None:
    counted.write_test(
        """
        class Session:
            user = None
        def login(user): Session.user = user
        def test_a(stateless):
            count()
            for user in ("bob", "eve"):
                with stateless.request("login"):
                    login(user)
        """,
    )
    counted.check()
    (test,) = counted.report()["tests"]
    assert [leak["origin"]["function"] for leak in test["leaks"]] == ["login", "login"]


# ------------------------------------------------------------------------------------ kinds of tests, other plugins

LEAKING = "def test_a():\n    LEFT.append(count())\n"


@pytest.mark.parametrize(
    ("text", "options", "outcomes"),
    [
        pytest.param(f"{LEAKING}def test_b(): pass\n", ("-x",), {"failed": 1}, id="x"),
        pytest.param(
            f"{LEAKING}def test_b(): LEFT.append(1)\ndef test_c(): pass\n",
            ("--maxfail=2",),
            {"failed": 2},
            id="maxfail",
        ),
        pytest.param(f"@pytest.mark.xfail\n{LEAKING}", (), {"xfailed": 1}, id="xfail"),
        pytest.param(f"@pytest.mark.xfail(strict=True)\n{LEAKING}", (), {"xfailed": 1}, id="xfail-strict"),
        pytest.param(LEAKING, ("--stateless-no-fail",), {"passed": 1}, id="no-fail"),
        pytest.param(
            "import unittest\nclass TestA(unittest.TestCase):\n    def setUp(self): self.cart = []\n"
            "    def test_a(self):\n        self.cart.append(1)\n        LEFT.append(count())\n"
            "        assert self.cart == LEFT",
            (),
            {"failed": 1},
            id="unittest",
        ),
        pytest.param(
            "import unittest\nclass TestA(unittest.IsolatedAsyncioTestCase):\n"
            "    async def test_a(self): LEFT.append(count())",
            (),
            {"failed": 1},
            id="async-unittest",
        ),
        pytest.param(
            "@pytest.mark.parametrize('n', [1, 2])\ndef test_a(n):\n    CARTS[n] = object()\n    LEFT.append(count())",
            ("-k", "1"),
            {"failed": 1, "deselected": 1},
            id="parametrised",
        ),
        pytest.param(
            "class TestA:\n    def test_a(self): LEFT.append(count())", (), {"failed": 1}, id="class"
        ),
    ],
)
def test_outcomes_keep_their_meaning(
    text: str, options: tuple[str, ...], outcomes: dict[str, int], counted: CountedProject
) -> None:
    counted.write_test(text)
    result = counted.check(*options)
    found = result.parseoutcomes()
    found.pop("warnings", None)
    assert found == outcomes
    assert counted.blamed()["LEFT"] in ("test_a", "test_b")
    assert counted.runs == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param(LEAKING, ("-p", "xdist", "-n", "1"), id="xdist"),
        pytest.param(
            "@pytest.mark.asyncio\nasync def test_a():\n    LEFT.append(count())",
            ("-p", "asyncio"),
            id="pytest-asyncio",
        ),
        pytest.param(
            "import asyncio\n@pytest.mark.asyncio(loop_scope='module')\n"
            "async def test_a():\n    await asyncio.sleep(0)\n    LEFT.append(count())",
            ("-p", "asyncio"),
            id="pytest-asyncio-one-loop",
        ),
        pytest.param(
            "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n@pytest.mark.anyio\nasync def test_a():\n"
            "    LEFT.append(count())",
            ("-p", "anyio"),
            id="anyio",
        ),
        pytest.param(
            "import trio\n@pytest.fixture\ndef anyio_backend(): return 'trio'\n@pytest.mark.anyio\n"
            "async def test_a():\n    await trio.sleep(0)\n    LEFT.append(count())",
            ("-p", "anyio"),
            id="trio",
        ),
    ],
)
def test_other_plugins_tests_are_blamed(text: str, options: tuple[str, ...], counted: CountedProject) -> None:
    counted.write_test(text)
    counted.check_apart(*options).assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a"}
    assert counted.runs == 2


@pytest.mark.slow
def test_each_run_of_a_rerun_test_is_blamed(counted: CountedProject) -> None:
    counted.write_test(LEAKING)
    result = counted.check_apart("-p", "rerunfailures", "--reruns=1")
    assert result.parseoutcomes() == {"failed": 1, "rerun": 1}
    assert [test["leaks"][0]["origin"]["function"] for test in counted.report()["tests"]] == [
        "test_a",
        "test_a",
    ]
    assert counted.runs == 4


@pytest.mark.slow
@pytest.mark.parametrize("raising", ["KeyboardInterrupt", "pytest.exit('enough')"])
def test_who_stops_the_run_in_the_second_run_stops_it(raising: str, counted: CountedProject) -> None:
    raising = raising if "(" in raising else f"raise {raising}"
    counted.write_test(
        f"def test_a():\n    LEFT.append(1)\n    if count() == 2: {raising}\ndef test_b(): count()\n"
    )
    result = counted.check_apart()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert counted.runs == 2


def test_a_mistake_in_the_search_is_an_internal_error_and_costs_nothing_else(counted: CountedProject) -> None:
    counted.write(
        "conftest.py",
        """
        import pytest
        from pytest_stateless import watching
        def broken(*arguments):
            raise RuntimeError("no search")
        def pytest_configure(config):
            config.patch = pytest.MonkeyPatch()
            config.patch.setattr(watching, "looks_at", broken)
        def pytest_unconfigure(config):
            config.patch.undo()
        """,
    )
    counted.write_test(LEAKING)
    result = counted.check()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["internal error of pytest-stateless in blame", "RuntimeError: no search"])
    assert counted.blamed() == {"LEFT": None}


def test_nothing_of_the_program_is_held_afterwards(counted: CountedProject) -> None:
    counted.write_test(
        """
        import gc, weakref
        class Cart: pass
        SEEN = []
        def test_a():
            CARTS["bob"] = Cart()
            SEEN.append(weakref.ref(CARTS["bob"]))
            count()
        @pytest.mark.stateless(False)
        def test_b():
            CARTS.clear()
            gc.collect()
            assert [cart() for cart in SEEN] == [None, None]
        """,
    )
    counted.check().assert_outcomes(failed=1, passed=1)


def test_a_doctest_is_blamed(counted: CountedProject) -> None:
    counted.write(
        "shop.py",
        '''
        KEPT = []


        def add(name):
            """Add a name.

            >>> first = "bob"
            >>> add(first)
            """
            KEPT.append(name)
        ''',
    )
    counted.run("--stateless", "--doctest-modules", "--stateless-report=json:leaks.json", "shop.py")
    assert counted.blamed() == {"shop.KEPT": "add"}


LIBRARY = """
class Engine:
    def __init__(self):
        self.once = [begin]
    def ask(self):
        while self.once:
            self.once.pop()(self)
    def fetch(self, user):
        if not hasattr(self, "user"):
            self.user = user
    def fail_without(self):
        if hasattr(self, "level"):
            return
        assert self.once
        self.once.clear()
        self.level = "SERIALIZABLE"
def begin(engine):
    engine.level = "READ COMMITTED"
    ADAPTERS[str, int] = int
ADAPTERS = {(int, str): str}
"""
LIBRARY_USERS = """
from library import Engine
sets_up, keeps, sets, fails = [Engine() for _ in range(4)]
def test_set_up_once_for_good(): sets_up.ask()
def test_kept_where_there_was_none(): keeps.fetch("bob")
def test_by_the_application(): sets.level = "SERIALIZABLE"
def test_failed_without_it(): fails.fail_without()
"""


def test_what_a_library_sets_up_once_is_no_leak(counted: CountedProject) -> None:
    counted.write("site-packages/library.py", LIBRARY)
    counted.write(
        "conftest.py", "import sys\nsys.path.insert(0, __file__.replace('conftest.py', 'site-packages'))\n"
    )
    counted.write_test(LIBRARY_USERS)
    counted.check_apart().assert_outcomes(failed=3, passed=1)
    assert counted.blamed() == {
        "keeps.user": "test_kept_where_there_was_none",
        "sets.level": "test_by_the_application",
        "fails.level": FIRST_USE,
    }
