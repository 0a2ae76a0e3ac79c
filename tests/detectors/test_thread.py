"""Threads: what is said of hand-made values, real threads of every kind, and runs of pytest that leave some."""

from __future__ import annotations

import _thread
import asyncio
import ctypes
import os
import queue
import select
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from pytest_stateless.detectors import Context, Detector, kernel, running, thread
from pytest_stateless.detectors.running import Native, Running
from pytest_stateless.detectors.thread import Threads, absorb, compare
from pytest_stateless.expected import is_expected
from pytest_stateless.findings import Findings
from pytest_stateless.leak import Leak, Origin, Owner
from pytest_stateless.noted import Start
from pytest_stateless.source import Place, Sources
from pytest_stateless.window import Windows

LeftBy = Callable[[Detector, Callable[[], object]], list[Leak]]

SOURCES = Sources("/srv/shop")
PLACE = Place("/srv/shop/jobs.py", 9, "start", Owner.APPLICATION, False, False)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's threads are listed on Linux")


# ----------------------------------------------------------------------------------------- hand-made values


def threads(*found: Running, natives: tuple[Native, ...] = (), starts: tuple[Start, ...] = ()) -> Threads:
    return Threads(found, natives, starts, SOURCES, "python")


MAIN = Running(1, 11, "", "MainThread", "MainThread")
SWEEP = Running(2, 22, "", "shop.sweep", "Thread-1 (sweep)")
STARTED = Start(22, "", 11, PLACE)
BARE = Running(0, 140_000, "/srv/shop/jobs.py:3", "shop.bare", "bare")


@pytest.mark.parametrize(
    ("before", "after", "subjects"),
    [
        pytest.param([MAIN], [MAIN, SWEEP], ["shop.sweep"], id="new"),
        pytest.param([MAIN, SWEEP], [MAIN, SWEEP], [], id="there-before"),
        pytest.param([MAIN, SWEEP], [MAIN], [], id="ended"),
        pytest.param(
            [MAIN, SWEEP], [MAIN, SWEEP._replace(task=3)], ["shop.sweep"], id="another-at-the-same-address"
        ),
        pytest.param([MAIN], [MAIN, SWEEP, SWEEP._replace(task=3)], ["shop.sweep"], id="two-of-a-kind"),
        pytest.param([MAIN], [MAIN, BARE], ["shop.bare"], id="without-a-thread-object"),
        pytest.param(
            [MAIN, SWEEP],
            [MAIN, SWEEP, BARE, SWEEP._replace(task=3, subject="a")],
            ["a", "shop.bare"],
            id="sorted",
        ),
    ],
)
def test_a_thread_that_was_not_there_is_told(
    before: list[Running], after: list[Running], subjects: list[str]
) -> None:
    assert [leak.subject for leak in compare(threads(*before), threads(*after))] == subjects


@pytest.mark.parametrize(
    ("running", "message"),
    [
        pytest.param([SWEEP], "still runs, named Thread-1 (sweep)", id="one"),
        pytest.param([SWEEP._replace(subject="mailer", name="mailer")], "still runs", id="told-by-its-name"),
        pytest.param(
            [SWEEP, SWEEP._replace(task=3)], "still runs, 2 of them, named Thread-1 (sweep)", id="two"
        ),
        pytest.param(
            [SWEEP._replace(traits=frozenset({"idle"}))],
            "still waits for work, named Thread-1 (sweep)",
            id="idle",
        ),
    ],
)
def test_what_is_said_of_a_thread(running: list[Running], message: str) -> None:
    (leak,) = compare(threads(), threads(*running))
    assert leak.message == message


@pytest.mark.parametrize(
    ("start", "origin", "owner"),
    [
        pytest.param(STARTED, Origin("jobs.py", 9, "start"), Owner.APPLICATION, id="known"),
        pytest.param(STARTED._replace(thread=23), None, Owner.UNKNOWN, id="of-another"),
        pytest.param(STARTED._replace(place=None), None, Owner.UNKNOWN, id="no-line-of-the-users"),
    ],
)
def test_who_started_it_is_to_blame(start: Start, origin: Origin | None, owner: Owner) -> None:
    (leak,) = compare(threads(), threads(SWEEP, starts=(start,)))
    assert (leak.origin, leak.owner) == (origin, owner)


