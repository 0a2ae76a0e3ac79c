"""Tasks and event loops: what is said of hand-made values, and real ones in loops that go on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_stateless import aio, loop_doors
from pytest_stateless.detectors import Context, Detector, async_task
from pytest_stateless.detectors.async_task import Tasks, absorb, compare
from pytest_stateless.detectors.pending import Looking, OpenLoop, Work
from pytest_stateless.expected import is_expected
from pytest_stateless.findings import Findings
from pytest_stateless.heap.graph import identity
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.looping import Key
from pytest_stateless.source import Place, Sources
from pytest_stateless.window import Windows

Told = Callable[[Callable[[], object]], list[Leak]]

SOURCES = Sources("/srv/shop")
PLACE = Place("/srv/shop/jobs.py", 9, "start", Owner.APPLICATION, False, False)
THEIRS = Place("/lib/jobs.py", 7, "start", Owner.DEPENDENCY, False, False)
TOOLS = THEIRS._replace(by_tool=True)
ORIGIN = Origin("jobs.py", 9, "start")


class Thing:
    """Stands for a loop or a task."""


KEPT: list[Thing] = []


def key() -> Key:
    KEPT.append(Thing())
    return weakref.ref(KEPT[-1])


# ----------------------------------------------------------------------------------------- hand-made values

OLD = OpenLoop(key(), False, None, False)
NEW = OpenLoop(key(), True, PLACE, False)
OTHER = OpenLoop(key(), True, PLACE, False)
AWAY = OpenLoop(key(), False, None, True)


def work(subject: str, loop: OpenLoop = OLD, place: Place | None = PLACE, *traits: str) -> Work:
    owner = Owner.UNKNOWN if place is None else place.owner
    return Work(
        key(),
        identity(loop.key),
        subject,
        "pending",
        place,
        frozenset({f"owner:{owner.value}", *traits}),
    )


REFRESH = work("refresh")


def at(*found: OpenLoop | Work, older: tuple[Work, ...] = (), **more: Any) -> Tasks:
    loops = {identity(one.key): one for one in found if isinstance(one, OpenLoop)}
    works = {identity(one.key): one for one in found if isinstance(one, Work)}
    given = {"current": None, **more}
    return Tasks(SOURCES, loops, works, {identity(one.key): one.key for one in older}, **given)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        pytest.param(at(OLD), at(OLD), [], id="nothing"),
        pytest.param(at(OLD), at(OLD, REFRESH), ["refresh: pending"], id="task"),
        pytest.param(at(OLD, REFRESH), at(OLD, REFRESH), [], id="task-of-before"),
        pytest.param(at(OLD, REFRESH), at(OLD), [], id="task-that-ended"),
        pytest.param(
            at(OLD, REFRESH), at(OLD, work("refresh")), ["refresh: pending"], id="task-in-place-of-its-like"
        ),
        pytest.param(
            at(AWAY, work("refresh", AWAY)), at(AWAY, work("refresh", AWAY)), [], id="in-another-thread"
        ),
        pytest.param(
            at(AWAY, work("refresh", AWAY)),
            at(AWAY, work("refresh", AWAY), work("refresh", AWAY)),
            ["refresh: pending"],
            id="two-for-one-in-another-thread",
        ),
        pytest.param(
            at(AWAY, work("refresh", AWAY)),
            at(AWAY, work("other", AWAY)),
            ["other: pending"],
            id="another-one-in-another-thread",
        ),
        pytest.param(
            at(OLD, AWAY, REFRESH),
            at(OLD, AWAY, work("refresh", AWAY)),
            ["refresh: pending"],
            id="task-in-another-loop",
        ),
        pytest.param(at(), at(OLD, REFRESH), ["refresh: pending"], id="in-a-loop-of-any-age"),
        pytest.param(at(), at(OLD, REFRESH, older=(REFRESH,)), [], id="there-when-the-loop-was-met"),
        pytest.param(
            at(OLD),
            at(OLD, REFRESH, work("refresh")),
            ["refresh: 2 of them, pending"],
            id="two-by-one-line",
        ),
        pytest.param(
            at(OLD),
            at(OLD, work("refresh"), work("refresh", OLD, PLACE._replace(line=12))),
            ["refresh: pending", "refresh: pending"],
            id="two-by-two-lines",
        ),
        pytest.param(at(OLD), at(OLD, work("b"), work("a")), ["a: pending", "b: pending"], id="sorted"),
        pytest.param(at(OLD), at(OLD, NEW), ["event loop: open"], id="loop"),
        pytest.param(at(OLD, NEW), at(OLD, NEW), [], id="loop-of-before"),
        pytest.param(at(NEW), at(), [], id="loop-that-was-closed"),
        pytest.param(at(OLD), at(NEW), [], id="loop-in-place-of-another"),
        pytest.param(at(), at(OLD), [], id="loop-of-any-age"),
        pytest.param(at(), at(NEW, OTHER), ["event loop: 2 open"], id="two-loops-by-one-line"),
        pytest.param(
            at(),
            at(NEW, work("b", NEW), work("a", NEW), work("a", NEW)),
            ["event loop: open, pending in it: a, b"],
            id="tasks-in-a-loop-that-is-told",
        ),
        pytest.param(
            at(OLD),
            at(NEW, work("a", NEW)),
            ["a: pending"],
            id="task-in-a-loop-in-place-of-another",
        ),
        pytest.param(
            at(),
            at(NEW, current=NEW.key),
            ["event loop: open, set as the current one"],
            id="left-and-set",
        ),
        pytest.param(
            at(OLD),
            at(OLD, current=OLD.key),
            ["current event loop: another one is set"],
            id="older-one-is-set",
        ),
        pytest.param(
            at(),
            at(current=NEW.key),
            ["current event loop: one that is closed is set"],
            id="closed-one-is-set",
        ),
        pytest.param(at(current=OLD.key), at(current=OLD.key), [], id="set-before"),
        pytest.param(at(current=OLD.key), at(), [], id="none-is-set"),
    ],
)
def test_what_was_not_there_is_told(before: Tasks, after: Tasks, told: list[str]) -> None:
    assert [f"{leak.subject}: {leak.message}" for leak in compare(before, after)] == told


def test_who_started_it_is_to_blame() -> None:
    (leak,) = compare(at(OLD), at(OLD, REFRESH))
    assert (leak.origin, leak.owner) == (ORIGIN, Owner.APPLICATION)
    (leak,) = compare(at(), at(NEW))
    assert (leak.origin, leak.owner) == (ORIGIN, Owner.APPLICATION)
    (leak,) = compare(at(), at(current=OLD.key, set_by=PLACE))
    assert leak.origin == ORIGIN


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(at(OLD), at(OLD, work("a")), False, id="task"),
        pytest.param(at(OLD), at(OLD, work("a", OLD, TOOLS)), True, id="task-of-a-tool"),
        pytest.param(at(OLD), at(OLD, work("a", OLD, THEIRS)), False, id="task-of-a-library"),
        pytest.param(at(OLD), at(OLD, work("a", OLD, THEIRS, "idle")), True, id="idle-one-of-a-library"),
        pytest.param(at(OLD), at(OLD, work("a", OLD, PLACE, "idle")), False, id="idle-one"),
        pytest.param(at(OLD), at(OLD, work("a", OLD, PLACE, "callback")), False, id="timer"),
        pytest.param(at(OLD), at(OLD, work("a", OLD, THEIRS, "callback")), True, id="timer-of-a-library"),
        pytest.param(at(OLD), at(OLD, work("async_generator_athrow")), True, id="closing-a-generator"),
        pytest.param(at(), at(NEW), False, id="loop"),
        pytest.param(at(), at(NEW._replace(place=None)), False, id="loop-of-nobody"),
        pytest.param(at(), at(NEW._replace(place=TOOLS)), True, id="loop-of-a-tool"),
        pytest.param(at(), at(NEW._replace(place=THEIRS)), True, id="first-loop-of-a-library"),
        pytest.param(
            at(OTHER._replace(place=THEIRS)),
            at(OTHER, NEW._replace(place=THEIRS)),
            False,
            id="further-loop-of-a-library",
        ),
        pytest.param(at(), at(NEW._replace(elsewhere=True)), True, id="loop-of-a-thread"),
        pytest.param(at(), at(NEW, failed=True), True, id="loop-in-a-traceback"),
        pytest.param(at(), at(NEW, failed=True, current=NEW.key), False, id="set-by-a-failed-test"),
        pytest.param(at(), at(current=OLD.key), False, id="set"),
        pytest.param(at(), at(current=OLD.key, set_by=TOOLS), True, id="set-by-a-tool"),
    ],
)
def test_what_is_expected(before: Tasks, after: Tasks, expected: bool) -> None:
    (leak,) = compare(before, after)
    assert is_expected(leak) is expected


@pytest.mark.parametrize("place", [TOOLS, THEIRS])
def test_what_goes_on_in_a_loop_that_is_expected_is_told_for_itself(place: Place) -> None:
    loop = NEW._replace(place=place)
    leaks = [leak for leak in compare(at(), at(loop, work("a", loop))) if not is_expected(leak)]
    assert [leak.subject for leak in leaks] == ["a"]


def test_absorbing_counts_what_others_started_and_ended() -> None:
    mine, theirs, gone = work("mine"), work("theirs"), work("gone")
    found = absorb(at(OLD, gone), at(OLD, gone, mine), at(OLD, NEW, mine, theirs, current=NEW.key))
    assert found == at(OLD, NEW, theirs, current=NEW.key)


# ------------------------------------------------------------------------------------------ real ones


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    """Ends what a test left behind."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def loop(keep: ExitStack) -> asyncio.AbstractEventLoop:
    """One that goes on after the windows of a test."""
    made = asyncio.new_event_loop()
    keep.callback(made.close)
    keep.callback(lambda: made.run_until_complete(end_all()))
    return made


