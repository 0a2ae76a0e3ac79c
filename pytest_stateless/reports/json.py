"""The ``json`` format: everything that was found, for programs. Its shape is a promise; see docs/reports."""

from __future__ import annotations

import json
from typing import Any, Final

from pytest_stateless.leak import Leak
from pytest_stateless.reports.session import SessionLeaks, TestLeaks

_dumps: Final = json.JSONEncoder(indent=2, separators=(",", ": ")).encode  # a test may replace json's own
FORMAT: Final = 1
"""Counted up when a field changes its meaning or goes; new fields come without."""


def render(session: SessionLeaks) -> str:
    """The report as indented JSON in ASCII, which holds any text."""
    plain = {
        "format": FORMAT,
        "tool": "pytest-stateless",
        "checked": session.checked,
        "counts": dict(sorted(session.counts().items())),
        "warnings": dict(sorted(session.warned().items())),
        "tests": [_test(test) for test in session.tests],
        "unused_allowances": [{"allowance": text, "where": where} for text, where in session.unused],
        "ports": [port.to_dict() for port in session.ports],
        "transient": [one.to_dict() for one in session.put_back],
        "transient_left_out": session.left_out,
        "notices": list(session.notices),
    }
    return _dumps(plain) + "\n"


def _test(test: TestLeaks) -> dict[str, Any]:
    return {
        "nodeid": test.nodeid,
        "file": test.file,
        "line": test.line,
        "outcome": test.outcome,
        "leaks": [_leak(leak) for leak in test.leaks],
        "internal_errors": [
            {"detector": error["detector"], "traceback": error["traceback"]} for error in test.errors
        ],
    }


def _leak(leak: Leak) -> dict[str, Any]:
    return leak.to_dict()
