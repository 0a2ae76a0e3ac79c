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
    assert opened == [str(source)]
