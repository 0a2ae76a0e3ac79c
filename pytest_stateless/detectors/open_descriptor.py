"""``open-descriptor``: a file, a pipe, a socket or the like is still open, or was closed beneath its owner."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from operator import is_
from typing import Final, NamedTuple

from pytest_stateless.detectors import descriptors, locks, owners, sockets
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.opened import Describer, Opened
from pytest_stateless.detectors.owners import Owners
from pytest_stateless.detectors.signs import open_files
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.opening import Openings
from pytest_stateless.source import Place, Sources

RULE: Final = Rule(
    "open-descriptor", "A file, a pipe or a connection was left open, or was closed for others."
)
PATIENT: Final = True

_STANDARD: Final = {0: "standard input", 1: "standard output", 2: "standard error"}
_SHOWN: Final = 5  # numbers of descriptors that are alike


class Descriptors(NamedTuple):
    """The open descriptors at one moment, and those that were closed beneath an object that still has them."""

    open: dict[int, Opened]
    broken: dict[int, str]
    """Subject by number."""
    sources: Sources
    failed: bool = False
    """Whether the test failed: its traceback holds objects that would have gone."""
    streams: frozenset[tuple[int, int]] = frozenset()
    """What pytest puts in the place of the standard streams, by device and inode."""
    locked: frozenset[int] = frozenset()
    """Those that hold a lock, of which ``file-lock`` tells."""


def capture(context: Context) -> Descriptors:
    """Read the table; find out about those that are new since the last look."""
    before = context.last.get(RULE.id)
    last: Descriptors = before or Descriptors({}, {}, context.sources)
    describe = Describer(context).opened
    now = {}
    for number, state in descriptors.table(context).items():
        known = last.open.get(number)
        if known is not None and known[:3] != (number, state.st_dev, state.st_ino):
            known = None
        now[number] = describe(number, state, known)
    if before is not None and _are_same(now, last.open):
        return _seen(last.open, last.broken, context)
    broken = {
        number: subject
        for number, subject in last.broken.items()
        if _identity(now, number) == _identity(last.open, number)
    }
    if before is not None:
        new = [number for number in now if _identity(now, number) != _identity(last.open, number)]
        gone = [number for number in last.open if _identity(now, number) != _identity(last.open, number)]
        search = cache(owners.find)
        _find_out(context, now, new, search)
        broken.update(_broken(gone, now, last, search))
    return _seen(now, broken, context)


def _are_same(now: dict[int, Opened], last: dict[int, Opened]) -> bool:
    """Whether the very same are open, as nearly always: the describer gives what it was given where nothing moved."""
    return len(now) == len(last) and all(map(is_, now, last)) and all(map(is_, now.values(), last.values()))


def _seen(now: dict[int, Opened], broken: dict[int, str], context: Context) -> Descriptors:
    locked = frozenset([number for number, _ in locks.read(context)])
    end = Descriptors(now, broken, context.sources, context.failed, context.streams, locked)
    context.last[RULE.id] = end
    return end


def _identity(table: dict[int, Opened], number: int) -> tuple[int, int, int, str] | None:
    return table[number].identity if number in table else None


def carry(end: Descriptors, context: Context) -> Descriptors:
    """As the contract says."""
    context.last[RULE.id] = end
    return end


def signs(context: Context) -> object:
    """As ``STEADY`` says."""
    locked = [number for number, _ in locks.read(context)]
    standing = len(context.recording.binds), sockets.read(context)
    return context.failed, context.streams, open_files(context), standing, locked


def _find_out(context: Context, now: dict[int, Opened], new: list[int], search: Callable[[], Owners]) -> None:
    """Who opened the new ones, and whether an object holds them: the memory is searched.

    But for the standard streams: pytest puts others in their place for each phase of a test.
    """
    if not new:
        return
    found = Owners({}, {}, {}) if _STANDARD.keys() >= set(new) else search()
    polled = owners.pollers(new) if any(now[number].subject == "epoll" for number in new) else ()
    for number in new:
        opened = now[number]
        place, noted = _place(opened, found, context.recording.openings)
        traits = {found.traits[number]} if number in found.traits else set()
        traits |= {"held"} if number in found.claims or number in polled else set()
        if place is not None:
            traits |= {f"owner:{place.owner.value}"} | ({"by-tool"} if place.by_tool else set())
        if not noted and number not in polled:
            place, more = _beside_loops_in_c(context)
            traits |= {"native"} | more
        claims = max(1, found.claims.get(number, 0))
        now[number] = opened._replace(place=place, traits=opened.traits | traits, claims=claims)


def _beside_loops_in_c(context: Context) -> tuple[Place | None, set[str]]:
    """Who ran a loop in C, whose descriptors no object of Python's has; and what is to be known of it."""
    loops, here = context.recording.loops, threading.get_ident()
    if not loops.in_c:
        return None, set()
    elsewhere = {"loop-elsewhere"} if loops.running_in_c & loops.in_c.keys() - {here} else set()
    return next(iter(loops.in_c.values())), {"loop-in-C"} | elsewhere


