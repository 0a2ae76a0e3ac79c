"""Windows over hand-made detectors: they nest, absorb, wait without waiting, and report what fails."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import signal
import socket
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pytest_stateless import audit, window
from pytest_stateless.allowance import Allowance
from pytest_stateless.detectors import Context
from pytest_stateless.findings import Findings, InternalError
from pytest_stateless.interpreter import exits, wakeup
from pytest_stateless.leak import SINCE, Leak, Owner, Rule, Severity
from pytest_stateless.recording import Recording
from pytest_stateless.severity import Grade
from pytest_stateless.source import Sources
from pytest_stateless.window import PATIENCE, Windows

World = set[str]
"""What there is, for the hand-made detectors: the names of things."""


class Things:
    """Notices things that were added to a world or taken out of it."""

    def __init__(self, world: World, name: str = "things", *, patient: bool = False) -> None:
        self.RULE = Rule(name, "There are things.")
        self.PATIENT = patient
        self.looks = 0
        self._world = world

    def capture(self, context: Context) -> frozenset[str]:
        self.looks += 1
        return frozenset(self._world)

    def compare(self, before: frozenset[str], after: frozenset[str]) -> Iterator[Leak]:
        for thing in sorted(before ^ after):
            yield self.RULE.leak(thing, "there" if thing in after else "gone")

    def carry(self, end: frozenset[str], context: Context) -> frozenset[str]:
        return end

    def absorb(self, before: frozenset[str], start: frozenset[str], end: frozenset[str]) -> frozenset[str]:
        return (before | (end - start)) - (start - end)


@pytest.mark.parametrize("is_on", [True, False], ids=["on", "off"])
def test_who_opened_what_is_noted_where_somebody_asks(is_on: bool, context: Context) -> None:
    windows = Windows(context, [Things(set(), "open-descriptor" if is_on else "file-write")])
    window = windows.open()
    made = [os.dup(0), *os.pipe(), os.open(os.devnull, os.O_RDONLY)]
    with socket.socket() as one:
        noted = context.recording.openings
        states = {number: os.fstat(number) for number in made}
        found = [noted.of_descriptor(n, states[n].st_dev, states[n].st_ino, "")[1] for n in made[:3]]
        found += [noted.of_file(os.devnull)[1], noted.of_socket(one)[1]]
    windows.close(window)
    for number in made:
        os.close(number)
    assert found == [is_on] * 5


class Failing(Things):
    """Fails where it is told to, from the given call on."""

    def __init__(self, half: str, from_call: int = 1) -> None:
        super().__init__(set(), "failing")
        self._half = half
        self._calls_left = from_call

    def _maybe_fail(self, half: str) -> None:
        if half == self._half:
            self._calls_left -= 1
            if self._calls_left <= 0:
                raise RuntimeError(f"{half} failed")

    def capture(self, context: Context) -> frozenset[str]:
        self._maybe_fail("capture")
        return super().capture(context)

    def compare(self, before: frozenset[str], after: frozenset[str]) -> Iterator[Leak]:
        self._maybe_fail("compare")
        return super().compare(before, after)

    def absorb(self, before: frozenset[str], start: frozenset[str], end: frozenset[str]) -> frozenset[str]:
        self._maybe_fail("absorb")
        return super().absorb(before, start, end)


class Clock:
    """Notes how long was slept, and lets things happen meanwhile."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.then: dict[float, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.then.get(seconds, lambda: None)()


