"""Whether an attribute that differs was set up on first use, the same in every process."""

from __future__ import annotations

import enum
import functools
import sys
import time
import types
from email.utils import mktime_tz, parsedate_tz
from typing import Any, Final

from pytest_stateless.heap.about import About
from pytest_stateless.heap.diff import ABSENT, Entry
from pytest_stateless.heap.graph import (
    Kind,
    class_namespace,
    identity,
    is_heap_type,
    module_name_of,
    module_namespace,
    mro_of,
    name_of,
    plan_of,
)
from pytest_stateless.heap.home import home_of, homes_of


def is_first_use(about: About, entry: Entry) -> bool:
    """Whether an attribute of somebody else's went from nothing to a constant or an object of somebody else's making.

    Libraries set themselves up like this. What is set up again and again is no first use: the second time it doesn't
    start from nothing, and is reported. So is what the application's own code sets.
    """
    if entry.after is ABSENT:
        return False
    by_metaclass = _is_of_a_metaclass(about, entry.label)
    if about.holder_module in about.application and not by_metaclass:
        return False
    built = by_metaclass and _is_dunder(entry.label) and not about.is_of_the_application(entry.after)
    return (built or _is_set_up(about, entry)) and not is_set(about, entry.label)


def _is_of_a_metaclass(about: About, name: object) -> bool:
    """Whether it is a private attribute of a class of the application that a library's metaclass made."""
    holder = about.holder
    if holder is None or not about.of_a_class or not _is_private(name):
        return False
    maker = type(holder)
    return is_heap_type(maker) and module_name_of(maker) not in {*about.application, "abc", "enum"}


def _is_set_up(about: About, entry: Entry) -> bool:
    if entry.before is ABSENT and _is_private(entry.label) and _is_by_a_library(about, entry.after):
        return True  # its own for each class or instance, also where a base has one
    before = entry.before if entry.before is not ABSENT else _otherwise(about, entry.label)
    if _is_private(entry.label) and _are_positions(before, entry.after):
        # A switch of the library's own, as whether a cache must be made anew.
        return not _is_for_the_application(about)
    if before is ABSENT:  # a module's new name is looked at by is_lazy
        empty = (
            entry.after is None
            or entry.after is False
            or (identity(type(entry.after)) in _EMPTIABLE and not entry.after)
        )
        known = about.holder is not None or about.is_held
        nothing = known and (empty or _is_private(entry.label) or bool(about.path.home))
    else:
        nothing = _is_nothing(before)
    return nothing and not about.is_of_the_application(entry.after)


def _are_positions(before: object, after: object) -> bool:
    """Whether two values are positions of one switch: of a bool, or of one enumeration."""
    cls = type(before)
    return cls is type(after) and (cls is bool or _is_a(cls, enum.Enum))


def _is_for_the_application(about: About) -> bool:
    """Whether it is a tool of Python's own that the application uses by itself: an event that is set, say."""
    if about.holder_module.partition(".")[0] not in sys.stdlib_module_names:
        return False
    return (about.path.user or about.path.module) in about.application


def _is_by_a_library(about: About, value: object) -> bool:
    """Whether it is an object of the package's own, or, where a class gets it, of another library's."""
    if about.of_a_class and type(value) is types.FunctionType:  # made for this class, as by exec()
        return not about.is_of_the_application(value)
    made_by = module_name_of(type(value)).partition(".")[0]
    if about.holder is None or made_by == about.holder_module.partition(".")[0]:
        return about.holder is not None
    foreign = is_heap_type(type(value)) and made_by not in {"builtins", *sys.stdlib_module_names}
    return about.of_a_class and foreign and not about.is_of_the_application(value)


def _is_nothing(value: object) -> bool:
    if identity(type(value)) in _EMPTIABLE:
        return not value
    return value is None or value is False or type(value) is object


_EMPTIABLE: Final = frozenset(map(identity, (dict, list, set, tuple, str, bytes, frozenset)))


def is_dropped(about: About, entry: Entry) -> bool:
    """Whether a private attribute of somebody else's went back to None: it will be set up again."""
    if entry.after is not None or not _is_private(entry.label) or about.holder_module in about.application:
        return False
    return not about.is_of_the_application(entry.before) and not is_set(about, entry.label)


