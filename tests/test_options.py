"""Each option by the command line and by each kind of ini file alone; what cannot be read is a usage error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_stateless.options import OPTIONS, Option

if TYPE_CHECKING:
    from tests.conftest import Project

Value = Any

SHOP = """
from pathlib import Path
import rates, socket
CARTS = {}
def test_a(): pass
def test_state(): CARTS["bob"] = "s3cret"
def test_file(): Path("receipt.txt").write_text("tea")
def test_other(): rates.LEFT = [1]
def test_port(): socket.create_server(("", 0)).close()
def test_elsewhere(): Path("../elsewhere/tea.txt").write_text("tea")
"""


def _leaking(project: Project) -> list[str]:
    return sorted(
        f"{test['nodeid'].partition('::')[2]}: {leak['rule']} {_short(project, leak)} {leak['message']}"
        for test in project.report()["tests"]
        for leak in test["leaks"]
    )


def _short(project: Project, leak: dict[str, Any]) -> str:
    """The subject, without what differs from run to run of a path outside the project."""
    subject: str = leak["subject"]
    return subject.replace(os.path.realpath(project.path.parent).replace(os.sep, "/"), "..")


def _is_blamed(project: Project) -> bool:
    """Whether the line that changed a module's state is known."""
    tests = project.report()["tests"]
    return any(leak["chain"] for test in tests for leak in test["leaks"])


STATE = "test_state: module-state test_shop.CARTS['bob'] added: str (6 characters)"
FILE = "test_file: file-write receipt.txt created"
ELSEWHERE = "test_elsewhere: file-write ../elsewhere/tea.txt created"
OTHER = "test_other: module-state rates.LEFT added: list (1 item)"
PORT = "test_port: unexpected-port 0.0.0.0:0 tcp, exposed on all interfaces, closed since"
ALL = sorted([STATE, FILE, OTHER])
DENIED = "test_file: file-write receipt.txt denied: open for writing"

EFFECTS: dict[str, tuple[Value, list[str], int]] = {
    "--stateless": (True, ALL, 1),
    "--stateless-off": (True, [], 0),
    "--stateless-no-fail": (True, ALL, 0),
    "--stateless-no-blame": (True, ALL, 1),
    "--stateless-allow": (["module-state:test_shop.* -- a demo", "file-write:*"], [OTHER], 1),
    "--stateless-severity": (
        ["module-state:test_shop.*=off -- a demo", "file-write:*=warning", "module-state:*=warning"],
        sorted([STATE, FILE, OTHER]),
        0,
    ),
    "--stateless-temp": (["."], sorted([STATE, OTHER]), 1),
    "--stateless-watch": (["../elsewhere"], sorted([*ALL, ELSEWHERE]), 1),
    "--stateless-scope": ("application", sorted([STATE, FILE]), 1),
    "--stateless-requests": ("each", ALL, 1),
    "--stateless-canaries": (True, ALL, 1),  # no test sends anything
    "--stateless-package": (["rates.tea"], ALL, 1),
    "--stateless-ports": (["8000", "8010-8020"], sorted([*ALL, PORT]), 1),
    "--stateless-disk": ("deny", sorted([STATE, DENIED, OTHER]), 1),
    "--stateless-show-values": (
        True,
        sorted([f"{STATE} 's3cret'", FILE, f"{OTHER} [1]"]),
        1,
    ),
    "--stateless-report": (["github:notes.txt"], ALL, 1),
}
"""A value of each option, and what the run of the shop then reports and exits with, beside ``--stateless``."""


def _toml(value: Value) -> str:
    return json.dumps(value)


