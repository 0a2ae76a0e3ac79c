"""``thread``: a thread that was started still runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pytest_stateless.detectors import kernel
from pytest_stateless.detectors.context import Context
from pytest_stateless.detectors.running import Native, Running, settled, threads
from pytest_stateless.detectors.spelling import stable
from pytest_stateless.leak import Leak, Owner, Rule
from pytest_stateless.noted import Start
from pytest_stateless.source import Place, Sources

RULE: Final = Rule("thread", "A thread that was started still runs.")
PATIENT: Final = True


class Threads(NamedTuple):
    """The threads of the process, and those that were started up to one moment."""

    running: tuple[Running, ...]
    natives: tuple[Native, ...]
    starts: tuple[Start, ...]
    sources: Sources
    name: str = ""
    """What the kernel calls the process: threads of no name of their own are called the same."""


def capture(context: Context) -> Threads:
    """The threads that there are now."""
    running, natives = threads(context)
    name = kernel.process_name() if natives else ""
    return Threads(running, natives, tuple(context.recording.starts), context.sources, name)


def carry(end: Threads, context: Context) -> Threads:
    """As the contract says."""
    return end._replace(starts=())


def signs(context: Context) -> object:
    """As ``STEADY`` says."""
    return settled(context)


def absorb(before: Threads, start: Threads, end: Threads) -> Threads:
    """As the contract says."""
    return before._replace(
        running=_moved(before.running, start.running, end.running),
        natives=_moved(before.natives, start.natives, end.natives),
    )


def _moved(before: tuple[Any, ...], start: tuple[Any, ...], end: tuple[Any, ...]) -> tuple[Any, ...]:
    """What was there before, with those that came and without those that went."""
    there = {_key(one) for one in start}
    went = there - {_key(one) for one in end}
    kept = {_key(one): one for one in before if _key(one) not in went}
    return (*{**kept, **{_key(one): one for one in end if _key(one) not in there}}.values(),)


def _key(one: Running | Native) -> tuple[object, ...]:
    return (one.task,) if isinstance(one, Native) else (one.task, one.thread, one.code)


def compare(before: Threads, after: Threads) -> Iterator[Leak]:
    """One leak for each kind of thread and line that started it."""
    known = {_key(thread) for thread in before.running}
    fresh = [thread for thread in after.running if _key(thread) not in known]
    origins = _Origins(before, after)
    groups: dict[tuple[str, Place | None, frozenset[str]], list[Running]] = {}
    for thread in fresh:
        start = origins.start_of(thread)
        traits = thread.traits | ({"renewed"} if origins.is_renewed(thread) else set())
        groups.setdefault((thread.subject, start and start.place, traits), []).append(thread)
    for (_, place, traits), alike in sorted(groups.items(), key=lambda group: group[0][0]):
        yield _leak(alike, place, traits, after.sources)
    anonymous = sum(not thread.task for thread in fresh)
    yield from _native_leaks(before, after, anonymous)


class _Origins:
    """Who started which thread."""

    def __init__(self, before: Threads, after: Threads) -> None:
        self._by_thread = {start.thread: start for start in after.starts if start.thread}
        self._by_code = {start.code: start for start in after.starts}
        self._before = {thread.thread: thread.subject for thread in before.running}

    def start_of(self, thread: Running) -> Start | None:
        """The start of a thread; of two of the same identity the last, the one before it has ended."""
        return self._by_code.get(thread.code) if thread.code else self._by_thread.get(thread.thread)

    def is_renewed(self, thread: Running) -> bool:
        """Whether a thread that was there before started it as its own successor, as a timer that sets itself again."""
        start = self.start_of(thread)
        for _ in range(len(self._by_thread)):
            if start is None or start.by in self._before:
                break
            start = self._by_thread.get(start.by)  # a successor that came and went meanwhile
        return start is not None and self._before.get(start.by) == thread.subject


def _leak(alike: list[Running], place: Place | None, traits: frozenset[str], sources: Sources) -> Leak:
    what = "still waits for work" if "idle" in traits else "still runs"
    many = f", {len(alike)} of them" if len(alike) > 1 else ""
    name = f", named {alike[0].name}" if alike[0].name != alike[0].subject else ""
    owner = Owner.UNKNOWN if place is None else place.owner
    more = {f"owner:{owner.value}"} | ({"by-tool"} if place is not None and place.by_tool else set())
    return RULE.leak(alike[0].subject, f"{what}{many}{name}", sources.origin(place), owner, traits | more)


def _native_leaks(before: Threads, after: Threads, anonymous: int) -> Iterator[Leak]:
    """Of the threads that the kernel alone knows, ``anonymous`` are told already: those have no name of their own."""
    known = {native.task for native in before.natives} | {thread.task for thread in before.running}
    fresh = [native for native in after.natives if native.task not in known]
    fresh.sort(key=lambda native: native.name != after.name)
    groups: dict[tuple[str, bool], int] = {}
    for native in fresh[anonymous:]:
        name = "" if native.name == after.name else f" {stable(native.name)}"
        group = f"native thread{name}", native.waits
        groups[group] = groups.get(group, 0) + 1
    for (subject, waits), number in sorted(groups.items()):
        many = f", {number} of them" if number > 1 else ""
        what = "still waits for work" if waits else "still runs"
        traits = {"native", "idle"} if waits else {"native"}
        yield RULE.leak(subject, f"{what}{many}, started by native code", traits=traits)
