"""``module-state``: what can be reached from a module is not what it was."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Set
from functools import partial
from typing import Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.modules import by_owner, owner_in
from pytest_stateless.heap import change as heap_change
from pytest_stateless.heap.about import About
from pytest_stateless.heap.change import Change, Snapshot
from pytest_stateless.heap.diff import ABSENT, WHOLE, Entry, entries, summarise
from pytest_stateless.heap.graph import KEYED, Kind, identity
from pytest_stateless.heap.path import find_paths, way_to
from pytest_stateless.heap.reach import Reach
from pytest_stateless.heap.readers import Inside
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.heap.spell import spell_entry, spell_type, spell_value
from pytest_stateless.heap.traits import is_by_a_tool, traits_of
from pytest_stateless.heap.watch import Evidence
from pytest_stateless.heap.words import Words
from pytest_stateless.heap.written import names_written
from pytest_stateless.leak import SINCE, Leak, Owner, Rule
from pytest_stateless.source import FIXTURES, Sources

RULE: Final = Rule("module-state", "State reachable from a module changed and stayed.")
PATIENT: Final = False

MOVED_BY_PYTEST: Final = ("warnings", FIXTURES)
"""Modules whose attributes pytest itself sets between tests: it catches the warnings of each, and fixtures come and go.
"""

_SAID: Final = {"acquired": "left acquired", "drawn": "random numbers drawn from it", "seeded": "seeded anew"}
"""What is said of some traits, rather than what was and is."""

_UNNAMED: Final = frozenset({Kind.OPAQUE, Kind.HELD, Kind.INSIDE, Kind.LOCK})
"""Kinds of things that hold one thing, rather than items."""

_BESIDE: Final = frozenset({Kind.SLOTS, Kind.HELD, Kind.INSIDE})
"""Kinds as which things are watched that may be containers as well."""

_MANY: Final = 5  # entries of one container that are told one by one; more are summed up


class Look(NamedTuple):
    """The memory at one moment."""

    snapshot: Snapshot
    heap: Heap
    sources: Sources
    show_values: bool
    fresh: Set[int] | None = None
    """Identities of the containers that were looked at; None for all. What the others hold is of the last look."""


def capture(context: Context) -> Look:
    """Look at the memory; the first look after ``let_go`` discovers it."""
    heap, snapshot = context.look_at_memory()
    return Look(snapshot, heap, context.sources, context.show_values)


def carry(end: Look, context: Context) -> Look:
    """As the contract says. The heap may have been discovered anew or put in another order since."""
    if context.heap is None:
        return capture(context)
    return end._replace(snapshot=context.heap.look_again(MOVED_BY_PYTEST), heap=context.heap)


def share(context: Context) -> Look:
    """As ``SHARED`` says: the application's own state is looked at anew."""
    heap, snapshot, fresh = context.look_at_own_memory()
    return Look(snapshot, heap, context.sources, context.show_values, fresh)


def absorb(before: Look, start: Look, end: Look) -> Look:
    """As the contract says."""
    begun = end.heap.begun(before.snapshot)
    return before._replace(snapshot=heap_change.absorb(begun, start.snapshot, end.snapshot))


def compare(before: Look, after: Look) -> Iterator[Leak]:
    """One leak for each entry that differs, or one for a container where many do."""
    changes = list(heap_change.changes(after.heap.begun(before.snapshot), after.snapshot))
    changed = {identity(change.container): change for change in changes if change.kind not in _BESIDE}
    tools = after.heap.scope.without_packages
    differing = [(change, found) for change in changes if (found := _entries(change, changed, after.heap))]
    inside = {identity(change.container) for change, _ in differing if change.kind is Kind.INSIDE}
    differing = [  # what moved inside an object says all of it
        (change, found)
        for change, found in differing
        if change.kind is not Kind.OPAQUE or identity(change.container) not in inside
    ]
    if not differing:
        return
    groups = by_owner(sys.modules, after.sources)
    paths = find_paths([change.container for change, _ in differing], after.heap, list(groups.values()))
    imported = frozenset(_imported(changes))
    application, reach = frozenset(groups[Owner.APPLICATION]), Reach()
    met = _met_since(before, after)
    words = Words(
        application, {name: [*one.before.keys, *one.before.referents] for name, one in changed.items()}
    )
    for change, found in differing:
        path = paths.get(identity(change.container))
        if path is not None:  # else nothing leads there any more, and what led there is an entry of its own
            owner = owner_in(groups, path.module)
            about = About(
                *(path, change, owner.value, imported, application, tools, after.show_values),
                written=partial(_written, after.heap, application),
                reach=reach,
                lasts=after.heap.has_met,
                grows=any(entry.before is ABSENT for entry in found),
                way=way_to(after.heap, change.container),
                words=words,
            )
            leaks = _leaks(about, found)
            place = identity(change.container)
            is_certain = before.fresh is None or place in before.fresh or place in met
            yield from leaks if is_certain else (leak.with_trait(SINCE) for leak in leaks)


