"""Executors that wider-scoped fixtures gave, and what works in them."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from pytest_stateless.detectors.pools import Pools


@pytest.fixture
def pools() -> Pools:
    return Pools()


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_pool_that_was_given_is_known_while_it_lives(pools: Pools) -> None:
    pool, other = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
    for made in (pool, 7, None, ThreadPoolExecutor):
        pools.note(made)
    assert pools.has(pool)
    assert not pools.has(other)
    assert pools.processes() == frozenset()
    del pool
    pools.note(other)
    assert len(pools._held) == 1


def test_processes_that_wait_for_work_are_known(pools: Pools, processes: ProcessPoolExecutor) -> None:
    pools.note(processes)
    assert processes.submit(len, "tea").result() == 3
    for _ in range(100):
        serving = {thread.name for thread in threading.enumerate() if pools.serves_an_idle_one(thread)}
        if serving:
            break
        threading.Event().wait(0.01)
    assert len(serving) == 2
    assert pools.processes() == frozenset(processes._processes)
    assert not pools.serves_an_idle_one(threading.main_thread())
    pending: Any = processes._pending_work_items
    pending[9] = None
    assert pools.processes() == frozenset()
    assert not any(map(pools.serves_an_idle_one, threading.enumerate()))
    del pending[9]