def test_of_two_that_were_started_at_one_address_the_last_counts() -> None:
    earlier = STARTED._replace(place=PLACE._replace(line=1))
    (leak,) = compare(threads(), threads(SWEEP, starts=(earlier, STARTED)))
    assert leak.origin == Origin("jobs.py", 9, "start")


def test_a_bare_thread_is_known_by_the_function_it_runs() -> None:
    (leak,) = compare(threads(), threads(BARE, starts=(Start(0, BARE.code, 11, PLACE),)))
    assert leak.origin == Origin("jobs.py", 9, "start")


def test_the_same_function_started_at_two_lines_is_two_leaks() -> None:
    other = SWEEP._replace(task=3, thread=33)
    starts = (STARTED, Start(33, "", 11, PLACE._replace(line=12)))
    leaks = list(compare(threads(), threads(SWEEP, other, starts=starts)))
    assert [leak.origin and leak.origin.line for leak in leaks] == [9, 12]


AGAIN = SWEEP._replace(task=3, thread=33)


@pytest.mark.parametrize(
    ("starts", "renewed"),
    [
        pytest.param((Start(33, "", 22, PLACE),), True, id="by-one-of-its-kind"),
        pytest.param((Start(33, "", 11, PLACE),), False, id="by-another"),
        pytest.param(
            (Start(44, "", 22, PLACE), Start(33, "", 44, PLACE)), True, id="by-one-that-came-and-went"
        ),
        pytest.param((Start(44, "", 33, PLACE), Start(33, "", 44, PLACE)), False, id="in-a-circle"),
        pytest.param((), False, id="unknown"),
    ],
)
def test_a_successor_of_what_was_there_is_renewed(starts: tuple[Start, ...], renewed: bool) -> None:
    (leak,) = compare(threads(MAIN, SWEEP), threads(MAIN, AGAIN, starts=starts))
    assert ("renewed" in leak.traits) is renewed
    assert is_expected(leak) is renewed


NATIVE = Native(7, "pool-3", False)


@pytest.mark.parametrize(
    ("before", "after", "running", "subjects"),
    [
        pytest.param([], [NATIVE], [], ["native thread pool-*"], id="new"),
        pytest.param([NATIVE], [NATIVE], [], [], id="there-before"),
        pytest.param([], [NATIVE, Native(8, "pool-4", False)], [], ["native thread pool-*"], id="two"),
        pytest.param([], [NATIVE._replace(name="python")], [], ["native thread"], id="no-name-of-its-own"),
        pytest.param([], [NATIVE._replace(name="python")], [BARE], ["shop.bare"], id="told-by-its-function"),
        pytest.param(
            [],
            [NATIVE, Native(8, "python", False)],
            [BARE],
            ["shop.bare", "native thread pool-*"],
            id="one-told-by-its-function",
        ),
        pytest.param(
            [], [NATIVE._replace(task=SWEEP.task)], [], ["native thread pool-*"], id="of-any-number"
        ),
    ],
)
def test_a_native_thread_is_told_by_its_name(
    before: list[Native], after: list[Native], running: list[Running], subjects: list[str]
) -> None:
    leaks = compare(threads(natives=tuple(before)), threads(*running, natives=tuple(after)))
    assert [leak.subject for leak in leaks] == subjects


def test_a_thread_that_ends_and_that_only_the_kernel_still_knows_is_nothing_new() -> None:
    assert list(compare(threads(SWEEP), threads(natives=(Native(SWEEP.task, "python", False),)))) == []


def leak(*traits: str) -> Leak:
    (found,) = compare(threads(), threads(SWEEP._replace(traits=frozenset(traits)), starts=(STARTED,)))
    return found


