"""What modules held right after their import is what they begin with, also where a window was open."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless import imports

if TYPE_CHECKING:
    from tests.conftest import Project

BOOTSTRAP: Any = importlib._bootstrap


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], object]]:
    """Imports a module of the sources below, by an import statement."""
    sources = {
        "stateless_outer": "import stateless_inner",
        "stateless_inner": "",
        "stateless_broken": "import stateless_not_there",
        "stateless_raising": "raise ValueError",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name: exec(f"import {name}")
    for name in sources:
        sys.modules.pop(name, None)


@pytest.fixture
def told(load: Callable[[str], object]) -> Iterator[list[str]]:
    """Grows with each import that is told, once all is there that is imported."""
    found: list[str] = []
    imports.listen(lambda: found.append("told"))
    yield found
    imports.rest()


def test_an_import_is_told_once_with_all_that_it_imports(
    told: list[str], load: Callable[[str], object]
) -> None:
    load("stateless_outer")
    assert told == ["told"]
    load("stateless_outer")  # it is loaded already
    assert told == ["told"]
    sys.modules.pop("stateless_inner")
    importlib.import_module("stateless_inner")
    assert told == ["told"] * 2


def test_what_is_loaded_already_is_no_import_by_whatever_way(
    told: list[str], load: Callable[[str], object]
) -> None:
    for _ in range(3):
        importlib.import_module("stateless_outer")
    assert told == ["told"]
    vars(sys.modules["stateless_outer"])["__spec__"]._initializing = True  # another thread is still at it
    importlib.import_module("stateless_outer")
    assert told == ["told"] * 2


def test_what_stands_for_a_module_may_load_one(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "stateless_stands", type("Lazy", (types.ModuleType,), {})("stateless_stands")
    )
    importlib.import_module("stateless_stands")
    assert told == ["told"]


@pytest.mark.parametrize("name", ["stateless_broken", "stateless_raising"])
def test_a_failed_import_is_told_and_its_traceback_is_as_ever(
    name: str, told: list[str], load: Callable[[str], object]
) -> None:
    def files() -> list[str]:
        with pytest.raises((ImportError, ValueError)) as caught:
            load(name)
        return [Path(frame.filename).name for frame in traceback.extract_tb(caught.value.__traceback__)]

    listened_to = files()
    imports.rest()
    assert listened_to == files()
    assert told == ["told"]


def test_another_thread_is_not_told_of(told: list[str], load: Callable[[str], object]) -> None:
    thread = threading.Thread(target=load, args=("stateless_outer",))
    thread.start()
    thread.join()
    assert "stateless_outer" in sys.modules
    assert told == []


def test_the_place_is_given_back_and_somebody_elses_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = BOOTSTRAP._find_and_load
    imports.listen(lambda: None)
    assert BOOTSTRAP._find_and_load is not real
    imports.rest()
    assert BOOTSTRAP._find_and_load is real
    monkeypatch.setattr(BOOTSTRAP, "_find_and_load", lambda *given: real(*given))
    others = BOOTSTRAP._find_and_load
    imports.listen(lambda: None)
    assert BOOTSTRAP._find_and_load is others
    imports.rest()
    assert BOOTSTRAP._find_and_load is others


SHOP = """
REGISTRY = []
CARTS = {"alice": []}


def register(name):
    REGISTRY.append(name)


register("tea")
"""

PLUGIN = """
import formats
formats.FORMATS["png"] = formats.Format("png")
"""
BROKEN = """
import formats
formats.FORMATS["gif"] = formats.Format("gif")
import stateless_nowhere
"""

TESTS = """
import importlib
import formats
import pytest


@pytest.fixture(scope="module")
def rates():
    import rates
    rates.CARTS["fixture"] = []
    return rates


@pytest.mark.parametrize("name", ["cart", "till"])
def test_only_imports(name):
    assert importlib.import_module(name).REGISTRY


def test_imports_and_keeps():
    import orders
    orders.CARTS["bob"] = []
    orders.CARTS["alice"].append("tea")


def test_keeps_in_what_a_fixture_imported(rates):
    rates.CARTS["bob"] = []


def test_registers_a_plugin():
    import plugin


def test_tries_a_plugin():
    for _ in range(3):
        with pytest.raises(ImportError):
            import broken


def test_registers_by_itself():
    import tea
    formats.FORMATS["tea"] = formats.Format("tea")


def test_keeps_and_clears():
    import mails
    mails.CARTS["bob"] = []
    del mails.CARTS["bob"]
"""


def test_what_is_kept_in_a_module_just_imported_is_told(project: Project) -> None:
    for name in ("cart", "till", "orders", "rates", "mails", "tea"):
        project.write(f"{name}.py", SHOP)
    project.write(
        "formats.py", "FORMATS = {}\nclass Format:\n    def __init__(self, name): self.name = name\n"
    )
    project.write("plugin.py", PLUGIN)
    project.write("broken.py", BROKEN)
    project.write("test_shop.py", TESTS)
    project.run_apart("--stateless", "--stateless-report=json:leaks.json")
    left = {
        test["nodeid"].partition("::test_")[2]: [leak["subject"] for leak in test["leaks"]]
        for test in project.report()["tests"]
    }
    assert {name: sorted(subjects) for name, subjects in left.items() if subjects} == {
        "imports_and_keeps": ["orders.CARTS['alice']", "orders.CARTS['bob']"],
        "keeps_in_what_a_fixture_imported": ["rates.CARTS['bob']"],
        "registers_by_itself": ["formats.FORMATS['tea']"],
        "tries_a_plugin": ["formats.FORMATS['gif']"],
    }


def test_an_import_is_told_before_it_begins(load: Callable[[str], object]) -> None:
    found: list[tuple[str, bool]] = []

    def tell(when: str) -> None:
        found.append((when, "stateless_inner" in sys.modules))

    imports.listen(lambda: tell("after"), lambda: tell("before"))
    try:
        load("stateless_outer")
        assert found == [("before", False), ("after", True)]
        with pytest.raises(ValueError, match=r"^$"):
            load("stateless_raising")
        assert [when for when, _ in found] == ["before", "after"] * 2
    finally:
        imports.rest()
    assert len(found) == 4


def test_before_what_failed_once_nobody_looks_again(load: Callable[[str], object]) -> None:
    found: list[str] = []
    imports.listen(lambda: found.append("after"), lambda: found.append("before"))
    try:
        for _ in range(3):
            with pytest.raises(ValueError, match=r"^$"):
                load("stateless_raising")
        load("stateless_outer")
    finally:
        imports.rest()
    assert found == ["before", "after", "after", "after", "before", "after"]
