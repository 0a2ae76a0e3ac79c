"""What the process does about signals: handlers, the mask, alarms and timers."""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.compare import same as identical
from pytest_stateless.heap.spell import spell_type
from pytest_stateless.interpreter import wakeup
from pytest_stateless.interpreter.item import ABSENT, WHOLE, Gated, Item, Reading
from pytest_stateless.interpreter.kernel import status

_c: Final[Any] = sys.modules["_signal"]  # without the enumerations that the module makes of each answer
_getsignal: Final = _c.getsignal
_setsignal: Final = _c.signal
_getitimer: Final[Any] = getattr(_c, "getitimer", None)
_setitimer: Final[Any] = getattr(_c, "setitimer", None)
_sigmask: Final[Any] = getattr(_c, "pthread_sigmask", None)
_get_ident: Final = threading.get_ident
_HOME: Final = threading.main_thread().ident

_NAMES: Final = {
    int(number): signal.Signals(number).name if number in list(signal.Signals) else f"signal {int(number)}"
    for number in signal.valid_signals()
}
_NUMBERS: Final = {name: number for number, name in _NAMES.items()}
_TIMERS: Final = {
    name: getattr(_c, name) for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF") if hasattr(_c, name)
}


def _handlers() -> Reading:
    return _named(list(map(_getsignal, _NAMES)))


def _handlers_again(before: Any) -> Reading:
    handlers = list(map(_getsignal, _NAMES))
    return before if identical(handlers, before.gate) else _named(handlers)


def _named(handlers: list[Any]) -> Reading:
    return Gated(dict(zip(_NAMES.values(), handlers, strict=True)), handlers)


def _spell_handler(found: Any) -> str:
    return {0: "SIG_DFL", 1: "SIG_IGN"}[found] if type(found) is int else spell_type(found)


def _put_handler(label: Any, new: Any) -> None:
    if new is not None and new is not ABSENT and _get_ident() == _HOME:
        _setsignal(_NUMBERS[label], new)


def _native() -> Reading | None:
    """The signals that are caught, or ignored, though Python has no handler for them."""
    found = status()
    if found.get("caught", -1) < 0:
        return None
    caught, ignored = found["caught"], found["ignored"]
    faults = _FAULTS if faulthandler.is_enabled() else ()
    return {
        name: "caught" if caught >> number - 1 & 1 else "ignored"
        for number in _in_mask(caught | ignored)
        if (name := _NAMES.get(number)) and name not in faults and _is_default(_getsignal(number))
    }


def _in_mask(mask: int) -> Iterator[int]:
    """The few signals in a mask, in order: nearly all are neither caught nor ignored."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length()
        mask ^= lowest


_FAULTS: Final = ("SIGSEGV", "SIGFPE", "SIGABRT", "SIGBUS", "SIGILL")
"""What faulthandler catches while it is enabled, which is a line of its own."""


def _is_default(handler: object) -> bool:
    return handler is None or (type(handler) is int and handler == 0)


def _timers() -> Reading:
    """The interval of each timer that runs; the time that is left differs at each look."""
    found = {name: _getitimer(number) for name, number in _TIMERS.items()}
    return {name: interval for name, (left, interval) in found.items() if left or interval}


def _blocked() -> Reading | None:
    """The mask is the thread's own: that of the main one counts."""
    if _sigmask is None or _get_ident() != _HOME:
        return None
    return {WHOLE: tuple(sorted(map(int, _sigmask(_c.SIG_BLOCK, ()))))}


def _spell_signals(found: Any) -> str:
    return ", ".join(_NAMES.get(number, str(number)) for number in found) or "none blocked"


def _spell_timer(interval: Any) -> str:
    return f"every {interval:g} s" if interval else "once"


ITEMS: Final = (
    Item(
        "signal",
        _handlers,
        "this process answers a signal otherwise than the others do",
        "put the handler back; install handlers where the process starts",
        show=_spell_handler,
        spell=lambda name, label: f"{name}.{label}",
        put=_put_handler,
        again=_handlers_again,
    ),
    Item(
        "native signal handler",
        _native,
        "this process answers a signal otherwise than the others do",
        "install handlers where the process starts",
        show=str,
        by_import=True,
        spell=lambda name, label: f"{name} {label}",
    ),
    Item(
        "timer",
        _timers if _getitimer is not None else lambda: None,
        "a later request is interrupted by the alarm of an earlier one",
        "cancel it: signal.alarm(0), signal.setitimer(..., 0)",
        show=_spell_timer,
        spell=lambda name, label: f"{name} {label}",
        put=lambda label, new: _setitimer(_TIMERS[label], 0) if new is ABSENT else None,
    ),
    Item(
        "signal mask",
        _blocked,
        "signals that the process should answer wait for ever",
        "put it back with signal.pthread_sigmask(SIG_SETMASK, before)",
        show=_spell_signals,
        put=lambda _, new: _sigmask(_c.SIG_SETMASK, new),
    ),
    Item(
        "signal.set_wakeup_fd()",
        wakeup.read,
        "signals are written to a descriptor that may mean another file by then",
        "put back what it returned, or close the loop that set it",
        tell=lambda before, after: "another descriptor than before",
    ),
)
"""The lines of the table about signals."""