def _ini(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else "\n    ".join(["", *value])


FILES: dict[str, tuple[str, str, Callable[[Value], str]]] = {
    "ini-options": ("pyproject.toml", "[tool.pytest.ini_options]", _toml),
    "tool-pytest": ("pyproject.toml", "[tool.pytest]", _toml),
    "pytest-ini": ("pytest.ini", "[pytest]", _ini),
    "tox-ini": ("tox.ini", "[pytest]", _ini),
}
NATIVE = pytest.mark.skipif(not hasattr(pytest, "Subtests"), reason="[tool.pytest] came with pytest 9")


def _arguments(option: Option, value: Value) -> list[str]:
    if option.type == "bool":
        return [option.flag]
    return [f"{option.flag}={one}" for one in ([value] if isinstance(value, str) else value)]


def _write_shop(project: Project) -> None:
    """The shop with a dependency, installed as such."""
    project.write("test_shop.py", SHOP)
    project.write("site-packages/rates.py", "RATES = {}")
    elsewhere = project.path.parent / "elsewhere"  # which other tests' projects lie beside, too
    elsewhere.mkdir(exist_ok=True)
    elsewhere.joinpath("tea.txt").unlink(missing_ok=True)
    project.write(
        "conftest.py", "import sys\nsys.path.insert(0, __file__.replace('conftest.py', 'site-packages'))\n"
    )


def _check(option: Option, project: Project, *arguments: str) -> None:
    """Run the shop; what else is needed to see the option's effect is given by the command line."""
    _, leaks, code = EFFECTS[option.flag]
    # Without a check of all there would be nothing to see; the report is how it is seen.
    given = [] if option.flag == "--stateless" else ["--stateless"]
    # Whose a package is matters where only the application's are watched.
    more = ["--stateless-scope=application"] if option.flag == "--stateless-package" else []
    result = project.run("--stateless-report=json:leaks.json", *given, *more, *arguments)
    assert result.ret == code
    if option.flag == "--stateless-off":
        assert not project.path.joinpath("leaks.json").exists()
    else:
        assert _leaking(project) == leaks
    assert project.path.joinpath("notes.txt").exists() is (option.flag == "--stateless-report")
    if STATE in leaks:
        assert _is_blamed(project) is (option.flag not in ("--stateless-no-blame", "--stateless-severity"))


def test_each_option_has_an_effect_to_be_seen() -> None:
    assert EFFECTS.keys() == {option.flag for option in OPTIONS}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.ini)
def test_each_option_works_by_the_command_line(option: Option, project: Project) -> None:
    _write_shop(project)
    _check(option, project, *_arguments(option, EFFECTS[option.flag][0]))


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=NATIVE if kind == "tool-pytest" else ()) for kind in FILES]
)
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.ini)
def test_each_option_works_by_the_ini_file_alone(option: Option, kind: str, project: Project) -> None:
    name, heading, spell = FILES[kind]
    _write_shop(project)
    project.write(name, f"{heading}\n{option.ini} = {spell(EFFECTS[option.flag][0])}\n")
    _check(option, project, "--strict-config")


def test_false_in_the_ini_file_is_as_if_not_given(project: Project) -> None:
    _write_shop(project)
    bools = [option.ini for option in OPTIONS if option.type == "bool"]
    project.write("pytest.ini", "[pytest]\n" + "".join(f"{name} = false\n" for name in bools))
    assert project.run().ret == 0
    assert project.run("--stateless").ret == 1


def test_the_command_line_goes_before_the_ini_file(project: Project) -> None:
    _write_shop(project)
    project.write("pytest.ini", "[pytest]\nstateless_scope = application\nstateless = true\n")
    project.run("--stateless-scope=all", "--stateless-report=json:leaks.json")
    assert _leaking(project) == ALL


def test_lists_of_the_command_line_and_the_ini_file_add_up(project: Project) -> None:
    _write_shop(project)
    project.write(
        "pytest.ini", "[pytest]\nstateless_allow = module-state:test_shop.*\nstateless_report = json:a.json\n"
    )
    project.run("--stateless", "--stateless-allow=file-write:*", "--stateless-report=json:leaks.json")
    assert _leaking(project) == [OTHER]
    assert project.report("a.json") == project.report()


def test_every_option_is_in_the_help(project: Project) -> None:
    text = project.run("--help").stdout.str()
    for option in OPTIONS:
        assert f"  {option.flag}" in text
        assert f"  {option.ini} (" in text


