"""``retained-secret``: what a test sent in a request can still be found when the request is over."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Final, NamedTuple

from pytest_stateless.canaries import Secret
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.modules import Groups, by_owner, owner_in
from pytest_stateless.detectors.retained_files import files_with
from pytest_stateless.heap.path import Path
from pytest_stateless.heap.spell import spell_key, without_run
from pytest_stateless.heap.test_side import traits_of_way
from pytest_stateless.interpreter import c_environment
from pytest_stateless.leak import Leak, Origin, Owner, Rule
from pytest_stateless.needles import Found, Needle, Straw, found_in

RULE: Final = Rule("retained-secret", "What a request sent can still be found after it.")
PATIENT: Final = True

_ENVIRON: Final = vars(os.environ)["_data"]
_OF_PYTEST: Final = b"PYTEST_CURRENT_TEST="  # has the arguments of the test in it


class Trace(NamedTuple):
    """A place where secrets are found."""

    found: Found
    """By the number of a secret, how it is spelled there."""
    how: str = "still reachable"
    owner: Owner = Owner.UNKNOWN
    traits: frozenset[str] = frozenset()
    origin: Origin | None = None
    """The line that put it there."""


Traces = Mapping[str, Trace]
"""By their subjects."""


class Look(NamedTuple):
    """Where secrets are found at one moment."""

    traces: Traces
    secrets: Mapping[int, str]
    """How they are told, by their numbers."""


NOTHING: Final = Look({}, {})


def capture(context: Context) -> Look:
    """Look for what the test sent; where it sent nothing, look at nothing."""
    secrets = tuple(context.canaries.secrets)
    if not secrets:
        context.note_memory()
        return NOTHING
    known = context.canaries.known
    traces: dict[str, Trace] = {}
    for subject, trace in _all_traces(context, secrets):
        found = {number: how for number, how in trace.found.items() if number not in known.get(subject, ())}
        if found and subject in traces:
            traces[subject] = traces[subject]._replace(found={**found, **traces[subject].found})
        elif found:
            traces[subject] = trace._replace(found=found)
    return Look(traces, {secret.number: secret.told for secret in secrets})


def carry(end: Look, context: Context) -> Look:
    """As the contract says. What another test sent is of no interest."""
    return capture(context)


def absorb(before: Look, start: Look, end: Look) -> Look:
    """As the contract says."""
    traces = dict(before.traces)
    for subject, trace in end.traces.items():
        new = _new(start, subject, trace)
        if new:
            known = traces[subject].found if subject in traces else {}
            traces[subject] = trace._replace(found={**known, **new})
    return before._replace(traces=traces)


def compare(before: Look, after: Look) -> Iterator[Leak]:
    """One leak for each place where a secret is that wasn't there."""
    for subject, trace in after.traces.items():
        new = _new(before, subject, trace)
        if new:
            told = dict.fromkeys(f"{after.secrets[number]}{_spelling(new[number])}" for number in sorted(new))
            verb = "is" if len(new) == 1 else "are"
            message = f"{' and '.join(told)} {verb} {trace.how}"
            yield RULE.leak(subject, message, trace.origin, trace.owner, trace.traits)


def _new(before: Look, subject: str, trace: Trace) -> Found:
    known = before.traces[subject].found if subject in before.traces else {}
    return {number: spelling for number, spelling in trace.found.items() if number not in known}


def _spelling(spelling: str) -> str:
    return f" ({spelling})" if spelling else ""


# ---------------------------------------------------------------------------------------------------- where to look


def _all_traces(context: Context, secrets: Sequence[Secret]) -> Iterator[tuple[str, Trace]]:
    needles = [secret.needle for secret in secrets]
    for subject, trace in (
        *_in_memory(context, needles),
        *_in_environment(needles),
        *_in_files(context, secrets),
    ):
        numbered = {secrets[position].number: spelling for position, spelling in trace.found.items()}
        yield context.canaries.masked(subject), trace._replace(found=numbered)


def _in_memory(context: Context, needles: Sequence[Needle]) -> Iterator[tuple[str, Trace]]:
    _, snapshot = context.look_at_memory()
    groups = cache(partial(by_owner, sys.modules, context.sources))  # dear, and nearly always nobody asks
    for place in context.search().find(snapshot, lambda: list(groups().values()), needles):
        if place.path.things[-1] is not _ENVIRON:  # else it is told by its name
            traits = frozenset(_traits(place.path, groups()))
            yield (
                place.subject,
                Trace(place.found, owner=owner_in(groups(), place.path.module), traits=traits),
            )


def _traits(path: Path, groups: Groups) -> Iterator[str]:
    if owner_in(groups, path.keeper or path.module) is not Owner.APPLICATION:
        yield "kept-by-library"
    yield from traits_of_way(path.things)


def _in_environment(needles: Sequence[Needle]) -> Iterator[tuple[str, Trace]]:
    own = dict(_ENVIRON)
    variables = [
        (spelled, name, os.fsencode(name) + b"=" + os.fsencode(value))  # text is what those of Windows are
        for spelled, some in (
            ("os.environ[{}]", own),
            ("environment past os.environ[{}]", c_environment.differing(own) or {}),
        )
        for name, value in some.items()
    ]
    if found_in(Straw(b"\n".join(raw for _, _, raw in variables)), needles):
        for spelled, name, raw in variables:
            found = found_in(Straw(raw), needles)
            if found and not raw.startswith(_OF_PYTEST):
                subject = spelled.format(spell_key(os.fsdecode(name)))
                yield subject, Trace(found, "still set", Owner.APPLICATION)


def _in_files(context: Context, secrets: Sequence[Secret]) -> Iterator[tuple[str, Trace]]:
    sources = context.sources
    for path, (place, found) in files_with(context, secrets).items():
        owner = Owner.UNKNOWN if place is None else place.owner
        traits = {"by-tool"} if place is not None and place.by_tool else ()
        subject = without_run(sources.relative(path))
        yield (
            f"file {subject}",
            Trace(found, "written there", owner, frozenset(traits), sources.origin(place)),
        )
