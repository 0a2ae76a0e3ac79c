"""Runs a test once more so that nobody sees it: no report, no output, no log, no warning, no debugger."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest
from _pytest.capture import FDCapture, MultiCapture

_LAST: Final = ("last_type", "last_value", "last_exc", "last_traceback")
"""Where pytest leaves the error of a test for a debugger."""


_NAMES: Final = pytest.StashKey[dict[str, Any]]()


def prepare(item: Any) -> None:
    """Keep what the first run of a test uses up: doctest empties the names that its examples begin with."""
    doctest = getattr(item, "dtest", None)
    if doctest is not None:
        item.stash[_NAMES] = dict(doctest.globs)


def run_unseen(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test that was torn down from its setup to its teardown. Returns whether it passed.

    Raises KeyboardInterrupt and pytest.exit.Exception where the test does: they are meant for the run.
    """
    with ExitStack() as undoing:
        for hiding in (_unreported, _silenced, _unlogged, _unstopped, _unchanged):
            undoing.enter_context(hiding(item))
        undoing.enter_context(warnings.catch_warnings(record=True))
        if "hypothesis" in sys.modules:
            undoing.enter_context(_quick_hypothesis(item))
        return _run(item, nextitem)


def _run(item: Any, nextitem: pytest.Item | None) -> bool:
    if hasattr(item, "_request"):
        item._initrequest()
    if _NAMES in item.stash:
        item.dtest.globs.update(item.stash[_NAMES])
    passed = _phase(item, "setup", lambda: item.ihook.pytest_runtest_setup(item=item))
    if passed:
        passed = _phase(item, "call", lambda: item.ihook.pytest_runtest_call(item=item))
    ended = _phase(item, "teardown", lambda: item.ihook.pytest_runtest_teardown(item=item, nextitem=nextitem))
    return passed and ended


def _phase(item: Any, when: Any, run: Callable[[], None]) -> bool:
    call = pytest.CallInfo.from_call(run, when=when, reraise=(pytest.exit.Exception, KeyboardInterrupt))
    return call.excinfo is None and not item.__dict__.get("_excinfo")  # the latter of a unittest's


@contextmanager
def _unreported(item: pytest.Item) -> Iterator[None]:
    """Subtests make and log their reports themselves."""
    hook: Any = item.config.hook.pytest_runtest_logreport
    implementations = list(hook._hookimpls)
    hook._hookimpls.clear()
    try:
        yield
    finally:
        hook._hookimpls[:0] = implementations


@contextmanager
def _silenced(item: pytest.Item) -> Iterator[None]:
    """pytest captures by itself, but with -s and its like."""
    option = item.config.option
    shown, option.setupshow = getattr(option, "setupshow", False), False
    try:
        if getattr(option, "capture", "no") == "fd":
            yield
            return
        capture: MultiCapture[str] = MultiCapture(in_=None, out=FDCapture(1), err=FDCapture(2))
        capture.start_capturing()
        try:
            yield
        finally:
            _flush()  # what waits in a buffer would be written after the capture
            capture.stop_capturing()
    finally:
        option.setupshow = shown


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # closed
            continue


@contextmanager
def _unlogged(item: pytest.Item) -> Iterator[None]:
    """Live logs and the log file."""
    logging = item.config.pluginmanager.get_plugin("logging-plugin")
    found = [getattr(logging, name, None) for name in ("log_cli_handler", "log_file_handler")]
    handlers = [handler for handler in found if handler is not None]
    for handler in handlers:
        handler.addFilter(_nothing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_nothing)


def _nothing(*arguments: object, **named: object) -> bool:
    return False


@contextmanager
def _unstopped(item: pytest.Item) -> Iterator[None]:
    """Whoever stopped at a breakpoint has seen it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "breakpointhook", _nothing)
        if "pdb" in sys.modules:
            patch.setattr(sys.modules["pdb"], "set_trace", _nothing)
        yield


@contextmanager
def _unchanged(item: Any) -> Iterator[None]:
    """What the first run left on the test, for its reports and for a debugger."""
    request, arguments = getattr(item, "_request", None), getattr(item, "funcargs", None)
    kept: list[tuple[list[Any], list[Any]]] = [
        (held, list(held)) for held in (item._report_sections, item.user_properties, item.own_markers)
    ]
    try:
        yield
    finally:
        for held, before in kept:
            held[:] = before
        if hasattr(item, "_request"):
            item._request, item.funcargs = request, arguments
        item.__dict__.pop("_excinfo", None)
        for name in _LAST:
            sys.__dict__.pop(name, None)


@contextmanager
def _quick_hypothesis(item: Any) -> Iterator[None]:
    """An example that fails in the second run alone must be neither made smaller nor remembered."""
    from hypothesis import Phase, settings

    function = getattr(getattr(item, "obj", None), "__func__", getattr(item, "obj", None))
    with pytest.MonkeyPatch.context() as patch:
        found = getattr(function, "_hypothesis_internal_use_settings", None)
        if found is not None:
            quick = settings(found, database=None, deadline=None, phases=(Phase.explicit, Phase.generate))
            patch.setattr(function, "_hypothesis_internal_use_settings", quick)
        yield