@pytest.mark.parametrize(
    ("traits", "place", "expected"),
    [
        pytest.param(["idle"], PLACE, False, id="worker-of-the-applications"),
        pytest.param(["idle"], PLACE._replace(owner=Owner.DEPENDENCY), True, id="worker-of-a-librarys"),
        pytest.param([], PLACE._replace(owner=Owner.DEPENDENCY), False, id="a-librarys-that-is-at-work"),
        pytest.param(["idle", "default-pool"], PLACE, True, id="worker-of-a-loop"),
        pytest.param(["default-pool"], PLACE, False, id="worker-of-a-loop-at-work"),
        pytest.param(["idle", "lasting-pool"], PLACE, True, id="worker-of-a-modules"),
        pytest.param(["lasting-pool"], PLACE, False, id="worker-of-a-modules-at-work"),
        pytest.param([], PLACE._replace(by_tool=True), True, id="started-by-a-tool"),
        pytest.param(["by-tool"], PLACE, True, id="of-a-tool"),
    ],
)
def test_which_threads_are_expected(traits: list[str], place: Place, expected: bool) -> None:
    running = SWEEP._replace(traits=frozenset(traits))
    (found,) = compare(threads(), threads(running, starts=(STARTED._replace(place=place),)))
    assert is_expected(found) is expected


@pytest.mark.parametrize("waits", [True, False])
def test_a_native_thread_is_expected_where_it_waits(waits: bool) -> None:
    (found,) = compare(threads(), threads(natives=(NATIVE._replace(waits=waits),)))
    assert is_expected(found) is waits


def test_absorbing_counts_what_others_started_and_ended() -> None:
    mine, theirs, gone = SWEEP, SWEEP._replace(task=3), SWEEP._replace(task=4)
    native = NATIVE, NATIVE._replace(task=8)
    before, start = threads(MAIN, gone), threads(MAIN, gone, mine, natives=native[:1])
    end = threads(MAIN, mine, theirs, natives=native)
    absorbed = absorb(before, start, end)
    assert (absorbed.running, absorbed.natives) == ((MAIN, theirs), native[1:])


# ---------------------------------------------------------------------------------------------- real threads


@pytest.fixture
def keep() -> Iterator[ExitStack]:
    """Ends what a test started."""
    with ExitStack() as stack:
        yield stack


class Sweeper(threading.Thread):
    def __init__(self, ended: threading.Event) -> None:
        super().__init__()
        self.ended = ended

    def run(self) -> None:
        self.ended.wait()

    def sweep(self, *_: object) -> None:
        self.ended.wait()


class Hostile(Sweeper):
    """A thread whose every question is answered by an error."""

    def __getattribute__(self, name: str) -> Any:
        if sys._getframe(1).f_code.co_filename.startswith(os.path.dirname(thread.__file__)):
            raise AssertionError(f"asked for {name}")
        return super().__getattribute__(name)

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")

    __hash__ = threading.Thread.__hash__


def until(ended: threading.Event, *begun: threading.Event) -> None:
    for one in begun:
        one.set()
    ended.wait()


def started(keep: ExitStack, made: threading.Thread, end: Callable[[], object]) -> threading.Thread:
    keep.callback(made.join)
    keep.callback(end)
    made.start()
    return made


def bare(keep: ExitStack, function: Callable[..., object]) -> None:
    begun, ended = threading.Event(), threading.Event()
    _thread.start_new_thread(function, (ended, begun))
    keep.callback(time.sleep, 0.05)  # nobody can join it
    keep.callback(ended.set)
    assert begun.wait(10)


def start_pool(keep: ExitStack, **options: Any) -> None:
    pool = keep.enter_context(ThreadPoolExecutor(**options))
    pool.submit(len, ()).result()
    time.sleep(0.01)


HERE = __name__

