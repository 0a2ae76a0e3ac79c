"""What detectors are told when they look."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pytest_stateless.canaries import Canaries
from pytest_stateless.contents import Contents
from pytest_stateless.detectors.pools import Pools
from pytest_stateless.heap.change import Snapshot
from pytest_stateless.heap.search import Search
from pytest_stateless.heap.snapshot import Heap
from pytest_stateless.interpreter.imported import Imports
from pytest_stateless.recording import Recording
from pytest_stateless.source import Sources
from pytest_stateless.watches import UNSEEN, Watches
from pytest_stateless.zones import Zones

_CHURN: Final = 10  # one reference in so many may be replaced before the memory is discovered anew

_NOTHING_WATCHED: Final = f"{UNSEEN}: directories are watched on Linux alone"

_NOBODY_NAMED: Final = (
    f"{UNSEEN} in xdist's workers, but for those that a child's command names: "
    "the system has no fanotify to tell which worker it was"
)

_MEMORY: Final = "memory"
_FRESH: Final = "fresh"

_T = TypeVar("_T")


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
    ports: tuple[range, ...] = ()
    """Those that the program is declared to open; empty where nothing is declared."""
    without_items: frozenset[str] = frozenset()
    """Names of items of the interpreter's table that a test tool changes again and again."""
    heap: Heap | None = None
    """The memory as discovered for the windows in a row that share it."""
    imports: Imports = field(default_factory=Imports)
    shared: dict[str, Any] | None = None
    """What detectors read together in one look; None where each reads for itself."""
    last: dict[str, Any] = field(default_factory=dict)
    """What a detector saw in its last look, by its rule, where it finds out more about what is new since."""

    streams: frozenset[tuple[int, int]] = frozenset()
    """What a test tool puts in the place of the standard streams, by device and inode."""
    test: str = ""
    """The test that runs, as pytest names it in the environment."""
    failed: bool = False
    """Whether the test failed by itself, so that its traceback holds what its functions held."""

    watches: Watches | None = None
    """What sees changes in directories, whoever makes them; None where nothing does."""
    watched: tuple[str, ...] = ()
    """Absolute, resolved directories that are watched as the root directory is."""
    alone: bool = True
    """Whether no other process takes part in this run of the tests."""

    canaries: Canaries = field(default_factory=Canaries)
    """What the test that runs put into requests, to be looked for after them."""
    of_pytest: tuple[str, ...] = ()
    """Absolute, resolved directories and files of pytest's own, ``tmp_path`` among them."""

    _search: Search | None = None

    pools: Pools = field(default_factory=Pools)
    """The executors that wider-scoped fixtures gave."""

    held: Contents = field(default_factory=Contents)
    """What is in the files that this process has open."""

    strangers: dict[str, bool] = field(default_factory=dict)
    """Whether a changed file was found to be written by a program that is none of ours."""

    def __post_init__(self) -> None:
        self.recording.counts = lambda path: self.zones.count(path)

    @property
    def zones(self) -> Zones:
        """Which paths count."""
        return Zones(self.sources.root, self.temp, self.watched)

    @property
    def notices(self) -> tuple[str, ...]:
        """Why less is seen than could be; to be said once in a run."""
        if self.watches is None:
            return (_NOTHING_WATCHED,)
        if self.watches.names_nobody and not self.alone:
            return (*self.watches.notices, _NOBODY_NAMED)
        return tuple(self.watches.notices)

    @property
    def ours(self) -> tuple[str, ...]:
        """The watched directories that are the project's."""
        return () if self.watches is None else self.watches.ours

    def begin_look(self) -> None:
        """From now on detectors share what they read."""
        self.shared = {}

    def end_look(self) -> None:
        """What was read is of the past."""
        self.shared = None

    def once(self, key: str, read: Callable[[], _T]) -> _T:
        """What a function gives, which is asked once in a look."""
        if self.shared is None:
            return read()
        if key not in self.shared:
            self.shared[key] = read()
        found: _T = self.shared[key]
        return found

    def see(self) -> None:
        """Note what changed in the watched directories."""
        if self.watches is not None:
            self.recording.changes += self.watches.look()

    def look_at_memory(self) -> tuple[Heap, Snapshot]:
        """The memory and what it holds now, looked at once in a look; the first one after ``let_go`` discovers it."""
        if self.heap is None:
            self.heap = self.make_heap()
        if self.shared is None:
            return self.heap, self.heap.look()
        if _MEMORY not in self.shared:
            self.shared[_MEMORY] = self.heap.look()
        return self.heap, self.shared[_MEMORY]

    def look_at_own_memory(self) -> tuple[Heap, Snapshot, Set[int] | None]:
        """The same, but of libraries what the last look saw; and the identities of what was looked at, None for all.

        For the rest of this look, that is the memory.
        """
        if self.heap is None or self.shared is None or _MEMORY in self.shared:
            return *self.look_at_memory(), self.fresh
        self.shared[_MEMORY], self.shared[_FRESH] = self.heap.look_at_own()
        return self.heap, self.shared[_MEMORY], self.fresh

    @property
    def fresh(self) -> Set[int] | None:
        """Identities of the containers that this look at the memory is of; None for all."""
        return None if self.shared is None else self.shared.get(_FRESH)

    def note_memory(self) -> None:
        """Nothing is looked for in the memory yet: what is made from now on isn't in what doesn't change."""
        if self.heap is not None:
            self.search().note()

    def search(self) -> Search:
        """What searches the memory, the same for as long as the memory isn't discovered anew."""
        heap = self.heap
        assert heap is not None, "the memory must be looked at first"
        if self._search is None or self._search.heap is not heap:
            self._search = Search(heap)
        return self._search

    def rest(self) -> None:
        """No window is open: forget what was noted, and a memory whose links have mostly been replaced."""
        self.recording.forget()
        self.imports.forget()
        if self.heap is None:
            return
        if self.heap.churn and self.heap.churn > self.heap.references // _CHURN:
            self._drop_heap()
        else:
            self.heap.settle()
            if self._search is not None:
                self._search.rest()

    def let_go(self) -> None:
        """Hold nothing of the program any more: the last window in a row has closed."""
        self._drop_heap()
        self.last.clear()
        self.held.forget()
        self.recording.forget()
        self.imports.forget()

    def _drop_heap(self) -> None:
        self._search = None
        if self.heap is not None:
            self.heap.let_go()
            self.heap = None

    def close(self) -> None:
        """The run is over: hold nothing of the system's either."""
        if self.watches is not None:
            self.watches.close()
