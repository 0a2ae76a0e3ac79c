"""The ``github`` format: workflow commands that annotate the lines of a pull request.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from pytest_stateless.leak import Leak, Severity
from pytest_stateless.reports.inert import inert
from pytest_stateless.reports.session import SessionLeaks, TestLeaks


def render(session: SessionLeaks) -> str:
    """One annotation for each leak, at the line that did it or else at the test."""
    return "".join(_annotation(test, leak) for test in session.tests for leak in test.leaks)


def _annotation(test: TestLeaks, leak: Leak) -> str:
    file, line = (leak.origin.file, leak.origin.line) if leak.origin else (test.file, test.line)
    fails = leak.severity is Severity.ERROR and test.outcome in ("failed", "error")
    level = "error" if fails else "warning"
    during = f" during {leak.request}" if leak.request else ""
    message = f"{inert(test.nodeid)} left behind: {inert(leak.subject)}  {inert(leak.message)}{inert(during)}"
    place = f"file={_property(file)}" + (f",line={line}" if line else "")
    return f"::{level} {place},title={_property(leak.rule)}::{_data(message)}\n"


def _data(text: str) -> str:
    """A command's message: what would end it or begin another is percent-encoded."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(inert(text)).replace(":", "%3A").replace(",", "%2C")
