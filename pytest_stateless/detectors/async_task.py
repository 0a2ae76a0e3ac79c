"""``async-task``: a task is pending on an event loop that outlives the test, or a loop was left open or set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from pytest_stateless import aio
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.pending import Looking, OpenLoop, Settled, Work
from pytest_stateless.heap.graph import identity
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.looping import Key
from pytest_stateless.source import Place, Sources

RULE: Final = Rule("async-task", "A task is still pending, or an event loop was left open.")
PATIENT: Final = True

_T = TypeVar("_T")
_SHOWN: Final = 3  # tasks of a loop that is left open


class Tasks(NamedTuple):
    """The open loops and what goes on in them, by the identities of their keys, at one moment."""

    sources: Sources
    loops: dict[int, OpenLoop]
    works: dict[int, Work]
    older: dict[int, Key]
    """What went on before in loops that nobody knew then."""
    current: Key | None
    """The loop that is set for this thread."""
    set_by: Place | None = None
    """Who set it."""
    failed: bool = False
    """Whether the test failed: its traceback holds loops that would have gone."""
    settled: Mapping[int, Settled] = MappingProxyType({})
    """The loops in which nothing is new."""


def capture(context: Context) -> Tasks:
    """The loops and tasks that there are now; what goes on in the loop that runs here may still end with it."""
    noted = context.recording.loops
    last: Tasks = context.last.get(RULE.id) or Tasks(context.sources, {}, {}, {}, None)
    current = aio.current()
    key = None if current is None else noted.meet(current)
    here, looking = aio.running(), Looking(context, last.works, last.settled)
    loops, works = {}, {}
    for loop, loop_key in noted.open():
        number = identity(loop_key)
        loops[number] = looking.loop(loop, loop_key, last.loops.get(number))
        if loop is not here:
            works.update({identity(work.key): work for work in looking.works(loop, loop_key)})
    older = dict(noted.older)
    now = Tasks(context.sources, loops, works, older, key, noted.set_by, context.failed, looking.settled)
    context.last[RULE.id] = now
    return now


class LeftRunning(NamedTuple):
    """What a request started and didn't wait for."""

    leaks: list[Leak]
    after: Tasks
    """The look at the end of the request, with the tasks as what goes on since."""


def left_running(tasks: Sequence[Any], after: Tasks, context: Context) -> LeftRunning:
    """Tell of tasks in the loop that runs here, which ``capture`` leaves to who runs it."""
    loop = aio.running()
    key = None if loop is None else context.recording.loops.meet(loop)
    looking = Looking(context, {}, {})
    found = [] if key is None else [looking.task(task, key) for task in tasks]
    works = {identity(work.key): work for work in found if work is not None}
    leaks = list(_works(list(works.values()), context.sources))
    return LeftRunning(leaks, after._replace(works=after.works | works))


def carry(end: Tasks, context: Context) -> Tasks:
    """As the contract says."""
    context.last[RULE.id] = end
    return end._replace(older={}, set_by=None)


def signs(context: Context) -> object:
    """As ``STEADY`` says: where there is no loop, nothing goes on in one."""
    is_there = aio.current() is not None or context.recording.loops.open()
    return None if is_there else (context.failed,)


def absorb(before: Tasks, start: Tasks, end: Tasks) -> Tasks:
    """As the contract says."""
    return before._replace(
        loops=_moved(before.loops, start.loops, end.loops),
        works=_moved(before.works, start.works, end.works),
        current=before.current if end.current is start.current else end.current,
    )


def _moved(before: dict[int, _T], start: dict[int, _T], end: dict[int, _T]) -> dict[int, _T]:
    kept = {number: one for number, one in before.items() if number in end or number not in start}
    return {**kept, **{number: one for number, one in end.items() if number not in start}}


