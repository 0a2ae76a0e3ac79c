"""Fixtures beside the windows of tests: what one of a wider scope makes is its own, and its application is kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, Final

import pytest

from pytest_stateless.applications import Applications
from pytest_stateless.detectors.pools import Pools
from pytest_stateless.leak import Leak
from pytest_stateless.quarantine import Quarantine
from pytest_stateless.requests import Clients
from pytest_stateless.second_run import SecondRun
from pytest_stateless.window import Windows

_MAKE_DIRECTORIES: Final = frozenset({"_pytest.tmpdir", "_pytest.legacypath", "_pytest.pytester"})
"""Where pytest's fixtures are that make temporary directories: on the real disk, where C and children see them too."""
_MEMORY: Final = frozenset({"module-state"})


class Fixtures:
    """Sets wider-scoped fixtures up and tears them down apart from the windows, and notes what fixtures gave."""

    def __init__(
        self,
        windows: Windows,
        quarantine: Quarantine,
        clients: Clients,
        second: SecondRun,
        pools: Pools,
        *,
        each: bool,
        opened: Callable[[str, list[Leak]], None],
    ) -> None:
        """``each`` if requests are windows, between which the application of a test counts too.

        ``opened`` is told the ports that a fixture of this name opened.
        """
        self._windows, self._quarantine, self._clients = windows, quarantine, clients
        self._second, self._pools = second, pools
        self._each = each
        self._opened = opened
        self._applications = Applications()
        self._applications.begin()

    def let_go(self) -> None:
        """What a test left in the applications of fixtures that were torn down has been told."""
        self._applications.let_go()

    def end(self) -> None:
        """The run is over."""
        self._applications.end()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        """What a wider-scoped fixture makes and unmakes is its own: windows of their own, absorbed."""
        apart = self._apart(fixturedef, request)
        if apart is None:
            made = yield
            if self._each:
                self._keep(fixturedef, made)
            return made
        undoing = ExitStack()
        fixturedef.addfinalizer(undoing.close)  # the first to be added runs last
        try:
            with apart():
                made = yield
                self._keep(fixturedef, made)
            self._pools.note(made)
            return made
        finally:  # a setup that failed half-way is undone too
            fixturedef.addfinalizer(lambda: undoing.enter_context(apart()))

    def _apart(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Callable[[], AbstractContextManager[None]] | None:
        """What a fixture is set up and torn down in; None for one that is a part of the test."""
        if not _is_of_one_test(fixturedef, request):
            return partial(self._absorbing, f"{fixturedef.argname} ({fixturedef.scope} fixture)")
        makes = self._quarantine.is_on and getattr(fixturedef.func, "__module__", "") in _MAKE_DIRECTORIES
        return self._quarantine.lifted if makes else None

    @contextmanager
    def _absorbing(self, name: str) -> Iterator[None]:
        with (
            self._windows.absorbing() as found,
            self._clients.paused(),
            self._second.apart(),
            self._quarantine.lifted(),
        ):
            yield
        self._opened(name, found.ports)

    def _keep(self, fixturedef: pytest.FixtureDef[Any], made: object) -> None:
        """Have the memory lead to an application that a fixture gave, until what was left there has been told."""
        app = self._applications.find(made)
        if app is None:
            return
        with self._windows.absorbing(_MEMORY):
            fixturedef.addfinalizer(self._applications.keep(fixturedef.argname, app))
        self._second.renew()


def _is_of_one_test(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
    """Whether a fixture lives and dies with the test; a class's does so where the test is in no class."""
    scope = fixturedef.scope
    return scope == "function" or (scope == "class" and getattr(request, "cls", None) is None)
