"""How the command line of a child is told: by the name of its program, in one line, without what may be secret.

Hidden are values by what stands beside them (an option, a variable, a header or a key whose name speaks of a secret,
what stands before the host of a URL) and by their looks (long random texts). More is hidden than is secret: a
variable's value always, and of a text for a shell all that can't be told from a value.
"""

from __future__ import annotations

import os
import pathlib
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless.given import text_of
from pytest_stateless.heap.spell import without_run

HIDDEN: Final = "***"
_SHOWN: Final = 100  # characters that are told
_COMPARED: Final = 200  # characters by which commands are compared
_READ: Final = 2000  # characters that are looked at for secrets
_WORDS: Final = 32  # as many words of it
_PATHS: Final = (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath)


class Command(NamedTuple):
    """A command line."""

    line: str = ""
    """As it was given, shortened: to be compared, and never told."""
    name: str = ""
    """Without what may be secret, whatever the user wants to see, and without temporary paths: for a subject."""
    told: str = ""
    """As it is told."""


def command_of(parts: object, show_values: bool = False) -> Command:
    """A command from a text for a shell, or from a list of words."""
    if type(parts) in (list, tuple):
        words = [_word(part) for part in parts[:_WORDS]]  # type: ignore[index]
    else:
        words = [_word(parts)]
    name = _spell(map(without_run, words))
    return Command(" ".join(words)[:_COMPARED], name, spell_command(words, show_values))


def _word(part: Any) -> str:
    text = os.fspath(part) if type(part) in _PATHS else text_of(part)
    return "?" if text is None else text


def spell_command(words: Iterable[str], show_values: bool = False) -> str:
    """A command in one line of at most 100 characters; a single word is a text for a shell."""
    text = _spell(words, show_values)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _spell(words: Iterable[str], show_values: bool = False) -> str:
    found = list(_bounded(words))
    shown = found if show_values else list(_without_secrets(found))
    if shown:
        program, space, rest = shown[0].partition(" ") if len(shown) == 1 else (shown[0], "", "")
        shown[0] = os.path.basename(program) + space + rest
    return " ".join(" ".join(shown).split())


def _bounded(words: Iterable[str]) -> Iterator[str]:
    """The beginning; what the cut goes through is hidden, since it may be half of a secret."""
    left = _READ
    for word in words:
        if len(word) > left:
            yield re.sub(r"\S+\Z", HIDDEN, word[:left])
            return
        left -= len(word)
        yield word


# ------------------------------------------------------------------------------------------- what may be secret

_SECRET: Final = (
    r"pass|pwd|secret|token|credential|auth(?!or(?!i))|cookie|session|signature|bearer|salt|dsn|nonce|jwt"
    r"|key(?![a-z])|(?<![a-z])(?:sig|pin|otp|pw)(?![a-z])"
)
"""What names of secrets have in them."""
_NAMES_A_SECRET: Final = re.compile(_SECRET, re.IGNORECASE)
_VALUE: Final = r"""(?:\\.|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|[^\s"'\\]|\\\Z)+"""
"""A word of a text as a shell or a program may quote it."""
_WORD: Final = re.compile(_VALUE, re.DOTALL)
_NAME: Final = rf"(?<![\w.-])[\w.-]*(?:{_SECRET})[\w.-]*"

_NAMED_OPTION: Final = re.compile(rf"--?[\w.-]*(?:{_SECRET})[\w.-]*", re.IGNORECASE)
_NAMED_ARGUMENT: Final = re.compile(rf"([\w.-]*(?:{_SECRET})[\w.-]*\s*[=:]).+", re.IGNORECASE | re.DOTALL)
_VARIABLE: Final = re.compile(r"([A-Z_][A-Z0-9_]*=).*", re.DOTALL)
_USER: Final = re.compile(r"-[uUa]|--(?:proxy-)?user")
_USER_AND_SECRET: Final = re.compile(r"((?:-[uUa] ?|--(?:proxy-)?user[= ])[^\s:/]+:).*", re.DOTALL)
_CODE: Final = re.compile(r"-\w*[ce]|--(?:command|eval|exec)")

_TEXT: Final = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, replacement, flags in (
        (r"(\b[a-z][a-z0-9+.-]*:/{1,3})\S*@", rf"\1{HIDDEN}@", re.IGNORECASE),
        (r"""[^\s:@/'"=]+:(?!/)\S*@(?=[\w\[])""", f"{HIDDEN}@", 0),
        (rf"({_NAME}:\s).*", rf"\1{HIDDEN}", re.IGNORECASE | re.DOTALL),
        (rf"({_NAME}[\"'\]]*\s*(?:=>|[=:]+|\()\s*){_VALUE}", rf"\1{HIDDEN}", re.IGNORECASE),
        (rf"(\b(?:bearer|basic|digest)\s+){_VALUE}", rf"\1{HIDDEN}", re.IGNORECASE),
    )
)
"""What is replaced in a text, and by what: what stands before a host, a header, a value."""
_BLOCK: Final = re.compile(r"-----BEGIN.*", re.DOTALL)
_REST: Final = re.compile(rf"({_NAME}[\"'\]]*\s*(?:=>|[=:]+|\()).*", re.IGNORECASE | re.DOTALL)
_LONG: Final = re.compile(r"[\w+/=~.-]{16,}", re.ASCII)

