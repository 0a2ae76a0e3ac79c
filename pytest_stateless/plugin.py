"""The pytest hooks: they decide what is checked and hand over to what does the work."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless import marker, options, streams  # noqa: F401 - streams looks before pytest's capture starts
from pytest_stateless.fixture import Stateless
from pytest_stateless.keys import CHECKED, DISK, MISTAKE, PAYLOAD, SETTINGS
from pytest_stateless.marker import Mentions, read_markers
from pytest_stateless.settings import Settings, settings_of

if TYPE_CHECKING:
    from pytest_stateless.checks import Checks
    from pytest_stateless.results import Results


def pytest_addoption(parser: pytest.Parser) -> None:
    options.declare(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", marker.DESCRIPTION)
    settings = config.stash[SETTINGS] = settings_of(config)
    if settings.off or _is_worker(config):
        return
    if getattr(config.option, "dist", "no") != "no":  # the tests run, and are chosen, in xdist's workers
        config.pluginmanager.register(_Intake(config), "stateless-intake")
    if settings.reports:
        _results(config)


def _is_worker(config: pytest.Config) -> bool:
    """Whether this is one of xdist's workers, which send what they find to the controller."""
    return hasattr(config, "workerinput")


def _results(config: pytest.Config) -> Results:
    """What gathers and shows; loaded with the first test that was checked, or where a report was asked for."""
    from pytest_stateless.results import Results

    found: Results | None = config.pluginmanager.get_plugin("stateless-results")
    if found is None:
        found = Results(config, config.stash[SETTINGS])
        config.pluginmanager.register(found, "stateless-results")
    return found


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    settings = config.stash[SETTINGS]
    if settings.off or config.getoption("setuponly", False) or config.getoption("setupplan", False):
        return
    try:
        found = _choose(items, settings)
    except pytest.UsageError as error:
        if hasattr(config, "workeroutput"):  # one of xdist's workers, which can't end the run
            config.workeroutput[MISTAKE] = str(error)
        raise
    if found and not config.pluginmanager.has_plugin("stateless-checks") and not config.option.collectonly:
        from pytest_stateless.checks import Checks

        config.pluginmanager.register(Checks(config, settings), "stateless-checks")
        if not _is_worker(config) and not config.pluginmanager.has_plugin("stateless-intake"):
            config.pluginmanager.register(_Intake(config), "stateless-intake")


def _choose(items: list[pytest.Item], settings: Settings) -> bool:
    """Note on each test that is to be checked what it allows. Returns whether there is any."""
    found = False
    mentions = Mentions()
    for item in items:
        if not settings.check_all and not mentions.of(item):
            continue
        marked = read_markers(item, settings)
        if marked.check:
            item.stash[CHECKED] = marked.allowances
            item.stash[DISK] = marked.disk
            found = True
    return found


class _Intake:
    """Takes what reports carry, in the process that shows it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if PAYLOAD in report.__dict__:
            _results(self._config).take(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Raise the usage error that one of xdist's workers ended with: its own words are lost."""
        mistake = getattr(node, "workeroutput", {}).get(MISTAKE)
        if mistake is not None:
            raise pytest.UsageError(mistake)


@pytest.fixture
def stateless(request: pytest.FixtureRequest) -> Iterator[Stateless]:
    """Windows inside a test.

    ``stateless.request(name)`` is one for a block, ``stateless.wrap(app)`` an application whose requests are windows,
    ``stateless.serve(app)`` the same under a real HTTP server. ``stateless.canary(name)`` is a text to be sent, and
    looked for after the request.
    """
    checks: Checks | None = request.config.pluginmanager.get_plugin("stateless-checks")
    if checks is None:
        given = Stateless(None)
    else:
        served = partial(checks.served_of, request.node)
        given = Stateless(checks.requests_of(request.node), served, checks.look_for(request.node))
    yield given
    given.close()
