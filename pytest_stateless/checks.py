"""The working plugin, registered only where a test is checked: a window around each, and its leaks on its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.runner import runtestprotocol

from pytest_stateless import children
from pytest_stateless.allowance import Allowance
from pytest_stateless.between import Between
from pytest_stateless.detectors import DETECTORS, PORTS, WATCHING, file_write
from pytest_stateless.environment import make_context
from pytest_stateless.expected import judge
from pytest_stateless.failure import append, fail, passed
from pytest_stateless.findings import Findings, Reported
from pytest_stateless.fixtures import Fixtures
from pytest_stateless.keys import CHECKED, DISK, PAYLOAD, SAID
from pytest_stateless.leak import Leak, Severity
from pytest_stateless.quarantine import Looking, Quarantine
from pytest_stateless.reports import junit, terminal
from pytest_stateless.reports.inert import inert_line
from pytest_stateless.reports.session import note_to_dict, port_to_dict
from pytest_stateless.requests import LIFESPANS, Answered, Clients, RequestWindows, compared, noted
from pytest_stateless.second_run import SecondRun
from pytest_stateless.seeking import RULE, Seeking
from pytest_stateless.settings import Settings
from pytest_stateless.severity import is_off
from pytest_stateless.unseen import prepare, run_unseen
from pytest_stateless.window import Windows

if TYPE_CHECKING:
    from pytest_stateless.served import Served
    from pytest_stateless.serving import ServedWindows


@dataclass
class Run:
    """One run of a checked test, from its setup to its teardown."""

    allowances: tuple[Allowance, ...]
    requests: RequestWindows
    window: Any = None
    findings: Findings = field(default_factory=Findings)
    reports: dict[str, pytest.TestReport] = field(default_factory=dict)
    """By phase."""
    calls: dict[str, pytest.CallInfo[None]] = field(default_factory=dict)
    out: list[pytest.TestReport] = field(default_factory=list)
    """Reports that pytest has logged already: it is too late to change them."""
    answered: list[Answered] = field(default_factory=list)
    """Its requests that have ended."""
    ports: list[dict[str, Any]] = field(default_factory=list)
    """What wider-scoped fixtures opened, as it is told in the end."""
    served: Served | None = None
    """What the applications that it serves left behind."""
    nextitem: pytest.Item | None = None
    published: bool = False
    """Whether what was found is on its report; those made from then on are that report made anew."""


_dumps: Final = json.JSONEncoder(
    separators=(",", ":")
).encode  # a test may replace json.dumps, or its separators
_NOTES: Final = 20  # of what a test put back are told
_RUN: Final = pytest.StashKey[Run]()
_STATE: Final = frozenset({"module-state", "interpreter-state"})
"""Rules of what the start of a process sets up for as long as it lives."""


def _disk_of(item: pytest.Item) -> str:
    """What becomes of a test's writes; where the test itself uses pyfakefs, they are in memory anyway."""
    disk = item.stash[DISK]
    if disk == "fake":
        found = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        modules = {getattr(one[-1].func, "__module__", "") for one in found.values() if one}
        return "real" if any(name.partition(".")[0] == "pyfakefs" for name in modules) else disk
    return disk


