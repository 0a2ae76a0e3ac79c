"""Which modules see a fake disk: more than pyfakefs knows of, and none any more when it is gone."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any, Final

_WITH_DESCRIPTORS: Final = ("subprocess", "multiprocessing", "asyncio", "pty")
"""Parts of the standard library that read and write pipes and sockets by their numbers, which the fake doesn't know."""
_CACHES: Final = ("CACHED_MODULES", "FS_MODULES", "FS_FUNCTIONS", "FS_DEFARGS", "SKIPPED_FS_MODULES")
_PATHS: Final = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")


class _Real:
    """Held where the faked file system doesn't replace them."""

    open = staticmethod(open)
    path = os.path


_kept: dict[str, Any] = {}


@contextmanager
def searched(patcher: Any) -> Iterator[None]:
    """Let pyfakefs leave more modules alone, and keep what it found out about modules apart from the user's own use."""
    found = {name: getattr(patcher, name) for name in (*_CACHES, "SKIPMODULES") if hasattr(patcher, name)}
    if not _kept:
        patcher.clear_fs_cache()
        _kept.update({name: getattr(patcher, name) for name in found if name in _CACHES})
    for name, value in _kept.items():
        setattr(patcher, name, value)
    patcher.SKIPMODULES = set(patcher.SKIPMODULES)
    leave_alone(patcher)
    try:
        yield
    finally:
        _kept.update({name: getattr(patcher, name) for name in _kept})
        for name, value in found.items():
            setattr(patcher, name, value)


def leave_alone(patcher: Any) -> None:
    """Let pyfakefs not look into what works with descriptors, of all that is loaded."""
    patcher.SKIPMODULES.update(module for name, module in list(sys.modules.items()) if _is_left_alone(name))


def _is_left_alone(name: str) -> bool:
    return name.partition(".")[0] in _WITH_DESCRIPTORS


@contextmanager
def imported_beside(patcher: Any) -> Iterator[None]:
    """What works with descriptors and is imported while the disk is faked has the real functions, too."""
    finder = _Finder(patcher)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path[:] = [one for one in sys.meta_path if one is not finder]


class _Finder:
    """Finds what is to see the real modules while its own code runs."""

    def __init__(self, patcher: Any) -> None:
        self._patcher = patcher

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As the import system asks each finder."""
        if not _is_left_alone(name):
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader: Any = None if spec is None else spec.loader
        if type(loader) is SourceFileLoader:
            vars(loader)["exec_module"] = partial(self._execute, loader)
        return spec

    def _execute(self, loader: Any, module: types.ModuleType) -> None:
        del vars(loader)["exec_module"]
        real = self._patcher._dyn_patcher.sysmodules
        faked = {name: sys.modules[name] for name in real if name in sys.modules}
        sys.modules.update(real)
        try:
            loader.exec_module(module)
        finally:
            sys.modules.update(faked)


class Kept(dict[str, Any]):
    """For pyfakefs: no module that a test imports is forgotten afterwards, which would make its classes twice."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Any:
        return lambda _: True


def mend(names: Iterable[str], fakes: Any) -> None:
    """Modules that were imported while the disk was faked imported the fakes: give them the real ones."""
    new = [sys.modules[name] for name in names if type(sys.modules[name]) is types.ModuleType]
    real = _real_ones(fakes) if new else {}
    for module in new:
        classes = [
            cls for cls in vars(module).values() if type(cls) is type and cls.__module__ == module.__name__
        ]
        for owner in (module, *classes):
            for name, value in list(vars(owner).items()):
                found = _real_of(value, real)
                if found is not None:
                    setattr(owner, name, found)


def _real_ones(fakes: Any) -> dict[int, Any]:
    """What the fakes stand for, by their identity."""
    import pathlib

    real: dict[int, Any] = {
        id(fake): sys.modules[name] for name, fake in fakes.items() if name in sys.modules
    }
    real[id(fakes["os"].path)] = os.path
    real[id(fakes["Path"])] = pathlib.Path
    for name in _PATHS:
        real[id(getattr(fakes["pathlib"], name))] = getattr(pathlib, name)
    return real


def _real_of(value: Any, real: dict[int, Any]) -> Any:
    if type(value) is types.MethodType and id(value.__self__) in real:
        return getattr(real[id(value.__self__)], value.__name__, None)
    if id(type(value)) in real and hasattr(type(value), "__fspath__"):
        return real[id(type(value))](os.fspath(value))
    return real.get(id(value))


def paths_made_before(fakes: Any) -> ExitStack:
    """Up to 3.10, a path holds the functions of os that it calls; pyfakefs gives its own to new paths only."""
    import pathlib

    undoing = ExitStack()
    accessor: Any = getattr(pathlib, "_NormalAccessor", None)
    for name, real in list(vars(accessor).items()) if accessor is not None else ():
        function = real.__func__ if type(real) is staticmethod else real
        fake = _fake_of(fakes, name, function)
        if fake is not None:
            setattr(accessor, name, staticmethod(fake))
            undoing.callback(setattr, accessor, name, real)
    return undoing


def _fake_of(fakes: Any, name: str, real: Any) -> Any:
    if real is _Real.open:
        return fakes["io"].open
    module = {"posix": "os", "nt": "os", "posixpath": "path", "ntpath": "path"}.get(
        getattr(real, "__module__", "")
    )
    if module is None:
        return None
    return getattr(fakes["os"] if module == "os" else fakes["os"].path, name, None)
