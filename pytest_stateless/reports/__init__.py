"""The formats of reports: one file each, a pure function from what was found to text, and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pytest_stateless.reports import github, json
from pytest_stateless.reports.session import SessionLeaks, TestLeaks

__all__ = ["FORMATS", "STANDARD_OUTPUT", "SessionLeaks", "TestLeaks"]

STANDARD_OUTPUT: Final = "-"

FORMATS: Final[dict[str, Callable[[SessionLeaks], str]]] = {
    "json": json.render,
    "github": github.render,
}
