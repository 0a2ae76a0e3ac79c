"""What a marker may say, and what is said to one that says something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.own_memory


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param(
            "alow=['module-state:a']",
            "ERROR: test_shop.py::test_a: the stateless marker has no argument 'alow' (did you mean 'allow'?)",
            id="misspelt-argument",
        ),
        pytest.param(
            "zzz=1",
            "ERROR: test_shop.py::test_a: the stateless marker has no argument 'zzz'; it takes check, allow, reason, *",
            id="unknown-argument",
        ),
        pytest.param(
            "allow=['module-stat:a']",
            "ERROR: test_shop.py::test_a: unknown rule 'module-stat' in allowance 'module-stat:a' "
            "(did you mean 'module-state'?)",
            id="misspelt-rule",
        ),
        pytest.param(
            "allow='zzz:a'",
            "ERROR: test_shop.py::test_a: unknown rule 'zzz' in allowance 'zzz:a'; the rules are module-state, *",
            id="unknown-rule",
        ),
        pytest.param(
            "allow=['file-write']",
            "ERROR: test_shop.py::test_a: allowance 'file-write' has no subject; write 'file-write:[*]' *",
            id="no-subject",
        ),
        pytest.param(
            "allow=[3]",
            "ERROR: test_shop.py::test_a: an allowance is text like 'module-state:shop.cart.[*]', not 3",
            id="allowance-that-is-no-text",
        ),
        pytest.param(
            "allow=3",
            "ERROR: test_shop.py::test_a: allow= of the stateless marker takes a list of texts, not 3",
            id="allow-that-is-no-list",
        ),
        pytest.param(
            "'module-state:a'",
            "ERROR: test_shop.py::test_a: the stateless marker takes True or False, not 'module-state:a'; "
            "allowances go into allow=*",
            id="allowance-in-the-wrong-place",
        ),
        pytest.param(
            "'module-state:a', 'module-state:b'",
            "ERROR: test_shop.py::test_a: the stateless marker takes one positional argument, False to opt out; "
            "allowances go into allow=[[]...], not ('module-state:a', 'module-state:b')",
            id="two-positional",
        ),
        pytest.param(
            "False, check=True",
            "ERROR: test_shop.py::test_a: the stateless marker takes one positional argument, *",
            id="check-twice",
        ),
        pytest.param(
            "check=1",
            "ERROR: test_shop.py::test_a: the stateless marker takes True or False, not 1; *",
            id="number",
        ),
    ],
)
def test_a_marker_that_cannot_be_read_is_a_usage_error(arguments: str, lines: str, project: Project) -> None:
    project.write(
        "test_shop.py",
        f"import pytest\n@pytest.mark.stateless({arguments})\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test_a(n): pass\n",
    )
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([lines])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.slow
def test_the_usage_error_comes_through_from_a_worker_of_xdist(project: Project) -> None:
    project.write("test_shop.py", "import pytest\n@pytest.mark.stateless(alow=[])\ndef test_a(): pass\n")
    result = project.run_apart("-p", "xdist", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: test_shop.py::test_a: the stateless marker has no argument 'alow' *"]
    )
    assert "INTERNALERROR" not in result.stdout.str()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("{mark}\ndef test_a(): pass", "test_shop.py::test_a", id="function"),
        pytest.param(
            "{mark}\n@pytest.mark.parametrize('n', [1])\ndef test_a(n): pass",
            "test_shop.py::test_a",
            id="all-ids",
        ),
        pytest.param(
            "@pytest.mark.parametrize('n', [pytest.param(1, marks={value})])\ndef test_a(n): pass",
            "test_shop.py::test_a[[]1]",
            id="one-id",
        ),
        pytest.param("{mark}\nclass TestA:\n    def test_a(self): pass", "test_shop.py::TestA", id="class"),
        pytest.param("pytestmark = {value}\ndef test_a(): pass", "test_shop.py", id="module"),
        pytest.param(
            "import unittest\n{mark}\nclass TestA(unittest.TestCase):\n    def test_a(self): pass",
            "test_shop.py::TestA",
            id="unittest",
        ),
    ],
)
def test_the_place_of_a_mistake_is_what_the_marker_stands_on(text: str, place: str, project: Project) -> None:
    value = "pytest.mark.stateless(allow='nonsense')"
    project.write("test_shop.py", "import pytest\n" + text.format(mark=f"@{value}", value=value))
    project.run().stderr.fnmatch_lines([f"ERROR: {place}: unknown rule 'nonsense' *"])


@pytest.mark.parametrize(
    "allow",
    [
        "'module-state:test_shop.LEFT -- a demo'",
        "['module-state:test_shop.*']",
        "('module-state:test_?hop.LEFT',)",
        "{'module-state:*'}",
        "frozenset({'module-state:*'})",
        "['file-write:*', 'module-state:test_shop.LEFT']",
    ],
)
def test_an_allowance_may_be_a_text_or_any_collection_of_them(allow: str, project: Project) -> None:
    project.write(
        "test_shop.py",
        f"import pytest\nLEFT = []\n@pytest.mark.stateless(allow={allow})\ndef test_a(): LEFT.append(1)\n",
    )
    project.run().assert_outcomes(passed=1)


def test_the_allowances_of_all_markers_add_up(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        A, B, C, D = [], [], [], []
        pytestmark = pytest.mark.stateless(allow="module-state:test_shop.A")
        @pytest.mark.stateless(allow="module-state:test_shop.B")
        class TestShop:
            @pytest.mark.stateless(allow="module-state:test_shop.C")
            def test_a(self):
                for one in (A, B, C, D):
                    one.append(1)
        """,
    )
    assert project.found() == {"test_shop.py::TestShop::test_a": ["module-state test_shop.D"]}


def test_an_allowance_is_literal_but_for_its_two_wildcards(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        CARTS = {}
        @pytest.mark.stateless(allow="module-state:test_shop.CARTS['bob']")
        def test_a():
            CARTS["bob"] = CARTS["o"] = 1
        """,
    )
    assert project.found() == {"test_shop.py::test_a": ["module-state test_shop.CARTS['o']"]}