@pytest.fixture
def told(left_by: Callable[[Detector, Callable[[], object]], list[Leak]]) -> Told:
    """What is said that a function left behind, and not expected: tasks that sleep have a timer of asyncio's."""
    return lambda act: [leak for leak in left_by(async_task, act) if not is_expected(leak)]


async def end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def refresh() -> None:
    await asyncio.sleep(3600)


class Shop:
    async def refresh(self) -> None:
        await refresh()


async def rows() -> AsyncIterator[int]:
    for number in range(9):
        yield number


def expire(*_: object) -> None: ...


HERE = __name__.replace(".", "/")


async def start(coroutine: Any, begin: bool = True) -> None:
    asyncio.create_task(coroutine)  # noqa: RUF006 - it is left over
    await asyncio.sleep(0 if begin else -1)


async def ensure() -> None:
    asyncio.ensure_future(refresh())  # noqa: RUF006
    await asyncio.sleep(0)


async def shield() -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(refresh()), 0.001)


STARTS: dict[str, tuple[Callable[[asyncio.AbstractEventLoop], object], str]] = {
    "create-task": (lambda loop: loop.run_until_complete(start(refresh())), "refresh"),
    "method": (lambda loop: loop.run_until_complete(start(Shop().refresh())), "Shop.refresh"),
    "ensure-future": (lambda loop: loop.run_until_complete(ensure()), "refresh"),
    "shield": (lambda loop: loop.run_until_complete(shield()), "refresh"),
    "of-the-loop": (lambda loop: loop.create_task(refresh()), "refresh"),
}


