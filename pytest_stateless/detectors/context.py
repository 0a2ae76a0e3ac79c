"""What detectors are told when they look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pytest_stateless.audit import Recording
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.interpreter.imported import Imports
from pytest_stateless.source import Sources

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
    without_items: frozenset[str] = frozenset()
    """Names of items of the interpreter's table that a test tool changes again and again."""
    heap: Heap | None = None
    """The memory as discovered for the windows in a row that share it."""
    imports: Imports = field(default_factory=Imports)

    def rest(self) -> None:
        """No window is open: forget what was noted, and a memory whose links have mostly been replaced."""
        self.recording.forget()
        self.imports.forget()
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
        self.imports.forget()