def compare(before: Tasks, after: Tasks) -> Iterator[Leak]:
    """One leak for each loop that is open, and for each kind of task on others that the same line started."""
    made = {number: one for number, one in after.loops.items() if one.made and number not in before.loops}
    fresh = list(_without_successors(before, after))
    replaced = sum(number not in after.loops for number in before.loops)
    left = dict(list(made.items())[replaced:])
    yield from _loops(before, after, left, fresh)
    told = {number for number, loop in left.items() if loop.elsewhere or not _is_librarys(loop.place)}
    yield from _works([work for work in fresh if work.loop not in told], after.sources)
    yield from _current(before, after, made)


def _without_successors(before: Tasks, after: Tasks) -> Iterator[Work]:
    """What is new, but for what took the place of its like in another thread.

    A server that a wider fixture started there waits anew each time it has waited for long.
    """
    gone = Counter(
        (work.loop, work.subject)
        for number, work in before.works.items()
        if number not in after.works and work.loop in after.loops and after.loops[work.loop].elsewhere
    )
    for number, work in after.works.items():
        if number in before.works or number in after.older:
            continue
        if gone[work.loop, work.subject] > 0:
            gone[work.loop, work.subject] -= 1
        else:
            yield work


# ------------------------------------------------------------------------------------------------- judging


def _loops(before: Tasks, after: Tasks, made: dict[int, OpenLoop], fresh: list[Work]) -> Iterator[Leak]:
    places = {loop.place for loop in before.loops.values()}
    alike: dict[tuple[Place | None, frozenset[str]], list[int]] = {}
    for number, loop in made.items():
        found = set() if loop.place in places else {"first"}
        found |= {"elsewhere"} if loop.elsewhere else set()
        found |= {"test-failed"} if after.failed and not _is(after.current, number) else set()
        alike.setdefault((loop.place, frozenset(found)), []).append(number)
    for (place, traits), numbers in alike.items():
        parts = ["open"] if len(numbers) == 1 else [f"{len(numbers)} open"]
        parts += ["set as the current one"] if any(_is(after.current, number) for number in numbers) else []
        pending = sorted({work.subject for work in fresh if work.loop in numbers and not _is_inner(work)})
        parts += ["pending in it: " + ", ".join(pending[:_SHOWN])] if pending else []
        yield _leak("event loop", ", ".join(parts), place, traits, after.sources)


def _works(fresh: list[Work], sources: Sources) -> Iterator[Leak]:
    alike: dict[tuple[str, Place | None, frozenset[str]], list[Work]] = {}
    for work in fresh:
        alike.setdefault((work.subject, work.place, work.traits), []).append(work)
    for (subject, place, traits), works in sorted(alike.items(), key=lambda item: item[0][0]):
        many = f"{len(works)} of them, " if len(works) > 1 else ""
        yield _leak(subject, many + works[0].message, place, traits, sources)


def _current(before: Tasks, after: Tasks, made: dict[int, OpenLoop]) -> Iterator[Leak]:
    if after.current is None or after.current is before.current or identity(after.current) in made:
        return
    state = "another one" if identity(after.current) in after.loops else "one that is closed"
    yield _leak("current event loop", f"{state} is set", after.set_by, frozenset(), after.sources)


def _is(key: Key | None, number: int) -> bool:
    return key is not None and identity(key) == number


def _is_inner(work: Work) -> bool:
    """Whether it is a timer that tasks wait for."""
    return "callback" in work.traits and "owner:application" not in work.traits


def _is_librarys(place: Place | None) -> bool:
    """Whether a loop may be left open, so that what goes on in it is told for itself."""
    return place is not None and (place.by_tool or place.owner is Owner.DEPENDENCY)


def _by_tool(place: Place | None) -> bool:
    return place is not None and place.by_tool


def _leak(subject: str, message: str, place: Place | None, traits: frozenset[str], sources: Sources) -> Leak:
    owner = Owner.UNKNOWN if place is None else place.owner
    more = {f"owner:{owner.value}"} | ({"by-tool"} if _by_tool(place) else set())
    return RULE.leak(subject, message, sources.origin(place), owner, traits | more)
