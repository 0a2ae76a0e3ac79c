"""A leaking test counts as one failure, and everything that pytest and its plugins make of failures goes on."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.own_memory
LEFT = "import pytest\nLEFT = []\n"
LEAKS = f"{LEFT}def test_leaks():\n    LEFT.append(1)\n"
SUBJECT = "module-state test_shop.LEFT"


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    found = result.parseoutcomes()
    found.pop("warnings", None)
    found.pop("warning", None)
    return found


# ------------------------------------------------------------------------------------------------ one failure


def test_a_leak_is_one_failure(project: Project) -> None:
    project.write("test_shop.py", LEAKS)
    result = project.run("--stateless", "-ra")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "test_shop.py F *",
            "*_ test_leaks _*",
            "test_shop.py::test_leaks left 1 thing behind",
            "",
            "module-state  test_shop.LEFT  added item: int",
            "FAILED test_shop.py::test_leaks - left 1 thing behind: module-state test_shop.LEFT",
        ]
    )


@pytest.mark.slow
def test_a_leak_is_one_failure_under_xdist(project: Project) -> None:
    project.write("test_shop.py", LEAKS)
    result = project.run_apart("-p", "xdist", "-n", "2", "--stateless")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert outcomes(result) == {"failed": 1}
    assert result.stdout.str().count("test_shop.py::test_leaks left 1 thing behind") == 1


@pytest.mark.parametrize("where", [(), ("-p", "xdist", "-n", "1")], ids=["one-process", "xdist"])
def test_junit_xml_has_one_failed_testcase_with_the_leaks_as_properties(
    where: tuple[str, ...], project: Project
) -> None:
    project.write("test_shop.py", LEAKS)
    project.run_apart("--stateless", "--junitxml=junit.xml", *where)
    suite = ET.parse(project.path / "junit.xml").getroot()[0]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "1", "failures": "1", "errors": "0", "skipped": "0"}
    (case,) = suite
    assert [child.tag for child in case] == ["properties", "failure"]
    (leak,) = case[0]
    assert (leak.get("name"), leak.get("value")) == (
        "stateless.module-state",
        "test_shop.LEFT  added item: int by test_shop.py:4 in test_leaks",
    )
    assert case[1].get("message") == "left 1 thing behind: module-state test_shop.LEFT"


def test_an_own_failure_stays_the_headline_with_the_leaks_below(project: Project) -> None:
    project.write("test_shop.py", f"{LEAKS}    assert 1 == 2\n")
    result = project.run("--stateless")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "E       assert 1 == 2",
            "*- stateless -*",
            "test_shop.py::test_leaks left 1 thing behind",
            "module-state  test_shop.LEFT  added item: int",
            "FAILED test_shop.py::test_leaks - assert 1 == 2",
        ]
    )


def test_a_failure_without_a_traceback_has_the_leaks_below(project: Project) -> None:
    project.write("test_shop.py", f"{LEAKS}    pytest.fail('no stock', pytrace=False)\n")
    result = project.run("--stateless")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["no stock", "*- stateless -*", "test_shop.py::test_leaks left 1 thing behind"]
    )


def test_a_failure_that_is_mere_text_has_the_leaks_below_too(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import pytest
        PRICES = {}
        class Table(pytest.Item):
            def runtest(self):
                PRICES["tea"] = 2
                raise ValueError
            def repr_failure(self, excinfo):
                return "the table is wrong"
        class Tables(pytest.File):
            def collect(self):
                yield Table.from_parent(self, name="prices")
        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".csv":
                return Tables.from_parent(parent, path=file_path)
        """,
    )
    project.write("prices.csv", "tea,2")
    result = project.run("--stateless")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["the table is wrong", "", "prices.csv::prices left 1 thing behind", "", "module-state *PRICES*tea*"]
    )


def test_a_clean_test_passes(project: Project) -> None:
    project.write("test_shop.py", f"{LEAKS}    LEFT.clear()\n")
    result = project.run("--stateless")
    assert (result.ret, outcomes(result)) == (0, {"passed": 1})