def is_lazy(about: About, entry: Entry) -> bool:
    """Whether an attribute came or went that is computed or exported on first use, the same in every process.

    A cached property has a descriptor of the same name on the class; a library's object or module that makes its
    attributes in ``__getattr__`` may keep them; a package's lazy export is a class or function of its own.
    """
    if entry.before is not ABSENT and entry.after is not ABSENT:
        checks = _replaced_itself, _chose_another, _found_what_it_names
        return any(check(about, entry) for check in checks)
    if about.holder is not None and is_cached(_otherwise(about, entry.label)):
        return True
    if _is_memo_of_a_method(about, entry):
        return True
    foreign = about.holder_module not in about.application
    if foreign and _makes_attributes(about) and not is_set(about, entry.label):
        return True
    if about.holder is not None or entry.before is not ABSENT:
        return False
    if foreign and _exports_lazily(about) and _is_exported(about.path.module, entry):
        return True
    package = about.path.module.partition(".")[0]
    if not any(home.partition(".")[0] == package for home in homes_of(entry.after)):
        return False
    # The application's own functions are also what it remembers; only a module that asks for it exports lazily.
    return foreign or _exports_lazily(about)


def _is_memo_of_a_method(about: About, entry: Entry) -> bool:
    """Whether a library's method put a function of the library in its own place on the instance, which knows more."""
    if about.holder is None or about.of_a_class or about.holder_module in about.application:
        return False
    method = _otherwise(about, entry.label)
    functions = all(plan_of(type(one)).kind is Kind.FUNCTION for one in (method, entry.after))
    package = about.holder_module.partition(".")[0]
    return functions and home_of(entry.after).partition(".")[0] == package and not is_set(about, entry.label)


def _replaced_itself(about: About, entry: Entry) -> bool:
    """Whether a descriptor of a library's own making stands no longer where it computed what does now."""
    maker = type(entry.before)
    if not about.of_a_class or about.holder_module in about.application or not is_heap_type(maker):
        return False
    own = module_name_of(maker) == about.holder_module
    computed = all("__get__" not in _namespace_of(base) for base in mro_of(type(entry.after)))
    return own and computed and is_cached(entry.before) and not is_set(about, entry.label)


def _chose_another(about: About, entry: Entry) -> bool:
    """Whether a library's module put another function of its own in a function's place, as what the system can."""
    if about.holder is not None or about.path.module in about.application:
        return False
    own = all(
        plan_of(type(one)).kind is Kind.FUNCTION and home_of(one) == about.path.module
        for one in (entry.before, entry.after)
    )
    return own and not is_set(about, entry.label)


def _found_what_it_names(about: About, entry: Entry) -> bool:
    """Whether a library put the class in the place of its name, by which it wasn't to be imported too early."""
    if about.holder_module in about.application or type(entry.before) is not str:
        return False
    found: Any = entry.after
    named = plan_of(type(found)).kind is Kind.CLASS and f".{entry.before}".endswith(f".{name_of(found)}")
    return named and not is_set(about, entry.label)


def number_of(about: About, entry: Entry) -> str | None:
    """What it is if a count in a library's module or class went on: a number, in private, of what it makes, for names.

    Under a public name it may be for others, and is but counted. In an instance it may count what somebody did.
    """
    if (about.holder is not None and not about.of_a_class) or about.holder_module in about.application:
        return None
    before: Any = entry.before
    counts = about.attributes and type(before) is type(entry.after) is int and before < entry.after
    if not counts or is_set(about, entry.label):
        return None
    return "number" if _is_private(entry.label) else "counted"


_namespace_of: Final = type.__dict__["__dict__"].__get__


def _exports_lazily(about: About) -> bool:
    """Whether the entries are of a module that makes what it is asked for."""
    container = about.change.container
    return type(container) is dict and "__getattr__" in container


def _is_exported(module: str, entry: Entry) -> bool:
    """Whether another module of the package has the same object under the same name."""
    package = module.partition(".")[0]
    label: Any = entry.label
    return any(
        module_namespace(other).get(label) is entry.after
        for name, other in list(sys.modules.items())
        if type(other) is types.ModuleType and name != module and name.partition(".")[0] == package
    )