def _met_since(before: Look, after: Look) -> frozenset[int]:
    """Identities of the containers that came with imports, if that makes a difference."""
    if before.fresh is None:
        return frozenset()
    chunks = after.snapshot[len(before.snapshot) :]
    return frozenset(identity(thing) for chunk in chunks if chunk for thing in chunk.containers)


def _entries(change: Change, changed: dict[int, Change], heap: Heap) -> list[Entry]:
    """What differs but for what an import brought and for the tools' own things.

    Every test has some of these, and a search for their place is dear.
    """
    found = heap.without_imported(change.container, entries(change, changed))
    return [entry for entry in found if not is_by_a_tool(entry, heap.scope.without_packages)]


def _written(heap: Heap, modules: frozenset[str]) -> frozenset[str]:
    if heap.written is None or heap.written[0] != modules:
        heap.written = modules, names_written(modules)
    return heap.written[1]


def _imported(changes: Iterable[Change]) -> Iterator[str]:
    """Names of the modules that were first imported between the two looks."""
    for change in changes:
        if change.container is sys.modules:
            before = {key for key in change.before.keys if type(key) is str}
            yield from (key for key in change.after.keys if type(key) is str and key not in before)


def _leaks(about: About, found: list[Entry]) -> Iterator[Leak]:
    told = [(entry, frozenset(traits_of(about, entry))) for entry in found]
    added, removed, _ = summarise(found)
    if len(found) > _MANY:
        by_traits: dict[frozenset[str], list[Entry]] = {}
        for entry, traits in told:
            by_traits.setdefault(traits, []).append(entry)
        for traits, alike in by_traits.items():
            if len(alike) > 1:
                yield _leak(about, about.path.text, _sum(alike, about), traits, alike)
        told = [(entry, traits) for entry, traits in told if len(by_traits[traits]) == 1]
    for entry, traits in told:
        whole = entry.label is WHOLE
        subject = about.path.text + ("" if whole else spell_entry(entry.label, about.attributes))
        item = " item" if whole and about.change.kind not in _UNNAMED else ""
        message = next((said for trait, said in _SAID.items() if trait in traits), None)
        message = message or _message(entry, item, about.show)
        growth = -removed if entry.after is ABSENT else added
        yield _leak(about, subject, message, traits, [entry], growth)


def _leak(
    about: About, subject: str, message: str, traits: frozenset[str], found: list[Entry], growth: int = 1
) -> Leak:
    kind = Kind.CACHE if "cached" in traits else about.change.kind  # its dictionary is functools' own
    container, holder = about.change.container, about.path.holder
    evidence = Evidence(kind, container, tuple(found), about.attributes, holder, growth)
    if about.way is not None:
        evidence = evidence._replace(is_there=about.way.leads, anew=about.way.end)
    return RULE.leak(subject, message, owner=Owner(about.owner), traits=traits, evidence=evidence)


def _message(entry: Entry, item: str, show: bool) -> str:
    def spell(value: object) -> str:
        if type(value) is Inside:
            shown = f"{value.size} {spell_value(value.state)}" if show else value.size
            return shown.strip()
        return (
            f"{spell_type(value)} {spell_value(value)}" if show and value is not None else spell_type(value)
        )

    if entry.before is ABSENT:
        return f"added{item}: {spell(entry.after)}"
    if entry.after is ABSENT:
        return f"removed{item}: {spell(entry.before)}"
    before, after = spell(entry.before), spell(entry.after)
    item = " inside" if type(entry.after) is Inside else item
    if not after:
        return f"changed{item}"
    return f"changed{item}: {after}" + (f", was {before}" if before and before != after else "")


def _sum(alike: list[Entry], about: About) -> str:
    unit = "attributes" if about.attributes else "keys" if about.change.kind in KEYED else "items"
    added, removed, changed = summarise(alike)
    parts = [f"+{added}" * bool(added), f"-{removed}" * bool(removed), f"{changed} changed" * bool(changed)]
    return f"{', '.join(filter(None, parts))} {unit}"
