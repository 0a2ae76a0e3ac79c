"""``module-state``: what can be reached from a module is not what it was."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.heap import snapshot
from pytest_stateless.heap.diff import ABSENT, WHOLE, Entry, entries, summarise
from pytest_stateless.heap.graph import Kind, class_namespace, identity, is_heap_type, mro_of, plan_of
from pytest_stateless.heap.path import Path, find_paths
from pytest_stateless.heap.snapshot import Change, Heap, spelled_bases
from pytest_stateless.heap.spell import spell_entry, spell_type, spell_value
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.source import Sources

RULE: Final = Rule("module-state", "State reachable from a module changed and stayed.")
PATIENT: Final = False

_MANY: Final = 5  # entries of one container that are told one by one; more are summed up


class Look(NamedTuple):
    """The memory at one moment."""

    snapshot: snapshot.Snapshot
    heap: Heap
    sources: Sources
    show_values: bool


def capture(context: Context) -> Look:
    """Look at the memory; the first look after ``let_go`` discovers it."""
    if context.heap is None:
        context.heap = context.make_heap()
    return Look(context.heap.look(), context.heap, context.sources, context.show_values)


def absorb(before: Look, start: Look, end: Look) -> Look:
    """As the contract says."""
    return before._replace(snapshot=snapshot.absorb(before.snapshot, start.snapshot, end.snapshot))


def compare(before: Look, after: Look) -> Iterator[Leak]:
    """One leak for each entry that differs, or one for a container where many do."""
    changes = list(snapshot.changes(before.snapshot, after.snapshot))
    changed = {identity(change.container): change for change in changes}
    differing = [(change, found) for change in changes if (found := entries(change, changed))]
    if not differing:
        return
    groups = _by_owner(sys.modules, after.sources)
    paths = find_paths([change.container for change, _ in differing], after.heap, list(groups.values()))
    imported = frozenset(_imported(changes))
    for change, found in differing:
        path = paths.get(identity(change.container))
        if path is not None:  # else nothing leads there any more, and what led there is an entry of its own
            owner = next((owner for owner, modules in groups.items() if path.module in modules), Owner.UNKNOWN)
            yield from _leaks(path, change, found, owner, imported, after.show_values)


def _by_owner(
    modules: Mapping[str, types.ModuleType], sources: Sources
) -> dict[Owner, dict[str, types.ModuleType]]:
    """The modules in the order in which paths prefer them; those imported later first, since they define more."""
    groups: dict[Owner, dict[str, types.ModuleType]] = {
        owner: {} for owner in (Owner.APPLICATION, Owner.DEPENDENCY, Owner.STANDARD_LIBRARY)
    }
    for name, module in reversed(list(modules.items())):
        if type(name) is str and plan_of(type(module)).kind is Kind.MODULE:
            file = types.ModuleType.__dict__["__dict__"].__get__(module).get("__file__")
            groups[sources.owner_of_module(name, file)][name] = module
    return groups


def _imported(changes: Iterable[Change]) -> Iterator[str]:
    """Names of the modules that were first imported between the two looks."""
    for change in changes:
        if change.container is sys.modules:
            before = {key for key in change.before.keys if type(key) is str}
            yield from (key for key in change.after.keys if type(key) is str and key not in before)


def _leaks(
    path: Path, change: Change, found: list[Entry], owner: Owner, imported: frozenset[str], show: bool
) -> Iterator[Leak]:
    told = [(entry, frozenset(_traits(change, entry, imported))) for entry in found]
    if len(found) > _MANY:
        by_traits: dict[frozenset[str], list[Entry]] = {}
        for entry, traits in told:
            by_traits.setdefault(traits, []).append(entry)
        for traits, alike in by_traits.items():
            if len(alike) > 1:
                yield RULE.leak(path.text, _sum(alike, change.kind, path.namespace), owner=owner, traits=traits)
        told = [(entry, traits) for entry, traits in told if len(by_traits[traits]) == 1]
    for entry, traits in told:
        attribute = path.namespace or change.kind is Kind.OBJECT
        subject = path.text if entry.label is WHOLE else path.text + spell_entry(entry.label, attribute)
        item = " item" if entry.label is WHOLE and change.kind is not Kind.OPAQUE else ""
        yield RULE.leak(subject, _message(entry, item, show), owner=owner, traits=traits)


def _message(entry: Entry, item: str, show: bool) -> str:
    def spell(value: object) -> str:
        return f"{spell_type(value)} {spell_value(value)}" if show and value is not None else spell_type(value)

    if entry.before is ABSENT:
        return f"added{item}: {spell(entry.after)}"
    if entry.after is ABSENT:
        return f"removed{item}: {spell(entry.before)}"
    before, after = spell(entry.before), spell(entry.after)
    return f"changed{item}: {after}" + (f", was {before}" if before != after else "")


def _sum(alike: list[Entry], kind: Kind, namespace: bool) -> str:
    unit = "attributes" if namespace else "keys" if kind in snapshot.KEYED else "items"
    added, removed, changed = summarise(alike)
    parts = [f"+{added}" * bool(added), f"-{removed}" * bool(removed), f"{changed} changed" * bool(changed)]
    return f"{', '.join(filter(None, parts))} {unit}"


# ------------------------------------------------------- traits: what expected leftovers are recognised by


def _traits(change: Change, entry: Entry, imported: frozenset[str]) -> Iterator[str]:
    yield "added" if entry.before is ABSENT else "removed" if entry.after is ABSENT else "changed"
    for base in spelled_bases(type(change.container)):
        yield f"in:{base}"
    yield from _traits_of(entry.after, "value", imported)
    if entry.before is not ABSENT:
        yield from _traits_of(entry.before, "was", imported)
    if any("weakref.ReferenceType" in spelled_bases(type(key)) for key in (entry.label, entry.after)):
        yield "weak"


def _traits_of(value: Any, prefix: str, imported: frozenset[str]) -> Iterator[str]:
    if value is ABSENT:
        return
    for base in spelled_bases(type(value)):
        if base != "builtins.object":
            yield f"{prefix}:{base}"
    if value is None or value is False or value is True:
        yield f"{prefix}:{value}"
    home = _home(value)
    if home in imported:
        yield f"{prefix}:imported"


def _home(value: Any) -> object:
    """The module that a class, function or module comes from."""
    kind = plan_of(type(value)).kind
    if kind is Kind.CLASS:
        found = class_namespace(value).get("__module__") if is_heap_type(value) else None
    elif kind is Kind.FUNCTION:
        found = value.__globals__.get("__name__")
    elif kind is Kind.MODULE:
        found = types.ModuleType.__dict__["__dict__"].__get__(value).get("__name__")
    else:
        found = None
    return found if type(found) is str else None


def lazy_attribute(owner: type, name: str) -> bool:
    """Whether an instance of ``owner`` computes the attribute on first use and keeps it (a cached property)."""
    for base in mro_of(owner):
        found = type.__dict__["__dict__"].__get__(base).get(name)
        if found is not None:
            return any("__get__" in type.__dict__["__dict__"].__get__(part) for part in mro_of(type(found)))
    return False
