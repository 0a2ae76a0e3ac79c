"""Whole runs of pytest, with and without the plugin."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Final

from pytest_stateless.detectors import RULES
from tests.bench.applications import write, write_requests, write_tests
from tests.bench.measure import PAIRS, pairs, pytest_seconds

TESTS: Final = 300  # of an application, or requests of one test
_MARKED: Final = "pytestmark = pytest.mark.stateless"
_TRIVIAL: Final = (
    "import pytest\n\n@pytest.mark.parametrize('n', range(2000))\ndef test_trivial(n):\n    assert n >= 0\n"
)


def _but(*wanted: str) -> list[str]:
    """Options that switch all other rules off."""
    return [f"--stateless-severity={rule.id}:*=off" for rule in RULES if rule.id not in wanted]


_RULES: Final = {
    "every rule": [],
    "memory, files and ports": _but("module-state", "file-write", "listening-socket", "unexpected-port"),
    "memory alone": _but("module-state"),
    "no rule": _but(),
}


def unmarked(directory: Path) -> None:
    """2,000 trivial tests without a marker, with and without the plugin."""
    (directory / "test_trivial.py").write_text(_TRIVIAL)
    times = pairs(
        lambda: pytest_seconds(directory), lambda: pytest_seconds(directory, "-p", "no:stateless"), 2 * PAIRS
    )
    ratio = statistics.median(with_it / without for with_it, without in times)
    with_it, without = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"unmarked, 2,000 tests      with {with_it:.3f} s, without {without:.3f} s, ratio {ratio:.3f}")


def start_up(directory: Path) -> None:
    """An empty suite, with and without the plugin."""
    times = pairs(
        lambda: pytest_seconds(directory, "--co"),
        lambda: pytest_seconds(directory, "--co", "-p", "no:stateless"),
        15,
    )
    difference = statistics.median(with_it - without for with_it, without in times)
    print(f"start-up                   {difference * 1000:+.1f} ms over plain pytest")


def marked(directory: Path, name: str, source: str) -> None:
    """What a marked test costs over an unmarked one, for each scope."""
    write(directory, source)
    for scope in ("all", "application"):
        for rules, arguments in _RULES.items():
            fixed = cost_of_a_test(directory, _MARKED, "--stateless-scope", scope, *arguments)
            print(f"marked, {name:16}   {fixed:.2f} ms a test, scope {scope}, {rules}")


def requests(directory: Path, name: str, source: str) -> None:
    """What a request as a window costs over one in an unmarked test, for each scope; with Flask."""
    if name != "Flask":
        return
    write(directory, source)
    for scope in ("all", "application"):
        for rules, arguments in _RULES.items():
            fixed = cost_of_a_request(
                directory, "--stateless-requests", "each", "--stateless-scope", scope, *arguments
            )
            print(f"a request, {name:15}  {fixed:.2f} ms a request, scope {scope}, {rules}")


def cost_of_a_request(directory: Path, *arguments: str, count: int = PAIRS) -> float:
    """Milliseconds that a request of a marked test costs over one of a plain test, without the first."""
    files = {
        (kind, number): write_requests(
            directory, f"test_{kind}_{number}.py", number, "@pytest.mark.stateless" * (kind == "checked")
        )
        for kind in ("checked", "plain")
        for number in (1, 1 + TESTS)
    }
    return _cost(directory, files, arguments, count)


def cost_of_a_test(directory: Path, mark: str, *arguments: str, count: int = PAIRS) -> float:
    """Milliseconds that a test costs over a plain one, without the first of a run, which discovers."""
    files = {
        (kind, tests): write_tests(directory, f"test_{kind}_{tests}.py", tests, mark * (kind == "checked"))
        for kind in ("checked", "plain")
        for tests in (1, 1 + TESTS)
    }
    return _cost(directory, files, arguments, count)


def _cost(
    directory: Path, files: dict[tuple[str, int], str], arguments: tuple[str, ...], count: int
) -> float:
    """Milliseconds that one of many costs in the checked files over one in the plain ones."""

    def cost(kind: str, *more: str) -> float:
        many, one = (pytest_seconds(directory, files[kind, tests], *more) for tests in (1 + TESTS, 1))
        return (many - one) / TESTS

    times = pairs(lambda: cost("checked", *arguments), lambda: cost("plain"), count)
    return statistics.median(checked - plain for checked, plain in times) * 1000
