"""Keys, values and paths are spelled the same on every run, without secrets, and ask nothing of the program."""

from __future__ import annotations

import math
import secrets
import tempfile
import types
import uuid
from collections import OrderedDict, deque
from typing import Any

import pytest

from pytest_stateless.heap.spell import (
    _beginning,
    _Temporary,
    spell_entry,
    spell_key,
    spell_type,
    spell_value,
    take_for_temporary,
    without_run,
)


class Loud(str):
    """Text that must not be asked for anything."""

    __slots__ = ()

    def _raise(self, *_: object) -> Any:
        raise AssertionError("asked")

    __str__ = __format__ = __repr__ = __len__ = _raise


class Hostile:
    """What must not be asked for anything."""

    def _raise(self, *_: object) -> Any:
        raise AssertionError("asked")

    __repr__ = __str__ = __len__ = __iter__ = __eq__ = __bool__ = __format__ = _raise
    __hash__ = object.__hash__


class Shelf(dict[Any, Any]):
    """A dictionary that lies about its size."""

    def __len__(self) -> int:
        raise AssertionError("asked")


def nested(depth: int) -> tuple[Any, ...]:
    """Tuples within tuples."""
    made: tuple[Any, ...] = ()
    for _ in range(depth):
        made = (made,)
    return made


def _named(name: str) -> Any:
    cls = type("Class", (), {})
    cls.__qualname__ = name
    return cls


def _function(name: str) -> Any:
    def function() -> None: ...

    function.__qualname__ = name
    return function


