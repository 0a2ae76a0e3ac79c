"""Which attributes a program's code sets on lasting things, told by its instructions."""

from __future__ import annotations

import sys
import textwrap
import types

import pytest

from pytest_stateless.heap.written import names_written, written_by


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("def f(key): stripe.api_key = key", {"api_key"}, id="on-a-module"),
        pytest.param("def f(key): stripe.client.key = key", {"key"}, id="on-an-attribute-of-a-module"),
        pytest.param("def f(key):\n    import stripe\n    stripe.key = key", {"key"}, id="on-a-module-imported-inside"),
        pytest.param("def f(key):\n    from a import b as c\n    c.key = key", {"key"}, id="on-a-name-imported-inside"),
        pytest.param("class A:\n    def f(self, key): self.key = key", set(), id="on-itself"),
        pytest.param("class A:\n    def f(self, key): self.part.key = key", set(), id="on-a-part-of-itself"),
        pytest.param("def f(thing, key): thing.key = key", set(), id="on-an-argument"),
        pytest.param("def f(key):\n    thing = make()\n    thing.key = key", set(), id="on-what-it-made"),
        pytest.param("def f(key):\n    def g(): STATE.key = key\n    return g", {"key"}, id="in-a-function-within"),
        pytest.param("class A:\n    def f(self, key): STATE.key = key", {"key"}, id="in-a-method"),
        pytest.param("def f(key): key = STATE.key", set(), id="read"),
        pytest.param("def f(key): STATE['key'] = key", set(), id="item"),
        pytest.param("def f(key): STATE.parts['a'].key = key", {"key"}, id="on-an-item-of-a-part"),
        pytest.param("def f(key): STATE[0].key = key", {"key"}, id="on-an-item-by-number"),
        pytest.param("def f(it, key): STATE[it.name].key = key", {"key"}, id="on-an-item-by-an-attribute"),
        pytest.param("def f(key): STATE[NAME].key = key", {"key"}, id="on-an-item-by-a-global"),
        pytest.param("def f(it, key): it[NAME].key = key", set(), id="on-an-item-of-an-argument"),
        pytest.param("class A:\n    def f(self, key): self.parts[0].key = key", set(), id="on-an-item-of-itself"),
        pytest.param("def f(): STATE['a'].count += 1", {"count"}, id="added-to-an-item"),
        pytest.param("def f(): STATE.a = 1; STATE.b = 2", {"a", "b"}, id="two"),
        pytest.param("def f(): del STATE.part.a", {"a"}, id="deleted"),
        pytest.param("def f(thing): del thing.a", set(), id="deleted-from-an-argument"),
        pytest.param("def f(): STATE.count += 1", {"count"}, id="added-to"),
        pytest.param("def f(): STATE.part.count += STATE.step * 2", {"count"}, id="added-to-a-part"),
        pytest.param("class A:\n    def f(self): self.count += STATE.step", set(), id="added-to-itself"),
        pytest.param(
            "def f(x):\n" + "".join(f"    x.n{n}\n" for n in range(300)) + "    STATE.last = x", {"last"}, id="many-names"
        ),
    ],
)  # fmt: skip
def test_the_attributes_are_told(text: str, names: set[str]) -> None:
    assert set(written_by(compile(textwrap.dedent(text), "shop.py", "exec"))) == names


def test_only_functions_of_the_modules_count(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for name, text in (
        ("stateless_shop", "old"),
        ("stateless_shop", "shop"),
        ("stateless_library", "library"),
    ):
        module = types.ModuleType(name)
        exec(f"def f(): STATE.of_{text} = 1", vars(module))
        monkeypatch.setitem(sys.modules, name, module)  # another of the name takes the place of the first
        made.append(module)
    assert names_written(frozenset({"stateless_shop", "stateless_missing"})) == {"of_shop"}