KINDS: dict[str, tuple[Callable[[ExitStack, threading.Event], object], str]] = {
    "function": (
        lambda keep, ended: started(keep, threading.Thread(target=until, args=(ended,)), ended.set),
        f"{HERE}.until",
    ),
    "partial": (
        lambda keep, ended: started(keep, threading.Thread(target=partial(until, ended)), ended.set),
        f"{HERE}.until",
    ),
    "method": (
        lambda keep, ended: started(keep, threading.Thread(target=Sweeper(ended).sweep), ended.set),
        f"{HERE}.Sweeper.sweep",
    ),
    "named": (
        lambda keep, ended: started(keep, threading.Thread(target=ended.wait, name="sweep-3"), ended.set),
        "sweep-*",
    ),
    "daemon": (
        lambda keep, ended: started(keep, threading.Thread(target=ended.wait, daemon=True), ended.set),
        "threading.Event.wait",
    ),
    "class": (lambda keep, ended: started(keep, Sweeper(ended), ended.set), f"{HERE}.Sweeper"),
    "hostile": (lambda keep, ended: started(keep, Hostile(ended), ended.set), f"{HERE}.Hostile"),
    "timer": (
        lambda keep, ended: started(keep, made := threading.Timer(60, until), made.cancel),
        f"Timer of {HERE}.until",
    ),
    "pool": (lambda keep, ended: start_pool(keep), "ThreadPoolExecutor-*_*"),
    "named-pool": (lambda keep, ended: start_pool(keep, thread_name_prefix="prices"), "prices_*"),
    "bare": (lambda keep, ended: bare(keep, until), f"{HERE}.until"),
    "bare-that-asks-who-it-is": (lambda keep, ended: bare(keep, asking), f"{HERE}.asking"),
}


def asking(ended: threading.Event, begun: threading.Event) -> None:
    threading.current_thread()
    begun.set()
    ended.wait()


@pytest.mark.parametrize(("act", "subject"), KINDS.values(), ids=KINDS)
def test_a_thread_that_still_runs_is_told(
    act: Callable[[ExitStack, threading.Event], object], subject: str, left_by: LeftBy, keep: ExitStack
) -> None:
    (found,) = left_by(thread, lambda: act(keep, threading.Event()))
    assert found.subject == subject
    assert found.origin is not None
    assert found.origin.file == __file__
    assert found.owner is Owner.APPLICATION
    assert not is_expected(found)


@pytest.mark.parametrize(("act", "subject"), KINDS.values(), ids=KINDS)
def test_a_thread_that_ended_is_not(
    act: Callable[[ExitStack, threading.Event], object], subject: str, context: Context
) -> None:
    def act_and_end() -> None:
        with ExitStack() as keep:
            act(keep, threading.Event())

    assert in_a_window(context, act_and_end).leaks == []


@pytest.mark.parametrize(("act", "subject"), KINDS.values(), ids=KINDS)
def test_a_thread_of_before_is_nothing_new(
    act: Callable[[ExitStack, threading.Event], object], subject: str, left_by: LeftBy, keep: ExitStack
) -> None:
    act(keep, threading.Event())
    assert left_by(thread, lambda: None) == []


def in_a_window(
    context: Context, act: Callable[[], object], sleep: Callable[[float], None] = time.sleep
) -> Findings:
    windows = Windows(context, [thread], sleep)
    window = windows.open()
    act()
    findings = windows.close(window)
    assert findings.errors == []
    return findings


def test_workers_of_a_pool_are_one_leak(left_by: LeftBy, keep: ExitStack) -> None:
    def act() -> None:
        pool = keep.enter_context(ThreadPoolExecutor(3))
        barrier = threading.Barrier(3)
        for waiting in [pool.submit(barrier.wait) for _ in range(3)]:
            waiting.result()
        time.sleep(0.01)

    (found,) = left_by(thread, act)
    assert "3 of them" in found.message
    assert found.message.startswith("still waits for work")


