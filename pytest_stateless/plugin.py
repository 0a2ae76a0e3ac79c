"""The pytest hooks: they decide what is checked and hand over to what does the work."""

from __future__ import annotations

import pytest

from pytest_stateless import marker, options
from pytest_stateless.checks import CHECKED, Checks
from pytest_stateless.fixture import Stateless
from pytest_stateless.marker import read_markers
from pytest_stateless.options import Settings
from pytest_stateless.results import Results

SETTINGS = pytest.StashKey[Settings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options.declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", marker.DESCRIPTION)
    settings = config.stash[SETTINGS] = options.settings_of(config)
    if not settings.off and not hasattr(
        config, "workerinput"
    ):  # xdist's workers send theirs to the controller
        config.pluginmanager.register(Results(config, settings), "stateless-results")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    settings = config.stash[SETTINGS]
    if settings.off or config.getoption("setuponly", False) or config.getoption("setupplan", False):
        return
    found = False
    for item in items:
        marked = read_markers(item, settings)
        if marked.check:
            item.stash[CHECKED] = marked.allowances
            found = True
    if found and not config.pluginmanager.has_plugin("stateless-checks") and not config.option.collectonly:
        config.pluginmanager.register(Checks(config, settings), "stateless-checks")


@pytest.fixture
def stateless(request: pytest.FixtureRequest) -> Stateless:
    """Windows inside a test: ``stateless.request(name)`` for a block, ``stateless.wrap(app)`` for an application."""
    checks: Checks | None = request.config.pluginmanager.get_plugin("stateless-checks")
    return Stateless(checks.requests_of(request.node) if checks is not None else None)
