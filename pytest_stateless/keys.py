"""Under which names the plugin's parts leave things for each other on pytest's objects.

Apart from them, so that a run without a checked test imports no more than this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pytest_stateless.allowance import Allowance
    from pytest_stateless.settings import Settings

SETTINGS: Final[pytest.StashKey[Settings]] = pytest.StashKey()
"""On pytest's configuration."""

CHECKED: Final[pytest.StashKey[tuple[Allowance, ...]]] = pytest.StashKey()
"""On a test that is checked: the allowances of its markers."""

DISK: Final[pytest.StashKey[str]] = pytest.StashKey()
"""On a test that is checked: what becomes of its writes."""

PAYLOAD: Final = "stateless"
"""The attribute of a test report that carries what was found: plain values, as text.

JSON holds a lone surrogate, as file names may have them; xdist's channel to its workers holds none.
"""

SAID: Final[pytest.StashKey[tuple[str, ...]]] = pytest.StashKey()
"""On pytest's configuration: why less is seen than could be, as the head of the report has it already."""

MISTAKE: Final = "stateless_mistake"
"""Under which one of xdist's workers hands over a usage error."""
