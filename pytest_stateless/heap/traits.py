"""What an entry that differs is recognised by beside its path: words that the table of known leftovers speaks in."""

from __future__ import annotations

import sys
import time
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.change import Change
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import (
    NAMED,
    Kind,
    class_namespace,
    function_module,
    is_heap_type,
    module_name_of,
    module_namespace,
    mro_of,
    plan_of,
)
from pytest_stateless.heap.mention import is_spoken_of
from pytest_stateless.heap.path import Path
from pytest_stateless.heap.readers import DRAWN, Inside
from pytest_stateless.heap.scope import spelled_bases
from pytest_stateless.heap.twister import was_drawn_from


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
    lasts: Callable[[object], bool] = _nothing_lasts
    """Whether an object is held by a module, so that what weakly speaks of it stays."""

    @property
    def attributes(self) -> bool:
        """Whether the entries are attributes rather than items."""
        return self.path.namespace or self.change.kind in NAMED or _has_attributes(self.change)

    @property
    def holder(self) -> type | None:
        """The class whose attributes, or whose instance's, the entries are; None for a module's."""
        return type(self.change.container) if self.change.kind in NAMED else self.path.holder

    @property
    def holder_module(self) -> str:
        """The module that made what the entries are attributes of."""
        return module_name_of(self.holder) if self.holder is not None else self.path.module


def _has_attributes(change: Change) -> bool:
    """Whether what a holder holds has names: the parts of a function, the attributes of a thread's own."""
    return change.kind is Kind.HELD and type(change.container) is not ContextVar


def traits_of(about: About, entry: Entry) -> Iterator[str]:
    """What is known of an entry beside its path."""
    yield "added" if entry.before is ABSENT else "removed" if entry.after is ABSENT else "changed"
    yield f"owner:{about.owner}"
    for base in spelled_bases(type(about.change.container)):
        yield f"in:{base}"
    yield from _value_traits(entry.after, "value", about)
    yield from _value_traits(entry.before, "was", about)
    if _is_empty(entry.after):
        yield "empty"
    yield from _inside_traits(entry)
    yield from _cache_traits(about, entry)
    yield from _weak_traits(about, entry)
    if about.attributes:
        yield from _attribute_traits(about, entry)


def _inside_traits(entry: Entry) -> Iterator[str]:
    if type(entry.before) is Inside and type(entry.after) is Inside:
        yield "inside"
        if entry.after.kind == DRAWN:
            yield "drawn" if was_drawn_from(entry.before.state, entry.after.state) else "seeded"


def _cache_traits(about: About, entry: Entry) -> Iterator[str]:
    if about.change.kind is Kind.DICT and about.path.text.endswith(".<cache>"):
        yield "cached"
        if type(entry.label) is tuple and not entry.label:
            yield "constant"


def _weak_traits(about: About, entry: Entry) -> Iterator[str]:
    weak = [part for part in (entry.label, entry.after, entry.before) if _is_weak(part)]
    if weak:
        yield "weak"
        if any(about.lasts(_spoken_of(part)) for part in weak):
            yield "lasting"


def _attribute_traits(about: About, entry: Entry) -> Iterator[str]:
    if _is_first_use(about, entry):
        yield "first-use"
    if _is_lazy(about, entry):
        yield "lazy"
    if type(entry.label) is not str:
        return
    if _is_detail(entry.label):
        yield "class-detail"
    weak = about.holder is not None and not _WEAK_CONTAINERS.isdisjoint(spelled_bases(about.holder))
    if weak and entry.label != "data":
        yield "in-a-weak-container"
    if _is_clock(about, entry):
        yield "clock"


_CONTAINERS: Final = (dict, list, set, OrderedDict, deque)
_LOCKS: Final = ("_thread.lock", "_thread.RLock")


def _is_empty(value: Any) -> bool:
    """Whether a value is a place that holds nothing yet, or what guards one."""
    cls = type(value)
    return (any(cls is one for one in _CONTAINERS) and not value) or next(spelled_bases(cls)) in _LOCKS


def _value_traits(value: Any, prefix: str, about: About) -> Iterator[str]:
    if value is ABSENT or type(value) is Inside:
        return
    for base in spelled_bases(type(value)):
        if base != "builtins.object":
            yield f"{prefix}:{base}"
    if all(
        _is_of_a_tool(part, about.tools) for part in (value if type(value) is list and value else [value])
    ):
        yield f"{prefix}:of-a-tool"
    if _home(value) in about.imported:
        yield f"{prefix}:imported"


def _is_of_a_tool(value: Any, tools: frozenset[str]) -> bool:
    """Whether a test tool made the value: it is of one of its classes, or one of its functions."""
    return any(name.partition(".")[0] in tools for name in (_home(value), *spelled_bases(type(value))))


_WEAK: Final = frozenset({"weakref.ReferenceType", "weakref.ProxyType", "weakref.CallableProxyType"})


def _is_weak(value: Any) -> bool:
    return not _WEAK.isdisjoint(spelled_bases(type(value)))


_REFERENCES: Final = (weakref.ref, weakref.KeyedRef)
_WEAK_CONTAINERS: Final = frozenset({"weakref.WeakKeyDictionary", "_weakrefset.WeakSet"})


