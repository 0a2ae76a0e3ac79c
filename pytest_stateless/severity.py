"""How bad the user says a leftover is: ``rule:subject-pattern=level``, in ini files and on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pytest_stateless.allowance import matches, suggestion

if TYPE_CHECKING:
    from pytest_stateless.leak import Leak

_OFF: Final = "off"
LEVELS: Final = ("error", "warning", _OFF)


@dataclass(frozen=True)
class Grade:
    """What leaks of a kind are taken for."""

    rule: str
    pattern: str
    level: str
    """One of ``LEVELS``."""

    def covers(self, leak: Leak) -> bool:
        """Whether it speaks of the leak."""
        return leak.rule == self.rule and matches(self.pattern, leak.subject)


class GradeError(ValueError):
    """A severity that can't be read, with the place and the mend."""


def parse_grade(text: str, where: str, rules: Sequence[str]) -> Grade:
    """Read ``rule:subject-pattern=level``, with `` -- reason`` after it if there is one. Raises GradeError."""
    body, equals, level = (part.strip() for part in text.partition(" -- ")[0].rpartition("="))
    rule, _, pattern = (part.strip() for part in body.partition(":"))
    if not equals:
        raise GradeError(f"{where}: {text!r} says no severity; write 'RULE:PATTERN={'|'.join(LEVELS)}'")
    if level not in LEVELS:
        raise GradeError(
            f"{where}: {level!r} in {text!r} is no severity{suggestion(level, LEVELS)}; "
            f"write {', '.join(LEVELS[:-1])} or {LEVELS[-1]}"
        )
    if rule not in rules:
        known = suggestion(rule, rules) or f"; the rules are {', '.join(rules)}"
        raise GradeError(f"{where}: unknown rule {rule!r} in {text!r}{known}")
    if not pattern:
        raise GradeError(f"{where}: {text!r} has no subject; write '{rule}:*={level}' for all of the rule")
    return Grade(rule, pattern, level)


def graded(leaks: Iterable[Leak], grades: Sequence[Grade]) -> list[Leak]:
    """The leaks that are to be told, each as bad as the last grade that speaks of it says."""
    if not grades:
        return list(leaks)
    from pytest_stateless.leak import Severity  # loaded only where something is checked

    found = []
    for leak in leaks:
        grade = next((grade for grade in reversed(grades) if grade.covers(leak)), None)
        if grade is None:
            found.append(leak)
        elif grade.level != _OFF:
            found.append(replace(leak, severity=Severity(grade.level)))
    return found


def is_off(rule: str, grades: Sequence[Grade]) -> bool:
    """Whether no leak of a rule can ever be told, so that nobody needs to look."""
    last = next((grade for grade in reversed(grades) if grade.rule == rule), None)
    return last is not None and last.pattern == "*" and last.level == _OFF
