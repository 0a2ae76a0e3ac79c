"""Which descriptor signals are written to: no function tells that without setting it, so who sets it is listened to."""

from __future__ import annotations

from typing import ClassVar, Final

from pytest_stateless.interpreter.item import WHOLE, Reading

_OFF: Final = -1


class _Known:
    """What is set now, as far as it was told. A descriptor's number means nothing once it was closed."""

    now: object = object()
    marks: ClassVar[dict[int, object]] = {_OFF: now}
    """What stands for each descriptor that was set."""


def swapped(before: int, after: int) -> None:
    """A descriptor was set in the place of another."""
    if _Known.marks.get(before) is not _Known.now:  # set where nobody listened: between two windows
        _Known.marks = {before: _Known.now}
    _Known.now = _Known.marks.setdefault(after, object())


def read() -> Reading:
    """The same as in the look before where it was put back since."""
    return {WHOLE: _Known.now}