class Checks:
    """Opens a window before the setup of a checked test, closes it after the teardown, and fails the test once."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        context = self._context = make_context(config, settings)
        # The session's table of ports is told whatever counts as a leak.
        wanted = [
            one for one in DETECTORS if one.RULE.id == PORTS or not is_off(one.RULE.id, settings.severity)
        ]
        self._is_watching = any(one.RULE.id in WATCHING for one in wanted)
        self._clients, self._lifespans = Clients(), Clients(LIFESPANS)
        self._quarantine = Quarantine(context)
        self._windows = Windows(
            *(context, wanted),
            grades=settings.severity,
            imported=self._imported,
            looking=self._quarantine.looking,
        )
        only_secrets = Looking(self._windows, self._quarantine, {RULE})
        self._seeking = Seeking(context.canaries, self._clients, only_secrets, settings.canaries)
        self._second = SecondRun(context.sources, settings.severity)
        self._between = Between(config.pluginmanager)
        config.pluginmanager.register(self._between, "stateless-between")
        self._fixtures = Fixtures(
            *(self._windows, self._quarantine, self._clients, self._second, context.pools),
            each=self._checks_each,
            opened=self._opened,
        )
        config.pluginmanager.register(self._fixtures, "stateless-fixtures")
        self._known: set[str] | None = None if settings.no_blame else set()
        """Names of the requests that came in any test; None where no second run tells what is of a request."""
        self._running: Run | None = None
        self._holding = False
        """Whether reports are held back."""
        self._last_payload: tuple[dict[str, Any], str] = {}, ""
        """What was put on a report last, and as text."""

    @property
    def _checks_each(self) -> bool:
        """Whether each request of a test client is a window."""
        return self._settings.requests == "each"

    # ------------------------------------------------------------------------------ the head of the report

    @pytest.hookimpl
    def pytest_report_collectionfinish(self, config: pytest.Config) -> list[str]:
        """Set the watches up, so that the head of the report can say what isn't seen; xdist's workers have none.

        Where pytest shows no head, or what shows it doesn't ask, the end of the run says so.
        """
        with Reported(file_write.RULE.id, []):  # what fails here fails in the first window again, and is told
            if self._is_watching:
                self._context.see()
        if config.option.verbose < 0 or config.option.no_header:
            return []
        config.stash[SAID] = self._notices
        return [f"stateless: {inert_line(one)}" for one in self._notices]

    @property
    def _notices(self) -> tuple[str, ...]:
        """Why less is seen than could be."""
        return self._context.notices if self._is_watching else ()

    # ------------------------------------------------------------------------------------ one failure, once

    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run as pytest does, but hold the reports back until the window is closed."""
        if CHECKED not in item.stash:
            return None
        for elsewhere in self._protocols_after_ours():
            arguments = {"item": item, "nextitem": nextitem}
            if elsewhere.function(*(arguments[name] for name in elsewhere.argnames)) is not None:
                return True
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        self._holding = True
        try:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
        finally:
            self._holding = False
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _protocols_after_ours(self) -> list[Any]:
        """Other plugins' ways to run a test (reruns, say) that pytest would ask after this one, but its own.

        They go first: which plugin is asked first depends on the order in which their distributions were found.
        """
        found: list[Any] = []
        for implementation in reversed(self._config.hook.pytest_runtest_protocol.get_hookimpls()):
            if implementation.plugin is self:
                found.clear()
            elif not (implementation.hookwrapper or implementation.wrapper):
                found.append(implementation)
        own = self._config.pluginmanager.get_plugin("runner")
        return [implementation for implementation in found if implementation.plugin is not own]

    # ----------------------------------------------------------------------------------------- the window

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        if CHECKED in item.stash:
            if not self._second.is_on:
                self._begin(item)
            elif self._second.requests is not None and (self._checks_each or self._second.names_requests):
                self._clients.begin(self._second.requests)
            self._lifespans.begin(self)
            self._quarantine.begin(_disk_of(item), item.stash[_RUN].allowances)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            self._quarantine.end()
            if _RUN in item.stash and not self._second.is_on:
                item.stash[_RUN].nextitem = nextitem
                self._end(item.stash[_RUN], is_last=nextitem is None or CHECKED not in nextitem.stash)
            self._clients.end()
            self._lifespans.end()

    def _begin(self, item: pytest.Item) -> None:
        self._quarantine.end()
        self._abandon()  # what is left of a test that was interrupted
        self._fixtures.let_go()
        self._context.failed, self._context.test = False, item.nodeid
        allowances = (*item.stash[CHECKED], *self._settings.allow)
        looking = Looking(self._windows, self._quarantine)
        requests = RequestWindows(looking, self._request_closer(item), known=self._known)
        run = item.stash[_RUN] = Run(allowances, requests)
        self._running = run
        prepare(item)
        if self._checks_each:
            self._clients.begin(requests)
        self._seeking.begin(requests, None if self._checks_each else self._adder(run))
        run.window = self._windows.open(undisturbed=self._between.is_quiet())

    def _abandon(self) -> None:
        self._windows.abandon()
        if self._running is not None and self._running.served is not None:
            self._running.served.end()

    def _end(self, run: Run, is_last: bool) -> None:
        if run.window is None:
            return
        window, run.window = run.window, None
        self._context.failed = not passed(run.reports.values(), run.calls.values())
        self._seeking.finish()
        run.requests.finish()
        run.findings.add(self._windows.close(window, run.allowances))
        if run.answered:
            run.findings.leaks, _ = judge(compared(run.findings.leaks, run.answered), ())
            run.answered.clear()
        self._seeking.end(run.findings.leaks, run.findings.notes)
        if run.served is not None:
            run.served.drop_twins(run.findings)
        if is_last:
            self._windows.let_go()

    def _request_closer(self, item: pytest.Item) -> Callable[..., None]:
        def close(closing: Callable[..., Findings], window: Any, name: str) -> None:
            run = item.stash[_RUN]
            found = closing(window, run.allowances, name)
            run.answered.append(Answered(name, run.requests.kinds[name], found.moved))
            run.findings.add(found)

        return close

    @staticmethod
    def _adder(run: Run) -> Callable[..., None]:
        def close(closing: Callable[..., Findings], window: Any, name: str) -> None:
            run.findings.add(closing(window, run.allowances, name))

        return close

    def look_for(self, item: pytest.Item) -> Callable[[str, str], None] | None:
        """How to look for what a running test sends; None where it isn't checked, or is run for the second time."""
        return None if self._second.is_on or _RUN not in item.stash else self._seeking.look_for

    def requests_of(self, item: pytest.Item) -> RequestWindows | None:
        """The request windows of a running test; None where it isn't checked."""
        if self._second.is_on:
            return self._second.requests
        run = item.stash.get(_RUN, None)
        return None if run is None else run.requests

    def served_of(self, item: pytest.Item) -> ServedWindows:
        """The windows of the applications that a running test serves."""
        from pytest_stateless.served import Inside, Served, Unchecked

        run = item.stash.get(_RUN, None)
        if run is None or self._second.requests is not None:
            return Unchecked()
        if run.served is None:
            run.served = Served(
                run.allowances,
                self._second,
                partial(
                    Inside,
                    looking=Looking(self._windows, self._quarantine),
                    context=self._context,
                    clients=self._clients,
                    allowances=run.allowances,
                    grades=self._settings.severity,
                    listen=run.requests.listen,
                ),
            )
        return run.served

    def _opened(self, name: str, ports: list[Leak]) -> None:
        """A fixture opened ports."""
        if self._running is not None:
            self._running.ports += (port_to_dict(port, name) for port in ports)

    @contextmanager
    def lifespan(self) -> Iterator[None]:
        """What an application sets up when it is started, and clears away at its end, is no state of a request."""
        with self._windows.absorbing(_STATE), self._second.apart():
            yield

    def _imported(self) -> None:
        self._clients.join()
        self._lifespans.join()

    @pytest.hookimpl(wrapper=True)
    def pytest_exception_interact(self) -> Generator[None, object, object]:
        """What somebody does in the debugger is no leak of the test."""
        with self._windows.absorbing(), self._clients.paused(), self._quarantine.lifted():
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        self._quarantine.end()
        self._abandon()
        self._clients.end()
        self._lifespans.end()
        self._windows.let_go()
        self._context.close()
        self._fixtures.end()
        children.clear_away()

    # ---------------------------------------------------------------------------------------- the reports

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self._running is not None:
            self._running.out.append(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        run = item.stash.get(_RUN, None)
        if run is not None and not run.published and not self._second.is_on:
            # A phase may make several, one for each subtest: the last is its own.
            run.reports[call.when] = report
            run.calls[call.when] = call
            self._foresee_the_stop(item.session, report)
            if call.when == "teardown":
                self._blame(item, run)
                self._publish(item, run)
                self._fixtures.let_go()
                self._running = None
                del item.stash[_RUN]  # its calls hold tracebacks, whose frames hold everything
        return report

    def _foresee_the_stop(self, session: pytest.Session, report: pytest.TestReport) -> None:
        """Tell pytest of -x in time: before its last teardown, to be that of all fixtures, it asks whether to stop.

        It would learn so from the report of the failure, which is held back.
        """
        if not (self._holding and report.failed):
            return
        number, limit = session.testsfailed + 1, session.config.getoption("maxfail")
        if limit and number >= limit:
            session.shouldfail = f"stopping after {number} failures"

    def _blame(self, item: pytest.Item, run: Run) -> None:
        """Find who did it, of a test that passed by itself; let go of what was needed for that."""
        found = bool(run.findings.leaks) or run.served is not None
        wanted = found and not self._settings.no_blame and passed(run.reports.values(), run.calls.values())
        if wanted and self._second.blame(item, run.nextitem, run.findings):
            self._windows.disturb()
        if run.served is not None:
            if wanted and run.served.blame(lambda: run_unseen(item, run.nextitem)):
                self._windows.disturb()
            run.served.end()
            run.findings.add(run.served.findings)
            run.ports += run.served.ports
        run.findings.leaks = [replace(leak, evidence=None) for leak in noted(run.findings.leaks)]
        run.nextitem = None

    def _publish(self, item: pytest.Item, run: Run) -> None:
        """Put what was found on the report that will tell it, and fail that one if it would pass."""
        run.published = True
        phase = self._telling_phase(run)
        report, call = run.reports[phase], run.calls[phase]
        found = run.findings
        # Of a test that was cut short nobody knows which allowances it would have used.
        used = [*found.used, *(item.stash[CHECKED] if call.excinfo is not None else ())]
        payload = {
            "leaks": [leak.to_dict() for leak in found.leaks],
            "errors": [error.to_dict() for error in found.errors],
            "used": [[str(allowance), allowance.where] for allowance in used],
            "ports": [*run.ports, *(port_to_dict(port, item.nodeid) for port in found.ports)],
            "put_back": [note_to_dict(note, item.nodeid) for note in found.notes[:_NOTES]],
            "left_out": max(0, len(found.notes) - _NOTES),
            "notices": self._notices,
            "allowances": [[str(allowance), allowance.where] for allowance in item.stash[CHECKED]],
        }
        failing = [leak for leak in found.leaks if leak.severity is Severity.ERROR]
        if failing and not self._settings.no_fail:
            if call.excinfo is None and report.when is not None:
                fail(item, report, call, self._section(item, failing))
            elif report.failed:
                append(report, self._section(item, failing))
        if payload != self._last_payload[0]:  # nearly all tests are clean alike
            self._last_payload = payload, _dumps(payload)
        setattr(report, PAYLOAD, self._last_payload[1])
        # JUnit XML looks for them there.
        run.reports["teardown"].user_properties += junit.properties(found.leaks)

    def _section(self, item: pytest.Item, leaks: list[Leak]) -> str:
        detailed = item.config.getoption("verbose", 0) > 0  # there is none without pytest's terminal plugin
        return terminal.plain(terminal.section(item.nodeid, leaks, detailed))

    def _telling_phase(self, run: Run) -> str:
        for phase in ("call", "setup"):
            report = run.reports.get(phase)
            if report is not None and not any(report is logged for logged in run.out):
                return phase
        return "teardown"
