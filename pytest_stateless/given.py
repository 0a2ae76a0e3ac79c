"""Reads what a program gave where a text is due, without running its code."""

from __future__ import annotations

import os


class _Real:
    """Held where no test's mock replaces it."""

    fsdecode = staticmethod(os.fsdecode)


def text_of(thing: object) -> str | None:
    """A path or a word as it was given, in text or bytes; None where it is something else."""
    if issubclass(type(thing), str):
        return str.__str__(thing)  # what a subclass makes of itself doesn't count
    if type(thing) is bytes:
        return _Real.fsdecode(thing)
    return None
