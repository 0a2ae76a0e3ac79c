"""``interpreter-state``: what the interpreter and the system keep for the process is not what it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors.context import Context
from pytest_stateless.heap.scope import spelled_bases
from pytest_stateless.heap.spell import spell_type, spell_value
from pytest_stateless.heap.traits import is_of_a_tool
from pytest_stateless.interpreter import difference
from pytest_stateless.interpreter.difference import Difference, changed_things, differences
from pytest_stateless.interpreter.evidence import ItemEvidence
from pytest_stateless.interpreter.gate import Gate
from pytest_stateless.interpreter.imported import Import, with_imports
from pytest_stateless.interpreter.item import ABSENT, Item, Items, Numbers, Reading, unchanged
from pytest_stateless.interpreter.table import ITEMS, Seen, look, look_again
from pytest_stateless.leak import SINCE, Leak, Owner, Rule, Severity

RULE: Final = Rule(
    "interpreter-state", "What the interpreter or the system keeps for the process changed and stayed."
)
PATIENT: Final = False

_MANY: Final = 5  # entries of one item that are told one by one; more are summed up


class Look(NamedTuple):
    """The table at one moment."""

    readings: tuple[Reading | None, ...]
    """One for each item."""
    imports: tuple[Import, ...]
    """The imports up to that moment."""
    tools: frozenset[str]
    """Top-level packages of the test tools."""
    show_values: bool
    gate: Gate | None = None
    """As ``Seen.gate``."""
    is_shared: bool = False
    """Whether it is what another look saw."""


def capture(context: Context) -> Look:
    """Read each item of the table."""
    last: Look | None = context.last.get(RULE.id)
    seen = look(context.without_items, None if last is None else Seen(last.readings, last.gate))
    imports = tuple(context.imports.ended)
    return _remembered(
        Look(seen.readings, imports, context.sources.tools, context.show_values, seen.gate), context
    )


def _remembered(seen: Look, context: Context) -> Look:
    context.last[RULE.id] = seen
    return seen


def carry(end: Look, context: Context) -> Look:
    """As the contract says."""
    seen, imports = look_again(Seen(end.readings, end.gate)), tuple(context.imports.ended)
    return _remembered(end._replace(readings=seen.readings, gate=seen.gate, imports=imports), context)


def share(context: Context) -> Look:
    """As ``SHARED`` says: nothing of it is told at once, so that the last look does."""
    last = context.last.get(RULE.id)
    return capture(context) if last is None else last._replace(is_shared=True)


def absorb(before: Look, start: Look, end: Look) -> Look:
    """As the contract says."""
    rows = zip(before.readings, start.readings, end.readings, strict=True)
    readings = [was if one is other else difference.absorb(was, one, other) for was, one, other in rows]
    return before._replace(readings=tuple(readings))


def compare(before: Look, after: Look) -> Iterator[Leak]:
    """One leak for each entry of an item that differs, or one for the item where many do."""
    begun = with_imports(before.readings, after.imports[len(before.imports) :])
    for item, was, now in zip(ITEMS, begun, after.readings, strict=True):
        if was is not now and was is not None and now is not None and not unchanged(was, now):
            leaks = _leaks(item, differences(item, was, now), after)
            yield from (leak.with_trait(SINCE) for leak in leaks) if before.is_shared else leaks


def _leaks(item: Item, found: list[Difference], look_: Look) -> Iterator[Leak]:
    by_traits: dict[frozenset[str], list[Difference]] = {}
    for one in found:
        by_traits.setdefault(frozenset(_traits(item, one, look_.tools)), []).append(one)
    for traits, alike in by_traits.items():
        if len(found) > _MANY and len(alike) > 1:
            yield _leak(item, item.name, _sum(alike), traits, ItemEvidence(item, tuple(alike), look_.tools))
        else:
            for one in alike:
                message = _message(item, one, look_.show_values)
                evidence = ItemEvidence(item, (one,), look_.tools)
                yield _leak(item, item.subject(one.label), message, traits, evidence)


def _leak(item: Item, subject: str, message: str, traits: frozenset[str], evidence: ItemEvidence) -> Leak:
    text = f"{message}; {item.mend}"
    severity = Severity.WARNING if item.warns(message) else Severity.ERROR
    watched = evidence if item.is_followed else None
    return RULE.leak(subject, text, None, Owner.STANDARD_LIBRARY, traits, watched, severity, item.why)


def _traits(item: Item, one: Difference, tools: frozenset[str]) -> Iterator[str]:
    yield "added" if one.before is ABSENT else "removed" if one.after is ABSENT else "changed"
    came, went = _parts(one)
    if not item.of_tools:
        if came and all(is_of_a_tool(part, tools) for part in came):
            yield "value:of-a-tool"
        if went and all(is_of_a_tool(part, tools) for part in went):
            yield "was:of-a-tool"
    bases = [frozenset(spelled_bases(type(part))) for part in came]
    yield from (f"value:{base}" for base in (frozenset.intersection(*bases) if bases else ()))
    bases = [frozenset(spelled_bases(type(part))) for part in went]
    yield from (f"was:{base}" for base in (frozenset.intersection(*bases) if bases else ()))
    if item.is_first_use is not None and item.is_first_use(one.before, one.after):
        yield "first-use"


def _parts(one: Difference) -> tuple[list[Any], list[Any]]:
    """What came and what went: the things in a list one by one."""
    if type(one.before) is Items and type(one.after) is Items:
        return changed_things(one.before, one.after)
    came, went = (
        [part for part in (value,) if part is not ABSENT and type(part) is not Numbers]
        for value in (one.after, one.before)
    )
    return came, went


def _message(item: Item, one: Difference, show_values: bool) -> str:
    if item.tell is not None:
        return item.tell(one.before, one.after)

    def spell(value: object) -> str:
        if item.show is not None:
            return item.show(value)
        seen = item.view(value)
        text = spell_value(seen) if show_values and seen is not None else ""
        return f"{spell_type(seen)} {text}".strip()

    if type(one.before) is Items and type(one.after) is Items:
        return _message_of_things(*changed_things(one.before, one.after), spell)
    if one.before is ABSENT:
        return f"added: {spell(one.after)}"
    if one.after is ABSENT:
        return f"removed: {spell(one.before)}"
    before, after = spell(one.before), spell(one.after)
    return f"changed: {after}" + (f", was {before}" if before != after else "")


def _message_of_things(came: list[Any], went: list[Any], spell: Any) -> str:
    parts = [f"added: {', '.join(map(spell, came[:_MANY]))}"] if came else []
    parts += [f"removed: {', '.join(map(spell, went[:_MANY]))}"] if went else []
    more = max(len(came), len(went)) - _MANY
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "") if parts else "in another order"


def _sum(found: list[Difference]) -> str:
    added = sum(one.before is ABSENT for one in found)
    removed = sum(one.after is ABSENT for one in found)
    changed = len(found) - added - removed
    parts = [f"+{added}" * bool(added), f"-{removed}" * bool(removed), f"{changed} changed" * bool(changed)]
    return f"{', '.join(filter(None, parts))} entries"
