"""What some objects hold for whoever asks, though no referent of theirs shows it, or only among much else."""

from __future__ import annotations

import _thread
import abc
import contextvars
import ctypes
import functools
import gc
import sys
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final

from pytest_stateless.heap.memory import address, first_pointer

get_referents: Final = gc.get_referents
LOCAL: Final = _thread._local
"""What ``threading.local`` is."""
LOCKS: Final = (_thread.LockType, _thread.RLock)
CACHE: Final = functools._lru_cache_wrapper

REGISTRY: Final = "_abc_registry"
"""The label of the classes that were registered with an abstract one."""
UNREAD: Final = object()
"""Stands for a part that can't be asked for now."""

_BODY: Final = {
    name: vars(types.FunctionType)[name] for name in ("__code__", "__defaults__", "__kwdefaults__")
}
"""What makes a function do something else when it is replaced."""
_BODY_GETTERS: Final = tuple(descriptor.__get__ for descriptor in _BODY.values())
_FACTORY: Final = {"default_factory": vars(defaultdict)["default_factory"]}
_factory_of: Final = vars(defaultdict)["default_factory"].__get__
_OF_A_CONNECTION: Final = (
    "row_factory",
    "text_factory",
    "isolation_level",
    "autocommit",
)  # the last since 3.12
_bases_of: Final = type.__dict__["__bases__"].__get__
_mro_of: Final = type.__dict__["__mro__"].__get__


def parts_of(thing: object) -> tuple[str, ...]:
    """The names of what ``held`` gives of a function, a class or a module; none for anything else."""
    cls = type(thing)
    if _inherits(cls, type):
        return ("__bases__", "__class__")
    return ("__class__",) if _inherits(cls, types.ModuleType) else tuple(descriptors(cls))


def descriptors(cls: type) -> Mapping[str, Any]:
    """What reads and sets the parts of instances of a type of C's, or of its heirs."""
    if cls is types.FunctionType:
        return _BODY
    if _inherits(cls, defaultdict):
        return _FACTORY
    connection = loaded("_sqlite3", "Connection")
    if connection is None or not _inherits(cls, connection):
        return {}
    own = vars(connection)
    return {name: own[name] for name in _OF_A_CONNECTION if name in own}


def part(descriptor: Any, thing: object) -> object:
    """A part, the same object for as long as it is equal text."""
    try:
        found = descriptor.__get__(thing)
    except Exception:  # a connection is closed, or another thread's
        return UNREAD
    return sys.intern(found) if type(found) is str else found  # C makes a new text for whoever asks


def held(thing: Any) -> list[object]:
    """What a context variable, the attributes of a thread's own or the parts of a definition are now."""
    cls = type(thing)
    if cls is types.FunctionType:
        return [get(thing) for get in _BODY_GETTERS]
    if cls is type:  # nearly all classes
        return [_bases_of(thing), cls]
    if cls is types.ModuleType:
        return [cls]
    if cls is defaultdict:
        return [_factory_of(thing)]
    if cls is contextvars.ContextVar:
        try:
            return [thing.get()]
        except LookupError:
            return []
    if cls is contextvars.Context:
        return list(chain.from_iterable(thing.items()))
    if _inherits(cls, type):
        return [_bases_of(thing), cls, *_registered(thing)]
    if _inherits(cls, types.ModuleType):
        return [cls]
    parts = descriptors(cls)
    if parts:
        return [part(descriptor, thing) for descriptor in parts.values()]
    namespace = local_namespace(thing)
    return [] if namespace is None else [namespace]


def is_held(lock: Any) -> bool:
    """Whether a lock is held, by whomever; one that knows by whom, whether it is by this thread."""
    return lock.locked() if type(lock) is _thread.LockType else lock._is_owned()


def _registered(cls: type) -> list[object]:
    """Weak references to the classes that were registered with an abstract one.

    Its ``_abc_data`` has them in a set, and beside it two sets of answers that were given (CPython's Modules/_abc.c).
    """
    books = _type_dict(cls).get("_abc_impl")
    registry = first_pointer(books) if type(books) is _ABC_DATA else None
    sets: list[Any] = get_referents(books) if registry else []
    return [reference for found in sets if address(found) == registry for reference in list(found)]


_ABC_DATA: Final = type(vars(abc.ABC)["_abc_impl"])
_type_dict: Final = type.__dict__["__dict__"].__get__


def values_of(content: list[Any]) -> dict[int, tuple[str, object]]:
    """Of what a context holds: name and value of each of its variables, by the variable's default hash."""
    pairs = zip(content[0::2], content[1::2], strict=True)
    return {object.__hash__(variable): (variable.name, value) for variable, value in pairs}


def loaded(module: str, name: str) -> Any:
    """What a module that is loaded holds under a name; None where it isn't."""
    found = sys.modules.get(module)
    return _module_dict(found).get(name) if type(found) is types.ModuleType else None


_module_dict: Final = vars(types.ModuleType)["__dict__"].__get__


def _inherits(cls: type, base: type) -> bool:
    for entry in _mro_of(cls):  # noqa: SIM110 - asked so often that a generator would be felt
        if entry is base:
            return True
    return False


def local_namespace(local: Any) -> dict[str, object] | None:
    """The attributes that a ``threading.local`` has for this thread; None where it has none yet.

    Asking the object for them would make them, and run the ``__init__`` of a subclass. So they are found in what the
    object refers to: its dictionaries by the tokens of the threads (CPython's Modules/_threadmodule.c).
    """
    tokens = _tokens()
    for dictionary in get_referents(local):
        if type(dictionary) is not dict:
            continue
        for key, namespace in list(dict.items(dictionary)):
            token = key() if type(key) is weakref.ref else key
            if type(namespace) is dict and any(token is mine for mine in tokens):
                return namespace
    return None


_own: Final = LOCAL()
"""A thread's own of the plugin's, whose attributes nobody minds to be made."""


def _tokens() -> list[object]:
    """What stands for this thread in the dictionaries of the objects that are a thread's own.

    One for all objects since 3.13, and then for ours too; before, one for each, in the thread's dictionary.
    """
    mine = _own.__dict__
    found = [
        key
        for dictionary in get_referents(_own)
        if type(dictionary) is dict
        for key, namespace in list(dict.items(dictionary))
        if namespace is mine
    ]
    place = _dictionary_of_thread() if _dictionary_of_thread is not None else None
    if place is None:
        return found
    # The reference is a borrowed one: as a result of type py_object it would be given back once too often.
    dictionary: Any = ctypes.cast(place, ctypes.py_object).value
    return [*found, *dict.values(dictionary)]


def _thread_dictionary() -> Callable[[], int | None] | None:
    try:
        return ctypes.PYFUNCTYPE(ctypes.c_void_p)(("PyThreadState_GetDict", ctypes.pythonapi))
    except AttributeError:  # another implementation of Python
        return None


_dictionary_of_thread: Final = _thread_dictionary()


cache_namespace: Final = vars(CACHE)["__dict__"].__get__
"""The attributes of a function under ``functools.lru_cache``."""


def cache_of(wrapper: Any) -> dict[object, object] | None:
    """The results that a function under ``functools.lru_cache`` remembers, by its arguments."""
    own = cache_namespace(wrapper)
    return next((found for found in get_referents(wrapper) if type(found) is dict and found is not own), None)
