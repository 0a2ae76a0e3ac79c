"""What kinds of objects the memory of the interpreter is made of, and what each of them holds.

Nothing here runs code of the program: no ``==``, ``hash``, ``repr``, ``len``, ``getattr`` or ``isinstance`` on an
object that isn't known to be a built-in one. Types are asked through ``type``'s own descriptors.
"""

from __future__ import annotations

import contextvars
import enum
import functools
import gc
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat
from operator import is_
from typing import Any, Final, NamedTuple

from pytest_stateless.heap.holders import CACHE, LOCAL, LOCKS, held, is_held

get_referents = gc.get_referents

identity: Final[Callable[[object], int]] = object.__hash__
"""A number for the identity of an object, unique while it lives.

``id`` would do, but raises an audit event on 3.12 and later, which costs more than all the rest of a look at the heap
once an audit hook is installed. The default hash is the rotated address, and no class can override this spelling.
"""

_module_dict: Final[Callable[[object], dict[str, object]]] = vars(types.ModuleType)["__dict__"].__get__
_type_dict: Final = type.__dict__["__dict__"].__get__
_type_mro: Final = type.__dict__["__mro__"].__get__
_type_flags: Final = type.__dict__["__flags__"].__get__
_type_name: Final = type.__dict__["__name__"].__get__
_type_module: Final = type.__dict__["__module__"].__get__
_type_qualname: Final = type.__dict__["__qualname__"].__get__

_HEAP_TYPE: Final = (
    1 << 9
)  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement, or by a C module that asked for it
_IMMUTABLE_TYPE: Final = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE, 3.10 and later


class Kind(enum.IntEnum):
    """How an object is read. The watched kinds can change; the others are at most walked through."""

    ATOM = 0  # holds nothing that could change
    WALK = 1  # can't change itself, but what it holds can
    FUNCTION = 2
    CACHE = (
        3  # a function under functools.lru_cache; what it remembers is watched where it is the application's
    )
    CLASS = 4
    MODULE = 5
    DICT = 6
    MAPPING = 7  # an instance of a subclass of dict
    LIST = 8
    SEQUENCE = 9  # deque, and instances of subclasses of list and deque
    SET = 10
    SET_SUBCLASS = 11
    OBJECT = 12  # an instance of a Python class
    OPAQUE = 13  # anything else that the garbage collector knows: cells, C objects
    EMPTY_DICT = 14  # a function's own dictionary, empty in all healthy programs
    SLOTS = 15  # the slots of an instance of a container's subclass; its items are watched as what it is
    HELD = 16  # what holders.py finds: a context variable's value, attributes of a thread's own, a definition's parts
    INSIDE = 17  # what readers.py finds: state that no referent shows
    LOCK = 18  # whether it is held


class _Probe:
    def __init__(self) -> None:
        self.value = object()


_probe: Final = _Probe()
EMBEDDED: Final = not get_referents(_probe.__dict__)
"""Whether the dictionary of an instance doesn't show its values to the garbage collector, as on 3.13."""

WATCHED: Final = tuple(kind for kind in Kind if kind >= Kind.DICT)
KEYED: Final = frozenset({Kind.DICT, Kind.MAPPING})
NAMED: Final = frozenset({Kind.OBJECT, Kind.SLOTS})
"""Kinds that hold values under the names of slots."""


class Plan(NamedTuple):
    """How instances of one type are read."""

    kind: Kind
    namespace: Callable[[Any], dict[str, object]] | None = None
    """Gives the ``__dict__`` of an instance through the getter that CPython made, past any override."""
    slots: tuple[tuple[str, Callable[[Any], object]], ...] = ()
    """Name and getter of every slot, in the order in which the garbage collector visits them."""
    unwatched: frozenset[str] = frozenset()
    """Attributes whose values are left out."""
    reader: Callable[[Any, Any], object] | None = None
    """Reads what no referent shows; see readers.py."""
    parts: bool = False
    """Whether ``held`` gives what its referents don't show, or don't name."""
    elsewhere: frozenset[str] = frozenset()
    """Attributes that lead to all other objects of the kind: what lies behind them has a better path."""


