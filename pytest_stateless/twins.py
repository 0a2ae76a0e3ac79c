"""One leak for one thing: what the table of the interpreter tells by name isn't told by its place in the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_stateless.heap.change import safe_key
from pytest_stateless.heap.graph import identity
from pytest_stateless.heap.watch import Evidence
from pytest_stateless.interpreter.evidence import ItemEvidence
from pytest_stateless.interpreter.item import WHOLE
from pytest_stateless.leak import Leak

_Named = dict[tuple[int, object], int]
"""Which leak of the table speaks of a place: by the container and the label, or None for all labels."""


def without_twins(leaks: Sequence[Leak]) -> list[Leak]:
    """The leaks but for those of the memory that the table tells by name, which take over what they are watched by."""
    named = _named(leaks)
    found = list(leaks)
    twins: set[int] = set()
    for position, leak in enumerate(leaks) if named else ():
        told = _told(leak.evidence, named) if type(leak.evidence) is Evidence else None
        if told is not None:
            twins.add(position)
            if _is_better(leak.evidence, found[told].evidence):
                found[told] = replace(found[told], evidence=leak.evidence)
    return [leak for position, leak in enumerate(found) if position not in twins]


def _is_better(of_the_memory: Evidence, of_the_table: Any) -> bool:
    """Whether the memory shows more of who did it: of things in a list, which the table can't put back.

    Of several, the first counts.
    """
    return type(of_the_table) is ItemEvidence and of_the_table.item.put is None


def _named(leaks: Sequence[Leak]) -> _Named:
    found: _Named = {}
    for position, leak in enumerate(leaks):
        if type(leak.evidence) is ItemEvidence:
            for container, label in leak.evidence.places():
                found[identity(container), None if label is WHOLE else safe_key(label)] = position
    return found


def _told(evidence: Any, named: _Named) -> int | None:
    """The leak of the table that speaks of all that changed at a place of the memory."""
    container = identity(evidence.container)
    whole = named.get((container, None))
    if whole is not None:
        return whole
    told = [named.get((container, safe_key(entry.label))) for entry in evidence.entries]
    return told[0] if told and None not in told else None
