"""What runs around each fork."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.interpreter import forks
from pytest_stateless.interpreter.item import UNKNOWN, WHOLE, Items

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no forks here")

LOOKS = """
import os
from pytest_stateless.interpreter import forks
from pytest_stateless.interpreter.item import WHOLE
def mine(): pass
before = forks.read()[WHOLE]
assert forks.read()[WHOLE] == before
for when in ("before", "after_in_parent", "after_in_child"):
    os.register_at_fork(**{when: mine})
    after = forks.read()[WHOLE]
    assert len(after) == len(before) + 1 and mine in after, when
    before = after
"""


def test_each_of_the_lists_is_read() -> None:
    subprocess.run([sys.executable, "-c", f"import threading, logging\n{LOOKS}"], check=True)


def test_lists_that_somebody_holds_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"functions": [vars(threading)["_after_fork"], print]}
    monkeypatch.setattr(forks._Lists, "looked", False)
    monkeypatch.setattr(forks._Lists, "found", ())
    found = forks.read()[WHOLE]
    assert vars(threading)["_after_fork"] in found
    assert print not in found
    assert len(held["functions"]) == 2


def test_nothing_is_said_where_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: tuple[list[Any], ...] = ()
    monkeypatch.setattr(forks._Lists, "found", nothing)
    monkeypatch.setattr(forks._Lists, "looked", True)
    assert forks.read() == {WHOLE: UNKNOWN}


def test_what_runs_around_forks_is_told(project: Project) -> None:
    project.write(
        "test_a.py",
        """
        import os
        def mine(): pass
        def test_a(): os.register_at_fork(after_in_child=mine)
        def test_b(): pass
        """,
    )
    result = project.run_apart("--stateless", "--stateless-no-blame")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*interpreter-state*os.register_at_fork()*"])


def _lock_of_mine() -> None:
    """Stands for a function of the program's."""


@pytest.mark.parametrize(
    ("came", "own"),
    [
        pytest.param([], True, id="nothing"),
        pytest.param([shutil.copy], True, id="standard-library"),
        pytest.param([os.fwalk], True, id="frozen"),
        pytest.param([threading.Lock().acquire], True, id="lock"),
        pytest.param([_lock_of_mine], False, id="function-of-the-program"),
        pytest.param([functools.partial(_lock_of_mine)], False, id="partial"),
        pytest.param([pytest.main], False, id="dependency"),
        pytest.param([os.fwalk, _lock_of_mine], False, id="both"),
    ],
)
def test_what_python_itself_registers_is_no_leak(came: list[Any], own: bool) -> None:
    assert forks.are_of_python_itself(Items([print]), Items([print, *came])) is own
    assert not forks.are_of_python_itself(UNKNOWN, Items(came))
