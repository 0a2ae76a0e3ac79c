"""The window of a test: what fixtures undo, what belongs to wider-scoped ones, and what a broken detector does."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

SCOPES = ("class", "module", "package", "session")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            """
            @pytest.fixture
            def cart():
                LEFT.append(1)
                yield
                LEFT.clear()
            def test_a(cart): pass
            """,
            id="fixture",
        ),
        pytest.param(
            "def test_a(monkeypatch): monkeypatch.setattr('test_shop.LEFT', [1])", id="monkeypatch-attribute"
        ),
        pytest.param(
            "def test_a(monkeypatch): monkeypatch.setenv('SHOP', '1'); monkeypatch.syspath_prepend('x')",
            id="monkeypatch-environment",
        ),
        pytest.param("def test_a(tmp_path): tmp_path.joinpath('a').write_text('b')", id="tmp_path"),
        pytest.param("def test_a(tmp_path_factory): tmp_path_factory.mktemp('a')", id="tmp_path_factory"),
        pytest.param("def test_a(request): LEFT.append(1); request.addfinalizer(LEFT.clear)", id="finalizer"),
        pytest.param(
            """
            def setup_function(): LEFT.append(1)
            def teardown_function(): LEFT.clear()
            def test_a(): pass
            """,
            id="setup-function",
        ),
        pytest.param(
            "def test_a(capsys, caplog, recwarn): import logging; print(1); logging.getLogger().warning('x')",
            id="capturing",
        ),
    ],
)
def test_what_is_undone_is_no_leak(text: str, project: Project) -> None:
    project.write("test_shop.py", f"import pytest\nLEFT = []\n{textwrap.dedent(text)}")
    result = project.run("--stateless")
    result.assert_outcomes(passed=1)


def test_a_warning_that_pytest_takes_down_is_no_leak(project: Project) -> None:
    project.write("test_shop.py", "def test_a(): import warnings; warnings.warn('x')\n")
    project.run_apart("--stateless", "-W", "always").assert_outcomes(passed=1, warnings=1)


def test_tmp_path_may_lie_in_the_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("test_shop.py", "def test_a(tmp_path): tmp_path.joinpath('a').write_text('b')\n")
    project.path.joinpath("var").mkdir()
    project.run("--stateless", "--basetemp=var/tmp").assert_outcomes(passed=1)
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(project.path / "var"))
    project.run_apart("--stateless").assert_outcomes(passed=1)


def test_nothing_of_the_program_is_held_after_the_last_window_in_a_row(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import gc, weakref
        import pytest
        class Cart: pass
        CARTS = [Cart()]
        @pytest.mark.stateless
        def test_a(): pass
        def test_b():
            cart = weakref.ref(CARTS.pop())
            gc.collect()
            assert cart() is None
        """,
    )
    project.run().assert_outcomes(passed=2)


FIXTURE = """
import pytest
LEFT = []
@pytest.fixture(scope="{scope}")
def server():
    LEFT.append("up")
    yield
    LEFT.remove("up")
"""
USERS = """
class TestShop:
    def test_a(self, server): pass
    def test_b(self, server): pass
    def test_c(self): pass
class TestLater:
    def test_d(self): pass
"""


@pytest.mark.parametrize("scope", SCOPES)
def test_a_wider_scoped_fixture_belongs_to_no_test(scope: str, project: Project) -> None:
    project.write("shop/__init__.py", "")
    project.write("shop/test_shop.py", FIXTURE.format(scope=scope) + USERS)
    project.write("test_z.py", "def test_z(): pass\n")
    result = project.run("--stateless")
    result.assert_outcomes(passed=5)


