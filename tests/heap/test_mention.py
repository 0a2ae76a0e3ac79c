"""Whether a library's own code speaks of an attribute."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.heap.mention import is_spoken_of

LIBRARY = """
class Base:
    declared: int

    def __init__(self):
        self.named = None
        self.__mangled = None
        setattr(self, "quoted", None)
        # a comment on remark


class Made(Base):
    own = None
"""
OTHER = """
def mark(made):
    made._marked = made.marked = True
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A class of a package on the disk."""
    directory: Path = tmp_path_factory.mktemp("spoken")
    package = directory / "spoken"
    package.mkdir()
    package.joinpath("__init__.py").write_text("")
    package.joinpath("part.py").write_text(LIBRARY)
    package.joinpath("other.py").write_text(OTHER)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        importlib.import_module("spoken.other")
        yield importlib.import_module("spoken.part").Made
    for name in [name for name in sys.modules if name.partition(".")[0] == "spoken"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("own", True, id="attribute-of-the-class"),
        pytest.param("named", True, id="attribute-in-the-code-of-a-base"),
        pytest.param("declared", True, id="annotation"),
        pytest.param("quoted", True, id="text"),
        pytest.param("_Base__mangled", True, id="mangled"),
        pytest.param("_marked", True, id="private-in-another-module-of-the-package"),
        pytest.param("marked", False, id="public-in-another-module-of-the-package"),
        pytest.param("remark", False, id="word-in-a-comment"),
        pytest.param("user", False, id="nowhere"),
        pytest.param("_user", False, id="private-and-nowhere"),
        pytest.param(7, True, id="no-name"),
    ],
)
def test_an_attribute_is_looked_for_in_the_source(made: Any, name: object, expected: bool) -> None:
    assert is_spoken_of(made, name) is expected


@pytest.mark.parametrize("holder", [types.SimpleNamespace, types.FunctionType, object])
def test_types_of_the_interpreter_speak_of_no_attribute(holder: type) -> None:
    assert not is_spoken_of(holder, "user")


@pytest.mark.parametrize("module", ["not_loaded_at_all", "sys", "no_such_file", "no_file"])
def test_code_without_source_may_speak_of_anything(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if module != "sys":
        loaded = types.ModuleType(module)
        loaded.__file__ = "/nowhere/no_such_file.py" if module == "no_such_file" else None
        if module != "not_loaded_at_all":
            monkeypatch.setitem(sys.modules, module, loaded)
    assert is_spoken_of(type("Made", (), {"__module__": module}), "user")