@pytest.mark.parametrize(
    ("key", "spelled"),
    [
        pytest.param("bob", "'bob'", id="text"),
        pytest.param("it's", '"it\'s"', id="quote"),
        pytest.param("a\nb\x1b[31m", r"'a\nb\x1b[31m'", id="control-characters"),
        pytest.param(b"bob", "b'bob'", id="bytes"),
        pytest.param(b"\xff", "b'ÿ'", id="bytes-that-are-no-text"),
        pytest.param(7, "7", id="number"),
        pytest.param(-7, "-7", id="negative-number"),
        pytest.param(1.5, "1.5", id="fraction"),
        pytest.param(True, "True", id="bool"),
        pytest.param(None, "None", id="none"),
        pytest.param(math.inf, "<float>", id="infinity"),
        pytest.param(math.nan, "nan", id="nan"),
        pytest.param(140_234_567_890, "<int>", id="address"),
        pytest.param(-(10**9), "<int>", id="large-negative-number"),
        pytest.param(1_764_000_000, "<int>", id="time"),
        pytest.param(1_764_000_000.25, "<float>", id="time-with-a-fraction"),
        pytest.param(3.1415926535897931, "<float>", id="measured"),
        pytest.param(("bob", 1), "('bob', 1)", id="tuple"),
        pytest.param(("bob",), "('bob',)", id="tuple-of-one"),
        pytest.param((), "()", id="empty-tuple"),
        pytest.param((("a", 2**50), None), "(('a', <int>), None)", id="tuples"),
        pytest.param(tuple(range(9)), "<tuple>", id="long-tuple"),
        pytest.param(nested(5000), "((((<tuple>,),),),)", id="deep-tuple"),
        pytest.param(frozenset({1}), "<frozenset>", id="frozenset"),
        pytest.param(Hostile(), "<Hostile>", id="instance"),
        pytest.param(Loud("bob"), "<Loud>", id="subclass-of-text"),
        pytest.param(int, "<type>", id="class"),
        pytest.param("x" * 40, "'" + "x" * 40 + "'", id="long-text"),
        pytest.param("x" * 41, "<str (41 characters)>", id="longer-text"),
        pytest.param(b"x" * 41, "<bytes (41 bytes)>", id="longer-bytes"),
        pytest.param("0123456789abcdef", "<str (16 characters)>", id="digest"),
        pytest.param("deadbeef", "'deadbeef'", id="short-word-of-hexadecimal-letters"),
        pytest.param("accededaccededac", "'accededaccededac'", id="word-without-digits"),
        pytest.param("users-by-country-2025", "'users-by-country-2025'", id="name-with-a-number"),
        pytest.param("PYTEST_VERSION_NUMBER_2", "'PYTEST_VERSION_NUMBER_2'", id="name-of-a-variable"),
        pytest.param("LIMITER/bob/5/1/minute", "'LIMITER/bob/5/1/minute'", id="words-and-numbers"),
        pytest.param("aB3dE/bob/5/1/minute-x", "<str (22 characters)>", id="words-and-a-token"),
        pytest.param("text/html; charset=utf-8", "'text/html; charset=utf-8'", id="content-type"),
        pytest.param("<C object at 0x7f3a5c2b1d90>", "'<C object at 0x…>'", id="address-in-text"),
    ],
)  # fmt: skip
def test_a_key_is_spelled_as_python_unless_it_may_be_a_secret(key: object, spelled: str) -> None:
    assert spell_key(key) == spelled


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(uuid.UUID(int=0x123456789ABCDEF0123456789ABCDEF0).hex, id="uuid-as-hex"),
        pytest.param(str(uuid.UUID(int=0x123456789ABCDEF0123456789ABCDEF0)), id="uuid"),
        pytest.param("Drmhze6EPcv0fN_81Bj-nA", id="token-of-16-bytes"),
        pytest.param("mTaPzE7Q9-ukxLwFyN0vh3_d", id="token-of-18-bytes"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9eyJzdWIi", id="part-of-a-json-web-token"),
        pytest.param(secrets.token_hex(), id="fresh-token"),
    ],
)
def test_a_token_is_not_spelled(key: str) -> None:
    assert key not in spell_key(key)
    assert spell_key(key.encode()) == f"<bytes ({len(key)} bytes)>"


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        pytest.param("/tmp/pytest-of-bob/pytest-17/test_a0/x", "<tmp>/test_a0/x", id="pytest"),
        pytest.param("/tmp/pytest-of-bob/pytest-17/popen-gw3/test_a0", "<tmp>/test_a0", id="xdist"),
        pytest.param("/var/folders/a+b/T/pytest-of-bob/pytest-1", "<tmp>", id="elsewhere"),
        pytest.param(f"{tempfile.gettempdir()}/abc", "<tmp>/abc", id="system"),
        pytest.param(f"{tempfile.gettempdir()}/tmpab1cd2ef/a.txt", "<tmp>/tmp*/a.txt", id="tempfile"),
        pytest.param(
            f"cat '{tempfile.gettempdir()}/shop-ab1cd2ef.log'", "cat '<tmp>/shop-*.log'", id="prefix"
        ),
        pytest.param("/tmp/pytest-of-bob/pytest-17/receipts/x", "<tmp>/receipts/x", id="a-word"),
        pytest.param("/srv/tmpab1cd2ef", "/srv/tmpab1cd2ef", id="no-temporary-directory"),
        pytest.param(f"{tempfile.gettempdir()}orary", f"{tempfile.gettempdir()}orary", id="longer-name"),
        pytest.param("at 0x7f3a5c2b1d90 and 0xff", "at 0x… and 0xff", id="addresses"),
        pytest.param("plain", "plain", id="plain"),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(text: str, spelled: str) -> None:
    assert without_run(text) == spelled


def test_a_system_whose_temporary_directory_is_the_root_keeps_its_paths() -> None:
    assert _beginning({"/"}).sub("<tmp>", "/srv/shop") == "/srv/shop"


def test_where_pytest_was_told_to_have_its_directories_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Temporary, "pattern", None)  # set, and so put back
    take_for_temporary(["/srv/elsewhere", "/srv/elsewhere/popen-gw0", "/tmp/pytest-of-bob/pytest-1/mine"])
    texts = ["/srv/elsewhere/popen-gw0/a", "/srv/elsewhere/a", "/srv/elsewhere", "/srv/elsewhere-too"]
    texts += ["/tmp/pytest-of-bob/pytest-1/mine/a", "/tmp/pytest-of-bob/pytest-1/a"]
    told = ["<tmp>/a", "<tmp>/a", "<tmp>", "/srv/elsewhere-too", "<tmp>/a", "<tmp>/a"]
    assert list(map(without_run, texts)) == told