def test_no_fail_reports_and_fails_nothing(project: Project) -> None:
    project.write("test_shop.py", LEAKS)
    result = project.run("--stateless", "--stateless-no-fail")
    assert (result.ret, outcomes(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(
        [
            "*= stateless =*",
            "test_shop.py::test_leaks left 1 thing behind",
            "module-state  test_shop.LEFT  added item: int",
            "1 leak in 1 test: 1 module-state",
        ]
    )


# ------------------------------------------------------------------------------------------ phases and outcomes


@pytest.mark.parametrize(
    ("text", "expected", "leaks"),
    [
        pytest.param("@pytest.mark.xfail\ndef test_a(): LEFT.append(1)", {"xfailed": 1}, True, id="xfail"),
        pytest.param(
            "@pytest.mark.xfail(strict=True)\ndef test_a(): LEFT.append(1)",
            {"xfailed": 1},
            True,
            id="xfail-strict",
        ),
        pytest.param(
            "@pytest.mark.xfail\ndef test_a():\n    LEFT.append(1)\n    assert 0",
            {"xfailed": 1},
            True,
            id="xfail-that-fails-itself",
        ),
        pytest.param("@pytest.mark.xfail\ndef test_a(): pass", {"xpassed": 1}, False, id="xfail-clean"),
        pytest.param(
            "@pytest.mark.xfail(strict=True)\ndef test_a(): pass", {"failed": 1}, False, id="strict-clean"
        ),
        pytest.param(
            "@pytest.mark.xfail(raises=ValueError)\ndef test_a(): LEFT.append(1)",
            {"failed": 1},
            True,
            id="xfail-for-another-reason",
        ),
        pytest.param(
            "@pytest.mark.xfail(raises=pytest.fail.Exception)\ndef test_a(): LEFT.append(1)",
            {"xfailed": 1},
            True,
            id="xfail-raises-a-failure",
        ),
        pytest.param("@pytest.mark.skip\ndef test_a(): LEFT.append(1)", {"skipped": 1}, False, id="skip"),
        pytest.param(
            "def test_a():\n    LEFT.append(1)\n    pytest.skip('no')",
            {"skipped": 1},
            True,
            id="skip-in-body",
        ),
        pytest.param(
            "@pytest.fixture\ndef shop():\n    pytest.skip('no')\ndef test_a(shop): LEFT.append(1)",
            {"skipped": 1},
            False,
            id="skip-in-fixture",
        ),
        pytest.param(
            "@pytest.fixture\ndef shop():\n    LEFT.append(1)\n    assert 0\ndef test_a(shop): pass",
            {"errors": 1},
            True,
            id="setup-error",
        ),
        pytest.param(
            "@pytest.fixture\ndef shop():\n    yield\n    assert 0\ndef test_a(shop): LEFT.append(1)",
            {"failed": 1, "errors": 1},
            True,
            id="teardown-error-and-leak",
        ),
        pytest.param(
            "@pytest.fixture\ndef shop():\n    yield\n    LEFT.append(1)\ndef test_a(shop): pass",
            {"failed": 1},
            True,
            id="left-by-the-teardown",
        ),
        pytest.param(
            "@pytest.fixture\ndef shop():\n    yield\n    assert 0\ndef test_a(shop): pass",
            {"passed": 1, "errors": 1},
            False,
            id="teardown-error-alone",
        ),
    ],
)
def test_outcomes_keep_their_meaning(
    text: str, expected: dict[str, int], leaks: bool, project: Project
) -> None:
    project.write("test_shop.py", f"{LEFT}{text}\n")
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    assert outcomes(result) == expected
    tests = project.report()["tests"]
    assert [leak["subject"] for test in tests for leak in test["leaks"]] == ["test_shop.LEFT"] * leaks


def test_a_setup_error_has_the_leaks_below(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"{LEFT}@pytest.fixture\ndef shop():\n    LEFT.append(1)\n    assert 0\ndef test_a(shop): pass\n",
    )
    project.run("--stateless").stdout.fnmatch_lines(
        ["*ERROR at setup of test_a*", "E * assert 0", "test_shop.py::test_a left 1 thing behind"]
    )


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        pytest.param("def test_a(): LEFT.append(1)", "failed", id="failed"),
        pytest.param("@pytest.mark.xfail\ndef test_a(): LEFT.append(1)", "xfailed", id="xfailed"),
        pytest.param("def test_a():\n    LEFT.append(1)\n    pytest.skip('no')", "skipped", id="skipped"),
        pytest.param(
            "@pytest.fixture\ndef shop():\n    LEFT.append(1)\n    assert 0\ndef test_a(shop): pass",
            "error",
            id="error",
        ),
    ],
)
def test_the_json_report_tells_the_outcome(text: str, outcome: str, project: Project) -> None:
    project.write("test_shop.py", f"{LEFT}{text}\n")
    project.run("--stateless", "--stateless-report=json:leaks.json")
    (test,) = project.report()["tests"]
    assert test["outcome"] == outcome