def _place(opened: Opened, found: Owners, openings: Openings) -> tuple[Place | None, bool]:
    place, noted = openings.of_descriptor(*opened.identity)
    if noted:
        return place, noted
    if opened.number in found.sockets:
        return openings.of_socket(found.sockets[opened.number])
    return openings.of_file(opened.path.removesuffix(" (deleted)")) if opened.path else (None, False)


# ------------------------------------------------------------------------------------------------- judging


def _broken(
    gone: list[int], now: dict[int, Opened], last: Descriptors, search: Callable[[], Owners]
) -> Iterator[tuple[int, str]]:
    """Descriptors that were closed although an object still has them, or that two objects have now."""
    gone = [number for number in gone if number not in _STANDARD]
    claims = search().claims if gone else {}
    for number in gone:
        if claims.get(number, 0) - (number in now) >= last.open[number].claims:
            yield number, last.open[number].subject


def absorb(before: Descriptors, start: Descriptors, end: Descriptors) -> Descriptors:
    """As the contract says."""
    opened = {number: one for number, one in end.open.items() if not _is_in(one, start.open)}
    closed = {number for number, one in start.open.items() if not _is_in(one, end.open)}
    kept = {number: one for number, one in before.open.items() if number not in closed}
    broken = {number: subject for number, subject in end.broken.items() if number not in start.broken}
    return before._replace(open={**kept, **opened}, broken={**before.broken, **broken})


def _is_in(one: Opened, table: dict[int, Opened]) -> bool:
    return _identity(table, one.number) == one.identity


def compare(before: Descriptors, after: Descriptors) -> Iterator[Leak]:
    """One leak for those that are alike, where there are more of them than before."""
    if after.open is before.open and after.broken is before.broken:
        return
    yield from _standard(before, after)
    new = [one for one in after.open.values() if not _is_in(one, before.open) and one.number not in _STANDARD]
    closed = [one for one in before.open.values() if not (_is_in(one, after.open) or one.is_told)]
    gone = Counter(one.subject for one in closed)
    # Pytest's own temporary files, which capture the output, aren't the program's first ones.
    had = {one.subject for one in before.open.values() if (one.device, one.inode) not in after.streams}
    alike: dict[tuple[str, frozenset[str]], list[Opened]] = {}
    for one in new:
        if one.is_told or one.number in after.locked:
            continue
        if gone[one.subject] > 0:
            gone[one.subject] -= 1
        else:
            alike.setdefault((one.subject, one.traits), []).append(one)
    for (subject, _), group in sorted(alike.items(), key=lambda item: item[0][0]):
        further = {"first"} if subject not in had else set()
        further |= {"test-failed"} if after.failed else set()
        yield _leak(group, further, after.sources)
    for number, subject in after.broken.items():
        if number not in before.broken:
            yield RULE.leak(subject, f"closed beneath the object that has it, fd {number}")


def _standard(before: Descriptors, after: Descriptors) -> Iterator[Leak]:
    for number, name in _STANDARD.items():
        was, now = before.open.get(number), after.open.get(number)
        if was is not None and now is None:
            yield RULE.leak(name, f"closed, fd {number}")
        elif was is not None and now is not None and was.identity != now.identity:
            swapped = (now.device, now.inode) in after.streams
            traits = {"by-tool"} if swapped else now.traits & {"by-tool"}
            origin = after.sources.origin(now.place)
            yield RULE.leak(name, f"another file now: {now.subject}", origin, traits=traits)


def _leak(group: list[Opened], further: set[str], sources: Sources) -> Leak:
    numbers = [str(one.number) for one in group]
    more = [f"{len(numbers) - _SHOWN} more"] if len(numbers) > _SHOWN else []
    parts = [f"{len(group)} open"] if len(group) > 1 else ["open"]
    parts += [f"fd {', '.join([*numbers[:_SHOWN], *more])}"]
    parts += [group[0].path] if group[0].subject.startswith("temporary") else []
    place = next((one.place for one in group if one.place is not None), None)
    owner = Owner.UNKNOWN if place is None else place.owner
    traits = group[0].traits | further
    return RULE.leak(group[0].subject, ", ".join(parts), sources.origin(place), owner, traits)