@pytest.mark.parametrize(
    ("label", "attribute", "spelled"),
    [
        pytest.param("name", True, ".name", id="attribute"),
        pytest.param("name", False, "['name']", id="item"),
        pytest.param("not a name", True, "['not a name']", id="attribute-that-is-no-name"),
        pytest.param("n" * 81, True, "[<str (81 characters)>]", id="attribute-that-is-too-long"),
        pytest.param(Loud("name"), True, "[<Loud>]", id="attribute-of-another-type"),
        pytest.param(0, False, "[0]", id="position"),
    ],
)
def test_a_step_of_a_path_is_spelled_as_python(label: object, attribute: bool, spelled: str) -> None:
    assert spell_entry(label, attribute) == spelled


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        pytest.param(None, "None", id="none"),
        pytest.param(5, "int", id="number"),
        pytest.param(True, "bool", id="bool"),
        pytest.param("a", "str (1 character)", id="text-of-one"),
        pytest.param("", "str (0 characters)", id="empty-text"),
        pytest.param(b"ab", "bytes (2 bytes)", id="bytes"),
        pytest.param(bytearray(b"ab"), "bytearray (2 items)", id="bytearray"),
        pytest.param([1], "list (1 item)", id="list"),
        pytest.param({}, "dict (0 items)", id="dict"),
        pytest.param(OrderedDict(a=1), "OrderedDict (1 item)", id="ordered-dict"),
        pytest.param(deque([1, 2]), "deque (2 items)", id="deque"),
        pytest.param(frozenset({1}), "frozenset (1 item)", id="frozenset"),
        pytest.param(Shelf(a=1), "Shelf (1 item)", id="subclass-that-lies"),
        pytest.param(Hostile(), "Hostile object", id="instance"),
        pytest.param(Loud("a"), "Loud object", id="subclass-of-text"),
        pytest.param(Hostile, "class Hostile", id="class"),
        pytest.param(_named("Cart"), "class Cart", id="class-by-its-qualified-name"),
        pytest.param(_named(Loud("Cart")), "class Cart", id="class-with-a-hostile-name"),
        pytest.param(_function("add"), "function add", id="function"),
        pytest.param(_function(Loud("add")), "function add", id="function-with-a-hostile-name"),
        pytest.param(types, "module", id="module"),
    ],
)
def test_a_value_is_told_by_type_and_size(value: object, spelled: str) -> None:
    assert spell_type(value) == spelled


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("bob", "'bob'", id="text"),
        pytest.param(5, "5", id="number"),
        pytest.param(10**300, "<int>", id="huge-number"),
        pytest.param(None, "None", id="none"),
        pytest.param([1, (2,), {3}], "[1, (2), {3}]", id="sequences"),
        pytest.param({"a": [1]}, "{'a': [1]}", id="dict"),
        pytest.param(deque([1]), "deque([1])", id="deque"),
        pytest.param(frozenset({1}), "frozenset({1})", id="frozenset"),
        pytest.param([[[[[1]]]]], "[[[[<list (1 item)>]]]]", id="deep"),
        pytest.param(list(range(25)), f"[{', '.join(map(str, range(20)))}, …]", id="long-list"),
        pytest.param(dict.fromkeys(range(21), 0),
                     "{" + ", ".join(f"{number}: 0" for number in range(20)) + ", …}", id="long-dict"),
        pytest.param([Hostile(), Loud("a")], "[<Hostile object>, <Loud object>]", id="hostile"),
        pytest.param({Hostile(): Shelf(a=1)}, "{<Hostile object>: <Shelf (1 item)>}", id="hostile-key"),
    ],
)  # fmt: skip
def test_a_value_is_shown_without_asking_it(value: object, shown: str) -> None:
    assert spell_value(value) == shown


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * 10_000, id="text"),
        pytest.param([["x" * 500] * 100] * 100, id="lists"),
        pytest.param(
            {n: {m: {k: {"x" * 500} for k in range(30)} for m in range(30)} for n in range(30)}, id="dicts"
        ),
    ],
)
def test_what_is_shown_of_a_value_is_bounded(value: object) -> None:
    shown = spell_value(value)
    assert len(shown) == 200
    assert shown.endswith("…")
