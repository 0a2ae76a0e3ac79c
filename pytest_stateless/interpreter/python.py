"""What Python itself keeps for the process: how it imports, its streams and hooks, its limits, the collector."""

from __future__ import annotations

import builtins
import faulthandler
import gc
import importlib.machinery
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Item,
    Items,
    Place,
    Reading,
    attribute,
    place_of,
    put_attribute,
    same,
    things,
    value,
)

_get_ident: Final = threading.get_ident
_HOME: Final = threading.main_thread().ident
_OTHERS: Final = "the other processes don't have it, so that they answer otherwise"
_FIXTURE: Final = "put it back, best by a fixture (monkeypatch.setattr)"


class _Real:
    """Held where no mock replaces them."""

    gettrace = staticmethod(sys.gettrace)
    getprofile = staticmethod(sys.getprofile)
    get_asyncgen_hooks = staticmethod(sys.get_asyncgen_hooks)


# ------------------------------------------------------------------------------------------------ how it imports


def _listed(name: str, why: str, by_import: bool = False) -> Item:
    """A list in ``sys``."""
    return Item(
        f"sys.{name}",
        things("sys", name),
        why,
        "take out what was put in, best by a fixture",
        by_import=by_import,
        places=place_of("sys", name, inside=True),
    )


def _finders() -> Reading:
    """The entries of the cache that aren't the import system's own."""
    found = sys.path_importer_cache
    return {
        path: finder
        for path, finder in list(found.items())
        if type(finder) is not _FileFinder and type(path) is str and _is_foreign(finder)
    }


_FileFinder: Final = importlib.machinery.FileFinder
_OWN_FINDERS: Final = ("_frozen_importlib_external", "importlib._bootstrap_external", "zipimport")


def _is_foreign(finder: object) -> bool:
    module = type.__dict__["__module__"].__get__(type(finder)) if finder is not None else ""
    return finder is not None and not (type(module) is str and module in _OWN_FINDERS)


def _modules() -> Reading:
    return dict(sys.modules)


def _is_import(before: Any, after: Any) -> bool:
    return before is ABSENT


def _put_module(label: Any, new: Any) -> None:
    if new is not ABSENT:
        sys.modules[label] = new


def _place_of_module(label: object) -> Iterator[Place]:
    yield sys.modules, label


# -------------------------------------------------------------------------------------------------------- hooks


def _hook(module: str, name: str, why: str, missing: Any = UNKNOWN) -> Item:
    return Item(
        f"{module}.{name}",
        attribute(module, name, missing),
        why,
        _FIXTURE,
        put=put_attribute(module, name),
        places=place_of(module, name),
    )


_ERRORS: Final = "errors go another way in this process"
_SHOWS: Final = "what the process prints or reads goes another way than in the others"
_SLOW: Final = "every line of every later request runs through it"

_HOOKS: Final = (
    *(
        _hook("sys", name, _SHOWS)
        for name in ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    ),
    *(_hook("sys", name, _ERRORS) for name in ("excepthook", "unraisablehook", "__excepthook__")),
    *(_hook("sys", name, _OTHERS) for name in ("displayhook", "breakpointhook")),
    _hook("threading", "excepthook", _ERRORS),
    _hook("threading", "_trace_hook", _SLOW)._replace(name="threading.settrace()"),
    _hook("threading", "_profile_hook", _SLOW)._replace(name="threading.setprofile()"),
)


def _at_home(read: Callable[[], Any]) -> Callable[[], Reading | None]:
    """Reads what each thread has of its own, in the main one alone."""
    return lambda: {WHOLE: read()} if _get_ident() == _HOME else None


def _generator_hooks() -> Reading | None:
    """Not while a loop runs, which has its own for as long."""
    asyncio = sys.modules.get("_asyncio")
    running = asyncio.__dict__.get("_get_running_loop") if asyncio is not None else None
    if _get_ident() != _HOME or (running is not None and running() is not None):
        return None
    return {WHOLE: Items(_Real.get_asyncgen_hooks())}


