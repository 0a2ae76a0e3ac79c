"""What is read of loops, tasks and coroutines that are of another kind, or that asyncio has nothing of."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Generator
from typing import Any

import pytest

from pytest_stateless import aio, audit, loop_doors
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources


@types.coroutine
def waits() -> Generator[None, None, None]:
    yield


async def inner() -> None:
    await waits()


async def outer() -> None:
    await inner()


def names_of(coroutine: Any) -> list[str]:
    return [frame.f_code.co_name for _, frame in aio.awaits(coroutine)]


def test_who_waits_for_whom_is_told_from_the_outermost_on(monkeypatch: pytest.MonkeyPatch) -> None:
    coroutine = outer()
    assert names_of(coroutine) == ["outer"]
    coroutine.send(None)
    assert names_of(coroutine) == ["outer", "inner", "waits"]
    monkeypatch.setattr(aio, "_ENOUGH", 2)
    assert names_of(coroutine) == ["outer", "inner"]
    coroutine.close()
    assert names_of(coroutine) == []
    assert names_of(7) == []


class Loop:
    """A loop that keeps what it does to itself."""

    def is_closed(self) -> bool:
        raise AssertionError("asked")


@pytest.mark.parametrize("loop", [Loop(), types.SimpleNamespace()], ids=["own", "nothing"])
def test_what_only_the_programs_code_could_tell_is_not_asked(loop: object) -> None:
    assert aio.is_in_c(loop)
    assert not aio.is_closed(loop)
    assert not aio.is_loop(loop)


def test_a_loop_says_whether_it_is_closed() -> None:
    loop = asyncio.new_event_loop()
    assert aio.is_loop(loop)
    assert not aio.is_in_c(loop)
    assert not aio.is_closed(loop)
    loop.close()
    assert aio.is_closed(loop)


def test_what_was_put_in_the_place_of_handles_and_tasks_is_passed_over() -> None:
    loop: Any = types.SimpleNamespace(_ready=[1], _scheduled=[object()])
    assert list(aio.callbacks_of(loop)) == []
    assert aio._in_weak_set([1]) == []


def test_what_nothing_weak_can_stand_for_has_no_key() -> None:
    assert aio.key_of(7) is None
    key = aio.key_of(held := Loop())
    assert key is not None
    assert key() is held


def test_what_goes_wrong_while_a_loop_is_noted_does_not_reach_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("odd")

    recording = Recording(Sources("/srv/shop"))
    monkeypatch.setattr(recording.loops, "note_made", fail)
    previous = audit.start(recording)
    loop_doors.install()
    try:
        asyncio.new_event_loop().close()
    finally:
        loop_doors.remove()
        audit.stop(previous)
    assert recording.broken == ["BaseEventLoop.__init__: RuntimeError: odd"]