_SHORT_OPTIONS: Final = {
    "sshpass": "-p",
    "mysql": "-p",
    "mysqldump": "-p",
    "mysqladmin": "-p",
    "mariadb": "-p",
    "mariadb-dump": "-p",
    "redis-cli": "-a",
    "ldapsearch": "-w",
    "ldapmodify": "-w",
}
"""Programs with an option of one letter for a password: nothing else tells it from others."""
_APART: Final = frozenset({"sshpass", "redis-cli", "ldapsearch", "ldapmodify"})
"""Those of them whose password may be a word of its own."""


def names_a_secret(name: str) -> bool:
    """Whether the name of an option, a field, a header or a key speaks of a secret."""
    return _NAMES_A_SECRET.search(name) is not None


def _without_secrets(words: list[str]) -> Iterator[str]:
    hides, short, before = False, "", ""
    for position, word in enumerate(words):
        if hides:
            yield HIDDEN
            hides = False
        elif position == 0 and len(words) > 1:
            yield word
        elif len(words) == 1 or _CODE.fullmatch(before):
            yield _text(word)
        elif short and word.startswith(_SHORT_OPTIONS[short]):
            hides = word == _SHORT_OPTIONS[short]
            yield word if hides else _SHORT_OPTIONS[short] + HIDDEN
            hides = hides and short in _APART
        else:
            hides = _NAMED_OPTION.fullmatch(word) is not None
            yield word if hides else _argument(word, before)
        program = os.path.basename(word)
        short = program if program in _SHORT_OPTIONS else short
        before = word


def _argument(word: str, before: str) -> str:
    """One word of several: what it begins with says what the whole of it is."""
    found = _NAMED_ARGUMENT.fullmatch(word) or _VARIABLE.fullmatch(word)
    if found:
        return found[1] + HIDDEN
    user = _USER_AND_SECRET.fullmatch(f"{before} {word}" if _USER.fullmatch(before) else word)
    if user:
        return user[1].removeprefix(f"{before} ") + HIDDEN
    return _text(word)


def _text(text: str) -> str:
    """Something with words in it, as for a shell: each of them is looked at without its quotes, then the whole."""
    text = _BLOCK.sub(HIDDEN, text)
    if len(text.split()) > 1:
        found = [*_WORD.finditer(text)]
        plain = ["", *map(_unquoted, found)]  # the first is no program's name, but perhaps a variable
        for match, word, told in reversed(
            [*zip(found, plain[1:], [*_without_secrets(plain)][1:], strict=True)]
        ):
            if told != word:
                text = text[: match.start()] + _of_one(match[0], word, told) + text[match.end() :]
    for known, replacement in _TEXT:
        text = known.sub(replacement, text)
    return _LONG.sub(_without_random, text)


_QUOTE: Final = re.compile(r'["\\]')
_ESCAPED: Final = r"\\\g<0>"


def _of_one(quoted: str, word: str, told: str) -> str:
    """How a word is told in which something is secret; where quotes begin within it, nobody knows how far it goes."""
    if quoted[0] in "'\"":
        # What isn't hidden of it stays one word, which may yet be the value of a name before it.
        return told if told.endswith(HIDDEN) else f'"{_QUOTE.sub(_ESCAPED, told)}"'
    return _REST.sub(rf"\1{HIDDEN}", word) if _REST.search(word) else told


def _unquoted(word: re.Match[str]) -> str:
    try:
        return "".join(shlex.split(word[0]))
    except ValueError:  # a quote that nothing closes
        return re.sub(r"['\"\\]", "", word[0])


_RUN: Final = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_MIXED: Final = re.compile(r"[A-Za-z]*\d+[A-Za-z]", re.ASCII)
_PART: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", re.ASCII)


def _without_random(found: re.Match[str]) -> str:
    token = found[0]
    if token[0] in "/~" and not _is_dense(token, 2.5):  # a path, part by part
        return re.sub(r"[^/]{16,}", lambda part: HIDDEN if _is_random(part[0]) else part[0], token)
    return HIDDEN if _is_random(token) else token


def _is_random(token: str) -> bool:
    """Whether a text of 16 characters or more was hardly composed by somebody: an id, a digest, a key."""
    runs = _RUN.findall(token)
    if any(len(run) >= 8 and _MIXED.match(run) for run in runs):  # figures amid letters
        return True
    if any(len(run) >= 24 and any(map(str.isdigit, run)) for run in runs):
        return True
    return any(len(run) >= 8 for run in runs) and _is_dense(token, 3.5)


def _is_dense(token: str, limit: float) -> bool:
    """Whether its words, as capitals and figures part them, are shorter on average than words are."""
    parts = _PART.findall(token)
    return sum(map(len, parts)) < limit * len(parts)
