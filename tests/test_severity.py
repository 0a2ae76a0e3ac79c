"""Severities as the user writes them, and what they make of leaks: from the text to the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_stateless.leak import Leak, Severity
from pytest_stateless.severity import Grade, GradeError, graded, is_off, parse_grade

if TYPE_CHECKING:
    from tests.conftest import CountedProject, Project

pytestmark = pytest.mark.own_memory

RULES = ("module-state", "file-write", "interpreter-state")


@pytest.mark.parametrize(
    ("text", "rule", "pattern", "level"),
    [
        pytest.param("file-write:*=off", "file-write", "*", "off", id="plain"),
        pytest.param(
            "interpreter-state:os.environ['A=B']=warning",
            "interpreter-state",
            "os.environ['A=B']",
            "warning",
            id="equals-in-the-subject",
        ),
        pytest.param("file-write:a = error -- why", "file-write", "a", "error", id="reason-and-spaces"),
        pytest.param("file-write:a:b=error", "file-write", "a:b", "error", id="colon-in-the-subject"),
    ],
)
def test_a_severity_is_read(text: str, rule: str, pattern: str, level: str) -> None:
    assert parse_grade(text, "pytest.ini", RULES) == Grade(rule, pattern, level)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(
            "file-write:*",
            "'file-write:*' says no severity; write 'RULE:PATTERN=error|warning|off'",
            id="no-level",
        ),
        pytest.param(
            "file-write:*=warn",
            "'warn' in 'file-write:*=warn' is no severity (did you mean 'warning'?); "
            "write error, warning or off",
            id="misspelled-level",
        ),
        pytest.param(
            "file-writ:*=off",
            "unknown rule 'file-writ' in 'file-writ:*=off' (did you mean 'file-write'?)",
            id="misspelled-rule",
        ),
        pytest.param(
            "zzz:*=off",
            "unknown rule 'zzz' in 'zzz:*=off'; the rules are module-state, file-write, interpreter-state",
            id="unknown-rule",
        ),
        pytest.param(
            "file-write=off",
            "'file-write=off' has no subject; write 'file-write:*=off' for all of the rule",
            id="no-subject",
        ),
        pytest.param(
            "file-write: =off",
            "'file-write: =off' has no subject; write 'file-write:*=off' for all of the rule",
            id="empty-subject",
        ),
    ],
)
def test_what_is_no_severity_is_refused_with_the_mend(text: str, complaint: str) -> None:
    with pytest.raises(GradeError) as refused:
        parse_grade(text, "pytest.ini", RULES)
    assert str(refused.value) == f"pytest.ini: {complaint}"


@pytest.mark.parametrize(
    ("grades", "left"),
    [
        pytest.param([], ["error", "warning"], id="none"),
        pytest.param([Grade("file-write", "*", "warning")], ["warning", "warning"], id="down"),
        pytest.param([Grade("interpreter-state", "ran*", "error")], ["error", "error"], id="up"),
        pytest.param([Grade("file-write", "var/*", "off")], ["warning"], id="off"),
        pytest.param(
            [Grade("file-write", "var/*", "off"), Grade("file-write", "*", "warning")],
            ["warning", "warning"],
            id="the-last-counts",
        ),
        pytest.param([Grade("module-state", "*", "off")], ["error", "warning"], id="another-rule"),
    ],
)
def test_leaks_are_as_bad_as_the_user_says(grades: list[Grade], left: list[str]) -> None:
    leaks = [
        Leak("file-write", "var/a", "created"),
        Leak("interpreter-state", "random", "drawn", severity=Severity.WARNING),
    ]
    assert [leak.severity.value for leak in graded(leaks, grades)] == left


@pytest.mark.parametrize(
    ("grades", "off"),
    [
        pytest.param([], False, id="none"),
        pytest.param([Grade("file-write", "*", "off")], True, id="all-of-it"),
        pytest.param([Grade("file-write", "var/*", "off")], False, id="a-part"),
        pytest.param([Grade("file-write", "*", "warning")], False, id="a-warning"),
        pytest.param([Grade("module-state", "*", "off")], False, id="another-rule"),
        pytest.param(
            [Grade("file-write", "*", "off"), Grade("file-write", "var/*", "error")], False, id="but-a-part"
        ),
        pytest.param(
            [Grade("file-write", "var/*", "error"), Grade("file-write", "*", "off")],
            True,
            id="the-last-counts",
        ),
    ],
)
def test_a_rule_is_off_where_none_of_its_leaks_can_be_told(grades: list[Grade], off: bool) -> None:
    assert is_off("file-write", grades) is off


BROKEN = """
from pytest_stateless.detectors import interpreter_state, unexpected_port
interpreter_state.capture = unexpected_port.capture = None
"""


@pytest.mark.parametrize(
    ("rule", "looked_for"),
    [
        pytest.param("interpreter-state", {"unexpected-port"}, id="off"),
        pytest.param("unexpected-port", {"unexpected-port", "interpreter-state"}, id="table-of-ports"),
    ],
)
def test_a_rule_that_is_off_is_not_looked_for(rule: str, looked_for: set[str], project: Project) -> None:
    project.write("conftest.py", BROKEN)
    project.write("test_shop.py", "def test_it(): pass")
    project.run_apart(
        "--stateless", f"--stateless-severity={rule}:*=off", "--stateless-report=json:leaks.json"
    )
    told = [error for test in project.report()["tests"] for error in test["internal_errors"]]
    assert {error["detector"] for error in told} == looked_for


SHOP = """
import os, random
LEFT = []
def test_draws(): random.random()
def test_draws_and_leaks(): random.random(); LEFT.append(1)
def test_clean(): pass
"""


def test_a_warning_fails_no_test_and_is_told_in_a_part_of_its_own(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    result = project.run_apart(
        "--stateless", "--stateless-report=json:leaks.json", "--stateless-report=github:-", "--junitxml=j.xml"
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "test_shop.py::test_draws_and_leaks left 1 thing behind",
            "*= stateless warnings =*",
            "test_shop.py::test_draws",
            "test_shop.py::test_draws_and_leaks",
            "  interpreter-state  random  numbers drawn from it; *",
            "*= stateless =*",
            "1 leak in 1 test: 1 module-state",
            "2 warnings in 2 tests: 2 interpreter-state",
            "::warning file=test_shop.py,line=*title=interpreter-state::*",
        ]
    )
    assert project.report()["warnings"] == {"interpreter-state": 2}
    assert 'name="stateless.warning.interpreter-state"' in (project.path / "j.xml").read_text()


def test_for_a_warning_alone_no_test_runs_again(counted: CountedProject) -> None:
    counted.write_test("import random\ndef test_a(): count(); random.random()\n")
    counted.check_apart().assert_outcomes(passed=1)
    assert counted.report()["warnings"] == {"interpreter-state": 1}
    assert counted.runs == 1


@pytest.mark.parametrize("quiet", ["--disable-warnings", "--no-summary"])
def test_warnings_are_left_out_where_pytests_own_are(project: Project, quiet: str) -> None:
    project.write("test_shop.py", SHOP)
    result = project.run_apart("--stateless", "-k", "test_draws", quiet)
    result.stdout.no_fnmatch_line("*stateless warnings*")


def test_the_user_says_how_bad_it_is(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    project.write(
        "pytest.ini",
        """
        [pytest]
        stateless = true
        stateless_severity =
            interpreter-state:random=error -- drawn numbers are state
            module-state:*=off
        """,
    )
    project.run_apart().assert_outcomes(passed=1, failed=2)
    given = project.run_apart("--stateless-severity=interpreter-state:*=off")
    given.assert_outcomes(passed=3)
    given.stdout.no_fnmatch_line("*= stateless*")


def test_a_mistake_is_a_usage_error(project: Project) -> None:
    result = project.run_apart("--stateless-severity=file-write:*=loud")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--stateless-severity: 'loud' in 'file-write:*=loud' is no severity; write *"]
    )


def test_severities_hold_under_xdist(project: Project) -> None:
    project.write("test_shop.py", SHOP)
    result = project.run_apart(
        "-p", "xdist.plugin", "-n", "2", "--stateless", "--stateless-severity=module-state:*=warning"
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*= stateless warnings =*", "3 warnings in 2 tests: *"])
