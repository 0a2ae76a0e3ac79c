"""Makes text that came from a leak harmless: it may hold terminal escapes, newlines or a CI service's commands."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HARMLESS_ABOVE_ASCII: Final = frozenset("LMNPS")
"""First letters of the general categories that only show something; the others control or are invisible."""
_COMMAND: Final = re.compile(r"^( *)::")


def inert(text: str) -> str:
    """The text on one line with everything that isn't plainly visible written as an escape."""
    shown = "".join(character if _is_visible(character) else _escaped(character) for character in text)
    return shown.replace("##[", "#\\x23[")  # a command to GitHub's runner wherever it stands in a line


def _is_visible(character: str) -> bool:
    if " " <= character <= "~":
        return True
    return character > "~" and unicodedata.category(character)[0] in _HARMLESS_ABOVE_ASCII


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def inert_line(text: str) -> str:
    """``inert`` for what stands first in a line, so that it begins no command to GitHub's runner."""
    return _COMMAND.sub(r"\1\\x3a:", inert(text))


def inert_block(text: str) -> str:
    """``inert_line`` for each line of a text of several."""
    return "\n".join(map(inert_line, text.split("\n")))