def test_a_classs_fixture_is_a_part_of_a_test_in_no_class(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        LEFT = []
        @pytest.fixture(scope="class")
        def kept(): LEFT.append("kept")
        @pytest.fixture(scope="class")
        def undone():
            LEFT.append("undone")
            yield
            LEFT.remove("undone")
        def test_leaves(kept): pass
        def test_undoes(undone): pass
        class TestShop:
            def test_of_the_class(self, kept): pass
        """,
    )
    assert project.found("--stateless") == {"test_shop.py::test_leaves": ["module-state test_shop.LEFT"]}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.own_memory
def test_what_a_test_adds_to_such_a_fixture_is_its_own_leak(scope: str, project: Project) -> None:
    users = USERS.replace("b(self, server): pass", "b(self): LEFT.append('b')")
    project.write("test_shop.py", FIXTURE.format(scope=scope) + users)
    assert project.found("--stateless") == {"test_shop.py::TestShop::test_b": ["module-state test_shop.LEFT"]}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.own_memory
def test_a_leak_of_the_test_that_made_the_fixture_is_still_seen(scope: str, project: Project) -> None:
    text = FIXTURE.format(scope=scope) + USERS.replace(
        "a(self, server): pass", "a(self, server): LEFT.append('a')"
    )
    project.write("test_shop.py", text)
    assert project.found("--stateless") == {"test_shop.py::TestShop::test_a": ["module-state test_shop.LEFT"]}


@pytest.mark.parametrize(
    "users",
    [
        pytest.param(
            "def test_a(server): pass\n@pytest.mark.stateless\ndef test_b(server): pass\n",
            id="made-by-an-unmarked",
        ),
        pytest.param(
            "def test_a(server): pass\n@pytest.mark.stateless\ndef test_b(): pass\n",
            id="torn-down-in-anothers-window",
        ),
        pytest.param(
            "@pytest.mark.stateless\ndef test_a(server): pass\ndef test_b(): pass\n",
            id="torn-down-outside-of-windows",
        ),
        pytest.param(
            "@pytest.mark.stateless\ndef test_a(request): request.getfixturevalue('server')\n"
            "@pytest.mark.stateless\ndef test_b(): pass\n",
            id="asked-for-in-the-body",
        ),
        pytest.param(
            "@pytest.fixture(scope='module')\ndef page(server):\n    LEFT.append('page')\n    yield\n"
            "    LEFT.remove('page')\n@pytest.mark.stateless\ndef test_a(page): pass\n",
            id="one-through-another",
        ),
        pytest.param(
            "@pytest.fixture\ndef page(server):\n    LEFT.append('page')\n    yield\n    LEFT.remove('page')\n"
            "@pytest.mark.stateless\ndef test_a(page): pass\n@pytest.mark.stateless\ndef test_b(page): pass\n",
            id="a-function's-through-another",
        ),
    ],
)
@pytest.mark.own_memory
def test_who_makes_and_who_ends_a_fixture_does_not_matter(users: str, project: Project) -> None:
    project.write("test_shop.py", FIXTURE.format(scope="module") + users)
    result = project.run("--stateless-report=json:leaks.json")
    assert result.ret == 0
    assert project.report()["tests"] == []
    assert project.report()["checked"] in (1, 2)


def test_parameters_of_a_wider_scoped_fixture_follow_each_other_without_a_leak(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        LEFT = []
        @pytest.fixture(scope="module", params=["a", "b"])
        def server(request):
            LEFT.append(request.param)
            yield
            LEFT.remove(request.param)
        def test_a(server): pass
        def test_b(server): pass
        """,
    )
    project.run("--stateless").assert_outcomes(passed=4)


@pytest.mark.own_memory
def test_a_fixture_that_fails_half_way_is_undone_without_a_leak(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        LEFT = []
        @pytest.fixture(scope="module")
        def server(request):
            LEFT.append(1)
            request.addfinalizer(LEFT.clear)
            raise RuntimeError
        def test_a(server): pass
        def test_b(): pass
        """,
    )
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    result.assert_outcomes(errors=1, passed=1)
    assert project.report()["tests"] == []


@pytest.mark.own_memory
def test_a_fixture_whose_teardown_fails_leaves_nothing_to_the_test(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        LEFT = []
        @pytest.fixture(scope="module")
        def server():
            yield
            LEFT.append(1)
            raise RuntimeError
        def test_a(server): pass
        """,
    )
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    result.assert_outcomes(passed=1, errors=1)
    assert project.report()["tests"] == []


def test_set_up_of_modules_and_classes_belongs_to_them(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        LEFT = []
        def setup_module(): LEFT.append("module")
        def teardown_module(): LEFT.remove("module")
        class TestShop:
            @classmethod
            def setup_class(cls): LEFT.append("class")
            @classmethod
            def teardown_class(cls): LEFT.remove("class")
            def setup_method(self): LEFT.append("method")
            def teardown_method(self): LEFT.remove("method")
            def test_a(self): assert LEFT == ["module", "class", "method"]
            def test_b(self): pass
        """,
    )
    project.run("--stateless").assert_outcomes(passed=2)


@pytest.mark.own_memory
def test_a_file_that_a_session_fixture_writes_is_its_own(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest, socket
        from pathlib import Path
        @pytest.fixture(scope="session")
        def server():
            Path("shop.db").write_text("tea")
            with socket.create_server(("127.0.0.1", 0)) as server:
                yield server
            Path("shop.db").unlink()
        def test_a(server): pass
        def test_b(server): Path("receipt.txt").write_text("tea")
        """,
    )
    assert project.found("--stateless") == {"test_shop.py::test_b": ["file-write receipt.txt"]}