# ---------------------------------------------------------------------------------------------- usage errors


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        pytest.param(
            "--stateless-allow=file-writ:x",
            "--stateless-allow: unknown rule 'file-writ' in allowance 'file-writ:x' (did you mean 'file-write'?)",
            id="misspelt-rule",
        ),
        pytest.param(
            "--stateless-allow=file-write",
            "--stateless-allow: allowance 'file-write' has no subject; write 'file-write:[*]' *",
            id="no-subject",
        ),
        pytest.param(
            "--stateless-scope=aplication",
            "--stateless-scope: 'aplication' is no scope (did you mean 'application'?); write all or application",
            id="misspelt-scope",
        ),
        pytest.param(
            "--stateless-scope=",
            "--stateless-scope: '' is no scope; write all or application",
            id="empty-scope",
        ),
        pytest.param(
            "--stateless-requests=all",
            "--stateless-requests: 'all' is no choice of requests; write named or each",
            id="requests",
        ),
        *(
            pytest.param(
                f"--stateless-ports={text}",
                f"--stateless-ports: '{text}' is no port; write one of 1 to 65535, or a range as 8000-8010",
                id=f"port-{text}",
            )
            for text in ("", "http", "0", "65536", "8010-8000", "8000-", "-8000", "8000-8010-8020", "²")
        ),
        pytest.param(
            "--stateless-report=jsn:x",
            "--stateless-report: 'jsn' is no format of a report (did you mean 'json'?); the formats are json, github",
            id="misspelt-format",
        ),
        pytest.param(
            "--stateless-report=json",
            "--stateless-report: 'json' names no file; write json:PATH, or json:- for standard output",
            id="no-path",
        ),
        pytest.param(
            "--stateless-report=json:", "--stateless-report: 'json:' names no file; *", id="empty-path"
        ),
        pytest.param(
            "--stateless-report=json:var",
            "--stateless-report: 'var' is a directory; write json:FILE",
            id="directory",
        ),
        pytest.param(
            "--stateless-disk=denny",
            "--stateless-disk: 'denny' is no disk (did you mean 'deny'?); write real, fake or deny",
            id="misspelt-disk",
        ),
        pytest.param("--stateless-temp=", "--stateless-temp: '' is no directory; *", id="empty-directory"),
        pytest.param("--stateless-watch=", "--stateless-watch: '' is no directory; *", id="nothing-watched"),
    ],
)
def test_a_mistake_on_the_command_line_is_a_usage_error(argument: str, line: str, project: Project) -> None:
    project.path.joinpath("var").mkdir()
    _is_usage_error(project.run(argument), f"ERROR: {line}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            "stateless_allow = file-writ:x",
            "stateless_allow: unknown rule 'file-writ' in allowance 'file-writ:x' (did you mean 'file-write'?)",
            id="misspelt-rule",
        ),
        pytest.param(
            "stateless_scope = al", "stateless_scope: 'al' is no scope (did you mean 'all'?); *", id="scope"
        ),
        pytest.param("stateless_ports = http", "stateless_ports: 'http' is no port; *", id="port"),
        pytest.param(
            "stateless_report = x:y", "stateless_report: 'x' is no format of a report; *", id="format"
        ),
        pytest.param("stateless = maybe", "stateless: invalid truth value 'maybe'", id="truth-value"),
    ],
)
def test_a_mistake_in_the_ini_file_is_a_usage_error(text: str, line: str, project: Project) -> None:
    project.write("pytest.ini", f"[pytest]\n{text}\n")
    _is_usage_error(project.run(), f"ERROR: pytest.ini: {line}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            "stateless_temp = [1]", "stateless_temp: write a list of texts, not [[]1]", id="numbers"
        ),
        pytest.param(
            "stateless_report = [1]", "stateless_report: write a list of texts, not [[]1]", id="report"
        ),
        pytest.param(
            "stateless_allow = [true]", "stateless_allow: write a list of texts, *", id="truth-values"
        ),
        pytest.param(
            "stateless_allow = 3",
            "stateless_allow: unknown rule '3' in allowance '3'; the rules *",
            id="number",
        ),
        pytest.param("stateless_scope = 3", "stateless_scope: '3' is no scope; *", id="scope"),
        pytest.param(
            "stateless_scope = ['all']",
            "stateless_scope: write a text, not [[]'all']",
            id="list-for-a-text",
            marks=pytest.mark.filterwarnings("ignore::pytest.PytestRemovedIn10Warning")
            if hasattr(pytest, "PytestRemovedIn10Warning")
            else (),
        ),
        pytest.param("stateless = ['x']", "stateless: invalid truth value *", id="list-for-a-truth-value"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_usage_error(text: str, line: str, project: Project) -> None:
    project.write("pyproject.toml", f"[tool.pytest.ini_options]\n{text}\n")
    _is_usage_error(project.run(), f"ERROR: pyproject.toml: {line}")


@NATIVE
@pytest.mark.parametrize(
    "text",
    ["stateless = 'maybe'", "stateless_scope = ['all']", "stateless_temp = 'x'", "stateless_allow = [1]"],
)
def test_a_value_of_the_wrong_type_in_pytest_9s_own_table_is_a_usage_error(
    text: str, project: Project
) -> None:
    project.write("pyproject.toml", f"[tool.pytest]\n{text}\n")
    _is_usage_error(project.run(), f"ERROR: *pyproject.toml: config option '{text.split()[0]}' expects *")


def test_a_mistake_given_by_an_override_is_a_usage_error(project: Project) -> None:
    _is_usage_error(
        project.run("-o", "stateless_scope=x"), "ERROR: configuration: stateless_scope: 'x' is no *"
    )


def _is_usage_error(result: pytest.RunResult, line: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([line])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str()