_ATOMS: Final = (
    *(str, bytes, int, float, complex, bool, type(None), type(...), type(NotImplemented)),
    *(types.CodeType, types.FrameType, types.TracebackType, types.GetSetDescriptorType),
    *(types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType),
    *(types.ClassMethodDescriptorType, range, slice, weakref.ref, weakref.ReferenceType),
    *(weakref.ProxyType, weakref.CallableProxyType),
)
_WALKED: Final = (
    *(tuple, frozenset, types.MethodType, types.BuiltinFunctionType, types.MethodWrapperType, property),
    *(classmethod, staticmethod, types.MappingProxyType),
)
_EXACT: Final[dict[type, Kind]] = {
    types.FunctionType: Kind.FUNCTION,
    type: Kind.CLASS,
    types.ModuleType: Kind.MODULE,
    contextvars.ContextVar: Kind.HELD,
    contextvars.Context: Kind.HELD,
    CACHE: Kind.CACHE,
    types.GeneratorType: Kind.OPAQUE,
    types.CoroutineType: Kind.OPAQUE,
    types.AsyncGeneratorType: Kind.OPAQUE,
    dict: Kind.DICT,
    defaultdict: Kind.MAPPING,
    OrderedDict: Kind.MAPPING,
    list: Kind.LIST,
    deque: Kind.SEQUENCE,
    set: Kind.SET,
    types.CellType: Kind.OPAQUE,
    **dict.fromkeys(LOCKS, Kind.LOCK),
    functools.partial: Kind.OPAQUE,  # its dictionary is made when somebody asks for it
}
_BASES: Final = (
    (types.ModuleType, Kind.MODULE),
    (type, Kind.CLASS),
    (dict, Kind.MAPPING),
    (list, Kind.SEQUENCE),
    (deque, Kind.SEQUENCE),
    (set, Kind.SET_SUBCLASS),
    (LOCAL, Kind.HELD),
    (CACHE, Kind.CACHE),
)


def mro_of(cls: type) -> tuple[type, ...]:
    """The classes that ``cls`` inherits from, itself first, whatever its metaclass says."""
    return tuple(_type_mro(cls))


def name_of(cls: type) -> str:
    """The qualified name of a class, as it was defined."""
    return str.__str__(_type_qualname(cls))  # it may be of a subclass of str


def class_namespace(cls: type) -> dict[str, object]:
    """The dictionary of a class itself, not the proxy that ``__dict__`` gives."""
    (namespace,) = get_referents(_type_dict(cls))
    return namespace  # type: ignore[no-any-return]


def module_namespace(module: object) -> dict[str, object]:
    """The dictionary of a module, without asking a ``__getattribute__`` of its class."""
    return _module_dict(module)


def function_module(function: Any) -> object:
    """What the module of a function's globals is called."""
    return dict.get(function.__globals__, "__name__")  # they may be of a subclass of dict


def module_name_of(cls: type) -> str:
    """The module that a class says it was defined in; empty where it says something else than text."""
    found = dict.get(class_namespace(cls), "__module__") if is_heap_type(cls) else _type_module(cls)
    return found if type(found) is str else ""


def is_heap_type(cls: type) -> bool:
    """Whether the class has a dictionary of its own that Python code could change."""
    flags = _type_flags(cls)
    return bool(flags & _HEAP_TYPE) and not flags & _IMMUTABLE_TYPE


def plan_of(cls: type) -> Plan:
    """Find out how instances of ``cls`` are read."""
    known = _PLANS.get(identity(cls))
    if known is not None:
        return known
    mro = mro_of(cls)
    kind = Kind.OBJECT if _TELLING.isdisjoint(map(identity, mro)) else _inherited_kind(mro)
    if kind in (Kind.CLASS, Kind.MODULE, Kind.CACHE, Kind.HELD):
        return Plan(kind)
    namespace, slots = _instance_getters(mro)
    if kind is Kind.OBJECT and namespace is None and not slots and not is_heap_type(cls):
        kind = Kind.OPAQUE
    if kind is Kind.WALK and slots:
        kind = Kind.OBJECT
    return Plan(kind, namespace, slots)


_PLANS: Final = {
    identity(cls): Plan(kind)
    for cls, kind in (
        *_EXACT.items(),
        *((cls, Kind.WALK) for cls in _WALKED),
        *((cls, Kind.ATOM) for cls in _ATOMS),
    )
}
"""Of the types themselves, by identity: they last as long as the process does."""

_STAYING: Final = (weakref.ref, types.CodeType, tuple, frozenset, property, functools.partial)
"""Whose subclasses are walked through: they may carry attributes."""
_TELLING: Final = frozenset(map(identity, (*(base for base, _ in _BASES), *_STAYING)))


def _inherited_kind(mro: tuple[type, ...]) -> Kind:
    if any(entry is base for entry in mro for base in _STAYING):
        return Kind.WALK
    return next(kind for base, kind in _BASES if any(entry is base for entry in mro))


def _instance_getters(
    mro: tuple[type, ...],
) -> tuple[Callable[[Any], dict[str, object]] | None, tuple[tuple[str, Callable[[Any], object]], ...]]:
    namespace = None
    slots: list[tuple[str, Callable[[Any], object]]] = []
    for base in mro:
        own = _type_dict(base)
        getter = own.get("__dict__")
        if namespace is None and any(map(is_, _GETTERS, [type(getter)] * len(_GETTERS))):
            namespace = getter.__get__
        if (
            "__slots__" in own
        ):  # else what its members show isn't visited by the garbage collector as slots are
            slots += members(own)
    return namespace, tuple(slots)


