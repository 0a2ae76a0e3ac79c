"""Whether a test passed by itself, and how its report tells a failure for its leaks."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def passed(reports: Iterable[pytest.TestReport], calls: Iterable[pytest.CallInfo[None]]) -> bool:
    """Whether a test ran to its end without an error, also one that was expected."""
    raised = any(call.excinfo is not None for call in calls)
    told = [str(report.longrepr) for report in reports if report.failed]
    return not raised and all(text.startswith("[XPASS(strict)]") for text in told)


def fail(item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None], text: str) -> None:
    """Make the report anew as if the phase had failed, so that xfail and its like have their say."""
    failed = pytest.CallInfo.from_call(lambda: pytest.fail(text, pytrace=False), when=call.when)
    failed.start, failed.stop, failed.duration = call.start, call.stop, call.duration
    anew = item.ihook.pytest_runtest_makereport(item=item, call=failed)
    if anew.failed:
        anew.longrepr = text  # without what pytest would say of the call to fail()
    report.__dict__.clear()
    report.__dict__.update(anew.__dict__)


def append(report: pytest.TestReport, text: str) -> None:
    """Show a text below the failure that a report tells already."""
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add("stateless", text)
    else:
        report.longrepr = f"{report.longrepr}\n\n{text}"
