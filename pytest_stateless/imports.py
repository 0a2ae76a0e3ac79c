"""Says when modules are imported, while windows are open: what they hold right after that is what they begin with.

There is an audit event for the beginning of an import, and none for its end. The import system looks the function that
loads what isn't loaded yet up by its name each time (``import_find_and_load`` in CPython's Python/import.c and
``_gcd_import`` in its Lib/importlib/_bootstrap.py), so a stand-in sees every such import and costs others nothing.
"""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any, Final

_bootstrap: Final[Any] = importlib._bootstrap
_find_and_load: Final = _bootstrap._find_and_load
_get_ident: Final = threading.get_ident


class _Listening:
    """Who is told, in which thread, and whether an import is going on there."""

    begins: Callable[[], None] | None = None
    told: Callable[[], None] | None = None
    thread: int = 0
    within: bool = False
    failed: set[str]
    """Names that couldn't be imported: a program may try each time, and it is dear to look before an import."""


def _standing_in(name: str, import_: Any) -> Any:  # pragma: no cover - its code is said to be in another file
    if _Listening.within or _Listening.told is None or _Listening.thread != _get_ident() or _is_loaded(name):
        return _find_and_load(name, import_)
    _Listening.within = True
    if _Listening.begins is not None and name not in _Listening.failed:
        _Listening.begins()
    try:
        return _find_and_load(name, import_)
    except BaseException:
        _Listening.failed.add(name)
        raise
    finally:
        _Listening.within = False
        if _Listening.told is not None:
            _Listening.told()


def _is_loaded(name: str) -> bool:
    """Whether there is nothing to load: ``importlib.import_module`` asks for what is loaded, too.

    What only stands for a module may load it when it is asked for its spec.
    """
    modules: Any = sys.modules
    module = modules.get(name) if type(modules) is dict else None
    if type(module) is not types.ModuleType:
        return False
    spec = vars(module).get("__spec__")
    return type(spec) is ModuleSpec and not vars(spec).get("_initializing", False)


# Python takes its own frames out of the traceback of a failed import by the name of their file.
_standing_in.__code__ = _standing_in.__code__.replace(co_filename=_find_and_load.__code__.co_filename)


def listen(told: Callable[[], None], begins: Callable[[], None] | None = None) -> None:
    """Tell before and after each import in this thread that loads something, the outermost of several."""
    _Listening.told, _Listening.thread, _Listening.within = told, _get_ident(), False
    _Listening.begins, _Listening.failed = begins, set()
    if _bootstrap._find_and_load is _find_and_load:  # else somebody else stands there
        _bootstrap._find_and_load = _standing_in


def rest() -> None:
    """Tell nobody any more, and give the place back."""
    _Listening.told = _Listening.begins = None
    if _bootstrap._find_and_load is _standing_in:
        _bootstrap._find_and_load = _find_and_load
