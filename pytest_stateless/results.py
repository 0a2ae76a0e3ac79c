"""Gathers what the tests' reports carry, wherever they ran, and shows it: terminal, report files, annotations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, Final

import pytest

from pytest_stateless.keys import PAYLOAD, SAID
from pytest_stateless.leak import Leak, Severity
from pytest_stateless.reports import STANDARD_OUTPUT, render, terminal
from pytest_stateless.reports.session import OpenedPort, PutBack, SessionLeaks, TestLeaks, in_order
from pytest_stateless.settings import Report, Settings

_loads: Final = json.JSONDecoder().decode  # a test may replace json.loads
_PARTIAL: Final = ("keyword", "markexpr", "lf", "deselect", "stepwise")
"""pytest's options that leave tests out: an allowance of the whole run may then match nothing."""


_COUNTED: Final = ("leaks", "errors", "put_back", "left_out")
"""What is told of each test; of the rest it is enough to be told once."""


class LeakSection:
    """What a leaking test failed with, shown with colours where the terminal has them."""

    def __init__(
        self, nodeid: str, leaks: list[Leak], in_a_line: bool = False, detailed: bool = False
    ) -> None:
        self._nodeid = nodeid
        self._in_a_line = in_a_line
        self._leaks = leaks
        self._detailed = detailed
        self.reprcrash = _Crash(terminal.brief(leaks))
        """Where pytest looks for the line of its short summary."""

    def __str__(self) -> str:
        return terminal.plain(terminal.section(self._nodeid, self._leaks, self._detailed))

    def toterminal(self, writer: Any) -> None:
        """Write to pytest's terminal writer."""
        if not self._in_a_line:  # with --tb=line, pytest shows what it finds in reprcrash beside this
            _write(writer, terminal.section(self._nodeid, self._leaks, self._detailed))


class _Crash:
    def __init__(self, message: str) -> None:
        self.message = message

    def __str__(self) -> str:
        return self.message


def _write(writer: Any, lines: Iterator[terminal.Line]) -> None:
    for line in lines:
        for piece in line:
            writer.write(piece.text, **piece.markup)
        writer.line()