def _makes_attributes(about: About) -> bool:
    if about.holder is not None:
        return inherited(about.holder, "__getattr__") is not ABSENT
    module = sys.modules.get(about.path.module)
    if (
        plan_of(type(module)).kind is not Kind.MODULE
        or module_namespace(module) is not about.change.container
    ):
        return False
    return inherited(type(module), "__getattr__") is not ABSENT


def is_cached(descriptor: object) -> bool:
    """Whether a descriptor computes a value that an attribute of the same name then stands before.

    One that is also told of new values (``__set__``) may keep whatever it is given. Some cached properties are, too.
    """
    cls = type(descriptor)
    if descriptor is ABSENT or plan_of(cls).kind is Kind.FUNCTION or inherited(cls, "__get__") is ABSENT:
        return False
    if inherited(cls, "__set__") is ABSENT or _is_a(cls, functools.cached_property):
        return True
    return cls is not property and _is_a(cls, property) and _SETTER(descriptor) is None


def _is_a(cls: type, wanted: type) -> bool:
    return any(base is wanted for base in mro_of(cls))


_SETTER: Final = property.__dict__["fset"].__get__


def is_as_inherited(about: About, entry: Entry) -> bool:
    """Whether an instance's own attribute came or went that says what its class says anyway.

    A tool that puts an attribute back writes it where it found none.
    """
    if about.holder is None or about.of_a_class or (entry.before is not ABSENT and entry.after is not ABSENT):
        return False
    value = entry.after if entry.before is ABSENT else entry.before
    shown = _otherwise(about, entry.label)
    return shown is not ABSENT and (
        value is shown or (type(value) is types.MethodType and value.__func__ is shown)
    )


def _otherwise(about: About, name: object) -> object:
    """What is shown for an attribute where the thing itself has none."""
    holder = about.holder
    if holder is None or not about.of_a_class:
        return inherited(holder, name)
    return next(
        (found for base in mro_of(holder)[1:] if (found := inherited(base, name)) is not ABSENT), ABSENT
    )


def inherited(holder: type | None, name: object) -> object:
    """What an instance shows for an attribute that it doesn't have itself."""
    for base in mro_of(holder) if holder is not None and type(name) is str else ():
        namespace = class_namespace(base) if is_heap_type(base) else {}
        if name in namespace:
            return namespace[name]
    return ABSENT


def is_set(about: About, name: Any) -> bool:
    """Whether the application's code may have done it. The last question, since it is the dearest."""
    return type(name) is str and name in about.written()


def _is_private(name: object) -> bool:
    return type(name) is str and name.startswith("_")


def _is_dunder(name: object) -> bool:
    return type(name) is str and name.startswith("__") and name.endswith("__")


_CLOCKS: Final = (time.time, time.monotonic, time.perf_counter)
_HOUR: Final = 3600.0  # seconds: longer than a test takes, shorter than what tells two clocks apart
_MEASURED: Final = 12  # characters of a number that nobody wrote
_DATE: Final = 17  # characters of the shortest date with a time


def is_clock(about: About, entry: Entry) -> bool:
    """Whether a private attribute of somebody else's went on from one reading of the clock to a present one."""
    if about.holder_module in about.application or not _is_private(entry.label):
        return False
    if type(entry.after) is float and len(repr(entry.after)) < _MEASURED:
        return False
    before, after = _moment(entry.before), _moment(entry.after)
    if before is None or after is None:
        return False
    return before < after and any(0 <= clock() - after < _HOUR for clock in _CLOCKS)


def _moment(value: Any) -> float | None:
    """What a value says of the clock: a number, whole seconds since 1970, or a date as HTTP writes it."""
    cls = type(value)
    if cls is float:
        return value  # type: ignore[no-any-return]
    if cls is int:
        return float(value) if abs(time.time() - value) < _DAY else None
    if cls is not str or not _DATE <= len(value) <= 2 * _DATE:
        return None
    parsed = parsedate_tz(value)
    return None if parsed is None else mktime_tz(parsed)


_DAY: Final = 24 * _HOUR