_GETTERS: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)


def namespace_of(thing: object) -> dict[str, Any]:
    """The dictionary of an instance, past its class; an empty one of what has none, or is a class."""
    for base in mro_of(type(thing)):
        getter = _type_dict(base).get("__dict__")
        if any(map(is_, _GETTERS, [type(getter)] * len(_GETTERS))):
            found: Any = getter.__get__(thing)
            return found if type(found) is dict else {}
    return {}


def members(own: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[Any], object]]]:
    """Name and getter of the slots, or of a C type's members, in what a class itself defines."""
    for name, value in own.items():
        if type(value) is types.MemberDescriptorType and value.__name__ not in ("__weakref__", "__dict__"):
            yield name, value.__get__


def members_of(thing: object) -> Iterator[tuple[str, object]]:
    """What the members of a thing's class hold, those of C types too."""
    for base in mro_of(type(thing)):
        for name, get in members(_type_dict(base)):
            try:
                yield name, get(thing)
            except AttributeError:  # not set
                continue


_WRAPPED: Final = 100  # times that a function is bound, or given arguments


def unwrapped(function: Any) -> Any:
    """What a partial or a method calls in the end; anything else as it is."""
    for _ in range(_WRAPPED):
        if type(function) is functools.partial:
            function = function.func
        elif type(function) is types.MethodType:
            function = function.__func__
        else:
            break
    return function


# ------------------------------------------------------------------------------------------------ reading in bulk

Reading = tuple[list[object], list[object]]
"""Referents, keys: of many containers of one kind, in one list each."""


_keys_of: Final = dict.keys
_values_of: Final = dict.values


def read(kind: Kind, containers: Iterable[Any]) -> Reading:
    """Read what containers of one kind hold, with a few calls in C for all of them.

    A dictionary whose keys are all text doesn't show them as referents: they are read beside. Raises RuntimeError
    where another thread changes the size of a dictionary meanwhile.
    """
    keys: list[object] = []
    if kind is Kind.DICT:
        for container in containers:
            keys += container  # a list takes the keys of a dictionary at once since 3.13
        return get_referents(*containers), keys
    if kind is Kind.MAPPING:
        values: list[object] = []
        for container in containers:
            values += _values_of(container)
            keys += _keys_of(container)
        return values, keys
    if kind is Kind.SEQUENCE:
        return list(chain.from_iterable(map(iterate_sequence, containers))), []
    if kind is Kind.HELD:
        return list(chain.from_iterable(map(held, containers))), []
    if kind is Kind.LOCK:
        return list(map(is_held, containers)), []
    if kind is Kind.SET_SUBCLASS:
        return list(chain.from_iterable(map(set.__iter__, containers))), []
    return get_referents(*containers), []


def iterate_sequence(sequence: Any) -> Iterator[object]:
    """The items of a list or deque, whatever its class says."""
    return (
        deque.__iter__(sequence)
        if any(map(is_, mro_of(type(sequence)), _DEQUES))
        else list.__iter__(sequence)
    )


_DEQUES: Final = repeat(deque)


# ------------------------------------------------------------------------------------------------ one at a time


def function_state(function: types.FunctionType) -> Iterator[tuple[str, str, object]]:
    """The ways of a function to state, as (what, name, object): defaults, closure cells, its dictionary.

    Never its globals: they are a module's.
    """
    code = function.__code__
    defaults = function.__defaults__
    if defaults is not None:  # a tuple or an instance of a subclass
        names = code.co_varnames[max(0, code.co_argcount - tuple.__len__(defaults)) : code.co_argcount]
        for name, value in zip(names, tuple.__iter__(defaults), strict=False):
            yield "<defaults>", name, value
    if function.__kwdefaults__ is not None:
        yield "<defaults>", "", function.__kwdefaults__
    if function.__closure__:
        for name, cell in zip(code.co_freevars, function.__closure__, strict=False):
            yield "<closure>", name, cell
    yield "", "", function.__dict__


def children(kind: Kind, plan: Plan, thing: Any) -> Iterable[object]:
    """Everything that ``thing`` holds and that could change or lead to something that can."""
    if kind is Kind.FUNCTION:
        return [value for _, _, value in function_state(thing)]
    if kind is Kind.CLASS:
        return [class_namespace(thing), *get_bases(thing), type(thing)] if is_heap_type(thing) else ()
    if kind is Kind.MODULE:
        return (module_namespace(thing),)
    if kind is Kind.HELD:
        return held(thing)
    if kind is Kind.INSIDE or kind is Kind.LOCK:
        return ()
    if plan.namespace is not None:
        return [plan.namespace(thing), *get_referents(thing)]
    return get_referents(thing)


get_bases: Final = type.__dict__["__bases__"].__get__
