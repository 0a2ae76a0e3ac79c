"""Nobody notices that a test is run once more, but who must; other tools that watch it go on."""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CountedProject

pytestmark = pytest.mark.own_memory

TRACED = sys.version_info < (3, 12)
SKIPPED = "blame skipped: a debugger or another tracer is active"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-s",),
        ("--capture=sys",),
        ("--capture=tee-sys",),
        ("-p", "no:capture"),
        ("-s", "--setup-show"),
        ("--setup-show",),
        ("-rA",),
    ],
    ids=["fd", "no", "sys", "tee-sys", "no-plugin", "setup-show-and-no", "setup-show", "all-sections"],
)
def test_the_output_of_the_second_run_is_not_shown(options: tuple[str, ...], counted: CountedProject) -> None:
    counted.write_test(
        """
        import os, sys
        @pytest.fixture
        def cart():
            print("cart said", RUNS.exists())
        def test_a(cart):
            number = count()
            print("said", number)
            print("complained", number, file=sys.stderr)
            os.write(1, b"wrote %d" % number)
            LEFT.append(1)
        """,
    )
    result = counted.check_apart(*options)
    assert counted.runs == 2
    text = result.stdout.str() + result.stderr.str()
    for word in ("said 2", "complained 2", "wrote 2", "cart said True"):
        assert word not in text
    assert text.count("SETUP    F cart") == ("--setup-show" in options)
    assert counted.blamed() == {"LEFT": "test_a"}


def test_the_output_of_the_first_run_is_still_shown(counted: CountedProject) -> None:
    counted.write_test("def test_a():\n    print('said', count())\n    LEFT.append(1)\n")
    text = counted.check().stdout.str()
    assert text.count("said 1") == 1


def test_neither_live_logs_nor_the_log_file_have_the_second_run(counted: CountedProject) -> None:
    counted.write_test(
        "import logging\ndef test_a():\n    logging.warning('run %d', count())\n    LEFT.append(1)\n"
    )
    text = counted.check_apart("--log-cli-level=INFO", "--log-file=run.log").stdout.str()
    assert "run 1" in text
    assert "run 2" not in text
    assert counted.path.joinpath("run.log").read_text().count("run ") == 1


def test_no_window_is_open_in_the_second_run(counted: CountedProject) -> None:
    counted.write_test(
        """
        from pytest_stateless import audit
        OPEN = []
        def test_a():
            OPEN.append(audit.current() is not None)
            count()
        @pytest.mark.stateless(False)
        def test_b():
            assert OPEN == [True, False]
        """
    )
    counted.check().assert_outcomes(failed=1, passed=1)


def test_warnings_of_the_second_run_are_not_counted(counted: CountedProject) -> None:
    counted.write_test(
        "import warnings\ndef test_a():\n    warnings.warn(f'run {count()}')\n    LEFT.append(1)\n"
    )
    result = counted.check("-W", "always")
    assert result.parseoutcomes() == {"failed": 1, "warnings": 1}
    result.stdout.no_fnmatch_line("*run 2*")


def test_no_plugin_hears_of_the_second_run(counted: CountedProject) -> None:
    counted.write(
        "conftest.py",
        """
        from pathlib import Path
        heard = []
        def pytest_runtest_logstart(nodeid): heard.append("start")
        def pytest_runtest_logreport(report): heard.append(report.when)
        def pytest_runtest_logfinish(nodeid): heard.append("finish")
        def pytest_exception_interact(): heard.append("interact")
        def pytest_sessionfinish(): Path("heard.txt").write_text(" ".join(heard))
        """,
    )
    counted.write_test("def test_a():\n    LEFT.append(1)\n    assert count() == 1\n")
    counted.check()
    assert counted.path.joinpath("heard.txt").read_text() == "start setup call teardown finish"


SUBTESTS = """
def test_a(subtests):
    with subtests.test("one"):
        LEFT.append(count())
        assert LEFT == [1]
"""
UNITTESTS = """
import unittest
class TestA(unittest.TestCase):
    def test_a(self):
        with self.subTest("one"):
            LEFT.append(count())
            self.assertEqual(LEFT, [1])
"""


@pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="subtests came with pytest 9")
@pytest.mark.parametrize("text", [SUBTESTS, UNITTESTS], ids=["fixture", "unittest"])
def test_subtests_of_the_second_run_are_not_reported(text: str, counted: CountedProject) -> None:
    counted.write_test(text)
    result = counted.check()
    assert result.parseoutcomes().keys() & {"failed", "errors"} == {"failed"}
    result.assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a"}


def test_properties_are_recorded_once(counted: CountedProject) -> None:
    counted.write_test(
        "def test_a(record_property):\n    record_property('run', count())\n    LEFT.append(1)\n"
    )
    counted.check("--junitxml=junit.xml", "-o", "junit_family=xunit1")
    found = [one.get("value") for one in ET.parse(counted.path / "junit.xml").getroot().iter("property")]
    assert found[0] == "1"
    assert len(found) == 2


