"""pytest-stateless: proves that a web program keeps nothing in its process between requests."""

from __future__ import annotations

from typing import Final

import pytest

from pytest_stateless.fixture import Stateless

__all__ = ["Stateless", "stateless"]

# Made directly rather than as pytest.mark.stateless, so that it can be imported where the plugin is switched off
# and --strict-markers is on.
stateless: Final = pytest.MarkDecorator(pytest.Mark("stateless", (), {}, _ispytest=True), _ispytest=True)
"""The marker, as a decorator: ``@stateless``, ``@stateless(allow=[...])``, ``@stateless(False)``."""
