"""What each logger has otherwise than one that was just made, read past what its class makes of attributes."""

from __future__ import annotations

import logging
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_stateless.interpreter.item import WHOLE, Item, Items
from pytest_stateless.interpreter.logs import ITEMS

NAME = "shop.of.test.logs"
HANDLER, FILTER = logging.NullHandler(), logging.Filter()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """One that was just made, and is known to nobody afterwards."""
    yield logging.getLogger(NAME)
    logging.Logger.manager.loggerDict.pop(NAME, None)


def item(name: str) -> Item:
    return next(one for one in ITEMS if one.name == name)


def read(name: str = NAME) -> dict[str, Any]:
    """What is told of a logger, by the part."""
    reading = item("logging").read() or {}
    return {part: value for (of, part), value in reading.items() if of == name}


def test_of_a_logger_that_was_just_made_the_level_alone_is_told(logger: logging.Logger) -> None:
    assert read() == {"level": 0}


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        pytest.param("level", 10, {"level": 10}, id="level"),
        pytest.param("propagate", False, {"propagate": False}, id="passes-nothing-on"),
        pytest.param("propagate", 0, {"propagate": 0}, id="passes-nothing-on-by-a-number"),
        pytest.param("propagate", 1, {}, id="passes-on-by-a-number"),
        pytest.param("disabled", True, {"disabled": True}, id="disabled"),
        pytest.param("disabled", 1, {"disabled": 1}, id="disabled-by-a-number"),
        pytest.param("disabled", 0, {}, id="not-disabled-by-a-number"),
        pytest.param("handlers", [HANDLER], {"handlers": Items([HANDLER])}, id="handler"),
        pytest.param("filters", [FILTER], {"filters": Items([FILTER])}, id="filter"),
    ],
)
def test_what_a_logger_has_otherwise_is_told(
    part: str, value: object, told: dict[str, Any], logger: logging.Logger
) -> None:
    setattr(logger, part, value)
    assert read() == {"level": 0, **told}


def test_a_logger_whose_handlers_are_no_list_is_passed_over(logger: logging.Logger) -> None:
    logger.__dict__["handlers"] = ()
    assert read() == {}
    assert read("") != {}


def test_a_logger_whose_class_hides_its_attributes_is_read_past_it() -> None:
    class Hidden(logging.Logger):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    hidden = Hidden.__new__(Hidden)
    object.__getattribute__(hidden, "__dict__").update(handlers=[], filters=[], level=30)
    known = logging.Logger.manager.loggerDict
    known[NAME] = hidden
    found = read()
    del known[NAME]  # at once: pytest asks every logger
    assert found == {"level": 30}


@pytest.mark.parametrize(
    "loggers",
    [
        pytest.param({"Filterer": None}, id="no-base"),
        pytest.param(None, id="not-loaded"),
    ],
)
def test_where_logging_is_not_itself_no_logger_is_told(
    loggers: dict[str, object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loggers is None:
        monkeypatch.delitem(sys.modules, "logging")
    else:
        replaced = types.ModuleType("logging")
        replaced.__dict__.update(loggers)
        monkeypatch.setitem(sys.modules, "logging", replaced)
    found = [(one.name, one.read()) for one in ITEMS[:2]]
    monkeypatch.undo()
    assert found == [("logging", {}), ("logging.disable()", {WHOLE: 0})]


def test_a_manager_of_another_kind_is_not_asked(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        logging.Logger, "manager", types.SimpleNamespace(loggerDict={}, _disable=50, disable=50)
    )
    assert read() == {}
    assert read("")["level"] == logging.root.level
    assert item("logging.disable()").read() == {WHOLE: 0}


def test_a_level_is_put_and_nothing_else_is(logger: logging.Logger) -> None:
    put = item("logging").put
    assert put is not None
    put((NAME, "level"), 40)
    put((NAME, "handlers"), Items([HANDLER]))  # what comes to a list comes again, and is seen
    put(("shop.unknown", "level"), 40)
    assert read() == {"level": 40}
    assert "shop.unknown" not in logging.Logger.manager.loggerDict


def test_where_the_memory_holds_the_parts_of_a_logger(logger: logging.Logger) -> None:
    places = item("logging").places
    assert places is not None
    logger.addHandler(HANDLER)
    (held, whole), (holder, name) = places((NAME, "handlers"))
    assert (held, whole) == (logger.handlers, WHOLE)
    assert (holder, name) == (logger, "handlers")
    assert [holder for holder, _ in places(("", "level"))][1] is logging.root
    assert list(places(("shop.unknown", "level"))) == []


def test_warnings_that_logging_captures_are_told_as_that_alone() -> None:
    before = {one.name: one.read() for one in ITEMS if one.name.startswith(("warnings.", "logging._warn"))}
    shown = warnings.showwarning
    logging.captureWarnings(True)
    try:
        assert warnings.showwarning is not shown
        after = {one.name: one.read() for one in ITEMS if one.name in before}
    finally:
        logging.captureWarnings(False)
    assert [name for name in before if before[name] != after[name]] == ["logging._warnings_showwarning"]
    places = item("logging._warnings_showwarning").places
    assert places is not None
    assert [(holder, name) for holder, name in places(WHOLE)] == [
        (logging.__dict__, "_warnings_showwarning"),
        (warnings.__dict__, "showwarning"),
    ]
