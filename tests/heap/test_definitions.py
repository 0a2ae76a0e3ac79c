"""Which module defines what another one has: read in its source only where it can be another one."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pytest_stateless.heap import definitions
from pytest_stateless.heap.definitions import Definitions

NESTED = """
from a import one
try:
    from b import two
except ImportError:
    from c import three
else:
    from d import four
finally:
    from e import five
def function():
    with open("x") as file:
        from f import six
    while True:
        for _ in ():
            from g import seven
    return lambda: [1 if file else 2]
class Class:
    if True:
        from h import eight
    match 1:
        case 1:
            from i import nine
"""


def test_all_statements_are_found_in_the_order_of_a_walk() -> None:
    tree = ast.parse(NESTED)
    walked = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found = [node for node in definitions._statements(tree) if isinstance(node, ast.ImportFrom)]
    assert found == walked
    assert len(found) == 9


def test_a_source_is_read_only_where_modules_share_a_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def record(file: str, mode: str) -> Any:
        opened.append(file)
        return open(file, mode)

    monkeypatch.setattr(definitions, "_open", record)
    source = tmp_path / "user.py"
    source.write_text("from stateless_maker import shared\nown = []\n")
    maker, user = types.ModuleType("stateless_maker"), types.ModuleType("stateless_user")
    vars(maker).update(shared=[])
    vars(user).update(shared=vars(maker)["shared"], own=[], __file__=str(source), __package__="")
    for module in (maker, user):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert Definitions().of("stateless_user", ".own") == ("stateless_user", ".own")
    assert opened == []
    assert Definitions().of("stateless_user", ".shared") == ("stateless_maker", ".shared")
    assert set(opened) == {str(source)}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        pytest.param("from a import one", ["one"], id="plain"),
        pytest.param("from a import one as two, three", ["two", "three"], id="renamed"),
        pytest.param("from a import (\n    one,  # (a note)\n    two,\n)", ["one", "two"], id="parentheses"),
        pytest.param("from a \\\n  import one, \\\n  two", ["one", "two"], id="continued"),
        pytest.param(
            "try: from . import one\nexcept E: from .b import two; x = 1", ["one", "two"], id="inline"
        ),
        pytest.param("from a import *", ["anything"], id="star"),
    ],
)
def test_a_source_that_imports_a_name_is_parsed(source: str, names: list[str], tmp_path: Path) -> None:
    assert _may_import(tmp_path, source, *names) == names


def test_a_source_that_only_speaks_of_a_name_is_not_parsed(tmp_path: Path) -> None:
    source = "from a import one\n\ndef two():\n    import three\n    return one.four"
    assert _may_import(tmp_path, source, "two", "three", "four", "on") == []


def _may_import(folder: Path, source: str, *names: str) -> list[str]:
    file = folder / "source.py"
    file.write_text(source)
    return [name for name in names if definitions._may_import(str(file), name)]
