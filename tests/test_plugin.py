"""What is checked: the marker, the switches, and what they cost where nothing is asked for."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

LEAKS = """
import pytest
LEFT = []
def test_leaks():
    LEFT.append(1)
"""
NODE = "test_shop.py::test_leaks"


@pytest.mark.parametrize(
    ("text", "leaking"),
    [
        pytest.param(
            """
            @pytest.mark.stateless
            def test_a(): LEFT.append(1)
            def test_b(): LEFT.append(1)
            """,
            ["test_a"],
            id="function",
        ),
        pytest.param(
            """
            @pytest.mark.stateless
            class TestCart:
                def test_a(self): LEFT.append(1)
                class TestInner:
                    def test_b(self): LEFT.append(1)
            def test_c(): LEFT.append(1)
            """,
            ["TestCart::TestInner::test_b", "TestCart::test_a"],
            id="class",
        ),
        pytest.param(
            """
            pytestmark = pytest.mark.stateless
            def test_a(): LEFT.append(1)
            class TestCart:
                def test_b(self): LEFT.append(1)
            """,
            ["TestCart::test_b", "test_a"],
            id="module",
        ),
        pytest.param(
            """
            @pytest.mark.parametrize("n", ["a", pytest.param("b", marks=pytest.mark.stateless)])
            def test_a(n): LEFT.append(n)
            """,
            ["test_a[b]"],
            id="one-parameter",
        ),
        pytest.param(
            """
            from pytest_stateless import stateless
            @stateless
            def test_a(): LEFT.append(1)
            @stateless(allow=["module-state:test_shop.*"])
            def test_b(): LEFT.append(1)
            """,
            ["test_a"],
            id="imported-decorator",
        ),
        pytest.param(
            """
            def test_a(stateless): LEFT.append(1)
            @pytest.mark.usefixtures("stateless")
            def test_b(): LEFT.append(1)
            """,
            ["test_a", "test_b"],
            id="fixture",
        ),
        pytest.param(
            """
            pytestmark = pytest.mark.stateless
            @pytest.mark.stateless(False, reason="later")
            def test_a(): LEFT.append(1)
            @pytest.mark.stateless(check=False)
            class TestCart:
                def test_b(self): LEFT.append(1)
                @pytest.mark.stateless
                def test_c(self): LEFT.append(1)
            """,
            ["TestCart::test_c"],
            id="nearest-marker-decides",
        ),
        pytest.param(
            """
            @pytest.mark.stateless(False)
            def test_a(stateless): LEFT.append(1)
            """,
            [],
            id="marker-before-fixture",
        ),
    ],
)
def test_what_is_marked_is_checked(text: str, leaking: list[str], project: Project) -> None:
    project.write("test_shop.py", f"import pytest\nLEFT = []\n{textwrap.dedent(text)}")
    found = project.found("--strict-markers")
    assert found == {f"test_shop.py::{name}": ["module-state test_shop.LEFT"] for name in leaking}


def test_the_option_checks_every_test_but_those_that_opted_out(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        LEFT = []
        def test_a(): LEFT.append(1)
        @pytest.mark.stateless(False, reason="sessions move to the database next")
        def test_b(): LEFT.append(1)
        """,
    )
    assert list(project.found("--stateless")) == ["test_shop.py::test_a"]
    assert project.report()["checked"] == 1


@pytest.mark.parametrize(
    "off",
    [["--stateless-off"], ["-p", "no:stateless"], ["--setup-only"], ["--setup-plan"], ["--co"]],
    ids=" ".join,
)
def test_switched_off_nothing_is_checked(
    off: list[str], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:randomly")
    project.write("test_shop.py", LEAKS.replace("def ", "@pytest.mark.stateless\ndef ", 1))
    result = project.run(*off)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*left 1 thing*")
    result.stdout.no_fnmatch_line("*stateless ====*")


def test_off_wins_over_asking_for_all(project: Project) -> None:
    project.write("test_shop.py", LEAKS)
    assert project.run("--stateless", "--stateless-off").ret == 0


def test_the_decorator_needs_no_plugin(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS")
    project.write("test_shop.py", "from pytest_stateless import stateless\n@stateless\ndef test_a(): pass\n")
    result = project.run("-p", "no:stateless", "--strict-markers")
    result.assert_outcomes(passed=1)


def test_the_fixture_does_nothing_where_nothing_is_checked(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        LEFT = []
        def app(environ, start): return []
        def test_a(stateless):
            assert stateless.wrap(app) is app
            with stateless.request("POST /cart"):
                LEFT.append(1)
        """,
    )
    result = project.run("--stateless-off")
    result.assert_outcomes(passed=1)


def test_the_marker_is_described(project: Project) -> None:
    project.run("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.stateless(check=True, ?, allow=(), reason='', disk='real'): fail *"]
    )


STATE = """
import sys
import pytest
from pytest_stateless import audit

def test_state(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("stateless-checks") is {checked}
    assert audit._installed is {checked}
    assert not {{"psutil", "hypothesis", "pyfakefs"}} & set(sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["", "@pytest.mark.stateless(False)"], ids=["unmarked", "opted-out"])
def test_an_unmarked_suite_has_no_working_plugin_and_no_audit_hook(mark: str, project: Project) -> None:
    text = STATE.format(checked=False).replace("def ", f"{mark}\ndef ")
    project.write("test_state.py", text)
    result = project.run_apart()
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_a_marked_test_has_them(project: Project) -> None:
    project.write("test_state.py", STATE.format(checked=True).replace("def ", "@pytest.mark.stateless\ndef "))
    result = project.run_apart()
    result.assert_outcomes(passed=1)


def test_a_deselected_test_registers_nothing(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        @pytest.mark.stateless
        def test_marked(): pass
        def test_plain(pytestconfig):
            assert not pytestconfig.pluginmanager.has_plugin("stateless-checks")
        """,
    )
    project.run("-k", "plain").assert_outcomes(passed=1, deselected=1)
