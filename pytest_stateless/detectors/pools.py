"""The executors of ``concurrent.futures`` that wider-scoped fixtures gave: who works in them is the fixture's."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.graph import module_name_of, mro_of, namespace_of

_HOME: Final = "concurrent.futures._base"


class Pools:
    """Executors that outlive the test, though their workers start with the first work that it gives them."""

    def __init__(self) -> None:
        self._held: list[weakref.ref[Any]] = []

    def note(self, made: object) -> None:
        """A fixture of a wider scope gave something."""
        if any(module_name_of(cls) == _HOME for cls in mro_of(type(made))):
            self._held = [held for held in self._held if held() is not None] + [weakref.ref(made)]

    def has(self, pool: object) -> bool:
        """Whether it is one of them."""
        return any(found is pool for found in self._alive())

    def serves_an_idle_one(self, thread: object) -> bool:
        """Whether a thread brings work to processes and results back, where there is no work."""
        return any(
            names.get("_executor_manager_thread") is thread
            or namespace_of(names.get("_call_queue")).get("_thread") is thread
            for names in map(namespace_of, self._alive())
            if not names.get("_pending_work_items")
        )

    def processes(self) -> frozenset[int]:
        """The numbers of the processes that wait for work in them."""
        return frozenset(
            number
            for names in map(namespace_of, self._alive())
            if type(names.get("_processes")) is dict and not names.get("_pending_work_items")
            for number in list(names["_processes"])
        )

    def _alive(self) -> Iterator[Any]:
        return (pool for held in self._held if (pool := held()) is not None)