def test_the_last_error_is_none_of_the_second_run(counted: CountedProject) -> None:
    counted.write(
        "conftest.py", "import sys\ndef pytest_sessionfinish(): print(vars(sys).get('last_value'))\n"
    )
    counted.write_test("def test_a():\n    LEFT.append(1)\n    assert count() == 1\n")
    result = counted.check_apart("-s")
    result.stdout.fnmatch_lines(["*None*"])
    result.stdout.no_fnmatch_line("*assert 2 == 1*")


def test_an_error_of_the_second_run_is_not_taken_for_one_of_the_first(counted: CountedProject) -> None:
    counted.write_test(
        """
        import unittest
        class TestA(unittest.TestCase):
            @pytest.mark.xfail(raises=pytest.fail.Exception)
            def test_a(self):
                LEFT.append(1)
                self.assertEqual(count(), 1)
        """
    )
    assert counted.check().parseoutcomes() == {"xfailed": 1}


def test_another_debugger_stops_in_the_first_run_only(counted: CountedProject) -> None:
    counted.write_test(
        """
        import sys
        STOPS = []
        @pytest.fixture(scope="module", autouse=True)
        def debugger():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "breakpointhook", lambda: STOPS.append(1))
                yield
        def test_a():
            LEFT.append(count())
            breakpoint()
        @pytest.mark.stateless(False)
        def test_b():
            assert STOPS == [1]
        """
    )
    counted.check().assert_outcomes(failed=1, passed=1)
    assert counted.runs == 2


def test_a_debugger_stops_in_the_first_run_only(counted: CountedProject) -> None:
    counted.write_test(
        "def test_a():\n    number = count()\n    breakpoint()\n    import pdb; pdb.set_trace()\n    LEFT.append(1)\n"
        "    assert number == 1\n",
    )
    arguments = (
        "--stateless",
        "--stateless-allow=file-write:*",
        "--pdb",
        "--stateless-report=json:leaks.json",
    )
    result = counted.run_apart(*arguments, stdin=b"c\nc\n")
    result.assert_outcomes(failed=1)
    assert result.stdout.str().count("PDB set_trace") == 2
    assert "entering PDB" not in result.stdout.str()
    assert counted.runs == 2
    # Who stopped in the debugger of these versions has its tracer still there.
    assert counted.blamed() == {"LEFT": SKIPPED if TRACED and counted.runs == 1 else "test_a"}


@pytest.mark.slow
def test_an_example_that_fails_in_the_second_run_alone_is_not_remembered(counted: CountedProject) -> None:
    counted.write_test(
        """
        from hypothesis import given, settings, strategies
        @given(strategies.integers())
        @settings(max_examples=10)
        def test_a(number):
            LEFT.append(number)
            assert len(LEFT) <= 10
        """,
    )
    result = counted.check_apart("-p", "hypothesispytest")
    result.assert_outcomes(failed=1)
    assert counted.blamed() == {"LEFT": "test_a"}
    assert not list(counted.path.glob(".hypothesis/examples/*/*"))


@pytest.mark.skipif(not TRACED, reason="any number of tools share sys.monitoring")
def test_a_tracer_that_cannot_be_shared_is_kept_and_said(counted: CountedProject) -> None:
    counted.write_test(
        """
        import sys
        def trace(frame, event, argument): return None
        def test_a():
            sys.settrace(trace)
            LEFT.append(count())
        @pytest.mark.stateless(False)
        def test_b():
            assert sys.gettrace() is trace
            sys.settrace(None)
        """,
    )
    counted.check_apart().stdout.fnmatch_lines(
        ["module-state *test_shop.LEFT  *", f"              *{SKIPPED}"]
    )
    assert counted.runs == 1


@pytest.mark.skipif(TRACED, reason="sys.monitoring came with Python 3.12")
def test_where_no_tool_has_a_place_left_it_is_said(counted: CountedProject) -> None:
    counted.write_test(
        """
        import sys
        def test_a():
            for number in range(6):
                if sys.monitoring.get_tool(number) is None:
                    sys.monitoring.use_tool_id(number, "another")
            LEFT.append(count())
        """,
    )
    counted.check_apart().stdout.fnmatch_lines(
        ["module-state *test_shop.LEFT  *", f"              *{SKIPPED}"]
    )
    assert counted.runs == 1


@pytest.mark.slow
@pytest.mark.parametrize("core", ["ctrace", "pytrace", "sysmon"])
def test_coverage_goes_on(core: str, counted: CountedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    if TRACED and core == "sysmon":
        pytest.skip("sys.monitoring came with Python 3.12")
    counted.write_test(
        """
        def add():
            CARTS["bob"] = [count()]
        def test_a():
            add()
        def test_b():
            count()
            assert CARTS
        """
    )
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COVERAGE_CORE", core)
    counted.write(".coveragerc", "[run]\nbranch = false\n")
    command = (sys.executable, "-m", "coverage", "run", "--include=test_shop.py", "-m", "pytest")
    options = ("--stateless", "--stateless-allow=file-write:*", "--stateless-report=json:leaks.json")
    result = counted._pytester.run(*command, *options)
    assert result.parseoutcomes() == {"failed": 1, "passed": 1}
    assert counted.blamed() == {"CARTS['bob']": SKIPPED if TRACED else "add"}
    report = counted._pytester.run(sys.executable, "-m", "coverage", "report")
    report.stdout.fnmatch_lines(["test_shop.py * 100%"])
