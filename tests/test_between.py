"""Whether something of the program runs between two tests, so that the second one needs a look of its own."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_stateless.between import Between

if TYPE_CHECKING:
    from tests.conftest import Project

COUNTING = "import pytest, shop\n"
TESTS = """
    import shop
    def test_a(): assert shop.SEEN is not None
    def test_b(): pass
    def test_c(): pass
"""


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_runtest_logreport(report): shop.SEEN.append(1)",
        "def pytest_runtest_logstart(nodeid, location): shop.SEEN.append(1)",
        "def pytest_runtest_logfinish(nodeid, location): shop.SEEN.append(1)",
        """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    shop.SEEN.append(1)
    return (yield)
""",
        """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.when == "teardown": shop.SEEN.append(1)
    return (yield)
""",
    ],
    ids=["logreport", "logstart", "logfinish", "protocol", "makereport"],
)
def test_what_a_hook_of_the_project_leaves_between_tests_is_no_leak_of_a_test(
    hook: str, project: Project
) -> None:
    project.write("shop.py", "SEEN = []")
    project.write("conftest.py", COUNTING + hook)
    project.write("test_shop.py", TESTS)
    assert project.found("--stateless") == {}


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_what_a_wrapper_around_the_window_leaves_is_no_leak_of_a_test(when: str, project: Project) -> None:
    project.write("shop.py", "SEEN = []")
    project.write(
        "conftest.py",
        f"""
        import pytest, shop

        class Outer:
            @pytest.hookimpl(wrapper=True, tryfirst=True)
            def pytest_runtest_{when}(self, item):
                shop.SEEN.append(1)
                try:
                    return (yield)
                finally:
                    shop.SEEN.append(1)

        @pytest.hookimpl(trylast=True)
        def pytest_runtestloop(session):
            session.config.pluginmanager.register(Outer(), "outer")
        """,
    )
    project.write("test_shop.py", TESTS)
    assert project.found("--stateless") == {}


def test_a_plugin_that_comes_late_is_seen(project: Project) -> None:
    project.write("shop.py", "SEEN = []")
    project.write(
        "test_shop.py",
        """
        import shop

        class Late:
            def pytest_runtest_logreport(self, report): shop.SEEN.append(1)

        def test_a(): pass
        def test_b(request): request.config.pluginmanager.register(Late(), "late")
        def test_c(): pass
        def test_d(): pass
        """,
    )
    assert project.found("--stateless") == {}


@pytest.mark.parametrize(
    ("conftest", "looks"),
    [
        pytest.param("", 4, id="pytest-alone"),
        pytest.param("def pytest_runtest_logreport(report): pass", 6, id="a-hook-between"),
        pytest.param("def pytest_runtest_setup(item): pass", 4, id="a-hook-within"),
    ],
)
def test_one_look_a_test_is_enough_where_nothing_runs_between(
    conftest: str, looks: int, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_stateless.heap.snapshot import Heap

    taken = []
    look = Heap.look

    def counted(heap: Heap) -> object:
        taken.append(heap)
        return look(heap)

    monkeypatch.setattr(Heap, "look", counted)
    project.write("conftest.py", conftest)
    project.write("test_shop.py", "def test_a(): pass\ndef test_b(): pass\ndef test_c(): pass")
    project.run("--stateless", "--stateless-scope=application").assert_outcomes(passed=3)
    assert len(taken) == looks


class Old:
    """Stands around the windows in the old way."""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        yield


class New:
    """Stands around the windows in the new way."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        return (yield)


class Within:
    """Runs while a window is open."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None: ...


class Static:
    """A plugin that is a class."""

    @staticmethod
    def pytest_runtest_logreport(report: pytest.TestReport) -> None: ...


Tool = type("Tool", (Static,), {"__module__": "pytest_cov.plugin"})


@pytest.mark.parametrize(
    ("plugin", "is_quiet"),
    [
        pytest.param(Old(), False, id="old-wrapper"),
        pytest.param(New(), False, id="new-wrapper"),
        pytest.param(Within(), True, id="within"),
        pytest.param(Static, False, id="class"),
        pytest.param(Static(), False, id="instance"),
        pytest.param(Tool, True, id="class-of-a-tool"),
        pytest.param(Tool(), True, id="instance-of-a-tool"),
        pytest.param(type("Odd", (Static,), {"__module__": 7})(), False, id="class-that-hides-its-module"),
        pytest.param(types.ModuleType("shop"), True, id="module-without-hooks"),
    ],
)
def test_what_runs_between_is_known_by_whose_it_is_and_anew_when_it_comes(
    plugin: object, is_quiet: bool
) -> None:
    manager = pytest.PytestPluginManager()
    between = Between(manager)
    manager.register(between)
    assert between.is_quiet()
    manager.register(plugin, "another")
    assert between.is_quiet() is is_quiet
    manager.unregister(plugin)
    assert between.is_quiet()
