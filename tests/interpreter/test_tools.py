"""Real tools and libraries that keep something for the whole process: the clock, numpy's generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

FREEZES: Final = {
    "freezegun": "freezegun.freeze_time('2012-01-14')",
    "time_machine": "time_machine.travel('2012-01-14', tick=False)",
}


def left(project: Project) -> dict[str, list[str]]:
    """What each test left, in a run of its own process: the clock of this one must go on."""
    project.run_apart("--stateless", "--stateless-no-blame", "--stateless-report=json:leaks.json")
    return {
        test["nodeid"]: [f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]]
        for test in project.report()["tests"]
    }


@pytest.mark.parametrize("tool", FREEZES)
def test_a_clock_that_stands_still_is_told(project: Project, tool: str) -> None:
    pytest.importorskip(tool)
    project.write(
        "test_a.py",
        f"""
        import datetime, time
        import {tool}
        FROZEN = lambda: {FREEZES[tool]}
        def now(): return datetime.date.today().year
        def test_with():
            with FROZEN(): assert now() == 2012
        @FROZEN()
        def test_decorated(): assert now() == 2012
        def test_stops():
            frozen = FROZEN()
            frozen.start(); frozen.stop()
        def test_leaves(): FROZEN().start()
        def test_after(): assert now() == 2012
        """,
    )
    assert left(project) == {"test_a.py::test_leaves": [f"interpreter-state clock of {tool}"]}


def test_numpys_own_generator(project: Project) -> None:
    pytest.importorskip("numpy")
    project.write(
        "test_a.py",
        """
        import numpy
        def test_own():
            numpy.random.default_rng(3).random()
            numpy.random.RandomState(3).random()
        def test_restores():
            state = numpy.random.get_state()
            numpy.random.seed(7)
            numpy.random.set_state(state)
        def test_draws(): numpy.random.random()
        def test_seeds(): numpy.random.seed(7)
        """,
    )
    assert left(project) == {
        "test_a.py::test_draws": ["interpreter-state numpy.random"],
        "test_a.py::test_seeds": ["interpreter-state numpy.random"],
    }
    severities = {test["nodeid"]: test["leaks"][0]["severity"] for test in project.report()["tests"]}
    assert severities == {"test_a.py::test_draws": "warning", "test_a.py::test_seeds": "error"}
