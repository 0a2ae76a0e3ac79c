"""The detectors: one file for each kind of leftover, and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from pytest_stateless.detectors import (
    async_task,
    child_process,
    file_lock,
    file_write,
    interpreter_state,
    listening_socket,
    module_state,
    open_descriptor,
    open_transaction,
    retained_secret,
    shared_memory,
    thread,
    unexpected_port,
)
from pytest_stateless.detectors.context import Context
from pytest_stateless.leak import Leak, Rule

__all__ = ["DETECTORS", "NOTES", "PORTS", "RULES", "SHARED", "STEADY", "Context", "Detector"]


class Detector(Protocol):
    """Notices one kind of leftover. ``capture`` looks and doesn't judge, the rest judges and doesn't look."""

    @property
    def RULE(self) -> Rule:  # noqa: N802 - a module's constant
        """The rule whose leaks it finds."""
        ...

    @property
    def PATIENT(self) -> bool:  # noqa: N802 - a module's constant
        """Whether a leftover may still go away by itself, so that it is looked at again before it counts."""
        ...

    def capture(self, context: Context) -> Any:
        """What there is now, as a value that later looks don't change."""
        ...

    def compare(self, before: Any, after: Any) -> Iterator[Leak]:
        """What is in ``after`` and was not in ``before``."""
        ...

    def carry(self, end: Any, context: Context) -> Any:
        """What there is now, where nothing but pytest itself ran since ``end`` was captured and the recording is new.

        Costs a fraction of a look, or nothing.
        """
        ...

    def absorb(self, before: Any, start: Any, end: Any) -> Any:
        """What ``before`` would have been, had all that changed from ``start`` to ``end`` been there already."""
        ...


DETECTORS: Final[tuple[Detector, ...]] = (
    module_state,
    retained_secret,
    file_write,
    listening_socket,
    unexpected_port,
    open_descriptor,
    open_transaction,
    interpreter_state,
    shared_memory,
    file_lock,
    thread,
    async_task,
    child_process,
)
"""In the order in which their leaks are shown."""

RULES: Final = tuple(detector.RULE for detector in DETECTORS)

PORTS: Final = unexpected_port.RULE.id
"""The rule of the detector that notices every port that is opened."""

NOTES: Final[dict[str, Callable[[Any, Any], Iterator[Leak]]]] = {file_write.RULE.id: file_write.transient}
"""By the rule of a detector: what it notes beside its leaks, from the same two looks. Notes fail nothing."""

WATCHING: Final = frozenset({file_write.RULE.id, shared_memory.RULE.id})
"""The rules of the detectors that see by the watches of directories, which look in any run."""

SHARED: Final[dict[str, Callable[[Context], Any]]] = {
    one.RULE.id: one.share for one in (module_state, interpreter_state)
}
"""By the rule of a detector: what a request begins with, mostly as the last look saw it.

Anew is looked at what may be told as soon as the request ends. Of all else a leak has the trait ``SINCE``: it is told
with the test, and may be of what ran before the request.
"""

STEADY: Final[dict[str, Callable[[Context], object]]] = {
    one.RULE.id: one.signs
    for one in (
        file_write,
        listening_socket,
        unexpected_port,
        open_descriptor,
        file_lock,
        thread,
        async_task,
        child_process,
    )
}
"""By the rule of a detector: all that what it sees depends on, as a value that costs a fraction of a look.

Where it equals that of the last look, that still stands. None where something may change without a sign.
"""