def _spoken_of(reference: Any) -> object:
    return reference() if type(reference) in _REFERENCES else None


_CLASS_DETAILS: Final = frozenset(
    {
        *(
            "__abstractmethods__",
            "__doc__",
            "__firstlineno__",
            "__module__",
            "__signature__",
            "__slotnames__",
        ),
        *("__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__"),
        *("__conditional_annotations__", "__parameters__", "__static_attributes__", "__type_params__"),
    }
)
"""What Python and its libraries fill in on classes and functions, on first use or when a class is moved."""


def _is_detail(name: str) -> bool:
    return name in _CLASS_DETAILS


def _is_first_use(about: About, entry: Entry) -> bool:
    """Whether an attribute of somebody else's went from nothing to a constant or an object of somebody else's making.

    Libraries set themselves up like this. What is set up again and again is no first use: the second time it doesn't
    start from nothing, and is reported. An attribute that the library's own code doesn't speak of isn't the library's:
    the application keeps something of its own on somebody else's object.
    """
    if entry.after is ABSENT or about.holder_module in about.application:
        return False
    if about.holder is not None and not is_spoken_of(about.holder, entry.label):
        return False
    before = entry.before if entry.before is not ABSENT else _inherited(about.holder, entry.label)
    private = _is_private(entry.label)
    if type(before) is bool and type(entry.after) is bool and private:
        return True  # a switch of the library's own, as whether a cache must be made anew
    made_by = _home(entry.after) or module_name_of(type(entry.after))
    # Private, new, and of its own making, also where a base class has one.
    own = about.holder is not None and private and _package(made_by) == _package(about.holder_module)
    if own and entry.before is ABSENT:
        return True
    return _is_nothing(before) and made_by not in about.application


_EMPTY: Final = (str, bytes, tuple, frozenset)


def _is_nothing(value: Any) -> bool:
    cls = type(value)
    if value is None or value is False or cls is object:
        return True
    return any(cls is empty for empty in _EMPTY) and not value


def _package(module: str) -> str:
    return module.partition(".")[0]


_CLOCKS: Final = (time.time, time.monotonic, time.perf_counter)
_HOUR: Final = 3600.0  # seconds: longer than a test takes, shorter than what tells two clocks apart
_MEASURED: Final = 12  # characters of a number that nobody wrote


def _is_clock(about: About, entry: Entry) -> bool:
    """Whether an attribute within somebody else's object went on from one reading of the clock to a present one."""
    if about.holder_module in about.application or not _is_private(entry.label):
        return False
    before, after = entry.before, entry.after
    if type(before) is not float or type(after) is not float or len(repr(after)) < _MEASURED:
        return False
    return before < after and any(0 <= clock() - after < _HOUR for clock in _CLOCKS)


def _is_private(name: object) -> bool:
    return type(name) is str and name.startswith("_")


def _inherited(holder: type | None, name: object) -> object:
    """What an instance shows for an attribute that it doesn't have itself."""
    for base in mro_of(holder) if holder is not None and type(name) is str else ():
        namespace = class_namespace(base) if is_heap_type(base) else {}
        if name in namespace:
            return namespace[name]
    return ABSENT


def _is_lazy(about: About, entry: Entry) -> bool:
    """Whether an attribute appeared that is computed or exported on first use, the same in every process.

    A cached property has a descriptor of the same name on the class; a library's object that makes its attributes in
    ``__getattr__`` may keep them; a package's lazy export is a class or function of its own.
    """
    if entry.before is not ABSENT:
        return False
    if about.holder is not None:
        if (
            about.holder_module not in about.application
            and _inherited(about.holder, "__getattr__") is not ABSENT
        ):
            return True
        descriptor = _inherited(about.holder, entry.label)
        if descriptor is ABSENT or plan_of(type(descriptor)).kind is Kind.FUNCTION:
            return False
        return _inherited(type(descriptor), "__get__") is not ABSENT
    module, home = about.path.module, _home(entry.after)
    if (
        module not in about.application
        and "__getattr__" in about.change.container
        and _is_exported(module, entry)
    ):
        return True
    if not home or _package(home) != _package(module):
        return False
    # The application's own functions are also what it remembers; only a module that asks for it exports lazily.
    return module not in about.application or "__getattr__" in about.change.container


def _is_exported(module: str, entry: Entry) -> bool:
    """Whether another module of the package has the same object under the same name."""
    label: Any = entry.label
    return any(
        module_namespace(other).get(label) is entry.after
        for name, other in list(sys.modules.items())
        if type(other) is types.ModuleType and name != module and _package(name) == _package(module)
    )


def _home(value: Any) -> str:
    """The module that a class, function, method or module comes from; empty for anything else."""
    if type(value) is types.MethodType:
        return _home(value.__func__)
    kind = plan_of(type(value)).kind
    if kind is Kind.CLASS:
        found = class_namespace(value).get("__module__") if is_heap_type(value) else None
    elif kind is Kind.FUNCTION:
        found = function_module(value)
    elif kind is Kind.MODULE:
        found = module_namespace(value).get("__name__")
    else:
        found = None
    return found if type(found) is str else ""
