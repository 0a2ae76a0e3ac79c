"""Whose code a file is, and where in the user's code something happened."""

from __future__ import annotations

import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pytest_stateless.leak import Origin, Owner

_HERE: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep
_DOORS: Final = tuple(
    _HERE + name
    for name in (
        "doors.py",
        "loop_doors.py",
        "children.py",
        "confined.py",
        "imports.py",
        "landlock.py",
        f"fake{os.sep}",
        f"requests{os.sep}",
    )
)
"""Their functions stand in for those of the standard library, and of test clients."""
_SERVES: Final = f"{_HERE}serving{os.sep}"
"""This calls real servers, whose own doing is a tool's; what called this belongs to the test, not to the app."""
SERVED: Final = "served"
"""A module that is the application's and has no file: it has what ``stateless.serve`` was given."""
FIXTURES: Final = "<fixtures>"
"""The same of the applications that fixtures have, under a name that no import takes."""
_STANDS_IN: Final = "pyfakefs"  # so does the whole of it
_DEPTH: Final = 200  # frames; a framework's stack is 60 to 100 deep
_INSTALLED: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_STANDARD: Final = tuple(
    {os.path.realpath(path) + os.sep for path in map(sysconfig.get_path, ("stdlib", "platstdlib")) if path}
    | {path + os.sep for path in map(sysconfig.get_path, ("stdlib", "platstdlib")) if path}
)


class Place(NamedTuple):
    """Where in the code something happened, as taken from the stack at that moment."""

    file: str
    line: int
    function: str
    owner: Owner
    """Whose code did it: the innermost frame outside the standard library."""
    by_tool: bool
    """Whether that code is a test tool's."""
    importing: bool
    """Whether the import system did it."""


@dataclass
class Sources:
    """Classifies files; remembers what it found, since the audit hook asks for every frame."""

    root: str
    packages: frozenset[str] = frozenset()
    """Top-level packages that are the application's wherever they are installed."""
    tools: frozenset[str] = frozenset()
    """Top-level packages of the test tools."""
    _known: dict[str, tuple[Owner, bool]] = field(default_factory=dict)

    def owner(self, file: str) -> Owner:
        """Whose code the file is."""
        return self._look_up(file)[0]

    def _look_up(self, file: str) -> tuple[Owner, bool]:
        found = self._known.get(file)
        if found is None:
            found = self._known[file] = self._classify(file)
        return found

    def _classify(self, file: str) -> tuple[Owner, bool]:
        if file.startswith(("<", *_DOORS)):
            return Owner.STANDARD_LIBRARY, False
        if file.startswith(_HERE):
            return Owner.DEPENDENCY, True
        package = _package(file)
        if package:
            if package in self.packages:
                return Owner.APPLICATION, False
            if package == _STANDS_IN:
                return Owner.STANDARD_LIBRARY, False
            return Owner.DEPENDENCY, package in self.tools
        if file.startswith(_STANDARD):
            return Owner.STANDARD_LIBRARY, False
        return Owner.APPLICATION, False

    def owner_of_module(self, name: str, file: object) -> Owner:
        """Whose a loaded module is, by its name and what its ``__file__`` says."""
        if name.partition(".")[0] in self.packages:
            return Owner.APPLICATION
        if type(file) is str:
            return self.owner(file)
        if name.partition(".")[0] in sys.stdlib_module_names:
            return Owner.STANDARD_LIBRARY
        return Owner.APPLICATION if name in ("__main__", SERVED, FIXTURES) else Owner.DEPENDENCY

    def place(self, frame: types.FrameType | None) -> Place | None:
        """The first frame of the user's code, from ``frame`` outwards; where there is none, the first of a dependency.

        Called within the audit hook: it takes strings and returns.
        """
        if frame is None:
            return None
        code = frame.f_code  # each time it is asked for raises an audit event
        owner, tool = self._known.get(code.co_filename) or self._look_up(code.co_filename)
        if tool:  # pytest's capture, a dozen times in a test
            return Place(code.co_filename, frame.f_lineno, code.co_name, owner, True, False)
        return self._outwards(frame)

    def _outwards(self, frame: types.FrameType | None) -> Place | None:
        culprit: tuple[types.FrameType, Owner, bool] | None = None
        users: types.FrameType | None = None
        importing, outer = False, ""
        for _ in range(_DEPTH):
            if frame is None:
                break
            file = frame.f_code.co_filename
            owner, tool = self._look_up(file)
            if file == "<frozen importlib._bootstrap_external>" and culprit is None:
                importing = True
            if owner is not Owner.STANDARD_LIBRARY:
                culprit = culprit or (frame, owner, tool)
                if culprit[2]:  # who called the tool makes no difference, and pytest's stack is deep
                    break
                if owner is Owner.APPLICATION:
                    users = frame
                    break
                if tool and file.startswith(_SERVES):
                    its_own = _package(culprit[0].f_code.co_filename) == _package(outer)
                    culprit = *culprit[:2], its_own
                    break
                outer = file
            frame = frame.f_back
        if culprit is None:
            return None
        shown = culprit[0] if users is None or culprit[2] else users
        code = shown.f_code
        return Place(code.co_filename, shown.f_lineno, code.co_name, culprit[1], culprit[2], importing)

    def origin(self, place: Place | None) -> Origin | None:
        """How a place is shown."""
        return None if place is None else Origin(self.relative(place.file), place.line, place.function)

    def relative(self, path: str) -> str:
        """A path relative to the root directory where it lies below it."""
        return relative_to(path, self.root)


def _package(file: str) -> str:
    """The top-level package that an installed file is of; empty for another one."""
    for marker in _INSTALLED:
        _, installed, inside = file.rpartition(marker)
        if installed:
            return inside.split(os.sep)[0].removesuffix(".py")
    return ""


def is_own(file: str) -> bool:
    """Whether a file is of this plugin."""
    return file.startswith(_HERE)


def relative_to(path: str, root: str) -> str:
    """``path`` relative to ``root`` where it lies below it, with forward slashes."""
    if path.startswith(root.rstrip(os.sep) + os.sep):
        path = path[len(root.rstrip(os.sep)) + 1 :]
    return path.replace(os.sep, "/")


def names_of(packages: Iterable[str]) -> frozenset[str]:
    """Top-level names of dotted package names."""
    return frozenset(package.partition(".")[0] for package in packages)
