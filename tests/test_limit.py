"""How a wait that has no end is ended."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless import limit, watching
from pytest_stateless.limit import TooLong, limited

if TYPE_CHECKING:
    from tests.conftest import CountedProject

FOR_EVER = 60.0

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signal here")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    yield
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def acquire() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=FOR_EVER)


@pytest.mark.parametrize("wait", [acquire, lambda: time.sleep(FOR_EVER)], ids=["lock", "sleep"])
def test_a_wait_is_ended(wait: Callable[[], object]) -> None:
    with pytest.raises(TooLong), limited(0.01) as found:
        wait()
    assert found.exceeded


def test_so_is_the_next_one() -> None:
    with limited(0.2):
        with pytest.raises(TooLong):
            acquire()
        with pytest.raises(TooLong):
            acquire()


def test_a_time_that_is_over_while_the_limit_is_taken_away_interrupts_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look(number: signal.Signals) -> object:
        signal.raise_signal(number)
        return signal.getsignal(number)

    with limited(FOR_EVER) as found:
        monkeypatch.setattr(limit._Real, "getsignal", look)
    assert not found.exceeded


def test_what_ends_by_itself_goes_on() -> None:
    with limited(FOR_EVER) as found:
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert not found.exceeded


@pytest.fixture(params=["timer", "handler"])
def taken(request: pytest.FixtureRequest) -> Iterator[None]:
    """Somebody else limits what runs."""
    if request.param == "timer":
        signal.setitimer(signal.ITIMER_REAL, FOR_EVER)
    else:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def state() -> tuple[object, bool]:
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0


def test_somebody_elses_limit_stands(taken: None) -> None:
    before = state()
    with limited(0.01):
        assert state() == before
    assert state() == before


def test_what_the_program_sets_meanwhile_stands() -> None:
    with limited(FOR_EVER):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, FOR_EVER)
    assert state() == (signal.SIG_IGN, True)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_another_thread_has_none() -> None:
    seen: list[Any] = []

    def work() -> None:
        with limited(FOR_EVER):
            seen.append(state())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(signal.SIG_DFL, False)]


def test_a_system_without_the_signal_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit._Real, "settimer", None)
    with limited(FOR_EVER):
        assert state() == (signal.SIG_DFL, False)


def test_a_second_run_that_waits_for_what_the_first_one_keeps_is_ended(
    counted: CountedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted.write_test(
        """
        import multiprocessing
        LOCK = multiprocessing.Lock()
        def test_a():
            count()
            LOCK.acquire()
            LEFT.append(1)
        """
    )
    monkeypatch.setattr(watching, "SECONDS", 0.5)
    result = counted.check()
    result.stdout.fnmatch_lines(
        [
            "module-state  test_shop.LEFT  added item: int",
            "              not found: the test did not end when it was run again",
        ],
        consecutive=True,
    )
    assert counted.runs == 2
