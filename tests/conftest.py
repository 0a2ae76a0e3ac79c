"""What the tests of the edge share: a small project to run pytest in, and what its run found."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json

# As the plugin's below: it has the pipe of the one tracker. Forgotten, it is still an attribute of its package, which
# goes on to use it, and nobody finds it.
import multiprocessing.resource_tracker  # noqa: F401
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Runs in this process forget the modules that they were first to import. The plugin's hold what the process has but
# once, its audit hook, and so must be the same in all runs.
import pytest_stateless.checks
import pytest_stateless.results  # noqa: F401
from pytest_stateless import children, doors, environment, loop_doors
from pytest_stateless.heap.scope import Scope
from pytest_stateless.unwatched import TOOL_PACKAGES

collect_ignore = ["suites"]  # suites of their own, run by python -m tests.suites


def _libraries() -> frozenset[str]:
    """The top-level packages that are loaded, but for the standard library's and those of test tools."""
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    return frozenset(loaded - sys.stdlib_module_names - TOOL_PACKAGES.keys() - {"py", "__main__"})


@functools.cache
def _with_requirements(package: str) -> frozenset[str]:
    """A top-level package and those of all the distributions that its own needs, extras aside."""
    found: set[str] = set()
    waiting = set(_distributions().get(package, ()))
    while waiting:
        name = waiting.pop()
        found.add(name)
        required = map(Requirement, _requires(name))
        waiting |= {
            canonicalize_name(one.name) for one in required if "extra ==" not in str(one.marker)
        } - found
    return frozenset(
        {package, *(one for one, names in _distributions().items() if found.intersection(names))}
    )


@functools.cache
def _distributions() -> Mapping[str, set[str]]:
    """The distributions that have a top-level package, by its name; Python 3.10's own table lacks most."""
    found: dict[str, set[str]] = defaultdict(set)
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        for package in {file.parts[0] for file in distribution.files or () if file.suffix == ".py"}:
            found[package.removesuffix(".py")].add(name)
    return dict(found)


def _requires(distribution: str) -> list[str]:
    try:
        return importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:  # needed on another system
        return []


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
        """Run pytest in this process, without a look at the libraries that only other tests use.

        Many are loaded here, and to search all their memory takes most of a run. Who needs them watched, whatever the
        project uses, calls ``run_apart``.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(environment, "scope_of", self._scope_without(self._unused_libraries(arguments)))
            return self._pytester.runpytest_inprocess(*arguments)

    def _unused_libraries(self, arguments: Iterable[str]) -> frozenset[str]:
        """What is loaded beside the standard library, the test tools, and what the project names or that requires."""
        files = [path for path in self.path.rglob("*") if path.suffix in (".py", ".ini", ".toml")]
        texts = (*arguments, *(f"{path.relative_to(self.path)} {path.read_text('utf-8')}" for path in files))
        named = {word for text in texts for word in re.findall(r"\w+", text)}
        return _libraries().difference(*map(_with_requirements, _libraries() & named))

    @staticmethod
    def _scope_without(packages: frozenset[str]) -> Callable[..., Scope]:
        real = environment.scope_of

        def scope_of(*arguments: Any) -> Scope:
            scope = real(*arguments)
            return dataclasses.replace(scope, without_packages=scope.without_packages | packages)

        return scope_of

    def run_apart(self, *arguments: str, stdin: bytes = b"") -> pytest.RunResult:
        """Run pytest in a process of its own, which reads ``stdin`` and then meets its end."""
        command = (*self._pytester._getpytestargs(), *arguments)
        return self._pytester.run(*command, timeout=300, stdin=stdin)

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


@pytest.fixture(autouse=True)
def _places_given_back() -> Iterator[None]:
    """Stand-ins stay from window to window: those of a test's windows end with it."""
    yield
    for stand_ins in (children, doors, loop_doors):
        stand_ins.remove()


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Project:
    """A small project of a user's."""
    own_memory = request.node.get_closest_marker("own_memory") is not None
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv(
        "PYTEST_ADDOPTS", "-p stateless --stateless-scope=application" if own_memory else "-p stateless"
    )
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
        """Run with every test checked, in this process, whose memory is large: it is the project's that is watched.

        ``--stateless-scope=all`` asks for the rest.
        """
        return self.run(*self._OPTIONS, "--stateless-scope=application", *arguments)

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