@pytest.mark.parametrize(("act", "name"), STARTS.values(), ids=STARTS)
def test_a_task_that_is_pending_is_told(
    act: Callable[[asyncio.AbstractEventLoop], object],
    name: str,
    told: Told,
    loop: asyncio.AbstractEventLoop,
) -> None:
    (found,) = told(lambda: act(loop))
    assert found.subject.endswith(name)
    assert found.message.startswith("pending, at ")
    assert found.origin is not None
    assert found.origin.file == __file__
    assert found.origin.function in ("start", "ensure", "shield", "<lambda>")


def test_a_task_of_the_project_is_spelled_with_its_file(
    context: Context, told: Told, loop: asyncio.AbstractEventLoop
) -> None:
    context.sources.root = __file__.rpartition("/")[0]
    (found,) = told(lambda: loop.create_task(refresh()))
    assert found.subject == "refresh (test_async_task.py)"


@pytest.mark.parametrize(("act", "name"), STARTS.values(), ids=STARTS)
def test_a_task_that_was_cancelled_is_not(
    act: Callable[[asyncio.AbstractEventLoop], object],
    name: str,
    told: Told,
    loop: asyncio.AbstractEventLoop,
) -> None:
    def act_and_end() -> None:
        act(loop)
        loop.run_until_complete(end_all())

    assert told(act_and_end) == []