def test_an_unexpected_pass_is_told_as_such(project: Project) -> None:
    project.write("test_shop.py", f"{LEFT}@pytest.mark.xfail\ndef test_a(): LEFT.append(1)\n")
    project.run("--stateless", "--stateless-no-fail", "--stateless-report=json:leaks.json")
    (test,) = project.report()["tests"]
    assert test["outcome"] == "xpassed"


# --------------------------------------------------------------------------------------------- pytest's options

TWO = f"{LEFT}def test_a(): LEFT.append(1)\ndef test_b(): LEFT.append(1)\ndef test_c(): LEFT.append(1)\n"


@pytest.mark.parametrize(
    ("option", "failed"),
    [("-x", 1), ("--maxfail=2", 2), ("--maxfail=3", 3)],
    ids=["x", "maxfail-2", "maxfail-3"],
)
def test_leaks_count_for_maxfail(option: str, failed: int, project: Project) -> None:
    project.write("test_shop.py", TWO)
    assert outcomes(project.run("--stateless", option)) == {"failed": failed}


def test_x_tears_down_the_fixtures_of_the_session_with_the_last_test(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        @pytest.fixture(scope="session")
        def server():
            yield
            raise RuntimeError("port in use")
        def test_a(server): assert 0
        def test_b(server): pass
        """,
    )
    if project.run("--stateless-off", "-x").ret != pytest.ExitCode.TESTS_FAILED:
        pytest.skip("this release of pytest doesn't do so by itself (8.2)")
    result = project.run("--stateless", "-x")
    assert outcomes(result) == {"failed": 1, "errors": 1}
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_a*", "*stopping after 2 failures*"])


def test_a_failure_below_the_limit_does_not_stop(project: Project) -> None:
    project.write("test_shop.py", "def test_a(): assert 0\ndef test_b(): pass\n")
    assert outcomes(project.run("--stateless", "--maxfail=2")) == {"failed": 1, "passed": 1}


def test_the_last_failed_are_those_that_leaked(project: Project) -> None:
    project.write("test_shop.py", f"{LEFT}def test_a(): LEFT.append(1)\ndef test_b(): pass\n")
    project.run("--stateless")
    result = project.run("--stateless", "--lf")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["*rerun previous 1 failure*"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "stops"),
    [("LEFT.append(1)", False), ("LEFT.append(1); assert 0", True)],
    ids=["leak", "own-failure"],
)
def test_the_debugger_stops_at_failures_of_the_test_only(body: str, stops: bool, project: Project) -> None:
    project.write("test_shop.py", f"{LEFT}def test_a():\n    {body}\n")
    result = project.run_apart("--stateless", "--pdb", stdin=b"c\n")
    assert outcomes(result) == {"failed": 1}
    assert ("entering PDB" in result.stdout.str()) is stops
    result.stdout.fnmatch_lines(["1 leak in 1 test: 1 module-state"])


@pytest.mark.slow
def test_an_interrupted_test_leaves_nothing_open(project: Project) -> None:
    project.write("test_shop.py", f"{LEFT}def test_a():\n    LEFT.append(1)\n    raise KeyboardInterrupt\n")
    project.write(
        "conftest.py",
        """
        from pytest_stateless import audit
        def pytest_unconfigure():
            print("recording:", audit.current())
        """,
    )
    result = project.run_apart("--stateless")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["recording: None"])


# ------------------------------------------------------------------------------------------------ kinds of tests


@pytest.mark.parametrize(
    ("text", "leaking"),
    [
        pytest.param("def test_a(self): LEFT.append(1)", ["test_a"], id="test"),
        pytest.param("def setUp(self): LEFT.append(1)\n    def test_a(self): pass", ["test_a"], id="set-up"),
        pytest.param(
            "def setUp(self): LEFT.append(1)\n    def tearDown(self): LEFT.pop()\n    def test_a(self): pass",
            [],
            id="undone",
        ),
        pytest.param(
            "def tearDown(self): LEFT.append(1)\n    def test_a(self): pass", ["test_a"], id="tear-down"
        ),
        pytest.param("def test_a(self): self.addCleanup(LEFT.clear); LEFT.append(1)", [], id="clean-up"),
        pytest.param(
            "@classmethod\n    def setUpClass(cls): LEFT.append(1)\n"
            "    @classmethod\n    def tearDownClass(cls): LEFT.clear()\n"
            "    def test_a(self): pass\n    def test_b(self): LEFT.append(2)\n    def test_c(self): pass",
            ["test_b"],
            id="set-up-class",
        ),
        pytest.param(
            "def test_a(self):\n        for n in 'xy':\n            with self.subTest(n): pass\n"
            "        LEFT.append(1)",
            ["test_a"],
            id="subtests",
        ),
    ],
)
def test_unittest_classes_are_checked(text: str, leaking: list[str], project: Project) -> None:
    project.write(
        "test_shop.py",
        f"import unittest\nLEFT = []\nclass TestShop(unittest.TestCase):\n    {text}\n",
    )
    found = project.found("--stateless")
    assert found == {f"test_shop.py::TestShop::{name}": [SUBJECT] for name in leaking}


def test_a_leaking_unittest_is_one_failure(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import unittest
        LEFT = []
        class TestShop(unittest.TestCase):
            def test_a(self): LEFT.append(1)
            def test_b(self): LEFT.append(1); self.fail("own")
            @unittest.expectedFailure
            def test_c(self): LEFT.append(1); self.fail("own")
            def test_d(self): self.skipTest("no")
        """,
    )
    assert outcomes(project.run("--stateless")) == {"failed": 2, "xfailed": 1, "skipped": 1}


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="subtests came with pytest 9")
def test_a_test_with_subtests_fails_once_for_its_leaks(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        LEFT = []
        def test_a(subtests):
            with subtests.test("one"):
                LEFT.append(1)
            with subtests.test("two"):
                pass
        """,
    )
    result = project.run("--stateless")
    assert outcomes(result).keys() & {"failed", "passed", "errors"} == {"failed"}
    result.stdout.fnmatch_lines(["test_shop.py::test_a left 1 thing behind"])


ASYNC = """
import asyncio
import pytest
LEFT = []
KEPT = set()
{mark}
async def test_leaks():
    await asyncio.sleep(0)
    LEFT.append(1)
{mark}
async def test_clean():
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "mark", "more"),
    [
        pytest.param("asyncio", "@pytest.mark.asyncio", "", id="pytest-asyncio"),
        pytest.param(
            "asyncio", "@pytest.mark.asyncio(loop_scope='module')", "", id="pytest-asyncio-one-loop"
        ),
        pytest.param(
            "anyio",
            "@pytest.mark.anyio",
            "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n",
            id="anyio-asyncio",
        ),
    ],
)
def test_async_tests_are_checked(plugin: str, mark: str, more: str, project: Project) -> None:
    project.write("test_shop.py", ASYNC.format(mark=mark) + more)
    result = project.run_apart("-p", plugin, "--stateless", "--stateless-report=json:leaks.json")
    assert outcomes(result) == {"failed": 1, "passed": 1}
    (test,) = project.report()["tests"]
    assert (test["nodeid"], test["leaks"][0]["subject"]) == ("test_shop.py::test_leaks", "test_shop.LEFT")


