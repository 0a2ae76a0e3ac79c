"""Landlock of Linux: a thread that gives up to write but below some paths, and with it the processes that it starts.

It can't be taken back, and is of one thread. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import stat
import struct
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # system calls, of the same number everywhere
_ASK_VERSION: Final = 1
_BELOW_PATH: Final = 1
_NO_NEW_PRIVILEGES: Final = 38  # of prctl(2)
_WRITE_FILE: Final = 1 << 1
_TRUNCATE: Final = 1 << 14  # since its third version
_CHANGES: Final = _WRITE_FILE | sum(1 << bit for bit in range(4, 14))
"""To write, remove and make anything, and to move it elsewhere; reading is left as it is."""
_OLDEST: Final = 2  # the first one couldn't allow to move a file from one directory to another
_TO_TRUNCATE: Final = 3


class _Real:
    """Held where no mock and no faked file system replaces them."""

    open = staticmethod(os.open)
    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    start = staticmethod(_thread.start_new_thread)
    lock = staticmethod(_thread.allocate_lock)
    get_errno = staticmethod(ctypes.get_errno)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _call(function: Callable[..., int], *arguments: int | bytes | None) -> int:
    """A call of the C library with numbers as wide as its registers. Raises OSError."""
    wide = [ctypes.c_long(one) if type(one) is int else one for one in arguments]
    result = function(*wide)
    if result < 0:
        number = _Real.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@cache
def version() -> int:
    """That of the kernel's Landlock; 0 where there is none, or none that will do."""
    if sys.platform != "linux":
        return 0
    try:
        found = _call(_libc().syscall, _CREATE, None, 0, _ASK_VERSION)
    except (OSError, AttributeError):  # an older kernel, a container that forbids it, another C library
        return 0
    return found if found >= _OLDEST else 0


def confine(paths: Iterable[str]) -> None:
    """From now on, this thread writes nothing but below the paths. Raises OSError."""
    rights = _CHANGES | (_TRUNCATE if version() >= _TO_TRUNCATE else 0)
    rules = _call(_libc().syscall, _CREATE, struct.pack("=Q", rights), 8, 0)
    try:
        for path in paths:
            _allow(rules, path, rights)
        _restrict(rules)
    finally:
        _Real.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = _Real.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not there, so that nothing is written below it
        return
    try:
        if not stat.S_ISDIR(_Real.fstat(place).st_mode):
            rights &= _WRITE_FILE | _TRUNCATE
        _call(_libc().syscall, _ADD, rules, _BELOW_PATH, struct.pack("=Qi", rights, place), 0)
    finally:
        _Real.close(place)


def _restrict(rules: int) -> None:
    try:
        _call(_libc().syscall, _RESTRICT, rules, 0)
    except PermissionError:  # only who never gets more rights by a program may give some up
        _call(_libc().prctl, _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        _call(_libc().syscall, _RESTRICT, rules, 0)


def confined(paths: Iterable[str], call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call gives, or raises, that runs in a confined thread of its own: so are the processes that it starts.

    Where the system refuses to confine it, the call runs nevertheless.
    """
    done = _Real.lock()
    outcome: list[tuple[Any, BaseException | None]] = []

    def run() -> None:
        try:
            with contextlib.suppress(OSError):
                confine(paths)
            outcome.append((call(*arguments), None))
        except BaseException as error:
            outcome.append((None, error))
        finally:
            done.release()

    done.acquire()
    _Real.start(run, ())
    _wait(done)
    result, error = outcome.pop()
    try:
        if error is not None:
            raise error
    finally:
        del error  # its traceback holds this frame
    return result


def _wait(done: Any) -> None:
    """Wait to the end, also where a handler of a signal raises meanwhile: as if this thread itself made the call."""
    interruption: BaseException | None = None
    while True:
        try:
            done.acquire()
            break
        except BaseException as error:
            interruption = error
    if interruption is not None:
        raise interruption
