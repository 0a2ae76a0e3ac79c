"""A text is found in each of its spellings, and nowhere else."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_stateless.needles import Needle, Straw, straw_of

Spell = Callable[[str], bytes]

SPELLINGS: dict[str, tuple[str, Spell]] = {
    "plain": ("", lambda text: text.encode()),
    "base64": ("base64", lambda text: base64.b64encode(text.encode())),
    "base64-for-urls": ("base64", lambda text: base64.urlsafe_b64encode(text.encode())),
    "hex": ("hexadecimal", lambda text: text.encode().hex().encode()),
    "HEX": ("hexadecimal", lambda text: text.encode().hex().upper().encode()),
    "utf-16": ("UTF-16", lambda text: text.encode("utf-16")),
    "utf-16-be": ("UTF-16", lambda text: text.encode("utf-16-be")),
    "utf-32": ("UTF-32", lambda text: text.encode("utf-32")),
    "utf-32-be": ("UTF-32", lambda text: text.encode("utf-32-be")),
    "percent": ("percent-encoded", lambda text: urllib.parse.quote(text, safe="").encode()),
    "percent-form": ("percent-encoded", lambda text: urllib.parse.quote_plus(text).encode()),
    "form-with-spaces": ("percent-encoded", lambda text: text.replace(" ", "+").encode()),
    "percent-each": ("percent-encoded", lambda text: b"".join(b"%%%02x" % byte for byte in text.encode())),
    "json": ("escaped", lambda text: json.dumps(text).encode()),
    "json-each": ("escaped", lambda text: rb"\u".join([b"", *_units(text)])),
    "repr": ("escaped", lambda text: repr(text.encode()).encode()),
}


def _units(text: str) -> list[bytes]:
    code = text.encode("utf-16-be").hex().encode()
    return [code[start : start + 4] for start in range(0, len(code), 4)]


secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=40)


@given(secrets, st.sampled_from(sorted(SPELLINGS)), st.binary(max_size=20), st.binary(max_size=20))
def test_a_text_is_found_in_each_spelling_and_whatever_is_around(
    text: str, name: str, before: bytes, after: bytes
) -> None:
    # What stands before must not be read as the beginning of an escape.
    straw = Straw(before + b"\n" + SPELLINGS[name][1](text) + b"\n" + after)
    assert Needle(text).spelling_in(straw) is not None


@given(
    st.text("abcdef", min_size=6),
    st.text("ghijkl", min_size=6, max_size=40),
    st.sampled_from(sorted(SPELLINGS)),
)
def test_another_text_is_not_found(text: str, other: str, name: str) -> None:
    assert Needle(text).spelling_in(Straw(SPELLINGS[name][1](other))) is None


@given(secrets, st.binary(max_size=7), st.binary(max_size=7))
def test_a_text_is_found_within_base64_of_more(text: str, before: bytes, after: bytes) -> None:
    assert Needle(text).spelling_in(Straw(base64.b64encode(before + text.encode() + after))) is not None


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_is_told(name: str) -> None:
    told, spell = SPELLINGS[name]
    assert Needle('sé "cret/+ 7').spelling_in(Straw(b"key=" + spell('sé "cret/+ 7') + b";")) == told


def test_a_lone_surrogate_is_a_text_too() -> None:
    text = "file\udc80name"
    needle = Needle(text)
    assert needle.spelling_in(Straw(text.encode("utf-8", "surrogatepass"))) == ""
    assert needle.spelling_in(Straw(json.dumps(text).encode())) == "escaped"


@pytest.mark.parametrize(
    "text",
    [rb"100%zz \uzzzz \q \x", rb"\ud83d alone", b"%", b"\\"],
    ids=["wrong", "surrogate", "%", "backslash"],
)
def test_what_only_looks_like_an_escape_stays_as_it_is(text: bytes) -> None:
    assert Needle("secret-7").spelling_in(Straw(text)) is None
    assert Needle("secret-7").spelling_in(Straw(text + b" secret-7")) == ""


@given(st.lists(st.binary(max_size=12), max_size=6), st.lists(st.text(max_size=12), max_size=6), secrets)
def test_each_of_many_texts_is_found_in_one_straw(raw: list[bytes], texts: list[str], text: str) -> None:
    needle = Needle(text)
    assert needle.spelling_in(straw_of([*texts, text], raw)) is not None
    for spell in (spell for _, spell in SPELLINGS.values()):
        assert needle.spelling_in(straw_of(texts, [*raw, spell(text)])) is not None


@pytest.mark.parametrize("text", ["пароль-7", "a\0b-secret", "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 6])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_bytes_are_found_with_zeros_and_without(text: str, codec: str) -> None:
    assert Needle(text).spelling_in(Straw(b"x" + text.encode(codec))) is not None
