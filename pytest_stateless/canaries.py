"""The texts that nobody else must ever see: those that a test put into a request, and looks for after it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pytest_stateless.needles import Found, Needle
from pytest_stateless.noted import State

MARKER: Final = "canary-"
_BYTES: Final = 12  # of chance in a marker: 2**96 are never guessed


class _Real:
    """Held where no test's mock replaces it, nor seeds it."""

    urandom = staticmethod(os.urandom)


def make_marker() -> str:
    """A text that is nowhere else: of lower case letters, digits and a hyphen, which every protocol lets through."""
    return MARKER + _Real.urandom(_BYTES).hex()


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

    def add(self, name: str, text: str, request: str = "") -> bool:
        """Look for a text from now on. Returns whether it wasn't looked for before."""
        for position, secret in enumerate(self.secrets):
            if secret.text == text:
                if not secret.request:
                    self.secrets[position] = replace(secret, request=request)
                return False
        self.secrets.append(Secret(next(self._numbers), name, text, Needle(text), request))
        return True

    def learn(self, places: Mapping[str, Found]) -> None:
        """What was found now is no leak: it was there before it was sent."""
        for subject, found in places.items():
            self.known[subject] = self.known.get(subject, frozenset()) | found.keys()

    def clear(self) -> None:
        """Look for nothing any more."""
        self.secrets.clear()
        self.known.clear()
        self.read.clear()