@pytest.mark.parametrize(("act", "name"), STARTS.values(), ids=STARTS)
def test_a_task_of_before_is_nothing_new(
    act: Callable[[asyncio.AbstractEventLoop], object],
    name: str,
    told: Told,
    loop: asyncio.AbstractEventLoop,
) -> None:
    act(loop)
    assert told(lambda: loop.run_until_complete(asyncio.sleep(0))) == []


def test_a_task_of_before_in_a_loop_that_is_met_in_the_window_is_nothing_new(
    context: Context, loop: asyncio.AbstractEventLoop
) -> None:
    loop_doors.remove()
    loop.create_task(refresh())
    assert in_a_window(context, lambda: loop.run_until_complete(start(Shop().refresh()))) == ["Shop.refresh"]


def in_a_window(
    context: Context, act: Callable[[], object], sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    windows = Windows(context, [async_task], sleep)
    window = windows.open()
    kept = act()
    findings: Findings = windows.close(window)
    del kept
    windows.let_go()
    assert findings.errors == []
    return [leak.subject.removeprefix(f"{__name__}.") for leak in findings.leaks]


def test_what_ends_with_its_loop_is_no_leak(context: Context) -> None:
    async def main() -> None:
        await start(refresh())
        await rows().__anext__()

    assert in_a_window(context, lambda: asyncio.run(main())) == []


def test_a_task_that_another_thread_ends_a_little_later_is_no_leak(
    context: Context, loop: asyncio.AbstractEventLoop, keep: ExitStack
) -> None:
    run_in_thread(loop, keep)
    tasks: list[asyncio.Task[object]] = []

    def act() -> None:
        tasks.append(asyncio.run_coroutine_threadsafe(begun(asyncio.sleep(3600)), loop).result(60))

    async def begun(work: Any) -> asyncio.Task[object]:
        return asyncio.create_task(work)

    def end(_: float) -> None:
        asyncio.run_coroutine_threadsafe(ended(tasks[-1]), loop).result(60)

    async def ended(task: asyncio.Task[object]) -> None:
        task.cancel()
        await asyncio.wait([task])

    assert in_a_window(context, act, end) == []
    assert in_a_window(context, act, lambda _: None) == ["asyncio.tasks.sleep"]
    assert in_a_window(context, act, end) == []


def test_a_server_of_before_that_waits_anew_each_time_is_none(
    context: Context, loop: asyncio.AbstractEventLoop, keep: ExitStack
) -> None:
    run_in_thread(loop, keep)
    rounds = threading.Semaphore(0)

    async def serve() -> None:  # as asyncio.wait_for does before Python 3.12
        while True:
            waiting = asyncio.ensure_future(asyncio.Event().wait())
            rounds.release()
            try:
                await asyncio.wait([waiting], timeout=0.002)
            finally:
                waiting.cancel()
                await asyncio.wait([waiting])

    server = asyncio.run_coroutine_threadsafe(serve(), loop)
    keep.callback(server.cancel)
    rounds.acquire()

    def some_rounds() -> None:
        for _ in range(3):
            rounds.acquire()

    in_a_window(context, some_rounds)  # in which its loop is met
    assert in_a_window(context, some_rounds) == []


def run_in_thread(loop: asyncio.AbstractEventLoop, keep: ExitStack) -> None:
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    keep.callback(thread.join)
    keep.callback(loop.call_soon_threadsafe, loop.stop)


def test_what_goes_on_in_the_loop_that_runs_here_may_still_end_with_it(
    context: Context, loop: asyncio.AbstractEventLoop
) -> None:
    windows = Windows(context, [async_task])
    outer = windows.open()

    async def request() -> list[Leak]:
        inner = windows.open()
        await start(refresh())
        return windows.close(inner).leaks

    assert loop.run_until_complete(request()) == []
    assert len(windows.close(outer).leaks) == 1
    windows.let_go()


def test_a_loop_that_does_not_run_is_given_no_turn(context: Context, loop: asyncio.AbstractEventLoop) -> None:
    ran: list[int] = []

    async def short() -> None:
        ran.append(1)

    async def main() -> None:
        loop.call_soon(loop.create_task, short())  # which begins a turn later than main ends

    (subject,) = in_a_window(context, lambda: loop.run_until_complete(main()))
    assert subject.endswith("short")
    assert not ran


def test_a_function_that_is_to_be_called_is_told(told: Told, loop: asyncio.AbstractEventLoop) -> None:
    (found,) = told(lambda: loop.call_later(3600, functools.partial(expire, 1)))
    assert found.subject.endswith("expire")
    assert found.origin is not None
    assert found.origin.line == expire.__code__.co_firstlineno


def test_so_it_is_in_a_loop_that_nobody_knew(loop: asyncio.AbstractEventLoop, told: Told) -> None:
    loop.call_later(3600, end_all)
    (found,) = told(lambda: loop.call_later(3600, expire))
    assert found.subject.endswith("expire")
    assert told(lambda: None) == []


class Expiry:
    """What a loop calls need not be a function."""

    def __call__(self) -> None:
        """Nothing is called here."""


def test_what_no_python_code_runs_is_nobodys(told: Told, loop: asyncio.AbstractEventLoop) -> None:
    assert told(lambda: loop.call_later(3600, dict[str, int]().clear)) == []


def test_one_that_was_cancelled_is_not(told: Told, loop: asyncio.AbstractEventLoop) -> None:
    assert told(lambda: loop.call_later(3600, expire).cancel()) == []


def test_a_generator_that_is_not_closed_is_told(told: Told, loop: asyncio.AbstractEventLoop) -> None:
    async def begin() -> AsyncIterator[int]:
        found = rows()
        assert await found.__anext__() == 0
        return found

    (found,) = told(lambda: loop.run_until_complete(begin()))
    assert found.subject.endswith("rows")
    assert "generator" in found.message


@pytest.mark.parametrize("end", ["aclose", "used-up", "dropped"])
def test_a_generator_that_ended_is_not(end: str, context: Context, loop: asyncio.AbstractEventLoop) -> None:
    async def use() -> None:
        found: Any = rows()
        await found.__anext__()
        if end == "aclose":
            await found.aclose()
        elif end == "used-up":
            assert len([row async for row in found]) == 8
        else:
            del found
            await asyncio.sleep(0)

    assert in_a_window(context, lambda: loop.run_until_complete(use())) == []


def test_a_loop_left_open_is_told(context: Context, keep: ExitStack) -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def act() -> None:
        made.append(asyncio.new_event_loop())
        keep.callback(made[0].close)

    assert in_a_window(context, act) == ["event loop"]


def test_a_loop_that_nobody_holds_is_not(context: Context) -> None:
    def act() -> None:
        cycle: list[Any] = [asyncio.new_event_loop()]
        cycle.append(cycle)
        del cycle
        with pytest.warns(ResourceWarning):
            gc.collect()

    assert in_a_window(context, act) == []


def test_a_loop_of_before_is_nothing_new_when_it_runs(
    context: Context, loop: asyncio.AbstractEventLoop
) -> None:
    assert in_a_window(context, lambda: loop.run_until_complete(asyncio.sleep(0))) == []


def test_a_loop_that_runs_in_a_thread_is_that_threads(
    context: Context, keep: ExitStack, loop: asyncio.AbstractEventLoop
) -> None:
    def act() -> None:
        made = asyncio.new_event_loop()
        keep.callback(made.close)
        run_in_thread(made, keep)
        while not made.is_running():
            time.sleep(0.001)

    assert in_a_window(context, act) == []


@pytest.mark.parametrize(
    ("close", "subject"), [pytest.param(True, "current event loop", id="closed"), (False, "event loop")]
)
def test_a_loop_left_set_is_told(close: bool, subject: str, context: Context, keep: ExitStack) -> None:
    keep.callback(asyncio.set_event_loop, None)

    def act() -> None:
        made = asyncio.new_event_loop()
        asyncio.set_event_loop(made)
        keep.callback(made.close)
        if close:
            made.close()

    assert in_a_window(context, act) == [subject]
    assert in_a_window(context, lambda: None) == []
    assert in_a_window(context, lambda: asyncio.set_event_loop(None)) == []


class HostileTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose every question is answered by an error, but to asyncio."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    def __repr__(self) -> str:
        raise AssertionError("spelled")

    def done(self) -> bool:
        if sys.version_info < (3, 14):  # since when asyncio's own list asks
            assert "pytest_stateless" not in sys._getframe(1).f_code.co_filename
        return super().done()

    __hash__ = asyncio.Task.__hash__


def test_no_code_of_a_task_is_run(told: Told, loop: asyncio.AbstractEventLoop) -> None:
    loop.set_task_factory(lambda loop, coroutine, **more: HostileTask(coroutine, loop=loop, **more))
    (found,) = told(lambda: loop.create_task(refresh()))
    loop.set_task_factory(None)
    assert found.subject.endswith("refresh")


def test_a_task_in_python_is_read_as_one_in_c(told: Told, loop: asyncio.AbstractEventLoop) -> None:
    in_python: Any = vars(asyncio.tasks)["_PyTask"]
    loop.set_task_factory(lambda loop, coroutine, **more: in_python(coroutine, loop=loop, **more))
    (found,) = told(lambda: loop.create_task(refresh()))
    loop.set_task_factory(None)
    assert found.subject.endswith("refresh")
    assert told(lambda: loop.run_until_complete(end_all())) == []


def test_a_mock_of_asyncio_changes_nothing(
    told: Told, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    aio.running(), aio.pending(loop)

    def act() -> None:
        loop.create_task(refresh())
        for name in ("all_tasks", "create_task", "current_task", "get_event_loop"):
            monkeypatch.setattr(asyncio, name, None)
            monkeypatch.setattr(asyncio.tasks, name, None, raising=False)

    leaks = told(act)
    monkeypatch.undo()
    assert len(leaks) == 1


def test_the_stand_ins_go_and_leave_what_was_there(context: Context) -> None:
    def places() -> list[Any]:
        names = ("__init__", "create_task")
        return [vars(asyncio.base_events.BaseEventLoop)[name] for name in names]

    loop_doors.remove()
    before = places()
    windows = Windows(context, [async_task])
    windows.close(windows.open())
    assert places() != before
    windows.let_go()
    assert places() == before


def test_somebody_elses_stand_in_is_left_alone(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = Windows(context, [async_task])
    windows.close(windows.open())
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "create_task", expire)
    windows.let_go()
    assert vars(asyncio.base_events.BaseEventLoop)["create_task"] is expire
    monkeypatch.undo()
    loop_doors.install()
    loop_doors.remove()


def test_looking_leaves_nothing(context: Context, loop: asyncio.AbstractEventLoop) -> None:
    loop.create_task(refresh())
    context.recording.loops.meet(loop)

    def look() -> int:
        for _ in range(200):
            context.recording.forget()
            async_task.carry(async_task.capture(context), context)
        gc.collect()
        return len(gc.get_objects())

    look()
    assert abs(look() - look()) < 20


# ------------------------------------------------------------------------ a loop in which nothing is new


async def a_generator() -> AsyncIterator[int]:
    found = rows()
    await found.__anext__()
    return found


@pytest.fixture
def settled(context: Context, loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop with a task, a function to be called and a generator that have been there for long."""
    loop.run_until_complete(start(refresh()))
    generator: Any = loop.run_until_complete(a_generator())
    loop.call_later(3600, expire)
    context.recording.loops.meet(loop)
    for _ in range(10):
        async_task.capture(context)
    yield loop
    loop.run_until_complete(generator.aclose())


async def one_for_another() -> None:
    (old,) = asyncio.all_tasks() - {asyncio.current_task()}
    old.cancel()
    await asyncio.wait([old])
    del old
    await start(refresh())


def later_instead_of(loop: Any) -> None:
    loop._scheduled[:] = [handle for handle in loop._scheduled if handle._callback is not expire]
    loop.call_later(3600, expire)


def test_a_loop_in_which_nothing_is_new_costs_no_look_at_each_task(
    context: Context, settled: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = async_task.capture(context)
    for name in ("pending", "generators_of", "callbacks_of"):
        monkeypatch.setattr(aio, name, None)
    after = async_task.capture(context)
    assert after.works == before.works
    assert len(after.works) >= 3


@pytest.mark.parametrize(
    ("act", "subject"),
    [
        pytest.param(lambda loop: loop.create_task(refresh()), "refresh", id="task"),
        pytest.param(lambda loop: loop.run_until_complete(start(refresh())), "refresh", id="task-that-began"),
        pytest.param(
            lambda loop: loop.run_until_complete(one_for_another()), "refresh", id="task-for-another"
        ),
        pytest.param(lambda loop: loop.call_later(9, expire), "expire", id="function"),
        pytest.param(lambda loop: loop.call_later(9, Expiry()), "Expiry.__call__", id="object"),
        pytest.param(later_instead_of, "expire", id="function-for-another"),
        pytest.param(lambda loop: loop.call_soon(expire), "expire", id="function-at-once"),
        pytest.param(lambda loop: loop.run_until_complete(a_generator()), "rows", id="generator"),
    ],
)
def test_what_is_new_among_what_has_been_there_for_long_is_told(
    act: Callable[[Any], object], subject: str, told: Told, settled: asyncio.AbstractEventLoop
) -> None:
    (found,) = told(lambda: act(settled))
    assert found.subject.removeprefix(f"{__name__}.") == subject


def test_a_handle_that_allows_no_reference_is_looked_at(
    context: Context, loop: asyncio.AbstractEventLoop
) -> None:
    loop._ready.append(7)  # type: ignore[attr-defined]
    context.recording.loops.meet(loop)
    assert aio.marks(loop) is None
    for _ in range(10):
        assert async_task.capture(context).settled == {}
    loop._ready.clear()  # type: ignore[attr-defined]


def test_a_loop_that_is_gone_is_forgotten(context: Context) -> None:
    for _ in range(10):
        assert in_a_window(context, lambda: asyncio.run(asyncio.sleep(0))) == []
    assert context.recording.loops._known == {}
    assert context.recording.loops.made == {}


def test_without_asyncio_nothing_is_asked(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("asyncio", "_asyncio")]:
        monkeypatch.delitem(sys.modules, name)
    loop_doors.remove()
    loop_doors.install()
    found = async_task.capture(context)
    assert (found.loops, found.works, found.current) == ({}, {}, None)


def test_what_no_weak_reference_may_stand_for_is_passed_over(context: Context) -> None:
    loop: Any = None
    assert list(Looking(context, {}, {})._known_or_new(7, loop, None)) == []


def test_what_a_request_left_running_in_this_loop_is_told_once(recorded: Context) -> None:
    async def serve() -> None:
        task = asyncio.get_running_loop().create_task(refresh())
        await asyncio.sleep(0)
        after = async_task.capture(recorded)
        found = async_task.left_running([task], after, recorded)
        assert len(found.leaks) == 1
        assert "refresh" in found.leaks[0].subject
        assert set(found.after.works) - set(after.works)
        task.cancel()

    asyncio.run(serve())


def test_where_no_loop_runs_nothing_is_left_running(recorded: Context) -> None:
    after = async_task.capture(recorded)
    assert async_task.left_running([], after, recorded).leaks == []
