"""What logging and warnings keep for the process: handlers, filters, levels, and how a warning is shown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from operator import is_, itemgetter
from typing import Any, Final

from pytest_stateless.heap.graph import class_namespace, mro_of
from pytest_stateless.heap.spell import spell_key, spell_type
from pytest_stateless.interpreter.item import (
    ABSENT,
    UNKNOWN,
    WHOLE,
    Item,
    Items,
    Place,
    Reading,
    loaded,
)
from pytest_stateless.interpreter.kinds import Things, kept, place_of, registry

_ROOT: Final = ""
"""What stands for the name of the root logger."""
_PARTS: Final = ("level", "propagate", "disabled", "handlers", "filters")
_UNSET: Final = (0, True, False, Items(), Items())
_FRESH: Final = dict(zip(_PARTS, _UNSET, strict=True))
_parts: Final = itemgetter(*_PARTS)
_LEVELS: Final = {0: "NOTSET", 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}


def _loggers() -> Reading | None:
    """Each logger's level, and what else it has otherwise than one that was just made, by name and attribute."""
    found: dict[Any, Any] = {}
    for name, own in _namespaces():
        level, propagate, disabled, handlers, filters = _parts(own)
        labels = _LABELS.get(name) or _label(name)
        found[labels[0]] = level
        if propagate is not True and not _is_number(propagate, True):
            found[labels[1]] = propagate
        if disabled is not False and not _is_number(disabled, False):
            found[labels[2]] = disabled
        if handlers:
            found[labels[3]] = Items(handlers)
        if filters:
            found[labels[4]] = Items(filters)
    return found


_LABELS: Final[dict[str, tuple[tuple[str, str], ...]]] = {}
"""The labels of each logger's parts, the same objects in each look, by its name."""


def _label(name: str) -> tuple[tuple[str, str], ...]:
    found = _LABELS[name] = tuple((name, part) for part in _PARTS)
    return found


def _is_number(found: object, meaning: bool) -> bool:
    """Whether it is a number that stands for yes or no."""
    return type(found) is int and bool(found) is meaning


def _namespaces() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each logger's name and dictionary, past what its class makes of attributes."""
    logging = loaded("logging")
    if logging is None or type(base := logging.get("Filterer")) is not type:
        return
    namespace = class_namespace(base)["__dict__"].__get__  # type: ignore[attr-defined]
    logger = logging.get("Logger")
    for name, one in ((_ROOT, logging.get("root")), *_others()):
        if type(one) is logger or any(map(is_, mro_of(type(one)), repeat(logger))):
            own = namespace(one)
            if type(own.get("handlers")) is list and type(own.get("filters")) is list:
                yield name, own if all(map(own.__contains__, _PARTS)) else {**_FRESH, **own}


def _others() -> list[tuple[str, Any]]:
    known = _manager()[1].get("loggerDict")
    return (
        [(name, one) for name, one in list(known.items()) if type(name) is str] if type(known) is dict else []
    )


def _otherwise(label: tuple[str, str], reading: Reading) -> Any:
    """What a logger has that was there; of one that wasn't, what it is made with is no change."""
    return _FRESH[label[1]] if (label[0], "level") in reading else UNKNOWN


def _spell(_: str, label: tuple[str, str]) -> str:
    name, part = label
    return f"logging.root.{part}" if name == _ROOT else f"logging.getLogger({spell_key(name)}).{part}"


def _own(name: str) -> dict[str, Any] | None:
    return next((own for known, own in _namespaces() if known == name), None)


def _places(label: tuple[str, str]) -> Iterator[Place]:
    own = _own(label[0])
    if own is not None:
        logging = loaded("logging") or {}
        yield own.get(label[1]), WHOLE
        logger = logging.get("root") if label[0] == _ROOT else dict(_others()).get(label[0])
        yield logger, label[1]


def _put(label: tuple[str, str], new: Any) -> None:
    own = _own(label[0])
    if own is not None and type(new) is not Items:
        own[label[1]] = new


def _show(found: Any) -> str:
    return (
        _LEVELS.get(found, str(found))
        if type(found) is int
        else str(found)
        if type(found) is bool
        else spell_type(found)
    )


def _disabled() -> Reading:
    """The level up to which ``logging.disable`` silences everything."""
    own = _manager()[1]
    return {WHOLE: own.get("_disable", own.get("disable", 0))}


def _place_of_disabled(_: object) -> Iterator[Place]:
    for name in ("_disable", "disable"):
        yield _manager()[0], name


def _manager() -> tuple[Any, dict[str, Any]]:
    """What keeps the loggers, and its dictionary."""
    logging = loaded("logging")
    logger = None if logging is None else logging.get("Logger")
    found = class_namespace(logger).get("manager") if type(logger) is type else None
    base: Any = None if logging is None else logging.get("Manager")
    if not any(cls is base for cls in mro_of(type(found))):
        return None, {}
    return found, class_namespace(base)["__dict__"].__get__(found)  # type: ignore[attr-defined]


def _shown() -> Reading:
    """What shows warnings where logging doesn't capture them, which is told as such."""
    found = (loaded("warnings") or {}).get("showwarning", UNKNOWN)
    logging = loaded("logging") or {}
    if found is logging.get("_showwarning"):
        found = logging.get("_warnings_showwarning")
    return {WHOLE: found}


def _places_of_capture(label: object) -> Iterator[Place]:
    """Logging keeps there what it stands in for."""
    yield from place_of("logging", "_warnings_showwarning")(label)
    yield from place_of("warnings", "showwarning")(label)


_LATER: Final = "what later requests log is written otherwise, or twice, or not at all"
_SHOWN: Final = "warnings are shown otherwise"
_CAUGHT: Final = "use warnings.catch_warnings() around it"
_ONCE: Final = "configure logging where the process starts"

ITEMS: Final = (
    Item(
        "logging",
        _loggers,
        _LATER,
        "take it off again, or configure logging where the process starts",
        otherwise=_otherwise,
        spell=_spell,
        show=_show,
        put=_put,
        places=_places,
        by_import=True,
    ),
    Item(
        "logging.disable()",
        _disabled,
        _LATER,
        "switch it back: logging.disable(logging.NOTSET)",
        show=_show,
        places=_place_of_disabled,
    ),
    registry("logging", "_levelToName")._replace(
        why=_LATER,
        mend="give each level its name where the process starts",
        is_first_use=lambda before, after: before is ABSENT,  # of a library's own level
    ),
    kept("logging", "_loggerClass", _LATER, _ONCE),
    kept("logging", "_logRecordFactory", _LATER, _ONCE),
    kept("logging", "_warnings_showwarning", _LATER, "logging.captureWarnings(False)")._replace(
        places=_places_of_capture
    ),
    kept("logging", "raiseExceptions", _LATER, _ONCE),
    kept("logging", "lastResort", _LATER, _ONCE),
    Item(
        "warnings.filters",
        Things("warnings", "filters"),
        "later requests warn otherwise, or fail where warnings are errors",
        "use warnings.catch_warnings() around it",
        by_import=True,
        places=place_of("warnings", "filters", inside=True),
    ),
    kept("warnings", "showwarning", _SHOWN, _CAUGHT)._replace(read=_shown),
    *(
        kept("warnings", name, _SHOWN, _CAUGHT)
        for name in ("_showwarnmsg_impl", "formatwarning", "defaultaction")
    ),
)
"""The lines of the table about logging and warnings."""
