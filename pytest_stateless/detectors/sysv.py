"""Asks the kernel how many System V objects there are, which costs less than to read its tables (Linux)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any, Final

_TABLES: Final = "/proc/sysvipc"
_FIELDS: Final = 128  # integers, more than struct shm_info, msginfo or seminfo takes


def _counter(name: str, arguments: tuple[int, ...], field: int) -> Callable[[], int]:
    """What asks by one of the C library's functions: its arguments, and where the number stands in the answer."""
    if sys.platform != "linux" or not os.path.isdir(_TABLES):  # Android kills who asks, and has no tables
        return lambda: -1
    try:
        ask: Any = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):  # no such library, or one without System V
        return lambda: -1
    answer = (ctypes.c_int * _FIELDS)()
    address = ctypes.addressof(answer)
    ask.argtypes = (*[ctypes.c_int] * len(arguments), ctypes.c_void_p)

    def count() -> int:
        answer[field] = -1  # stays so where it is refused
        ask(*arguments, address)
        return answer[field]

    return count


class _Real:
    """Made at once, so that nobody's mock is asked."""

    counters: Final = {
        "SysV memory": _counter("shmctl", (0, 14), 0),  # SHM_INFO: used_ids
        "SysV queue": _counter("msgctl", (0, 12), 0),  # MSG_INFO: msgpool, the queues that there are
        "SysV semaphores": _counter("semctl", (0, 0, 19), 7),  # SEM_INFO: semusz, the sets that there are
    }


def count(kind: str) -> int:
    """How many there are of one kind, whoever made them; -1 where the system doesn't say. shmctl(2)"""
    return _Real.counters[kind]()
