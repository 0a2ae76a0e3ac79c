"""Has the memory lead to the applications that only fixtures have, as it leads to those that modules have.

A program that builds its application in a function (``create_app()``) has no module that leads there; its tests have
it from a fixture, by itself or in a test client. The process that serves it has it for as long as it lives.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from pytest_stateless.heap.graph import class_namespace, is_heap_type, mro_of, namespace_of
from pytest_stateless.source import FIXTURES

_WSGI: Final = 2  # parameters: environ, start_response (PEP 3333)
_ASGI: Final = 3  # scope, receive, send


class Applications:
    """The applications of the fixtures that are set up, as names of a module that no import finds."""

    def __init__(self) -> None:
        self._module = types.ModuleType(FIXTURES)
        self._finished: set[str] = set()

    def begin(self) -> None:
        """From now on the memory leads to them."""
        sys.modules[FIXTURES] = self._module

    def end(self) -> None:
        """It doesn't any more."""
        if sys.modules.get(FIXTURES) is self._module:
            del sys.modules[FIXTURES]
        vars(self._module).clear()

    def find(self, made: object) -> object:
        """The application that a fixture gave, or that a test client is of; None for neither, and if it is held."""
        names = vars(self._module).items()
        held = [app for name, app in names if name not in self._finished]
        return next((app for app in _applications_in(made) if not any(app is one for one in held)), None)

    def keep(self, name: str, app: object) -> Callable[[], None]:
        """Hold the application of a fixture of that name. Returns what is to be called when that is torn down."""
        names = vars(self._module)
        while (
            name in names and name not in self._finished
        ):  # a fixture overrides another one, and asks for it
            name += "_"
        self._finished.discard(name)
        names[name] = app
        return partial(self._finished.add, name)

    def let_go(self) -> None:
        """Of those whose fixtures were torn down: what the test left there has been told."""
        for name in self._finished:
            vars(self._module).pop(name, None)
        self._finished.clear()


def _applications_in(made: object) -> Iterator[object]:
    """The thing itself, or what a client of it has under a name that says so."""
    if is_application(made):
        yield made
    names = namespace_of(made)
    for name in ("app", "application"):
        if is_application(names.get(name)):
            yield names[name]


def is_application(thing: object) -> bool:
    """Whether a thing is called as an application of WSGI or ASGI is, by its code alone."""
    if type(thing) is types.FunctionType:
        return _is_called_so(thing, own=0)
    for cls in mro_of(type(thing)):
        function = class_namespace(cls).get("__call__") if is_heap_type(cls) else None
        if type(function) is types.FunctionType:
            return _is_called_so(function, own=1)
    return False


def _is_called_so(function: Any, own: int) -> bool:
    """``own`` is how many parameters come before the application's."""
    code = function.__code__
    names = code.co_varnames[own : code.co_argcount]
    if len(names) == _ASGI:
        return bool(code.co_flags & inspect.CO_COROUTINE) or names[1:] == ("receive", "send")
    return len(names) == _WSGI and names[1] == "start_response"
