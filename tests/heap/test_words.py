"""What a package knows by name, of modules made by hand, and what the application says."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_stateless.heap import words
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.words import Words

PACKAGE, SHOP = "stateless_known", "stateless_known_shop"

TEXT = """
FORMATS = {"Rich Text": ("rtf", ["doc"])}
CACHE = {"cached": "bobby"}
NAME = "titled"
class Lexer:
    aliases = ["py3"]
def find(name):
    def inner():
        return {"inside": 1}
    return name in ("in-a-tuple", "x")
"""
SHOP_TEXT = """
USER = "bobby"
def view():
    return "carol"
def client():
    return ("mallory", "smith")
view = [view]
"""


def _module(name: str, text: str) -> types.ModuleType:
    module = sys.modules[name] = types.ModuleType(name)
    exec(text, vars(module))
    return module


@pytest.fixture
def package(tmp_path: Path) -> Iterator[types.ModuleType]:
    (tmp_path / "locale-data").mkdir()
    (tmp_path / "locale-data/pt_BR.dat").touch()
    module = _module(PACKAGE, TEXT)
    module.__path__ = [str(tmp_path), str(tmp_path / "gone")]
    _module(f"{PACKAGE}.backends", "")
    _module(SHOP, SHOP_TEXT)
    yield module
    for name in (PACKAGE, f"{PACKAGE}.backends", SHOP):
        del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        pytest.param("Rich Text", True, id="key-in-a-module"),
        pytest.param("doc", True, id="deep-in-a-module"),
        pytest.param("titled", True, id="value-in-a-module"),
        pytest.param("FORMATS", True, id="name-in-a-module"),
        pytest.param("aliases", True, id="name-in-a-class"),
        pytest.param("py3", True, id="value-in-a-class"),
        pytest.param("inside", True, id="constant-of-an-inner-function"),
        pytest.param("in-a-tuple", True, id="constant-in-a-tuple"),
        pytest.param("backends", True, id="module"),
        pytest.param("pt_BR", True, id="file"),
        pytest.param("pt-br", True, id="spelled-otherwise"),
        pytest.param("pt_BR/rtf", True, id="made-of-two"),
        pytest.param("pt_BR/bobby", False, id="made-of-one-and-another"),
        pytest.param("bobby", False, id="what-is-asked-about"),
        pytest.param("cached", False, id="key-that-came"),
        pytest.param("before", True, id="what-was-there-before"),
        pytest.param("carol", False, id="of-the-application"),
        pytest.param("\0/x", False, id="no-path"),
    ],
)
def test_a_package_knows_what_it_had_before(package: types.ModuleType, text: str, known: bool) -> None:
    before = {identity(package.CACHE): ["before"]}
    assert Words(before=before).knows(PACKAGE, text) is known


def test_a_time_zone_of_the_system_is_known(
    package: types.ModuleType, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = tmp_path_factory.mktemp("zones")
    (zones / "Europe").mkdir()
    (zones / "Europe/Berlin").touch()
    monkeypatch.setattr(words, "_ZONES", (str(zones),))
    asked = Words()
    assert asked.knows(PACKAGE, "Europe/Berlin")
    assert not asked.knows(PACKAGE, "Europe/Nowhere")
    assert not asked.knows(PACKAGE, f"../{zones.name}/Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("bobby", True, id="of-a-module"),
        pytest.param("carol", True, id="of-a-function-that-no-name-leads-to"),
        pytest.param("smith", True, id="in-a-tuple"),
        pytest.param("USER", False, id="name"),
        pytest.param("titled", False, id="of-a-library"),
    ],
)
def test_the_application_says_what_its_code_has(package: types.ModuleType, text: str, said: bool) -> None:
    assert Words({SHOP}).says(text) is said


def test_a_package_without_modules_knows_nothing() -> None:
    assert not Words().knows("stateless_unknown", "bobby")