@pytest.fixture
def world() -> World:
    return {"old"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def context() -> Context:
    sources = Sources("/srv/shop")

    def no_heap() -> Any:
        raise AssertionError("nobody asked for the memory")

    return Context(sources, Recording(sources), (), no_heap)


@pytest.fixture
def windows(context: Context, world: World, clock: Clock) -> Iterator[Windows]:
    made = Windows(context, [Things(world)], clock.sleep)
    yield made
    made.abandon()
    made.let_go()


def told(findings: Findings) -> list[str]:
    assert findings.errors == []
    return [f"{leak.subject} {leak.message}" for leak in findings.leaks]


@pytest.mark.parametrize(
    ("between", "undisturbed", "looks"),
    [
        pytest.param(lambda windows: None, True, 0, id="nothing-between"),
        pytest.param(lambda windows: None, False, 1, id="disturbed"),
        pytest.param(lambda windows: windows.let_go(), True, 1, id="let-go"),
        pytest.param(lambda windows: windows.disturb(), True, 1, id="something-else-ran"),
        pytest.param(lambda windows: windows.close(windows.open()), True, 0, id="another-window"),
        pytest.param(lambda windows: (windows.open(), windows.abandon()), True, 1, id="an-abandoned-window"),
    ],
)
def test_a_window_begins_with_what_the_last_one_ended_with_where_nothing_ran_between(
    between: Callable[[Windows], object], undisturbed: bool, looks: int, context: Context, world: World
) -> None:
    things = Things(world)
    windows = Windows(context, [things])
    windows.close(windows.open())
    between(windows)
    before = things.looks
    window = windows.open(undisturbed=undisturbed)
    assert things.looks - before == looks
    world |= {"new"}
    assert told(windows.close(window)) == ["new there"]


def test_a_window_within_another_looks_anew_though_one_just_ended_there(
    context: Context, world: World
) -> None:
    things = Things(world)
    windows = Windows(context, [things])
    windows.open()
    windows.close(windows.open())
    before = things.looks
    windows.open(undisturbed=True)
    assert things.looks == before + 1
    windows.abandon()


class Shared(Things):
    """Begins, where it may, with what it saw last, and tells what may be of the time between."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "module-state")
        self._last: frozenset[str] = frozenset()

    def capture(self, context: Context) -> frozenset[str]:
        self._last = super().capture(context)
        return self._last

    def share(self, context: Context) -> frozenset[str]:
        return self._last | {"shared"}

    def compare(self, before: frozenset[str], after: frozenset[str]) -> Iterator[Leak]:
        for leak in super().compare(before - {"shared"}, after - {"shared"}):
            own = replace(leak, owner=Owner.APPLICATION)
            yield own.with_trait(SINCE) if "shared" in before else own


@pytest.fixture
def shared(
    context: Context, world: World, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Shared, Windows]]:
    things = Shared(world)
    monkeypatch.setattr(window, "SHARED", {"module-state": things.share})
    windows = Windows(context, [things])
    yield things, windows
    windows.abandon()


def one_request(windows: Windows) -> None:
    windows.open()
    windows.pass_on(windows.open(shares=True))


def within_another(windows: Windows) -> None:
    one_request(windows)
    windows.open()


@pytest.mark.parametrize(
    ("before", "looks"),
    [
        pytest.param(one_request, 0, id="after-another"),
        pytest.param(lambda windows: windows.open(), 1, id="the-first"),
        pytest.param(within_another, 1, id="within-another"),
        pytest.param(
            lambda windows: (windows.open(), windows.pass_on(windows.open(rules={"things"}))), 1, id="after-half-a-look"
        ),
    ],
)  # fmt: skip
def test_a_request_begins_with_what_the_one_before_ended_with(
    before: Callable[[Windows], object], looks: int, shared: tuple[Shared, Windows]
) -> None:
    things, windows = shared
    before(windows)
    already = things.looks
    windows.open(shares=True)
    assert things.looks - already == looks


def test_a_window_of_some_rules_shares_nothing(shared: tuple[Shared, Windows]) -> None:
    things, windows = shared
    one_request(windows)
    already = things.looks
    windows.open(shares=True, rules={"module-state"})
    assert things.looks == already + 1


def test_where_a_secret_is_searched_for_nothing_is_shared(
    shared: tuple[Shared, Windows], context: Context
) -> None:
    things, windows = shared
    one_request(windows)
    context.canaries.add("password", "a-long-password")
    already = things.looks
    windows.open(shares=True)
    assert things.looks == already + 1


@pytest.mark.parametrize("closing", [Windows.close, Windows.pass_on])
def test_what_may_be_of_the_test_is_told_with_the_test(
    closing: Callable[..., Findings], shared: tuple[Shared, Windows], world: World
) -> None:
    _, windows = shared
    test = windows.open()
    windows.pass_on(windows.open(shares=True))
    world |= {"put back", "stays"}
    assert told(closing(windows, windows.open(shares=True), (), "GET / (2nd request)")) == []
    world.discard("put back")
    (leak,) = windows.close(test).leaks
    assert (leak.subject, leak.request) == ("stays", "GET / (2nd request)")
    assert SINCE in leak.traits


def test_the_first_window_looks_whatever_ran_before(windows: Windows, world: World) -> None:
    window = windows.open(undisturbed=True)
    assert told(windows.close(window)) == []


def test_a_detector_that_failed_looks_anew(context: Context) -> None:
    failing = Failing("capture", from_call=2)
    windows = Windows(context, [failing])
    assert windows.close(windows.open()).errors
    window = windows.open(undisturbed=True)
    assert [error.detector for error in window.errors] == ["failing"]
    windows.abandon()


def test_a_window_tells_what_differs_at_its_end(windows: Windows, world: World) -> None:
    window = windows.open()
    assert windows.are_open
    world |= {"new"}
    world -= {"old"}
    assert told(windows.close(window)) == ["new there", "old gone"]
    assert not windows.are_open


def test_what_is_put_back_is_no_leak(windows: Windows, world: World) -> None:
    window = windows.open()
    world.add("new")
    world.remove("new")
    assert told(windows.close(window)) == []


# ---------------------------------------------------------------------------------------- nested windows


def test_what_an_inner_window_reported_the_outer_one_does_not_report_again(
    windows: Windows, world: World
) -> None:
    outer = windows.open()
    world.add("before")
    inner = windows.open()
    world.add("within")
    assert told(windows.close(inner)) == ["within there"]
    world.add("after")
    assert told(windows.close(outer)) == ["after there", "before there"]


def test_three_windows_deep_only_the_innermost_reports(windows: Windows, world: World) -> None:
    outer, middle, inner = windows.open(), windows.open(), windows.open()
    world.add("new")
    assert told(windows.close(inner)) == ["new there"]
    assert told(windows.close(middle)) == []
    assert told(windows.close(outer)) == []


def test_windows_in_a_row_each_report_their_own(windows: Windows, world: World) -> None:
    outer = windows.open()
    for name in ("first", "second"):
        inner = windows.open()
        world.add(name)
        assert told(windows.close(inner)) == [f"{name} there"]
    assert told(windows.close(outer)) == []


def test_what_an_allowance_of_an_inner_window_covers_is_absorbed_too(windows: Windows, world: World) -> None:
    outer, inner = windows.open(), windows.open()
    world.add("new")
    allowance = Allowance("things", "n*")
    findings = windows.close(inner, [allowance])
    assert told(findings) == []
    assert findings.used == [allowance]
    assert told(windows.close(outer)) == []


def test_a_fixture_that_clears_what_a_request_left_leaves_nothing(windows: Windows, world: World) -> None:
    test, request = windows.open(), windows.open()
    world.add("session")
    assert told(windows.close(request)) == ["session there"]
    world.remove("session")
    assert told(windows.close(test)) == []


def test_a_test_that_undoes_what_a_request_undid_leaves_nothing(windows: Windows, world: World) -> None:
    test, request = windows.open(), windows.open()
    world.remove("old")
    assert told(windows.close(request)) == ["old gone"]
    world.add("old")
    assert told(windows.close(test)) == []


def test_clearing_more_than_a_request_left_is_a_leak(windows: Windows, world: World) -> None:
    test, request = windows.open(), windows.open()
    world.add("session")
    windows.close(request)
    world.clear()
    assert told(windows.close(test)) == ["old gone"]


def test_windows_that_close_out_of_order_each_tell_what_is_new_to_them(
    windows: Windows, world: World
) -> None:
    first = windows.open()
    world.add("a")
    second = windows.open()
    world.add("b")
    assert told(windows.close(first)) == ["a there", "b there"]
    assert told(windows.close(second)) == []


# --------------------------------------------------------------------------------------------- absorbing


def test_what_is_absorbed_belongs_to_no_open_window(windows: Windows, world: World) -> None:
    outer, inner = windows.open(), windows.open()
    world.add("mine")
    with windows.absorbing():
        world.add("fixture")
        world.remove("old")
    assert told(windows.close(inner)) == ["mine there"]
    assert told(windows.close(outer)) == []


def test_what_is_absorbed_counts_as_made_for_what_comes_after(windows: Windows, world: World) -> None:
    window = windows.open()
    with windows.absorbing():
        world.add("fixture")
    request = windows.open()
    world.add("request")
    assert told(windows.close(request)) == ["request there"]
    assert window.at_open["things"] == {"old"}
    assert window.made["things"] == {"old", "fixture"}
    assert window.before["things"] == {"old", "fixture", "request"}
    assert told(windows.close(window)) == []


def test_what_fails_within_is_absorbed_too(windows: Windows, world: World) -> None:
    def fail() -> None:
        with windows.absorbing():
            world.add("fixture")
            raise ValueError("no database")

    window = windows.open()
    with pytest.raises(ValueError, match="no database"):
        fail()
    assert told(windows.close(window)) == []


def test_absorbing_nests_with_windows_within(windows: Windows, world: World) -> None:
    window = windows.open()
    with windows.absorbing():
        world.add("fixture")
        inner = windows.open()
        world.add("request")
        assert told(windows.close(inner)) == ["request there"]
    assert told(windows.close(window)) == []


def test_without_a_window_nothing_is_looked_at(context: Context, world: World) -> None:
    things = Things(world)
    with Windows(context, [things]).absorbing():
        world.add("fixture")
    assert things.looks == 0


def test_windows_may_be_abandoned_while_something_is_absorbed(context: Context) -> None:
    windows = Windows(context, [Failing("capture", from_call=3)])
    windows.open()
    with windows.absorbing():
        windows.abandon()
    assert not windows.are_open


# --------------------------------------------------------------------------------------------- patience


def test_a_clean_window_never_waits(context: Context, world: World, clock: Clock) -> None:
    windows = Windows(context, [Things(world, patient=True)], clock.sleep)
    assert told(windows.close(windows.open())) == []
    assert clock.slept == []


def test_what_cannot_go_away_by_itself_is_not_waited_for(
    windows: Windows, world: World, clock: Clock
) -> None:
    window = windows.open()
    world.add("new")
    assert told(windows.close(window)) == ["new there"]
    assert clock.slept == []


@pytest.mark.parametrize("looks", range(1, len(PATIENCE) + 1), ids="gone-after-{}-looks".format)
def test_what_goes_away_by_itself_is_no_leak(
    looks: int, context: Context, world: World, clock: Clock
) -> None:
    windows = Windows(context, [Things(world, patient=True)], clock.sleep)
    window = windows.open()
    world.add("new")
    clock.then[PATIENCE[looks - 1]] = lambda: world.remove("new")
    assert told(windows.close(window)) == []
    assert clock.slept == list(PATIENCE[:looks])


def test_what_stays_is_a_leak_after_the_last_look(context: Context, world: World, clock: Clock) -> None:
    windows = Windows(context, [Things(world, patient=True)], clock.sleep)
    window = windows.open()
    world.add("new")
    assert told(windows.close(window)) == ["new there"]
    assert clock.slept == list(PATIENCE)
    assert sum(PATIENCE) < 0.2


def test_each_look_reads_anew_what_detectors_read_together(
    context: Context, world: World, clock: Clock
) -> None:
    class Sharing(Things):
        def capture(self, context: Context) -> frozenset[str]:
            assert context.shared is not None
            return context.shared.setdefault("world", super().capture(context))  # type: ignore[no-any-return]

    windows = Windows(context, [Sharing(world, patient=True), Sharing(world, "others")], clock.sleep)
    clock.then[PATIENCE[1]] = world.clear
    window = windows.open()
    world |= {"new"}
    leaks = windows.close(window).leaks
    assert [(leak.rule, leak.subject, leak.message) for leak in leaks] == [
        ("things", "old", "gone"),
        ("others", "old", "gone"),
    ]
    assert context.shared is None


@pytest.mark.parametrize(
    ("level", "severities"), [("warning", [Severity.WARNING, Severity.ERROR]), ("off", [Severity.ERROR])]
)
def test_leaks_are_as_bad_as_the_user_says(
    level: str, severities: list[Severity], context: Context, world: World
) -> None:
    windows = Windows(context, [Things(world)], grades=[Grade("things", "a*", level)])
    window = windows.open()
    world |= {"a", "b"}
    assert [leak.severity for leak in windows.close(window).leaks] == severities


def test_what_is_allowed_is_not_waited_for(context: Context, world: World, clock: Clock) -> None:
    windows = Windows(context, [Things(world, patient=True)], clock.sleep)
    window = windows.open()
    world.add("new")
    assert told(windows.close(window, [Allowance("things", "new")])) == []
    assert clock.slept == []


def test_what_only_a_garbage_cycle_keeps_is_no_leak(context: Context, world: World, clock: Clock) -> None:
    class Keeper:
        def __init__(self) -> None:
            self.itself = self

    windows = Windows(context, [Things(world, patient=True)], clock.sleep)
    window = windows.open()
    world.add("new")
    gc.disable()
    try:
        weakref.finalize(Keeper(), world.remove, "new")
        assert told(windows.close(window)) == []
    finally:
        gc.enable()


def test_the_patient_look_first_and_their_leaks_stand_in_order(
    context: Context, world: World, clock: Clock
) -> None:
    both: World = set()
    hasty, patient = Things(world, "hasty"), Things(both, "patient", patient=True)
    windows = Windows(context, [hasty, patient], clock.sleep)
    window = windows.open()
    world.add("new")
    both.add("new")
    clock.then[PATIENCE[0]] = lambda: world.add("made meanwhile")
    assert [(leak.rule, leak.subject) for leak in windows.close(window).leaks] == [
        ("hasty", "made meanwhile"),
        ("hasty", "new"),
        ("patient", "new"),
    ]


# --------------------------------------------------------------------------------------- failing detectors


def test_a_capture_that_fails_at_the_beginning_is_reported_and_hides_nothing(
    context: Context, world: World
) -> None:
    windows = Windows(context, [Failing("capture"), Things(world)])
    window = windows.open()
    world.add("new")
    findings = windows.close(window)
    assert [leak.subject for leak in findings.leaks] == ["new"]
    (error,) = findings.errors
    assert error.detector == "failing"
    assert "RuntimeError: capture failed" in error.traceback


@pytest.mark.parametrize(
    "failing", [Failing("capture", from_call=2), Failing("compare")], ids=["capture", "compare"]
)
def test_what_fails_at_the_end_is_reported_once_and_hides_nothing(
    failing: Failing, context: Context, world: World
) -> None:
    windows = Windows(context, [failing, Things(world)])
    window = windows.open()
    world.add("new")
    findings = windows.close(window)
    assert [leak.subject for leak in findings.leaks] == ["new"]
    assert [error.detector for error in findings.errors] == ["failing"]


def test_an_absorb_that_fails_is_reported_with_the_innermost_window(context: Context, world: World) -> None:
    windows = Windows(context, [Failing("absorb"), Things(world)])
    outer, inner = windows.open(), windows.open()
    with windows.absorbing():
        world.add("fixture")
    findings = windows.close(inner)
    assert findings.leaks == []
    # Once for each window that it failed for, and once more as the inner one closes.
    assert [error.detector for error in findings.errors] == ["failing"] * 3
    assert told(windows.close(outer)) == []


def test_what_the_hook_could_not_note_is_reported_once(context: Context, windows: Windows) -> None:
    outer, inner = windows.open(), windows.open()
    context.recording.broken += ["os.mkdir: ValueError: odd", "open: KeyError: 1"]
    findings = windows.close(inner)
    assert findings.errors == [InternalError("audit", "os.mkdir: ValueError: odd\nopen: KeyError: 1")]
    assert findings.errors[0].to_dict() == {
        "detector": "audit",
        "traceback": "os.mkdir: ValueError: odd\nopen: KeyError: 1",
    }
    assert windows.close(outer).errors == []


def test_an_interrupt_while_looking_closes_the_window(context: Context) -> None:
    class Interrupted(Things):
        def compare(self, before: object, after: object) -> Iterator[Leak]:
            raise KeyboardInterrupt

    windows = Windows(context, [Interrupted(set())])
    window = windows.open()
    with pytest.raises(KeyboardInterrupt):
        windows.close(window)
    assert not windows.are_open


# ------------------------------------------------------------------------------- beginning and end of all


def test_hook_and_stand_ins_are_there_while_a_window_is_open(context: Context, windows: Windows) -> None:
    windows.let_go()  # what earlier tests left
    real, before = os.open, audit.current()
    outer = windows.open()
    inner = windows.open()
    assert audit.current() is context.recording
    assert os.open is not real
    windows.close(inner)
    assert os.open is not real
    windows.close(outer)
    assert audit.current() is before


@pytest.mark.parametrize(
    ("holder", "name"),
    [
        (asyncio.BaseEventLoop, "__init__"),
        (os, "open"),
        (os, "pipe"),
        (os, "posix_spawn"),
        (signal, "set_wakeup_fd"),
    ],
)
def test_stand_ins_stay_from_window_to_window_and_are_given_back_in_the_end(
    holder: Any, name: str, windows: Windows
) -> None:
    windows.let_go()  # what earlier tests left
    real = getattr(holder, name)
    windows.close(windows.open())
    assert getattr(holder, name) is not real
    windows.let_go()
    assert getattr(holder, name) is real


def test_a_stand_in_whose_place_somebody_gave_back_stands_there_again_with_the_next_window(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows.let_go()
    real = os.pipe
    windows.close(windows.open())
    monkeypatch.setattr(os, "pipe", real)
    window = windows.open()
    assert os.pipe is not real
    windows.close(window)


def test_what_happens_between_two_windows_is_not_heard_of(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[object] = []
    monkeypatch.setattr(exits, "came", heard.append)
    monkeypatch.setattr(exits, "went", heard.append)
    monkeypatch.setattr(wakeup, "swapped", lambda *numbers: heard.append(numbers))
    window = windows.open()
    windows.close(window)

    def callback() -> None: ...

    atexit.register(callback)
    atexit.unregister(callback)
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1))
    assert heard == []


def test_abandoned_windows_give_everything_back_without_a_look(context: Context, world: World) -> None:
    real, before = os.open, audit.current()
    things = Things(world)
    windows = Windows(context, [things])
    windows.open()
    windows.open()
    windows.abandon()
    assert things.looks == 2
    assert not windows.are_open
    assert os.open is real
    assert audit.current() is before
    windows.abandon()  # again changes nothing


def test_a_window_abandoned_meanwhile_has_nothing_to_tell(windows: Windows, world: World) -> None:
    window = windows.open()
    windows.abandon()
    world.add("new")
    assert windows.close(window) == Findings()


def test_when_all_are_closed_what_was_noted_is_forgotten(context: Context, windows: Windows) -> None:
    outer, inner = windows.open(), windows.open()
    os.makedirs("/", exist_ok=True)
    assert context.recording.writes
    windows.close(inner)
    assert context.recording.writes
    windows.close(outer)
    assert context.recording.writes == []


def test_findings_add_up() -> None:
    leak, allowance, error = Leak("a", "b", "c"), Allowance("a", "b"), InternalError("a", "b")
    all_of_them = Findings([leak], [allowance], [error], [leak], [leak])
    all_of_them.add(Findings([leak], [allowance], [error], [leak], [leak]))
    assert all_of_them == Findings([leak] * 2, [allowance] * 2, [error] * 2, [leak] * 2, [leak] * 2)
