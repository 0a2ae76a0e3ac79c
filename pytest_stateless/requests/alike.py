"""Tells what the first request of its kind sets up from what each of them moves: by what moved again in one test.

Requests are of a kind where method and path are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from pytest_stateless.leak import SINCE, Leak

EVERY: Final = "with-every-request"
"""The trait of a leak whose place every request of the kind moved."""
ONCE: Final = "not-again"
"""The trait of a leak whose place no other request of the kind moved, though some came later."""

_NOTES: Final = {EVERY: "with every request", ONCE: "only on first use"}
_identity: Final = id  # a test may replace it


class Answered(NamedTuple):
    """A request that has ended, or several that overlapped."""

    name: str
    """As its leaks tell it."""
    kinds: frozenset[str]
    moved: Sequence[Leak]
    """All that differed after it, expected or not."""


def compared(leaks: Iterable[Leak], answered: Sequence[Answered]) -> list[Leak]:
    """The leaks, each with a trait where other requests of its kind show which of the two it is."""
    places = [frozenset(place for leak in one.moved for place in _places(leak)) for one in answered]
    positions = {one.name: position for position, one in enumerate(answered)}
    found = []
    for leak in leaks:
        position = None if leak.request is None else positions.get(leak.request)
        if position is not None:
            own = frozenset(_places(leak))
            alike = [
                (other > position, not own.isdisjoint(places[other]))
                for other, one in enumerate(answered)
                if other != position and not one.kinds.isdisjoint(answered[position].kinds)
            ]
            leak = _with_trait(leak, alike)
        found.append(leak)
    return found


def _with_trait(leak: Leak, alike: Sequence[tuple[bool, bool]]) -> Leak:
    """With what other requests of its kind show, of which is known whether they came later and moved the place."""
    moved = [moves for _, moves in alike]
    if alike and all(moved):
        return replace(leak, traits=leak.traits | {EVERY})
    if not any(moved) and any(later for later, _ in alike):
        return replace(leak, traits=leak.traits | {ONCE})
    return leak


def noted(leaks: Iterable[Leak]) -> list[Leak]:
    """The leaks with a note of it, where none says why nobody is known to have done it.

    A second run may fail before it comes to a later request: what each of its kind moves, the same line moves.
    """
    told = list(leaks)
    known = {_place_and_kind(leak): leak for leak in told if EVERY in leak.traits and leak.origin is not None}
    return [_noted(_or_before(_by_the_same(leak, known.get(_place_and_kind(leak))))) for leak in told]


def _place_and_kind(leak: Leak) -> tuple[str, str, str]:
    return leak.rule, leak.subject, (leak.request or "").rpartition(" (")[0]


def _by_the_same(leak: Leak, known: Leak | None) -> Leak:
    if known is None or EVERY not in leak.traits or leak.origin is not None:
        return leak
    return replace(leak, origin=known.origin, chain=known.chain, note=None, traits=leak.traits - {SINCE})


def _or_before(leak: Leak) -> Leak:
    return leak.during(f"{leak.request}, or right before it") if SINCE in leak.traits else leak


def _noted(leak: Leak) -> Leak:
    trait = next((trait for trait in _NOTES if trait in leak.traits), None)
    return leak if trait is None or leak.note is not None else replace(leak, note=_NOTES[trait])


def _places(leak: Leak) -> Iterator[object]:
    """What stands for the places that a leak is of: an attribute, or a whole container, as it may grow anywhere."""
    evidence: Any = leak.evidence
    container = getattr(evidence, "container", None)
    if container is None:
        yield leak.rule, leak.subject
    elif not evidence.attributes:
        yield _identity(container)
    else:
        labels: Iterable[Any] = (entry.label for entry in evidence.entries)
        yield from ((_identity(container), label if type(label) is str else "") for label in labels)