def test_a_worker_that_waits_for_anything_but_work_is_not_idle(left_by: LeftBy, keep: ExitStack) -> None:
    ended = threading.Event()

    def act() -> None:
        keep.enter_context(ThreadPoolExecutor(1)).submit(ended.wait)
        keep.callback(ended.set)

    (found,) = left_by(thread, act)
    assert found.message.startswith("still runs")


def test_a_worker_of_a_queue_is_idle(left_by: LeftBy, keep: ExitStack) -> None:
    work: queue.Queue[None] = queue.Queue()

    def act() -> None:
        started(keep, threading.Thread(target=work.get, name="worker"), lambda: work.put(None))
        time.sleep(0.01)

    (found,) = left_by(thread, act)
    assert "idle" in found.traits


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a thread waits for")
@pytest.mark.parametrize(
    ("wait", "idle"),
    [
        pytest.param(lambda lock: lock.acquire(timeout=30), True, id="for-a-job"),
        pytest.param(lambda lock: select.select([], [], [], 0.5), False, id="for-time-to-pass"),
    ],
)
def test_a_worker_that_waits_for_a_lock_by_itself_is_idle(
    wait: Callable[[Any], object], idle: bool, left_by: LeftBy, keep: ExitStack
) -> None:
    lock = threading.Lock()
    lock.acquire()

    def act() -> None:
        started(keep, threading.Thread(target=partial(wait, lock), name="worker"), lock.release)
        time.sleep(0.05)

    (found,) = left_by(thread, act)
    assert ("idle" in found.traits) is idle


def test_a_pool_that_a_module_kept_before_is_expected(context: Context, keep: ExitStack) -> None:
    class Memory:
        def has_met(self, thing: object) -> bool:
            return thing is pool

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    pool = keep.enter_context(ThreadPoolExecutor(1))
    context.heap = Memory()  # type: ignore[assignment]
    context.rest = lambda: None  # type: ignore[method-assign]
    assert in_a_window(context, lambda: pool.submit(len, ()).result()).leaks == []
    assert len(in_a_window(context, lambda: start_pool(keep)).leaks) == 1


def test_the_pool_of_a_loop_that_is_open_is_expected(context: Context, keep: ExitStack) -> None:
    loop = asyncio.new_event_loop()
    keep.callback(loop.close)
    keep.callback(lambda: loop.run_until_complete(loop.shutdown_default_executor()))
    assert in_a_window(context, lambda: loop.run_until_complete(asyncio.to_thread(len, ()))).leaks == []


def test_a_timer_that_sets_itself_again_is_not_blamed_on_a_later_window(
    context: Context, keep: ExitStack
) -> None:
    timers: list[threading.Timer] = []
    stopped = threading.Event()

    def tick() -> None:
        timers.append(threading.Timer(0.005, tick))
        if not stopped.is_set():
            timers[-1].start()

    def go_on() -> None:
        many = len(timers) + 2
        while len(timers) < many:
            time.sleep(0.001)

    def end() -> None:
        stopped.set()
        for timer in timers:  # to which the last one adds one that isn't started
            if timer.ident is not None:
                timer.join()

    tick()
    keep.callback(end)
    for _ in range(3):
        assert in_a_window(context, go_on).leaks == []


def test_a_thread_that_ends_a_little_later_is_no_leak(context: Context) -> None:
    ended = threading.Event()
    late = threading.Thread(target=ended.wait)

    def end(_: float) -> None:
        ended.set()
        late.join()

    assert in_a_window(context, late.start, end).leaks == []
    assert ended.is_set()


