"""What the tests of the edge share: a small project to run pytest in, and what its run found."""

from __future__ import annotations

import json

# As the plugin's below: it has the pipe of the one tracker. Forgotten, it is still an attribute of its package, which
# goes on to use it, and nobody finds it.
import multiprocessing.resource_tracker  # noqa: F401
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

# Runs in this process forget the modules that they were first to import. The plugin's hold what the process has but
# once, its audit hook, and so must be the same in all runs.
import pytest_stateless.checks
import pytest_stateless.results  # noqa: F401

collect_ignore = ["suites"]  # suites of their own, run by python -m tests.suites


class Project:
    """An empty project; its runs load this plugin, and of the others those that they ask for by ``-p``."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.path: Path = pytester.path

    def write(self, name: str, text: str) -> Path:
        """Make a file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        return self._pytester.runpytest_inprocess(*arguments)

    def run_apart(self, *arguments: str, stdin: bytes = b"") -> pytest.RunResult:
        """Run pytest in a process of its own, which reads ``stdin`` and then meets its end."""
        command = (*self._pytester._getpytestargs(), *arguments)
        return self._pytester.run(*command, timeout=120, stdin=stdin)

    def found(self, *arguments: str) -> dict[str, list[str]]:
        """Run pytest and say what its tests left behind: rule and subject, by the name of the test."""
        self.run("--stateless-report=json:leaks.json", *arguments)
        return {
            test["nodeid"]: [f"{leak['rule']} {leak['subject']}" for leak in test["leaks"]]
            for test in self.report()["tests"]
        }

    def report(self, name: str = "leaks.json") -> Mapping[str, Any]:
        """A JSON report that a run wrote."""
        found: Mapping[str, Any] = json.loads(self.path.joinpath(name).read_text("utf-8"))
        return found


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project of a user's."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p stateless")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return Project(pytester)


_COUNT = """
import pytest
from pathlib import Path
LEFT = []
CARTS = {}
RUNS = Path(__file__).with_name("runs.txt")
def count():
    number = len(RUNS.read_text()) if RUNS.exists() else 0
    RUNS.write_text("x" * (number + 1))
    return number + 1
"""


class CountedProject(Project):
    """A project whose tests can call ``count()``, which says for the how manieth time; files are no leaks of it."""

    _OPTIONS = ("--stateless", "--stateless-allow=file-write:*", "--stateless-report=json:leaks.json")

    def write_test(self, text: str) -> None:
        """Make the test file; its first line is the eleventh of the file."""
        self.write("test_shop.py", _COUNT + textwrap.dedent(text))

    def check(self, *arguments: str) -> pytest.RunResult:
        """Run with every test checked, in this process."""
        return self.run(*self._OPTIONS, *arguments)

    def check_apart(self, *arguments: str, stdin: bytes = b"") -> pytest.RunResult:
        """Run with every test checked, in a process of its own."""
        return self.run_apart(*self._OPTIONS, *arguments, stdin=stdin)

    @property
    def runs(self) -> int:
        """How often ``count()`` was called."""
        path = self.path / "runs.txt"
        return len(path.read_text()) if path.exists() else 0

    def blamed(self) -> dict[str, str]:
        """What is said of each leak: the function that did it, or a note."""
        return {
            leak["subject"].removeprefix("test_shop."): leak["origin"]["function"]
            if leak["origin"]
            else leak["note"]
            for test in self.report()["tests"]
            for leak in test["leaks"]
        }


@pytest.fixture
def counted(project: Project) -> CountedProject:
    """A project that counts how often its tests run; skipped where this run's own tracer can't be shared."""
    if sys.version_info < (3, 12) and sys.gettrace() is not None:
        pytest.skip("this run itself is traced")
    return CountedProject(project._pytester)
