"""Which children get the hook by which they tell what they write, and the environment that makes them load it.

For the children of the tests' process, and for theirs: a child reads this file as a text when it starts another
program, so it depends on nothing of this package, and runs on Python 3.8. See ``child/sitecustomize.py``.
"""

from __future__ import annotations

import os
import re
import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing is not for the child to import
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

_PYTHON = re.compile(rb"(?:^|[/\s!])(?:python|pypy)[\w.-]*(?:\s|$)|\.py(?:\s|$)")
_INTERPRETER = re.compile(rb"(?:.*/)?(?:python|pypy)[\w.-]*")
_SHELLS = frozenset({b"sh", b"ash", b"bash", b"dash", b"ksh", b"zsh"})
_NAMES = _PATH, _REPORT, _START = b"PYTHONPATH", b"PYTEST_STATELESS_REPORT", b"PYTEST_STATELESS_START"
ENVIRONMENT = 5  # position among the arguments of fork_exec


class _Real:
    """Held where neither a mock nor a faked file system replaces them."""

    open = staticmethod(os.open)
    read = staticmethod(os.read)
    close = staticmethod(os.close)
    fsencode = staticmethod(os.fsencode)
    putenv = staticmethod(os.putenv)
    unsetenv: Any = getattr(os, "unsetenv", None)
    environ = os.environ


def environment_with(report: str, start: str, before: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The environment of a child that is to load the hook."""
    folder = _Real.fsencode(os.path.dirname(report))
    path = before.get(_PATH, b"")
    return {
        **before,
        _PATH: folder + os.pathsep.encode() + path if path else folder,
        _REPORT: _Real.fsencode(report),
        _START: start.encode("ascii"),
    }


def encoded(environment: Any) -> dict[bytes, bytes]:
    """An environment as the system has it."""
    return {_Real.fsencode(name): _Real.fsencode(value) for name, value in environment.items()}


# ------------------------------------------------------------------------------------------------- who gets it


def may_load_hook(words: Any, programs: Iterable[Any]) -> bool:
    """Whether a command looks as if it ran Python, itself or below a shell.

    Other programs get the environment that they were given: they may show it. So does a Python that would not look
    at it.
    """
    spelled = [_Real.fsencode(word) for word in words if type(word) in (str, bytes)]
    paths = [_Real.fsencode(path) for path in programs if type(path) in (str, bytes)]
    if _is_isolated(spelled, paths):
        return False
    if any(map(_PYTHON.search, [*spelled, *paths])):
        return True
    if any(path.rpartition(b"/")[2] in _SHELLS for path in paths):
        return True
    return any(map(_is_script, paths))


def _is_isolated(words: Sequence[bytes], programs: Sequence[bytes]) -> bool:
    """Whether it is a Python with ``-I``, ``-E`` or ``-S`` among its own options."""
    if not any(map(_INTERPRETER.fullmatch, programs)):
        return False
    options = iter(words[1:])
    for word in options:
        if word[:1] != b"-" or word[:2] in (b"-", b"--"):
            return False
        for at, letter in enumerate(word[1:], start=2):
            if letter in b"IES":
                return True
            if letter in b"cm":
                return False
            if letter in b"WX":  # the rest is its value, or the next word
                next(options if at == len(word) else iter(()), None)
                break
    return False


def _is_script(program: bytes) -> bool:
    """Whether a program is a text that begins with the path of a Python, or of a shell."""
    try:
        number = _Real.open(program, os.O_RDONLY)
    except OSError:  # not this one of those on the path
        return False
    try:
        line = _Real.read(number, 256).partition(b"\n")[0]
    except OSError:  # a directory
        return False
    finally:
        _Real.close(number)
    if not line.startswith(b"#!"):
        return False
    names = {word.rpartition(b"/")[2] for word in line[2:].split()[:2]}  # of /usr/bin/env too
    return _PYTHON.search(line) is not None or not names.isdisjoint(_SHELLS)


# ------------------------------------------------------------------------------ what is inherited for a moment


def lend(report: str, start: str, before: dict[bytes, bytes]) -> None:
    """Let the children that are started next inherit it. ``os.environ`` doesn't show it."""
    after = environment_with(report, start, before)
    for name in _NAMES:
        _Real.putenv(name, after[name])


def take_back(before: dict[bytes, bytes]) -> None:
    """Undo ``lend``."""
    for name in _NAMES:
        if name in before:
            _Real.putenv(name, before[name])
        else:
            _Real.unsetenv(name)


# -------------------------------------------------------------------------------------- of a child's own children


class Reach:
    """In a child, lets those whom it starts tell too."""

    def __init__(self, report: str, start: str) -> None:
        self._told = report, start
        self._lent_by = 0
        """The thread that is about to start a child with what is lent."""
        self._stands_in = False

    def note(self, event: str, args: Any) -> None:
        """An audit event tells that a child is about to be started."""
        if event == "subprocess.Popen":
            self._stand_in()
        elif event == "os.system" or (args[2] is None and may_load_hook(args[1], [args[0]])):
            lend(*self._told, encoded(_Real.environ))
            self._lent_by = get_ident()

    def come_back(self) -> None:
        """Another event: in the thread that lent, the child has been started."""
        if self._lent_by == get_ident():
            self._lent_by = 0
            take_back(encoded(_Real.environ))

    def _stand_in(self) -> None:
        """Audit events don't let the environment be changed: what subprocess calls can."""
        if self._stands_in:
            return
        self._stands_in = True
        for module, name in (("subprocess", "_fork_exec"), ("_posixsubprocess", "fork_exec")):
            real = getattr(sys.modules.get(module), name, None)
            if real is not None:
                setattr(sys.modules[module], name, self._starting(real))
        for name in ("posix_spawn", "posix_spawnp"):
            if hasattr(os, name):
                setattr(os, name, self._spawning(getattr(os, name)))

    def _starting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def fork_exec(*args: Any) -> Any:
            given = args[ENVIRONMENT]
            if not may_load_hook(*args[:2]):
                return real(*args)
            if given is not None:
                found = environment_with(*self._told, dict(entry.partition(b"=")[::2] for entry in given))
                given = [name + b"=" + value for name, value in found.items()]
                return real(*args[:ENVIRONMENT], given, *args[ENVIRONMENT + 1 :])
            return self._lending(real, *args)

        return fork_exec

    def _spawning(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def spawn(path: Any, argv: Any, env: Any, *args: Any, **kwargs: Any) -> Any:
            known = type(argv) in (list, tuple) and type(env) in (type(None), dict, type(_Real.environ))
            if not (known and may_load_hook(argv, [path])):
                return real(path, argv, env, *args, **kwargs)
            if env is None:
                return self._lending(real, path, argv, env, *args, **kwargs)
            return real(path, argv, environment_with(*self._told, encoded(env)), *args, **kwargs)

        return spawn

    def _lending(self, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        before = encoded(_Real.environ)
        lend(*self._told, before)
        try:
            return real(*args, **kwargs)
        finally:
            take_back(before)
