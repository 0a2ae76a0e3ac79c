"""What all entries of one changed container have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.change import Change
from pytest_stateless.heap.graph import (
    NAMED,
    Kind,
    class_namespace,
    identity,
    is_heap_type,
    module_name_of,
)
from pytest_stateless.heap.home import home_of
from pytest_stateless.heap.path import Path, Way
from pytest_stateless.heap.reach import Reach
from pytest_stateless.heap.words import Words


def _nothing_lasts(_: object) -> bool:
    return False


class About(NamedTuple):
    """What all entries of one changed container have in common."""

    path: Path
    change: Change
    owner: str
    """Whose module it is."""
    imported: frozenset[str]
    """Modules first imported within the window."""
    application: frozenset[str]
    """Names of the application's modules."""
    tools: frozenset[str]
    """Packages of test tools."""
    show: bool = False
    """Whether values are shown."""
    written: Callable[[], frozenset[str]] = frozenset
    """Names of attributes that the application's code sets on something else than itself."""
    reach: Reach | None = None
    """What of the comparison leads to connections."""
    lasts: Callable[[object], bool] = _nothing_lasts
    """Whether an object is held by a module, so that what weakly speaks of it stays."""
    grows: bool = False
    """Whether the container got entries that it didn't have."""
    way: Way | None = None
    """The path as it can be gone again; None where nobody knows."""
    words: Words | None = None
    """What packages had by name before; None where nobody knows."""

    @property
    def attributes(self) -> bool:
        """Whether the entries are attributes rather than items."""
        return self.path.namespace or self.change.kind in NAMED or self.is_held

    @property
    def is_held(self) -> bool:
        """Whether what a holder holds has names: the parts of a definition, the attributes of a thread's own."""
        cls = type(self.change.container)
        return self.change.kind is Kind.HELD and cls is not ContextVar and cls is not Context

    @property
    def holder(self) -> type | None:
        """The class whose attributes, or whose instance's, the entries are; None for a module's."""
        return type(self.change.container) if self.change.kind in NAMED else self.path.holder

    @property
    def of_a_class(self) -> bool:
        """Whether the entries are a class's own attributes."""
        holder = self.path.holder
        return (
            holder is not None and is_heap_type(holder) and class_namespace(holder) is self.change.container
        )

    @property
    def holder_module(self) -> str:
        """The module that made what the entries are attributes of.

        A built-in class says nothing of who uses it: an instance of it is of the module that it is found in.
        """
        home = self.path.home or (home_of(self.change.container) if self.is_held else "")
        if home:
            return home
        holder = self.holder
        return module_name_of(holder) if holder is not None and is_heap_type(holder) else self.path.module

    def is_of_the_application(self, thing: Any) -> bool:
        """Whether the application defines a thing or its class, or whether it is a container with such a thing."""
        if identity(type(thing)) in _CONTAINERS:
            parts = [*dict.keys(thing), *dict.values(thing)] if type(thing) is dict else list(thing)
            return any(self._is_own(part) for part in parts)
        return self._is_own(thing)

    def _is_own(self, thing: Any) -> bool:
        return (home_of(thing) or module_name_of(type(thing))) in self.application


_CONTAINERS: Final = frozenset(map(identity, (dict, list, tuple, set, frozenset)))
