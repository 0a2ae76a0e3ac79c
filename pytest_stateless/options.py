"""Every option, declared once: the command line, the ini files and the documentation are made from this table."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pytest

from pytest_stateless.reports import FORMATS
from pytest_stateless.severity import LEVELS

SCOPES: Final = ("all", "application")
REQUESTS: Final = ("named", "each")
DISKS: Final = ("real", "fake", "deny")


class Option(NamedTuple):
    """One option: ``--stateless-show-values`` on the command line is ``stateless_show_values`` in ini files."""

    flag: str
    type: str
    """``bool``, ``list`` or ``string``."""
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None

    @property
    def ini(self) -> str:
        """The name in ini files."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def dest(self) -> str:
        """The name among pytest's parsed options."""
        return f"stateless_option_{self.ini}"


OPTIONS: Final = (
    Option("--stateless", "bool", "Check every test as if it were marked stateless."),
    Option("--stateless-off", "bool", "Check nothing: markers and the fixture do nothing."),
    Option("--stateless-no-fail", "bool", "Report leaks without failing a test."),
    Option(
        "--stateless-no-blame",
        "bool",
        "Don't run a leaking test once more to find the line that changed a module's or the interpreter's state.",
    ),
    Option(
        "--stateless-allow",
        "list",
        "A known leftover that is fine, as rule:subject-pattern, with ' -- reason' after it if you like.",
        "RULE:PATTERN",
    ),
    Option(
        "--stateless-severity",
        "list",
        f"How bad leftovers are, as rule:subject-pattern=level; levels are {', '.join(LEVELS)}. The last one counts.",
        "RULE:PATTERN=LEVEL",
    ),
    Option(
        "--stateless-temp",
        "list",
        "A further temporary directory, relative to the root directory: what is written there is no leak.",
        "DIR",
    ),
    Option(
        "--stateless-watch",
        "list",
        "A further directory to watch as the root directory is, relative to it; also one below a temporary one.",
        "DIR",
    ),
    Option(
        "--stateless-scope",
        "string",
        "Whose modules module-state watches: of every module of the process, or the application's only.",
        "SCOPE",
        SCOPES,
        "all",
    ),
    Option(
        "--stateless-requests",
        "string",
        "Which requests are windows of their own: those that a test names, or each that a test client sends.",
        "WHICH",
        REQUESTS,
        "named",
    ),
    Option(
        "--stateless-canaries",
        "bool",
        "Look for the passwords, tokens and cookies that test clients send, after each request.",
    ),
    Option(
        "--stateless-package",
        "list",
        "A package that is the application's although it is installed among the dependencies.",
        "NAME",
    ),
    Option(
        "--stateless-ports",
        "list",
        "A port that the program may open, or a range as 8000-8010; any other is then an unexpected-port.",
        "PORT",
    ),
    Option(
        "--stateless-disk",
        "string",
        "Whether writes outside the temporary directories reach the real disk, a fake one in memory, or are denied.",
        "DISK",
        DISKS,
        "real",
    ),
    Option(
        "--stateless-show-values",
        "bool",
        "Show values of leaked state and whole commands; they may be secret.",
    ),
    Option(
        "--stateless-report",
        "list",
        f"Write a report; formats are {', '.join(FORMATS)}; '-' as the path is standard output.",
        "FORMAT:PATH",
    ),
)


def declare(parser: pytest.Parser) -> None:
    """Declare every option on the command line and in ini files."""
    group = parser.getgroup("stateless", "process-local state that tests leave behind (pytest-stateless)")
    for option in OPTIONS:
        keywords: dict[str, Any] = {"dest": option.dest, "help": option.help, "default": None}
        if option.type == "bool":
            keywords["action"] = "store_true"
        else:
            keywords["metavar"] = option.metavar
        if option.type == "list":
            keywords["action"] = "append"
        group.addoption(option.flag, **keywords)
        parser.addini(option.ini, option.help, type=_INI_TYPES[option.type], default=None)


_INI_TYPES: Final[dict[str, Any]] = {"bool": "bool", "list": "linelist", "string": "string"}
