"""What Python itself keeps for the process: its streams and hooks, its limits, the collector."""

from __future__ import annotations

import _thread
import faulthandler
import gc
import sys
import threading
import types
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from pytest_stateless.interpreter import exits, forks
from pytest_stateless.interpreter.item import ABSENT, UNKNOWN, WHOLE, Item, Items, Reading, loaded
from pytest_stateless.interpreter.kinds import (
    Attribute,
    kept,
    listed,
    setting,
    value,
)

_get_ident: Final = threading.get_ident
_HOME: Final = threading.main_thread().ident
_OTHERS: Final = "the other processes don't have it, so that they answer otherwise"


class _Real:
    """Held where no mock replaces them."""

    gettrace = staticmethod(sys.gettrace)
    getprofile = staticmethod(sys.getprofile)
    get_asyncgen_hooks = staticmethod(sys.get_asyncgen_hooks)
    get_origins = staticmethod(sys.get_coroutine_origin_tracking_depth)
    lazy = getattr(sys, "get_lazy_imports", None), getattr(sys, "get_lazy_imports_filter", None)


# -------------------------------------------------------------------------------------------------------- hooks


_ERRORS: Final = "errors go another way in this process"
_SHOWS: Final = "what the process prints or reads goes another way than in the others"
_SLOW: Final = "every line of every later request runs through it"

_HOOKS: Final = (
    *(
        kept("sys", name, _SHOWS)
        for name in ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    ),
    *(kept("sys", name, _ERRORS) for name in ("excepthook", "unraisablehook", "__excepthook__")),
    *(kept("sys", name, _OTHERS) for name in ("displayhook", "breakpointhook")),
    kept("threading", "excepthook", _ERRORS),
    kept("threading", "_trace_hook", _SLOW)._replace(name="threading.settrace()"),
    kept("threading", "_profile_hook", _SLOW)._replace(name="threading.setprofile()"),
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


def _origins() -> Reading | None:
    """Not while a loop runs, which sets it for as long where it debugs."""
    return None if _generator_hooks() is None else {WHOLE: _Real.get_origins()}


def _lazy_imports() -> Reading | None:
    """Which imports wait until they are needed (3.15 and later)."""
    if None in _Real.lazy:
        return None
    return {WHOLE: tuple(get() for get in _Real.lazy if get is not None)}


def _monitors() -> Reading | None:
    """The tools that watch what runs (3.12 and later)."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is None:
        return None
    found = {number: monitoring.get_tool(number) for number in range(6)}
    return {number: name for number, name in found.items() if name is not None}


# ------------------------------------------------------------------------------------------- limits and switches


def _put_collector(_: object, new: Any) -> None:
    gc.enable() if new else gc.disable()


_set_stack_size: Final[Any] = _thread.stack_size


def _stack_size() -> Any:
    """Whoever asks for it sets it: without an argument, to the default."""
    found = _set_stack_size()
    if found:
        _set_stack_size(found)
    return found


_FLAGS: Final = type(sys.flags)
_FLAG_NAMES: Final = [
    name
    for name, member in vars(_FLAGS).items()
    if type(member) is types.MemberDescriptorType and name != "int_max_str_digits"
]
_read_flags: Final = attrgetter(*_FLAG_NAMES)


def _flags() -> Reading:
    """Without the limit of digits, a line of its own: who sets that makes new flags from 3.14 on."""
    found = loaded("sys") or {}
    flags = found.get("flags", UNKNOWN)
    return {WHOLE: _read_flags(flags) if type(flags) is _FLAGS else flags}


_SLOWER: Final = "this process runs slower, or keeps more memory, than the others"
_is_tracing: Final = sys.modules.get("_tracemalloc") or __import__("_tracemalloc")

_SETTINGS: Final = (
    setting(
        "recursion limit", "getrecursionlimit", "deep calls fail in one process only", "setrecursionlimit"
    ),
    setting("switch interval", "getswitchinterval", "threads take turns otherwise", "setswitchinterval"),
    setting(
        "limit of digits",
        "get_int_max_str_digits",
        "long numbers are refused in one process only",
        "set_int_max_str_digits",
    ),
    setting("flags of dlopen", "getdlopenflags", "C extensions are loaded otherwise", "setdlopenflags"),
    Item(
        "stack size of threads",
        value(_stack_size),
        "new threads have another stack",
        "put it back, or set it where the process starts",
        show=str,
        put=lambda _, new: _set_stack_size(new),
    ),
    kept("sys", "flags", _OTHERS)._replace(
        read=_flags, put=None, holders=Attribute("sys", "flags").holders
    ),  # nobody can make flags
    *(kept("sys", name, _OTHERS) for name in ("dont_write_bytecode", "pycache_prefix")),
    kept("sys", "tracebacklimit", _OTHERS, missing=ABSENT),
    Item(
        "gc.enable()",
        value(gc.isenabled),
        "memory grows until the process is killed, or requests wait for the collector",
        "switch it back",
        show=lambda found: "enabled" if found else "disabled",
        put=_put_collector,
    ),
    setting("gc.set_threshold()", "get_threshold", "memory is cleared earlier or later", "set_threshold", gc),
    setting("gc.set_debug()", "get_debug", "the collector writes, or keeps garbage", "set_debug", gc),
    listed("gc", "callbacks", "each run of the collector calls it, for as long as the process lives"),
    setting("faulthandler", "is_enabled", "crashes are told otherwise", None, faulthandler),
    setting("tracemalloc", "is_tracing", _SLOWER, None, _is_tracing),
)

ITEMS: Final = (
    listed("sys", "argv", "the arguments are those of the process, not of one request"),
    listed("sys", "warnoptions", "children warn otherwise"),
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
        "sys.set_coroutine_origin_tracking_depth()",
        _origins,
        "each coroutine of later requests keeps where it was made",
        "put it back: sys.set_coroutine_origin_tracking_depth(0)",
        show=str,
    ),
    Item(
        "sys.set_lazy_imports()",
        _lazy_imports,
        "later imports run at another time than in the other processes",
        "set it where the process starts",
    ),
    Item(
        "os.register_at_fork()",
        forks.read,
        "every later fork runs it, and nothing takes it out again",
        "register it where the process starts",
        warns=lambda _: True,
        is_first_use=forks.are_of_python_itself,
        by_import=True,
        holders=forks.holders,
    ),
    Item(
        "atexit",
        exits.read,
        "the process holds what the callback needs until its end",
        "take it out with atexit.unregister, or register it where the process starts",
        warns=lambda _: True,
        tell=exits.tell,
        is_first_use=exits.are_fewer,
        by_import=True,
    ),
)
"""The lines of the table about Python itself."""
