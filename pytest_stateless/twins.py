"""One leak for one thing: what the table of the interpreter tells by name isn't told by its place in the memory.

The other way round, the number of all registrations with abstract classes isn't told beside the classes themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_stateless.heap.change import safe_key
from pytest_stateless.heap.diff import ABSENT
from pytest_stateless.heap.graph import Kind, identity
from pytest_stateless.heap.holders import REGISTRY
from pytest_stateless.heap.watch import Evidence
from pytest_stateless.interpreter.evidence import ItemEvidence
from pytest_stateless.interpreter.item import WHOLE
from pytest_stateless.interpreter.library import REGISTRATIONS
from pytest_stateless.leak import Leak

_Named = frozenset[tuple[int, object]]
"""The places that the table speaks of: the container, and the label or None for all labels."""


def without_twins(leaks: Sequence[Leak]) -> list[Leak]:
    """The leaks but for those of the memory that the table tells by name."""
    named = _named(leaks)
    left = [leak for leak in leaks if not named or not _is_told(leak.evidence, named)]
    return _without_files_of_shared_memory(_without_registrations(left))


def _without_registrations(leaks: list[Leak]) -> list[Leak]:
    """The number of registrations with abstract classes says nothing more where the memory tells of each of them."""
    told = sum(_registrations_in(leak.evidence) for leak in leaks)
    return [leak for leak in leaks if not told or not _counts_no_more(leak.evidence, told)]


def _registrations_in(evidence: Any) -> int:
    if type(evidence) is not Evidence or evidence.kind is not Kind.HELD:
        return 0
    return sum(entry.before is ABSENT for entry in evidence.entries if _is_registry(entry.label))


def _is_registry(label: object) -> bool:
    return type(label) is str and label == REGISTRY


def _counts_no_more(evidence: Any, told: int) -> bool:
    if type(evidence) is not ItemEvidence or evidence.item.name != REGISTRATIONS:
        return False
    return all(one.after - one.before <= told for one in evidence.found)


def _without_files_of_shared_memory(leaks: list[Leak]) -> list[Leak]:
    """Shared memory and semaphores are files, too: made by native code or a child, they are seen as both."""
    told = {_file_of(*leak.subject.split(" ", 1)) for leak in leaks if leak.rule == "shared-memory"}
    return [leak for leak in leaks if leak.rule != "file-write" or leak.subject not in told]


def _file_of(kind: str, name: str) -> str:
    return f"/dev/shm/{'sem.' if kind == 'semaphore' else ''}{name.removeprefix('/')}"


def _named(leaks: Sequence[Leak]) -> _Named:
    return frozenset(
        (identity(container), None if label is WHOLE else safe_key(label))
        for leak in leaks
        if type(leak.evidence) is ItemEvidence
        for container, label in leak.evidence.places()
    )


def _is_told(evidence: Any, named: _Named) -> bool:
    """Whether the table speaks of all that changed at a place of the memory."""
    if type(evidence) is not Evidence:
        return False
    container = identity(evidence.container)
    if (container, None) in named:
        return True
    return all((container, safe_key(entry.label)) in named for entry in evidence.entries)