def _monitors() -> Reading | None:
    """The tools that watch what runs (3.12 and later)."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return None
    found = {number: monitoring.get_tool(number) for number in range(6)}
    return {number: name for number, name in found.items() if name is not None}


# ------------------------------------------------------------------------------------------- limits and switches


def _setting(name: str, get: str, why: str, set_: str | None = None, module: types.ModuleType = sys) -> Item:
    """A value that a function of a module gives and another sets."""
    getter: Any = getattr(module, get, None)
    setter: Any = getattr(module, set_, None) if set_ else None
    return Item(
        name,
        value(lambda: UNKNOWN if getter is None else getter()),
        why,
        "put it back, or set it where the process starts",
        show=str,
        put=None if setter is None else lambda _, new: setter(*new) if type(new) is tuple else setter(new),
    )


def _named(module: str, name: str, why: str) -> Item:
    return Item(
        f"{module}.{name}",
        attribute(module, name),
        why,
        _FIXTURE,
        put=put_attribute(module, name),
        places=place_of(module, name),
    )


def _put_collector(_: object, new: Any) -> None:
    gc.enable() if new else gc.disable()


_SLOWER: Final = "this process runs slower, or keeps more memory, than the others"
_is_tracing: Final = sys.modules.get("_tracemalloc") or __import__("_tracemalloc")

_SETTINGS: Final = (
    _setting(
        "recursion limit", "getrecursionlimit", "deep calls fail in one process only", "setrecursionlimit"
    ),
    _setting("switch interval", "getswitchinterval", "threads take turns otherwise", "setswitchinterval"),
    _setting(
        "limit of digits",
        "get_int_max_str_digits",
        "long numbers are refused in one process only",
        "set_int_max_str_digits",
    ),
    _setting("flags of dlopen", "getdlopenflags", "C extensions are loaded otherwise", "setdlopenflags"),
    _setting(
        "stack size of threads", "stack_size", "new threads have another stack", None, sys.modules["_thread"]
    ),
    *(
        _named("sys", name, _OTHERS)
        for name in ("flags", "dont_write_bytecode", "pycache_prefix", "tracebacklimit")
    ),
    Item(
        "gc.enable()",
        value(gc.isenabled),
        "memory grows until the process is killed, or requests wait for the collector",
        "switch it back",
        show=lambda found: "enabled" if found else "disabled",
        put=_put_collector,
    ),
    _setting(
        "gc.set_threshold()", "get_threshold", "memory is cleared earlier or later", "set_threshold", gc
    ),
    _setting("gc.set_debug()", "get_debug", "the collector writes, or keeps garbage", "set_debug", gc),
    Item(
        "gc.callbacks",
        things("gc", "callbacks"),
        "each run of the collector calls it, for as long as the process lives",
        "take it out again",
        places=place_of("gc", "callbacks", inside=True),
    ),
    _setting("faulthandler", "is_enabled", "crashes are told otherwise", None, faulthandler),
    _setting("tracemalloc", "is_tracing", _SLOWER, None, _is_tracing),
)

# --------------------------------------------------------------------------------------- at exit, and built-in names

_atexit: Final[Any] = sys.modules.get("atexit") or __import__("atexit")
# Before 3.14, a callback that was taken out again counts for ever, and no function shows which there are.
_count_callbacks: Final = getattr(_atexit, "_ncallbacks", None) if sys.version_info >= (3, 14) else None


def _exit_callbacks() -> Any:
    """How many there are; which they are can't be seen. weakref has one of its own from its first finalizer on."""
    if _count_callbacks is None:
        return UNKNOWN
    finalize = (sys.modules.get("weakref") or _atexit).__dict__.get("finalize")
    own = type(finalize) is type and finalize.__dict__.get("_registered_with_atexit") is True
    return _count_callbacks() - own


def _builtins() -> Reading:
    return dict(vars(builtins))


def _put_builtin(label: Any, new: Any) -> None:
    if new is ABSENT:
        vars(builtins).pop(label, None)
    else:
        vars(builtins)[label] = new


def _place_of_builtin(label: object) -> Iterator[Place]:
    yield vars(builtins), label


def _is_fewer(before: Any, after: Any) -> bool:
    return same(before, after) or (type(before) is int and type(after) is int and after < before)


ITEMS: Final = (
    _listed("path", "modules may come from elsewhere from now on"),
    _listed("meta_path", "all later imports go through it", by_import=True),
    _listed("path_hooks", "all later imports go through it", by_import=True),
    Item(
        "sys.path_importer_cache",
        _finders,
        "later imports from there go through it",
        "take it out again",
        by_import=True,
    ),
    Item(
        "sys.modules",
        _modules,
        "who imports it from now on gets another module than the others have",
        "use monkeypatch.setitem or monkeypatch.delitem on sys.modules",
        is_first_use=_is_import,
        put=_put_module,
        places=_place_of_module,
    ),
    _listed("argv", "the arguments are those of the process, not of one request"),
    _listed("warnoptions", "children warn otherwise"),
    *_HOOKS,
    Item(
        "sys.settrace()",
        _at_home(_Real.gettrace),
        _SLOW,
        "take it off again: sys.settrace(None)",
        is_followed=False,
    ),
    Item(
        "sys.setprofile()",
        _at_home(_Real.getprofile),
        _SLOW,
        "take it off again: sys.setprofile(None)",
        is_followed=False,
    ),
    Item("sys.monitoring", _monitors, _SLOW, "free the tool's number", show=str, is_followed=False),
    Item(
        "sys.set_asyncgen_hooks()",
        _generator_hooks,
        "asynchronous generators end otherwise from now on",
        "put the hooks back",
    ),
    *_SETTINGS,
    Item(
        "atexit",
        value(_exit_callbacks),
        "the process holds what the callback needs until its end",
        "take it out with atexit.unregister, or register it where the process starts",
        warns=lambda _: True,
        show=lambda found: "1 callback" if found == 1 else f"{found} callbacks",
        is_first_use=_is_fewer,
        by_import=True,
    ),
    Item(
        "builtins",
        _builtins,
        "every module of the process sees it",
        _FIXTURE,
        spell=lambda name, label: f"{name}.{label}",
        put=_put_builtin,
        places=_place_of_builtin,
    ),
)
"""The lines of the table about Python itself."""
