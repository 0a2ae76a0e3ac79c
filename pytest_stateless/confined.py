"""Starts children of a test that is kept off the disk so that they can write no more than the test may (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
import types
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from pytest_stateless import audit, landlock
from pytest_stateless.commands import command_of
from pytest_stateless.noted import Write, comes_to_nothing
from pytest_stateless.zones import KERNEL, Zones, within

_SERVANT: Final = re.compile(rb"from multiprocessing\.(?:forkserver|resource_tracker) import main")
"""What serves later tests too."""
_PREPARES: Final = (
    20  # from this position on among the arguments of fork_exec, what can be called runs in the child
)
_MEASURING: Final = "COVERAGE_PROCESS_"
"""Begins the names of variables that let children write down what they ran, beside what is the project's."""


class _Real:
    """Held where no mock and no faked file system replaces them."""

    path = os.path
    fsencode = staticmethod(os.fsencode)


def writable(zones: Zones, patterns: Iterable[str]) -> tuple[str, ...] | None:
    """The paths that children may write below, with what is allowed by patterns.

    None where they can't be kept from writing elsewhere, or not without keeping them from what they may write.
    """
    if not landlock.version() or any(name.startswith(_MEASURING) for name in os.environ):
        return None
    paths = (*KERNEL, *zones.temp, *(_around(pattern, zones.root) for pattern in patterns))
    return None if any(within(zones.root, path) for path in paths) else paths


def _around(pattern: str, root: str) -> str:
    """What a pattern speaks of, or the directory that holds all of it: no narrower limit can be set."""
    start = re.split(r"[*?]", pattern, maxsplit=1)[0]
    if not start:  # anywhere
        return os.sep
    path = _Real.path.join(root, start)
    if start == pattern and _Real.path.exists(path):
        return path
    path = _Real.path.dirname(path)
    while not _Real.path.isdir(path):
        path = _Real.path.dirname(path)
    return path


_NOT_KEPT_FROM: Final = frozenset({"chmod", "chown", "utime", "setxattr"})


def refuses(paths: tuple[str, ...] | None, write: Write) -> bool:
    """Whether the system refused it to a child that may write below the paths alone."""
    if paths is None or write.operation in _NOT_KEPT_FROM or comes_to_nothing(write):
        return False
    directory, name = _Real.path.split(write.path)
    path = _Real.path.join(_Real.path.realpath(directory), name)
    return not any(within(path, one) for one in paths)


# ------------------------------------------------------------------------------------------------ starting them


def fork_exec(real: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """``_posixsubprocess.fork_exec``."""
    paths = _writable(args[0])
    if paths is None:
        return real(*args)
    for position in range(_PREPARES, len(args)):
        if callable(
            args[position]
        ):  # not in a thread that ends: the child may ask to die with who started it
            prepare = partial(_prepare, args[position], paths)
            return real(*args[:position], prepare, *args[position + 1 :])
    return _in_a_thread(paths, partial(real, *args))


def spawn(real: Callable[..., Any], words: Any, frame: types.FrameType, *args: Any, **kwargs: Any) -> Any:
    """A function of ``os`` that starts a child by a command, and tells of it by itself."""
    paths = _writable(words if type(words) in (list, tuple) else ())
    recording = audit.current()
    if paths is None or recording is None:
        return real(*args, **kwargs)
    # In another thread, the event doesn't say where.
    recording.note_spawn(command_of(words, recording.show_values), frame)
    return _in_a_thread(paths, partial(real, *args, **kwargs))


def _writable(words: Iterable[Any]) -> tuple[str, ...] | None:
    """The paths that a child may write below; None where it is let alone."""
    recording = audit.current()
    if recording is None or recording.writable is None:
        return None
    spelled = (_Real.fsencode(word) for word in words if type(word) in (str, bytes))
    return None if any(map(_SERVANT.search, spelled)) else recording.writable


def _prepare(prepare: Callable[[], object], paths: tuple[str, ...]) -> None:
    prepare()
    with contextlib.suppress(OSError):
        landlock.confine(paths)


def _in_a_thread(paths: tuple[str, ...], call: Callable[[], Any]) -> Any:
    return audit.unnoticed(landlock.confined, paths, audit.unnoticed, call)
