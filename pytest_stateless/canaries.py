"""The texts that nobody else must ever see: those that a test put into a request, and looks for after it."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pytest_stateless.commands import HIDDEN
from pytest_stateless.leak import Leak
from pytest_stateless.needles import Found, Needle, Straw, encoded
from pytest_stateless.noted import State

MARKER: Final = "canary-"
_BYTES: Final = 12  # of chance in a marker: 2**96 are never guessed
_MADE: Final = re.compile(f"{MARKER}[0-9a-f]{{{2 * _BYTES}}}")
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


class _Real:
    """Held where no test's mock replaces it, nor seeds it."""

    urandom = staticmethod(os.urandom)


def make_marker() -> str:
    """A text that is nowhere else: of lower case letters, digits and a hyphen, which every protocol lets through."""
    return MARKER + _Real.urandom(_BYTES).hex()


def without_markers(text: str) -> str:
    """A text that is the same in each run, whatever markers are a part of it."""
    return _MADE.sub(HIDDEN, text)


@dataclass(frozen=True)
class Secret:
    """A text that is looked for."""

    number: int
    """Its own in the whole run."""
    name: str
    """What it is called, as ``password``."""
    text: str = field(repr=False)
    needle: Needle = field(repr=False, compare=False)
    request: str = ""
    """Method and path of the request that sent it, where they are known."""

    @property
    def told(self) -> str:
        """How it is told: ``the password of POST /login``."""
        return f"the {self.name} of {self.request}" if self.request else f"the {self.name}"


class Canaries:
    """The texts that are looked for in the windows of one test."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.secrets: list[Secret] = []
        self.known: dict[str, frozenset[int]] = {}
        """Places where secrets were before they were sent, with their numbers: a constant, a setting."""
        self.read: dict[str, tuple[State, int, Found]] = {}
        """By path, what was found in a file: in which state of it, and of how many secrets."""

    def add(self, name: str, text: str, request: str = "", *, is_new: bool = False) -> int | None:
        """Look for a text from now on, ``is_new`` where nobody can have it yet.

        Returns its number; None where it was looked for before.
        """
        for position, secret in enumerate(self.secrets):
            if secret.text == text:
                if not secret.request:
                    self.secrets[position] = replace(secret, request=request)
                return None
        number = next(self._numbers)
        self.secrets.append(Secret(number, name, text, Needle(text, is_new=is_new), request))
        return number

    def note_request(self, name: str, raw: bytes) -> None:
        """Of the secrets that nobody knows where they were sent, these bytes have some: a request sends them."""
        straw = Straw(raw)
        for position, secret in enumerate(self.secrets):
            if not secret.request and secret.needle.spelling_in(straw) is not None:
                self.secrets[position] = replace(secret, request=name)

    def learn(self, subject: str, numbers: Iterable[int]) -> None:
        """What was found at a place is no leak: it was there before it was sent."""
        self.known[subject] = self.known.get(subject, frozenset()).union(numbers)

    def masked(self, text: str) -> str:
        """A text without the secrets that are a part of it, in whatever spelling: of keys, of names of files."""
        for secret in self.secrets:
            text = text.replace(secret.text, HIDDEN)
        if not self._are_in(text):
            return text
        text = _QUOTED.sub(lambda key: f"'{HIDDEN}'" if self._are_in(key[0]) else key[0], text)
        return HIDDEN if self._are_in(text) else text

    def taken_out(self, leaks: Sequence[Leak]) -> list[Leak]:
        """Leaks of any rule, without the secrets in what is told of them."""
        if not self.secrets:
            return list(leaks)
        return [
            replace(
                leak,
                subject=self.masked(leak.subject),
                message=self.masked(leak.message),
                request=leak.request and self.masked(leak.request),
            )
            for leak in leaks
        ]

    def _are_in(self, text: str) -> bool:
        straw = Straw(encoded(text))
        return any(secret.needle.spelling_in(straw) is not None for secret in self.secrets)

    def clear(self) -> None:
        """Look for nothing any more."""
        self.secrets.clear()
        self.known.clear()
        self.read.clear()
