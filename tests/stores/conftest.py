"""Shops that keep state in somebody else's store, each run by a pytest of its own.

A shop is a module of ``shops``. Its docstring says what it needs. Every function of it that says what it leaks, a
pattern a line, is a way to leave state behind, and ``forget`` is what a well-behaved test does afterwards.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

SHOPS = Path(__file__).with_name("shops")

COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "stateless", "--stateless-report=json:leaks.json"]
HEAD = """
import pytest
import shop


@pytest.fixture
def forgotten():
    yield
    shop.forget()
"""
LEAVES = """
@pytest.mark.stateless
def test_{way}_leaves():
    shop.{way}()


def test_{way}_afterwards():
    shop.forget()
"""
CLEARS = """
@pytest.mark.stateless
def test_{way}_clears(forgotten):
    shop.{way}()
"""


class Way(NamedTuple):
    """One way to leave state behind."""

    shop: str
    name: str
    leaks: tuple[str, ...]
    needs: tuple[str, ...]


def ways_of(shop: Path) -> Iterator[Way]:
    """What a shop's source says of itself; it isn't imported here."""
    tree = ast.parse(shop.read_text("utf-8"))
    needs = tuple((ast.get_docstring(tree) or "").removeprefix("needs:").replace(",", " ").split())
    for node in tree.body:
        said = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
        if isinstance(node, ast.FunctionDef) and said is not None and said.startswith("leaks:"):
            lines = map(str.strip, said.removeprefix("leaks:").splitlines())
            yield Way(shop.stem, node.name, tuple(filter(None, lines)), needs)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask for each way to leave state behind in turn."""
    if "way" in metafunc.fixturenames:
        ways = [way for shop in sorted(SHOPS.glob("*.py")) for way in ways_of(shop)]
        metafunc.parametrize(
            "way",
            [pytest.param(way, id=f"{way.shop}-{way.name}", marks=_marks(way)) for way in ways],
        )


def _marks(way: Way) -> list[pytest.MarkDecorator]:
    """Of one worker, which runs a shop once for all its ways.

    Skipped where a library is missing; tox's environment for these tests takes that for a failure.
    """
    group = pytest.mark.xdist_group(way.shop)
    missing = [name for name in way.needs if importlib.util.find_spec(_module_of(name)) is None]
    if missing and not os.environ.get("STATELESS_STORES"):
        return [group, pytest.mark.skip(reason=f"not installed: {', '.join(missing)}")]
    return [group]


def _module_of(package: str) -> str:
    return {"attrs": "attr"}.get(package, package)


@cache
def _run(shop: str, leaves_first: bool, directory: Path) -> Mapping[str, list[str]]:
    """Run the tests of a shop; gives the subjects of their leaks by the name of the test."""
    directory.mkdir()
    source = SHOPS / f"{shop}.py"
    parts = (LEAVES, CLEARS) if leaves_first else (CLEARS, LEAVES)
    tests = "".join(part.format(way=way.name) for way in ways_of(source) for part in parts)
    (directory / "shop.py").write_bytes(source.read_bytes())
    (directory / "test_shop.py").write_text(HEAD + tests, "utf-8")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        COMMAND, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads((directory / "leaks.json").read_text("utf-8"))
    assert report["checked"] == tests.count("mark.stateless"), done.stdout
    assert not any(test["internal_errors"] for test in report["tests"]), done.stdout
    return {
        test["nodeid"].partition("::test_")[2]: [
            leak["subject"] for leak in test["leaks"] if leak["severity"] == "error"
        ]
        for test in report["tests"]
    }


@pytest.fixture(scope="session")
def left_by(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Way, str], list[str]]:
    """Says what was left behind by a way's test that leaves it or that clears it, first or last of the two."""
    base = tmp_path_factory.mktemp("stores")

    def left(way: Way, order: str) -> list[str]:
        what, when = order.split()
        leaves_first = (what == "leaves") == (when == "first")
        return _run(way.shop, leaves_first, base / f"{way.shop}-{leaves_first}").get(f"{way.name}_{what}", [])

    return left
