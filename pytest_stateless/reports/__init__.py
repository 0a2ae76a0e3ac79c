"""The formats of reports: one file each, a pure function from what was found to text, and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_stateless.reports.session import SessionLeaks

STANDARD_OUTPUT: Final = "-"

FORMATS: Final = ("json", "github")
"""Each is a module of its name here, whose ``render`` makes the text."""


def render(form: str, session: SessionLeaks) -> str:
    """What was found, in one of the formats."""
    text: str = import_module(f"{__name__}.{form}").render(session)
    return text