def test_a_mock_of_threads_changes_nothing(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def act() -> None:
        started(keep, threading.Thread(target=until, args=(ended,)), ended.set)
        for name in ("Thread", "_active", "get_ident", "_DummyThread"):
            monkeypatch.setattr(threading, name, None)
        monkeypatch.setattr(sys, "_current_frames", None)

    leaks = left_by(thread, act)
    monkeypatch.undo()
    assert [found.subject for found in leaks] == [f"{HERE}.until"]


def start_native(keep: ExitStack, library: ctypes.CDLL, function: str, argument: object) -> None:
    number = ctypes.c_ulong()
    library.pthread_create(ctypes.byref(number), None, getattr(library, function), argument)
    keep.callback(library.pthread_join, number, None)
    time.sleep(0.02)


@on_linux
def test_a_native_thread_is_told(context: Context, keep: ExitStack) -> None:
    (found,) = in_a_window(context, lambda: start_native(keep, ctypes.CDLL(None), "sleep", 1)).leaks
    assert found.subject.startswith("native thread")
    assert "started by native code" in found.message
    assert found.origin is None


@on_linux
def test_a_native_thread_that_waits_to_be_woken_is_expected(context: Context, keep: ExitStack) -> None:
    library = ctypes.CDLL(None)
    semaphore = (ctypes.c_uint64 * 8)()  # aligned, as it must be
    keep.callback(len, semaphore)  # it must live until the thread has ended
    library.sem_init(semaphore, 0, 0)

    def act() -> None:
        start_native(keep, library, "sem_wait", semaphore)
        keep.callback(library.sem_post, semaphore)

    assert in_a_window(context, act).leaks == []


def test_elsewhere_than_on_linux_python_tells_of_its_own_threads(
    left_by: LeftBy, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "_TASKS", "/nowhere")
    ended = threading.Event()

    def act() -> None:
        started(keep, threading.Thread(target=until, args=(ended,)), ended.set)
        bare(keep, asking)

    assert [found.subject for found in left_by(thread, act)] == [f"{HERE}.asking", f"{HERE}.until"]


@on_linux
def test_looking_leaves_nothing(context: Context) -> None:
    def look() -> tuple[int, int]:
        for _ in range(300):
            thread.carry(thread.capture(context), context)
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    assert look() == look()
    assert running._met.keys() <= kernel.tasks()


@on_linux
def test_names_of_native_threads_are_read_no_more_than_needed(
    context: Context, keep: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_native(keep, ctypes.CDLL(None), "sleep", 1)
    read: list[int] = []

    def read_name(task: int) -> str:
        read.append(task)
        return "pool"

    monkeypatch.setattr(kernel, "name_of", read_name)
    for _ in range(100):
        thread.capture(context)
    assert 0 < len(read) <= running._LOOKS * len(set(read))


def test_a_thread_past_threading_that_begins_or_ends_right_now_is_none() -> None:
    here, there = sys._getframe(), types.SimpleNamespace(f_back=None, f_code=threading.Thread.run.__code__)
    frames: Any = {1: there, 2: here, 3: here}
    (found,) = running._anonymous(frames, {3: None})
    assert (found.task, found.thread) == (0, 2)


def test_a_thread_deep_in_calls_is_told_by_where_the_search_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_DEPTH", 0)
    (found,) = running._anonymous({2: sys._getframe()}, {})
    assert found.name == "test_a_thread_deep_in_calls_is_told_by_where_the_search_ended"


def test_a_thread_of_a_tools_class_is_the_tools_whatever_it_runs(context: Context) -> None:
    made = type("Watchdog", (threading.Thread,), {"__module__": "pytest_stateless.part"})
    for one, traits in ((made(target=print), {"by-tool"}), (threading.Thread(target=print), set())):
        assert running._running(one, None, context).traits == traits


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        pytest.param("MainThread", "MainThread", id="as-python-calls-it"),
        pytest.param("shop-7", "shop-*", id="as-the-program-does"),
        pytest.param("", "threading._MainThread", id="without-a-name"),
    ],
)
def test_of_the_main_thread_the_short_way_tells_what_the_long_one_does(
    name: str, subject: str, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.main_thread(), "_name", name)
    (short,) = (one for one in thread.capture(context).running if one.task == os.getpid())
    monkeypatch.setattr(running, "_MAIN", "none")
    (long,) = (one for one in thread.capture(context).running if one.task == os.getpid())
    assert short == long
    assert (short.name, short.subject) == (name, subject)