class Results:
    """The results of the whole run, in the process that reports them."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._tests: list[TestLeaks] = []
        self._checked = 0
        self._used: set[tuple[str, str]] = set()
        self._allowances: dict[tuple[str, str], None] = {}
        self._ports: set[OpenedPort] = set()
        self._put_back: list[PutBack] = []
        self._left_out = 0
        self._notices: set[str] = set()
        """Why less is seen than could be, as the workers told it."""
        self._clean = ""
        """What the last test with nothing to tell carried: it tells nothing new of another."""
        self._failed_writes: list[str] = []
        self._stopped = False

    def take(self, report: pytest.TestReport) -> None:
        """Gather what a report carries, and show it with colours where it is all that the report says."""
        self._checked += 1
        text = report.__dict__[PAYLOAD]
        if text == self._clean:
            return
        payload = _loads(text)
        if not any(payload[told] for told in _COUNTED):
            self._clean = text
        self._used.update((text, where) for text, where in payload["used"])
        self._allowances.update(dict.fromkeys((text, where) for text, where in payload["allowances"]))
        self._ports.update(map(OpenedPort.from_dict, payload["ports"]))
        self._put_back += map(PutBack.from_dict, payload["put_back"])
        self._left_out += payload["left_out"]
        self._notices.update(payload["notices"])
        leaks = [Leak.from_dict(plain) for plain in payload["leaks"]]
        failing = [leak for leak in leaks if leak.severity is Severity.ERROR]
        if failing and isinstance(report.longrepr, str):
            option = self._config.getoption  # without pytest's terminal plugin there is neither
            shown = LeakSection(
                report.nodeid, failing, option("tbstyle", "") == "line", option("verbose", 0) > 0
            )
            if str(shown) == report.longrepr:
                report.longrepr = shown  # type: ignore[assignment]
        if leaks or payload["errors"]:
            file, line, _ = report.location
            self._tests.append(
                TestLeaks(
                    report.nodeid,
                    file.replace(os.sep, "/"),
                    0 if line is None else line + 1,
                    _outcome(report),
                    tuple(leaks),
                    tuple(payload["errors"]),
                )
            )

    def session_leaks(self) -> SessionLeaks:
        """What was found so far, in an order that doesn't depend on which worker was first."""
        tests = sorted(self._tests, key=lambda test: test.nodeid)
        put_back = sorted(self._put_back, key=lambda one: one.test)
        return SessionLeaks(
            tuple(tests),
            self._checked,
            tuple(self._unused()),
            in_order(self._ports),
            tuple(put_back),
            self._left_out,
            tuple(sorted(self._notices)),
        )

    def _unused(self) -> Iterator[tuple[str, str]]:
        if self._checked and self._is_whole_run():
            settings = {(str(allowance), allowance.where): None for allowance in self._settings.allow}
            yield from (one for one in {**settings, **self._allowances} if one not in self._used)

    def _is_whole_run(self) -> bool:
        option = self._config.option
        if self._stopped or any(getattr(option, name, None) for name in _PARTIAL):
            return False
        return all(os.path.isdir(argument) for argument in self._config.args)

    # --------------------------------------------------------------------------------------------- showing

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        self._stopped = not ended or bool(session.shouldfail or session.shouldstop)
        for report in self._settings.reports:
            if report.path != STANDARD_OUTPUT:
                self._write_file(session, report)

    def _write_file(self, session: pytest.Session, report: Report) -> None:
        text = render(report.format, self.session_leaks())
        try:
            os.makedirs(os.path.dirname(report.path), exist_ok=True)
            with open(report.path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except (OSError, ValueError) as error:  # ValueError: no path at all
            reason = getattr(error, "strerror", None) or error
            self._failed_writes.append(
                f"cannot write --stateless-report={report.format}:{report.path}: {reason}"
            )
            session.exitstatus = session.exitstatus or pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        session = self.session_leaks()
        self._show_warnings(terminalreporter, session)
        lines = list(terminal.summary(session))
        if self._settings.no_fail:
            lines = [*self._unfailed(session), *lines]
        said = self._config.stash.get(SAID, ())
        lines += terminal.notes(notice for notice in session.notices if notice not in said)
        if terminalreporter.verbosity > 0 and session.checked:
            lines += terminal.ports(session)
            lines += terminal.put_back(session)
            lines.append((terminal.Piece(f"{session.checked} checked"),))
        if terminalreporter.verbosity < -1 or self._config.option.no_summary:
            lines = []
        if lines or self._failed_writes:
            terminalreporter.section("stateless")
        _write(terminalreporter._tw, iter(lines))
        for failure in self._failed_writes:
            terminalreporter.write_line(failure, red=True)
        for form in self._on_standard_output():
            terminalreporter.ensure_newline()
            terminalreporter.write(render(form, session))

    def _show_warnings(self, reporter: pytest.TerminalReporter, session: SessionLeaks) -> None:
        """A part of its own, and left out where pytest leaves out its own warnings."""
        option = self._config.option
        lines = list(terminal.warnings(session, option.verbose > 0))
        if lines and not (option.disable_warnings or option.no_summary or reporter.verbosity < -1):
            reporter.section("stateless warnings", yellow=True)
            _write(reporter._tw, iter(lines))

    def _unfailed(self, session: SessionLeaks) -> Iterator[terminal.Line]:
        """The sections of the tests that would have failed."""
        for test in session.tests:
            if test.failing:
                yield from terminal.section(test.nodeid, test.failing, self._config.option.verbose > 0)
                yield ()

    def _on_standard_output(self) -> Iterator[str]:
        asked = [report for report in self._settings.reports if report.path == STANDARD_OUTPUT]
        yield from (report.format for report in asked)
        if os.environ.get("GITHUB_ACTIONS") == "true" and all(
            r.format != "github" for r in self._settings.reports
        ):
            yield "github"


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return "error" if report.failed and report.when != "call" else report.outcome
