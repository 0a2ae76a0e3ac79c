"""What detectors are told when they look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pytest_stateless.audit import Recording
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.source import Sources
from pytest_stateless.watches import Watches
from pytest_stateless.zones import Zones

_CHURN: Final = 10  # one reference in so many may be replaced before the memory is discovered anew


@dataclass
class Context:
    """What detectors look through; one for all windows of a run."""

    sources: Sources
    recording: Recording
    temp: tuple[str, ...]
    """Absolute, resolved temporary directories: what is written there is no leak."""
    make_heap: Callable[[], Heap]
    """Discovers the watched memory."""
    show_values: bool = False
    heap: Heap | None = None
    """The memory as discovered for the windows in a row that share it."""
    watches: Watches | None = None
    """What sees changes in directories, whoever makes them; None where nothing does."""
    watched: tuple[str, ...] = ()
    """Absolute, resolved directories that are watched as the root directory is."""
    alone: bool = True
    """Whether no other process takes part in this run of the tests."""

    strangers: dict[str, bool] = field(default_factory=dict)
    """Whether a changed file was found to be written by a program that is none of ours."""

    @property
    def zones(self) -> Zones:
        """Which paths count."""
        return Zones(self.sources.root, self.temp, self.watched)

    @property
    def notices(self) -> tuple[str, ...]:
        """Why less is seen than could be; for the end of the run."""
        return () if self.watches is None else tuple(self.watches.notices)

    @property
    def ours(self) -> tuple[str, ...]:
        """The watched directories that are the project's."""
        return () if self.watches is None else self.watches.ours

    def rest(self) -> None:
        """No window is open: forget what was noted, and a memory whose links have mostly been replaced."""
        self.recording.forget()
        if self.heap is None:
            return
        if self.heap.churn > self.heap.references // _CHURN:
            self.heap = None
        else:
            self.heap.settle()

    def let_go(self) -> None:
        """Hold nothing of the program any more: the last window in a row has closed."""
        self.heap = None
        self.recording.forget()

    def close(self) -> None:
        """The run is over: hold nothing of the system's either."""
        if self.watches is not None:
            self.watches.close()
