"""The site: Sphinx with the furo theme, pages in Markdown."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pytest-stateless"
author = copyright = "The pytest-stateless authors"  # noqa: A001 -- Sphinx reads this name
version = release = version_of("pytest-stateless")

extensions = ["myst_parser", "options_table"]
exclude_patterns = ["_build", "_ext", "examples"]
nitpicky = True
# A dash in an allowance is two hyphens, and is pasted as such.
smartquotes = False

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
# Links to a heading of another page: windows.md#fixtures
myst_heading_anchors = 3

html_theme = "furo"
html_title = "pytest-stateless"
# The pages say everything in their text; nothing is fetched from elsewhere.
html_show_sphinx = False
