"""In which spellings a text may lie in memory or in a file, and whether bytes have one of them.

Some spellings leave no choice to whoever writes them (UTF-8, UTF-16, UTF-32, hexadecimal, base64 at each of three
places in a group): these are looked for as they are. Where each character may be written in several ways (percent,
``\\u0041``), what is searched is read back first.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final

_SIX_BITS: Final = 6
_PERCENT: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
_ESCAPE: Final = re.compile(rb"(?:\\u[0-9A-Fa-f]{4})+|(?:\\x[0-9A-Fa-f]{2})+|\\[\"'\\/bfnrt]")
_LETTERS: Final = {
    ord(letter): told for letter, told in zip("bfnrt", (b"\b", b"\f", b"\n", b"\r", b"\t"), strict=True)
}
_PERCENT_SIGN: Final = b"%"
_BACKSLASH: Final = b"\\"
"""What spellings begin with that leave a choice."""
_LINE: Final = b"\n"
_ZERO: Final = b"\0"

_WIDE: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""Encodings of native code; arrays of characters have the third one, or the last."""

PLAIN: Final = ""
"""What is said of a text that lies there as it is."""

Found = Mapping[int, str]
"""By the position of a needle among several, how it is spelled."""


class Needle:
    """A text in all its spellings."""

    def __init__(self, text: str, *, is_new: bool = False) -> None:
        raw = encoded(text)
        self.is_new = is_new
        """Whether it was made by chance just now, so that nothing older can have it in it."""
        self._raw = raw
        self._plus = raw.replace(b" ", b"+")
        fixed = list(_fixed(text, raw))
        self._fixed = tuple(pair for pair in fixed if _ZERO not in pair[1])
        self._with_zeros = tuple(pair for pair in fixed if _ZERO in pair[1])

    def spelling_in(self, straw: Straw) -> str | None:
        """How it is spelled in some bytes: ``""`` where as it is, as ``"base64"`` elsewhere; None if it isn't there."""
        for spelling, pattern in self._fixed:
            if pattern in straw.raw:
                return spelling
        for spelling, pattern in self._with_zeros if straw.has_zeros else ():
            if pattern in straw.raw:
                return spelling
        if self._raw in straw.unescaped:
            return "escaped"
        for read_back in (straw.unquoted, straw.raw):
            if self._raw in read_back or self._plus in read_back:
                return "percent-encoded"
        return None


class Straw:
    """Bytes to be searched, and what they say where each character may be spelled in several ways."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def has_zeros(self) -> bool:
        """Whether any byte is zero, as nearly all are of what lies in units of two bytes or four."""
        return _ZERO in self.raw

    @cached_property
    def unquoted(self) -> bytes:
        """Lines without their percent encoding; nothing where there is none."""
        return _PERCENT.sub(_unquote, self._lines_with(_PERCENT_SIGN))

    @cached_property
    def unescaped(self) -> bytes:
        r"""Lines without their escapes of JSON and Python, as ``\u0041``; nothing where there are none."""
        return _ESCAPE.sub(_unescape, self._lines_with(_BACKSLASH))

    def _lines_with(self, sign: bytes) -> bytes:
        """The few lines that need to be read back: neither spelling leaves an end of a line as it is."""
        lines = []
        at = self.raw.find(sign)
        while at >= 0:
            end = self.raw.find(_LINE, at) + 1 or len(self.raw)
            lines.append(self.raw[self.raw.rfind(_LINE, 0, at) + 1 : end])
            at = self.raw.find(sign, end)
        return b"".join(lines)


def found_in(straw: Straw, needles: Sequence[Needle], wanted: Iterable[int] | None = None) -> Found:
    """Which needles some bytes have in them; ``wanted`` are the positions of those that are looked for, else all."""
    return {
        position: spelling
        for position in (range(len(needles)) if wanted is None else wanted)
        if (spelling := needles[position].spelling_in(straw)) is not None
    }


def straw_of(strings: Iterable[str], binaries: Iterable[bytes]) -> Straw:
    """Many texts in one straw. What is found may reach from one into the next: look at each by itself then."""
    return Straw(_LINE.join((encoded("\n".join(strings)), *binaries)))


def encoded(text: str) -> bytes:
    """A text in UTF-8; it may have a lone surrogate."""
    return text.encode("utf-8", "surrogatepass")


def _fixed(text: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Each spelling that leaves no choice, with what it is called; the plain one first."""
    yield PLAIN, raw
    for pattern in dict.fromkeys(base64_of(raw)):
        yield "base64", pattern
    for pattern in dict.fromkeys((raw.hex().encode(), raw.hex().upper().encode())):
        yield "hexadecimal", pattern
    for codec in _WIDE:
        yield codec[:6].upper(), text.encode(codec, "surrogatepass")


def base64_of(raw: bytes) -> Iterator[bytes]:
    """The characters that are the same whatever stands before and after, in both alphabets (RFC 4648)."""
    for before in range(3):
        coded = base64.b64encode(bytes(before) + raw)
        first = -(-before * 8 // _SIX_BITS)
        core = coded[first : (before + len(raw)) * 8 // _SIX_BITS]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def _unquote(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[0].replace(_PERCENT_SIGN, b"").decode())


def _unescape(found: re.Match[bytes]) -> bytes:
    escape = found[0]
    if escape[1:2] == b"u":
        units = bytes.fromhex(escape.replace(rb"\u", b"").decode())
        return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    if escape[1:2] == b"x":
        return bytes.fromhex(escape.replace(rb"\x", b"").decode())
    return _LETTERS.get(escape[1], escape[1:])
