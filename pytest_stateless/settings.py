"""What the command line and the ini file come to. A usage error names the place and the mend."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import pytest

from pytest_stateless.allowance import Allowance, AllowanceError, parse_allowance, suggestion
from pytest_stateless.options import DISKS, OPTIONS, REQUESTS, SCOPES, Option
from pytest_stateless.reports import FORMATS, STANDARD_OUTPUT
from pytest_stateless.severity import Grade, GradeError, parse_grade


def rule_ids() -> tuple[str, ...]:
    """The rules that an allowance can name."""
    from pytest_stateless.detectors import RULES  # loaded only where something is allowed or checked

    return tuple(rule.id for rule in RULES)


class Report(NamedTuple):
    """A report that was asked for."""

    format: str
    path: str
    """Absolute, or ``-`` for standard output."""


class Settings(NamedTuple):
    """What the command line and the ini file come to."""

    root: str
    check_all: bool
    off: bool
    no_fail: bool
    no_blame: bool
    allow: tuple[Allowance, ...]
    severity: tuple[Grade, ...]
    temp: tuple[str, ...]
    """Absolute and resolved: what the user declared and the system's own."""
    watch: tuple[str, ...]
    """Absolute and resolved: the directories that are watched beside the root directory."""
    scope: str
    requests: str
    canaries: bool
    packages: tuple[str, ...]
    ports: tuple[range, ...]
    """Those that the program is declared to open."""
    disk: str
    show_values: bool
    reports: tuple[Report, ...]


_EXPECTED: Final = {"list": "write a list of texts", "string": "write a text"}


def settings_of(config: pytest.Config) -> Settings:
    """Read every option. Raises pytest.UsageError naming the option and the mend."""
    value = {option.flag: _value(config, option) for option in OPTIONS}
    root = os.path.realpath(config.rootpath)
    return Settings(
        root=root,
        check_all=bool(value["--stateless"]),
        off=bool(value["--stateless-off"]),
        no_fail=bool(value["--stateless-no-fail"]),
        no_blame=bool(value["--stateless-no-blame"]),
        allow=tuple(_allowances(config)),
        severity=tuple(_grades(config)),
        temp=(*_directories("--stateless-temp", value, root, config), *_system_temp(config)),
        watch=tuple(_directories("--stateless-watch", value, root, config)),
        scope=_one_of(SCOPES, "scope", "--stateless-scope", value, config),
        requests=_one_of(REQUESTS, "choice of requests", "--stateless-requests", value, config),
        canaries=bool(value["--stateless-canaries"]),
        packages=tuple(value["--stateless-package"]),
        ports=tuple(_ports(text, config) for text in value["--stateless-ports"]),
        disk=disk_of(value["--stateless-disk"], _place_of_string(config, "--stateless-disk")),
        show_values=bool(value["--stateless-show-values"]),
        reports=tuple(_report(text, config) for text in value["--stateless-report"]),
    )


def _value(config: pytest.Config, option: Option) -> Any:
    """The command line goes before the ini file; lists add up."""
    given = config.getoption(option.dest)
    try:
        written = config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:  # the last since pytest 9.2
        place = "" if f"'{option.ini}'" in str(error) else f"{_file(config)}: {option.ini}: "
        raise pytest.UsageError(f"{place}{error}") from None
    texts = [written] if option.type == "string" and written else written or []
    if option.type != "bool" and not all(isinstance(text, str) for text in texts):
        raise pytest.UsageError(f"{_file(config)}: {option.ini}: {_EXPECTED[option.type]}, not {written!r}")
    if option.type == "list":
        return [*texts, *(given or ())]
    if given is not None:
        return given
    return written or option.default


def _file(config: pytest.Config) -> str:
    return str(config.inipath.name) if config.inipath is not None else "configuration"


def _place(config: pytest.Config, option: str, text: object) -> str:
    """Whether a list's entry was written on the command line or in the ini file."""
    flag = next(one for one in OPTIONS if one.flag == option)
    return option if text in (config.getoption(flag.dest) or ()) else f"{_file(config)}: {flag.ini}"


