"""Tells whether anything but pytest and test tools runs between two tests in a row."""

from __future__ import annotations

import types
from typing import Any, Final

import pytest

from pytest_stateless.heap.graph import module_name_of, module_namespace
from pytest_stateless.unwatched import TOOL_PACKAGES

_HOOKS: Final = (
    "pytest_runtest_protocol",
    "pytest_runtest_logstart",
    "pytest_runtest_logreport",
    "pytest_runtest_logfinish",
    "pytest_runtest_makereport",
    "pytest_report_teststatus",
    "pytest_report_to_serializable",
    "pytest_exception_interact",
    "pytest_warning_recorded",
)
"""Hooks that run after the window of a test is closed and before that of the next is opened."""

_AROUND: Final = ("pytest_runtest_setup", "pytest_runtest_teardown")
"""Hooks that the windows open and close in: wrappers may stand around those of this plugin."""


class Between:
    """Remembers that nothing else does until a plugin comes."""

    def __init__(self, manager: pytest.PytestPluginManager) -> None:
        self._manager = manager
        self._quiet = False

    def pytest_plugin_registered(self) -> None:
        """A hook of pytest's: for this, it must be a plugin itself."""
        self._quiet = False

    def is_quiet(self) -> bool:
        """Whether all that runs between two tests is pytest's own or a test tool's."""
        if not self._quiet:
            self._quiet = not any(_is_foreign(implementation.plugin) for implementation in self._all())
        return self._quiet

    def _all(self) -> list[Any]:
        hook = self._manager.hook
        between = [one for name in _HOOKS for one in getattr(hook, name).get_hookimpls()]
        around = [one for name in _AROUND for one in getattr(hook, name).get_hookimpls()]
        return [*between, *(one for one in around if one.wrapper or one.hookwrapper)]


def _is_foreign(plugin: object) -> bool:
    if type(plugin) is types.ModuleType:
        name = module_namespace(plugin).get("__name__")
    else:
        name = module_name_of(plugin if isinstance(plugin, type) else type(plugin))
    return type(name) is not str or name.partition(".")[0] not in TOOL_PACKAGES
