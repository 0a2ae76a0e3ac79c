"""What Linux tells of the threads of this process, and what is said where it tells nothing."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from pytest_stateless.detectors import kernel


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's")
def test_the_threads_are_counted_and_listed() -> None:
    ended = threading.Event()
    made = threading.Thread(target=ended.wait)
    made.start()
    try:
        time.sleep(0.02)
        assert made.native_id is not None
        assert {made.native_id, os.getpid()} <= kernel.tasks()
        assert kernel.task_count() == len(kernel.tasks())
        assert kernel.name_of(made.native_id)
        assert kernel.waits(made.native_id)
    finally:
        ended.set()
        made.join()
    assert not kernel.waits(os.getpid())
    assert kernel.process_name() == kernel.name_of(os.getpid())


def test_a_thread_that_is_gone_has_no_name() -> None:
    assert kernel.name_of(-1) == ""
    assert not kernel.waits(-1)


def test_elsewhere_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_TASKS", "/nowhere")
    assert kernel.task_count() == 0
    assert kernel.tasks() == frozenset()