@pytest.mark.slow
def test_trio_tests_are_checked(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest, trio
        LEFT = []
        pytestmark = pytest.mark.anyio
        @pytest.fixture
        def anyio_backend(): return "trio"
        async def test_leaks():
            await trio.sleep(0)
            LEFT.append(1)
        async def test_clean():
            await trio.sleep(0)
        """,
    )
    result = project.run_apart("-p", "anyio", "--stateless")
    assert outcomes(result) == {"failed": 1, "passed": 1}


@pytest.mark.slow
def test_all_examples_of_a_hypothesis_test_are_one_window(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        from hypothesis import given, settings, strategies
        LEFT = {}
        @given(strategies.integers())
        @settings(max_examples=20)
        def test_leaks(number):
            LEFT["last"] = str(number)
        @given(strategies.integers())
        @settings(max_examples=20)
        def test_clean(number):
            assert number == number
        """,
    )
    result = project.run_apart("-p", "hypothesispytest", "--stateless", "--stateless-report=json:leaks.json")
    assert outcomes(result) == {"failed": 1, "passed": 1}
    (test,) = project.report()["tests"]
    assert [leak["subject"] for leak in test["leaks"]] == ["test_shop.LEFT['last']"]


RERUN = f"""{LEFT}
from pathlib import Path
def test_a():
    count = Path("count.txt")
    if not count.exists():
        count.write_text("1")
        LEFT.append(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "plugins",
    [("-p", "rerunfailures", "-p", "stateless"), ("-p", "stateless", "-p", "rerunfailures")],
    ids=["rerunfailures-first", "rerunfailures-last"],
)
def test_each_run_of_a_rerun_test_is_checked(
    plugins: tuple[str, ...], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(plugins))
    project.write("test_shop.py", RERUN)
    result = project.run_apart(
        "--stateless",
        "--reruns=2",
        "--stateless-allow=file-write:count.txt",
        "--stateless-report=json:leaks.json",
    )
    assert outcomes(result) == {"passed": 1, "rerun": 1}
    assert result.ret == 0
    (test,) = project.report()["tests"]
    assert (test["outcome"], len(test["leaks"])) == ("rerun", 1)


@pytest.mark.slow
def test_a_test_that_leaks_in_every_run_fails_once(project: Project) -> None:
    project.write("test_shop.py", LEAKS)
    result = project.run_apart("-p", "rerunfailures", "--stateless", "--reruns=2")
    assert outcomes(result) == {"failed": 1, "rerun": 2}
    assert result.ret == pytest.ExitCode.TESTS_FAILED


PROTOCOL = """
import pytest
from _pytest.runner import runtestprotocol
class Elsewhere:
    @pytest.hookimpl({order})
    def pytest_runtest_protocol(self, item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        runtestprotocol(item, nextitem=nextitem, log={log})
        {rest}
        return True
def pytest_configure(config):
    config.pluginmanager.register(Elsewhere())
"""


@pytest.mark.parametrize("order", ["", "tryfirst=True", "trylast=True"], ids=["plain", "first", "last"])
def test_a_plugin_with_a_protocol_of_its_own_that_logs_at_the_end_sees_the_leak(
    order: str, project: Project
) -> None:
    held = PROTOCOL.replace("runtestprotocol(item,", "reports = runtestprotocol(item,")
    log = "for report in reports: item.ihook.pytest_runtest_logreport(report=report)"
    project.write("conftest.py", held.format(order=order, log=False, rest=log))
    project.write("test_shop.py", LEAKS)
    assert outcomes(project.run("--stateless")) == {"failed": 1}


def test_a_plugin_whose_protocol_leaves_the_test_to_others_changes_nothing(project: Project) -> None:
    left = PROTOCOL.replace(
        "def pytest_runtest_protocol(self, item, nextitem):", "def pytest_runtest_protocol(self):"
    )
    body = (
        left[: left.index("        item.ihook")]
        + "        return None\n"
        + left[left.index("def pytest_conf") :]
    )
    project.write("conftest.py", body.format(order="trylast=True"))
    project.write("test_shop.py", LEAKS)
    assert outcomes(project.run("--stateless")) == {"failed": 1}


def test_a_window_closes_once_though_the_teardown_is_asked_for_twice(project: Project) -> None:
    again = "item.ihook.pytest_runtest_teardown(item=item, nextitem=None)"
    project.write("conftest.py", PROTOCOL.format(order="tryfirst=True", log=True, rest=again))
    project.write("test_shop.py", LEAKS)
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    assert outcomes(result) == {"passed": 1, "errors": 1}
    (test,) = project.report()["tests"]
    assert len(test["leaks"]) == 1


def test_a_leak_whose_report_is_out_already_is_told_by_the_teardown(project: Project) -> None:
    project.write("conftest.py", PROTOCOL.format(order="tryfirst=True", log=True, rest=""))
    project.write("test_shop.py", LEAKS)
    result = project.run("--stateless")
    assert outcomes(result) == {"passed": 1, "errors": 1}
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_leaks*", "test_shop.py::test_leaks left 1 thing behind"]
    )


@pytest.mark.slow
def test_a_random_order_and_new_seeds_are_no_leak(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import random
        LEFT = []
        def test_leaks(): LEFT.append(1)
        def test_a(): pass
        def test_b(): pass
        """,
    )
    for seed in ("1", "2"):
        result = project.run_apart("-p", "randomly", f"--randomly-seed={seed}", "--stateless")
        assert outcomes(result) == {"failed": 1, "passed": 2}
        result.stdout.fnmatch_lines(["1 leak in 1 test: 1 module-state"])


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.slow
def test_under_xdist_every_outcome_is_that_of_one_process(project: Project) -> None:
    project.write(
        "test_shop.py",
        f"""{LEFT}
@pytest.mark.parametrize("n", range(6))
def test_many(n):
    if n % 2:
        LEFT.append(n)
@pytest.mark.xfail
def test_x(): LEFT.append(1)
def test_own():
    LEFT.append(1)
    assert 0
def test_skip():
    LEFT.append(1)
    pytest.skip("no")
""",
    )
    alone = project.run_apart("--stateless", "--stateless-report=json:alone.json")
    spread = project.run_apart("-p", "xdist", "-n", "2", "--stateless", "--stateless-report=json:spread.json")
    assert outcomes(alone) == outcomes(spread) == {"failed": 4, "passed": 3, "xfailed": 1, "skipped": 1}
    assert project.report("alone.json") == project.report("spread.json")
    assert (
        project.path.joinpath("alone.json").read_bytes() == project.path.joinpath("spread.json").read_bytes()
    )
