"""What the user says is fine: ``rule:subject-pattern -- reason``, in ini files, on the command line and on markers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_stateless.leak import Leak


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(character) or re.escape(character) for character in text), re.DOTALL)


def matches(pattern: str, subject: str) -> bool:
    """Whether a pattern covers a subject: ``*`` and ``?`` are wildcards, all else is meant literally."""
    return _pattern(pattern).fullmatch(subject) is not None


@dataclass(frozen=True)
class Allowance:
    """A leftover that the user says is fine."""

    rule: str
    pattern: str
    reason: str = field(default="", compare=False)
    where: str = ""
    """The setting or the test that it is written at."""

    def covers(self, leak: Leak) -> bool:
        """Whether it speaks of the leak."""
        return leak.rule == self.rule and matches(self.pattern, leak.subject)

    def __str__(self) -> str:
        return f"{self.rule}:{self.pattern}"


class AllowanceError(ValueError):
    """An allowance that can't be read, with the place and the mend."""


def parse_allowance(text: object, where: str, rules: Sequence[str]) -> Allowance:
    """Read ``rule:subject-pattern -- reason``. Raises AllowanceError."""
    if not isinstance(text, str):
        raise AllowanceError(f"{where}: an allowance is text like 'module-state:shop.cart.*', not {text!r}")
    body, _, reason = text.partition(" -- ")
    rule, _, pattern = (part.strip() for part in body.partition(":"))
    if rule not in rules:
        raise AllowanceError(f"{where}: unknown rule {rule!r} in allowance {text!r}{_nearest(rule, rules)}")
    if not pattern:
        raise AllowanceError(
            f"{where}: allowance {text!r} has no subject; write '{rule}:*' to allow all of the rule"
        )
    return Allowance(rule, pattern, reason.strip(), where)


def _nearest(word: str, words: Sequence[str]) -> str:
    return suggestion(word, words) or f"; the rules are {', '.join(words)}"


def suggestion(word: str, words: Sequence[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing where no word is near."""
    from difflib import get_close_matches  # loaded only for a message

    near = get_close_matches(word, words, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
