"""Which directories are watched, and which below them are not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pytest_stateless.zones import SHARED_MEMORY, within

PRUNED: Final[dict[str, str]] = {
    ".git": "version control's own",
    ".hg": "version control's own",
    ".svn": "version control's own",
    ".jj": "version control's own",
    "node_modules": "installed",
    "site-packages": "installed",
    "__pycache__": "compiled modules",
    ".tox": "environments that tests run in",
    ".nox": "environments that tests run in",
    ".hypothesis": "hypothesis' examples",
}
"""Directories of these names aren't watched, wherever they are."""

MARKED: Final[dict[str, str]] = {
    "pyvenv.cfg": "a virtual environment",
    "conda-meta": "a conda environment",
    "CACHEDIR.TAG": "a cache, which may be deleted at any time (https://bford.info/cachedir/)",
}
"""Directories that hold one of these aren't watched."""

_HOMES: Final = (
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
)
"""Where a user's programs keep things. https://specifications.freedesktop.org/basedir-spec/"""


class Root(NamedTuple):
    """A directory to watch."""

    path: str
    deep: bool
    """Whether all directories below it are watched too."""
    ours: bool = True
    """Whether it is the project's; in the user's home others come and go."""


def roots_of(root: str, cwd: str, named: Iterable[str], environ: Mapping[str, str]) -> tuple[Root, ...]:
    """The root directory, the working directory, what the user named, and where programs keep a user's things."""
    home = environ.get("HOME", "")
    shallow_cwd = within(root, cwd) or cwd == os.path.realpath(home)
    found = [
        Root(root, True),
        *(Root(path, True) for path in named),
        Root(cwd, not shallow_cwd, not shallow_cwd),
    ]
    if os.path.isabs(home):
        found.append(Root(home, False, False))
        found += (Root(environ.get(name) or f"{home}/{below}", False, False) for name, below in _HOMES)
    found.append(Root(SHARED_MEMORY, False, False))
    return tuple(_apart(one._replace(path=os.path.realpath(one.path)) for one in found))


def _apart(found: Iterable[Root]) -> list[Root]:
    """Without those that an earlier one covers."""
    kept: list[Root] = []
    for one in found:
        if not any(one.path == other.path or (other.deep and within(one.path, other.path)) for other in kept):
            kept.append(one)
    return kept