@pytest.mark.own_memory
def test_marked_and_unmarked_tests_may_alternate(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest
        LEFT = []
        marked = pytest.mark.stateless
        @marked
        def test_a(): LEFT.append("a")
        def test_b(): LEFT.append("b")
        @marked
        def test_c(): pass
        def test_d(): LEFT.append("d")
        @marked
        def test_e(): LEFT.append("e")
        """,
    )
    assert list(project.found()) == ["test_shop.py::test_a", "test_shop.py::test_e"]


def test_the_three_rules_are_found_in_one_test_in_their_order(project: Project) -> None:
    project.write(
        "test_shop.py",
        """
        import pytest, socket
        from pathlib import Path
        LEFT = []
        OPEN = {"server": None}
        def test_a():
            LEFT.append(1)
            Path("receipt.txt").write_text("tea")
            server = socket.socket()
            server.bind(("127.0.0.1", 0))
            server.listen()
            OPEN["server"] = server
        @pytest.mark.stateless(False)
        def test_z():
            OPEN["server"].close()
        """,
    )
    (leaks,) = project.found(
        "--stateless", "--stateless-no-blame"
    ).values()  # a second server would stay open
    rules = [leak.partition(" ")[0] for leak in leaks]
    assert rules == sorted(rules, key=("module-state", "file-write", "listening-socket").index)
    assert set(rules) == {"module-state", "file-write", "listening-socket"}


# ------------------------------------------------------------------------------------- detectors that fail


BROKEN = """
import os, pytest
from pytest_stateless.detectors import file_write
def broken(*arguments):
    raise RuntimeError("the disk is \\x1b[31m gone")
def pytest_configure(config):
    config.patch = pytest.MonkeyPatch()
    config.patch.setattr(file_write, "{half}", broken)
def pytest_unconfigure(config):
    config.patch.undo()
@pytest.fixture(scope="session", autouse=True)
def server(): come_and_go()
def come_and_go():
    open("gone.txt", "w").close()
    os.remove("gone.txt")
"""


@pytest.mark.parametrize("half", ["capture", "compare", "absorb"])
@pytest.mark.own_memory
def test_a_detector_that_raises_is_reported_under_its_name_and_hides_nothing(
    half: str, project: Project
) -> None:
    project.write("conftest.py", BROKEN.format(half=half))
    project.write(
        "test_shop.py",
        "import conftest\nLEFT = []\ndef test_a(): conftest.come_and_go()\ndef test_b(): LEFT.append(1)\n",
    )
    result = project.run("--stateless", "--stateless-report=json:leaks.json")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "internal error of pytest-stateless in file-write",
            "Traceback (most recent call last):",
            "RuntimeError: the disk is \\x1b[[]31m gone",
        ]
    )
    by_name = {test["nodeid"]: test for test in project.report()["tests"]}
    assert [leak["subject"] for leak in by_name["test_shop.py::test_b"]["leaks"]] == ["test_shop.LEFT"]
    told = by_name["test_shop.py::test_a"]
    assert (told["outcome"], told["leaks"]) == ("passed", [])
    assert {error["detector"] for error in told["internal_errors"]} == {"file-write"}
    assert "RuntimeError: the disk is" in told["internal_errors"][0]["traceback"]


@pytest.mark.own_memory
def test_where_nothing_fails_an_internal_error_makes_no_section_of_leaks(project: Project) -> None:
    project.write("conftest.py", BROKEN.format(half="capture"))
    project.write("test_shop.py", "LEFT = []\ndef test_a(): pass\ndef test_b(): LEFT.append(1)\n")
    result = project.run("--stateless", "--stateless-no-fail")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["test_shop.py::test_b left 1 thing behind", "internal error of pytest-stateless *"]
    )
    result.stdout.no_fnmatch_line("test_shop.py::test_a left *")


@pytest.mark.own_memory
def test_an_audit_hook_that_fails_is_reported_and_harms_nobody(project: Project) -> None:
    project.write(
        "conftest.py",
        """
        import pytest
        from pytest_stateless.attempts import DECISIONS
        def broken(*arguments):
            raise RuntimeError("no decision")
        def pytest_configure(config):
            config.patch = pytest.MonkeyPatch()
            config.patch.setitem(DECISIONS, "os.mkdir", broken)
        def pytest_unconfigure(config):
            config.patch.undo()
        """,
    )
    project.write("test_shop.py", "import os\ndef test_a(tmp_path):\n    os.mkdir(tmp_path / 'var')\n")
    result = project.run("--stateless")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["internal error of pytest-stateless in audit", "os.mkdir: RuntimeError: no decision"]
    )
