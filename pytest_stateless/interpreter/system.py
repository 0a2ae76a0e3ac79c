"""What the operating system keeps for the process: environment, directory, permissions, limits, time zone, locale."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from pytest_stateless.heap.spell import without_run
from pytest_stateless.interpreter import c_environment, kernel
from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Item,
    Place,
    Reading,
    loaded,
)
from pytest_stateless.interpreter.kinds import Attribute, place_of, put_attribute, value


class _Real:
    """Functions of the operating system, held where no mock and no faked file system replaces them."""

    getcwd = staticmethod(os.getcwd)
    chdir = staticmethod(os.chdir)
    umask = staticmethod(os.umask)
    isatty = staticmethod(os.isatty)
    environ = os.environ
    tzset = getattr(time, "tzset", None)


# ----------------------------------------------------------------------------------------------- the environment


def variables() -> dict[Any, Any]:
    """The variables as ``os.environ`` has them."""
    return dict(_Real.environ._data)  # type: ignore[attr-defined]


def _past() -> Reading | None:
    """The variables that the C library has otherwise than ``os.environ``."""
    return c_environment.differing(variables())


def _name(label: Any) -> str:
    return os.fsdecode(label) if type(label) is bytes else str.__str__(label)


def _put_variable(label: Any, new: Any) -> None:
    if new is ABSENT:
        _Real.environ.pop(_name(label), None)
    else:
        _Real.environ[_name(label)] = _name(new)


def _places_of_variable(label: object) -> Iterator[Place]:
    yield _Real.environ._data, label  # type: ignore[attr-defined]


def _put_past(label: Any, new: Any) -> None:
    if new is ABSENT:  # the C library says again what os.environ says
        known = variables().get(label)
        os.unsetenv(label) if known is None else os.putenv(label, known)
    elif new is not UNKNOWN and type(new) is bytes:
        os.putenv(label, new)


# -------------------------------------------------------------------------------------- what the kernel remembers


def _directory() -> Any:
    try:
        return _Real.getcwd()
    except OSError:  # it was deleted
        return "a deleted directory"


def _put_directory(_: object, new: Any) -> None:
    if new is not ABSENT and os.path.isdir(new):
        _Real.chdir(new)


def _umask() -> Reading:
    found = kernel.status().get("umask", -1)
    return {WHOLE: UNKNOWN if found < 0 else found}


def _put_umask(_: object, new: Any) -> None:
    _Real.umask(new)


# --------------------------------------------------------------------------------------------- time zone and locale

_TIME: Final = vars(time)


def _time_zone() -> Any:
    return tuple(_TIME.get(name) for name in ("tzname", "timezone", "altzone", "daylight"))


def _put_time_zone(_: object, __: object) -> None:
    if _Real.tzset is not None:  # as the environment says now
        _Real.tzset()


# --------------------------------------------------------------------------------------------------- the terminal


def _terminals() -> Reading | None:
    """How the terminals of the standard streams are set: whether they echo, and wait for whole lines."""
    termios: Any = loaded("termios")
    if termios is None:
        return None
    found: dict[str, Any] = {}
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if not _Real.isatty(number):  # it may be one again when pytest stops capturing
            continue
        try:
            flags = termios["tcgetattr"](number)
        except (termios["error"], OSError):  # it was closed meanwhile
            continue
        found[name] = tuple(map(_whole, flags))
    return found


def _whole(part: Any) -> Any:
    return tuple(part) if type(part) is list else part


def _put_terminal(label: Any, new: Any) -> None:
    termios: Any = loaded("termios")
    number = ("stdin", "stdout", "stderr").index(label)
    if type(new) is tuple:
        termios["tcsetattr"](
            number, termios["TCSANOW"], [list(one) if type(one) is tuple else one for one in new]
        )


_locale: Final[Any] = sys.modules.get("_locale") or __import__("_locale")
_setlocale: Final = _locale.setlocale
_CATEGORIES: Final = {
    name: getattr(_locale, name)
    for name in ("LC_CTYPE", "LC_COLLATE", "LC_TIME", "LC_MONETARY", "LC_NUMERIC", "LC_MESSAGES")
    if hasattr(_locale, name)
}


def _locales() -> Reading:
    return {name: _setlocale(number, None) for name, number in _CATEGORIES.items()}


def _put_locale(label: Any, new: Any) -> None:
    _setlocale(_CATEGORIES[label], new)


ITEMS: Final = (
    Item(
        "os.environ",
        variables,
        "configuration that was changed in one process is not that of the others",
        "set it with monkeypatch.setenv",
        put=_put_variable,
        places=_places_of_variable,
        spell=lambda name, label: f"{name}[{_name(label)!r}]",
        view=_name,
    ),
    Item(
        "os.environ",
        Attribute("os", "environ"),
        "what was changed in it never reaches C code and children",
        "change single variables, with monkeypatch.setenv",
        spell=lambda name, label: name,
        places=place_of("os", "environ"),
        put=put_attribute("os", "environ"),
    ),
    Item(
        "environment past os.environ",
        _past,
        "children and C code see another environment than Python code does",
        "use os.environ, not os.putenv",
        put=_put_past,
        spell=lambda name, label: f"{name}[{_name(label)!r}]",
        view=_name,
    ),
    Item(
        "working directory",
        value(_directory),
        "relative paths mean other files from now on",
        "use monkeypatch.chdir, or absolute paths",
        show=lambda found: without_run(str(found)),
        put=_put_directory,
    ),
    Item(
        "umask",
        _umask,
        "files made from now on get other permissions",
        "give the mode to os.open or os.chmod",
        show=lambda found: f"0o{found:03o}",
        put=_put_umask,
    ),
    Item(
        "time zone",
        value(_time_zone),
        "local times differ from now on",
        "put TZ back and call time.tzset(), or give each time its zone",
        show=lambda found: "/".join(map(str, found[0])) if type(found[0]) is tuple else "changed",
        put=_put_time_zone,
        places=place_of("time", "tzname", "timezone", "altzone", "daylight"),
        holders=Attribute("time", "tzname").holders,
    ),
    Item(
        "terminal",
        _terminals,
        "who types there sees nothing, or every key comes at once",
        "put it back with termios.tcsetattr, as tty and getpass do",
        spell=lambda name, label: f"{name} of {label}",
        otherwise=lambda label, reading: UNKNOWN,
        tell=lambda before, after: "set otherwise",
        put=_put_terminal,
    ),
    Item(
        "locale",
        _locales,
        "numbers and dates read otherwise from now on, and for everybody",
        "format with a library that takes the locale as an argument",
        show=str,
        spell=lambda name, label: f"{name} {label}",
        put=_put_locale,
    ),
)
"""The lines of the table about the operating system."""
