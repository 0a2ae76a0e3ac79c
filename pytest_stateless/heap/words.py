"""The words that a library has of its own: what it keeps under one of them is no more a user's than the word is."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from types import CodeType, FunctionType
from typing import Any, Final

from pytest_stateless.heap.graph import (
    Kind,
    class_namespace,
    identity,
    module_namespace,
    plan_of,
)
from pytest_stateless.heap.home import home_of

_DEPTH: Final = 3  # of containers in a module, of functions in a function
_NEAR: Final = 2  # of what modules have in hand
_FILES: Final = 20_000  # names of files of one package
_PARTS: Final = re.compile(r"[/\\.:]+")
_CONTAINERS: Final = (dict, tuple, list, set, frozenset)
_ZONES: Final = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo")
"""Where systems have their time zones (``zoneinfo.TZPATH``): each is a file, named as the zone is."""
_ZONE: Final = re.compile(r"[A-Za-z][\w+-]*(/[\w+-]+)*")


class _Real:
    """Held where no test's mock replaces them."""

    scandir: Any = staticmethod(os.scandir)
    stat = staticmethod(os.stat)


class Words:
    """Texts that packages had before: names, constants, what their modules hold, files that they brought along.

    ``application`` are the names of its modules; ``before`` says by identity what containers held that now hold
    something else.
    """

    def __init__(
        self, application: Container[str] = (), before: Mapping[int, Sequence[object]] | None = None
    ) -> None:
        self._application = application
        self._before = before or {}
        self._known: dict[str, set[str]] = {}
        self._further: dict[str, Iterator[Iterable[str]]] = {}
        """By package, where further words of its own are: they are looked for until one is found."""
        self._said: set[str] | None = None
        self._held: dict[str, set[int]] = {}

    def knows(self, package: str, text: str) -> bool:
        """Whether a text is a word of the package or made of such words, or one of the system's time zones."""
        if package not in self._known:
            self._known[package], self._further[package] = set(), self._of(package)
        known = self._known[package]
        plain = _plain(text)
        parts = [_plain(part) for part in _PARTS.split(text) if part]
        while not (plain in known or known.issuperset(parts)):
            more = next(self._further[package], None)
            if more is None:
                return _is_a_zone(text)
            known.update(map(_plain, more))
        return True

    def holds(self, package: str, thing: object) -> bool:
        """Whether a module or class of the package had this very thing, by a name or in a container."""
        if package not in self._held:
            spaces = _modules(lambda name: name.partition(".")[0] == package)
            self._held[package] = {
                identity(one) for name, space in spaces for one in self._things(space, name, _NEAR)
            }
        return identity(thing) in self._held[package]

    def says(self, text: str) -> bool:
        """Whether a text is a constant of the application, tests included."""
        if self._said is None:
            spaces = [namespace for _, namespace in _modules(lambda name: name in self._application)]
            values = (value for namespace in spaces for value in list(dict.values(namespace)))
            self._said = {*(one for one in values if type(one) is str), *_constants_in(spaces)}
        return text in self._said

    def _of(self, package: str) -> Iterator[Iterable[str]]:
        """All words of a package, what is found fast first."""
        modules = dict(_modules(lambda name: name.partition(".")[0] == package))
        yield chain.from_iterable(name.split(".") for name in modules)
        path = modules.get(package, {}).get("__path__")
        if type(path) is list and all(type(one) is str for one in path):
            yield _files(tuple(path))
        yield _constants_in(modules.values())
        yield chain.from_iterable(self._in_namespace(space, name) for name, space in modules.items())

    def _in_namespace(self, namespace: dict[str, object], module: str) -> Iterator[str]:
        for value in self._held_by(namespace):
            if plan_of(type(value)).kind is not Kind.CLASS:
                yield from self._texts(value)
            elif home_of(value) == module:
                yield from self._in_namespace(class_namespace(value), "")  # type: ignore[arg-type]

    def _things(self, container: Any, module: str, depth: int) -> Iterator[object]:
        for value in self._held_by(container):
            yield value
            if plan_of(type(value)).kind is Kind.CLASS:
                if home_of(value) == module:
                    yield from self._things(class_namespace(value), "", depth)  # type: ignore[arg-type]
            elif depth > 1 and any(type(value) is one for one in _CONTAINERS):
                yield from self._things(value, "", depth - 1)

    def _texts(self, value: Any, depth: int = _DEPTH) -> Iterator[str]:
        if type(value) is str:
            yield value
        elif depth > 0 and any(type(value) is one for one in _CONTAINERS):
            for part in self._held_by(value):
                yield from self._texts(part, depth - 1)

    def _held_by(self, container: Any) -> Sequence[object]:
        """What is in a container, or was."""
        before = self._before.get(identity(container))
        if before is not None:
            return before
        return [*container, *container.values()] if type(container) is dict else list(container)


def _modules(wanted: Any) -> Iterator[tuple[str, dict[str, object]]]:
    for name, module in list(sys.modules.items()):
        if type(name) is str and plan_of(type(module)).kind is Kind.MODULE and wanted(name):
            yield name, module_namespace(module)


def _constants_in(namespaces: Iterable[dict[str, object]]) -> Iterator[str]:
    """The texts in the code of all functions of some modules."""
    known = frozenset(map(identity, namespaces))
    for thing in gc.get_objects():
        if type(thing) is FunctionType and identity(thing.__globals__) in known:
            yield from _constants(thing.__code__)


def _constants(code: Any, depth: int = _DEPTH) -> Iterator[str]:
    if type(code) is str:
        yield code
    elif depth > 0 and any(type(code) is one for one in (CodeType, tuple, frozenset)):
        for constant in code.co_consts if type(code) is CodeType else code:
            yield from _constants(constant, depth - 1)


def _plain(text: str) -> str:
    return text.casefold().replace("-", "_").replace(" ", "_")


@lru_cache(maxsize=64)
def _files(folders: tuple[str, ...]) -> Iterable[str]:
    """The names of files and folders below some folders, without what follows a dot."""
    waiting, found = [*folders], set[str]()
    while waiting and len(found) < _FILES:
        try:
            with _Real.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found.add(entry.name.partition(".")[0])
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:  # it is gone, or isn't ours to read
            continue
    return frozenset(found)


def _is_a_zone(text: str) -> bool:
    return bool(_ZONE.fullmatch(text)) and any(_is_there(f"{folder}/{text}") for folder in _ZONES)


def _is_there(path: str) -> bool:
    try:
        _Real.stat(path)
    except (OSError, ValueError):
        return False
    return True