def _allowances(config: pytest.Config) -> list[Allowance]:
    option = next(one for one in OPTIONS if one.flag == "--stateless-allow")
    found = []
    for text in _value(config, option):
        try:
            found.append(parse_allowance(text, _place(config, option.flag, text), rule_ids()))
        except AllowanceError as error:
            raise pytest.UsageError(str(error)) from None
    return found


def _grades(config: pytest.Config) -> list[Grade]:
    option = next(one for one in OPTIONS if one.flag == "--stateless-severity")
    found = []
    for text in _value(config, option):
        try:
            found.append(parse_grade(text, _place(config, option.flag, text), rule_ids()))
        except GradeError as error:
            raise pytest.UsageError(str(error)) from None
    return found


def _one_of(
    choices: tuple[str, ...], what: str, flag: str, value: Mapping[str, Any], config: pytest.Config
) -> str:
    text: str = value[flag]
    if text not in choices:
        where = _place_of_string(config, flag)
        raise pytest.UsageError(
            f"{where}: {text!r} is no {what}{suggestion(text, choices)}; write {' or '.join(choices)}"
        )
    return text


def disk_of(text: object, where: str) -> str:
    """What becomes of writes, as an option or a marker says it. Raises pytest.UsageError."""
    if not isinstance(text, str) or text not in DISKS:
        near = suggestion(text, DISKS) if isinstance(text, str) else ""
        raise pytest.UsageError(
            f"{where}: {text!r} is no disk{near}; write {', '.join(DISKS[:-1])} or {DISKS[-1]}"
        )
    if text == "fake" and not _is_installed("pyfakefs"):
        raise pytest.UsageError(
            f"{where}: the disk 'fake' needs pyfakefs; install it with: pip install 'pytest-stateless[fake]'"
        )
    return text


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec  # loaded only where a fake disk is asked for

    try:
        return find_spec(name) is not None
    except ValueError:  # somebody keeps it from being imported
        return False


def _place_of_string(config: pytest.Config, flag: str) -> str:
    option = next(one for one in OPTIONS if one.flag == flag)
    return flag if config.getoption(option.dest) is not None else f"{_file(config)}: {option.ini}"


def _ports(text: str, config: pytest.Config) -> range:
    first, dash, last = text.strip().partition("-")
    numbers = [first, last if dash else first]
    if all(number.isdecimal() and int(number) in range(1, 65536) for number in numbers):
        found = range(int(numbers[0]), int(numbers[1]) + 1)
        if found:
            return found
    where = _place(config, "--stateless-ports", text)
    raise pytest.UsageError(f"{where}: {text!r} is no port; write one of 1 to 65535, or a range as 8000-8010")


def _report(text: str, config: pytest.Config) -> Report:
    where = _place(config, "--stateless-report", text)
    form, colon, path = text.partition(":")
    if form not in FORMATS:
        raise pytest.UsageError(
            f"{where}: {form!r} is no format of a report{suggestion(form, FORMATS)}; "
            f"the formats are {', '.join(FORMATS)}"
        )
    if not colon or not path:
        raise pytest.UsageError(
            f"{where}: {text!r} names no file; write {form}:PATH, or {form}:- for standard output"
        )
    if path == STANDARD_OUTPUT:
        return Report(form, path)
    full = os.path.join(config.invocation_params.dir, os.path.expanduser(path))
    if os.path.isdir(full):
        raise pytest.UsageError(f"{where}: {path!r} is a directory; write {form}:FILE")
    return Report(form, full)


def _directories(flag: str, value: dict[str, Any], root: str, config: pytest.Config) -> list[str]:
    directories: Sequence[str] = value[flag]
    if "" in directories:
        where = _place(config, flag, "")
        raise pytest.UsageError(f"{where}: '' is no directory; write '.' to mean the root directory")
    return [os.path.realpath(os.path.join(root, os.path.expanduser(directory))) for directory in directories]


def _system_temp(config: pytest.Config) -> list[str]:
    found = [tempfile.gettempdir()]
    basetemp = config.getoption("basetemp", None)
    if basetemp:
        found.append(str(basetemp))
    return [os.path.realpath(directory) for directory in found]
